"""Tables to the wire's series and back, for the client: the user's own column names, in and out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from serve.client.tidy import tidy
from zoo.errors import DataError

__all__ = ["Columns", "Forecasts", "dumps", "series_of", "times_of"]

_IDS, _TIMES, _TARGETS = (
    ("unique_id", "item_id", "series_id", "id"),
    ("ds", "timestamp", "time", "date"),
    ("y", "target"),
)


@dataclass(frozen=True)
class Columns:
    """What the columns of a long table are called; None is found by the usual names.

    Args:
        id: Of the series, or several that only together name them; a table without one is one series.
        time: The column of the rows' times.
        target: The column that is forecast.
        known: Covariates whose future comes in another table.
        static: One value per series.
    """

    id: str | tuple[str, ...] | None = None
    time: str | None = None
    target: str | None = None
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that name the series: none, one or several."""
        return () if self.id is None else (self.id,) if isinstance(self.id, str) else tuple(self.id)

    def found(self, frame: pd.DataFrame) -> Columns:
        """Return the names that a table has.

        Raises:
            DataError: A column is missing.
        """
        id_ = self.id or _first(frame, _IDS)
        time = self.time or _first(frame, _TIMES)
        target = self.target or _first(frame, _TARGETS)
        given = [name for name in (*self.ids, self.time, self.target, *self.known, *self.static) if name is not None]
        missing = [name for name in given if name not in frame.columns]
        if missing or target is None:
            raise DataError(
                f"a table must have the columns {missing or ['y']}, but it has {[str(c) for c in frame.columns]}",
                "name them: Columns(id=..., time=..., target=...)",
            )
        return Columns(id_, time, target, self.known, self.static)


@dataclass(frozen=True)
class Forecasts:
    """An answer.

    Args:
        model: The name of the model that answered.
        model_version: Which version of it.
        request_id: For the server's log.
        quantiles: The quantile levels of the answer, ascending.
        body: The answer itself, in the wire's form.
        columns: How the id and the time are called in ``frame``.
        table: The forecasts, where they came as Arrow.
    """

    model: str
    model_version: str
    request_id: str
    quantiles: tuple[float, ...]
    body: Mapping[str, Any] = field(repr=False)
    columns: Columns = field(default_factory=Columns, repr=False)
    table: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def errors(self) -> list[dict[str, str]]:
        """The series that could not be forecast: ``id``, ``error``, ``hint``, ``where``."""
        return list(self.body.get("errors", ()))

    @property
    def frame(self) -> pd.DataFrame:
        """A long table like ``Pipeline.predict``'s; of several models (``combine="none"``) with a column ``model``."""
        if self.table is not None:
            return self.table
        if self.body.get("models"):
            parts = [self._table(each["forecasts"]).assign(model=each["model"]) for each in self.body["models"]]
            return pd.concat(parts, ignore_index=True)
        return self._table(self.body.get("forecasts", ()))

    def _table(self, forecasts: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        ids, time = self.columns.ids or ("unique_id",), self.columns.time or "ds"
        lengths = [len(f["mean"]) for f in forecasts]
        out: dict[str, Any] = {
            **{name: np.repeat(np.array(column, dtype=object), lengths) for name, column in _parts(ids, forecasts)},
            time: times_of([t for f in forecasts for t in f["time"]]),
            "mean": _numbers([v for f in forecasts for v in f["mean"]]),
        }
        for level in forecasts[0]["quantiles"] if forecasts else ():
            out[level] = _numbers([v for f in forecasts for v in f["quantiles"][level]])
        return pd.DataFrame(out)


def series_of(frame: pd.DataFrame, columns: Columns, future: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """Return a long table as the wire's series, in the order of their first rows; rows are sorted by time.

    Args:
        frame: The history. Columns beside id, time, target, known and static ones are past covariates.
        columns: As ``Columns.found`` returned them.
        future: The known covariates over the horizon, with the same id and time columns.

    Raises:
        DataError: Known covariates are named, but their future is not given.
    """
    if columns.known and future is None:
        raise DataError(f"known covariates {list(columns.known)} must have a future, but none is given", "future=table")
    coming = {} if future is None else _groups(tidy(future, columns, target=False), columns)
    named = {*columns.ids, columns.time, columns.target, *columns.known, *columns.static}
    past = [c for c in frame.columns if c not in named]
    out = []
    for id_, rows in _groups(tidy(frame, columns), columns).items():
        one: dict[str, Any] = {"id": list(id_) if isinstance(id_, tuple) else id_}
        if columns.time is not None:
            one["time"] = _texts(rows[columns.time])
        one["y"] = _listed(rows[columns.target])
        if past:
            one["past"] = {str(name): _listed(rows[name]) for name in past}
        if columns.static:
            one["static"] = {name: _one(name, _listed(rows[name]), id_) for name in columns.static}
        if columns.known:
            if id_ not in coming:
                raise DataError(
                    f"each series must have a future of its known covariates, but {id_!r} has none", "add it"
                )
            one["known"] = {name: [*_listed(rows[name]), *_listed(coming[id_][name])] for name in columns.known}
        out.append(one)
    return out


def _parts(ids: tuple[str, ...], forecasts: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    """Return the columns that name the series of each forecast."""
    if len(ids) == 1:
        return [(ids[0], [f["id"] for f in forecasts])]
    return [(name, [f["id"][i] for f in forecasts]) for i, name in enumerate(ids)]


def dumps(value: Any) -> bytes:
    """Return strict JSON; numbers that are not finite have become null before."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def _groups(frame: pd.DataFrame, columns: Columns) -> dict[Any, pd.DataFrame]:
    if columns.id is None:
        return {"series": frame}
    by: Any = list(columns.ids) if len(columns.ids) > 1 else columns.ids[0]
    return dict(list(frame.groupby(by, sort=True)))


def _one(name: str, values: list[Any], id_: object) -> Any:
    """Return the one value of a series."""
    given = {v for v in values if v is not None}
    if len(given) > 1:
        raise DataError(
            f"static covariates must have one value per series, but {name!r} has {len(given)} for {id_!r}",
            "leave it out of static=",
        )
    return next(iter(given), None)


def _first(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in frame.columns), None)


def _texts(column: pd.Series[Any]) -> list[Any]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M":
        return [text.removesuffix(".000000000") for text in np.datetime_as_string(column.to_numpy())]
    if pd.api.types.is_integer_dtype(column.dtype):
        return [int(v) for v in column]
    return [v.isoformat() if hasattr(v, "isoformat") else str(v) for v in column]


def _listed(column: pd.Series[Any]) -> list[Any]:
    """Return the values of a tidy column, None where missing."""
    return [None if v is None or (isinstance(v, float) and math.isnan(v)) else v for v in column.tolist()]


def _numbers(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def times_of(values: Sequence[Any]) -> Any:
    """Return the times of an answer: counts, moments, or texts in the writing of the model's own table."""
    if all(isinstance(v, int) for v in values):
        return np.array(values, dtype=np.int64)
    texts = pd.Series(list(values), dtype=object)
    if (
        not texts.str.match(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}").all()
        and not texts.str.fullmatch(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}.*)?").all()
    ):
        return texts
    try:
        found = pd.to_datetime(texts, format="ISO8601")
    except ValueError:  # several offsets: a clock change lies between
        found = pd.to_datetime(texts, format="ISO8601", utc=True)
    return found.dt.as_unit("ns")
