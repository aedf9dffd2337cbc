"""Many series as flat arrays and offsets: the one data type inside.

Axes: S series, N rows of all series together, T length of one series, H horizon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.errors import DataError
from zoo.series.frequency import Frequency, Times
from zoo.series.offsets import Floats, Ints, Offsets, spans

__all__ = ["Floats", "Future", "Ints", "Panel"]


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
        y: (N,) values that are to be forecast.
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
    def offsets(self) -> Offsets:
        """Where each series begins and ends."""
        return Offsets(self.indptr)

    @property
    def lengths(self) -> Ints:
        """(S,) rows per series."""
        return self.offsets.lengths

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
        at, good = np.flatnonzero(missing), np.flatnonzero(~missing)
        if not len(good):
            return np.zeros_like(out)
        rows = np.searchsorted(self.indptr, at, side="right") - 1  # quicker than all codes: few values are missing
        after = np.searchsorted(good, at)
        left, right = good[np.maximum(after - 1, 0)], good[np.minimum(after, len(good) - 1)]
        # A neighbour counts only if it belongs to the same series.
        has_left = (left < at) & (left >= self.indptr[rows])
        has_right = (right > at) & (right < self.indptr[rows + 1])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = (out[right] - out[left]) / (right - left)
            inside = slope * (at - left) + out[left]
        ends = np.where(has_left, out[left], np.where(has_right, out[right], 0.0))
        # The slope of two huge values of opposite sign overflows; the left neighbour is then the honest answer.
        out[at] = np.where(has_left & has_right & np.isfinite(inside), inside, ends)
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

    def windows(self, series: Ints, ends: Ints) -> Panel:
        """Return one series per window: series ``series[w]`` up to, not including, the flat row ``ends[w]``."""
        series = np.asarray(series, dtype=np.intp)
        return self._gather(series, self.indptr[series], np.asarray(ends))

    def drop_tails(self, lengths: Ints) -> Panel:
        """Return the panel without the last ``lengths[i]`` rows of series i; each must keep a row."""
        rows = np.arange(self.n_series)
        return self._gather(rows, self.indptr[:-1], self.indptr[1:] - lengths)

    def to_state(self) -> dict[str, Any]:
        """Return plain values and arrays; ``from_state`` reads them back."""
        return {
            "ids": self.ids,
            "indptr": self.indptr,
            "times": self.times.view(np.int64),
            "dates": self.times.dtype.kind == "M",
            "y": self.y,
            "known": dict(self.known),
            "past": dict(self.past),
            "static": dict(self.static),
            "categorical": sorted(self.categorical),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], freq: Frequency) -> Panel:
        """Read what ``to_state`` returned."""
        times = np.asarray(state["times"])
        return cls(
            np.asarray(state["ids"], dtype=object),
            np.asarray(state["indptr"]),
            times.view("datetime64[ns]") if state["dates"] else times,
            np.asarray(state["y"]),
            freq,
            known=dict(state["known"]),
            past=dict(state["past"]),
            static=dict(state["static"]),
            categorical=frozenset(state["categorical"]),
        )

    def append(self, other: Panel) -> Panel:
        """Return a panel with the rows of ``other`` after those of the same ids; new ids come last.

        Raises:
            DataError: A row of ``other`` does not continue its series by one step of the clock, ids repeat, or
                covariates of this panel are missing there.
        """
        match = self._continued(other)
        old, new = np.flatnonzero(match >= 0), np.flatnonzero(match < 0)
        sizes = np.concatenate([self.lengths, other.lengths[new]])
        sizes[match[old]] += other.lengths[old]
        joint = Offsets.of_lengths(sizes)
        starts = np.empty(other.n_series, dtype=np.int64)
        starts[old] = joint.starts[match[old]] + self.lengths[match[old]]
        starts[new] = joint.starts[self.n_series :]
        theirs = spans(starts, other.lengths)
        mine = np.ones(joint.rows, dtype=bool)
        mine[theirs] = False

        def joined(ours: npt.NDArray[Any], added: npt.NDArray[Any]) -> npt.NDArray[Any]:
            out = np.empty(len(mine), dtype=ours.dtype)
            out[mine] = ours
            out[theirs] = added
            return out

        return replace(
            self,
            ids=np.concatenate([self.ids, other.ids[new]]),
            indptr=joint.indptr,
            times=joined(self.times, other.times),
            y=joined(self.y, other.y),
            known={name: joined(values, other.known[name]) for name, values in self.known.items()},
            past={name: joined(values, other.past[name]) for name, values in self.past.items()},
            static={name: np.concatenate([v, other.static[name][new]]) for name, v in self.static.items()},
        )

    def _continued(self, other: Panel) -> npt.NDArray[np.intp]:
        """Return for each series of ``other`` the one that it continues, or -1; checks that the rows do continue."""
        for name in ("known", "past", "static"):
            lacking = sorted(set(getattr(self, name)) - set(getattr(other, name)))
            if lacking:
                raise DataError(
                    f"new rows must carry the same columns, but the {name} covariates {lacking} are not there",
                    "send every column that the training table had",
                )
        for panel in (self, other):
            if len(set(panel.ids)) < panel.n_series:
                raise DataError("series must have distinct ids to be continued, but some ids repeat")
        if self.freq != other.freq:
            raise DataError(f"new rows must keep the clock, but got {other.freq} after {self.freq}")
        where = {id_: i for i, id_ in enumerate(self.ids)}
        match = np.array([where.get(id_, -1) for id_ in other.ids], dtype=np.intp)
        old = np.flatnonzero(match >= 0)
        expected = self.freq.advance(self.last_times[match[old]], 1)
        first = other.times[other.indptr[old]]
        wrong = np.flatnonzero(first != expected)
        if len(wrong):
            k = wrong[0]
            raise DataError(
                f"new rows must continue the series, but {other.ids[old[k]]!r} goes on at {first[k]} "
                f"where {expected[k]} is due",
                "send every row since the last one seen, in order",
            )
        return match

    def future_times(self, horizon: int) -> Times:
        """Return (S, H) clock values of the horizon."""
        # Most panels end at one moment: the calendar arithmetic is done once per distinct end.
        codes, ends = pd.factorize(self.last_times)
        return np.stack([self.freq.advance(ends, k) for k in range(1, horizon + 1)], axis=1)[codes]

    def _gather(self, series: npt.NDArray[np.intp], starts: Ints, ends: Ints) -> Panel:
        offsets, at = self.offsets.gather(series, starts, ends)
        if at is None:
            return self
        return replace(
            self,
            ids=self.ids[series],
            indptr=offsets.indptr,
            times=self.times[at],
            y=self.y[at],
            known={name: values[at] for name, values in self.known.items()},
            past={name: values[at] for name, values in self.past.items()},
            static={name: values[series] for name, values in self.static.items()},
        )
