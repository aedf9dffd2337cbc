"""A name means one thing, and a module says what it offers."""

import ast
from collections import defaultdict

from tests.architecture.house import EVERY, definitions, tree_of
from tests.architecture.ratchet import hold


def test_a_class_name_means_one_thing_in_the_whole_tree():
    places = defaultdict(list)
    for module in EVERY:
        for name, node in definitions(module):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{module}.{name}")
    shared = {name: where for name, where in places.items() if len(where) > 1}
    hold(
        "class_names",
        {name: len(where) for name, where in shared.items()},
        [f"{name}: {', '.join(where)}" for name, where in shared.items()],
    )


def test_a_module_says_what_it_is_and_what_it_offers():
    for module in EVERY:
        body = [n for n in tree_of(module).body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
        if not body:
            continue  # a folder without names of its own
        names = [t.id for n in body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
        assert "__all__" in names, f"{module} must have __all__"
        assert ast.get_docstring(tree_of(module)), f"{module} must say in its first line what it is"


def test_no_drawer_for_odds_and_ends():
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not [module for module in EVERY if drawers & set(module.split("."))]
