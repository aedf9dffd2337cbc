"""Axes of any range: ticks lie inside, rise, come once, and are labelled so that one can tell them apart."""

from __future__ import annotations

import doctest
import math
import sys
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from zoo.page import axes
from zoo.page.axes import Axis, marks, positions, seconds_marks, tick_labels, ticks, time_marks

law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=math.ulp(0.0), allow_infinity=False)
MOST = st.integers(2, 9)


def read(label: str) -> float:
    unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(label[-1], 1.0)
    return float(label.rstrip("kMGT").replace(",", "")) * unit


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(axes)
    assert result.attempted > 5 and result.failed == 0


@law
@given(finite, finite, MOST)
@example(1e-300, 2e-300, 5)
@example(0.0, math.ulp(0.0), 5)
@example(1.0, 1.0 + sys.float_info.epsilon, 5)
@example(-sys.float_info.max, sys.float_info.max, 5)
@example(1e300, 1.0000001e300, 5)
@example(0.1, 0.3, 5)
def test_ticks_lie_inside_rise_and_are_labelled_apart(a: float, b: float, most: int) -> None:
    low, high = sorted((a, b))
    assume(low < high)
    found = marks(Axis(low, high, 0, 100), most)
    values = [value for value, _ in found]
    assert 1 <= len(values) <= most
    assert all(low <= value <= high for value in values)
    assert all(x < y for x, y in pairwise(values))
    assert len({label for _, label in found}) == len(values)
    assert all((read(label) == 0) == (value == 0) for value, label in found)


@law
@given(finite, st.floats(1e-9, 1e9))
def test_ordinary_ranges_have_two_ticks_that_are_labelled_where_they_are(middle: float, share: float) -> None:
    assume(1e-200 < abs(middle) < 1e200)
    low, high = middle - abs(middle) * share, middle + abs(middle) * share
    found = marks(Axis(low, high, 0, 100))
    assert len(found) >= 2
    gap = found[1][0] - found[0][0]
    assert all(abs(read(label) - value) <= 0.011 * gap for value, label in found)


@law
@given(positive, positive, MOST)
@example(math.ulp(0.0), sys.float_info.max, 5)
@example(16.0, 512.0, 5)
@example(11.0, 19.0, 5)
def test_logarithmic_ticks_hold_the_same(a: float, b: float, most: int) -> None:
    low, high = sorted((a, b))
    assume(low < high)
    found = marks(Axis(low, high, 0, 100, log=True), most)
    values = [value for value, _ in found]
    assert 1 <= len(values) <= most
    assert all(low <= value <= high for value in values) and values == sorted(set(values))
    assert len({label for _, label in found}) == len(values)


@law
@given(st.integers(-(10**9), 10**9), st.floats(0.01, 1e9))
def test_whole_ticks_are_whole(low: int, span: float) -> None:
    found = ticks(Axis(low, low + span, 0, 1), whole=True)
    assert found and all(value == int(value) for value in found)


@pytest.mark.parametrize("value", [0.0, 7.0, -1e300, math.ulp(0.0)])
def test_a_range_of_no_width_has_its_one_value_in_the_middle(value: float) -> None:
    axis = Axis(value, value, 0, 100)
    assert ticks(axis) == [value] and axis(value) == 50.0
    assert axis.pixels(np.array([value, np.nan]))[0] == 50.0


@pytest.mark.parametrize(("low", "high"), [(math.nan, 1.0), (0.0, math.nan), (-math.inf, 0.0), (0.0, math.inf)])
def test_a_range_that_is_not_finite_has_no_ticks(low: float, high: float) -> None:
    axis = Axis(low, high, 0, 1)
    assert not ticks(axis) and not marks(axis) and not seconds_marks(axis)


@law
@given(finite, finite, finite)
def test_pixels_lie_between_the_ends_in_the_order_of_values(a: float, b: float, value: float) -> None:
    low, high = sorted((a, b))
    axis = Axis(low, high, 200, 10)
    assert 10 <= axis(value) <= 200
    if low < high:
        assert axis(low) == 200 and axis(high) == 10
        assert axis(value) >= axis(high) and (axis(value) == 200) >= (value <= low)


@law
@given(st.lists(st.floats(), max_size=5), st.booleans())
@example([sys.float_info.max, -sys.float_info.max], False)
def test_an_axis_around_values_holds_them_with_a_margin(values: list[float], upwards: bool) -> None:
    axis = Axis.around(values, *((100, 0) if upwards else (0, 100)))
    assert math.isfinite(axis.low) and math.isfinite(axis.high) and axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in values if math.isfinite(value))
    assert ticks(axis)


@law
@given(st.lists(positive, min_size=1, max_size=5))
def test_a_logarithmic_axis_around_values_stays_positive(values: list[float]) -> None:
    axis = Axis.around(values, 0, 100, log=True)
    assert 0 < axis.low <= min(values) and max(values) <= axis.high < math.inf
    assert np.isfinite(axis.pixels(np.array(values))).all()


def test_ends_that_are_round_are_marked_and_the_widest_axis_has_a_middle() -> None:
    assert ticks(Axis(0.1, 0.3, 0, 1)) == [0.1, 0.15, 0.2, 0.25, 0.3]
    assert ticks(Axis(-0.3, 0.3, 0, 1)) == [-0.2, 0.0, 0.2]
    widest = Axis(-sys.float_info.max, sys.float_info.max, 0, 100)
    assert widest(0.0) == 50 and widest(sys.float_info.max / 2) == 75


def test_values_far_outside_leave_the_chart_without_a_warning() -> None:
    pixels = Axis(0, 1, 0, 100).pixels(np.array([-1e308, 0.5, 1e308, np.nan, np.inf]))
    assert pixels[0] < 0 and pixels[1] == 50 and 100 < pixels[2] == pixels[4] < 10_000 and np.isnan(pixels[3])


def test_big_numbers_share_a_unit_unless_it_would_hide_their_differences() -> None:
    assert tick_labels([800_000_000.0, 1_000_000_000.0]) == ["0.8G", "1G"]
    assert tick_labels([0.0, 5_000.0, 10_000.0]) == ["0", "5k", "10k"]
    assert tick_labels([1e9 + 0.5, 1e9 + 1.0]) == ["1,000,000,000.5", "1,000,000,001.0"]
    assert tick_labels([1e-6, 1e-3, 1.0]) == ["1e-6", "0.001", "1"]
    assert tick_labels([]) == [] and tick_labels([0.0]) == ["0"]


@law
@given(st.floats(0, 1e8), st.floats(1e-9, 1e9))
@example(7200.0, 100.0)
@example(0.0, 1e-7)
def test_durations_along_an_axis_are_inside_and_told_apart(low: float, span: float) -> None:
    assume(low + span > low)
    found = seconds_marks(Axis(low, low + span, 0, 1))
    assert len(found) <= 6 and all(low <= value <= low + span for value, _ in found)
    assert len({label for _, label in found}) == len(found)
    assert all((label == "0") == (value == 0) for value, label in found)


@law
@given(st.floats(1e-6, 3e7))
@example(1.0)
@example(5.999)
def test_a_time_axis_from_the_start_has_two_ticks_at_least(span: float) -> None:
    found = seconds_marks(Axis(0.0, span, 0, 1))
    assert len(found) >= 2 and found[0] == (0.0, "0") and found[-1][0] > span / 3


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("2020-01-01T00:00:00", "2020-01-01T00:00:09"),
        ("2020-01-01T00:00", "2020-01-01T03:00"),
        ("2020-02-27", "2020-03-02"),
        ("2020-01-01", "2020-03-01"),
        ("1958-03-29", "2001-12-29"),
        ("1700-01-01", "2262-01-01"),
    ],
)
def test_time_ticks_are_few_round_and_inside(low: str, high: str) -> None:
    a, b = positions(np.array([low, high], dtype="datetime64[s]")).tolist()
    found = time_marks(Axis(a, b, 0, 1))
    assert 2 <= len(found) <= 6
    assert all(a <= x <= b for x, _ in found)
    assert len({label for _, label in found}) == len(found)


@law
@given(st.floats(-8e9, 8e9), st.floats(5, 8e9))
def test_neighbouring_times_are_told_apart(low: float, span: float) -> None:
    high = min(low + span, 9e9)
    found = time_marks(Axis(low, high, 0, 1))
    assert len(found) <= 6 and all(low - 1e-6 <= x <= high + 1e-6 for x, _ in found)
    assert all(a != b for (_, a), (_, b) in pairwise(found))


def test_weeks_begin_on_mondays_and_midnights_are_dated() -> None:
    a, b = positions(np.array(["2024-01-01", "2024-03-01"], dtype="datetime64[D]")).tolist()
    weeks = time_marks(Axis(a, b, 0, 1))
    assert [label for _, label in weeks] == ["8 Jan", "22 Jan", "5 Feb", "19 Feb"]  # Mondays, all of them
    hours = time_marks(Axis(a + 3600, a + 40 * 3600, 0, 1))
    assert [label for _, label in hours] == ["12:00", "2 Jan", "12:00"]


def test_years_are_marked_at_decades() -> None:
    a, b = positions(np.array(["1958-03-29", "2001-12-29"], dtype="datetime64[D]")).tolist()
    assert [label for _, label in time_marks(Axis(a, b, 0, 1))] == ["1960", "1970", "1980", "1990", "2000"]
    assert positions(np.array(["1970-01-02", "NaT"], dtype="datetime64[D]"))[0] == datetime(1970, 1, 2).day * 43200


def test_a_single_moment_is_dated() -> None:
    assert time_marks(Axis(0.0, 0.0, 0, 1)) == [(0.0, "1 Jan 1970")]
    assert time_marks(Axis(math.nan, math.nan, 0, 1)) == []
