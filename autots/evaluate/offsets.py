"""What out-of-fold forecasts are kept relative to, so that four bytes do not lose differences of 1 on a level of 1e9.

Twice the memory would keep every digit, but forecasts of 10,000 series by a hundred candidates are gigabytes as it is;
and what a forecast says is how far it is from the level. Axes: K windows, S series.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autots.panel import Floats, Panel

__all__ = ["offsets_of"]

# Levels so many times the usual step of a series: below, four bytes keep a step to some thousandths of a per cent.
_HIGH_RATIO = 1000.0
# Last rows of a series that tell its usual step.
_STEPS = 16


def offsets_of(panel: Panel, cutoffs: Sequence[int]) -> Floats:
    """Return (K, S) levels of each series before each cutoff: its last value where that is high, else 0.

    Args:
        panel: The series; the result of a series does not depend on the others.
        cutoffs: K numbers of rows.
    """
    out = np.zeros((len(cutoffs), panel.n_series))
    filled, begin, end = panel.filled(), panel.indptr[:-1], panel.indptr[1:]
    at = np.maximum(end[:, None] - 1 - np.arange(_STEPS + 1), begin[:, None])
    last = filled[at]
    steps = np.sort(np.abs(np.diff(last, axis=1)), axis=1)
    # Rows before a series begins repeat its first value: only the largest steps of short ones are any.
    count = np.minimum(panel.lengths - 1, _STEPS)
    usual = steps[np.arange(len(steps)), np.minimum(_STEPS - count + count // 2, _STEPS - 1)]
    high = np.flatnonzero(np.abs(last[:, 0]) > _HIGH_RATIO * usual)
    for k, cutoff in enumerate(cutoffs):
        rows = high[panel.lengths[high] > cutoff]
        out[k, rows] = filled[end[rows] - cutoff - 1]
    return out
