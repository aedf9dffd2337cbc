"""A user's table, whatever its layout -> flat arrays with a code for each series, still unsorted and unrepaired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.columns import IdStyle, read_covariate, read_ids, read_numbers
from autots.panel.frequency import Times
from autots.panel.layouts import Layout, is_number
from autots.panel.panel import Floats, Ints
from autots.panel.times import TimeStyle, read_times
from zoo.errors import DataError
from zoo.tables.source import Table

__all__ = ["COUNT", "FlatTable", "counted", "flatten", "read_static", "wide_series"]

#: The frequency of a table whose rows are numbered rather than dated.
COUNT = "count"


@dataclass(frozen=True)
class FlatTable:
    """Rows of many series in any order.

    Args:
        codes: (N,) index into ``labels``.
        labels: (S,) identifiers as text, sorted.
        times: (N,) datetime64[ns] without zone, or int64.
        y: (N,) target, NaN where missing.
        ids: How the user writes identifiers.
        clock: How the user writes times.
        known: Name -> (N,) covariates whose future is known.
        past: Name -> (N,) covariates known up to now.
        static: Name -> (N,) columns that the user declares static.
        categories: Name -> what the codes of a categorical covariate stand for.
        notes: What was decided or converted, in words.
    """

    codes: Ints
    labels: npt.NDArray[np.object_]
    times: Times
    y: Floats
    ids: IdStyle
    clock: TimeStyle
    known: Mapping[str, Floats] = field(default_factory=dict)
    past: Mapping[str, Floats] = field(default_factory=dict)
    static: Mapping[str, Floats] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def flatten(
    table: Table,
    layout: Layout,
    *,
    clock: TimeStyle | None = None,
    categories: Mapping[str, tuple[str, ...] | None] | None = None,
    date_format: str | None = None,
) -> FlatTable:
    """Read a table's columns into arrays.

    Args:
        table: The user's table.
        layout: How it is laid out.
        clock: How times were written in the table seen at first, if there was one.
        categories: The categories of its covariates (None for those that are numbers), if there was one.
        date_format: The strptime format of times that are texts; None to find it.

    Raises:
        DataError: A column is missing or holds something else than it should.
    """
    if len(table) == 0:
        raise DataError("a table must have rows, but it is empty", "check the query or file that it came from")
    names = layout.columns
    times, style, notes = read_times(layout.get(table, "time"), names.time, clock, date_format=date_format)
    covariates: dict[str, dict[str, Floats]] = {"known": {}, "past": {}, "static": {}}
    found: dict[str, tuple[str, ...]] = {}
    for role, values in covariates.items():
        for name in getattr(names, role):
            if not isinstance(table, pd.DataFrame) or name not in table.columns:
                raise DataError(
                    f"the {role} covariate {name!r} must be in the table, but it has only {_seen(table)}",
                    "send every column that the first table had",
                )
            values[name], kinds = _covariate(table[name], name, categories)
            if kinds is not None:
                found[name] = kinds
    if layout.kind == "wide":
        assert isinstance(table, pd.DataFrame)
        return _flatten_wide(table, layout, times, style, covariates["known"], found, notes)
    y, converted = read_numbers(layout.get(table, "target"), names.target)
    if converted:
        notes.append(f"{converted} numbers in {names.target!r} were written as text")
    if layout.kind == "series":
        codes, labels, ids = np.zeros(len(y), dtype=np.int64), np.array([str(names.target)], dtype=object), IdStyle()
    else:
        codes, labels, ids = read_ids(layout.get(table, "id"), names.id)
    return FlatTable(codes, labels, times, y, ids, style, **covariates, categories=found, notes=tuple(notes))


def _covariate(
    column: Any, name: str, categories: Mapping[str, tuple[str, ...] | None] | None
) -> tuple[Floats, tuple[str, ...] | None]:
    if categories is None or name not in categories:
        return read_covariate(column, name)
    known = categories[name]
    if known is None:
        return read_numbers(column, name, what="a covariate")[0], None
    return read_covariate(column, name, known)


def _seen(table: Table) -> list[Any]:
    return list(table.columns) if isinstance(table, pd.DataFrame) else [table.name]


def wide_series(table: pd.DataFrame, layout: Layout) -> list[Any]:
    """Return the columns of a wide table that are series."""
    other = {layout.columns.time, *layout.columns.known}
    columns = [c for c in table.columns if c not in other]
    return [c for c in columns if is_number(table[c])]


def _flatten_wide(
    table: pd.DataFrame,
    layout: Layout,
    times: Times,
    style: TimeStyle,
    known: dict[str, Floats],
    categories: dict[str, tuple[str, ...]],
    notes: list[str],
) -> FlatTable:
    columns = wide_series(table, layout)
    if not columns:
        raise DataError(f"a wide table must have columns of numbers, but got {list(table.columns)}")
    order, labels, ids = read_ids(pd.Index(columns), layout.columns.id)
    values = np.empty((len(columns), len(table)), dtype=np.float64)
    for code, name in zip(order, columns, strict=True):
        values[code], converted = read_numbers(table[name], name)
        if converted:
            notes.append(f"{converted} numbers in {name!r} were written as text")
    s = len(columns)
    return FlatTable(
        np.repeat(np.arange(s, dtype=np.int64), len(table)),
        labels,
        np.tile(times, s),
        values.ravel(),
        ids,
        style,
        {name: np.tile(v, s) for name, v in known.items()},
        categories=categories,
        notes=tuple(notes),
    )


def read_static(
    table: Table,
    layout: Layout,
    labels: npt.NDArray[np.object_],
    categories: Mapping[str, tuple[str, ...] | None] | None = None,
) -> tuple[dict[str, Floats], dict[str, tuple[str, ...]], Sequence[str]]:
    """Read a table with one row per series.

    Args:
        table: Identifiers in a column or the index, every other column a covariate.
        layout: The layout of the main table.
        labels: (S,) the series wanted.
        categories: The covariates seen at first, and their categories.

    Returns:
        Name -> (S,) values (NaN for series without a row), their categories, and the series without a row.

    Raises:
        DataError: The identifiers are missing or repeat, or a covariate seen at first is missing.
    """
    name = layout.columns.id
    if not isinstance(table, pd.DataFrame):
        table = table.to_frame()
    if name is None:
        raise DataError("static covariates tell series apart, but the table holds one series", "leave static out")
    column: Any
    if name in table.columns:
        column, rest = table[name], [c for c in table.columns if c != name]
    elif table.index.name == name or not isinstance(table.index, pd.RangeIndex):
        column, rest = table.index, list(table.columns)
    else:
        raise DataError(
            f"the static table must name its series in column {name!r}, but it has {list(table.columns)}",
            f"rename the column, or set_index({name!r})",
        )
    codes, owners, _ = read_ids(column, name)
    if len(owners) < len(codes):
        twice = owners[np.argmax(np.bincount(codes) > 1)]
        raise DataError(f"the static table must have one row per series, but {twice!r} has more", "drop the duplicates")
    lacking = sorted(set(categories or ()) - set(rest))
    if lacking:
        raise DataError(f"the static table must keep its columns, but {lacking} are missing")
    where = pd.Index(owners).get_indexer(pd.Index(labels))
    row_of = np.argsort(codes)
    values: dict[str, Floats] = {}
    found: dict[str, tuple[str, ...]] = {}
    for covariate in categories if categories is not None else rest:
        numbers, kinds = _covariate(table[covariate], covariate, categories)
        values[covariate] = np.where(where >= 0, numbers[row_of][where], np.nan if kinds is None else -1.0)
        if kinds is not None:
            found[covariate] = kinds
    return values, found, list(labels[where < 0])


def counted(table: FlatTable) -> FlatTable:
    """Return a table whose clock numbers the distinct times of each series, from 0: the user has no regular clock."""
    order = np.lexsort((table.times, table.codes))
    times, codes = table.times[order], table.codes[order]
    fresh = np.concatenate([[True], (times[1:] != times[:-1]) | (codes[1:] != codes[:-1])])
    number = np.cumsum(fresh) - 1
    first = np.concatenate([[True], codes[1:] != codes[:-1]])
    numbers = np.empty(len(number), dtype=np.int64)
    numbers[order] = number - np.maximum.accumulate(np.where(first, number, 0))
    note = f"times were replaced by the number of the row within its series, as freq={COUNT!r} says"
    return replace(table, times=numbers, clock=TimeStyle("integer", "int64"), notes=(*table.notes, note))
