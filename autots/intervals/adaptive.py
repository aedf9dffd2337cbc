"""Intervals that follow what has come: wider after misses, narrower after too few of them.

A calibration on the past fails when the future is calmer or wilder. Here each side of the interval is multiplied by a
factor that moves after every window by the misses on that side beyond their share, on a log scale: the quantile tracker
of Angelopoulos, Candès & Tibshirani (2023, conformal PID control), after Gibbs & Candès (2021). Whatever the data do,
the long-run share of misses comes to the nominal one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np

from autots.panel import Floats

__all__ = ["QuantileTracker"]

# Log factor per miss beyond the nominal share, for a window of one target; more targets tell more, up to so many.
_GAIN, _MAX_TARGETS = 0.03, 100
# Bounds of the factors.
_MIN_FACTOR, _MAX_FACTOR = 0.4, 4.0


@dataclass(frozen=True)
class QuantileTracker:
    """Factors of the two sides of an interval.

    >>> tracker = QuantileTracker()
    >>> quantiles = np.array([[[-1.0, 0.0, 1.0]]])
    >>> for _ in range(100):
    ...     tracker = tracker.after(np.array([[0.0]]), tracker.apply(quantiles, 1), (0.1, 0.5, 0.9))
    >>> round(tracker.below, 2), round(tracker.above, 2)
    (0.74, 0.74)

    Args:
        below: Factor on the distance of what lies under the median; 1 right after the fit.
        above: Factor on the distance of what lies over it; 1 right after the fit.
    """

    below: float = 1.0
    above: float = 1.0

    def apply(self, quantiles: Floats, middle: int) -> Floats:
        """Return (..., Q) quantiles, moved away from the one at position ``middle`` by the factors."""
        centre = quantiles[..., [middle]]
        away = quantiles - centre
        return np.asarray(centre + np.where(away < 0, self.below, self.above) * away)

    def after(self, actual: Floats, quantiles: Floats, levels: tuple[float, ...], *, floor: float = -np.inf) -> Self:
        """Return the tracker that has seen the outcome of one window.

        Args:
            actual: (S, H) targets, NaN where missing.
            quantiles: (S, H, Q) as they were forecast, with the factors.
            levels: Q quantile levels, ascending.
            floor: A bound of the targets: a quantile that lies on it cannot be missed and says nothing.
        """
        seen = np.isfinite(actual)
        low, high = quantiles[..., 0], quantiles[..., -1]
        below = _missed((actual < low)[seen & (low > floor)], levels[0])
        above = _missed((actual > high)[seen], 1.0 - levels[-1])
        return type(self)(_moved(self.below, below), _moved(self.above, above))

    def to_dict(self) -> dict[str, float]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Self:
        """Read what ``to_dict`` wrote."""
        return cls(float(values["below"]), float(values["above"]))


def _missed(missed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], share: float) -> float:
    """Return the log step for the misses on one side."""
    if missed.size == 0:
        return 0.0
    return _GAIN * math.sqrt(min(missed.size, _MAX_TARGETS)) * (float(missed.mean()) - share)


def _moved(factor: float, step: float) -> float:
    return float(np.clip(factor * math.exp(step), _MIN_FACTOR, _MAX_FACTOR))
