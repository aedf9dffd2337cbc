"""Series that never changed: what is forecast for them is no model's choice.

Models that learn over all series move a constant one with the others (4.0 -> 4.1 to 4.9), and an average of models that
do not agree on it moves it, too. Axes: S series, H steps, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from autots.metrics import unresolved
from autots.models.base import Task
from autots.panel import Floats, Ints, Panel

__all__ = ["ConstantSeries", "NewlyVarying"]

# Equal values from which a series goes on as it was, and from which it does so without width: after n of them the next
# one differs with a probability of about 1 / (n + 2).
_ENOUGH, _SURE = 6, 20


@dataclass(frozen=True)
class ConstantSeries:
    """The constant ones of S histories.

    Args:
        rows: Positions of these among the histories.
        value: The value that each goes on with.
        sure: Whether the intervals of each have no width.
    """

    rows: Ints
    value: Floats
    sure: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, history: Panel, task: Task | None = None) -> Self:
        """Find the histories of at least six observed values, all equal, and those that came to rest.

        Args:
            history: The S series to look at.
            task: Its seasons and horizon tell how long a rest must be: twice each, and twenty rows. A rest at zero is
                none, as demand with many zeros has such, and those who model it know better. Not looked for if None.
        """
        begin = history.indptr[:-1]
        low, high = (f.reduceat(history.y, begin) for f in (np.fmin, np.fmax))
        size = np.maximum(np.abs(low), np.abs(high))
        rows = np.flatnonzero(high - low <= unresolved(size))
        rest = np.empty(0, dtype=np.int64) if task is None else _resting(history, task)
        if not len(rows) and not len(rest):
            return cls(rows, np.empty(0), np.empty(0, dtype=bool))
        count = np.add.reduceat(np.isfinite(history.y), begin, dtype=np.int64)[rows]
        rows, count = rows[count >= _ENOUGH], count[count >= _ENOUGH]
        rest = np.setdiff1d(rest, rows)
        value = np.concatenate([low[rows], history.y[history.indptr[rest + 1] - 1]])
        return cls(np.concatenate([rows, rest]), value, np.concatenate([count >= _SURE, np.zeros(len(rest), bool)]))

    def apply(self, mean: Floats, quantiles: Floats, middle: int) -> tuple[Floats, Floats]:
        """Return (S, H) means and (S, H, Q) quantiles in which the constant ones go on.

        Twenty equal values and no other leave no width; the rest have the one that they were given, around their value.

        Args:
            mean: (S, H) means of all histories.
            quantiles: (S, H, Q) quantiles of all histories.
            middle: Position of the median.
        """
        if not len(self.rows):
            return mean, quantiles
        mean, quantiles = mean.copy(), quantiles.copy()
        mean[self.rows] = self.value[:, None]
        own = quantiles[self.rows]
        around = own - own[..., [middle]]
        around[self.sure] = 0.0
        around = np.where(self.value[:, None, None] >= 0, np.maximum(around, -self.value[:, None, None]), around)
        quantiles[self.rows] = self.value[:, None, None] + around
        return mean, quantiles


def _resting(history: Panel, task: Task) -> Ints:
    """Return the positions of the histories that end in a long rest at a value that is not zero."""
    many = max(_SURE, 2 * max(task.seasons), 2 * task.horizon)
    end = history.indptr[1:]
    rows = np.flatnonzero(history.lengths >= many)
    if len(rows):
        # Most end otherwise, and are done with.
        last = history.y[end[rows, None] - 1 - np.arange(2)]
        rows = rows[(last[:, 0] == last[:, 1]) & (last[:, 0] != 0)]
    if len(rows):
        last = history.y[end[rows, None] - 1 - np.arange(many)]
        rows = rows[(last == last[:, :1]).all(axis=1)]
    return rows


@dataclass(frozen=True)
class NewlyVarying:
    """Those of S histories that were constant until their last rows: no window of the past shows how they vary.

    Args:
        rows: Positions of these among the histories.
        range: (R, Q) quantiles of the rows since they changed, and of the one before.
    """

    rows: Ints
    range: Floats

    @classmethod
    def of(cls, history: Panel, levels: tuple[float, ...], horizon: int) -> Self:
        """Find the histories that changed in their last ``horizon`` rows for the first time, after as many at least."""
        begin, end = history.indptr[:-1], history.indptr[1:]
        rows = np.flatnonzero(end - begin >= horizon + max(horizon, _ENOUGH))
        if len(rows):
            heads = np.stack([begin[rows], end[rows] - horizon], axis=1).ravel()
            low, high = (f.reduceat(history.y, heads)[::2] for f in (np.fmin, np.fmax))
            rows = rows[low == high]
        found, ranges = [], []
        for row in rows.tolist():
            y = history.series(row)
            first = y[np.flatnonzero(np.isfinite(y))[0]]
            changed = np.flatnonzero(np.isfinite(y) & (y != first))
            if len(changed) and changed[0] >= len(y) - horizon:
                late = y[changed[0] :]
                found.append(row)
                ranges.append(np.quantile(np.append(late[np.isfinite(late)], first), levels, method="hazen"))
        return cls(np.array(found, dtype=np.int64), np.array(ranges).reshape(len(found), len(levels)))

    def apply(self, quantiles: Floats, middle: int) -> Floats:
        """Return (S, H, Q) quantiles that reach as far as those rows do, medians as they are."""
        if not len(self.rows):
            return quantiles
        out = quantiles.copy()
        part, reach = out[self.rows], self.range[:, None, :]
        part[..., :middle] = np.minimum(part[..., :middle], reach[..., :middle])
        part[..., middle + 1 :] = np.maximum(part[..., middle + 1 :], reach[..., middle + 1 :])
        out[self.rows] = part
        return out
