"""Kernels against slow oracles."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.features.kernels.decay import decayed_mean, memory, newest_decayed_mean
from zoo.features.kernels.gaps import closed, find_gaps, forward
from zoo.features.kernels.marks import fences
from zoo.features.kernels.scaling import fit_scale
from zoo.features.kernels.waves import fourier
from zoo.features.steps.rows import HOWS, combine
from zoo.series.offsets import Offsets

quick = settings(max_examples=60, deadline=None)
values_with_holes = st.lists(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=14), min_size=1, max_size=4
)


def flattened(series):
    """Flat values, NaN for None, and where each series begins."""
    flat = [math.nan if v is None else float(v) for one in series for v in one]
    return np.array(flat), Offsets.of_lengths([len(one) for one in series])


def test_decayed_means_agree_with_pandas_up_to_what_is_forgotten():
    x = np.random.default_rng(0).normal(0, 1, 3000)
    x[::17] = np.nan
    ours = decayed_mean(x, Offsets.of_lengths([3000]), 12.0, shift=0)
    slow = pd.Series(x).ewm(halflife=12, ignore_na=False).mean()
    assert np.nanmax(np.abs(ours - slow)) < 1e-4
    assert memory(12) == 256


@quick
@given(values_with_holes, st.sampled_from([0.05, 0.5, 1.0, 3.0]), st.integers(0, 2))
def test_a_decayed_mean_weighs_the_rows_of_its_series_by_their_age(series, halflife, shift):
    x, offsets = flattened(series)
    found = decayed_mean(x, offsets, halflife, shift=shift)
    for start, end in zip(offsets.starts, offsets.ends, strict=True):
        for row in range(start, end):
            seen = [(age, x[row - shift - age]) for age in range(memory(halflife)) if row - shift - age >= start]
            weights = [(0.5 ** (age / halflife), v) for age, v in seen if not math.isnan(v)]
            total = math.fsum(w for w, _ in weights)
            expected = math.fsum(w * v for w, v in weights) / total if total > 0 else math.nan
            assert found[row] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)
    newest = offsets.lengths[-1] - shift
    if newest >= memory(halflife):
        alone = newest_decayed_mean(x[offsets.starts[-1] :], halflife, shift=shift)
        np.testing.assert_array_equal(alone, found[-1:])


@quick
@given(values_with_holes, st.integers(1, 6))
def test_gaps_are_closed_by_a_line_or_by_the_value_before(series, limit):
    x, offsets = flattened(series)
    gaps = find_gaps(x, offsets)
    lines, repeats = closed(x, gaps, limit), forward(x, gaps, limit)
    at = 0
    for one in series:
        for k, value in enumerate(one):
            before = next((j for j in range(k, -1, -1) if one[j] is not None), None)
            after = next((j for j in range(k, len(one)) if one[j] is not None), None)
            if value is not None:
                line = repeat = float(value)
            else:
                repeat = float(one[before]) if before is not None and k - before <= limit else math.nan
                line = math.nan
                if before is not None and after is not None and after - before - 1 <= limit:
                    line = one[before] + (one[after] - one[before]) * (k - before) / (after - before)
            assert lines[at] == pytest.approx(line, abs=1e-12, nan_ok=True)
            assert repeats[at] == pytest.approx(repeat, nan_ok=True)
            at += 1


@quick
@given(values_with_holes, st.sampled_from(["iqr", "sigma"]))
def test_fences_are_those_of_the_rows_before(series, how):
    x, offsets = flattened(series)
    low, high = fences(x, offsets, how, window=8, factor=1.5)
    for start, end in zip(offsets.starts, offsets.ends, strict=True):
        for row in range(start, end):
            known = [v for v in x[max(row - 8, start) : row].tolist() if not math.isnan(v)]
            if len(known) < 2:
                assert math.isnan(low[row]) and math.isnan(high[row])
                continue
            if how == "iqr":
                first, third = np.quantile(known, [0.25, 0.75])
                expected = first - 1.5 * (third - first), third + 1.5 * (third - first)
            else:
                expected = tuple(np.mean(known) + sign * 1.5 * np.std(known, ddof=1) for sign in (-1, 1))
            assert (low[row], high[row]) == pytest.approx(expected, abs=1e-9)


@quick
@given(values_with_holes, st.sampled_from(["standard", "robust", "minmax"]))
def test_each_series_has_its_own_centre_and_width(series, how):
    x, offsets = flattened(series)
    found = fit_scale(x, offsets, how)
    for i, one in enumerate(series):
        known = np.array([float(v) for v in one if v is not None])
        if not len(known):
            assert np.isnan(found[i, 0]) and found[i, 1] == 1.0
            continue
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        centre, width = {
            "standard": (known.mean(), known.std()),
            "robust": (middle, high - low),
            "minmax": (known.min(), np.ptp(known)),
        }[how]
        assert found[i, 0] == pytest.approx(centre, abs=1e-9)
        assert found[i, 1] == pytest.approx(width if width > 1e-12 else 1.0, abs=1e-9)


@quick
@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20), st.integers(2, 400), st.integers(1, 4))
def test_waves_follow_the_clock_and_not_the_first_row(steps, period, order):
    order = min(order, period // 2)
    waves = fourier(np.array(steps), period, order)
    for k, (sine, cosine) in enumerate(waves, start=1):
        angles = [2 * math.pi * k * (step % period) / period for step in steps]
        np.testing.assert_allclose(sine, np.sin(angles), atol=1e-9)
        np.testing.assert_allclose(cosine, np.cos(angles), atol=1e-9)


@quick
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.one_of(st.none(), st.integers(-4, 4))), max_size=20),
    st.sampled_from(HOWS),
    st.randoms(use_true_random=False),
)
def test_rows_of_one_step_become_one_value_in_any_order(rows, how, random):
    """Each row: its step, its time, its value. Ties of time are settled by the values."""
    random.shuffle(rows)
    step, time = (np.array([row[k] for row in rows], dtype=np.int64) for k in (0, 1))
    value = np.array([row[2] for row in rows], dtype=np.float64)
    found = combine(value, time, step, 5, how)
    for k in range(5):
        known = [v for _, v in sorted((t, v) for s, t, v in rows if s == k and v is not None)]
        if not known:
            assert (found[k] == 0) if how == "count" else math.isnan(found[k])
            continue
        slow = {"mean": sum(known) / len(known), "sum": sum(known), "min": min(known), "max": max(known),
                "count": len(known), "first": known[0], "last": known[-1]}[how]  # fmt: skip
        assert found[k] == pytest.approx(slow)
