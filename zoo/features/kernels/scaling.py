"""Centres and widths of series, fitted once and kept."""

from __future__ import annotations

import numpy as np

from zoo.series.offsets import Floats, Offsets

__all__ = ["fit_scale"]


def fit_scale(values: Floats, offsets: Offsets, how: str) -> Floats:
    """Return centre and width of each series (S, 2); NaN and 1 where a series has no value, width 1 where it has one.

    Args:
        values: (N,), NaN where missing.
        offsets: Where each series begins and ends.
        how: standard (mean, standard deviation), robust (median, distance of the quartiles), minmax.
    """
    from coreforecast.grouped_array import GroupedArray
    from coreforecast.scalers import LocalMinMaxScaler, LocalRobustScaler, LocalStandardScaler

    # coreforecast is given the known values alone: its statistics of a series with holes are not all of them NaN-safe.
    known = np.isfinite(values)
    counts = np.bincount(offsets.codes[known], minlength=len(offsets))
    out = np.column_stack([np.full(len(offsets), np.nan), np.ones(len(offsets))])
    if not known.any():
        return out
    some = counts > 0
    array = GroupedArray(np.ascontiguousarray(values[known]), Offsets.of_lengths(counts[some]).indptr, 1)
    scaler = {
        "standard": LocalStandardScaler,
        "robust": lambda: LocalRobustScaler(scale="iqr"),
        "minmax": LocalMinMaxScaler,
    }[how]()
    stats = scaler.fit(array).stats_
    out[some] = stats
    width = out[:, 1]
    width[~(width > 0)] = 1.0
    return out
