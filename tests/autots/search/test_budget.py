"""How a budget is spent: the values of the policy, and laws of its decisions."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autots.search.budget import BudgetPolicy, MeasuredSpeed
from autots.search.member_costs import MemberCost, members_to_refit, parallel_seconds, quick_members
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
