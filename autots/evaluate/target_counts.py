"""How many targets the window after each cutoff holds, and windows that lie where targets are.

Axes: S series, N rows of all series together, C cutoffs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from autots.panel import Floats, Ints, Panel

__all__ = ["TargetCounts"]

# A window is full if it holds this share of the targets that windows with a target usually hold.
_FULL = 0.5


@dataclass(frozen=True)
class TargetCounts:
    """Targets by cutoff; series that have no target before a cutoff do not count at it.

    Args:
        horizon: Steps H of a window.
        targets: (C,) targets in the window that begins so many rows before the end of every series.
        rows: (C,) rows of those windows.
    """

    horizon: int
    targets: Ints
    rows: Ints

    @classmethod
    def of(cls, panel: Panel, horizon: int) -> Self | None:
        """Count the targets of every window; None where none is missing, as then there is nothing to look at."""
        there = ~np.isnan(panel.y)
        if there.all():
            return None
        ends = np.repeat(panel.indptr[1:], panel.lengths)
        behind = ends - np.arange(panel.n_rows)  # 1 for the last row of a series
        first = np.maximum.reduceat(np.where(there, behind, 0), panel.indptr[:-1])
        first = np.repeat(first, panel.lengths)
        size = int(panel.lengths.max()) + 1

        def counted(rows: npt.NDArray[np.bool_]) -> Ints:
            # A row is in the windows of ``horizon`` cutoffs, but not in those at or before the first target.
            begin, end = behind[rows], np.minimum(behind + horizon, first)[rows]
            begin, end = begin[begin < end], end[begin < end]
            steps = np.bincount(begin, minlength=size + 1) - np.bincount(end, minlength=size + 1)
            return np.cumsum(steps)[:size]

        return cls(horizon, counted(there), counted(np.ones(panel.n_rows, dtype=bool)))

    def instead_of(self, cutoffs: tuple[int, ...], stride: int, *, furthest: int) -> tuple[int, ...]:
        """Return as many cutoffs whose windows hold targets, or fewer where there are no more; none where none does.

        Args:
            cutoffs: Descending; kept as they are if each holds enough targets.
            stride: Least rows between two cutoffs.
            furthest: Rows behind the oldest one at most.
        """
        if all(self._enough(cutoff) for cutoff in cutoffs):
            return cutoffs
        found: list[int] = []
        cutoff, last = self.horizon, min(furthest, len(self.targets) - 1)
        while cutoff <= last and len(found) < len(cutoffs):
            if not self._enough(cutoff):
                cutoff += 1
                continue
            if not found or cutoff > found[-1] + stride:
                # It has just left a hole: on to where the window lies beside it, not half in it.
                while cutoff < last and self._share(cutoff + 1) > self._share(cutoff):
                    cutoff += 1
            found.append(cutoff)
            cutoff += stride
        # Where no window is full, the fullest is better than none.
        return tuple(reversed(found)) or self._fullest(last)

    @cached_property
    def _shares(self) -> Floats:
        return np.asarray(self.targets / np.maximum(self.rows, 1))

    @cached_property
    def _usual(self) -> float:
        """The share of targets in the windows that hold any."""
        return float(self.targets.sum() / max(int(self.rows[self.targets > 0].sum()), 1))

    def _share(self, cutoff: int) -> float:
        return float(self._shares[cutoff]) if cutoff < len(self._shares) else 0.0

    def _enough(self, cutoff: int) -> bool:
        share = self._share(cutoff)
        return share > 0 and share >= _FULL * self._usual

    def _fullest(self, last: int) -> tuple[int, ...]:
        inside = self.targets[self.horizon : last + 1]
        return (self.horizon + int(np.argmax(inside)),) if len(inside) and inside.max() > 0 else ()
