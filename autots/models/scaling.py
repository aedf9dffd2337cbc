"""The level and scale of a window of rows: what brings series, and moments of one series, of different size together.

Axes: S series, N rows of all series together, W windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autots.panel import Floats, Ints, Panel

__all__ = ["NORMS", "Normaliser", "Running"]

#: Kinds of a Normaliser.
NORMS = ("mean", "standard", "last", "none")

# A quiet window in a lively series must not blow its forecasts up: the scale never falls below this share of the
# scale of a window so many times longer.
_LONGER, _FLOOR = 8, 0.2
# Rounding error of a running sum of squares of at most 1, per row.
_RESOLVED = 4 * float(np.finfo(np.float64).eps)


class Running:
    """Means over spans of rows by running sums, and the sums go on where rows are filled in.

    Each series is centred and divided by its size first, so that a mean keeps the digits of its own series whatever
    the others hold, and a large level does not swallow a small spread.

    Args:
        y: (N,) values without NaN.
        panel: Whose rows they are.
    """

    def __init__(self, y: Floats, panel: Panel) -> None:
        first, lengths = panel.indptr[:-1], panel.lengths
        self._first, self._lengths = first, lengths
        # Position of row r of series i in the sums, which begin anew at a position of their own for every series.
        self._at = np.arange(1, len(y) + 1) + np.repeat(np.arange(len(first)), lengths)
        self._size = _or_one(np.maximum.reduceat(np.abs(y), first))
        self._centre = np.add.reduceat(y / np.repeat(self._size, lengths), first) / lengths
        z = y / np.repeat(self._size, lengths)
        self._absolute = self._summed(np.abs(z))
        z -= np.repeat(self._centre, lengths)
        self._spread = _or_one(np.maximum.reduceat(np.abs(z), first))
        z /= np.repeat(self._spread, lengths)
        self._sum, self._square = self._summed(z), self._summed(z * z)

    def _summed(self, values: Floats) -> Floats:
        """Return sums that begin at 0 in every series, so that none depends on what the others hold."""
        out = np.zeros(len(values) + len(self._first))
        out[self._at] = values
        longest = int(self._lengths.max(initial=0))
        if longest * len(self._lengths) == len(values):
            return np.cumsum(out.reshape(-1, longest + 1), axis=1).ravel()
        begin = 0
        for length in self._lengths.tolist():
            end = begin + length + 1
            out[begin:end] = out[begin:end].cumsum()
            begin = end
        return out

    def put(self, series: Ints, row: Ints, values: Floats) -> None:
        """Fill in the next row of some series; rows behind it (and the sums over them) must not have been used yet."""
        z, at = values / self._size[series], row + series + 1
        self._absolute[at] = self._absolute[at - 1] + np.abs(z)
        z = (z - self._centre[series]) / self._spread[series]
        self._sum[at] = self._sum[at - 1] + z
        self._square[at] = self._square[at - 1] + z * z

    def units(self, series: Ints) -> Floats:
        """Return the (W,) sizes of series, of at most 1: a quiet window's unit is no larger than its small series."""
        return np.minimum(self._size[series], 1.0)

    def between(self, series: Ints, begin: Ints, end: Ints) -> Floats:
        """Return the (..., W) means of rows ``begin`` to ``end``, not included; an empty span has the series' mean."""
        z = (self._sum[end + series] - self._sum[begin + series]) / np.maximum(end - begin, 1)
        return np.asarray((z * self._spread[series] + self._centre[series]) * self._size[series])

    def mean(self, series: Ints, row: Ints, window: int) -> Floats:
        """Return the (W,) means of the ``window`` rows that end with ``row``, or of as many as there are."""
        return self.between(series, self._start(series, row, window), row + 1)

    def absolute(self, series: Ints, row: Ints, windows: Ints) -> Floats:
        """Return the (K, W) means of the absolute values of such windows, of (K, 1) lengths."""
        return np.asarray(self._span(self._absolute, series, row, windows) * self._size[series])

    def deviation(self, series: Ints, row: Ints, windows: Ints) -> Floats:
        """Return the (K, W) standard deviations of such windows, of (K, 1) lengths."""
        mean, square = (self._span(total, series, row, windows) for total in (self._sum, self._square))
        variance = square - mean**2
        # What the running sums cannot resolve is a constant window, not one of a tiny spread.
        variance = np.where(variance > _RESOLVED * (self._lengths[series] + 1), variance, 0.0)
        return np.asarray(np.sqrt(variance) * self._spread[series] * self._size[series])

    def _start(self, series: Ints, row: Ints, window: int | Ints) -> Ints:
        return np.asarray(np.maximum(self._first[series], row - window + 1))

    def _span(self, total: Floats, series: Ints, row: Ints, windows: Ints) -> Floats:
        start = self._start(series, row, windows)
        return np.asarray((total[row + 1 + series] - total[start + series]) / (row + 1 - start))


@dataclass(frozen=True)
class Normaliser:
    """Brings windows of different size to one scale: z = (y - level) / scale.

    Args:
        kind: ``mean`` divides by the mean absolute value of the window, ``standard`` subtracts its mean and divides
            by its standard deviation, ``last`` subtracts the last value and divides by the same, ``none`` leaves the
            values.
        window: Rows that it looks at.
    """

    kind: str
    window: int

    def __call__(self, running: Running, last: Floats, series: Ints, row: Ints) -> tuple[Floats, Floats]:
        """Return (W,) levels and (W,) scales of the windows that end with ``row``, where the value is ``last``."""
        if self.kind == "none":
            return np.zeros(len(row)), np.ones(len(row))
        windows = np.array([[self.window], [_LONGER * self.window]])
        if self.kind == "mean":
            size, longer = running.absolute(series, row, windows)
            least = np.maximum(size, _FLOOR * longer)
            return np.zeros(len(row)), _positive(least, np.abs(last), running.units(series))
        scale, longer = running.deviation(series, row, windows)
        level = running.mean(series, row, self.window) if self.kind == "standard" else last
        return level, _positive(np.maximum(scale, _FLOOR * longer), np.abs(level), running.units(series))

    @property
    def reach(self) -> int:
        """Rows that it looks at in all."""
        return _LONGER * self.window


def _or_one(values: Floats) -> Floats:
    return np.where(values > 0, values, 1.0)


def _positive(scale: Floats, size: Floats, unit: Floats) -> Floats:
    """Return scales with a constant window's zero replaced by its size, or its series' unit if that is more."""
    return np.where(scale > 1e-9 * np.maximum(size, 1e-12), scale, np.maximum(size, unit))
