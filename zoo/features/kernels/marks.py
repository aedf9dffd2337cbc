"""Outliers, judged by what came before them."""

from __future__ import annotations

import numpy as np

from zoo.series.offsets import Floats, Offsets
from zoo.series.windows import WindowStatistic, rolling

__all__ = ["fences"]


def fences(
    values: Floats, offsets: Offsets, how: str, *, window: int, factor: float, newest: bool = False
) -> tuple[Floats, Floats]:
    """Return the lowest and the highest value that is still usual, from the ``window`` rows before each row.

    Args:
        values: (N,), NaN where missing.
        offsets: Where each series begins and ends.
        how: ``iqr``: quartiles, moved out by ``factor`` times their distance (Tukey); ``sigma``: ``factor`` standard
            deviations around the mean.
        window: Rows; a quarter of them must be known, otherwise nothing is unusual (NaN).
        factor: How far usual values reach, in the unit that ``how`` names.
        newest: Only the last row of a single series matters.
    """
    min_known = max(window // 4, 2)
    if how == "iqr":
        low, high = WindowStatistic("quantile", window, 0.25), WindowStatistic("quantile", window, 0.75)
        found = rolling(values, offsets, [low, high], min_known=min_known, newest=newest)
        reach = factor * (found[high] - found[low])
        return np.asarray(found[low] - reach), np.asarray(found[high] + reach)
    mean, std = WindowStatistic("mean", window), WindowStatistic("std", window)
    found = rolling(values, offsets, [mean, std], min_known=min_known)
    return np.asarray(found[mean] - factor * found[std]), np.asarray(found[mean] + factor * found[std])
