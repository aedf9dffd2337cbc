"""What is documented is said in whole: arguments, errors, constants, rooms."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.architecture.house import EVERY, PACKAGES, ROOT, definitions, lines_of, package_of, tree_of
from tests.architecture.ratchet import hold

LEAST_WORDS = {"Args": 4, "Attributes": 4, "Raises": 3}
#: In the name of a constant, what it counts.
UNITS = frozenset(
    "BYTES CHARACTERS DAYS DIGITS EPOCHS FILES HOURS LETTERS LINES MB MILLISECONDS MINUTES NS POINTS PROCESSES "
    "ROUNDS ROWS SECONDS SERIES STEPS THREADS TREES TRIALS WORDS YEARS".split()
)


def test_every_argument_and_error_is_told_in_whole():
    found = [(module, line) for module in EVERY for line in short_docs(module)]
    hold("short_docs", Counter(package_of(module) for module, _ in found), [f"{m}: {line}" for m, line in found])


def short_docs(module: str) -> Iterator[str]:
    for name, node in definitions(module):
        if any(part.startswith("_") and part != "__init__" for part in name.split(".")):
            continue
        doc = (ast.get_docstring(node) or "") + "\n"
        for section, least in LEAST_WORDS.items():
            block = re.search(rf"^{section}:\n((?:    .*\n?|\n)+)", doc, re.M)
            entries = r"^    (\*{0,2}\w+(?:, \w+)*)(?: \([^)]*\))?: (.*(?:\n        .*)*)"
            for entry in re.finditer(entries, block[1], re.M) if block else ():
                if len(entry[2].split()) < least:
                    yield f"{name} ({section}) {entry[1]}: {' '.join(entry[2].split())}"


def test_every_numeric_constant_says_what_it_counts_or_why():
    found = [(module, name) for module in EVERY for name in silent_constants(module)]
    hold("silent_constants", Counter(package_of(module) for module, _ in found), [f"{m}.{name}" for m, name in found])


def silent_constants(module: str) -> Iterator[str]:
    lines = lines_of(module)
    for node in tree_of(module).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(target, ast.Name) or not is_number(getattr(node, "value", None)):
            continue
        said = [line for line in lines[node.lineno - 1 : node.end_lineno] if "#" in line]
        # The comment above a run of constants speaks for all of them.
        above = node.lineno - 2
        while above >= 0 and re.match(r"_?[A-Z][A-Z0-9_]*\b.*=", lines[above]):
            above -= 1
        if not said and not lines[above].startswith("#") and not UNITS & set(target.id.split("_")):
            yield target.id


def is_number(value: ast.AST | None) -> bool:
    """Whether it is a number, or a formula or tuple of numbers."""
    kinds = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.operator, ast.unaryop, ast.expr_context)
    parts = [] if value is None else list(ast.walk(value))
    constants = [part.value for part in parts if isinstance(part, ast.Constant)]
    return (
        bool(constants)
        and all(isinstance(part, kinds) for part in parts)
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in constants)
    )


@cache
def places() -> set[str]:
    """Return every file and folder of the tree, folders with a slash at their end."""
    found = [
        path for folder in (*PACKAGES, "tests", "examples", "configs", "docs") for path in (ROOT / folder).rglob("*")
    ]
    return {path.as_posix() + "/" * path.is_dir() for path in [*found, *ROOT.glob("*")]}


ROOMS = sorted(path.parent for package in PACKAGES for path in (ROOT / package).rglob("README.md"))


def name_of(room: Path) -> str:
    return str(room.relative_to(ROOT))


def test_every_file_is_in_the_readme_of_its_room():
    missing = [f"{name_of(room)}: {name}" for room in ROOMS for name in unlisted(room)]
    hold("unlisted_files", Counter(line.partition("/")[0].partition(":")[0] for line in missing), missing)


def unlisted(room: Path) -> Iterator[str]:
    """Yield files of a room that its README has in no code span; a folder without a README may stand for its files."""
    said = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", (room / "README.md").read_text(encoding="utf-8")))))
    for file in sorted(room.rglob("*.py")):
        nearest = next(folder for folder in file.parents if folder in ROOMS)
        parts = {file.stem, *file.relative_to(room).parent.parts}
        if nearest == room and file.stem != "__init__" and not parts & said:
            yield str(file.relative_to(room))


def test_a_readme_names_no_file_that_does_not_exist():
    found = [f"{name_of(room)}: {name}" for room in ROOMS for name in gone(room)]
    hold("gone_files", Counter(line.partition("/")[0].partition(":")[0] for line in found), found)


def gone(room: Path) -> Iterator[str]:
    text = (room / "README.md").read_text(encoding="utf-8")
    files = set(re.findall(r"`([\w./]*\w\.py)`", text))
    # Folders in running text may be a user's; those in a table of rooms are ours.
    rooms = "".join(re.findall(r"^\| rooms? \|.*?(?=^[^|]|\Z)", text, re.M | re.S))
    folders = {name for row in re.findall(r"^\| (`.*?) \|", rooms, re.M) for name in re.findall(r"`([\w/]+/)`", row)}
    yield from (name for name in sorted(files | folders) if not any(place.endswith(f"/{name}") for place in places()))
