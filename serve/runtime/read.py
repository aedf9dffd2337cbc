"""Series of a request -> the panel that a pipeline forecasts from, without a table in between.

What is read is what ``pipeline.predict(data=...)`` reads from the same rows: missing targets at both ends are left
out, gaps are filled with NaN, covariates are filled forward, unseen categories are the code -1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autots.panel import Floats, Future, Panel
from autots.reading.numerals import parse
from autots.reading.schema import Schema
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown
from serve.protocol.request import Series
from serve.runtime.clock import SeriesClock
from serve.runtime.history import SeriesHistory, Stored
from serve.runtime.series import panel_of
from zoo.series.offsets import last_present

__all__ = ["Reader", "Ready", "joined"]

# A clock with more empty steps than this times the rows is no regular clock.
_SPARSE = 500


@dataclass(frozen=True)
class Ready:
    """What can be forecast of a request.

    Args:
        panel: The S' series that could be read; None where none could.
        future: Their known covariates over the horizon.
        rows: (S',) their places in the request.
        errors: Place in the request -> why that series cannot be forecast.
        stored: Whether a series came from the state.
    """

    panel: Panel | None
    future: Future
    rows: list[int]
    errors: Mapping[int, RequestError]
    stored: bool = False


@dataclass(frozen=True)
class _One(Stored):
    """A series that was read, and its known covariates over the horizon."""

    future: Mapping[str, Floats]


class Reader:
    """Reads requests for one pipeline.

    Args:
        schema: What the pipeline knows of its table.
        horizon: Steps that the pipeline forecasts.
        history: What is stored of each series.
        clock: The clock of the pipeline's series.
    """

    def __init__(self, schema: Schema, horizon: int, history: SeriesHistory, clock: SeriesClock) -> None:
        names = schema.layout.columns
        self._known, self._past = tuple(names.known), tuple(names.past)
        self._static, self._tabled = tuple(names.static), schema.static
        self._plain = not (self._known or self._past or self._static or self._tabled)
        self._codes = {
            name: {kind: float(i) for i, kind in enumerate(kinds)}
            for name, kinds in schema.categories.items()
            if kinds is not None
        }
        self._categorical = frozenset(self._codes)
        self._written = schema.numbers
        self._fills, self._freq, self._horizon = schema.fills, schema.freq, horizon
        self._history, self._clock = history, clock
        self._end: int | None = None

    def read(self, series: Sequence[Series]) -> Ready:
        """Read all series that can be read."""
        if any(one.y is None for one in series):
            self._history.refresh()
        found: list[_One] = []
        rows: list[int] = []
        errors: dict[int, RequestError] = {}
        for i, one in enumerate(series):
            try:
                found.append(self._one(one))
                rows.append(i)
            except RequestError as error:
                where = f"series[{i}].{error.where}" if error.where else f"series[{i}]"
                errors[i] = RequestError(error.message, error.hint, where, error.status)
        stored = any(one.y is None for one in series)
        if not found:
            return Ready(None, Future(), rows, errors, stored)
        return Ready(self.panel_of(found), self._future(found), rows, errors, stored)

    def row(self, given: Mapping[str, Any], where: str) -> dict[str, float]:
        """Read the covariates of one row.

        Raises:
            RequestError: A name or value does not fit.
        """
        unknown = sorted(set(given) - {*self._known, *self._past})
        if unknown:
            raise RequestError(f"covariates must be those of the model, but {unknown} are not", "", where)
        return {name: float(self._numbers(name, [value], where)[0]) for name, value in given.items()
                if value is not None}  # fmt: skip

    def panel_of(self, found: Sequence[Stored]) -> Panel:
        """Return some series as a panel."""
        roles = (self._known, self._past, (*self._static, *self._tabled))
        return panel_of(found, self._clock, self._freq, roles, self._categorical)

    def _future(self, found: list[_One]) -> Future:
        return Future({name: np.stack([one.future[name] for one in found]) for name in self._known})

    def _one(self, series: Series) -> _One:
        if series.y is None:
            return self._of_state(series)
        id_ = series.id or self._history.single or ""
        y: Floats = np.asarray(series.y, dtype=np.float64)
        if not len(y):
            raise RequestError("a series must have a value, but y is empty", "leave y out to use the stored state", "y")
        for name, values in (*series.past.items(),):
            if len(values) != len(y):
                raise RequestError(f"past covariates must be as long as y ({len(y)}), but {name!r} has {len(values)}",
                                   "", f"past.{name}")  # fmt: skip
        self._check_names(series)
        covariates = _NOTHING if self._plain else self._covariates(series, len(y))
        if series.time is not None:
            first, y, covariates = self._laid(series, y, covariates)
        else:
            first = self._first(series, len(y))
        if np.isnan(y[0]) or np.isnan(y[-1]):
            first, y, covariates = self._trimmed(first, y, covariates)
        if self._plain:
            return _One(id_, first, y, _NONE, _NONE, _NONE, _NONE)
        known, past = ({n: self._closed(n, covariates[n]) for n in role} for role in (self._known, self._past))
        return _One(id_, first, y, known, past, self._statics(series, {}), self._ahead(series))

    def _check_names(self, series: Series) -> None:
        """Raise on covariates that the model does not have; other columns of a table (``past``) may come along."""
        have = {"known": (*self._known, *self._past), "static": (*self._static, *self._tabled)}
        for role, given in (("known", series.known), ("static", series.static)):
            unknown = next((name for name in given if name not in have[role]), None)
            if unknown is not None:
                told = ", ".join(have[role]) or "it has none"
                raise RequestError(
                    f"{role} covariates must be those of the model, but {shown(unknown)} is not",
                    f"{told}: check the name, or leave it out", role,
                )  # fmt: skip

    def _of_state(self, series: Series) -> _One:
        id_ = series.id or self._history.single or ""
        if series.time is not None or series.start is not None:
            raise RequestError("time and start must come with y, but y is missing", "leave them out", "y")
        self._check_names(series)
        state = self._history.stored(id_)
        future = {} if self._plain else self._ahead(series)
        static = self._statics(series, state.static)
        return _One(id_, state.first, state.y, state.known, state.past, static, future)

    def _first(self, series: Series, length: int) -> int:
        if series.start is not None:
            try:
                first = self._clock.first(series.start)
                self._clock.reach(first, length + self._horizon)
                return first
            except RequestError as error:
                raise RequestError(error.message, error.hint, "start") from None
        # Without a time the series is taken to end where the state of the model does.
        if self._end is None:
            self._end = self._history.end
        self._clock.reach(self._end, -length)
        return self._clock.back(self._end, length - 1)

    def _laid(
        self, series: Series, y: Floats, covariates: Mapping[str, Floats]
    ) -> tuple[int, Floats, Mapping[str, Floats]]:
        """Lay values with a time each on the clock, gaps as NaN."""
        assert series.time is not None
        if len(series.time) != len(y):
            raise RequestError(f"time must be as long as y ({len(y)}), but has {len(series.time)}", "", "time")
        try:
            place, first = self._clock.steps(self._clock.moments(series.time))
        except RequestError as error:
            raise RequestError(error.message, error.hint, error.where or "time") from None
        size = int(place[-1]) + 1
        if size == len(y):
            return first, y, covariates
        if size > _SPARSE * len(y) + 1000:
            raise RequestError(
                f"times must lie on a regular clock, but {len(y)} values span {size} steps", "check them", "time"
            )

        def spread(values: Floats) -> Floats:
            out = np.full(size, np.nan)
            out[place] = values
            return out

        return first, spread(y), {name: spread(values) for name, values in covariates.items()}

    def _trimmed(
        self, first: int, y: Floats, covariates: Mapping[str, Floats]
    ) -> tuple[int, Floats, Mapping[str, Floats]]:
        seen = np.flatnonzero(~np.isnan(y))
        if not len(seen):
            raise RequestError("a series must have a value, but all of y are missing", "send what is known", "y")
        at = slice(int(seen[0]), int(seen[-1]) + 1)
        return self._clock.forth(first, at.start), y[at], {n: v[at] for n, v in covariates.items()}

    def _covariates(self, series: Series, length: int) -> dict[str, Floats]:
        """Return the (T,) history of every covariate, NaN where missing."""
        out: dict[str, Floats] = {}
        for name in (*self._known, *self._past):
            given = series.past.get(name)
            whole = series.known.get(name)
            if given is None and whole is not None and len(whole) == length + self._horizon:
                given = whole[:length]
            if given is None:
                role = "known" if name in self._known else "past"
                raise RequestError(
                    f"the {role} covariate {name!r} must come with y, but its history is missing",
                    f"send {length} values in past.{name}"
                    + (f", or history and future in known.{name}" if role == "known" else ""),
                    f"past.{name}",
                )
            out[name] = self._numbers(name, given, f"past.{name}")
        return out

    def _ahead(self, series: Series) -> dict[str, Floats]:
        out: dict[str, Floats] = {}
        for name in self._known:
            given = series.known.get(name)
            if given is None or len(given) < self._horizon:
                raise RequestError(
                    f"the known covariate {name!r} must be given for {self._horizon} steps, but got "
                    f"{0 if given is None else len(given)}",
                    "send its values over the horizon of the model",
                    f"known.{name}",
                )
            out[name] = self._numbers(name, given[-self._horizon :], f"known.{name}")
            if np.isnan(out[name]).any():
                if name not in self._codes:
                    raise RequestError("known covariates must be known, but one is null", "fill it", f"known.{name}")
                out[name] = np.where(np.isnan(out[name]), -1.0, out[name])
        return out

    def _numbers(self, name: str, values: Sequence[Any], where: str) -> Floats:
        codes = self._codes.get(name)
        if codes is not None:
            return np.array([np.nan if v is None else codes.get(_label(v), np.nan) for v in values])
        style = self._written.get(name)
        if style is not None:
            # The table that was learnt from wrote these numbers as text, in one writing: so may a request.
            values = [float(parse([v], style)[0]) if isinstance(v, str) else v for v in values]
            if any(isinstance(v, float) and np.isnan(v) for v in values):
                raise RequestError(f"the covariate {name!r} must hold numbers as the table did, but one is not",
                                   style.describe(), where)  # fmt: skip
        try:
            out = np.array(values, dtype=np.float64)
            if not np.isinf(out).any():
                return out
            raise ValueError
        except (ValueError, TypeError, OverflowError):
            raise RequestError(f"the covariate {name!r} must hold finite numbers, but one is not", "", where) from None

    def _closed(self, name: str, values: Floats) -> Floats:
        missing = np.isnan(values)
        if not missing.any():
            return values
        out = values[last_present(missing)]
        return np.where(np.isnan(out), -1.0 if name in self._codes else self._fills.get(name, 0.0), out)

    def _statics(self, series: Series, stored: Mapping[str, float]) -> dict[str, float]:
        out: dict[str, float] = {}
        for name in (*self._static, *self._tabled):
            value = series.static.get(name)
            if value is None and name in stored:
                out[name] = stored[name]
            elif value is None and name in self._static:
                raise RequestError(
                    f"the static covariate {name!r} must be given, but is missing", "send it", f"static.{name}"
                )
            elif value is None:
                out[name] = -1.0 if name in self._codes else np.nan
            elif name in self._codes:
                out[name] = self._codes[name].get(_label(value), -1.0)
            elif isinstance(value, str):
                raise RequestError(f"{name!r} must be a number, but got {value!r}", "", f"static.{name}")
            else:
                out[name] = float(value)
        return out


_NOTHING: Mapping[str, Floats] = {}
_NONE: Mapping[str, Any] = {}


def _label(value: Any) -> str:
    """Return a category as the table's reader writes it; JSON has one kind of number."""
    return str(int(value)) if isinstance(value, float) and value == np.floor(value) else str(value)


def joined(panels: Sequence[Panel], futures: Sequence[Future]) -> tuple[Panel, Future]:
    """Put the series of several requests into one panel; the same id may come several times."""
    if len(panels) == 1:
        return panels[0], futures[0]
    first = panels[0]
    sizes = np.concatenate([panel.lengths for panel in panels])
    panel = Panel(
        np.concatenate([panel.ids for panel in panels]),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([panel.times for panel in panels]),
        np.concatenate([panel.y for panel in panels]),
        first.freq,
        {name: np.concatenate([panel.known[name] for panel in panels]) for name in first.known},
        {name: np.concatenate([panel.past[name] for panel in panels]) for name in first.past},
        {name: np.concatenate([panel.static[name] for panel in panels]) for name in first.static},
        first.categorical,
    )
    future = {name: np.concatenate([one.known[name] for one in futures]) for name in futures[0].known}
    return panel, Future(future)
