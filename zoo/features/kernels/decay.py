"""Exponentially weighted means with an end: weights below 2^-16 are not carried along.

A recursion ``s = a * x + (1 - a) * s`` remembers its beginning for ever: its bits depend on where the history starts.
Here the window is the power of two next to sixteen half-lives (what is left out weighs less than 1.6e-5 of the whole),
and it is put together by doubling: ``E[2k](t) = E[k](t) + d^k E[k](t-k)``.
"""

from __future__ import annotations

import math

import numpy as np

from zoo.series.offsets import Floats, Offsets

__all__ = ["decayed_mean", "memory", "newest_decayed_mean"]

_HALVINGS = 16  # half-lives after which a row counts 2**-16 and is left out


def memory(halflife: float) -> int:
    """Return how many rows a mean of this half-life looks at.

    >>> memory(12)
    256
    """
    return 1 << max(math.ceil(math.log2(_HALVINGS * halflife)), 0)


def decayed_mean(values: Floats, offsets: Offsets, halflife: float, *, shift: int = 1) -> Floats:
    """Return the mean of the rows up to ``shift`` rows before, weighing half as much every ``halflife`` rows.

    Missing values are left out: their weight is spread over the others. NaN where nothing is known yet.

    >>> decayed_mean(np.array([0.0, 3.0]), Offsets(np.array([0, 2])), 1.0, shift=0).tolist()
    [0.0, 2.0]
    """
    size = memory(halflife)
    at, rows = offsets.padded(size - 1 + shift)
    x = np.full(rows, np.nan)
    x[at] = values
    return _decayed(x, halflife)[at - shift - size + 1]


def newest_decayed_mean(values: Floats, halflife: float, *, shift: int = 1) -> Floats:
    """Return the last entry of ``decayed_mean`` of one series, which must have as many rows as it looks at."""
    end = len(values) - shift
    return _decayed(values[end - memory(halflife) : end], halflife)


def _decayed(x: Floats, halflife: float) -> Floats:
    """Return the means of all whole windows."""
    size = memory(halflife)
    seen = np.isfinite(x)
    total, weight = np.where(seen, x, 0.0), seen.astype(float)
    step = 1
    while step < size:
        factor = 0.5 ** (step / halflife)
        total = total[step:] + factor * total[:-step]
        weight = weight[step:] + factor * weight[:-step]
        step *= 2
    with np.errstate(invalid="ignore"):
        mean: Floats = total / weight
    return mean
