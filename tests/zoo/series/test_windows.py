"""Moving windows against slow oracles; and why coreforecast's running sums are not taken."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.series.offsets import Offsets
from zoo.series.windows import WindowStatistic, rolling

HOWS = ("mean", "std", "min", "max", "sum")


def groups_of(lengths):
    return Offsets.of_lengths(lengths)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.lists(st.integers(1, 20), min_size=1, max_size=3, unique=True),
    st.integers(0, 3),
    st.sampled_from([None, 1, 4]),
    st.integers(0, 2**32 - 1),
)
def test_windows_agree_with_pandas_and_do_not_depend_on_what_lies_before(lengths, sizes, shift, least, seed):
    rng = np.random.default_rng(seed)
    groups = Offsets.of_lengths(lengths)
    x = np.where(rng.random(groups.rows) < 0.1, np.nan, rng.normal(50, 5, groups.rows))
    windows = [WindowStatistic(how, size) for size in sizes for how in HOWS] + [
        WindowStatistic("quantile", sizes[0], 0.3)
    ]
    found = rolling(x, groups, windows, shift=shift, min_known=least)
    series = pd.Series(x).groupby(groups.codes)
    for window in windows:
        need = window.size if least is None else min(least, window.size)

        def slow(v, w=window, need=need):
            rows = v.shift(shift).rolling(w.size, min_periods=need)
            return rows.quantile(w.level) if w.how == "quantile" else getattr(rows, w.how)()

        np.testing.assert_allclose(found[window], series.transform(slow).to_numpy(), rtol=1e-6, atol=1e-6)
    long = max(sizes) - 1 + shift
    row = groups.rows - 1
    first = max(row - long, int(groups.indptr[-2]))
    cut = rolling(x[first:], Offsets.of_lengths([row + 1 - first]), windows, shift=shift, min_known=least)
    for window in windows:
        assert cut[window][-1:].tobytes() == found[window][-1:].tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(0, 2), st.sampled_from([None, 1, 3]), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_the_newest_row_alone_has_the_bits_of_the_whole_series(size, shift, least, level, seed):
    rng = np.random.default_rng(seed)
    rows = size + shift + int(rng.integers(0, 9))
    x = np.round(rng.normal(0, 5, rows), int(rng.integers(0, 9)))  # zeros of both signs among them
    x[rng.random(rows) < rng.choice([0.0, 0.2])] = np.nan
    windows = [WindowStatistic(how, size) for how in HOWS] + [
        WindowStatistic("quantile", size, q) for q in (level, 0.5, 0.9)
    ]
    whole = rolling(x, Offsets.of_lengths([rows]), windows, shift=shift, min_known=least)
    newest = rolling(x, Offsets.of_lengths([rows]), windows, shift=shift, min_known=least, newest=True)
    for window in windows:
        assert newest[window][-1:].tobytes() == whole[window][-1:].tobytes() or np.isnan(whole[window][-1])


def test_a_huge_value_leaves_no_trace_in_later_windows():
    """With running sums it does: coreforecast's mean of four ones is not one any more."""
    from coreforecast.rolling import rolling_mean

    x = np.ones(64)
    x[3] = 1e18
    window = WindowStatistic("mean", 4)
    ours = rolling(x, Offsets.of_lengths([64]), [window], shift=0)[window]
    assert (ours[7:] == 1.0).all()
    assert not (rolling_mean(x, 4)[7:] == 1.0).all()


def test_the_spread_of_large_values_loses_few_digits():
    x = 1e9 + np.random.default_rng(0).normal(0, 1, 500)
    window = WindowStatistic("std", 168)
    ours = rolling(x, Offsets.of_lengths([500]), [window], shift=0)[window]
    assert ours[-1] == pytest.approx(np.std(x[-168:].astype(np.longdouble) - 1e9, ddof=1), rel=1e-7)


def slow(x, how, size, shift, needed, level):
    """Return what one series' windows hold, row by row, in exact sums."""
    out = []
    for row in range(len(x)):
        end = row - shift + 1
        window = [v for v in x[max(end - size, 0) : max(end, 0)].tolist() if not math.isnan(v)]
        whole = needed is not None or end - size >= 0
        enough = len(window) >= (size if needed is None else max(min(needed, size), 1)) and whole
        if not enough or (how == "std" and len(window) < 2):
            out.append(math.nan)
        elif how == "std":
            mean = math.fsum(window) / len(window)
            out.append(math.sqrt(math.fsum((v - mean) ** 2 for v in window) / (len(window) - 1)))
        elif how == "quantile":
            out.append(float(np.quantile(window, level)))
        else:
            total = math.fsum(window)
            out.append({"sum": total, "mean": total / len(window), "min": min(window), "max": max(window)}[how])
    return np.array(out)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(1, 45),
    st.integers(0, 3),
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from([0.0, 1e9, -1e12]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(0, 2**32 - 1),
)
@example([1], 45, 3, None, 1e9, 0.0, 0)
@example([3, 1, 2], 1, 0, None, 0.0, 0.0, 0)
def test_every_statistic_is_that_of_the_rows_in_the_window(lengths, size, shift, needed, level, missing, seed):
    """Windows longer than the series, holes, nothing but holes, and a level that swallows what lies on it."""
    rng = np.random.default_rng(seed)
    offsets = Offsets.of_lengths(lengths)
    x = level + rng.normal(0, 1, offsets.rows)
    x[rng.random(len(x)) < missing] = np.nan
    windows = [WindowStatistic(how, size) for how in HOWS] + [WindowStatistic("quantile", size, 0.3)]
    found = rolling(x, offsets, windows, shift=shift, min_known=needed)
    # The tree rounds a sum once per doubling; a deviation is measured from means that are themselves rounded.
    atol = 1e-15 * max(abs(level), 1.0) * 64
    for window in windows:
        parts = [
            slow(x[a:b], window.how, size, shift, needed, 0.3)
            for a, b in zip(offsets.starts, offsets.ends, strict=True)
        ]
        expected = np.concatenate(parts)
        scale = size if window.how == "sum" else 1
        np.testing.assert_allclose(found[window], expected, rtol=1e-9, atol=atol * scale, err_msg=window.how)


def test_a_step_of_one_on_a_level_of_a_billion_is_seen():
    x = np.full(400, 1e9)
    x[200:] += 1.0
    window = WindowStatistic("std", 100)
    found = rolling(x, Offsets.of_lengths([400]), [window], shift=0)[window]
    assert (found[99:200] == 0).all(), "a constant has no deviation at all"
    assert found[249] == pytest.approx(math.sqrt(25 / 99), rel=1e-9)
    assert (found[299:] == 0).all(), "and none is left behind"
