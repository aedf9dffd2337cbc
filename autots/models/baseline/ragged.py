"""Series of unequal length as one flat array: gathers and reductions over all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autots.panel import Floats, Ints

__all__ = ["Ragged", "weighted_quantiles"]


@dataclass(frozen=True)
class Ragged:
    """S series, each a slice of a flat array; NaN where a value is missing.

    Args:
        y: (N,) values.
        indptr: (S + 1,) offsets.
    """

    y: Floats
    indptr: Ints

    def chunks(self, rows: int, *, most: int | None = None) -> Iterator[tuple[slice, Ragged]]:
        """Yield consecutive groups of at most ``rows`` rows and ``most`` series (one series at least)."""
        first, n = 0, len(self.indptr) - 1
        while first < n:
            end = int(np.searchsorted(self.indptr, self.indptr[first] + rows, side="right")) - 1
            end = min(max(end, first + 1), n, first + (most or n))
            offsets = self.indptr[first : end + 1]
            yield slice(first, end), Ragged(self.y[offsets[0] : offsets[-1]], offsets - offsets[0])
            first = end

    @cached_property
    def lengths(self) -> Ints:
        """(S,) rows per series."""
        return np.diff(self.indptr)

    @cached_property
    def observed(self) -> npt.NDArray[np.bool_]:
        """(N,) whether a value is there."""
        return ~np.isnan(self.y)

    @cached_property
    def row(self) -> Ints:
        """(N,) position of each value inside its series."""
        return np.arange(len(self.y)) - np.repeat(self.indptr[:-1], self.lengths)

    def recent(self, rows: int) -> Ragged:
        """Return the last ``rows`` rows of every series: what a rule that forgets needs of a long history."""
        sizes = np.minimum(self.lengths, rows)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        if indptr[-1] == len(self.y):
            return self
        if len(sizes) == 1:
            return Ragged(self.y[-int(indptr[-1]) :], indptr)
        at = np.repeat(self.indptr[1:] - sizes - indptr[:-1], sizes) + np.arange(indptr[-1])
        return Ragged(self.y[at], indptr)

    @cached_property
    def last(self) -> Floats:
        """(S,) last observed value, 0 for a series without any."""
        newest = self.y[self.indptr[1:] - 1]
        if not np.isnan(newest).any():
            return newest
        at = np.where(self.observed, np.arange(len(self.y)), -1)
        at = np.maximum.reduceat(at, self.indptr[:-1])
        return np.where(at >= 0, self.y[at], 0.0)

    @cached_property
    def ends(self) -> tuple[Ints, Ints]:
        """(S,) rows of the first and the last observed value; ``N - 1`` and -1 for a series without any."""
        starts, ends = self.indptr[:-1], self.indptr[1:] - 1
        if not (np.isnan(self.y[starts]).any() or np.isnan(self.y[ends]).any()):
            return starts, ends
        return self.ends_of(self.observed)

    def ends_of(self, inside: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Return the (S,) rows of the first and the last value that (N,) ``inside`` marks."""
        at, n = np.arange(len(self.y)), len(self.y)
        first = np.minimum.reduceat(np.where(inside, at, n - 1), self.indptr[:-1])
        return first, np.maximum.reduceat(np.where(inside, at, -1), self.indptr[:-1])

    @cached_property
    def non_negative(self) -> npt.NDArray[np.bool_]:
        """(S,) whether no observed value is below zero."""
        return np.asarray(np.fmin.reduceat(self.y, self.indptr[:-1]) >= 0)

    def tail(self, n: int) -> Floats:
        """Return (S, n) last values, right-aligned, NaN before the start."""
        at = self.indptr[1:, None] - n + np.arange(n)[None, :]
        inside = at >= self.indptr[:-1, None]
        return np.where(inside, self.y[np.maximum(at, 0)], np.nan)

    def phases(self, season: int, cycles: int) -> Floats:
        """Return (S, season, cycles) last values by phase: [:, p, 0] is the newest value of the phase of step p + 1."""
        step = np.arange(season)[None, :, None] - season * np.arange(1, cycles + 1)[None, None, :]
        at = self.indptr[1:, None, None] + step
        inside = at >= self.indptr[:-1, None, None]
        return np.where(inside, self.y[np.maximum(at, 0)], np.nan)

    def lagged(self, lag: int) -> Floats:
        """Return (N,) values ``lag`` rows before, NaN where the series had not begun."""
        out = np.full(len(self.y), np.nan)
        if lag < len(self.y):
            out[lag:] = self.y[:-lag]
        out[self.row < lag] = np.nan
        return out

    def moments(self) -> tuple[Floats, Floats, Floats]:
        """Return (S,) number of observed values, mean and standard deviation (0 where undefined)."""
        starts = self.indptr[:-1]
        count = np.add.reduceat(self.observed, starts, dtype=np.float64)
        total = np.add.reduceat(np.where(self.observed, self.y, 0.0), starts)
        mean = total / np.maximum(count, 1)
        off = np.where(self.observed, self.y - np.repeat(mean, self.lengths), 0.0)
        spread = np.sqrt(np.add.reduceat(off**2, starts) / np.maximum(count - 1, 1))
        return count, mean, spread


def weighted_quantiles(values: Floats, levels: tuple[float, ...], weights: Floats | None = None) -> Floats:
    """Return quantiles along the last axis, ignoring NaN; NaN where there is no value.

    The i-th smallest value sits at (w_1 + … + w_i - w_i / 2) / Σw and values between are interpolated: Hazen's
    plotting position when the weights are equal.

    Args:
        values: (..., n).
        levels: Q levels.
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
