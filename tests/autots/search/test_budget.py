"""How a budget is spent: laws of the policy, plans for machines and panels of every size, and searches in virtual time.

No test here waits for anything: clocks are moved by hand, and a machine is a number of seconds for each kind of work.
"""

from __future__ import annotations

import dataclasses
import inspect
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autots.evaluate import BacktestPlan, Objective, targets_of
from autots.metrics import METRICS
from autots.models.base import Task
from autots.search.budget import BudgetPolicy, MeasuredSpeed
from autots.search.leaderboard import Candidate
from autots.search.member_costs import (
    MemberCost,
    members_to_refit,
    parallel_seconds,
    quick_members,
    refit_seconds,
    reserve_seconds,
)
from autots.testing.example_panels import example_panel
from zoo.clock import ManualClock
from zoo.errors import ConfigError

POLICY = BudgetPolicy()
BUDGETS = st.floats(0.5, 86_400.0)
SECONDS = st.floats(0.0, 1e5)


# The value itself -----------------------------------------------------------------------------------------------------


def test_every_field_says_what_it_is() -> None:
    told = inspect.getdoc(BudgetPolicy) or ""
    for one in dataclasses.fields(BudgetPolicy):
        assert re.search(rf"^    {one.name}: (\S+\s+){{3}}", told, re.M), one.name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trial_share": 1.5}, "trial_share must be from 0 to 1"),
        ({"trial_share": -0.1}, "from 0 to 1"),
        ({"drain_seconds": -1.0}, "0 or more"),
        ({"drain_seconds": float("nan")}, "0 or more"),
        ({"reserve_seconds_per_row": float("inf")}, "0 or more"),
        ({"refit_safety_ratio": 0.0}, "above 0"),
        ({"history_rows_per_second": 0.0}, "above 0"),
        ({"reserve_min_share": 0.7}, "reserve_min_share must not be above reserve_max_share"),
        ({"give_up_seconds": 5.0}, "give_up_seconds must not be above spare_fit_seconds"),
    ],
)
def test_values_that_make_no_sense_are_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        BudgetPolicy(**change)  # type: ignore[arg-type]  # some are counts


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(BudgetPolicy)])
def test_no_field_may_be_negative(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        BudgetPolicy(**{name: -1})


def test_a_minute_on_a_small_table_is_spent_as_it_always_was() -> None:
    """The figures by which the sets of the README were fitted: who changes them measures anew."""
    assert POLICY.shutdown(60.0) == 1.5
    assert (POLICY.trial_seconds(100.0, 60.0), POLICY.trial_seconds(100.0, 60.0, again=True)) == (15.0, 27.0)
    assert POLICY.search_left(50.0, 9.0, 60.0) == pytest.approx(39.8)
    assert POLICY.assembly_seconds(10_000, 1_000, MeasuredSpeed()) == pytest.approx(1.512)
    assert POLICY.final_fit_seconds(60.0) == 12.0
    assert (POLICY.reserve(0.1, 60.0), POLICY.reserve(7.0, 60.0), POLICY.reserve(99.0, 60.0)) == (3.0, 7.0, 36.0)
    assert POLICY.history_rows(60.0, 1, season=24, horizon=24) == 600_000
    assert POLICY.forecast_allowance(414 * 48, 60.0) == pytest.approx(0.69552)
    assert POLICY.sample_size(15) is None
    assert (POLICY.sample_size(16), POLICY.sample_size(60), POLICY.sample_size(1_428)) == (4, 15, 24)


# Laws of the decisions ------------------------------------------------------------------------------------------------


@given(BUDGETS, SECONDS, st.integers(1, 10**8), st.integers(1, 10**6), st.floats(1.0, 4.0))
def test_no_part_of_a_plan_is_longer_than_the_whole(
    budget: float, left: float, rows: int, series: int, slowdown: float
) -> None:
    speed = MeasuredSpeed(slowdown)
    assert 0 <= POLICY.shutdown(budget) <= 0.1 * budget
    assert POLICY.shutdown(budget) + POLICY.writing(budget, rows, series, speed) <= 0.3 * budget + 1e-9
    assert POLICY.deadline(budget, clock=ManualClock()).remaining == budget - POLICY.shutdown(budget)
    assert POLICY.trial_seconds(left, budget) <= max(left, POLICY.trial_min_seconds)
    kept = POLICY.reserve(POLICY.assembly_seconds(rows, rows, speed), budget)
    assert 0.05 * budget <= kept <= 0.6 * budget
    assert POLICY.search_left(budget, kept, budget) + kept < budget
    assert POLICY.final_fit_seconds(budget) <= budget


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.floats(1.0, 4.0), st.floats(0.0, 10.0))
def test_the_end_takes_longer_on_a_slower_machine_in_proportion(
    rows: int, targets: int, slowdown: float, scoring: float
) -> None:
    idle = POLICY.assembly_seconds(rows, targets, MeasuredSpeed())
    assert POLICY.assembly_seconds(rows, targets, MeasuredSpeed(slowdown)) == pytest.approx(slowdown * idle)
    # A score of all targets that takes long tells the same, whatever the constants say.
    seen = POLICY.assembly_seconds(rows, targets, MeasuredSpeed(1.0, scoring))
    assert seen == pytest.approx(max(idle, 1.5 + 40 * scoring))
    assert POLICY.assembly_seconds(2 * rows, targets, MeasuredSpeed()) >= idle
    assert POLICY.assembly_seconds(rows, 2 * targets, MeasuredSpeed()) >= idle


@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_the_load_of_a_machine_is_wall_over_processor_time_within_bounds(wall: float, processor: float) -> None:
    found = POLICY.slowdown(wall, processor)
    assert 1.0 <= found <= 4.0
    if wall < 0.5 or wall <= processor:
        assert found == 1.0
    elif 1e-3 < processor and wall < 4 * processor:
        assert found == pytest.approx(wall / processor)


@given(BUDGETS, BUDGETS, st.integers(1, 300_000))
def test_a_longer_budget_looks_at_no_fewer_rows_and_forecasts_no_quicker(a: float, b: float, series: int) -> None:
    short, long = sorted((a, b))
    rows = [POLICY.history_rows(x, series, season=24, horizon=24) for x in (short, long)]
    assert 50_000 <= rows[0] <= rows[1]
    allowed = [POLICY.forecast_allowance(series * 24, x) for x in (short, long)]
    assert 0.5 <= allowed[0] <= allowed[1] <= 5 * POLICY.forecast_allowance(series * 24, 1.0)
    assert POLICY.refitted_rows(short) <= POLICY.refitted_rows(long)


@given(st.floats(1e-3, 50.0), st.floats(0.0, 50.0), st.integers(1, 5), BUDGETS)
def test_a_backtest_is_fitted_as_often_as_its_share_of_the_budget_allows(
    fit: float, predict: float, most: int, budget: float
) -> None:
    fits = POLICY.backtest_fits(fit, predict, most, budget)
    assert 1 <= fits <= most
    assert fits == 1 or fits * fit + predict <= 0.2 * budget
    assert fits == most or (fits + 1) * fit + predict > 0.2 * budget


@given(st.integers(1, 10**6))
def test_a_sample_is_small_beside_the_panel(series: int) -> None:
    size = POLICY.sample_size(series)
    assert size is None if series < 16 else size is not None and 4 <= size <= min(24, series // 4)


@given(st.lists(SECONDS, max_size=12), st.integers(1, 8))
def test_parallel_fits_take_between_their_mean_and_that_plus_the_longest(each: list[float], workers: int) -> None:
    took, total, longest = parallel_seconds(each, workers), sum(each), max(each, default=0.0)
    assert max(total / workers, longest) <= took * (1 + 1e-9) + 1e-9
    assert took <= (total / workers + longest) * (1 + 1e-9)
    assert parallel_seconds(each, 1) == pytest.approx(total)


COSTS = st.dictionaries(
    st.integers(0, 50),
    st.builds(
        MemberCost,
        st.floats(0.01, 1.0),
        st.floats(0.0, 40.0),
        st.floats(0.0, 60.0),
        st.floats(0.0, 5.0),
        st.booleans(),
    ),
    min_size=1,
    max_size=10,
)


@given(COSTS, st.integers(1, 4), st.floats(-10.0, 100.0), st.floats(0.0, 50.0))
def test_final_fits_keep_within_their_time_and_more_time_never_drops_a_member(
    costs: dict[int, MemberCost], workers: int, seconds: float, more: float
) -> None:
    kept = members_to_refit(costs, workers, seconds, POLICY)
    took = parallel_seconds((costs[n].refit_seconds for n in kept), workers)
    assert kept
    assert len(kept) == 1 or took <= max(seconds, 0.0)
    assert set(kept) <= set(members_to_refit(costs, workers, seconds + more, POLICY))
    assert [costs[n].fit_seconds for n in kept] == sorted((costs[n].fit_seconds for n in kept), reverse=True)


@given(COSTS, st.floats(0.0, 20.0), st.floats(0.0, 10.0))
def test_a_forecast_keeps_within_its_time_and_the_heaviest_member_stays(
    costs: dict[int, MemberCost], seconds: float, more: float
) -> None:
    kept = quick_members(costs, seconds)
    assert costs[kept[0]].weight == max(one.weight for one in costs.values())
    assert len(kept) == 1 or sum(costs[n].forecast_seconds for n in kept) <= seconds
    assert set(kept) <= set(quick_members(costs, seconds + more))


def test_a_pooled_model_is_left_out_before_a_local_one_of_the_same_cost() -> None:
    one = MemberCost(0.5, 10.0, 10.0, 0.0)
    costs = {0: dataclasses.replace(one, local=True), 1: one}
    assert members_to_refit(costs, 1, 12.0, POLICY) == [0]


# Plans for machines and panels of every size --------------------------------------------------------------------------


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
    left = POLICY.search_left(deadline.remaining, reserve, deadline.budget)
    parts["search"] = max(left, 0.0) if possible else 0.0
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


@pytest.mark.parametrize("name", ["linear_direct", "trees_direct", "trees_recursive", "mlp", "rvfl"])
def test_a_final_fit_takes_longer_until_the_family_draws_no_more(name):
    plan, entry = BacktestPlan(5, (100, 50, 5), 2, (100,)), Candidate(0, name, {}, fit_seconds=10.0)
    short, long = (refit_seconds(entry, plan, np.full(n, 400), BudgetPolicy()) for n in (1, 2_000))
    assert short == pytest.approx(long * (395 / 295), rel=1e-6)
    forever = refit_seconds(dataclasses.replace(entry, family="auto_ets"), plan, np.full(2_000, 400), BudgetPolicy())
    assert forever == pytest.approx(short)
