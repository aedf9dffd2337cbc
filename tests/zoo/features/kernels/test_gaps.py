"""The kernels over gaps against a slow reading, row by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.features.kernels.gaps import closed, find_gaps, forward
from zoo.series.offsets import Offsets

SERIES = st.lists(st.lists(st.none() | st.integers(-9, 9).map(float), max_size=9), max_size=5)
LIMIT = st.integers(1, 4)


def runs(series: list[float | None]) -> list[tuple[int, int]]:
    """Return the first row and the row behind the last one of each run of missing values."""
    out: list[tuple[int, int]] = []
    for row, value in enumerate(series):
        if value is None and out and out[-1][1] == row:
            out[-1] = (out[-1][0], row + 1)
        elif value is None:
            out.append((row, row + 1))
    return out


def flat(series: list[list[float | None]]) -> tuple[np.ndarray, Offsets]:
    values = [np.nan if value is None else value for one in series for value in one]
    return np.array(values, dtype=float), Offsets.of_lengths([len(one) for one in series])


@settings(max_examples=150, deadline=None)
@given(SERIES)
def test_gaps_are_the_runs_of_each_series_alone(series: list[list[float | None]]) -> None:
    values, offsets = flat(series)
    want = [
        (start + begin, end - begin, begin > 0, end < len(one))
        for start, one in zip(offsets.starts.tolist(), series, strict=True)
        for begin, end in runs(one)
    ]
    got = find_gaps(values, offsets)
    assert list(zip(*(part.tolist() for part in got), strict=True)) == want


@settings(max_examples=150, deadline=None)
@given(SERIES, LIMIT)
def test_a_closed_gap_is_a_straight_line_and_a_long_or_open_one_stays(
    series: list[list[float | None]], limit: int
) -> None:
    values, offsets = flat(series)
    want = values.copy()
    for start, one in zip(offsets.starts.tolist(), series, strict=True):
        for begin, end in runs(one):
            if 0 < begin and end < len(one) and end - begin <= limit:
                line = np.interp(range(begin, end), [begin - 1, end], values[[start + begin - 1, start + end]])
                want[start + begin : start + end] = line
    np.testing.assert_allclose(closed(values, find_gaps(values, offsets), limit), want, atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(SERIES, LIMIT)
def test_the_last_known_value_is_repeated_up_to_the_limit(series: list[list[float | None]], limit: int) -> None:
    values, offsets = flat(series)
    want = values.copy()
    for start, one in zip(offsets.starts.tolist(), series, strict=True):
        for begin, end in runs(one):
            if begin > 0:
                want[start + begin : start + min(end, begin + limit)] = values[start + begin - 1]
    np.testing.assert_array_equal(forward(values, find_gaps(values, offsets), limit), want)


@pytest.mark.parametrize("kernel", [closed, forward])
def test_what_is_given_is_not_written_over(kernel: Callable[..., np.ndarray]) -> None:
    values, offsets = flat([[1.0, None, 3.0]])
    before = values.copy()
    assert not np.isnan(kernel(values, find_gaps(values, offsets), 5)).any()
    np.testing.assert_array_equal(values, before)
