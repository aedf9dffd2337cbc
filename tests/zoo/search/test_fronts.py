"""Good trials of several objectives: the oracle is Optuna's private split, of which the public samplers are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume
from optuna.samplers._tpe.sampler import _split_complete_trials_multi_objective

from zoo.search.samplers.fronts import good_rows, hypervolume


def theirs(values: np.ndarray[Any, Any], count: int) -> set[int]:
    trials = [optuna.trial.create_trial(values=list(row)) for row in values]
    for number, trial in enumerate(trials):
        trial.number = number
    study = optuna.create_study(directions=["minimize"] * values.shape[1])
    below, above = _split_complete_trials_multi_objective(trials, study, count)
    assert len(below) == count and len(above) == len(values) - count
    return {trial.number for trial in below}


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_good_rows_are_those_of_optuna(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(40, objectives))
    if seed % 2:
        values[::3] = values[0]  # repeated ones
    for count in (0, 1, 4, 11, 40):
        assert set(np.flatnonzero(good_rows(values, count)).tolist()) == theirs(values, count)


@given(st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 3), min_size=1, max_size=6))
def test_the_hypervolume_is_that_of_optuna(points: list[tuple[float, ...]]) -> None:
    array, reference = np.array(points), np.full(3, 1.5)
    assert hypervolume(array, reference) == pytest.approx(compute_hypervolume(array, reference), rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12), st.data())
def test_no_bad_row_surpasses_a_good_one(points: list[tuple[int, int]], data: st.DataObject) -> None:
    values = np.array(points, dtype=float)
    good = good_rows(values, data.draw(st.integers(0, len(points))))
    for row in values[good]:
        better = (values[~good] <= row).all(axis=1) & (values[~good] < row).any(axis=1)
        assert not better.any()
