import dataclasses
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.evaluate import Backtest, BacktestPlan, Objective, backtest, backtest_series, checked, targets_of
from autots.evaluate.rolling import rolling_windows
from autots.metrics import METRICS, season_scale
from autots.models.base import Context, Forecast, Task
from autots.models.baseline import Naive
from autots.models.catalog import create
from autots.testing.example_panels import example_panel, panel_of
from zoo.clock import Deadline, ManualClock
from zoo.errors import BudgetError, ModelError

TASK = Task(horizon=5, seasons=(4,), levels=(0.1, 0.5, 0.9))
PLAN = BacktestPlan(5, (20, 15, 10, 5), 3, (20, 10))


class Spy(Naive):
    """Writes down the last clock and the last covariate row that each call saw."""

    seen: list  # set by the factory

    def fit(self, panel, task, context):
        self.seen.append(("fit", panel.last_times.copy(), panel.n_series))
        return super().fit(panel, task, context)

    def predict(self, history, future):
        self.seen.append(("predict", history.last_times.copy(), {k: v.copy() for k, v in future.known.items()}))
        return super().predict(history, future)


def spied(panel, plan=PLAN):
    log = []

    def create_spy():
        spy = Spy()
        spy.seen = log
        return spy

    return backtest(create_spy, panel, plan, TASK, Context()), log


def test_no_fit_and_no_forecast_sees_beyond_its_cutoff():
    panel = example_panel()
    _, log = spied(panel)
    ends = [entry[1] for entry in log]
    # The windows of one fit are forecast at once, as so many histories.
    due = [(20,), (20, 15), (10,), (10, 5)]
    assert [entry[0] for entry in log] == ["fit", "predict", "fit", "predict"]
    for end, cutoffs in zip(ends, due, strict=True):
        np.testing.assert_array_equal(end, np.concatenate([panel.last_times - c for c in cutoffs]))


def test_known_covariates_over_the_horizon_are_those_after_the_cutoff():
    panel = example_panel()
    _, log = spied(panel)
    seen = np.concatenate([entry[2]["x"] for entry in log if entry[0] == "predict"])
    due = [panel.known["x"][end - cutoff :][:5] for cutoff in PLAN.cutoffs for end in panel.indptr[1:]]
    np.testing.assert_array_equal(seen, due)


@pytest.mark.parametrize("family", ["seasonal_naive", "linear_direct", "trees_direct", "trees_recursive", "auto_theta"])
@pytest.mark.parametrize("cutoff", [20, 10])
def test_changing_targets_after_a_cutoff_changes_no_forecast_before_it(family, cutoff):
    panel = example_panel()
    changed = panel.y.copy()
    for end in panel.indptr[1:]:
        changed[end - cutoff : end] += 1000.0
    plan = BacktestPlan(5, (20, 10), 1, (20, 10))
    made = [
        backtest(lambda: create(family), p, plan, TASK, Context(seed=3))
        for p in (panel, dataclasses.replace(panel, y=changed))
    ]
    until = plan.cutoffs.index(cutoff) + 1
    np.testing.assert_array_equal(made[0].quantiles[:until], made[1].quantiles[:until])
    np.testing.assert_array_equal(made[0].mean[:until], made[1].mean[:until])


def test_candidates_share_their_targets_whatever_their_lookback():
    """The score of a candidate is that of its forecasts on one table of targets, which it has no hand in."""
    panel = example_panel()
    targets = targets_of(panel, PLAN, 4)
    for family, params in (("mean", {"window": 2}), ("mean", {"window": 40}), ("linear_direct", {"lags": 4.0})):
        made = backtest(lambda f=family, p=params: create(f, **p), panel, PLAN, TASK, Context())
        assert made.mean.shape == targets.actual.shape
        assert np.isfinite(made.mean).all()


def test_targets_are_the_rows_after_each_cutoff():
    panel = panel_of([np.arange(40.0), np.arange(100.0, 112.0)])
    targets = targets_of(panel, PLAN, 1)
    np.testing.assert_array_equal(targets.actual[0, 0], np.arange(20.0, 25.0))
    np.testing.assert_array_equal(targets.actual[3, 0], np.arange(35.0, 40.0))
    np.testing.assert_array_equal(targets.actual[2, 1], np.arange(102.0, 107.0))
    assert np.isnan(targets.actual[:2, 1]).all()  # 12 rows are none before a cutoff of 15
    np.testing.assert_array_equal(targets.scale[:, 0], 1.0)


def test_with_many_windows_the_targets_are_the_same_as_one_by_one():
    panel = example_panel(lengths=(60, 55, 30))
    cutoffs = tuple(range(40, 4, -3))
    plan = BacktestPlan(4, cutoffs, 5, cutoffs[:1])
    targets = targets_of(panel, plan, 4)
    for k, cutoff in enumerate(cutoffs):
        rows = np.flatnonzero(panel.lengths > cutoff)
        history, _, actual = panel.cutoff(cutoff, 4)
        np.testing.assert_array_equal(targets.actual[k, rows], actual)
        # The scale of the oldest window stands for all; a series that was not there yet has its own.
        expected = season_scale(history, 4)
        assert (np.isnan(expected) == np.isnan(targets.scale[k, rows])).all()


def test_absent_series_have_no_forecast():
    panel = panel_of([np.arange(40.0), np.arange(12.0)])
    made, _ = spied(panel)
    assert np.isnan(made.mean[:2, 1]).all()
    assert np.isfinite(made.mean[2:, 1]).all()


def test_many_windows_in_small_batches_give_the_same_forecasts(monkeypatch):
    panel = example_panel()
    whole = backtest(lambda: create("linear_direct"), panel, PLAN, TASK, Context(seed=1))
    monkeypatch.setattr(sys.modules["autots.evaluate.backtest"], "_BATCH_ROWS", 1)
    single = backtest(lambda: create("linear_direct"), panel, PLAN, TASK, Context(seed=1))
    np.testing.assert_allclose(single.quantiles, whole.quantiles, rtol=1e-6)


def test_the_deadline_ends_a_backtest_between_batches(monkeypatch):
    monkeypatch.setattr(sys.modules["autots.evaluate.backtest"], "_BATCH_ROWS", 1)
    clock = ManualClock()
    deadline = Deadline.after(1.0, clock)

    class Slow(Naive):
        def predict(self, history, future):
            clock.advance(1.0)
            return super().predict(history, future)

    with pytest.raises(BudgetError):
        backtest(Slow, example_panel(), PLAN, TASK, Context(deadline=deadline))


def test_a_slow_local_model_is_given_up_after_its_first_window_of_many():
    calls = []

    class Slow(Naive):
        def predict(self, history, future):
            calls.append(history.n_series)
            time.sleep(0.2 * history.n_series)
            return super().predict(history, future)

    plan = BacktestPlan(1, tuple(range(30, 0, -1)), 24, (30,))
    with pytest.raises(BudgetError, match="about"):
        backtest(
            Slow,
            example_panel(),
            plan,
            dataclasses.replace(TASK, horizon=1),
            Context(deadline=Deadline.after(1.0)),
        )
    assert len(calls) == 1


def test_series_are_backtested_until_the_time_is_over_and_spread_over_the_panel():
    clock = ManualClock()
    panel = panel_of([np.arange(30.0) + i for i in range(40)])

    class Slow(Naive):
        def fit(self, panel, task, context):
            clock.advance(0.1 * panel.n_series)
            return super().fit(panel, task, context)

    plan = BacktestPlan(5, (15, 10, 5), 2, (15,))
    part = backtest_series(Slow, panel, plan, TASK, Context(deadline=Deadline.after(2.0, clock)), keep_state=True)
    assert clock.now() <= 2.0
    assert part.rows is not None and 10 <= len(part.rows) < 40
    assert part.progress == len(part.rows) / 40
    assert np.diff(part.rows).max() <= 8
    whole = backtest(Naive, panel, plan, TASK, Context())
    np.testing.assert_array_equal(part.mean[:, part.rows], whole.mean[:, part.rows])
    assert np.isnan(np.delete(part.mean, part.rows, axis=1)).all()
    rest = np.setdiff1d(np.arange(40), part.rows)
    other = backtest_series(Naive, panel.select(rest), plan, TASK, Context())
    together = part.with_part(other, rest)
    assert (together.rows, together.progress) == (None, 1.0)
    np.testing.assert_array_equal(together.quantiles, whole.quantiles)


def test_series_that_were_not_reached_are_filled_by_another_backtest():
    panel = panel_of([np.arange(30.0) + i for i in range(6)])
    plan = BacktestPlan(5, (15, 10, 5), 2, (15,))
    some = np.array([1, 4])
    whole = backtest(lambda: create("mean"), panel, plan, TASK, Context())
    begun = Backtest.nothing(plan, 6, len(TASK.levels))
    part = begun.with_part(backtest(Naive, panel.select(some), plan, TASK, Context()), some)
    filled = part.completed_by(whole)
    np.testing.assert_array_equal(filled.mean[:, [0, 2, 3, 5]], whole.mean[:, [0, 2, 3, 5]])
    np.testing.assert_array_equal(filled.mean[:, some], part.mean[:, some])


def test_waiting_for_a_core_does_not_make_a_forecast_look_slow():
    class Waiting(Naive):
        def predict(self, history, future):
            time.sleep(0.2)  # as on a machine whose cores others use
            return super().predict(history, future)

    made = backtest(Waiting, example_panel(), PLAN, TASK, Context(0))
    assert made.predict_seconds < 0.1


def test_progress_is_told_of_each_batch(monkeypatch):
    monkeypatch.setattr(sys.modules["autots.evaluate.backtest"], "_BATCH_ROWS", 1)
    done = []
    backtest(Naive, example_panel(), PLAN, TASK, Context(), progress=done.append)
    assert done == [1, 2, 3, 4]


def forecast(s=2, h=5, q=3):
    return Forecast(np.zeros((s, h)), np.zeros((s, h, q)))


@pytest.mark.parametrize("made", [forecast(s=3), forecast(h=4), forecast(q=2)])
def test_a_forecast_of_another_shape_is_refused(made):
    with pytest.raises(ModelError, match="a forecast must be"):
        checked(made, 2, TASK)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["mean", "quantiles"])
def test_a_forecast_that_is_not_finite_is_refused(name, bad):
    made = forecast()
    getattr(made, name)[(0,) * getattr(made, name).ndim] = bad
    with pytest.raises(ModelError, match="finite"):
        checked(made, 2, TASK)


def objective(metric="mae", panel=None, plan=PLAN):
    panel = panel or example_panel()
    return Objective(METRICS[metric], plan, targets_of(panel, plan, 4), TASK)


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_a_value_is_the_metric_over_the_windows_of_its_part(metric):
    panel, one = example_panel(), objective(metric)
    made = backtest(Naive, panel, PLAN, TASK, Context())
    for part, at in (("selection", slice(0, 3)), ("final", slice(3, 4)), ("all", slice(0, 4))):
        point = (made.mean if METRICS[metric].squared else made.quantiles[..., 1])[at].reshape(-1, 5).astype(float)
        quantiles = made.quantiles[at].reshape(-1, 5, 3).astype(float)
        actual, scale = one.targets.actual[at].reshape(-1, 5), one.targets.scale[at].reshape(-1)
        expected = METRICS[metric].report(METRICS[metric].sums(actual, point, quantiles, TASK.levels, scale))
        assert one.value(made, part) == pytest.approx(expected)


def test_all_windows_choose_where_none_could_be_spared():
    one = objective(plan=BacktestPlan(5, (10, 5), 2, (10,)))
    assert not one.has_final
    assert one.windows("selection") == one.windows("final") == one.windows("all") == slice(None)


@given(st.integers(1, 9), st.integers(1, 7), st.integers(10, 200))
@settings(max_examples=40, deadline=None)
def test_rolling_windows_cover_each_test_row_once(horizon, n_test, max_rows):
    panel = example_panel(lengths=(30, 25, 40))
    lengths = np.array([n_test, 1, 2 * n_test])
    got = {i: [] for i in range(3)}
    for batch in rolling_windows(panel, lengths, horizon, max_rows=max_rows):
        history, future, actual = batch.history, batch.future, batch.actual
        for w, i in enumerate(batch.series.tolist()):
            assert batch.block[w] * horizon == len(got[i])
            past = history.series(w)
            np.testing.assert_array_equal(past, panel.series(i)[: len(past)])
            # What is seen ends where the targets begin, and the covariates begin there too.
            begin = panel.indptr[i] + len(past)
            assert future.known["x"][w, 0] == panel.known["x"][begin]
            assert len(past) == panel.lengths[i] - lengths[i] + len(got[i])
            left = min(horizon, lengths[i] - len(got[i]))
            np.testing.assert_array_equal(actual[w, :left], panel.series(i)[len(past) : len(past) + left])
            assert np.isnan(actual[w, left:]).all()
            got[i] += actual[w, :left].tolist()
    for i, rows in got.items():
        np.testing.assert_array_equal(rows, panel.series(i)[-lengths[i] :])
