"""The pace of a fit: its schedule ends where its time does, and is untouched where there is enough."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autots.models.pace import FitPace
from zoo.clock import Deadline, ManualClock
from zoo.errors import BudgetError


def walk(
    units: int, budget: float, seconds: float, *, first: float = 0.0, rest: float = 0.0
) -> tuple[list[float], float]:
    """Run a fit whose units take ``seconds`` each, the first one ``first`` more; return its shares and the time."""
    clock = ManualClock()
    pace = FitPace(Deadline.after(budget, clock), units, rest_ratio=rest)
    shares = []
    for done in range(units + 1):
        shares.append(pace.share(done))
        if shares[-1] >= 1.0:
            break
        clock.advance(seconds + (first if done == 0 else 0.0))
    return shares, clock.now()


def test_without_a_deadline_the_share_is_that_of_the_units() -> None:
    pace = FitPace(None, 7)
    assert [pace.share(done) for done in range(8)] == [done / 7 for done in range(8)]
    assert pace.progress == 1.0


@given(st.integers(1, 300), st.floats(1e-4, 1.0))
def test_enough_time_leaves_the_schedule_as_it_is(units: int, seconds: float) -> None:
    shares, _ = walk(units, 10 * units * seconds, seconds)
    assert shares == [done / units for done in range(units + 1)]


@given(st.integers(20, 300), st.floats(1e-3, 1.0), st.floats(0.2, 0.9))
def test_too_little_time_is_used_up_and_not_passed(units: int, seconds: float, part: float) -> None:
    budget = part * units * seconds
    shares, took = walk(units, budget, seconds)
    assert shares[-1] == 1.0
    assert budget - 2 * seconds <= took <= budget + 7 * seconds
    # A learning rate follows it: it never goes back.
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(shares))


def test_a_slow_first_unit_does_not_count_as_the_speed() -> None:
    shares, took = walk(100, 30.0, 0.2, first=8.0)
    assert len(shares) == 101
    assert took == pytest.approx(28.0)


def test_time_is_left_for_what_follows_the_last_unit() -> None:
    _, took = walk(1000, 10.0, 0.05, rest=0.5)
    assert took * 1.5 == pytest.approx(10.0, abs=0.5)


def test_a_deadline_that_has_passed_is_a_budget_error() -> None:
    clock = ManualClock()
    pace = FitPace(Deadline.after(1.0, clock), 10)
    clock.advance(2.0)
    with pytest.raises(BudgetError):
        pace.share(0)
