"""Numbers as people read them: no sign is lost, nothing that is something is called nothing, units carry over."""

from __future__ import annotations

import doctest
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zoo.page import wording
from zoo.page.wording import aligned, clock_face, count, cut, duration, moment, number, percent, plural

law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(wording)
    assert result.attempted > 10 and result.failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.74123, "0.7412"),
        (12.3456, "12.35"),
        (999.94, "999.9"),
        (999.96, "1,000"),  # as 1000.0 is written
        (1234.5, "1,234"),
        (-0.0, "0"),
        (0.00001234, "1.234e-05"),
        (1e-6, "1e-06"),
        (1.2345e14, "123,450,000,000,000"),
        (1e15, "1e+15"),
        (None, "–"),
        (pd.NA, "–"),
        ("text", "–"),
        (float("-inf"), "-∞"),
        (np.float32(0.5), "0.5"),
    ],
)
def test_numbers_have_four_significant_digits(value: object, text: str) -> None:
    assert number(value) == text


@law
@given(st.floats(-1e308, 1e308))
def test_a_number_is_read_as_what_it_is_within_its_digits(x: float) -> None:
    read = float(number(x).replace(",", ""))
    # Half a unit of the fourth digit, which numbers of four digits and more write whole.
    assert abs(read - x) <= max(0.0005001 * abs(x), 0.0)
    assert (read > 0, read < 0) == (x > 0, x < 0)


@law
@given(st.lists(finite, min_size=1, max_size=6))
def test_a_column_hides_no_number_and_no_sign(values: list[float]) -> None:
    for x, text in zip(values, aligned(values), strict=True):
        read = float(text.replace(",", ""))
        assert (read > 0, read < 0) == (x > 0, x < 0)


def test_columns_of_very_different_sizes_keep_their_small_numbers() -> None:
    assert aligned([1e-3, 1e6]) == ["0.001", "1,000,000"]
    assert aligned([4e-4, 2.0, 3.0]) == ["0.0004", "2", "3"]  # three decimals would make the first one 0.000
    assert aligned([math.nan, 12.0]) == ["–", "12.00"]
    assert aligned([]) == []


@law
@given(finite, st.integers(0, 2))
@example(0.005, 0)
@example(-0.0001, 0)
@example(1e-300, 0)
def test_a_share_keeps_its_sign_and_is_nothing_only_if_it_is(share: float, digits: int) -> None:
    text = percent(share, digits)
    if math.isinf(100 * share):
        assert text == "–"
        return
    assert text.endswith(" %") and ("-" in text) == (share < 0)
    assert (float(text.strip("<> %").replace(",", "")) == 0) == (share == 0)


def test_a_share_of_zero_is_plain() -> None:
    assert (percent(0.0002), percent(0.00002), percent(0.00002, 1)) == ("0.02 %", "<0.01 %", "0.002 %")
    assert (percent(0.0), percent(-0.0), percent(0.0, 1), percent(None)) == ("0 %", "0 %", "0.0 %", "–")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (1e-9, "<1 ms"),
        (0.9999, "1.0 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (3599.9, "1 h"),
        (300, "5 min"),
        (86400, "24 h"),
        (47.5 * 3600, "47 h 30 min"),
        (172799, "2 d"),
        (-75, "-1 min 15 s"),
        (None, "–"),
        (math.inf, "–"),
    ],
)
def test_durations_round_into_the_next_unit(seconds: object, text: str) -> None:
    assert duration(seconds) == text


_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@law
@given(st.floats(1e-3, 1e9))
def test_a_duration_is_read_as_what_it_is(seconds: float) -> None:
    parts = re.findall(r"([\d.,]+) (ms|s|min|h|d)", duration(seconds))
    assert 1 <= len(parts) <= 2
    read = sum(float(amount.replace(",", "")) * _SECONDS[unit] for amount, unit in parts)
    # Half of the smaller unit: a whole day is 24 times that hour.
    assert abs(read - seconds) <= 0.51 * (1800 * 2 if seconds > 172_000 else 60 if seconds > 3500 else 1)
    if seconds < 9.9:
        assert abs(read - seconds) <= 0.051
    # No unit is full: 59.7 s are a minute.
    assert all(
        float(amount.replace(",", "")) < {"ms": 1000, "s": 60, "min": 60, "h": 48}.get(u, 1e9) for amount, u in parts
    )


@law
@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_a_countdown_never_goes_up(a: float, b: float) -> None:
    def seconds(text: str) -> int:
        total = 0
        for part in text.split(":"):
            total = 60 * total + int(part)
        return total

    low, high = sorted((a, b))
    assert seconds(clock_face(low)) <= seconds(clock_face(high)) and seconds(clock_face(high)) == int(high)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.datetime64("2024-03-01T03", "h"), "2024-03-01 03:00"),
        (np.datetime64("2024-03-01T03:00", "ns"), "2024-03-01 03:00"),
        (np.datetime64("2024-03-01", "ns"), "2024-03-01"),
        (np.datetime64("2024-03-01T00:00:01", "ns"), "2024-03-01 00:00:01"),
        (np.datetime64("1700-01-01T12:30", "s"), "1700-01-01 12:30"),
        (np.datetime64("NaT"), "–"),
        (pd.NaT, "–"),
        (pd.Timestamp("2024-03-01 13:30"), "2024-03-01 13:30"),
        (np.int64(17), "17"),
        (2.5, "2.5"),
        ("2024-03-01T13:00", "2024-03-01 13:00"),  # not its minutes
        ("2024-03-01T13:30:00.000", "2024-03-01 13:30"),
        ("2024-03-01T13:30:00+00:00", "2024-03-01 13:30+00:00"),  # nor the zone
        ("2024-03", "2024-03"),
    ],
)
def test_moments_are_written_as_far_as_they_say_something(value: object, text: str) -> None:
    assert moment(value) == text


def test_counts_are_whole_and_never_minus_nothing() -> None:
    assert (count(-0.0), count(1e6), count(np.nan), plural(0, "row"), plural(1000, "row")) == (
        "0",
        "1,000,000",
        "–",
        "0 rows",
        "1,000 rows",
    )


@law
@given(st.text(max_size=20), st.integers(1, 20))
def test_what_is_cut_is_as_long_as_it_may_be(text: str, longest: int) -> None:
    short = cut(text, longest)
    assert len(short) == min(len(text), longest)
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
