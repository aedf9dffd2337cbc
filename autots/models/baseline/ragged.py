"""Series of unequal length as one flat array: gathers and reductions over all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from zoo.series.lags import lag
from zoo.series.offsets import Floats, Ints, Offsets

__all__ = ["Ragged", "weighted_quantiles"]


@dataclass(frozen=True)
class Ragged:
    """S series, each a slice of a flat array; NaN where a value is missing.

    Args:
        y: (N,) values of all series, NaN where one is missing.
        offsets: Where each series begins and ends; every series has a row.
    """

    y: Floats
    offsets: Offsets

    def chunks(self, rows: int, *, max_series: int | None = None) -> Iterator[tuple[slice, Ragged]]:
        """Yield consecutive series, at most ``rows`` rows and ``max_series`` series together (one series at least)."""
        for part in self.offsets.chunks(rows, max_series=max_series):
            offsets, at = self.offsets.series(part.start, part.stop)
            yield part, Ragged(self.y[at], offsets)

    @property
    def lengths(self) -> Ints:
        """(S,) rows per series."""
        return self.offsets.lengths

    @cached_property
    def observed(self) -> npt.NDArray[np.bool_]:
        """(N,) whether a value is there."""
        return ~np.isnan(self.y)

    def recent(self, rows: int) -> Ragged:
        """Return the last ``rows`` rows of every series: what a rule that forgets needs of a long history."""
        offsets, at = self.offsets.tails(rows)
        return self if at is None else Ragged(self.y[at], offsets)

    @cached_property
    def last(self) -> Floats:
        """(S,) last observed value, 0 for a series without any."""
        newest = self.y[self.offsets.ends - 1]
        if not np.isnan(newest).any():
            return newest
        at = np.where(self.observed, np.arange(len(self.y)), -1)
        at = self.offsets.reduce(np.maximum, at)
        return np.where(at >= 0, self.y[at], 0.0)

    @cached_property
    def ends(self) -> tuple[Ints, Ints]:
        """(S,) rows of the first and the last observed value; ``N - 1`` and -1 for a series without any."""
        starts, ends = self.offsets.starts, self.offsets.ends - 1
        if not (np.isnan(self.y[starts]).any() or np.isnan(self.y[ends]).any()):
            return starts, ends
        return self.ends_of(self.observed)

    def ends_of(self, inside: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Return the (S,) rows of the first and the last value that (N,) ``inside`` marks."""
        at, n = np.arange(len(self.y)), len(self.y)
        first = self.offsets.reduce(np.minimum, np.where(inside, at, n - 1))
        return first, self.offsets.reduce(np.maximum, np.where(inside, at, -1))

    @cached_property
    def non_negative(self) -> npt.NDArray[np.bool_]:
        """(S,) whether no observed value is below zero."""
        return np.asarray(self.offsets.reduce(np.fmin, self.y) >= 0)

    def tail(self, n: int) -> Floats:
        """Return (S, n) last values, right-aligned, NaN before the start."""
        at = self.offsets.ends[:, None] - n + np.arange(n)[None, :]
        inside = at >= self.offsets.starts[:, None]
        return np.where(inside, self.y[np.maximum(at, 0)], np.nan)

    def phases(self, season: int, cycles: int) -> Floats:
        """Return (S, season, cycles) last values by phase: [:, p, 0] is the newest value of the phase of step p + 1."""
        step = np.arange(season)[None, :, None] - season * np.arange(1, cycles + 1)[None, None, :]
        at = self.offsets.ends[:, None, None] + step
        inside = at >= self.offsets.starts[:, None, None]
        return np.where(inside, self.y[np.maximum(at, 0)], np.nan)

    def lagged(self, rows: int) -> Floats:
        """Return (N,) values ``rows`` rows before, NaN where the series had not begun."""
        return lag(self.y, self.offsets, rows)

    def moments(self) -> tuple[Floats, Floats, Floats]:
        """Return (S,) number of observed values, mean and standard deviation (0 where undefined)."""
        of = self.offsets
        count = of.reduce(np.add, self.observed, dtype=np.float64)
        mean = of.reduce(np.add, np.where(self.observed, self.y, 0.0)) / np.maximum(count, 1)
        off = np.where(self.observed, self.y - of.repeat(mean), 0.0)
        return count, mean, np.sqrt(of.reduce(np.add, off**2) / np.maximum(count - 1, 1))


def weighted_quantiles(values: Floats, levels: tuple[float, ...], weights: Floats | None = None) -> Floats:
    """Return quantiles along the last axis, ignoring NaN; NaN where there is no value.

    The i-th smallest value sits at (w_1 + … + w_i - w_i / 2) / Σw and values between are interpolated: Hazen's
    plotting position when the weights are equal.

    Args:
        values: (..., n) values, NaN where one is missing.
        levels: Q levels between 0 and 1.
        weights: (n,) or the shape of ``values``; equal when left out.

    Returns:
        (..., Q)
    """
    shape = values.shape[:-1]
    flat = values.reshape(-1, values.shape[-1])
    some = ~np.isnan(flat)
    if weights is None:
        ordered = np.sort(flat, axis=1)
        count = some.sum(axis=1)[:, None]
        last = np.maximum(count - 1, 0)
        at = np.clip(np.array(levels) * count - 0.5, 0, last)
        low = at.astype(np.intp)
        below, above = (np.take_along_axis(ordered, k, axis=1) for k in (low, np.minimum(low + 1, last)))
        return np.asarray(below + (at - low) * (above - below)).reshape(*shape, len(levels))
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    mass = np.take_along_axis(np.where(some, np.broadcast_to(weights, flat.shape), 0.0), order, axis=1)
    total = mass.sum(axis=1)
    place = (np.cumsum(mass, axis=1) - mass / 2) / np.where(total > 0, total, 1.0)[:, None]
    place[~np.take_along_axis(some, order, axis=1)] = np.inf
    last = np.maximum(some.sum(axis=1) - 1, 0)
    out = np.full((len(flat), len(levels)), np.nan)
    rows = np.arange(len(flat))
    for j, level in enumerate(levels):
        high = np.minimum((place < level).sum(axis=1), last)
        low = np.maximum(high - 1, 0)
        gap = place[rows, high] - place[rows, low]
        share = np.where(gap > 0, (level - place[rows, low]) / np.where(gap > 0, gap, 1.0), 0.0)
        share = np.clip(np.nan_to_num(share), 0.0, 1.0)
        out[:, j] = ordered[rows, low] + share * (ordered[rows, high] - ordered[rows, low])
    return out.reshape(*shape, len(levels))
