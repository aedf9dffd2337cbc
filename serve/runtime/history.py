"""What a model knows of each series: the history of its fit, and the actuals that came since."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import RLock

import numpy as np

from autots.api import Pipeline
from autots.reading.grid import JITTER
from serve.protocol.errors import RequestError
from serve.runtime.clock import FARTHEST, SeriesClock
from serve.runtime.journal import CORRECT, WITHDRAW, ActualsCodec, Observation, Row, observation_line
from serve.runtime.series import FURTHEST, Counts, SeriesState, Stored
from zoo.errors import ArtifactError
from zoo.journal import Journal

__all__ = ["Counts", "SeriesHistory", "Stored"]

_log = logging.getLogger(__name__)
_REMEMBERED = 100_000  # observation ids by which a repeated request is known
#: Steps that any series may miss before its next actual, however short it is.
_LEAST_GAP = 100


class SeriesHistory:
    """All series of one model. Every replica has one; the journal keeps them equal.

    Observations are rows of series ids and moments. A moment counts once, whoever sends it and how often; those that
    come out of order fill the gaps that later ones have left. What was told before can be corrected or withdrawn: then
    the state is made anew, from the fit on, as if the right value had come at first.

    Args:
        pipeline: Its panel is where the histories begin; it is changed.
        clock: The clock of the pipeline's series.
        journal: Where observations are kept; None to keep them in memory only.
        gap: Steps that a series may miss before its next actual; None for as many as it has, but 100 to 10,000.
    """

    def __init__(
        self, pipeline: Pipeline, clock: SeriesClock, journal: Path | None = None, *, gap: int | None = None
    ) -> None:
        self._pipeline, self._clock, self._gap = pipeline, clock, gap
        self._origin = pipeline.branch()
        self._state = SeriesState(pipeline, clock)
        self._journal = None if journal is None else _opened(journal)
        self._kept: list[Observation] = []  # in place of a journal
        #: Why no actuals are taken in at present; empty if all is well.
        self.damaged: tuple[str, ...] = ()
        self._stale = False  # whether a change was told that could not be applied yet
        self._seen: OrderedDict[str, None] = OrderedDict()
        # Who writes may take long, where all is made anew; who reads the state meanwhile does not wait for that.
        self._writing, self._lock = RLock(), RLock()
        #: Whether all is being made anew: who wants to write then should wait in a thread.
        self.changing = False

    @property
    def ids(self) -> Sequence[str]:
        """All series."""
        return self._state.ids

    def __contains__(self, id_: str) -> bool:
        return id_ in self._state

    @property
    def single(self) -> str | None:
        """The only series there is, if there is one."""
        return self._state.single

    @property
    def end(self) -> int:
        """The last moment of the pipeline's history."""
        return self._state.end

    @property
    def newest(self) -> int | None:
        """The last moment of an actual."""
        return self._state.newest

    def open(self) -> None:
        """Take in what the journal holds, before the first request.

        Raises:
            ArtifactError: A line of it is damaged.
            OSError: It cannot be read.
        """
        with self._writing:
            self._catch_up()

    def refresh(self) -> None:
        """Take in what other replicas have written; what is being taken in by another thread need not be waited for.

        Where a line is damaged, what was read before it stays, and ``damaged`` says why that is all.
        """
        if self._journal is None or not self._journal.behind() or not self._writing.acquire(blocking=False):
            return
        try:
            self._catch_up()
        except (ArtifactError, OSError):
            return  # it was said
        finally:
            self._writing.release()

    def _catch_up(self) -> None:
        if self._journal is None:
            return
        try:
            self._journal.take(self._apply)
            if self._stale:
                self._make_anew()
        except ArtifactError as error:
            if self.damaged != (error.message,):
                _log.error("no actuals are taken in: %s\nhint: %s", error.message, error.hint)
            self.damaged = (error.message,)
            raise
        self.damaged = ()

    def observe(self, observation_id: str | None, rows: list[Row], *, at: str = "", by: str = "") -> Counts:
        """Take in actuals: each at most once, in any order; and changes of those told before.

        Args:
            observation_id: Of the sender; what comes under a name that is known counts as told.
            rows: The observations of one request, in its order.
            at: When they came, ISO 8601 in UTC.
            by: Who sent them, for the journal; empty where nobody says.

        Raises:
            RequestError: A row does not fit, or the journal is damaged; nothing was taken in.
            OSError: The journal cannot be written; nothing was taken in.
        """
        with self._writing:
            if self._journal is None:
                rows = rows if observation_id in self._seen else self._fitting(rows)
                return self._apply(Observation(observation_id, rows))
            try:
                with self._journal.held():
                    self._catch_up()
                    # The second time it is told, a withdrawn value is not there any more.
                    if observation_id is None or observation_id not in self._seen:
                        rows = self._fitting(rows)
                        self._journal.write(observation_line(Observation(observation_id, rows), at=at, by=by))
                return self._apply(Observation(observation_id, rows))
            except ArtifactError as error:
                # The forecasts go on with what was read before.
                raise RequestError(error.message, error.hint, status=503) from error

    def stored(self, id_: str) -> Stored:
        """Return the state of a series.

        Raises:
            RequestError: It is unknown.
        """
        with self._lock:
            return self._state.stored(id_)

    def _fitting(self, rows: list[Row]) -> list[Row]:
        """Return rows laid on the clock of their series.

        Raises:
            RequestError: One lies beside the clock, or too far from its series, or changes what was never told.
        """
        state, kept = self._state, list(rows)
        by_series: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            by_series.setdefault(row[0], []).append(i)
        for id_, every in by_series.items():
            every.sort(key=lambda i: rows[i][1])
            begin = state.begin(id_, rows[every[0]][1])
            end, most = state.open_steps(id_) - 1, self._most_gap(id_)
            if state.length(id_) == 0:
                end = 0  # it begins with the first
            told: dict[int, bool] = {}
            for i in every:
                where, change = f"observations[{i}]", len(rows[i]) > 5
                place = self._on_clock(begin, rows[i][1], f"{where}.time")
                if place in told and (change or told[place]):
                    raise RequestError(
                        "an actual that is changed must come once in a request, but comes twice", "", f"{where}.time"
                    )
                told[place] = change
                if change:
                    self._changeable(id_, place, where)
                else:
                    end = self._reachable(id_, place, end, most, f"{where}.time")
                kept[i] = (id_, self._clock.forth(begin, place), *rows[i][2:])
        return kept

    def _most_gap(self, id_: str) -> int:
        if self._gap is not None:
            return self._gap
        return min(max(self._state.length(id_), _LEAST_GAP), FURTHEST)

    def _on_clock(self, begin: int, moment: int, where: str) -> int:
        place = self._clock.between(begin, moment)
        if abs(place) >= FARTHEST:
            raise RequestError(
                f"an actual must follow its series, but {self._clock.write(moment)} is far away",
                "check the time",
                where,
            )
        at = self._clock.forth(begin, place)
        if abs(moment - at) > JITTER * self._clock.freq.spacing:
            raise RequestError(
                f"an actual must lie on its series' clock, but {self._clock.write(moment)} does not",
                f"the nearest step is {self._clock.write(at)}",
                where,
            )
        return place

    def _changeable(self, id_: str, place: int, where: str) -> None:
        spot = self._state.spot(id_, place)
        if spot in ("fit", "before"):
            raise RequestError(
                "the history of the fit cannot be changed by an actual",
                "update() or refit the pipeline and serve it again",
                f"{where}.time",
            )
        if np.isnan(self._state.value(id_, place)):
            raise RequestError(
                f"only an actual that was told can be changed, but {id_!r} has none at this time",
                "check id and time; a new one is sent without correct and withdraw",
                f"{where}.time",
            )

    def _reachable(self, id_: str, place: int, end: int, most: int, where: str) -> int:
        """Return the new end of a series whose next actual lies at a place."""
        spot = self._state.spot(id_, place)
        if spot == "before":
            raise RequestError(f"an actual must follow its series, but {id_!r} begins later", "check the time", where)
        missed = -place - 1 if spot == "front" else place - end - 1
        if missed > most:
            raise RequestError(
                f"an actual must follow its series, but {id_!r} would miss {missed} steps before it (at most {most})",
                "check the time; send those between first, or raise limits.gap in the serving configuration",
                where,
            )
        return max(end, place)

    def _apply(self, told: Observation) -> Counts:
        observation_id, rows = told
        if observation_id is not None and observation_id in self._seen:
            return Counts(duplicates=len(rows))
        if observation_id is not None:
            self._seen[observation_id] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        if self._journal is None:
            self._kept.append(told)
        changes = [row for row in rows if len(row) > 5]
        with self._lock:
            counts = self._state.apply(row for row in rows if len(row) == 5)
        if changes:
            counts += self._change(changes)
        return counts

    def _change(self, changes: list[Row]) -> Counts:
        """Correct in place what is not folded yet; for everything else make the state anew."""
        kinds = [row[-1] for row in changes]
        counts = Counts(corrected=kinds.count(CORRECT), withdrawn=kinds.count(WITHDRAW))
        with self._lock:
            if all(self._in_place(row) for row in changes):
                return counts
        self._make_anew()
        return counts

    def _make_anew(self) -> None:
        self.changing, self._stale = True, True
        try:
            fresh = SeriesState(self._origin.branch(), self._clock)
            for rows in _effective(self._told(), fresh, self._clock):
                fresh.apply(rows)
            with self._lock:
                fresh.pipeline = self._pipeline.adopt(fresh.pipeline)
                self._state = fresh
            self._stale = False
        finally:
            self.changing = False

    def _in_place(self, row: Row) -> bool:
        id_, moment, value, known, past = row[:5]
        place = self._clock.between(self._state.begin(id_, moment), moment)
        if row[-1] != CORRECT or value is None or np.isnan(self._state.value(id_, place)) or place < 0:
            return False
        self._state.correct_open(id_, place, value, {**known, **past})
        return True

    def _told(self) -> Iterable[Observation]:
        return self._kept if self._journal is None else self._journal.again()


def _opened(path: Path) -> Journal[Observation]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Journal(path, ActualsCodec(), mode=0o600)


def _effective(told: Iterable[Observation], origin: SeriesState, clock: SeriesClock) -> list[list[Row]]:
    """Return the actuals of each request as they would have come with what was said of them later.

    Args:
        told: Observation id and rows of each request.
        origin: The series before all of them.
        clock: Of the series.
    """
    seen: set[str] = set()
    begins: dict[str, int] = {}
    kept: list[dict[int, Row]] = []
    where: dict[tuple[str, int], tuple[int, int]] = {}
    for observation_id, rows in told:
        if observation_id is not None and observation_id in seen:
            continue
        seen |= {observation_id} if observation_id is not None else set()
        kept.append({})
        plain = sorted((row for row in rows if len(row) == 5), key=lambda row: row[1])
        for n, row in enumerate([*plain, *(row for row in rows if len(row) > 5)]):
            begin = begins.setdefault(row[0], origin.begin(row[0], row[1]))
            key = (row[0], clock.between(begin, row[1]))
            at = where.get(key)
            if len(row) == 5 and at is None:
                where[key] = (len(kept) - 1, n)
                kept[-1][n] = row
            elif len(row) > 5 and at is not None:
                before = kept[at[0]].pop(at[1])
                if row[-1] == CORRECT:
                    given = ({**before[3], **row[3]}, {**before[4], **row[4]})
                    kept[at[0]][at[1]] = (before[0], before[1], row[2], *given)
                else:
                    del where[key]
    return [list(rows.values()) for rows in kept]
