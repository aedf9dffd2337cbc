"""The dependency direction of docs/architecture.md, held by reading the source; there is no list of exceptions."""

import ast
import subprocess
import sys

import pytest

from tests.architecture.house import (
    EVERY,
    PACKAGES,
    ROOT,
    all_imports,
    at_import,
    imported,
    package_of,
    room_of,
    top_imports,
)

#: Rooms from the ground up; a room imports rooms further down only. Rooms in one line do not know each other.
PLATFORM = [
    ("errors",),
    ("clock", "chance", "commands", "places", "locks", "interrupt"),
    ("files", "page"),
    ("journal",),
    ("spec", "registry"),
    ("series",),
    ("cluster",),
    ("workers",),
    ("tables",),
    ("features",),
    ("search",),
    ("testing",),
    ("cli",),
]
TENANT = [
    ("panel",),
    ("reading",),
    ("features",),
    ("metrics",),
    ("eligibility",),
    ("models",),
    ("evaluate", "datasets"),
    ("intervals",),
    ("ensembles",),
    ("recipes", "testing"),
    ("report",),
    ("artifact",),
    ("pipeline",),
    ("search", "arguments"),
    ("api",),
    ("shards",),
    ("commands",),
    ("cli",),
]
WIRE = [
    ("protocol", "routing", "identity"),
    ("runtime",),
    ("engines", "metrics", "client", "safety", "admission", "queue", "page", "rpc", "parsing"),
    ("http",),
    ("app",),
    ("testing",),
    ("deployments",),
    ("commands",),
    ("cli",),
]
#: The benchmarks know everything and nothing knows them.
BENCHMARKS = [
    ("machine", "handover", "search"),
    ("accuracy",),
    (
        "calibration",
        "eligibility",
        "features",
        "models",
        "online",
        "panels",
        "portfolio",
        "registry",
        "serve",
        "speed",
        "trees",
    ),
    ("command",),
    ("cli",),
]
LAYERS = {
    f"{package}.{room}": i
    for package, layers in zip(PACKAGES, (PLATFORM, TENANT, WIRE, BENCHMARKS), strict=True)
    for i, layer in enumerate(layers)
    for room in layer
}

#: Imported inside functions only, so that `import autots` and `zoo --help` stay quick.
HEAVY = {
    "deltalake", "hnswlib", "lightgbm", "matplotlib", "mlflow", "optuna", "pyspark", "ray", "raydp", "scipy",
    "statsforecast", "statsmodels", "torch", "onnxruntime",
}  # fmt: skip
#: The modules that wrap one heavy library; they are imported lazily instead.
WRAPPERS = {
    "zoo.search.runners.trainable": "ray",
    "zoo.search.runners.tune": "ray",
    "autots.search.sampler": "optuna",
    "zoo.search.open_storage": "optuna",
    "zoo.search.operations": "optuna",
    "zoo.search.replay": "optuna",
    "zoo.search.samplers": "optuna",
    "zoo.search.samplers.base": "optuna",
    "zoo.search.samplers.choice": "optuna",
    "zoo.search.samplers.freeze_thaw": "optuna",
    "zoo.search.samplers.gaussian": "scipy",
    "zoo.search.samplers.gp": "optuna scipy",
    "zoo.search.samplers.history": "optuna",
    "zoo.search.samplers.population": "optuna",
    "zoo.search.samplers.random": "optuna",
    "zoo.search.samplers.surrogate": "scipy",
    "zoo.search.samplers.untried": "optuna",
    "zoo.search.samplers.tpe": "optuna",
    "zoo.search.snapshot": "optuna",
    "zoo.search.storage": "optuna",
    "zoo.search.suggestion": "optuna",
    "zoo.search.warm_start": "optuna",
    "zoo.testing.samplers": "optuna",
    "serve.deployments.ingress": "ray",
    "serve.testing.networks": "torch",
}
#: Where a library may be imported at all.
HOMES = {
    "ray": ("zoo.cluster", "zoo.workers", "zoo.search.runners", "zoo.tables", "serve.deployments", "benchmarks"),
    "pyspark": ("zoo.features", "zoo.tables", "zoo.cluster", "benchmarks"),
    "holidays": ("zoo.series",),
    "deltalake": ("zoo.tables",),
    "raydp": ("zoo.cluster", "zoo.tables"),
    "optuna": ("zoo.search", "zoo.testing", "benchmarks"),
    "lightgbm": ("autots.models.tabular", "benchmarks.trees"),
    "statsforecast": ("autots.models.statistical", "benchmarks"),
    "torch": ("autots.models.neural", "benchmarks", "serve.runtime", "serve.testing"),
}


def test_every_room_has_its_place_and_every_place_its_room():
    rooms = {room_of(m) for m in EVERY if "." in m}
    assert not rooms - set(LAYERS), "say in this file where the room belongs"
    assert not set(LAYERS) - rooms, "there is no such room (any more)"


@pytest.mark.parametrize("module", EVERY)
def test_a_room_imports_only_rooms_below(module):
    if "." not in module:
        return  # the packages' own roots are doors: they hand out names lazily
    mine = room_of(module)
    for name in all_imports(module):
        other = room_of(name)
        package = package_of(name)
        if package == "autots":
            assert not mine.startswith("zoo."), f"{module} imports {name}: the platform does not know its tenants"
        if package == "serve":
            assert mine.startswith(("serve.", "benchmarks.")), f"{module} imports {name}: only serve imports serve"
        if package == "benchmarks":
            assert mine.startswith("benchmarks."), f"{module} imports {name}, which is not installed"
        if package in PACKAGES and package == package_of(mine) and other != mine:
            assert "." in name, f"{module} imports the root of its own package"
            assert LAYERS[other] < LAYERS[mine], f"{module} imports {name}, which is not below it"


def test_modules_have_no_import_ring():
    known = set(EVERY)
    graph = {m: {n for n in asked_at_import(m) if n in known and n != m} for m in EVERY}
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for other in sorted(graph[module]):
            visit(other)
        path.pop()
        done.add(module)

    for module in EVERY:
        visit(module)


def asked_at_import(module: str) -> set[str]:
    """Return the modules that must be there when a module is imported.

    ``from a import b`` asks a itself for b, also where b is a module: a's ``__init__`` may hand out something else
    under that name, and a module that asks its own package asks one which is not ready yet.
    """
    found = set(top_imports(module))
    for node in at_import(module):
        for name in imported(node, module):
            if isinstance(node, ast.ImportFrom) and name != (node.module or ""):
                found.add(name.rpartition(".")[0])
    return found


def test_heavy_libraries_are_imported_where_they_belong_and_lazily():
    for module in EVERY:
        for name in all_imports(module):
            homes = HOMES.get(package_of(name))
            if homes is not None:
                assert module.startswith(homes), f"{module} imports {name}, whose place is {homes}"
        for name in top_imports(module):
            library = package_of(name)
            wrapped = WRAPPERS.get(module, "").split()
            assert library not in HEAVY or library in wrapped, f"{module} imports {name} at its top"
            assert name not in WRAPPERS or module in WRAPPERS, f"{module} imports {name} at its top"


def test_no_exception_for_heavy_libraries_is_stale():
    for module, libraries in WRAPPERS.items():
        assert module in EVERY, f"{module} is a wrapper, but there is no such module"
        heavy = {package_of(name) for name in top_imports(module)} | {
            library for name in top_imports(module) for library in WRAPPERS.get(name, "").split()
        }
        assert set(libraries.split()) <= heavy, f"{module} does not import {libraries} at its top"
    for library, homes in HOMES.items():
        users = {m for m in EVERY if library in {package_of(name) for name in all_imports(m)}}
        for home in homes:
            assert any(user.startswith(home) for user in users), f"{home} may import {library}, but does not"


def test_importing_the_public_names_loads_no_heavy_library():
    code = (
        "import sys, autots, autots.api, zoo.cli, zoo.search, zoo.workers, zoo.cluster;"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
