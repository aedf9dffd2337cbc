"""Searches in virtual time: clocks are moved by hand, and no test here waits for anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autots.evaluate import Backtest, Objective, plan_cutoffs, targets_of
from autots.metrics import METRICS
from autots.models.base import Task
from autots.recipes import Configuration, Portfolio, search_space
from autots.report.terminal import SilentProgress
from autots.search.budget import BudgetPolicy
from autots.search.engine import Search
from autots.search.leaderboard import Leaderboard
from autots.search.trial import WorkRequest
from autots.testing.example_panels import example_panel
from zoo.clock import Deadline, ManualClock
from zoo.search import Study
from zoo.workers import Event, Workers

POLICY = BudgetPolicy()


class VirtualWorkers(Workers):
    """Runs requests in virtual time: each takes the seconds that ``cost`` says, and stops at its deadline.

    Args:
        clock: Moved to the next event by ``wait``.
        count: Requests that run at the same time.
        cost: Seconds of a request.
        result: What a request returns that ended in time.
        deaf: Whether requests ignore their deadline, and end by being killed.
    """

    def __init__(
        self,
        clock: ManualClock,
        count: int,
        cost: Callable[[WorkRequest], float],
        result: Callable[[WorkRequest], Backtest],
        *,
        deaf: bool = False,
    ) -> None:
        self.clock, self.count, self.cost, self.result, self.deaf = clock, count, cost, result, deaf
        self.requests: list[WorkRequest] = []
        self._ends: dict[str, tuple[float, Event]] = {}

    def submit(self, key: str, request: object, *, timeout: float | None = None) -> None:
        assert isinstance(request, WorkRequest) and timeout is not None and len(self._ends) < self.count
        self.requests.append(request)
        cost = self.cost(request)
        if cost <= request.seconds:
            event = Event(key, "done", self.result(request), seconds=cost)
        elif self.deaf:
            cost, event = timeout, Event(key, "timeout", error="TimeoutError: killed", seconds=timeout)
        else:
            cost, event = request.seconds, Event(key, "failed", error="BudgetError: over", seconds=request.seconds)
        self._ends[key] = (self.clock.now() + cost, event)

    def wait(self, timeout: float | None = None) -> list[Event]:
        until = self.clock.now() + (timeout or 0.0)
        first = min((end for end, _ in self._ends.values()), default=until)
        self.clock.advance(max(min(first, until) - self.clock.now(), 0.0))
        due = [key for key, (end, _) in self._ends.items() if end <= self.clock.now()]
        return [self._ends.pop(key)[1] for key in due]

    def cancel(self, key: str) -> None:
        self._ends.pop(key, None)

    def close(self) -> None:
        self._ends.clear()

    @property
    def running(self) -> tuple[str, ...]:
        return tuple(self._ends)

    @property
    def workers(self) -> int:
        return self.count


PANEL = example_panel(lengths=[40] * 20)
TASK = Task(3, (4,), (0.1, 0.5, 0.9))
FAMILIES = ("linear_direct", "trees_direct", "mlp")
BASE_COST = {"linear_direct": 0.4, "trees_direct": 2.0, "mlp": 5.0, "auto_theta": 1.0}


def virtual_search(
    folder: Path, budget: float, *, slow: float = 1.0, workers: int = 2, deaf: bool = False
) -> tuple[Search, VirtualWorkers, float]:
    """Search in virtual time; return the search, its workers, and the largest reserve that was kept."""
    plan = plan_cutoffs(PANEL.lengths, 3, season=4, folds=3)
    assert plan is not None
    clock, rng = ManualClock(), np.random.default_rng(0)
    targets = targets_of(PANEL, plan, 4)
    leaderboard = Leaderboard(Objective(METRICS["mae"], plan, targets, TASK))

    def cost(request: WorkRequest) -> float:
        share = 1.0 if request.rows is None else len(request.rows) / PANEL.n_series
        return slow * share * BASE_COST[request.family]

    def result(request: WorkRequest) -> Backtest:
        rows = np.arange(PANEL.n_series) if request.rows is None else np.array(request.rows)
        mean = targets.actual[:, rows] + rng.normal(size=targets.actual[:, rows].shape)
        quantiles = np.stack([mean - 1, mean, mean + 1], axis=-1).astype(np.float32)
        took = cost(request)
        return Backtest(mean.astype(np.float32), quantiles, 0.9 * took, 0.1 * took, None, request.fits or 1)

    pool = VirtualWorkers(clock, workers, cost, result, deaf=deaf)
    portfolio = Portfolio(tuple(Configuration(f) for f in (*FAMILIES, "auto_theta")), FAMILIES, {})
    deadline = Deadline.after(budget, clock)
    kept: list[float] = []
    with Study.open(folder / "study.journal", search_space(), seed=0) as study:
        search = Search(
            PANEL, leaderboard, portfolio, study, folder / "oof", deadline, 0, SilentProgress(), max_trials=24
        )

        def reserve(count: int) -> float:
            kept.append(search.reserve(count))
            return kept[-1]

        search.run(pool, reserve=reserve)
    return search, pool, kept[-1]


@pytest.mark.parametrize("budget", [2.0, 12.0, 60.0, 3600.0])
@pytest.mark.parametrize("slow", [0.1, 1.0, 10.0])
def test_a_search_ends_before_its_reserve_begins(tmp_path: Path, budget: float, slow: float) -> None:
    search, pool, reserve = virtual_search(tmp_path, budget, slow=slow)
    policy = search.policy
    # What is still out has a moment to notice that its time is over, as the reserve may have grown since it began.
    assert search.deadline.elapsed <= budget - reserve + policy.drain_seconds + 1e-9
    assert all(r.seconds <= max(0.45 * budget, policy.trial_min_seconds) for r in pool.requests)
    assert not pool.running
    done = [c for c in search.leaderboard.complete]
    if slow * BASE_COST["linear_direct"] < 0.45 * budget - 1:
        assert done
    assert {c.number for c in done} == {t.number for t in search.study.trials if t.state == "complete"}


@pytest.mark.parametrize("slow", [1.0, 10.0])
def test_models_that_ignore_their_deadline_do_not_break_the_budget(tmp_path: Path, slow: float) -> None:
    search, _, reserve = virtual_search(tmp_path, 20.0, slow=slow, deaf=True)
    assert search.deadline.elapsed <= 20.0 - reserve + search.policy.drain_seconds + 1e-9
    assert all(t.state != "running" for t in search.study.trials)


def test_a_slow_machine_does_less_and_a_fast_one_more(tmp_path: Path) -> None:
    done = []
    for slow in (0.1, 1.0, 10.0):
        search, _, _ = virtual_search(tmp_path / str(slow), 60.0, slow=slow)
        done.append(len(search.leaderboard.complete))
    assert done == sorted(done, reverse=True)
    assert done[0] > done[2]


def test_local_models_are_paid_for_on_a_sample_first(tmp_path: Path) -> None:
    _, pool, _ = virtual_search(tmp_path, 60.0)
    theta = [r for r in pool.requests if r.family == "auto_theta"]
    assert [None if r.rows is None else len(r.rows) for r in theta] == [5, None]
