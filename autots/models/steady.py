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
from autots.panel import Floats, Ints, Panel

__all__ = ["Steady", "Woken"]

# Equal values from which a series goes on as it was, and from which it does so without width: after n of them the next
# one differs with a probability of about 1 / (n + 2).
_ENOUGH, _SURE = 6, 20


@dataclass(frozen=True)
class Steady:
    """The constant ones of S histories.

    Args:
        rows: Their positions.
        value: The value of each.
        sure: Whether each has no width.
    """

    rows: Ints
    value: Floats
    sure: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, history: Panel) -> Self:
        """Find the histories of at least six observed values, all equal."""
        begin = history.indptr[:-1]
        low, high = (f.reduceat(history.y, begin) for f in (np.fmin, np.fmax))
        size = np.maximum(np.abs(low), np.abs(high))
        rows = np.flatnonzero(high - low <= unresolved(size))
        if not len(rows):
            return cls(rows, np.empty(0), np.empty(0, dtype=bool))
        count = np.add.reduceat(np.isfinite(history.y), begin, dtype=np.int64)[rows]
        rows, count = rows[count >= _ENOUGH], count[count >= _ENOUGH]
        return cls(rows, low[rows], count >= _SURE)

    def apply(self, mean: Floats, quantiles: Floats, middle: int) -> tuple[Floats, Floats]:
        """Return (S, H) means and (S, H, Q) quantiles in which the constant ones go on.

        Twenty equal values leave no width; fewer have the width that they were given, around their value.

        Args:
            mean: Of all histories.
            quantiles: Of all histories.
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


@dataclass(frozen=True)
class Woken:
    """Those of S histories that were constant until their last rows: no window of the past shows how they vary.

    Args:
        rows: Their positions.
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
