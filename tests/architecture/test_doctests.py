"""Every ``>>>`` of the packages runs and prints what it says."""

import doctest
import importlib

import pytest

from tests.architecture.house import EVERY, lines_of

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WITH_EXAMPLES = [module for module in EVERY if any(">>>" in line for line in lines_of(module))]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run(module: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    tests = [test for test in doctest.DocTestFinder().find(importlib.import_module(module)) if test.examples]
    assert tests, "the example is in no docstring that doctest finds"
    for test in tests:
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
