"""An idea that needs care is built once: each of these names may be used in one module."""

import ast
from collections import defaultdict

from tests.architecture.house import EVERY, tree_of
from tests.architecture.ratchet import hold

#: What is written once -> how its use shows in the source (the last parts of a dotted name).
ONCE = {
    "digests (hashlib)": "hashlib",
    "locks of files (flock)": "flock",
    "atomic files (os.replace)": "os.replace",
    "ISO weeks (isocalendar)": "isocalendar",
}


def test_each_idea_has_one_place():
    users = defaultdict(set)
    for module in EVERY:
        for node in ast.walk(tree_of(module)):
            found = names(node)
            for idea, sign in ONCE.items() if found else ():
                if sign in found:
                    users[idea].add(module)
    hold(
        "one_place",
        {idea: len(found) for idea, found in users.items() if len(found) > 1},
        [f"{idea}: {', '.join(sorted(found))}" for idea, found in users.items()],
    )


def names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    if isinstance(node, ast.Attribute):
        return {node.attr, f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else ""}
    return set()
