"""How many lines of test there are for a line of source: code alone, without docstrings, comments and blank lines."""

import ast
from functools import cache
from pathlib import Path

from tests.architecture.house import INSTALLED, ROOT, Definition
from tests.architecture.ratchet import hold

#: Lines of test per 100 lines of source that are asked for.
ASKED = 70
#: Folders that test more than one package.
SHARED = ("conformance", "property", "golden", "faults", "architecture", "examples")


def test_lines_of_test_keep_up_with_the_source(record_property):
    source = {package: code_lines(ROOT / package) for package in INSTALLED}
    tests = {package: code_lines(ROOT / "tests" / package) for package in (*INSTALLED, *SHARED)}
    for package in INSTALLED:
        share = tests[package] / source[package]
        print(f"{package}: {tests[package]} lines of test for {source[package]} of source, {share:.2f}")
        for room in sorted((ROOT / package).iterdir()):
            mirror = ROOT / "tests" / package / room.name
            if room.is_dir() and code_lines(room):
                print(f"  {room.name}: {code_lines(mirror)} / {code_lines(room)}")
    per_hundred = 100 * sum(tests.values()) // sum(source.values())
    print(f"all, with {', '.join(SHARED)}: {sum(tests.values())} / {sum(source.values())} = {per_hundred / 100:.2f}")
    record_property("test_lines_per_100", per_hundred)
    hold("test_lines_short_of_70_per_100", {"all": max(0, ASKED - per_hundred)})


def code_lines(folder: Path) -> int:
    return sum(code_in(file) for file in folder.rglob("*.py"))


@cache
def code_in(file: Path) -> int:
    """Return how many lines of a file are code."""
    text = file.read_text(encoding="utf-8")
    docs: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | Definition) and ast.get_docstring(node):
            docs |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = (line.strip() for line in text.splitlines())
    return sum(bool(line) and line[0] != "#" and number not in docs for number, line in enumerate(lines, start=1))
