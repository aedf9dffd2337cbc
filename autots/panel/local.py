"""A panel kept in UTC, as the clock on the wall shows it: what models see, and what their steps are in UTC.

Where a clock is put back an hour repeats on the wall: both are one row, with the mean of both. Where it is put forward
an hour is skipped: a row without a target. So the wall's clock is regular, and so are its days and weeks.
Axes: S series, N rows, H horizon, K steps on the wall.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.panel.blend import blended, blended_ahead
from autots.panel.panel import Floats, Future, Ints, Panel
from zoo.series.offsets import last_present
from zoo.series.zones import Changes

__all__ = ["LocalView", "grown", "local_panel"]


@dataclass(frozen=True)
class LocalView:
    """What a model is asked on the wall's clock.

    Args:
        history: S series on the wall's clock.
        future: Known covariates over the next K steps on the wall.
        steps: (S, H) which of the next steps on the wall each step in UTC is, from 0; None where it is the same one.
        later: (S, H) by which part of a step each comes later than that step (see blend.py); None for not at all.
    """

    history: Panel
    future: Future
    steps: Ints | None = None
    later: Floats | None = None

    @classmethod
    def of(cls, history: Panel, future: Future, horizon: int) -> LocalView:
        """Return the view of a history and the known covariates over H steps in UTC."""
        local = history.freq.local
        if local is None or not history.n_series:
            return cls(history, future)
        moments, step = history.times.view(np.int64), history.freq.spacing
        ends = moments[history.indptr[1:] - 1]
        if local.shift is not None:
            mixed, later = blended_ahead(history, future, horizon)
            return cls(blended(history), mixed, None, later)
        changes = local.changes
        among = changes.between(int(ends.min()), int(ends.max()) + horizon * step)
        if among.start == among.stop:
            return cls(local_panel(history), future)
        distinct, which = np.unique(ends, return_inverse=True)
        ahead = changes.wall(distinct[:, None] + step * np.arange(1, horizon + 1))[which]
        base = _begins(history, changes.wall(moments))
        # A repeated hour that has just begun is forecast from before it: the wall knows one of it.
        stop = np.maximum(np.minimum(changes.wall(ends), ahead.min(axis=1) - step), base)
        steps = np.maximum((ahead - stop[:, None]) // step - 1, 0)
        seen = local_panel(history, stop)
        if (steps == np.arange(horizon)).all():
            return cls(seen, future)
        room = max(horizon, int(steps.max()) + 1)
        laid = {
            name: _on_wall(values, steps, seen.known[name][seen.indptr[1:] - 1], room, name in history.categorical)
            for name, values in future.known.items()
        }
        return cls(seen, Future(laid), steps)


def local_panel(panel: Panel, stop: Ints | None = None) -> Panel:
    """Return a panel as the clock on the wall shows it; the same one where there is no such clock.

    Args:
        panel: On a clock in UTC of fixed steps.
        stop: (S,) last time on the wall that is kept; None for the last row of each series.
    """
    local = panel.freq.local
    if local is None or not panel.n_series:
        return panel
    if local.shift is not None:
        return blended(panel)
    changes, moments = local.changes, panel.times.view(np.int64)
    wall, plain = changes.wall(moments), replace(panel.freq, local=None)
    last = wall[panel.indptr[1:] - 1]
    among = changes.between(int(moments[panel.indptr[:-1]].min()), int(moments[panel.indptr[1:] - 1].max()))
    if among.start == among.stop and (stop is None or bool((stop == last).all())):
        return replace(panel, times=wall.view("datetime64[ns]"), freq=plain)
    laid = _Laid.of(panel, wall, changes, last if stop is None else stop)
    return replace(
        panel,
        indptr=laid.indptr,
        times=laid.times.view("datetime64[ns]"),
        y=laid.lay(panel.y, category=False),
        freq=plain,
        known={n: laid.closed(v, category=n in panel.categorical) for n, v in panel.known.items()},
        past={n: laid.closed(v, category=n in panel.categorical) for n, v in panel.past.items()},
    )


def _begins(panel: Panel, wall: Ints) -> Ints:
    """Return the (S,) first times on the wall; a repeated hour may begin before the first row's time."""
    return np.minimum.reduceat(wall, panel.indptr[:-1])


@dataclass(frozen=True)
class _Laid:
    """Where each row of a panel lies on the wall's clock.

    Args:
        indptr: (S + 1,) offsets of the new rows.
        times: Of the new rows, on the wall.
        kept: Rows of the panel that are kept, those of a repeated hour apart.
        to: Their new rows.
        again: Rows that the wall shows for the second time.
        onto: Their new rows.
    """

    indptr: Ints
    times: Ints
    kept: npt.NDArray[np.intp]
    to: Ints
    again: npt.NDArray[np.intp]
    onto: Ints

    @classmethod
    def of(cls, panel: Panel, wall: Ints, changes: Changes, stop: Ints) -> _Laid:
        step, base = panel.freq.spacing, _begins(panel, wall)
        lengths = (stop - base) // step + 1
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        times = np.repeat(base - indptr[:-1] * step, lengths) + np.arange(indptr[-1]) * step
        at = np.repeat(indptr[:-1], panel.lengths) + (wall - np.repeat(base, panel.lengths)) // step
        inside = wall <= np.repeat(stop, panel.lengths)
        second = changes.repeated(panel.times.view(np.int64))
        kept, again = np.flatnonzero(inside & ~second), np.flatnonzero(inside & second)
        return cls(indptr, times, kept, at[kept], again, at[again])

    def lay(self, values: Floats, *, category: bool) -> Floats:
        """Write values to their new rows: NaN where there is none, the mean (of a category the first) of two."""
        out = np.full(len(self.times), np.nan)
        out[self.to] = values[self.kept]
        one, two = out[self.onto], values[self.again]
        both = one if category else one + (two - one) / 2
        out[self.onto] = np.where(np.isnan(one), two, np.where(np.isnan(two), one, both))
        return out

    def closed(self, values: Floats, *, category: bool) -> Floats:
        """Lay a covariate, and repeat what was before a skipped hour in it."""
        out = self.lay(values, category=category)
        return np.asarray(out[last_present(np.isnan(out))])


def _on_wall(values: Floats, steps: Ints, last: Floats, room: int, category: bool) -> Floats:
    """Return (S, K) known values on the wall from (S, H) in UTC; what is skipped repeats the value before."""
    rows = np.arange(len(values))[:, None]
    out = np.full((len(values), room + 1), np.nan)
    out[:, 0] = last
    # Written from the end: of a repeated hour the first stays.
    out[rows, steps[:, ::-1] + 1] = values[:, ::-1]
    if not category:
        total, count = np.zeros(out.shape), np.zeros(out.shape)
        np.add.at(total, (rows, steps + 1), values)
        np.add.at(count, (rows, steps + 1), 1.0)
        out = np.where(count > 1, total / np.maximum(count, 1), out)
    return np.take_along_axis(out, last_present(np.isnan(out)), axis=1)[:, 1:]


def grown(panel: Panel, y: Floats, known: dict[str, Floats]) -> Panel:
    """Return a panel with (S, E) more rows after every series; past covariates repeat their last values."""
    n, more = y.shape
    indptr = panel.indptr + more * np.arange(n + 1)
    behind = (indptr[1:, None] - more + np.arange(more)).ravel()
    old = np.ones(int(indptr[-1]), dtype=bool)
    old[behind] = False
    last = panel.indptr[1:] - 1

    def joined(values: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        out = np.empty(len(old), dtype=values.dtype)
        out[old], out[behind] = values, new.ravel()
        return out

    return replace(
        panel,
        indptr=indptr,
        times=joined(panel.times, panel.future_times(more)),
        y=joined(panel.y, y),
        known={name: joined(v, known[name][:, :more]) for name, v in panel.known.items()},
        past={name: joined(v, np.repeat(v[last][:, None], more, axis=1)) for name, v in panel.past.items()},
    )
