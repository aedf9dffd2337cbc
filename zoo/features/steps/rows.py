"""Steps that change which rows there are.

Every rule is one that a table without an order of rows can follow, since Spark's have none: ties are broken by the
values. Sums are taken one after the other in the order of time and value, so they have the same bits everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from zoo.errors import ConfigError, DataError
from zoo.features.batch import Array, Batch, missing_of, ranked, same_time
from zoo.features.expression import ArrayDialect, Condition
from zoo.features.steps.base import RowStep, Scope, microseconds
from zoo.series.offsets import Floats, Ints, Offsets, spans
from zoo.tables.texts import coded

__all__ = ["HOWS", "Aggregate", "Deduplicate", "Filter", "Resample", "moment"]

How = Literal["mean", "sum", "min", "max", "first", "last", "count"]
HOWS = ("mean", "sum", "min", "max", "first", "last", "count")
#: More empty rows per given row than this are a mistake in the times.
SPARSE = 500
_DAY = 86_400_000_000  # microseconds


def moment(text: str) -> int:
    """Return a time in a condition as microseconds since 1970.

    Raises:
        ConfigError: It is no time.
    """
    try:
        at = pd.Timestamp(text)
    except ValueError as error:
        raise ConfigError(f"a time must be written as 2024-01-31 13:00, but got {text!r}", "correct it") from error
    return int((at.tz_convert("UTC").tz_localize(None) if at.tz is not None else at).value // 1000)


class Filter(RowStep):
    """Keep the rows for which a condition holds.

    Args:
        where: For example ``kwh >= 0 and status == "ok"``.
    """

    kind: ClassVar[str] = "filter"
    short: ClassVar[str | None] = "where"
    where: str

    @field_validator("where")
    @classmethod
    def _readable(cls, where: str) -> str:
        Condition(where)
        return where

    def scope(self, scope: Scope) -> Scope:
        """Check the names in the condition."""
        known = {*scope.numbers, *scope.texts, scope.names.time, scope.names.id}
        for name in sorted(Condition(self.where).names - known):
            raise ConfigError(f"a condition must name columns, but there is no {name!r}", "check the spelling")
        return scope

    def apply(self, batch: Batch) -> Batch:
        """Return the rows that are kept."""
        columns = dict(batch.columns)
        condition = Condition(self.where)
        if batch.names.time in condition.names:
            columns[batch.names.time] = batch.times
        if batch.names.id is not None and batch.names.id in condition.names:
            ids = batch.ids if batch.ids.dtype == object else batch.ids.astype(float)
            columns[batch.names.id] = ids[batch.offsets.codes]
        mask = condition.in_words_of(ArrayDialect(columns, time=batch.names.time, moments=moment))
        return batch.take(np.broadcast_to(mask, (len(batch),)))


class Deduplicate(RowStep):
    """Keep one row of each series and time.

    Args:
        keep: Among rows of one time, the last or the first by ``by``; then by the target, then by the other columns in
            the alphabetical order of their names. Missing values lose.
        by: A column that orders them, such as the time of arrival.
    """

    kind: ClassVar[str] = "deduplicate"
    keep: Literal["last", "first"] = "last"
    by: str | None = None

    def order(self, names: list[str], target: str) -> list[str]:
        """Return the columns that decide, the first one first."""
        first = [self.by] if self.by is not None else []
        rest = sorted(name for name in names if name not in (self.by, target))
        return first + ([target] if target != self.by else []) + rest

    def scope(self, scope: Scope) -> Scope:
        """Check ``by``."""
        if self.by is not None and self.by not in (*scope.numbers, *scope.texts):
            raise ConfigError(f"`by` must be a column of numbers or text, but there is no {self.by!r}", "name another")
        return scope

    def apply(self, batch: Batch) -> Batch:
        """Return one row of each time."""
        same = same_time(batch)
        if not same.any():
            return batch
        names = self.order(list(batch.columns), batch.names.target)
        inside, order = ranked(batch, same, [(name, self.keep == "last") for name in names])
        run = np.cumsum(~same)
        keep = np.ones(len(batch), dtype=bool)
        keep[inside] = False
        keep[order[np.concatenate([[True], np.diff(run[order]) > 0])]] = True
        return batch.take(keep)


class Resample(RowStep):
    """Lay the rows on a grid from the first to the last row of each series.

    Steps are counted from the midnight that begins 1970 in the table's zone, those of whole weeks from a Monday. Where
    the zone's clock changes, hours are counted in UTC, and whole days are refused: one of 23 hours is no step.

    Args:
        every: Distance of the rows, such as 15min, 1h, 1d or 7d.
        how: What becomes of several values: mean, sum, min, max, first, last or count.
        columns: Another ``how`` for some columns. Text takes the last one, and is carried over steps without a row.
    """

    kind: ClassVar[str] = "resample"
    every: str
    how: How = "mean"
    columns: dict[str, How] = Field(default_factory=dict)

    @field_validator("every")
    @classmethod
    def _positive(cls, every: str) -> str:
        microseconds(every, "every")
        return every

    @property
    def step(self) -> int:
        """``every`` in microseconds."""
        return microseconds(self.every, "every")

    def origin(self, zone: str | None) -> int:
        """Return a moment at which a step begins, in microseconds since 1970 in UTC.

        Args:
            zone: Of the table's clock; None for times as written.

        Raises:
            DataError: Steps of whole days in a zone whose clock changes.
        """
        return origin_of(self.step, zone)

    def scope(self, scope: Scope) -> Scope:
        """Check the columns."""
        scope.numeric(list(self.columns), "resample")
        return scope

    def apply(self, batch: Batch) -> Batch:
        """Return regular series; steps without a row are missing."""
        if batch.axis.integer:
            raise DataError("resample needs times, but the clock of this table is a whole number", "leave it out")
        step, origin = self.step, self.origin(batch.axis.zone)
        slots = (batch.times - origin) // step
        axis = replace(batch.axis, every=step)
        counted = any(self.columns.get(name, self.how) == "count" for name in _numbers(batch))
        if not counted and _is_regular(slots, batch.offsets):
            return replace(batch, times=slots * step + origin, axis=axis)
        offsets, places, rows = _grid(slots, batch.offsets)
        times = places * step + origin
        columns: dict[str, Array] = {}
        for name, values in batch.columns.items():
            if values.dtype == object:
                columns[name] = _carried(values, batch.times, rows, offsets)
            else:
                columns[name] = combine(values, batch.times, rows, offsets.rows, self.columns.get(name, self.how))
        return replace(batch, offsets=offsets, times=times, columns=columns, axis=axis)


def _numbers(batch: Batch) -> dict[str, Array]:
    return {name: values for name, values in batch.columns.items() if values.dtype != object}


def _is_regular(slots: Ints, offsets: Offsets) -> bool:
    step = np.diff(slots)
    inside = np.ones(len(step), dtype=bool)
    inside[offsets.indptr[1:-1] - 1] = False
    return bool((step[inside] == 1).all())


def _grid(slots: Ints, offsets: Offsets) -> tuple[Offsets, Ints, Ints]:
    """Return the offsets and the slots of the grid, and the grid's row of each given row."""
    first, last = slots[offsets.starts], slots[offsets.ends - 1]
    lengths = last - first + 1
    if int(lengths.sum()) > SPARSE * len(slots) + 1000:
        worst = int(np.argmax(lengths))
        raise DataError(
            f"resampling must not make more than {SPARSE} rows of one, but {len(slots)} rows would become "
            f"{int(lengths.sum())}: series {worst} has {int(offsets.lengths[worst])} rows over {int(lengths[worst])} "
            "steps",
            "take a longer `every`, or check the units of the time column",
        )
    grid = Offsets.of_lengths(lengths)
    return grid, spans(first, lengths), slots + offsets.repeat(grid.starts - first)


def origin_of(step: int, zone: str | None) -> int:
    """Return a moment at which a step begins, see ``Resample.origin``.

    >>> origin_of(7 * _DAY, None) // _DAY, origin_of(_DAY, "Asia/Kolkata") // 60_000_000, origin_of(_DAY // 24, None)
    (4, -330, 0)
    """
    ahead = 0 if zone is None else _ahead(zone)
    if ahead is None and step % _DAY == 0:
        raise DataError(
            f"steps of whole days must be of one length, but every={step // _DAY}d and the clock in {zone} changes",
            "give local times without their zone: frame[time].dt.tz_localize(None); or steps of hours",
        )
    return (4 * _DAY if step % (7 * _DAY) == 0 else 0) - (ahead or 0)


@lru_cache(maxsize=64)
def _ahead(zone: str) -> int | None:
    """Return what a zone's clock is ahead of UTC, in microseconds; None if it changes."""
    months = pd.date_range("2000-01-01", "2037-12-01", freq="MS", tz="UTC")
    ahead = np.unique((months.tz_convert(zone).tz_localize(None) - months.tz_localize(None)).total_seconds())
    return int(ahead[0]) * 1_000_000 if len(ahead) == 1 else None


def combine(values: Floats, times: Ints, rows: Ints, count: int, how: str) -> Floats:
    """Return one value per target row from the known values that belong to it.

    Args:
        values: (N,), NaN where missing.
        times: (N,) what orders them, before their own size does.
        rows: (N,) target row of each value, in any order.
        count: Number of target rows.
        how: One of ``HOWS``, the value that stands for the others.
    """
    known = np.isfinite(values)
    values, times, rows = values[known], times[known], rows[known]
    number = np.bincount(rows, minlength=count)
    if how == "count":
        return number.astype(float)
    out = np.full(count, np.nan)
    if not len(values):
        return out
    step = np.diff(rows)
    if not (step > 0).all():
        ties = (step < 0) | ((step == 0) & ((np.diff(times) < 0) | ((np.diff(times) == 0) & (np.diff(values) < 0))))
        if ties.any():
            order = np.lexsort((values, times, rows))
            values, times, rows = values[order], times[order], rows[order]
    have = number > 0
    starts = np.flatnonzero(np.concatenate([[True], np.diff(rows) > 0]))
    if how in ("mean", "sum"):
        # bincount adds one value after the other, in their order, beginning with 0: Spark's aggregate() does the same.
        total = np.bincount(rows, weights=values, minlength=count)[have]
        out[have] = total if how == "sum" else total / number[have]
    elif how in ("min", "max"):
        out[have] = (np.minimum if how == "min" else np.maximum).reduceat(values, starts)
    elif how == "first":
        out[have] = values[starts]
    else:
        out[have] = values[np.concatenate([starts[1:], [len(values)]]) - 1]
    return out


def _carried(values: Array, times: Ints, rows: Ints, offsets: Offsets) -> Array:
    """Return the last text of each target row, of equal times the greatest; rows without any take the row before.

    Only steps without a row are filled: so a history that begins with a row needs nothing from before.
    """
    out = np.full(offsets.rows, None, dtype=object)
    known = ~missing_of(values)
    if known.any():
        codes, texts = coded(values[known], sort=True)
        order = np.lexsort((codes, times[known], rows[known]))
        out[rows[known][order]] = np.asarray(texts, dtype=object)[codes[order]]
    at = np.full(offsets.rows, -1, dtype=np.int64)
    at[rows] = rows
    return out[np.maximum.accumulate(at)]


class Aggregate(RowStep):
    """Put the series of a group together: one series per value of a column, one row per time.

    Args:
        by: The column of text or whole numbers that becomes the id.
        how: What becomes of the values of one time.
        columns: Another ``how`` for some columns. Other texts are dropped.
    """

    kind: ClassVar[str] = "aggregate"
    by: str
    how: How = "sum"
    columns: dict[str, How] = Field(default_factory=dict)

    def scope(self, scope: Scope) -> Scope:
        """Return the columns of numbers that are left."""
        if self.by not in (*scope.numbers, *scope.texts):
            raise ConfigError(f"`by` must be a column, but there is no {self.by!r}", "name another one")
        scope.numeric(list(self.columns), "aggregate")
        numbers = tuple(name for name in scope.numbers if name != self.by)
        return replace(scope, names=replace(scope.names, id=self.by), numbers=numbers, texts=())

    def apply(self, batch: Batch) -> Batch:
        """Return one series per group."""
        keys = batch.columns[self.by]
        missing = missing_of(keys)
        if missing.any():
            raise DataError(
                f"every row must belong to a group, but {int(missing.sum())} rows have no {self.by!r}",
                f"filter them first: {self.by} is not None",
            )
        if keys.dtype != object:
            if (keys % 1 != 0).any():
                raise DataError(f"groups must be whole numbers or text, but {self.by!r} has fractions", "round them")
            keys = keys.astype(np.int64)
        codes, found = coded(keys, sort=True)
        stamp, moments = pd.factorize(batch.times, sort=True)
        cell = codes * len(moments) + stamp
        cells, rows = np.unique(cell, return_inverse=True)
        counts = np.bincount(cells // len(moments), minlength=len(found))
        constant = np.zeros(len(batch), dtype=np.int64)
        columns: dict[str, Array] = {
            name: combine(values, constant, rows, len(cells), self.columns.get(name, self.how))
            for name, values in batch.columns.items()
            if name != self.by and values.dtype != object
        }
        return replace(
            batch,
            ids=np.asarray(found),
            offsets=Offsets.of_lengths(counts),
            times=np.asarray(moments)[cells % len(moments)],
            columns=columns,
            names=replace(batch.names, id=self.by),
        )
