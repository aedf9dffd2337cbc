"""Long steps in UTC as the wall's clock shows them: a change moves them by a part of a step.

Rows that come every 6 hours in UTC are there at 00:00 06:00 12:00 18:00 in winter, at 01:00 07:00 13:00 19:00 in
summer. Models see all rows at the hours of the last one: in summer those of the winter are what lies between two of
them, at 01:00 and so on. Where no change is near, nothing is between. Axes: S series, N rows, H horizon.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autots.panel.panel import Floats, Future, Ints, Panel

__all__ = ["blended", "blended_ahead"]

# A change moves a row by less than a step.
_MOST = 0.999


def blended(panel: Panel) -> Panel:
    """Return a panel with every row at the hours of the last row of its series, and times by one offset all year."""
    local, moments = panel.freq.local, panel.times.view(np.int64)
    assert local is not None and local.shift is not None
    seen = replace(panel, times=(moments + local.shift).view("datetime64[ns]"), freq=replace(panel.freq, local=None))
    later = _later(panel, moments, np.repeat(moments[panel.indptr[1:] - 1], panel.lengths))
    if not later.any():
        return seen
    rows, first, last = np.arange(panel.n_rows), panel.indptr[:-1], panel.indptr[1:] - 1
    before, after = np.maximum(rows - 1, 0), np.minimum(rows + 1, panel.n_rows - 1)
    before[first], after[last] = first, last
    other, share = _neighbours(later, before, after)

    def mixed(values: Floats, name: str = "") -> Floats:
        return _mixed(values, values[other], share, category=name in panel.categorical)

    return replace(
        seen,
        y=mixed(panel.y),
        known={name: mixed(values, name) for name, values in panel.known.items()},
        past={name: mixed(values, name) for name, values in panel.past.items()},
    )


def blended_ahead(panel: Panel, future: Future, horizon: int) -> tuple[Future, Floats | None]:
    """Return the known covariates at the hours of the last rows, and by how much H steps in UTC come later than these.

    Returns:
        The covariates, and (S, H) parts of a step (negative: earlier); None for not at all.
    """
    ends, step = panel.times.view(np.int64)[panel.indptr[1:] - 1], panel.freq.spacing
    moments = ends[:, None] + step * np.arange(horizon + 1)
    later = _later(panel, moments, ends[:, None])
    if not later.any():
        return future, None
    at, which = np.arange(horizon + 1), np.arange(len(ends))[:, None]
    before, after = np.maximum(at - 1, 0), np.minimum(at + 1, horizon)
    other, share = _neighbours(later, before, after)

    def mixed(name: str, values: Floats) -> Floats:
        every = np.concatenate([panel.known[name][panel.indptr[1:] - 1][:, None], values[:, :horizon]], axis=1)
        return _mixed(every, every[which, other], share, category=name in panel.categorical)[:, 1:]

    return Future({name: mixed(name, values) for name, values in future.known.items()}), later[:, 1:]


def _later(panel: Panel, moments: Ints, last: Ints) -> Floats:
    """Return by which part of a step the wall shows moments later than the hours of the last ones."""
    assert panel.freq.local is not None
    changes = panel.freq.local.changes
    moved = (changes.wall(moments) - moments) - (changes.wall(last) - last)
    return np.clip(moved / panel.freq.spacing, -_MOST, _MOST)


def _neighbours(
    later: Floats, before: npt.NDArray[np.intp], after: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the other row that each is mixed with, and the share of that: the line through both at the hour wanted."""
    other = np.where(later > 0, before, after)
    away = np.abs(later)
    # Two rows are a step apart, but for those on both sides of a change.
    apart = np.where(later > 0, 1.0 + later - later[..., before], 1.0 + later[..., after] - later)
    alone = other == np.arange(later.shape[-1])
    return other, np.where(alone, 0.0, np.clip(away / apart, 0.0, 1.0))


def _mixed(values: Floats, others: Floats, share: Floats, *, category: bool) -> Floats:
    nearer = np.where(share <= 0.5, values, others)
    if category:
        return nearer
    both = values + share * (others - values)
    return np.where(share == 0.0, values, np.where(np.isnan(both), nearer, both))
