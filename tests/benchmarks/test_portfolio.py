"""What an order is worth on a set left out, on measurements made by hand and on a tiny set."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autots.evaluate import Backtest, Objective, plan_cutoffs, targets_of
from autots.metrics import metric
from autots.models.base import Task
from autots.panel import Panel
from autots.recipes.candidates import CANDIDATES
from autots.recipes.order import OrderPolicy
from autots.recipes.table import PortfolioTable
from autots.recipes.traits import Traits
from autots.testing.example_panels import panel_of
from benchmarks.portfolio import measure, sets
from benchmarks.portfolio.measure import Measured, Measurement, SetData, measured, read
from benchmarks.portfolio.tabulate import pair_losses, row_of
from benchmarks.portfolio.validate import Replay, left_out, summary
from benchmarks.portfolio.written import written_order
from tests.autots.recipes.tables import HOURLY, YEARLY

GOOD, LIKE, BAD = "auto_theta method=DOTM", "auto_theta method=STM", "smoothing"
HORIZON = 4


def set_data(name: str, seed: int) -> SetData:
    rng = np.random.default_rng(seed)
    panel = panel_of([rng.normal(size=40).cumsum() + 50 for _ in range(8)])
    task = Task(HORIZON)
    plan = plan_cutoffs(panel.lengths, HORIZON, season=1)
    assert plan is not None
    objective = Objective(metric("mase"), plan, targets_of(panel, plan, 1), task)
    traits = Traits.of(panel, task)
    return SetData(name, panel, task, objective, traits, traits)


def forecasts(one: SetData, error: float, seed: int) -> Backtest:
    """Return the targets with so large errors."""
    objective = one.objective
    truth = objective.targets.actual - objective.targets.above(slice(None))
    mean = truth + error * np.random.default_rng(seed).normal(size=truth.shape)
    quantiles = np.repeat(mean[..., None], len(one.task.levels), axis=-1)
    return Backtest(mean.astype(np.float32), quantiles.astype(np.float32), 0.0, 0.0)


def found_on(one: SetData, *, dear: str = "") -> dict[str, dict[str, Measured]]:
    made = {"seasonal_naive": (4.0, 0), GOOD: (1.0, 1), LIKE: (1.0, 1), BAD: (3.0, 2)}
    out = {}
    for name, (error, seed) in made.items():
        status = "dear" if name == dear else "complete"
        kept = None if name == dear else forecasts(one, error, seed)
        out[name] = {"all": Measured(Measurement(name, "all", status, 1.0, 1), kept)}
    return out


def tabulated(replays: list[Replay]) -> PortfolioTable:
    return PortfolioTable(CANDIDATES, tuple(row_of(r.one, r.found) for r in replays), 20.0)


def test_pairs_of_a_member_with_itself_lose_what_it_loses_alone():
    one = set_data("a", 0)
    members: list[Backtest | None] = [forecasts(one, 4.0, 0), None, forecasts(one, 1.0, 1), forecasts(one, 1.0, 2)]
    pairs = pair_losses(one.objective, members)
    losses = [one.objective.value(m, "all") for m in members if m is not None]
    np.testing.assert_allclose(np.diagonal(pairs)[[0, 2, 3]], np.array(losses) / losses[0], rtol=1e-6)
    assert np.isnan(pairs[1]).all()
    assert pairs[2, 3] == pairs[3, 2] < pairs[2, 2], "independent errors cancel"


def test_a_row_has_what_was_measured_and_nothing_for_the_rest():
    one = set_data("a", 0)
    row = row_of(one, found_on(one, dear=LIKE))
    names = ["", *(recipe.name for recipe in CANDIDATES)]
    assert row.alone[0] == 1.0
    assert row.alone[names.index(GOOD)] < row.alone[names.index(BAD)] < 1.0
    assert np.isnan(row.alone[names.index(LIKE)]) and row.units[names.index(LIKE)] == 1.0
    assert np.isnan(row.units[names.index("auto_ces")])


def test_left_out_each_set_gets_an_order_that_others_taught():
    replays = [Replay(one, found_on(one)) for one in (set_data("a", 0), set_data("b", 1), set_data("c", 2))]
    records = list(left_out(tabulated(replays), replays, policy=OrderPolicy(), budgets=(1.0, 3.0)))
    assert [record["set"] for record in records] == ["a", "b", "c"]
    for record in records:
        assert record["learned"][0] < record["written"][0], "people try the worse one first, and the budget buys one"
        assert record["learned"][1] == pytest.approx(record["written"][1]), "a budget for all makes orders equal"
        assert all(b <= value for b, value in zip(record["best"], record["learned"], strict=True))
        assert min(min(record[name]) for name in ("learned", "written", "own")) >= 1.0
        json.dumps(record)
    told = summary(records)
    assert told["sets"] == 3
    assert told["learned_mean"] < told["written_mean"]


def test_what_does_not_fit_into_a_budget_is_passed_over():
    replay = Replay(one := set_data("a", 0), found_on(one))
    assert replay.loss([BAD, GOOD], 0.5) == replay.loss([], 9.0)
    assert replay.loss([GOOD, BAD], 1.5) == replay.loss([GOOD], 9.0)


def test_the_written_order_is_one_of_known_candidates():
    names = {recipe.name for recipe in CANDIDATES}
    for traits in (YEARLY, HOURLY):
        order = [recipe.name for recipe in written_order(traits)]
        assert len(set(order)) == len(order) > 15
        assert set(order) <= names


class TestMeasuring:
    """A set of a few rows, with two candidates."""

    @pytest.fixture
    def one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetData:
        folder = tmp_path / "data" / "tiny"
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text(json.dumps({"horizon": HORIZON}))
        rng = np.random.default_rng(0)
        rows = [(f"s{i}", t, y) for i in range(20) for t, y in enumerate(rng.normal(size=30) + 20)]
        pd.DataFrame(rows, columns=["unique_id", "ds", "y"]).to_parquet(folder / "train.parquet")
        monkeypatch.setattr(sets, "SETS", {"tiny": sets.PortfolioSet(1)})
        monkeypatch.setattr(measure, "CANDIDATES", [r for r in CANDIDATES if r.name in (LIKE, BAD)])
        return SetData.of(tmp_path / "data", "tiny")

    def test_each_candidate_is_measured_once(self, one: SetData, tmp_path: Path):
        made = list(measured(one, tmp_path, limit=60.0, seed=0))
        assert {m.status for m in made} == {"complete"}
        assert {(m.recipe, m.fidelity) for m in made} >= {(LIKE, "sample"), (LIKE, "all"), ("seasonal_naive", "all")}
        assert list(measured(one, tmp_path, limit=60.0, seed=0)) == [], "what is there is not made again"
        found = read(one, tmp_path)
        forecast = found[LIKE]["all"].forecasts
        assert forecast is not None and np.isfinite(forecast.mean).all()
        assert np.isfinite(row_of(one, found).sample[[0, *self.positions()]]).all()

    def test_what_is_too_dear_is_told_with_its_cost(self, one: SetData, tmp_path: Path):
        dear = [m for m in measured(one, tmp_path, limit=1e-9, seed=0) if m.recipe in (LIKE, BAD)]
        assert {m.status for m in dear} == {"dear"}
        assert all(m.note for m in dear)
        assert read(one, tmp_path)[LIKE]["all"].forecasts is None

    def test_series_and_rows_are_bounded(self, one: SetData):
        many = panel_of([np.arange(2000.0) for _ in range(200)])
        thin: Panel = sets._thinned(many)
        assert (thin.n_series, thin.n_rows) == (sets.MOST_SERIES, 833 * sets.MOST_SERIES)
        assert thin.y[-1] == many.y[-1], "the newest rows stay"

    @staticmethod
    def positions() -> list[int]:
        return [i + 1 for i, recipe in enumerate(CANDIDATES) if recipe.name in (LIKE, BAD)]
