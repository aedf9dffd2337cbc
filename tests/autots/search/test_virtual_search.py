"""Searches in virtual time: what is tried, what its time ends, what goes on, and that nothing is thrown away.

No test here waits for anything: clocks are moved by hand, and a machine is a number of seconds for each kind of work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autots.evaluate import Backtest, Objective, plan_cutoffs, targets_of
from autots.metrics import METRICS
from autots.models.base import Task
from autots.recipes import Configuration, Portfolio
from autots.report.terminal import SilentProgress
from autots.search.budget import BudgetPolicy
from autots.search.engine import Search
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.leaderboard import Leaderboard
from autots.search.prospects import PausedCandidate, Prospects
from autots.search.sampler import open_study
from autots.search.trial import WorkRequest
from autots.testing.example_panels import example_panel
from zoo.clock import Deadline, ManualClock
from zoo.workers import Event, Workers

POLICY = BudgetPolicy()


class VirtualWorkers(Workers):
    """Runs requests in virtual time: each takes the seconds that ``cost`` says, or leaves at its deadline what it has.

    Args:
        clock: Moved to the next event by ``wait``.
        count: Requests that run at the same time.
        cost: Seconds of a request.
        result: What a request returns that did a share of its work.
        deaf: Whether requests ignore their deadline, and end by being killed.
        hangs: Which requests do so in any case.
    """

    def __init__(
        self,
        clock: ManualClock,
        count: int,
        cost: Callable[[WorkRequest], float],
        result: Callable[[WorkRequest, float], Backtest],
        *,
        deaf: bool = False,
        hangs: Callable[[WorkRequest], bool] = lambda _: False,
    ) -> None:
        self.hangs = hangs
        self.clock, self.count, self.cost, self.result, self.deaf = clock, count, cost, result, deaf
        self.requests: list[WorkRequest] = []
        self._ends: dict[str, tuple[float, Event]] = {}

    #: Seconds before which a request has nothing to show.
    start = 0.1

    def submit(self, key: str, request: object, *, timeout: float | None = None) -> None:
        assert isinstance(request, WorkRequest) and timeout is not None and len(self._ends) < self.count
        self.requests.append(request)
        cost = self.cost(request)
        if self.hangs(request):
            cost, event = timeout, Event(key, "timeout", error="TimeoutError: killed", seconds=timeout)
        elif cost <= request.seconds:
            event = Event(key, "done", self.result(request, 1.0), seconds=cost)
        elif self.deaf:
            cost, event = timeout, Event(key, "timeout", error="TimeoutError: killed", seconds=timeout)
        elif request.seconds < self.start:
            cost, event = request.seconds, Event(key, "failed", error="BudgetError: over", seconds=request.seconds)
        else:
            event = Event(key, "done", self.result(request, request.seconds / cost), seconds=request.seconds)
            cost = request.seconds
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
    folder: Path,
    budget: float,
    *,
    slow: float = 1.0,
    workers: int = 2,
    deaf: bool = False,
    hangs: Callable[[WorkRequest], bool] = lambda _: False,
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

    def result(request: WorkRequest, share: float) -> Backtest:
        rows = np.arange(PANEL.n_series) if request.rows is None else np.array(request.rows)
        mean = targets.actual[:, rows] + rng.normal(size=targets.actual[:, rows].shape)
        reached = None
        if request.partial and share < 1:
            reached = np.arange(max(int(share * len(rows)), 1))
            mean[:, len(reached) :] = np.nan
            share = len(reached) / len(rows)
        quantiles = np.stack([mean - 1, mean, mean + 1], axis=-1).astype(np.float32)
        took = share * cost(request)
        fits = request.fits or 1
        return Backtest(mean.astype(np.float32), quantiles, 0.9 * took, 0.1 * took, None, fits, share, reached)

    pool = VirtualWorkers(clock, workers, cost, result, deaf=deaf, hangs=hangs)
    portfolio = Portfolio(tuple(Configuration(f) for f in (*FAMILIES, "auto_theta")), FAMILIES, {})
    deadline = Deadline.after(budget, clock)
    kept: list[float] = []
    prospects = Prospects(leaderboard, InterimEnsemble(POLICY), portfolio, POLICY)
    with open_study(folder / "study.journal", prospects, seed=0, clock=clock) as study:
        search = Search(
            PANEL, leaderboard, prospects, study, folder / "oof", deadline, 0, SilentProgress(), max_trials=24
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
    if budget - reserve > 1:
        assert done
    assert {c.number for c in done} == {t.number for t in search.study.trials if t.state == "complete" or t.reports}


@pytest.mark.parametrize("slow", [1.0, 10.0])
def test_models_that_ignore_their_deadline_do_not_break_the_budget(tmp_path: Path, slow: float) -> None:
    search, _, reserve = virtual_search(tmp_path, 20.0, slow=slow, deaf=True)
    # A look at the clock every half second, as the reserve changes on the way.
    assert search.deadline.elapsed <= 20.0 - reserve + search.policy.drain_seconds + 0.5
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
    assert [len(r.rows or ()) for r in theta] == [5, 15]


def test_a_part_that_is_killed_leaves_what_the_former_ones_reached(tmp_path: Path) -> None:
    """Found on ETTh1: a candidate with a weight became a failed one, and choosing ended in a KeyError."""

    def hangs(request: WorkRequest) -> bool:
        return request.family == "auto_theta" and len(request.rows or ()) > 5

    search, _, _ = virtual_search(tmp_path, 60.0, hangs=hangs)
    theta = next(c for c in search.leaderboard.candidates if c.family == "auto_theta")
    assert theta.status == "partial"
    record = search.study.trials[theta.number]
    assert record.state == "stopped"
    assert record.reports
    assert "killed" in record.message
    assert set(search.ensemble.final_weights) <= {c.number for c in search.leaderboard.complete}
    assert search.reserve(2) > 0


@pytest.mark.parametrize("slow", [1.0, 3.0, 10.0])
def test_nothing_that_ran_longer_than_two_seconds_is_thrown_away(tmp_path: Path, slow: float) -> None:
    search, _, _ = virtual_search(tmp_path, 60.0, slow=slow)
    for trial in search.study.trials:
        ran = sum(end - begin for begin, end in trial.runs)
        assert ran <= 2.0 or trial.state == "complete" or trial.reports, trial


def test_every_family_is_tried_before_a_second_configuration_of_any(tmp_path: Path) -> None:
    _search, pool, _ = virtual_search(tmp_path, 60.0, slow=4.0)
    first = [r.family for r in pool.requests][: len(FAMILIES) + 1]
    assert set(first) == {*FAMILIES, "auto_theta"}


def test_what_its_time_ended_goes_on_under_its_number(tmp_path: Path) -> None:
    search, _pool, _ = virtual_search(tmp_path, 200.0, slow=20.0)
    resumed = [t for t in search.study.trials if len(t.runs) > 1]
    assert resumed
    for trial in resumed:
        steps = list(trial.reports)
        assert steps == sorted(steps)


# What promises most ---------------------------------------------------------------------------------------------------


def prospects_of(tmp_path: Path, **costs: float) -> Prospects:
    """Return the prospects of a search with one trivial candidate and a portfolio of some families with costs."""
    search, _, _ = virtual_search(tmp_path, 0.5)
    portfolio = Portfolio(tuple(Configuration(name, {}, cost) for name, cost in costs.items()), (), {})
    return Prospects(search.leaderboard, InterimEnsemble(POLICY), portfolio, POLICY)


def test_what_costs_less_goes_first_of_what_is_equally_new(tmp_path: Path) -> None:
    prospects = prospects_of(tmp_path, mlp=30.0, rvfl=1.0)
    best = prospects.best()
    assert best is not None and best.family == "rvfl"


def test_what_does_not_fit_into_the_time_left_is_not_begun(tmp_path: Path) -> None:
    prospects = prospects_of(tmp_path, mlp=30.0)
    prospects.left = 10.0
    assert prospects.best() is None
    # Trials that ended show that this machine is four times quicker than the unit says.
    prospects.took(Configuration("mlp", {}, 10.0), 2.5)
    best = prospects.best()
    assert best is not None and best.seconds == pytest.approx(7.5)


def test_a_model_that_shows_a_gain_on_its_series_goes_on_before_one_that_shows_none(tmp_path: Path) -> None:
    prospects = prospects_of(tmp_path)
    prospects.paused = {
        1: PausedCandidate("auto_ets", 0.5, 5.0, gain=0.05, reached=200),
        2: PausedCandidate("auto_ces", 0.5, 5.0, gain=0.0, reached=200),
        3: PausedCandidate("mstl", 0.5, 5.0, gain=0.0, behind=1.4, reached=200),
    }
    order = []
    while (best := prospects.best()) is not None and best.number is not None:
        order.append(best.number)
        del prospects.paused[best.number]
    assert order == [1, 2, 3]


@pytest.mark.parametrize(("few", "many"), [(4, 24), (24, 400)])
def test_few_series_say_less_than_many(few: int, many: int) -> None:
    hopeful, known = (PausedCandidate("auto_ets", 0.1, 1.0, 0.0, 1.0, reached) for reached in (few, many))
    assert hopeful.promise >= known.promise
    gainful, sure = (PausedCandidate("auto_ets", 0.1, 1.0, 0.2, 1.0, reached) for reached in (few, many))
    assert gainful.promise <= sure.promise
