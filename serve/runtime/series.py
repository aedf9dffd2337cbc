"""The state of all series of one model: the pipeline's own history, and the actuals that came after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from autots.api import Pipeline
from autots.panel import Floats, Ints, Panel
from serve.protocol.errors import RequestError
from serve.runtime.clock import SeriesClock
from serve.runtime.journal import Row
from zoo.series.frequency import Frequency
from zoo.series.offsets import last_present

__all__ = ["FURTHEST", "Counts", "SeriesState", "Spot", "Stored", "panel_of"]

#: Steps from one value of a series to the next, beyond which nobody meant it.
FURTHEST = 10_000
#: Where a moment lies: in the history of the fit, in rows that were folded into the pipeline since, in the open tail or
#: after it, before the first actual of a new series, or before everything.
Spot: TypeAlias = Literal["fit", "folded", "open", "front", "before"]


@dataclass(frozen=True)
class Counts:
    """What became of observations.

    Args:
        accepted: Values of times that were not known before.
        duplicates: Values of times that were known already: the first value stays.
        late: How many of the accepted came after a later one, and filled its gap.
        differing: How many of the duplicates say another value than the one that stays.
        corrected: Values that were replaced.
        withdrawn: Values that were taken back.
    """

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    differing: int = 0
    corrected: int = 0
    withdrawn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.late + other.late,
            self.differing + other.differing,
            self.corrected + other.corrected,
            self.withdrawn + other.withdrawn,
        )

    def to_dict(self) -> dict[str, int]:
        """Return what ``/v1/observe`` tells: changes only where there are any, ``differing`` in a header."""
        told = {"accepted": self.accepted, "duplicates": self.duplicates, "late": self.late}
        rest = {"corrected": self.corrected, "withdrawn": self.withdrawn}
        return told | {name: count for name, count in rest.items() if count}


@dataclass(frozen=True)
class Stored:
    """The state of one series: (T,) targets and covariates from a moment on."""

    id: str
    first: int
    y: Floats
    known: Mapping[str, Floats]
    past: Mapping[str, Floats]
    static: Mapping[str, float]


@dataclass
class _Tail:
    """Values after the pipeline's own history; ``begin`` is the moment of the first."""

    begin: int
    y: list[float] = field(default_factory=list)
    covariates: dict[str, list[float]] = field(default_factory=dict)

    def put(self, place: int, value: float, given: Mapping[str, float]) -> Counts:
        grown = place - len(self.y) + 1
        if grown > 0:
            self.y.extend([np.nan] * grown)
        elif not np.isnan(self.y[place]):
            return Counts(duplicates=1, differing=int(self.y[place] != value))
        self.set(place, value, given)
        return Counts(accepted=1, late=int(grown <= 0))

    def set(self, place: int, value: float, given: Mapping[str, float]) -> None:
        self.y[place] = value
        for name, values in self.covariates.items():
            values.extend([np.nan] * (len(self.y) - len(values)))
            values[place] = given.get(name, np.nan)

    def precede(self, steps: int, begin: int) -> None:
        """Begin earlier."""
        self.begin, self.y = begin, [np.nan] * steps + self.y
        self.covariates = {name: [np.nan] * steps + values for name, values in self.covariates.items()}


class SeriesState:
    """All series of a pipeline, and what came since. It takes rows in order and knows no file and no lock.

    As soon as a series has a whole horizon of new values, they go into the pipeline, whose intervals learn from them
    (``Pipeline.settle``).

    Args:
        pipeline: Its panel is where the histories begin; it is changed.
        clock: The clock of the pipeline's series.
    """

    def __init__(self, pipeline: Pipeline, clock: SeriesClock) -> None:
        self.pipeline, self._clock = pipeline, clock
        self._tails: dict[str, _Tail] = {}
        self._fitted = {str(i): int(n) for i, n in zip(pipeline.panel.ids, pipeline.panel.lengths, strict=True)}
        self.newest: int | None = None
        self._index()

    def _index(self) -> None:
        panel = self.pipeline.panel
        self._rows = {str(id_): i for i, id_ in enumerate(panel.ids)}
        self._moments = panel.times.view(np.int64)

    @property
    def ids(self) -> Sequence[str]:
        """All series."""
        return [*self._rows, *(id_ for id_ in self._tails if id_ not in self._rows)]

    def __contains__(self, id_: str) -> bool:
        return id_ in self._rows or id_ in self._tails

    @property
    def single(self) -> str | None:
        """The only series there is, if there is one."""
        return next(iter(self._rows)) if len(self._rows) == 1 else None

    @property
    def end(self) -> int:
        """The last moment of the pipeline's history."""
        return int(self._moments[self.pipeline.panel.indptr[1:] - 1].max())

    def stored(self, id_: str) -> Stored:
        """Return the state of a series.

        Raises:
            RequestError: It is unknown.
        """
        row, tail = self._rows.get(id_), self._tails.get(id_)
        if row is None and tail is None:
            raise RequestError(
                f"a series without y must be in the model's state, but {id_!r} is not",
                "send its values as y, or observe it first",
                status=404,
            )
        panel = self.pipeline.panel
        if row is None:
            assert tail is not None
            return self._of_tail(id_, tail)
        at = slice(int(panel.indptr[row]), int(panel.indptr[row + 1]))
        static = {name: float(values[row]) for name, values in panel.static.items()}
        known = {name: values[at] for name, values in panel.known.items()}
        past = {name: values[at] for name, values in panel.past.items()}
        first, y = int(self._moments[at.start]), panel.y[at]
        if tail is None:
            return Stored(id_, first, y, known, past, static)
        return Stored(
            id_,
            first,
            np.concatenate([y, tail.y]),
            {name: _forward(values, tail.covariates[name]) for name, values in known.items()},
            {name: _forward(values, tail.covariates[name]) for name, values in past.items()},
            static,
        )

    def _of_tail(self, id_: str, tail: _Tail) -> Stored:
        panel, fills = self.pipeline.panel, self.pipeline.schema.fills
        filled = {name: _forward(np.array([fills.get(name, -1.0)]), v)[1:] for name, v in tail.covariates.items()}
        static = {name: -1.0 if name in panel.categorical else np.nan for name in panel.static}
        known, past = ({name: filled[name] for name in role} for role in (panel.known, panel.past))
        return Stored(id_, tail.begin, np.array(tail.y), known, past, static)

    def length(self, id_: str) -> int:
        """Return the steps from the first to the last value of a series; 0 where it is unknown."""
        row, tail = self._rows.get(id_), self._tails.get(id_)
        indptr = self.pipeline.panel.indptr
        return (0 if row is None else int(indptr[row + 1] - indptr[row])) + (0 if tail is None else len(tail.y))

    def begin(self, id_: str, moment: int) -> int:
        """Return the first moment of the open tail of a series; ``moment`` itself for a series that begins with it."""
        tail, row = self._tails.get(id_), self._rows.get(id_)
        if tail is not None:
            return tail.begin
        if row is None:
            return moment
        last = int(self._moments[int(self.pipeline.panel.indptr[row + 1]) - 1])
        return self._clock.forth(last, 1)

    def open_steps(self, id_: str) -> int:
        """Return the steps in the open tail of a series."""
        tail = self._tails.get(id_)
        return 0 if tail is None else len(tail.y)

    def spot(self, id_: str, place: int) -> Spot:
        """Return where a place lies, counted in steps from the begin of the open tail."""
        if place >= 0:
            return "open"
        row = self._rows.get(id_)
        if row is None:
            return "front"
        indptr = self.pipeline.panel.indptr
        at = int(indptr[row + 1]) + place
        if at < int(indptr[row]):
            return "before"
        return "fit" if at < int(indptr[row]) + self._fitted.get(id_, 0) else "folded"

    def value(self, id_: str, place: int) -> float:
        """Return the value at a place; NaN where there is none."""
        if place >= 0:
            tail = self._tails.get(id_)
            return tail.y[place] if tail is not None and place < len(tail.y) else np.nan
        row, panel = self._rows.get(id_), self.pipeline.panel
        at = -1 if row is None else int(panel.indptr[row + 1]) + place
        return float(panel.y[at]) if row is not None and at >= int(panel.indptr[row]) else np.nan

    def apply(self, rows: Iterable[Row]) -> Counts:
        """Take in actuals (no changes): each at most once, in any order."""
        total, touched = Counts(), set()
        # In the order of time, or the first of a new series would decide where it begins.
        for id_, moment, value, known, past, *_ in sorted(rows, key=lambda row: row[1]):
            assert value is not None
            total += self._put(id_, moment, value, {**known, **past})
            touched.add(id_)
        horizon = self.pipeline.horizon
        if any(len(self._tails[id_].y) >= horizon for id_ in touched if id_ in self._tails):
            self._fold()
        return total

    def correct_open(self, id_: str, place: int, value: float, given: Mapping[str, Any]) -> None:
        """Replace a value of the open tail, and its covariates where they are given."""
        tail = self._tails[id_]
        before = {name: values[place] for name, values in tail.covariates.items()}
        tail.set(place, value, {**before, **given})

    def _put(self, id_: str, moment: int, value: float, given: Mapping[str, Any]) -> Counts:
        begin = self.begin(id_, moment)
        place = self._clock.between(begin, moment)
        spot = self.spot(id_, place)
        if spot in ("fit", "before"):
            return Counts(duplicates=1, differing=int(self.value(id_, place) != value))
        if spot == "folded":
            return self._fill_gap(id_, place, value)
        tail = self._tails.get(id_)
        if tail is None:
            panel = self.pipeline.panel
            tail = self._tails[id_] = _Tail(begin, covariates={n: [] for n in (*panel.known, *panel.past)})
        if spot == "front":
            tail.precede(-place, moment)
            tail.set(0, value, given)
            return Counts(accepted=1, late=1)
        counts = tail.put(place, value, given)
        if counts.accepted:
            self.newest = moment if self.newest is None else max(self.newest, moment)
        return counts

    def _fill_gap(self, id_: str, place: int, value: float) -> Counts:
        """Put an actual into a gap of what was folded; the history of the fit itself stays as it is."""
        panel = self.pipeline.panel
        at = int(panel.indptr[self._rows[id_] + 1]) + place
        if not np.isnan(panel.y[at]):
            return Counts(duplicates=1, differing=int(panel.y[at] != value))
        y = panel.y.copy()
        y[at] = value
        self.pipeline.replace_history(replace(panel, y=y))
        return Counts(accepted=1, late=1)

    def _fold(self) -> None:
        """Give the tails to the pipeline, and let its intervals learn."""
        parts = [self._of_tail(id_, tail) for id_, tail in self._tails.items()]
        panel = self.pipeline.panel
        roles = (panel.known, panel.past, panel.static)
        self.pipeline.append(panel_of(parts, self._clock, panel.freq, roles, panel.categorical)).settle()
        self._tails.clear()
        self._index()


def panel_of(
    series: Sequence[Stored],
    clock: SeriesClock,
    freq: Frequency,
    roles: tuple[Iterable[str], Iterable[str], Iterable[str]],
    categorical: frozenset[str],
) -> Panel:
    """Return some series as one panel; the same id may come several times.

    Args:
        series: At least one series, each with all covariates.
        clock: The clock that their first moments are of.
        freq: The frequency of that clock.
        roles: The names of the known, past and static covariates.
        categorical: Those among them whose values are codes.
    """
    known, past, static = roles
    indptr = np.cumsum([0, *(len(one.y) for one in series)]).astype(np.int64)
    if len(series) == 1:
        y, times = series[0].y, clock.grid(series[0].first, len(series[0].y))
    else:
        y, times = np.concatenate([one.y for one in series]), _times(series, clock, indptr)
    return Panel(
        np.array([one.id for one in series], dtype=object),
        indptr,
        clock.typed(times),
        y,
        freq,
        {name: np.concatenate([one.known[name] for one in series]) for name in known},
        {name: np.concatenate([one.past[name] for one in series]) for name in past},
        {name: np.array([one.static[name] for one in series]) for name in static},
        categorical,
    )


def _times(series: Sequence[Stored], clock: SeriesClock, indptr: Ints) -> Ints:
    spacing = clock.fixed
    if spacing is None:
        return np.concatenate([clock.grid(one.first, len(one.y)) for one in series])
    firsts = np.array([one.first for one in series], dtype=np.int64)
    out = np.repeat(firsts - indptr[:-1] * spacing, np.diff(indptr))
    out += np.arange(len(out)) * spacing
    return out


def _forward(before: Floats, more: Sequence[float]) -> Floats:
    """Return values followed by more, whose gaps repeat what came before."""
    out = np.concatenate([before, np.asarray(more, dtype=np.float64)])
    return np.asarray(out[last_present(np.isnan(out))])
