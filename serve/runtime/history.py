"""What a model knows of each series: the history of its fit, and the actuals that came since."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.api import Pipeline
from autots.panel import Floats, Panel
from serve.protocol.errors import RequestError
from serve.runtime.clock import Clock
from serve.runtime.journal import Journal, Row

__all__ = ["Counts", "History", "Stored"]

# Steps between the last value of a series and an actual, beyond which the time is taken for a mistake.
_FURTHEST = 10_000
_REMEMBERED = 100_000


@dataclass(frozen=True)
class Counts:
    """What became of observations.

    Args:
        accepted: New values.
        duplicates: Values of times that were known already: the first value stays.
        late: How many of the accepted came after a later one, and filled its gap.
    """

    accepted: int = 0
    duplicates: int = 0
    late: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.accepted + other.accepted, self.duplicates + other.duplicates, self.late + other.late)


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
            return Counts(duplicates=1)
        self.y[place] = value
        for name, values in self.covariates.items():
            values.extend([np.nan] * (len(self.y) - len(values)))
            values[place] = given.get(name, np.nan)
        return Counts(accepted=1, late=int(grown <= 0))


class History:
    """All series of one model. Every replica has one; the journal keeps them equal.

    Observations are rows of series ids and moments. A moment counts once, whoever sends it and how often; those that
    come out of order fill the gaps that later ones have left. As soon as a series has a whole horizon of new values,
    they go into the pipeline, whose intervals learn from them (``Pipeline.settle``).

    Args:
        pipeline: Its panel is where the histories begin; it is changed.
        clock: Of the pipeline.
        journal: Where observations are kept; None to keep them in memory only.
        fills: Values for covariates that nobody gave.
    """

    def __init__(self, pipeline: Pipeline, clock: Clock, journal: Path | None = None) -> None:
        self._pipeline, self._clock = pipeline, clock
        self._journal = None if journal is None else Journal(journal)
        self._tails: dict[str, _Tail] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = RLock()
        self.newest: int | None = None
        self._fitted = {str(i): int(n) for i, n in zip(pipeline.panel.ids, pipeline.panel.lengths, strict=True)}
        self._index()

    def _index(self) -> None:
        panel = self._pipeline.panel
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
        """The last moment of the history that the model was fitted on."""
        return int(self._moments[self._pipeline.panel.indptr[1:] - 1].max())

    def refresh(self) -> None:
        """Take in what other replicas have written."""
        if self._journal is None or not self._journal.behind():
            return
        with self._lock:
            for observation_id, rows in self._journal.news():
                self._apply(observation_id, rows)

    def observe(self, observation_id: str | None, rows: list[Row]) -> Counts:
        """Take in actuals: each at most once, in any order.

        Raises:
            RequestError: A time lies too far ahead of its series; nothing was taken in.
        """
        with self._lock:
            if self._journal is None:
                self._check(rows)
                return self._apply(observation_id, rows)
            with self._journal.locked():
                self.refresh()
                self._check(rows)
                if observation_id is None or observation_id not in self._seen:
                    self._journal.write(observation_id, rows)
                return self._apply(observation_id, rows)

    def stored(self, id_: str) -> Stored:
        """Return the state of a series.

        Raises:
            RequestError: It is unknown.
        """
        with self._lock:
            return self._stored(id_)

    def _stored(self, id_: str) -> Stored:
        row, tail = self._rows.get(id_), self._tails.get(id_)
        if row is None and tail is None:
            raise RequestError(
                f"a series without y must be in the model's state, but {id_!r} is not",
                "send its values as y, or observe it first",
                status=404,
            )
        panel = self._pipeline.panel
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
        panel, fills = self._pipeline.panel, self._pipeline.schema.fills
        made = {name: _forward(np.array([fills.get(name, -1.0)]), v)[1:] for name, v in tail.covariates.items()}
        static = {name: -1.0 if name in panel.categorical else np.nan for name in panel.static}
        known, past = ({name: made[name] for name in role} for role in (panel.known, panel.past))
        return Stored(id_, tail.begin, np.array(tail.y), known, past, static)

    def _begin(self, id_: str, moment: int) -> int:
        """Return the first moment of the tail of a series."""
        tail, row = self._tails.get(id_), self._rows.get(id_)
        if tail is not None:
            return tail.begin
        if row is None:
            return moment
        last = int(self._moments[int(self._pipeline.panel.indptr[row + 1]) - 1])
        return self._clock.forth(last, 1)

    def _place(self, begin: int, moment: int) -> int:
        """Return the steps from ``begin`` to a moment; negative before."""
        spacing = self._clock.freq.spacing
        if self._clock.fixed is not None or moment < begin:
            return round((moment - begin) / spacing)
        if (moment - begin) / spacing > 1.5 * _FURTHEST:
            return 2 * _FURTHEST
        grid = self._clock.grid(begin, int((moment - begin) / spacing * 1.2) + 3)
        return int(np.argmin(np.abs(grid - moment)))

    def _check(self, rows: list[Row]) -> None:
        for i, (id_, moment, *_) in enumerate(rows):
            begin = self._begin(id_, moment)
            ahead = self._place(begin, moment)
            if ahead > _FURTHEST:
                raise RequestError(
                    f"an actual must follow its series, but {id_!r} would jump by {ahead} steps",
                    "check the time",
                    f"observations[{i}].time",
                )

    def _apply(self, observation_id: str | None, rows: list[Row]) -> Counts:
        if observation_id is not None:
            if observation_id in self._seen:
                return Counts(duplicates=len(rows))
            self._seen[observation_id] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        total = Counts()
        # In the order of time, or the first of a new series would decide where it begins.
        for id_, moment, value, known, past in sorted(rows, key=lambda row: row[1]):
            total += self._put(id_, moment, value, {**known, **past})
        horizon = self._pipeline.horizon
        if any(len(self._tails[id_].y) >= horizon for id_ in {row[0] for row in rows} if id_ in self._tails):
            self._fold()
        return total

    def _put(self, id_: str, moment: int, value: float, given: Mapping[str, Any]) -> Counts:
        begin = self._begin(id_, moment)
        place = self._place(begin, moment)
        if place < 0:
            return self._fill_gap(id_, place, value)
        tail = self._tails.get(id_)
        if tail is None:
            panel = self._pipeline.panel
            tail = self._tails[id_] = _Tail(begin, covariates={n: [] for n in (*panel.known, *panel.past)})
        counts = tail.put(place, value, given)
        if counts.accepted:
            self.newest = moment if self.newest is None else max(self.newest, moment)
        return counts

    def _fill_gap(self, id_: str, place: int, value: float) -> Counts:
        """Put an actual into a gap of what was folded; the history of the fit itself stays as it is."""
        row, panel = self._rows.get(id_), self._pipeline.panel
        if row is None:
            return Counts(duplicates=1)  # before the beginning of a new series
        at = int(panel.indptr[row + 1]) + place
        if at < int(panel.indptr[row]) + self._fitted.get(id_, 0) or not np.isnan(panel.y[at]):
            return Counts(duplicates=1)
        y = panel.y.copy()
        y[at] = value
        self._pipeline.replace_history(replace(panel, y=y))
        return Counts(accepted=1, late=1)

    def _fold(self) -> None:
        """Give the tails to the pipeline, and let its intervals learn."""
        panel, ids = self._pipeline.panel, [*self._tails]
        parts = [self._of_tail(id_, tail) for id_, tail in self._tails.items()]
        ends = np.cumsum([0, *(len(p.y) for p in parts)])
        times = np.concatenate([self._clock.grid(p.first, len(p.y)) for p in parts])
        more = Panel(
            np.array(ids, dtype=object),
            ends.astype(np.int64),
            self._clock.typed(times),
            np.concatenate([p.y for p in parts]),
            panel.freq,
            {name: np.concatenate([p.known[name] for p in parts]) for name in panel.known},
            {name: np.concatenate([p.past[name] for p in parts]) for name in panel.past},
            {name: np.array([p.static[name] for p in parts]) for name in panel.static},
            panel.categorical,
        )
        self._pipeline.append(more).settle()
        self._tails.clear()
        self._index()


def _forward(before: Floats, more: Sequence[float]) -> Floats:
    """Return values followed by more, whose gaps repeat what came before."""
    out = np.concatenate([before, np.asarray(more, dtype=np.float64)])
    missing: npt.NDArray[np.bool_] = np.isnan(out)
    source = np.where(missing, 0, np.arange(len(out)))
    np.maximum.accumulate(source, out=source)
    return np.asarray(out[source])
