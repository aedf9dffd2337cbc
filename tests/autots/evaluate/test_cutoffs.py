import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.evaluate import BacktestPlan, plan_cutoffs
from zoo.errors import ConfigError, DataError

quick = settings(max_examples=200, deadline=None)
lengths = st.lists(st.integers(1, 400), min_size=1, max_size=30).map(lambda v: np.array(v, dtype=np.int64))
horizons, seasons = st.integers(1, 60), st.sampled_from([1, 4, 7, 12, 24, 52])


@quick
@given(lengths, horizons, seasons)
def test_a_plan_keeps_its_promises(lengths, horizon, season):
    plan = plan_cutoffs(lengths, horizon, season=season)
    if plan is None:
        assert lengths.max() <= horizon
        return
    assert list(plan.cutoffs) == sorted(set(plan.cutoffs), reverse=True)
    assert plan.cutoffs[-1] == horizon  # the newest window ends with the data
    assert 1 <= plan.n_selection <= len(plan.cutoffs)
    assert (lengths > plan.cutoffs[0]).any()  # some series can be fitted before the first cutoff
    assert plan.fits[0] == plan.cutoffs[0]
    assert set(plan.fits) <= set(plan.cutoffs)


@quick
@given(lengths, horizons, seasons)
def test_each_window_is_forecast_once_by_a_fit_that_is_not_younger(lengths, horizon, season):
    plan = plan_cutoffs(lengths, horizon, season=season)
    if plan is not None:
        served = [(fit, cutoff) for fit, windows in plan.groups for cutoff in windows]
        assert [cutoff for _, cutoff in served] == list(plan.cutoffs)
        assert all(fit >= cutoff for fit, cutoff in served)


@quick
@given(lengths, horizons, seasons, st.integers(1, 8))
def test_folds_are_as_many_selection_windows_or_an_error(lengths, horizon, season, folds):
    try:
        plan = plan_cutoffs(lengths, horizon, season=season, folds=folds)
    except DataError as error:
        assert "fewer folds" in error.hint
        return
    if plan is not None:
        assert plan.n_selection == folds
        assert len(plan.cutoffs) == folds + 1


def test_windows_do_not_overlap_while_the_history_allows_it():
    plan = plan_cutoffs(np.full(10, 1000), 12, season=12)
    assert all(a - b == 12 for a, b in zip(plan.cutoffs, plan.cutoffs[1:], strict=False))
    assert len(plan.cutoffs) >= 3
    assert plan.n_selection < len(plan.cutoffs)  # some windows are seen by no choice


def test_short_series_get_windows_that_overlap():
    plan = plan_cutoffs(np.full(50, 30), 10, season=1)
    assert len(plan.cutoffs) == 3
    assert plan.cutoffs[0] - plan.cutoffs[1] < 10


@pytest.mark.parametrize("length", [1, 5, 12])
def test_nothing_can_be_backtested_where_no_series_outlasts_the_horizon(length):
    assert plan_cutoffs(np.full(3, length), 12, season=1) is None
    assert plan_cutoffs(np.array([length, 13]), 12, season=1).cutoffs == (12,)


def test_a_large_panel_is_fitted_once_and_moved_forward():
    assert len(plan_cutoffs(np.full(2000, 500), 10, season=7).fits) == 1
    assert plan_cutoffs(np.full(2000, 500), 10, season=7).refitted(3).fits == (30, 20, 10)
    assert 1 < len(plan_cutoffs(np.full(20, 500), 10, season=7).fits) <= 3


def test_many_series_need_fewer_windows_than_one():
    assert len(plan_cutoffs(np.full(5000, 500), 10, season=7).cutoffs) < len(
        plan_cutoffs(np.full(1, 500), 10, season=7).cutoffs
    )


def test_folds_must_be_positive():
    with pytest.raises(ConfigError, match="folds"):
        plan_cutoffs(np.full(3, 100), 5, season=1, folds=0)


@pytest.mark.parametrize(
    ("cutoffs", "n_selection", "fits"),
    [((), 1, ()), ((5, 5), 1, (5,)), ((5, 10), 1, (5,)), ((10, 4), 1, (10,)), ((10, 5), 0, (10,)), ((10, 5), 3, (10,)),
     ((10, 5), 1, (5,)), ((10, 5), 1, (10, 7)), ((10, 5), 1, ())],
)  # fmt: skip
def test_a_plan_that_contradicts_itself_is_refused(cutoffs, n_selection, fits):
    with pytest.raises(ConfigError):
        BacktestPlan(5, cutoffs, n_selection, fits)


def test_long_series_choose_where_the_median_one_is_too_short():
    """Three windows of one step's difference chose for five series of nine years and six new ones."""
    plan = plan_cutoffs(np.array([108] * 5 + [10] * 6), 12, season=12)
    assert plan.cutoffs == plan_cutoffs(np.full(5, 108), 12, season=12).cutoffs
