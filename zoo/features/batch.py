"""The one data type of this room: series sorted by id and time, as flat arrays.

Inside, times are microseconds since 1970 (UTC where the table has a zone) or the table's own integers, ids are integers
or texts, columns are float64 (NaN where missing) or texts (None where missing). Spark knows no finer clock than the
microsecond, so no engine does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.errors import DataError
from zoo.series.offsets import Ints, Offsets
from zoo.tables.texts import coded, same_text

__all__ = [
    "Array",
    "Batch",
    "FeatureRoles",
    "TimeAxis",
    "batch_of",
    "clock_of",
    "frame_of",
    "missing_of",
    "ranked",
    "same_time",
]

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class FeatureRoles:
    """What the table calls its parts.

    Args:
        id: Column that tells series apart; None for a single series.
        time: Column with the clock.
        target: Column that features are made of.
    """

    id: str | None
    time: str
    target: str

    def check(self, columns: Iterable[Any]) -> None:
        """Raise unless a table has the three among its columns.

        Raises:
            DataError: One is not there.
        """
        there = list(columns)
        for role, name in vars(self).items():
            if name is not None and name not in there:
                raise DataError(
                    f"the {role} column must be in the table, but {name!r} is not among "
                    f"{[str(each) for each in there[:12]]}{' and more' if len(there) > 12 else ''}",
                    f"name it in the source: `{role}: ...`",
                )


@dataclass(frozen=True)
class TimeAxis:
    """What the times mean.

    Args:
        integer: Whether the clock counts steps instead of microseconds.
        zone: Where the clocks hang whose hours and days the calendar means; None: as written.
        every: Distance of the rows, once they are resampled.
    """

    integer: bool = False
    zone: str | None = None
    every: int | None = None


@dataclass(frozen=True)
class Batch:
    """S series with N rows.

    Args:
        ids: (S,) sorted, int64 or text.
        offsets: Where each series begins and ends.
        times: (N,) increasing within each series.
        columns: Name -> (N,) float64 or object.
        names: What the table calls its parts.
        axis: What the times mean.
        notes: What was changed on reading.
    """

    ids: Array
    offsets: Offsets
    times: Ints
    columns: Mapping[str, Array]
    names: FeatureRoles
    axis: TimeAxis = TimeAxis()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.times)

    def with_columns(self, columns: Mapping[str, Array]) -> Batch:
        """Return the batch with some columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    def take(self, rows: Array) -> Batch:
        """Return some rows, in their order; series without rows disappear.

        Args:
            rows: (N,) mask, or increasing indices.
        """
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows  # positions are quicker for many columns
        offsets, some = self.offsets.kept(rows)
        return self._picked(self.ids[some], offsets, rows)

    def series(self, first: int, last: int) -> Batch:
        """Return the series ``first`` to ``last`` (excluded): views, no copies."""
        return self._picked(self.ids[first:last], *self.offsets.series(first, last))

    def tail(self, count: int) -> Batch:
        """Return the last ``count`` rows of each series."""
        offsets, rows = self.offsets.tails(count)
        return self if rows is None else self._picked(self.ids, offsets, rows)

    def _picked(self, ids: Array, offsets: Offsets, rows: Any) -> Batch:
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, ids=ids, offsets=offsets, times=self.times[rows], columns=columns)


def batch_of(frame: pd.DataFrame, names: FeatureRoles, *, zone: str | None = None) -> Batch:
    """Return a frame's series, sorted.

    Args:
        frame: In any order of rows and columns.
        names: Which columns hold id, time and target.
        zone: Zone of the calendar, for times with a zone.

    Raises:
        DataError: A column is missing, times are no times, an id or a time is missing.
    """
    names.check(frame.columns)
    times, axis = clock_of(frame[names.time], zone)
    ids, codes = _ids(frame, names.id)
    order = _order(codes, times)
    columns: dict[str, Array] = {}
    notes: list[str] = []
    for name in frame.columns:
        if name in (names.id, names.time):
            continue
        values = _column(frame[name], notes)
        if values is None:
            notes.append(f"{name}: left out, since {frame[name].dtype} is neither a number nor text")
            continue
        columns[str(name)] = values if order is None else values[order]
    if columns[names.target].dtype == object:
        text = next((v for v in frame[names.target] if isinstance(v, str)), None)
        raise DataError(
            f"the target must be a number, but {names.target!r} holds text, for example {text!r}",
            "convert the column, or name another target",
        )
    offsets = Offsets.of_lengths(np.bincount(codes, minlength=len(ids)))
    batch = Batch(ids, offsets, times if order is None else times[order], columns, names, axis, tuple(notes))
    return _ties_ordered(batch)


def same_time(batch: Batch) -> Array:
    """Return whether a row has the series and the time of the row before."""
    same = np.zeros(len(batch), dtype=bool)
    same[1:] = np.diff(batch.times) == 0
    same[batch.offsets.starts[batch.offsets.lengths > 0]] = False
    return same


def ranked(batch: Batch, same: Array, order: list[tuple[str, bool]]) -> tuple[Ints, Ints]:
    """Return the rows that share their time with another one, and the same in the order of some columns.

    Args:
        batch: The series whose rows are meant.
        same: (N,) what ``same_time`` returned for the batch.
        order: Columns, the first one decides first, and whether large values come first. Missing values come last.
    """
    inside = np.flatnonzero(same | np.concatenate([same[1:], [False]]))
    keys: list[Array] = []
    for name, descending in order:
        keys += _keys(batch.columns[name][inside], descending)
    run = np.cumsum(~same)[inside]
    return inside, inside[np.lexsort((*reversed(keys), run))]


def missing_of(values: Array) -> npt.NDArray[np.bool_]:
    """Return which values are missing: NaN, or None among texts."""
    return np.asarray(values == None, dtype=bool) if values.dtype == object else np.isnan(values)  # noqa: E711


def _keys(values: Array, descending: bool) -> list[Array]:
    missing = missing_of(values)
    if values.dtype == object:
        codes = coded(np.where(missing, "", values), sort=True)[0].astype(float)
    else:
        codes = np.where(missing, 0.0, values)
    return [missing, -codes if descending else codes]


def _ties_ordered(batch: Batch) -> Batch:
    """Order rows of equal id and time by their values: nobody promises an order of rows."""
    same = same_time(batch)
    if not same.any():
        return batch
    target = batch.names.target
    rest = sorted(name for name in batch.columns if name != target)
    inside, sorted_ = ranked(batch, same, [(name, False) for name in (target, *rest)])
    columns = {name: values.copy() for name, values in batch.columns.items()}
    for name, values in batch.columns.items():
        columns[name][inside] = values[sorted_]
    return replace(batch, columns=columns)


def frame_of(batch: Batch, *, like: Any = None) -> pd.DataFrame:
    """Return a batch as a frame: id, time, then the columns.

    Args:
        batch: The series whose rows are meant.
        like: A dtype for the times; datetime64[us] (with the zone, if there is one) by default.
    """
    out: dict[str, Any] = {}
    if batch.names.id is not None:
        taken = batch.ids[batch.offsets.codes]
        out[batch.names.id] = taken
    out[batch.names.time] = _moments(batch, like)
    out.update(batch.columns)
    return pd.DataFrame(out, copy=False)


def _moments(batch: Batch, like: Any) -> Any:
    if batch.axis.integer:
        return batch.times
    moments = batch.times.view("datetime64[us]")
    if batch.axis.zone is not None:
        return pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(batch.axis.zone)
    return moments.astype(like) if like is not None else moments


def clock_of(column: pd.Series[Any], zone: str | None = None) -> tuple[Ints, TimeAxis]:
    """Return a column of times as whole numbers, and what these mean.

    Args:
        column: Dates, times, texts of them, or whole numbers.
        zone: Zone of the calendar, for times with a zone.

    Raises:
        DataError: It holds something else, or a time is missing.
    """
    if pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any():
        return column.to_numpy(np.int64), TimeAxis(integer=True)
    if column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
        column = _parsed(column)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise DataError(
            f"the time column must hold dates, times or whole numbers, but {column.name!r} is {column.dtype}",
            "convert it, for example with pandas.to_datetime",
        )
    if column.isna().any():
        raise DataError(
            f"every row must have a time, but {int(column.isna().sum())} rows of {column.name!r} have none",
            "drop or repair these rows first",
        )
    aware = getattr(column.dtype, "tz", None)
    if aware is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        zone = zone or str(aware)
    moments = column.to_numpy()
    return moments.astype("datetime64[us]").view(np.int64), TimeAxis(zone=zone if aware is not None else None)


def _parsed(column: pd.Series[Any]) -> pd.Series[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            parsed = pd.to_datetime(column, format="ISO8601")
            # Offsets that differ, as on both sides of a clock change: moments all the same.
            return pd.to_datetime(column, format="ISO8601", utc=True) if parsed.dtype == object else parsed
    except (ValueError, TypeError) as error:
        text = next((v for v in column if pd.isna(pd.to_datetime(v, format="ISO8601", errors="coerce"))), None)
        raise DataError(
            f"the time column must hold times, but {column.name!r} is text that is none, for example {text!r}",
            "write times as 2024-01-31 13:00:00, or convert the column with pandas.to_datetime first",
        ) from error


def _ids(frame: pd.DataFrame, name: str | None) -> tuple[Array, Ints]:
    if name is None:
        return np.array(["all"], dtype=object), np.zeros(len(frame), dtype=np.int64)
    column = frame[name]
    if column.isna().any():
        raise DataError(
            f"every row must belong to a series, but {int(column.isna().sum())} rows have no {name!r}",
            "drop these rows, or give them an id",
        )
    if pd.api.types.is_float_dtype(column.dtype):
        raise DataError(
            f"ids must be whole numbers or text, but {name!r} is {column.dtype}",
            "convert the column: frame[id].astype('int64')",
        )
    found: Any
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, ids = np.asarray(column.cat.codes, dtype=np.int64), np.asarray(column.cat.categories)
    else:
        codes, found = coded(column)
        ids = np.asarray(found)
    if ids.dtype.kind in "iub":
        ids = ids.astype(np.int64)
    else:
        codes, ids = same_text(codes, ids)
        _whole_characters(ids, name)
    if len(ids) > 1 and not bool((ids[1:] > ids[:-1]).all()):
        by = np.argsort(ids, kind="stable")
        rank = np.empty(len(ids), dtype=np.int64)
        rank[by] = np.arange(len(ids))
        ids, codes = ids[by], rank[codes]
    return _used(ids, np.asarray(codes, dtype=np.int64))


def _whole_characters(texts: Array, name: str) -> None:
    """Refuse halves of characters: no file and no other engine can hold them."""
    for text in texts:
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise DataError(
                f"ids must be Unicode text, but {name!r} holds {text!a}, with half a character (a surrogate)",
                "decode the column again with its right encoding",
            )


def _used(ids: Array, codes: Ints) -> tuple[Array, Ints]:
    """Drop ids without rows (categories may have such)."""
    counts = np.bincount(codes, minlength=len(ids))
    if (counts > 0).all():
        return ids, codes
    rank = np.cumsum(counts > 0) - 1
    return ids[counts > 0], rank[codes]


def _order(codes: Ints, times: Ints) -> Ints | None:
    """Return the order by id and time, None if the rows are in it."""
    block = 1 << 20  # at a time: the differences of ten million rows would be as large as the table
    for at in range(0, max(len(codes) - 1, 0), block):
        step, later = np.diff(codes[at : at + block + 1]), np.diff(times[at : at + block + 1]) >= 0
        if not bool(((step > 0) | ((step == 0) & later)).all()):
            break
    else:
        return None
    return np.lexsort((times, codes))


def _column(column: pd.Series[Any], notes: list[str]) -> Array | None:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(np.float64, na_value=np.nan) if column.hasnans else column.to_numpy(np.float64)
        wild = np.isinf(values)
        if wild.any():
            notes.append(f"{column.name}: {int(wild.sum())} infinite values are taken as missing")
            values = np.where(wild, np.nan, values)
        return np.asarray(values)
    if column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
        if column.notna().sum() == 0:
            return np.full(len(column), np.nan)
        texts = column.astype(object).to_numpy()
        return np.array([v if isinstance(v, str) else None if pd.isna(v) else str(v) for v in texts], dtype=object)
    return None
