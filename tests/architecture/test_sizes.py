"""Files of at most 400 lines, functions of at most 60: tests, too, and without a list of exceptions."""

import ast

from tests.architecture.house import EVERY, definitions, lines_of, modules
from tests.architecture.ratchet import hold

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
ALL = [*EVERY, *modules("tests")]


def test_files_are_short():
    hold("file_lines", {m: len(lines_of(m)) for m in ALL if len(lines_of(m)) > MOST_LINES_OF_A_FILE})


def test_functions_are_short():
    long = {}
    for module in ALL:
        for name, node in definitions(module):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if not isinstance(node, ast.ClassDef) and lines > MOST_LINES_OF_A_FUNCTION:
                long[f"{module}.{name}"] = lines
    hold("function_lines", long)
