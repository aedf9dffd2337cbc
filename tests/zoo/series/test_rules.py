"""Clocks that pandas cannot name: laws that hold of each, whatever its steps are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ConfigError
from zoo.series.frequency import Frequency
from zoo.series.rules import MONTHS, WEEKDAYS, ClockRule, Cycle, MonthDays, NthWeekday, parse, week_of

DAY, HOUR = 86_400 * 10**9, 3600 * 10**9
NUMBERS = st.integers(-120, 120)  # years, too: nanoseconds end in 2262


@st.composite
def month_days(draw: st.DrawFn) -> ClockRule:
    months = draw(st.sampled_from([1, 2, 3, 4, 6, 12]))
    days = draw(st.sets(st.integers(1, 28), max_size=3)) | {draw(st.integers(1, 31))}
    return MonthDays(tuple(sorted(days)), months, draw(st.integers(1, months)))


@st.composite
def weeks(draw: st.DrawFn) -> ClockRule:
    hours = draw(st.sets(st.integers(0, 167), min_size=2, max_size=40))
    return week_of(np.array(sorted(hours)) * HOUR, HOUR)


@st.composite
def weekdays(draw: st.DrawFn) -> ClockRule:
    return NthWeekday(draw(st.sampled_from([1, 2, 3, 4, -1])), draw(st.integers(0, 6)))


def parsed(alias: str) -> ClockRule:
    rule = parse(alias)
    assert rule is not None
    return rule


RULES = month_days() | weeks() | weekdays() | st.sampled_from(["445-2023-01-30", "bh", "2bh", "D[MON-SAT]"]).map(parsed)


@settings(max_examples=150, deadline=None)
@given(RULES, NUMBERS)
def test_steps_are_numbered_in_the_order_of_time_without_a_hole(rule: ClockRule, first: int) -> None:
    numbers = np.arange(first, first + 40)
    moments = rule.moment(numbers)
    assert (np.diff(moments) > 0).all()
    np.testing.assert_array_equal(rule.floor(moments), numbers)
    np.testing.assert_array_equal(rule.floor(moments - 1), numbers - 1)


@settings(max_examples=150, deadline=None)
@given(RULES, st.lists(st.integers(-(2 * 10**17), 2 * 10**18), min_size=1, max_size=8))
def test_the_floor_is_the_last_step_at_or_before(rule: ClockRule, times: list[int]) -> None:
    at = np.array(times)
    number = rule.floor(at)
    assert (rule.moment(number) <= at).all()
    assert (rule.moment(number + 1) > at).all()


@settings(max_examples=150, deadline=None)
@given(RULES, NUMBERS, st.integers(-50, 50), st.integers(-50, 50))
def test_moving_on_and_on_is_moving_on_by_the_sum(rule: ClockRule, number: int, one: int, two: int) -> None:
    at = rule.moment(np.array([number]))
    np.testing.assert_array_equal(rule.shift(rule.shift(at, one), two), rule.shift(at, one + two))
    np.testing.assert_array_equal(rule.shift(at, one), rule.moment(np.array([number + one])))


@settings(max_examples=150, deadline=None)
@given(RULES)
def test_the_name_of_a_clock_names_that_clock(rule: ClockRule) -> None:
    again = parsed(rule.alias)
    assert again.alias == rule.alias
    assert (again.spacing, again.seasons) == (rule.spacing, rule.seasons)
    numbers = again.floor(rule.moment(np.arange(20)))
    np.testing.assert_array_equal(again.moment(numbers), rule.moment(np.arange(20)))
    np.testing.assert_array_equal(np.diff(numbers), 1)


@settings(max_examples=60, deadline=None)
@given(RULES, NUMBERS, st.integers(-30, 30))
def test_a_frequency_walks_counts_and_advances_as_its_rule(rule: ClockRule, number: int, steps: int) -> None:
    freq = Frequency.parse(rule.alias)
    own = freq.rule
    assert own is not None
    first = own.moment(np.array([number])).astype("datetime64[ns]")
    later = freq.advance(first, steps)
    assert freq.count(first[0], later[0]) == steps
    assert freq.has(first[0])
    walked = freq.walk(first[0], 12)
    np.testing.assert_array_equal(walked, own.moment(np.arange(number, number + 12)).astype("datetime64[ns]"))


@pytest.mark.parametrize("alias", ["h", "30min", "D", "B", "W-SUN", "MS", "ME", "QS", "YE", "7", "SMS"])
@given(steps=st.integers(-40, 40), begin=st.integers(0, 4000))
@settings(max_examples=15, deadline=None)
def test_rows_between_two_times_are_those_that_were_walked(alias: str, steps: int, begin: int) -> None:
    freq = Frequency.parse(int(alias) if alias.isdigit() else alias)
    start = np.int64(begin) if freq.is_integer else freq.offset.rollforward(pd.Timestamp(2000, 1, 1)).to_datetime64()
    first = freq.advance(np.array([start]), begin % 50)
    later = freq.advance(first, steps)
    assert freq.count(first[0], later[0]) == steps
    walked = freq.walk(first[0], abs(steps) + 1)
    assert len(walked) == abs(steps) + 1
    if steps >= 0:
        assert walked[-1] == later[0]


@pytest.mark.parametrize(
    "bad",
    [
        "MD-0", "MD-32", "MD-29-30", "3MD-15", "MD-FEB-15", "5MD-MAR-1", "0bh", "3bh", "h[MON 10:00-09:00]",
        "h[MON 10]", "0h[MON 09:00-17:00]", "h[MON 23:00-24:30]",
    ],
)  # fmt: skip
def test_a_name_that_contradicts_itself_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(bad)
    with pytest.raises(ConfigError, match="freq must name a clock"):
        Frequency.parse(bad)


@pytest.mark.parametrize("other", ["h", "MS", "W-SUN", "", "WOM-5MON", "LWOM", "md-15", "445-2023"])
def test_names_of_others_are_left_to_them(other: str) -> None:
    assert parse(other) is None


def test_the_nth_weekday_is_the_calendars() -> None:
    for nth in (1, 2, 3, 4, -1):
        for day in range(7):
            rule = NthWeekday(nth, day)
            moments = pd.DatetimeIndex(rule.moment(np.arange(0, 720)).astype("datetime64[ns]"))
            assert set(moments.dayofweek) == {day}
            assert rule.alias == (f"LWOM-{WEEKDAYS[day]}" if nth < 0 else f"WOM-{nth}{WEEKDAYS[day]}")
            if nth < 0:
                assert ((moments + pd.Timedelta(days=7)).month != moments.month).all()
            else:
                assert set((moments.day - 1) // 7) == {nth - 1}


def test_a_day_that_a_month_lacks_is_its_last_one() -> None:
    moments = pd.DatetimeIndex(MonthDays((31,)).moment(np.arange(360, 384)).astype("datetime64[ns]"))
    assert moments.is_month_end.all()
    assert list(moments[:3].strftime("%Y-%m-%d")) == ["2000-01-31", "2000-02-29", "2000-03-31"]


@pytest.mark.parametrize("anchor", ["2023-01-30", "2023-05-01", "1999-10-04"])
def test_weeks_of_4_4_5_have_thirteen_to_the_quarter_whatever_quarter_named_them(anchor: str) -> None:
    rule = parsed(f"445-{anchor}")
    assert isinstance(rule, Cycle)
    at = rule.floor(np.array([np.datetime64(anchor, "ns").astype(np.int64)]))
    gaps = np.diff(rule.moment(at + np.arange(7))) // (7 * DAY)
    assert gaps.tolist() == [4, 4, 5, 4, 4, 5]
    assert parsed(rule.alias).alias == rule.alias


def test_seasons_and_distances_are_those_of_a_year_a_week_and_a_day() -> None:
    shop = parsed("h[MON-FRI 09:00-17:00, SAT 10:00-14:00]")
    assert (shop.spacing, shop.seasons) == (HOUR, (44,))
    even = parsed("30min[MON-SAT 09:00-12:00]")
    assert (even.spacing, even.seasons) == (HOUR // 2, (6, 36))
    assert parsed("MD-1-15").seasons == (24,)
    assert parsed(f"3MD-{MONTHS[1]}-15").seasons == (4,)
    assert parsed("D[MON-FRI]").seasons == (5,)
    assert parsed("MD-15").spacing // DAY == 30
