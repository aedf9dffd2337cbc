"""Sizes of learners follow from rows and seconds without a step."""

from itertools import pairwise

import numpy as np
import pytest

from autots.models.base import Task
from autots.recipes.machine_unit import unit_seconds
from autots.recipes.sizes import fixed_sizes, tree_size


@pytest.mark.parametrize("seconds", [5.0, 60.0, 180.0, 3600.0])
@pytest.mark.parametrize("key", ["rounds", "learning_rate", "leaves"])
def test_trees_grow_with_the_rows_and_without_a_step(seconds, key):
    sizes = [tree_size("trees_direct", int(rows), seconds)[key] for rows in np.geomspace(10, 1e8, 400)]
    assert all(a <= b <= 1.12 * a for a, b in pairwise(sizes))


@pytest.mark.parametrize("rows", [1_000, 30_000, 1_000_000])
def test_trees_grow_with_the_budget_and_without_a_step(rows):
    sizes = [tree_size("trees_direct", rows, float(s))["leaves"] for s in np.geomspace(1, 1e5, 400)]
    assert all(a <= b <= 1.12 * a for a, b in pairwise(sizes))


def test_large_trees_are_larger_and_those_step_by_step_are_not():
    usual = tree_size("trees_direct", 50_000, 60.0)
    large = tree_size("trees_direct", 50_000, 60.0, large=True)
    assert large["leaves"] > usual["leaves"] and large["rounds"] > usual["rounds"]
    assert tree_size("trees_recursive", 10**7, 600.0)["leaves"] == 31


def test_the_sizes_are_about_those_that_were_tuned():
    tuned = {(5_000, 60): 15, (50_000, 60): 31, (300_000, 60): 63, (300_000, 300): 127}
    for (rows, seconds), leaves in tuned.items():
        assert tree_size("trees_direct", rows, seconds)["leaves"] == pytest.approx(leaves, rel=0.15)


def test_long_seasons_are_remembered():
    assert fixed_sizes(Task(5, (12,)), 60.0)["auto_ets"]["max_history"] == 250
    assert fixed_sizes(Task(5, (52,)), 60.0)["auto_ets"]["max_history"] == 260


def test_a_unit_is_the_quickest_of_several_pieces():
    ticks = iter([0.0, 3.0, 10.0, 11.0, 20.0, 22.0])
    assert unit_seconds(lambda: next(ticks)) == 60.0
