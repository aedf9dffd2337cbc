"""What is left of a trial in parts: its cost, its promise, and when it is given up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autots.evaluate import Backtest, backtest
from autots.models.base import Context
from autots.models.catalog import create
from autots.panel import Panel
from autots.recipes import Portfolio
from autots.search.budget import BudgetPolicy
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.partial_trials import PartialTrials
from autots.search.prospects import Prospects
from autots.testing.example_panels import panel_of
from tests.autots.search.search_doubles import TASK, board_of


def many(count: int = 40) -> Panel:
    rng = np.random.default_rng(0)
    return panel_of([10 + np.cumsum(rng.normal(size=40)) for _ in range(count)])


def parts_of(panel: Panel, budget: float = 60.0) -> PartialTrials:
    prospects = Prospects(board_of(panel), InterimEnsemble(BudgetPolicy()), Portfolio((), (), {}), BudgetPolicy())
    return PartialTrials(prospects, budget)


def part(parts: PartialTrials, panel: Panel, rows: list[int], *, off: float = 0.0, seconds: float = 1.0) -> Backtest:
    """Return the backtest of naive on some series, ``off`` by so much."""
    plan = parts.prospects.leaderboard.objective.plan
    whole = backtest(lambda: create("naive"), panel.select(rows), plan, TASK, Context())
    moved = replace(whole, mean=whole.mean + np.float32(off), quantiles=whole.quantiles + np.float32(off))
    begun = Backtest.nothing(plan, panel.n_series, len(TASK.levels)).with_part(moved, np.array(rows))
    return replace(begun, fit_seconds=seconds, predict_seconds=0.0, fits=1)


def test_a_sample_is_spread_and_has_targets() -> None:
    panel = many()
    lost = replace(panel, y=panel.y.copy())
    for series in range(20, 40):
        lost.y[lost.indptr[series + 1] - 20 : lost.indptr[series + 1]] = np.nan
    assert len(parts_of(panel).sample) == 10
    assert parts_of(panel).sample.max() == 39
    assert parts_of(lost).sample.max() < 20


def test_the_rest_of_a_trial_costs_what_its_series_did() -> None:
    panel = many()
    parts = parts_of(panel)
    rest = parts.rest(0, "auto_theta", part(parts, panel, [0, 10, 20, 30], seconds=2.0))
    assert rest.progress == pytest.approx(0.1)
    assert rest.seconds == pytest.approx(18.0)
    assert rest.reached == 4


def test_a_pooled_trial_begins_again_and_costs_the_whole() -> None:
    parts = parts_of(many())
    learned = replace(Backtest.nothing(parts.prospects.leaderboard.objective.plan, 40, 3), rows=None, progress=0.25)
    rest = parts.rest(0, "mlp", replace(learned, fit_seconds=4.0, predict_seconds=1.0))
    assert (rest.progress, rest.seconds, rest.gain) == (0.25, 20.0, None)


@pytest.mark.parametrize(("off", "given_up"), [(0.0, False), (1e3, True)])
def test_a_trial_far_behind_the_best_is_given_up(off: float, given_up: bool) -> None:
    panel = many()
    parts = parts_of(panel)
    told = parts.behind(part(parts, panel, [0, 10, 20, 30], off=off))
    assert ("far behind" in told) is given_up


def test_a_score_that_is_not_a_number_is_given_up() -> None:
    panel = many()
    parts = parts_of(panel)
    assert "not a number" in parts.behind(part(parts, panel, [0, 10], off=float("nan")))


@pytest.mark.parametrize(("seconds", "fits"), [(0.1, 3), (30.0, 1)])
def test_a_dear_model_is_fitted_less_often(seconds: float, fits: int) -> None:
    panel = many()
    parts = parts_of(panel)
    sample = replace(part(parts, panel, [0, 10, 20, 30], seconds=seconds), fits=3)
    assert parts.affordable_fits(sample) == fits


def test_the_gain_is_measured_on_the_series_that_were_reached() -> None:
    panel = many()
    parts = parts_of(panel)
    leaderboard = parts.prospects.leaderboard
    leaderboard.candidates = [c for c in leaderboard.candidates if c.family == "mean"]
    parts.prospects.ensemble.weights = {leaderboard.candidates[0].number: 1.0}
    good, bad = (part(parts, panel, [0, 10, 20, 30], off=off) for off in (0.0, 50.0))
    assert parts.prospects.measured_gain(good) > 0.05
    assert parts.prospects.measured_gain(bad) <= 0.0
