"""What a large table costs is bounded before it is paid for: its rows, trivial forecasters, and a slow reading."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autots.api import AutoTS, _MachineLoad
from autots.evaluate import BacktestPlan, Objective, plan_cutoffs, targets_of
from autots.metrics import METRICS
from autots.models.base import Task
from autots.panel import Panel
from autots.reading.read import read_panel
from autots.reading.schema import Ingested
from autots.recipes import baselines
from autots.report.terminal import SilentProgress
from autots.search import trivial_forecasters
from autots.search.assemble import assemble
from autots.search.budget import BudgetPolicy
from autots.search.history_limit import comes_too_late, recent_rows
from autots.search.leaderboard import Leaderboard
from autots.search.member_costs import costs_of, members_to_refit
from autots.search.settings import FitSettings, RunContext
from autots.search.trivial_forecasters import backtest_trivial, first_leaderboard
from autots.search.workers import start_workers
from autots.testing.example_panels import panel_of
from zoo.clock import Deadline, ManualClock
from zoo.errors import ClusterError
from zoo.interrupt import Interrupt
from zoo.workers import Inline

POLICY = BudgetPolicy()
TASK = Task(horizon=3, seasons=(4,), levels=(0.1, 0.5, 0.9))


def _panel(*lengths: int) -> Panel:
    return panel_of([np.arange(n) % 4 + np.arange(n) / 100 for n in lengths])


def test_a_long_series_is_cut_to_what_the_budget_bears_and_says_so() -> None:
    panel = _panel(3_000_000)
    cut, message = recent_rows(panel, POLICY, season=4, horizon=3, budget=60.0)
    assert cut.n_rows == 600_000
    assert np.array_equal(cut.y, panel.y[-600_000:]) and np.array_equal(cut.times, panel.times[-600_000:])
    assert "last 600,000 of up to 3,000,000 rows" in message and "60 s" in message


@pytest.mark.parametrize(
    ("lengths", "seasons", "budget"),
    [((69_680,) * 7, (96,), 60.0), ((1_000,) * 2_000, (7,), 20.0), ((60_000,) * 50, (24,), 60.0), ((5,), (1,), 1.0)],
)
def test_tables_of_an_ordinary_size_stay_as_they_are(
    lengths: tuple[int, ...], seasons: tuple[int, ...], budget: float
) -> None:
    panel = _panel(*lengths)
    assert recent_rows(panel, POLICY, season=max(seasons), horizon=3, budget=budget) == (panel, "")


@pytest.mark.parametrize("budget", [1.0, 20.0, 60.0])
def test_what_is_kept_holds_the_seasons_and_the_windows(budget: float) -> None:
    panel = _panel(2_000_000)
    cut, _ = recent_rows(panel, POLICY, season=10_080, horizon=2_000, budget=budget)
    assert cut.n_rows >= 20 * 10_080
    assert cut.n_rows >= 100 * 2_000
    plan = plan_cutoffs(cut.lengths, 2_000, season=1440)
    assert plan is not None and len(plan.cutoffs) >= 3


def _late(elapsed: float, budget: float, n_series: int) -> str:
    clock = ManualClock()
    deadline = Deadline.after(budget, clock)
    clock.advance(elapsed)
    panel = _panel(*([10] * n_series))
    plan = BacktestPlan(3, (9, 6, 3), 2, (9,))
    return comes_too_late(panel, plan, POLICY, deadline)


def test_a_table_that_was_read_too_late_is_not_backtested_unless_that_takes_no_time() -> None:
    assert _late(9.0, 8.0, 100) == ""
    assert _late(9.0, 60.0, 100_000) == ""
    said = _late(9.0, 8.0, 100_000)
    assert "1,000,000 rows took 9 s of a budget of 8 s" in said


def test_reading_that_takes_longer_than_the_budget_returns_a_forecaster_at_once() -> None:
    told: list[str] = []

    class Slow(SilentProgress):
        def stage(self, name: str) -> None:
            if name == "reading the table":
                time.sleep(1.0)
            told.append(name)

        def message(self, text: str) -> None:
            told.append(text)

    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60), "y": np.arange(60) % 7.0})
    auto = AutoTS(horizon=3, budget=0.5, progress=Slow())
    auto.policy = BudgetPolicy(backtest_free_seconds=0.0)
    pipeline = auto.fit(frame)
    assert len(pipeline.predict()) == 3
    assert [m.family for m in pipeline.members] == ["seasonal_naive"]
    first, second = pipeline.facts.messages
    assert "of a budget of" in first and "intervals are uncalibrated" in first
    assert "Parquet" in second and second in told
    assert "starting workers" not in told
    assert pipeline.facts.seconds["total"] >= 1.0


def _board(panel: Panel, plan: BacktestPlan) -> Leaderboard:
    return Leaderboard(Objective(METRICS["mase"], plan, targets_of(panel, plan, 4), TASK))


def test_trivial_forecasters_keep_within_their_share_and_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = _panel(40, 50)
    plan = plan_cutoffs(panel.lengths, 3, season=4)
    assert plan is not None
    clock, usual = ManualClock(), trivial_forecasters.answer

    def slow(*args: Any) -> Any:
        clock.advance(3.0)
        return usual(*args)

    monkeypatch.setattr(trivial_forecasters, "answer", slow)
    monkeypatch.setattr(trivial_forecasters.time, "perf_counter", clock.now)
    candidates = baselines(panel, TASK)
    board = _board(panel, plan)
    left_out = backtest_trivial(candidates, panel, board, seed=0, policy=POLICY, deadline=Deadline.after(35.0, clock))
    assert [e.number for e in board.candidates] == [-1, -2]
    assert left_out == tuple(c.family for c in candidates[2:])
    late = _board(panel, plan)
    backtest_trivial(candidates, panel, late, seed=0, policy=POLICY, deadline=Deadline.after(0.1, clock))
    assert [e.number for e in late.candidates] == [-1]  # something to return, whatever the time


def test_without_a_defined_metric_the_trivial_forecasters_are_still_there() -> None:
    panel = panel_of([np.full(40, 5.0)])
    plan = plan_cutoffs(panel.lengths, 3, season=4)
    assert plan is not None
    messages: list[str] = []
    board = first_leaderboard(
        panel,
        plan,
        TASK,
        metric_name="mase",
        seed=0,
        policy=POLICY,
        deadline=Deadline.after(60.0),
        messages=messages,
    )
    assert "mase is not defined" in messages[0]
    assert board.best is not None and board.objective.metric.name == "mae"
    assert len(board.complete) == len(baselines(panel, TASK))


def test_members_that_cost_nothing_stay_though_no_time_is_left() -> None:
    panel = _panel(40, 50)
    plan = plan_cutoffs(panel.lengths, 3, season=4)
    assert plan is not None
    board = _board(panel, plan)
    backtest_trivial(baselines(panel, TASK), panel, board, seed=0, policy=POLICY)
    weights = {e.number: (1.0, 1.0) for e in board.complete}
    costs = costs_of(weights, {e.number: e for e in board.complete}, plan, panel.lengths, POLICY)
    assert len(members_to_refit(costs, 1, -5.0, POLICY)) == len(weights)


def test_a_calibration_on_some_series_is_that_on_all_of_them() -> None:
    rng = np.random.default_rng(0)
    panel = panel_of([10 + rng.normal(size=30) for _ in range(400)])
    plan = plan_cutoffs(panel.lengths, 3, season=4)
    assert plan is not None
    board = _board(panel, plan)
    backtest_trivial(baselines(panel, TASK), panel, board, seed=0, policy=POLICY)
    whole = assemble(board, panel, None, Deadline.after(60.0), seed=0)
    few = BudgetPolicy(calibration_targets=1_000)
    some = assemble(board, panel, None, Deadline.after(60.0), seed=0, policy=few)
    assert some.weights == whole.weights
    tables = [one.ensemble.conformal.table.mean(axis=0) for one in (some, whole) if one.ensemble.conformal is not None]
    assert tables[0] == pytest.approx(tables[1], rel=0.25, abs=0.05)
    assert some.unseen.quantiles.shape == whole.unseen.quantiles.shape


def _read() -> Ingested:
    return read_panel(pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=90), "y": np.arange(90) % 7.0}))


def _started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: FitSettings) -> tuple[Any, list[str]]:
    from contextlib import ExitStack

    import zoo.cluster

    def refused(**_: Any) -> None:
        raise ClusterError("Ray must start within 9 s, but it did not", "run `zoo doctor`")

    monkeypatch.setattr(zoo.cluster, "connect", refused)
    monkeypatch.setattr(zoo.cluster, "is_connected", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    panel = _read().panel
    plan = plan_cutoffs(panel.lengths, 3, season=7)
    assert plan is not None
    run = RunContext(tmp_path, Deadline.after(60.0), SilentProgress(), "t", False, Interrupt())
    messages: list[str] = []
    with ExitStack() as stack:
        return start_workers(stack, panel, plan, TASK, settings, run, messages), messages


def test_a_ray_that_does_not_start_is_told_and_the_search_goes_on_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, messages = _started(tmp_path, monkeypatch, FitSettings(3, 60.0, workers=2))
    assert isinstance(driver, Inline)
    assert "Ray must start within 9 s" in messages[0] and "this process" in messages[0] and "zoo doctor" in messages[0]


def test_a_cluster_that_was_asked_for_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterError):
        _started(tmp_path, monkeypatch, FitSettings(3, 60.0, address="10.0.0.1:6379"))


def test_the_load_is_how_long_work_waits_for_its_core(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, worked = ManualClock(), ManualClock()
    monkeypatch.setattr("autots.api.time.perf_counter", wall.now)
    monkeypatch.setattr("autots.api.time.process_time", worked.now)
    load = _MachineLoad(POLICY)
    wall.advance(0.3)
    assert load.slowdown == 1.0  # too short to say
    wall.advance(5.7)
    worked.advance(3.0)
    assert load.slowdown == pytest.approx(2.0)
    wall.advance(1000.0)
    assert load.slowdown == 4.0
    worked.advance(5000.0)
    assert load.slowdown == 1.0  # several threads
