"""Kernels against slow oracles; and why coreforecast's running sums are not taken."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.features.kernels.decay import decayed_mean, memory, newest_decayed_mean
from zoo.series.calendar import calendar_part
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
    groups = groups_of(lengths)
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
    cut = rolling(x[first:], groups_of([row + 1 - first]), windows, shift=shift, min_known=least)
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
    whole = rolling(x, groups_of([rows]), windows, shift=shift, min_known=least)
    newest = rolling(x, groups_of([rows]), windows, shift=shift, min_known=least, newest=True)
    for window in windows:
        assert newest[window][-1:].tobytes() == whole[window][-1:].tobytes() or np.isnan(whole[window][-1])
    if rows >= memory(size / 20) + shift:
        mean = decayed_mean(x, groups_of([rows]), size / 20, shift=shift)[-1:]
        assert newest_decayed_mean(x, size / 20, shift=shift).tobytes() == mean.tobytes() or np.isnan(mean[0])


def test_a_huge_value_leaves_no_trace_in_later_windows():
    """With running sums it does: coreforecast's mean of four ones is not one any more."""
    from coreforecast.rolling import rolling_mean

    x = np.ones(64)
    x[3] = 1e18
    window = WindowStatistic("mean", 4)
    ours = rolling(x, groups_of([64]), [window], shift=0)[window]
    assert (ours[7:] == 1.0).all()
    assert not (rolling_mean(x, 4)[7:] == 1.0).all()


def test_the_spread_of_large_values_loses_few_digits():
    x = 1e9 + np.random.default_rng(0).normal(0, 1, 500)
    window = WindowStatistic("std", 168)
    ours = rolling(x, groups_of([500]), [window], shift=0)[window]
    assert ours[-1] == pytest.approx(np.std(x[-168:].astype(np.longdouble) - 1e9, ddof=1), rel=1e-7)


def test_decayed_means_agree_with_pandas_up_to_what_is_forgotten():
    x = np.random.default_rng(0).normal(0, 1, 3000)
    x[::17] = np.nan
    ours = decayed_mean(x, groups_of([3000]), 12.0, shift=0)
    slow = pd.Series(x).ewm(halflife=12, ignore_na=False).mean()
    assert np.nanmax(np.abs(ours - slow)) < 1e-4
    assert memory(12) == 256


@pytest.mark.parametrize(
    "part", ["hour", "minute", "weekday", "day", "day_of_year", "month", "quarter", "year", "week"]
)
def test_parts_of_the_calendar_agree_with_pandas(part):
    when = pd.date_range("1959-12-20", "2031-02-03", freq="7h13min")
    told = {"weekday": "dayofweek", "day_of_year": "dayofyear"}.get(part, part)
    slow = when.isocalendar().week if part == "week" else getattr(when, told)
    ours = calendar_part(when.to_numpy("datetime64[us]").view(np.int64), part)
    np.testing.assert_array_equal(ours, np.asarray(slow, dtype=float))
