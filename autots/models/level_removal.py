"""Levels that are taken off before a model sees a series, so that arithmetic does not lose how it varies.

A series of 1e9 +- 1 is one of 0 +- 1 to every model: squares of 1e9, logarithms of it and its four-byte features keep
nothing of the 1. Axes: S series.
"""

from __future__ import annotations

import numpy as np

from autots.panel import Floats, Panel

__all__ = ["high", "level_of", "levels_of", "without"]

# Levels that are so many ranges of their series; in proportion to such a level a series hardly varies, so that factors
# and logarithms are no different from sums.
_RANGES = 100.0


def levels_of(panel: Panel) -> Floats:
    """Return (S,) levels to take off: the middle of a series' range where that is far from zero, else 0."""
    y = panel.filled()
    return _levels(*(f.reduceat(y, panel.indptr[:-1]) for f in (np.minimum, np.maximum)))


def level_of(y: Floats) -> float:
    """Return the level to take off a single series of (T,) values without NaN."""
    return float(_levels(y.min(), y.max()))


def _levels(low: Floats, high: Floats) -> Floats:
    with np.errstate(over="ignore"):
        middle, span = low / 2 + high / 2, high - low
        return np.where(np.abs(middle) > _RANGES * span, middle, 0.0)


def high(panel: Panel) -> bool:
    """Return whether most series that vary do so on a high level."""
    begin = panel.indptr[:-1]
    varies = np.fmax.reduceat(panel.y, begin) > np.fmin.reduceat(panel.y, begin)
    return bool(varies.any()) and bool((levels_of(panel)[varies] != 0).mean() > 0.5)


def without(values: Floats, panel: Panel, levels: Floats) -> Floats:
    """Return the (N,) values of a panel's rows without the (S,) levels of their series."""
    return values - np.repeat(levels, panel.lengths) if levels.any() else values
