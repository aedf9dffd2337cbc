"""Windows lie where targets are: outages of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.evaluate import TargetCounts, plan_cutoffs, targets_of
from autots.testing.example_panels import panel_of
from zoo.errors import DataError


def planned(series, horizon, season=1, folds=None):
    panel = panel_of(series)
    return panel, plan_cutoffs(panel.lengths, horizon, season=season, folds=folds, seen=TargetCounts.of(panel, horizon))


def known(panel, plan, season=1):
    return np.isfinite(targets_of(panel, plan, season).actual)


def closed(n, begin, end, seed=0):
    y = 50 + np.random.default_rng(seed).normal(size=n)
    y[begin:end] = np.nan
    return y


def test_a_panel_without_holes_is_not_looked_at():
    assert TargetCounts.of(panel_of([np.arange(9.0)]), 2) is None


@given(st.integers(0, 10_000), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_targets_of_a_window_are_counted_as_they_are_found(seed, horizon):
    rng = np.random.default_rng(seed)
    series = [np.where(rng.random(n) < 0.5, 1.0, np.nan) for n in rng.integers(1, 20, 4)]
    panel = panel_of(series)
    seen = TargetCounts.of(panel, horizon)
    if seen is None:
        return
    for cutoff in range(horizon, 22):
        some = [y for y in series if len(y) > cutoff and np.isfinite(y[: len(y) - cutoff]).any()]
        windows = [y[len(y) - cutoff :][:horizon] for y in some]
        expected = (sum(np.isfinite(w).sum() for w in windows), sum(map(len, windows)))
        found = (seen.targets[cutoff], seen.rows[cutoff]) if cutoff < len(seen.targets) else (0, 0)
        assert found == expected


@pytest.mark.parametrize(
    ("series", "horizon", "season"),
    [
        ([closed(400, 300, 390)], 7, 7),
        ([closed(400, 300, 390, i) for i in range(3)], 7, 7),
        ([closed(120, 60, 114)], 6, 12),
        ([closed(400, 20, 380)], 7, 7),
        ([closed(400, 100, 399)], 7, 7),
        ([closed(400, 390 - 20 * i, 399 - 20 * i, i) for i in range(12)], 7, 7),
        ([closed(60, 30, 59, i) for i in range(9)] + [closed(60, 10, 11)], 6, 1),
    ],
    ids=["one", "three", "months", "few at both ends", "one row after it", "each another", "all but one"],
)
def test_windows_lie_beside_an_outage(series, horizon, season):
    panel, plan = planned(series, horizon, season)
    there = known(panel, plan)
    assert there.any(axis=(1, 2)).all()
    assert plan.n_selection < len(plan.cutoffs)


def test_windows_do_not_lie_half_in_an_outage():
    panel, plan = planned([closed(400, 300, 390)], 7, 7)
    assert plan.moved
    assert len(plan.cutoffs) == 11  # as many as without the outage
    assert plan.cutoffs[-2:] == (107, 7)
    assert known(panel, plan).all()


def test_few_missing_rows_move_nothing():
    rng = np.random.default_rng(0)
    series = [np.where(rng.random(300) < 0.1, np.nan, 1.0) for _ in range(5)]
    panel, plan = planned(series, 7, 7)
    assert not plan.moved
    assert plan == plan_cutoffs(panel.lengths, 7, season=7)


def test_folds_are_moved_as_well_and_are_fewer_where_there_are_no_more_targets():
    assert len(planned([closed(400, 300, 390)], 7, 7, folds=4)[1].cutoffs) == 5
    y = np.full(100, np.nan)
    y[[0, 50, 99]] = 1.0
    panel, plan = planned([y], 7, folds=6)
    assert len(plan.cutoffs) == 2
    assert plan.n_selection == 1
    assert known(panel, plan).any(axis=(1, 2)).all()


def test_no_plan_where_no_window_holds_a_target():
    y = np.full(30, np.nan)
    y[0] = 1.0
    assert planned([y, y], 4)[1] is None


@given(st.integers(0, 100_000), st.integers(1, 14), st.sampled_from([1, 7]), st.one_of(st.none(), st.integers(1, 5)))
@settings(max_examples=200, deadline=None)
def test_every_window_of_a_plan_holds_a_target(seed, horizon, season, folds):
    """Random outages: long and short, common and of single series, with few rows left or many."""
    rng = np.random.default_rng(seed)
    series = []
    for _ in range(rng.integers(1, 5)):
        y = rng.normal(size=rng.integers(horizon + 2, 150))
        for _ in range(rng.integers(0, 4)):
            begin = rng.integers(0, len(y))
            y[begin : begin + rng.integers(1, len(y) + 1)] = np.nan
        y[[0, -1]] = 1.0
        series.append(y)
    try:
        panel, plan = planned(series, horizon, season, folds)
    except DataError as error:
        assert "folds" in error.message
        return
    if plan is not None:
        there = known(panel, plan, season)
        assert there.any(axis=(1, 2)).all()
        assert (panel.lengths > plan.cutoffs[0]).any()
    else:
        assert TargetCounts.of(panel, horizon).targets[horizon:].max(initial=0) == 0
