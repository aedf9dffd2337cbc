"""What is imported is declared, and every declaration says what it is for."""

import re
import sys
import tomllib

from tests.architecture.house import EVERY, PACKAGES, ROOT, all_imports


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
