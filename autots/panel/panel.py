"""Many series as flat arrays and offsets: the one data type inside.

Axes: S series, N rows of all series together, T length of one series, H horizon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autots.panel.frequency import Frequency, Times
from zoo.errors import DataError

__all__ = ["Floats", "Future", "Ints", "Panel"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Future:
    """Covariates known over the horizon.

    Args:
        known: Name -> (S, H) values, row i for series i of the panel it accompanies.
    """

    known: Mapping[str, Floats] = field(default_factory=dict)

    def select(self, rows: npt.NDArray[np.intp]) -> Future:
        """Return the future of some series, in the order of ``rows``."""
        return Future({name: values[rows] for name, values in self.known.items()})


@dataclass(frozen=True)
class Panel:
    """S series on regular grids, each a contiguous slice of flat arrays.

    Series i is ``y[indptr[i]:indptr[i + 1]]``; its clock advances by one ``freq`` per row. ``y`` may hold NaN
    where a value is missing (never infinities); ``filled()`` gives the same array with the holes closed.
    Ids may repeat (the same series seen from several cutoffs), and every series has at least one row.

    Args:
        ids: (S,) identifiers, as text.
        indptr: (S + 1,) offsets into the flat arrays.
        times: (N,) datetime64[ns], or int64 for an integer clock.
        y: (N,) target.
        freq: What one row means on the clock.
        known: Name -> (N,) covariates whose future is known. Categories are integer codes.
        past: Name -> (N,) covariates known only up to now.
        static: Name -> (S,) one value per series.
        categorical: Names among known, past and static whose values are codes of categories.
    """

    ids: npt.NDArray[np.object_]
    indptr: Ints
    times: Times
    y: Floats
    freq: Frequency
    known: Mapping[str, Floats] = field(default_factory=dict)
    past: Mapping[str, Floats] = field(default_factory=dict)
    static: Mapping[str, Floats] = field(default_factory=dict)
    categorical: frozenset[str] = frozenset()

    @property
    def n_series(self) -> int:
        """Number of series S."""
        return len(self.ids)

    @property
    def n_rows(self) -> int:
        """Number of rows N over all series."""
        return len(self.y)

    @cached_property
    def lengths(self) -> Ints:
        """(S,) rows per series."""
        return np.diff(self.indptr)

    def series(self, i: int) -> Floats:
        """Return the target of series ``i``, a view."""
        return self.y[self.indptr[i] : self.indptr[i + 1]]

    @cached_property
    def last_times(self) -> Times:
        """(S,) clock of the last row of each series."""
        return self.times[self.indptr[1:] - 1]

    def filled(self) -> Floats:
        """Return (N,) targets without NaN: linear inside, nearest value at the ends, 0 for an empty series."""
        return self._filled

    @cached_property
    def _filled(self) -> Floats:
        missing = np.isnan(self.y)
        if not missing.any():
            return self.y
        out = self.y.copy()
        rows = np.repeat(np.arange(self.n_series), self.lengths)
        for i in np.unique(rows[missing]):
            part = out[self.indptr[i] : self.indptr[i + 1]]
            good = ~np.isnan(part)
            if not good.any():
                part[:] = 0.0
                continue
            at = np.arange(len(part))
            part[~good] = np.interp(at[~good], at[good], part[good])
        return out

    def select(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> Panel:
        """Return the panel of some series, in the order of ``rows`` (repeats allowed)."""
        rows = np.asarray(rows, dtype=np.intp)
        return self._gather(rows, self.indptr[rows], self.indptr[rows + 1])

    def tail(self, n: int) -> Panel:
        """Return at most the last ``n`` rows of every series."""
        ends = self.indptr[1:]
        return self._gather(np.arange(self.n_series), np.maximum(self.indptr[:-1], ends - n), ends)

    def drop_last(self, n: int) -> Panel:
        """Return the panel without the last ``n`` rows of every series, without the series that end with it."""
        keep = np.flatnonzero(self.lengths > n)
        return self._gather(keep, self.indptr[keep], self.indptr[keep + 1] - n)

    def cutoff(self, n: int, horizon: int, *, lookback: int | None = None) -> tuple[Panel, Future, Floats]:
        """Split at the cutoff ``n`` rows before the end: what was known then, and what came.

        Series without a row before the cutoff are left out; ``history.ids`` tells which are there.

        Args:
            n: Rows after the cutoff; ``n >= horizon``.
            horizon: Number of steps H to look ahead.
            lookback: Keep at most so many rows of history.

        Returns:
            The history, the known covariates over the horizon, and the (S', H) targets.
        """
        if n < horizon:
            raise DataError(f"a cutoff must leave a whole horizon, but got {n} rows for {horizon} steps")
        keep = np.flatnonzero(self.lengths > n)
        ends = self.indptr[keep + 1] - n
        starts = self.indptr[keep] if lookback is None else np.maximum(self.indptr[keep], ends - lookback)
        at = ends[:, None] + np.arange(horizon)[None, :]
        future = Future({name: values[at] for name, values in self.known.items()})
        return self._gather(keep, starts, ends), future, self.y[at]

    def append(self, other: Panel) -> Panel:
        """Return a panel with the rows of ``other`` after those of the same ids; new ids come last.

        Raises:
            DataError: A row of ``other`` does not continue its series by one step of the clock.
        """
        where = {id_: i for i, id_ in enumerate(self.ids)}
        order = np.array([where.get(id_, -1) for id_ in other.ids])
        for j, i in enumerate(order):
            if i >= 0:
                expected = self.freq.advance(self.last_times[i : i + 1], 1)[0]
                if other.times[other.indptr[j]] != expected:
                    raise DataError(
                        f"new rows must continue the series, but {other.ids[j]!r} goes on at "
                        f"{other.times[other.indptr[j]]} where {expected} is due",
                        "send every row since the last one seen, in order",
                    )
        back = {int(i): j for j, i in enumerate(order) if i >= 0}
        new = [j for j, i in enumerate(order) if i < 0]
        plan: list[tuple[Panel, int]] = []
        sizes = []
        for i in range(self.n_series):
            plan.append((self, i))
            size = int(self.lengths[i])
            if i in back:
                plan.append((other, back[i]))
                size += int(other.lengths[back[i]])
            sizes.append(size)
        for j in new:
            plan.append((other, j))
            sizes.append(int(other.lengths[j]))

        def joined(mine: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate([(mine if p is self else theirs)[p.indptr[k] : p.indptr[k + 1]] for p, k in plan])

        return replace(
            self,
            ids=np.concatenate([self.ids, other.ids[new]]),
            indptr=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            times=joined(self.times, other.times),
            y=joined(self.y, other.y),
            known={name: joined(values, other.known[name]) for name, values in self.known.items()},
            past={name: joined(values, other.past[name]) for name, values in self.past.items()},
            static={name: np.concatenate([v, other.static[name][new]]) for name, v in self.static.items()},
        )

    def future_times(self, horizon: int) -> Times:
        """Return (S, H) clock values of the horizon."""
        return np.stack([self.freq.advance(self.last_times, k) for k in range(1, horizon + 1)], axis=1)

    def _gather(self, rows: npt.NDArray[np.intp], starts: Ints, ends: Ints) -> Panel:
        sizes = ends - starts
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = np.repeat(starts - indptr[:-1], sizes) + np.arange(indptr[-1])
        return replace(
            self,
            ids=self.ids[rows],
            indptr=indptr,
            times=self.times[at],
            y=self.y[at],
            known={name: values[at] for name, values in self.known.items()},
            past={name: values[at] for name, values in self.past.items()},
            static={name: values[rows] for name, values in self.static.items()},
        )
