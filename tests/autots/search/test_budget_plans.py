"""Plans for machines and panels of every size: a machine is a number of seconds for each kind of work."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from autots.evaluate import BacktestPlan, Objective, targets_of
from autots.metrics import METRICS
from autots.models.base import Task
from autots.search.budget import BudgetPolicy, MeasuredSpeed
from autots.search.leaderboard import Candidate
from autots.search.member_costs import reserve_seconds
from autots.testing.example_panels import example_panel
from zoo.clock import ManualClock

POLICY = BudgetPolicy()


@dataclasses.dataclass(frozen=True)
class Machine:
    """Seconds of one core for each kind of work; ``slow`` multiplies all of them."""

    slow: float = 1.0
    workers: int = 2
    reading_per_row: float = 4e-7
    trivial_per_row: float = 2e-8
    assembly: float = 0.14
    assembly_per_row: float = 4e-7
    ray: float = 6.0

    def spend(self, clock: ManualClock, seconds: float) -> None:
        clock.advance(self.slow * seconds)


def planned(machine: Machine, budget: float, series: int, length: int) -> tuple[float, dict[str, float]]:
    """Follow the decisions of a fit, each piece of work taking what the machine needs; return the end and its parts."""
    clock, rows, parts = ManualClock(), series * length, {}
    deadline = POLICY.deadline(budget, clock=clock)
    machine.spend(clock, machine.reading_per_row * rows)
    speed = MeasuredSpeed(POLICY.slowdown(clock.now(), clock.now() / machine.slow))
    writing = POLICY.writing(budget, rows, series, speed)
    deadline = dataclasses.replace(deadline, budget=deadline.budget - writing)
    parts["reading"] = clock.now()
    windows = 3
    backtest = POLICY.backtest_seconds(windows, series, rows)
    if POLICY.backtest_comes_too_late(backtest, deadline.remaining):
        return clock.now(), parts
    inline = POLICY.searches_inline(budget, rows)
    possible = (
        POLICY.can_import(deadline.remaining) if inline else POLICY.can_start_pool(deadline.remaining, connected=False)
    )
    if possible:
        clock.advance(min(machine.slow * (1.0 if inline else machine.ray), POLICY.pool_patience(deadline.remaining)))
    longest, begin = 0.0, clock.now()
    for i in range(7):
        left = {"spent": clock.now() - begin, "budget": deadline.budget, "remaining": deadline.remaining}
        if i == 0 or POLICY.trivial_fits(longest, **left):
            machine.spend(clock, machine.trivial_per_row * rows)
            longest = max(longest, machine.slow * machine.trivial_per_row * rows)
    parts["trivial"] = clock.now() - begin
    targets = series * windows * 12
    reserve = POLICY.reserve(POLICY.assembly_seconds(rows, targets, speed), deadline.budget)
    rest = POLICY.search_left(deadline.remaining, reserve, deadline.budget)
    parts["search"] = max(rest, 0.0) if possible else 0.0
    clock.advance(parts["search"])
    machine.spend(clock, machine.assembly + machine.assembly_per_row * rows)
    parts["end"] = reserve
    clock.advance(POLICY.shutdown(budget) + writing)
    return clock.now(), parts


@pytest.mark.parametrize("budget", [12.0, 60.0, 300.0, 3600.0])
@pytest.mark.parametrize("slow", [0.2, 1.0, 2.0])
@pytest.mark.parametrize(("series", "length"), [(1, 144), (1, 1_000_000), (400, 900), (1_428, 100), (300_000, 10)])
def test_a_plan_ends_in_time(budget: float, slow: float, series: int, length: int) -> None:
    end, _ = planned(Machine(slow), budget, series, length)
    assert end <= budget


@pytest.mark.parametrize("series", [1, 400])
def test_ten_times_slower_is_still_in_time_and_the_search_gets_what_is_left(series: int) -> None:
    parts = []
    for slow in (1.0, 10.0):
        end, found = planned(Machine(slow), 60.0, series, 500)
        assert end <= 60.0
        parts.append(found)
    assert parts[1]["search"] < parts[0]["search"]
    assert parts[0]["search"] > 30.0


def test_two_seconds_end_without_workers() -> None:
    end, parts = planned(Machine(), 2.0, 1, 144)
    assert end <= 2.0 + 1e-9
    assert parts["search"] == 0.0


def test_an_hour_is_searched_for_an_hour() -> None:
    end, parts = planned(Machine(), 3600.0, 400, 900)
    assert 0.9 * 3600 < parts["search"] < end <= 3600


def _objective(series: int, plan: BacktestPlan) -> Objective:
    panel = example_panel(lengths=[40] * series)
    task = Task(3, (4,), (0.1, 0.5, 0.9))
    return Objective(METRICS["mae"], plan, targets_of(panel, plan, 4), task)


def _kept(slow: float, *, oldest_fit: int, workers: int, budget: float) -> float:
    """Return the reserve for three members on a machine that is ``slow`` times slower than an idle one."""
    objective = _objective(4, BacktestPlan(3, (oldest_fit, 9, 3), 2, (oldest_fit,)))
    by_number = {
        n: Candidate(n, "linear_direct", {}, fit_seconds=slow * (n + 1.0) / 2, predict_seconds=0.03 * slow)
        for n in range(3)
    }
    lengths = np.full(4, 40)
    return reserve_seconds(
        POLICY,
        objective,
        by_number,
        {0: 0.5, 1: 0.3, 2: 0.2},
        MeasuredSpeed(slow),
        lengths=lengths,
        workers=workers,
        budget=budget,
    )


def test_the_reserve_follows_what_members_cost_on_this_machine() -> None:
    # Fits that are too old to be used make all members wait for their final fit.
    idle, slow = (_kept(s, oldest_fit=18, workers=1, budget=120.0) for s in (1.0, 4.0))
    assert slow == pytest.approx(4 * idle)
    assert _kept(1.0, oldest_fit=18, workers=2, budget=120.0) < idle
    # Members that may be used as their backtest left them need no more than the share for final fits.
    assert _kept(4.0, oldest_fit=12, workers=1, budget=40.0) <= 0.2 * 40.0 + 4 * 1.6
    # And no machine is so slow that nothing is searched.
    assert _kept(4.0, oldest_fit=18, workers=1, budget=20.0) == pytest.approx(0.6 * 20.0)
