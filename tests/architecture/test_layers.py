"""The dependency direction of DESIGN.md ("The house"), held by reading the source; there is no list of exceptions."""

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Rooms from the ground up; a room imports rooms further down only. Rooms in one line do not know each other.
PLATFORM = [
    ("errors",),
    ("clock", "chance", "commands", "places", "locks", "interrupt"),
    ("files", "page"),
    ("journal",),
    ("spec",),
    ("series",),
    ("cluster",),
    ("workers",),
    ("tables",),
    ("features",),
    ("search",),
    ("retrieval",),
    ("registry",),
    ("ops",),
    ("jobs",),
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
    ("evaluate", "testing", "datasets"),
    ("intervals",),
    ("ensembles",),
    ("recipes",),
    ("report",),
    ("artifact",),
    ("pipeline",),
    ("search", "arguments"),
    ("api",),
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
    ("accuracy", "handover", "search"),
    ("eligibility", "features", "online", "serve", "speed"),
    ("command",),
    ("cli",),
]
PACKAGES = ("zoo", "autots", "serve", "benchmarks")
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
    "zoo.search.evidence": "optuna",
    "zoo.search.opening": "optuna",
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
    "zoo.search.storage": "optuna",
    "zoo.search.suggest": "optuna",
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
    "lightgbm": ("autots.models.tabular", "autots.search.trial"),
    "statsforecast": ("autots.models.statistical", "autots.search.trial"),
    "torch": ("autots.models.neural", "autots.search.trial", "benchmarks", "serve.runtime", "serve.testing"),
}
UNSAFE = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}


def modules(*packages: str) -> list[str]:
    files = [f for package in packages for f in sorted((ROOT / package).rglob("*.py"))]
    return [name_of(f) for f in files]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def path_of(module: str) -> Path:
    base = ROOT.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def imported(node: ast.AST, module: str) -> list[str]:
    """Return what an import statement names: ``from a import b`` gives ``a`` or, where that is a module, ``a.b``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = module if path_of(module).name == "__init__.py" else module.rpartition(".")[0]
        parts = package.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
    names = [f"{base}.{alias.name}" for alias in node.names]
    return [name if base.split(".")[0] in PACKAGES and path_of(name).is_file() else base for name in names]


def all_imports(module: str) -> list[str]:
    return [name for node in ast.walk(tree_of(module)) for name in imported(node, module)]


def top_imports(module: str) -> list[str]:
    """Return what is imported when the module is, without what only the type checker sees."""
    out: list[str] = []
    todo: list[ast.AST] = list(tree_of(module).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        out += imported(node, module)
        todo += ast.iter_child_nodes(node)
    return out


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


EVERY = modules(*PACKAGES)


def test_every_room_has_its_place():
    rooms = {room_of(m) for m in EVERY if "." in m}
    assert not rooms - set(LAYERS), "say in this file where the room belongs"


@pytest.mark.parametrize("module", EVERY)
def test_a_room_imports_only_rooms_below(module):
    if "." not in module:
        return  # the packages' own roots are doors: they hand out names lazily
    mine = room_of(module)
    for name in all_imports(module):
        other = room_of(name)
        package = name.split(".")[0]
        if package == "autots":
            assert not mine.startswith("zoo."), f"{module} imports {name}: the platform does not know its tenants"
        if package == "serve":
            assert mine.startswith(("serve.", "benchmarks.")), f"{module} imports {name}: only serve imports serve"
        if package == "benchmarks":
            assert mine.startswith("benchmarks."), f"{module} imports {name}, which is not installed"
        if package in PACKAGES and package == mine.split(".")[0] and other != mine:
            assert "." in name, f"{module} imports the root of its own package"
            assert LAYERS[other] < LAYERS[mine], f"{module} imports {name}, which is not below it"


def test_modules_have_no_import_cycle():
    known = set(EVERY)
    graph = {m: {n for n in top_imports(m) if n in known and n != m} for m in EVERY}
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for other in sorted(graph[module]):
            # A package's __init__ gathers its own modules; that is not a cycle unless one of them asks back.
            visit(other)
        path.pop()
        done.add(module)

    for module in EVERY:
        visit(module)


@pytest.mark.parametrize("module", EVERY)
def test_heavy_libraries_are_imported_where_they_belong_and_lazily(module):
    for name in all_imports(module):
        homes = HOMES.get(name.split(".")[0])
        if homes is not None:
            assert module.startswith(homes), f"{module} imports {name}, whose place is {homes}"
    for name in top_imports(module):
        library = name.split(".")[0]
        wrapped = WRAPPERS.get(module, "").split()
        assert library not in HEAVY or library in wrapped, f"{module} imports {name} at its top"
        assert name not in WRAPPERS or module in WRAPPERS, f"{module} imports {name} at its top"


def test_importing_the_public_names_loads_no_heavy_library():
    code = (
        "import sys, autots, autots.api, zoo.cli, zoo.search, zoo.workers, zoo.cluster;"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    import sys

    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("module", EVERY)
def test_nothing_that_executes_what_it_reads(module):
    assert not UNSAFE & {name.split(".")[0] for name in all_imports(module)}
    for node in ast.walk(tree_of(module)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in ("eval", "exec", "pd.read_pickle", "torch.load"), f"{module}:{node.lineno} calls {called}"
        assert not called.endswith(".to_pickle"), f"{module}:{node.lineno} calls {called}"
        if called in ("np.load", "numpy.load"):
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert given.get("allow_pickle") == "False", f"{module}:{node.lineno} must say allow_pickle=False"


@pytest.mark.parametrize("module", EVERY)
def test_a_module_says_what_it_offers(module):
    body = [n for n in tree_of(module).body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    if not body:
        return  # a folder without names of its own
    names = [t.id for n in body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    assert "__all__" in names
    assert ast.get_docstring(tree_of(module)), "a module says in its first line what it is"


@pytest.mark.parametrize("module", EVERY)
def test_no_drawer_for_odds_and_ends(module):
    assert not {"utils", "util", "common", "helpers", "helper", "misc"} & set(module.split("."))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_this_machine_or_a_registry():
    # Put together here, so that this file does not find itself.
    found = re.compile("|".join(re.escape(a + b) for a, b in [("/wor", "k/"), ("/tmp/", "venv"), ("pypi", ".org"),
                                                              ("files.python", "hosted"), ("/home", "/"),
                                                              ("/ro", "ot/")]))  # fmt: skip
    hits = []
    for file in tracked():
        if file.suffix in (".png", ".parquet", ".gz", ".safetensors") or not file.is_file():
            continue
        for i, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if found.search(line):
                hits.append(f"{file.relative_to(ROOT)}:{i}: {line.strip()[:100]}")
    assert not hits, "\n".join(hits)


def test_every_dependency_says_what_it_is_for():
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    begin = lines.index("dependencies = [")
    listed = lines[begin + 1 : lines.index("]", begin)]
    silent = [line for line in listed if not re.search(r'",\s+# \S', line)]
    assert listed
    assert not silent


def test_every_third_party_import_is_a_dependency():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    extras = [name for key, names in project["optional-dependencies"].items() if key != "test" for name in names]
    listed = [*project["dependencies"], *extras]
    declared = {re.split(r"[\[<>=!~ ]", d)[0].lower() for d in listed}
    import sys

    used = {name.split(".")[0] for m in EVERY for name in all_imports(m)}
    third = used - set(sys.stdlib_module_names) - {*PACKAGES, ""}
    # coreforecast comes with statsforecast, which pins it; Py4J with PySpark; others are imported under another name.
    bundled = {
        "coreforecast": "statsforecast",
        "py4j": "pyspark",
        "yaml": "pyyaml",
        "grpc": "grpcio",
        "google": "protobuf",
    }
    missing = {name for name in third if bundled.get(name, name).lower().replace("_", "-") not in declared}
    assert not missing
