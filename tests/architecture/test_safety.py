"""Nothing executes what it reads, and nothing that is committed names a machine or a registry."""

import ast
import re

from tests.architecture.house import EVERY, ROOT, all_imports, package_of, tracked, tree_of

UNSAFE = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}


def test_nothing_that_executes_what_it_reads():
    for module in EVERY:
        assert not UNSAFE & {package_of(name) for name in all_imports(module)}, module
        for node in ast.walk(tree_of(module)):
            if not isinstance(node, ast.Call):
                continue
            called, place = ast.unparse(node.func), f"{module}:{node.lineno}"
            assert called not in ("eval", "exec", "pd.read_pickle", "torch.load"), f"{place} calls {called}"
            assert not called.endswith(".to_pickle"), f"{place} calls {called}"
            if called in ("np.load", "numpy.load"):
                given = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert given.get("allow_pickle") == "False", f"{place} must say allow_pickle=False"


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
