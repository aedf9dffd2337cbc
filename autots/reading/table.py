"""A user's table, whatever its layout -> flat arrays with a code for each series, still unsorted and unrepaired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.panel import Floats, Ints
from autots.reading.columns import Values, decimal_mark, read_covariate, read_numbers
from autots.reading.findings import Finding
from autots.reading.ids import IdStyle, KeyStyle, read_ids, read_key
from autots.reading.layouts import Layout, as_text, shown
from autots.reading.numerals import PLAIN, NumberStyle
from autots.reading.time_style import TimeStyle
from autots.reading.times import read_times
from autots.reading.value_kinds import is_number, some
from zoo.errors import DataError
from zoo.series.frequency import Times
from zoo.tables.source import Table

__all__ = ["COUNT", "FlatTable", "StaticTable", "counted", "flatten", "left_of_wide", "read_static", "wide_series"]

_LOOKED = 1000  # different values of a column that are compared with the names of series

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
        numbers: Column -> how its numbers are written, where they are text.
        notes: What was decided or converted, in words.
    """

    codes: Ints
    labels: npt.NDArray[np.object_]
    times: Times
    y: Floats
    ids: IdStyle | KeyStyle
    clock: TimeStyle
    known: Mapping[str, Floats] = field(default_factory=dict)
    past: Mapping[str, Floats] = field(default_factory=dict)
    static: Mapping[str, Floats] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, NumberStyle] = field(default_factory=dict)
    notes: tuple[str | Finding, ...] = ()


def flatten(
    table: Table,
    layout: Layout,
    *,
    clock: TimeStyle | None = None,
    categories: Mapping[str, tuple[str, ...] | None] | None = None,
    numbers: Mapping[str, NumberStyle] | None = None,
    date_format: str | None = None,
) -> FlatTable:
    """Read a table's columns into arrays.

    Args:
        table: The user's table, in the names used inside.
        layout: How it is laid out.
        clock: How times were written in the table seen at first, if there was one.
        categories: The categories of its covariates (None for those that are numbers), if there was one.
        numbers: How its columns wrote numbers, if there was one.
        date_format: The strptime format of times that are texts; None to find it.

    Raises:
        DataError: A column is missing or holds something else than it should.
    """
    if len(table) == 0:
        raise DataError("a table must have rows, but it is empty", "check the query or file that it came from")
    names = layout.columns
    times, style, said = read_times(layout.get(table, "time"), names.time, clock, date_format=date_format)
    notes: list[str | Finding] = [*said]
    known = _Known(categories, numbers, _decimal(table, numbers))
    covariates: dict[str, dict[str, Floats]] = {"known": {}, "past": {}, "static": {}}
    found: dict[str, tuple[str, ...]] = {}
    for role, values in covariates.items():
        for name in getattr(names, role):
            if not isinstance(table, pd.DataFrame) or name not in table.columns:
                raise DataError(
                    f"the {role} covariate {name!r} must be in the table, but it has only {shown(_seen(table))}",
                    "send every column that the first table had",
                )
            got = known.covariate(table[name], name)
            values[name] = got.values
            notes.extend(got.findings)
            if got.categories is not None:
                found[name] = got.categories
    if layout.kind == "wide":
        assert isinstance(table, pd.DataFrame)
        return _flatten_wide(table, layout, times, style, covariates["known"], found, notes, known)
    target = known.numbers(layout.get(table, "target"), names.target)
    y = target.values
    notes.extend(target.findings)
    ids: IdStyle | KeyStyle
    if layout.kind == "series":
        codes, labels, ids = np.zeros(len(y), dtype=np.int64), np.array([str(names.target)], dtype=object), IdStyle()
    else:
        codes, labels, ids = read_key(layout.ids(table), names.ids)
    return FlatTable(
        codes, labels, times, y, ids, style, **covariates, categories=found, numbers=known.styles, notes=tuple(notes)
    )


@dataclass
class _Known:
    """What is known of the columns from the first table, and what is learnt of them now.

    Args:
        categories: Of its covariates; None if this is the first table.
        written: How numbers were written there; None likewise.
        decimal: The decimal mark of this table, if some column shows it.
        styles: How the columns read here write numbers, where they are text.
    """

    categories: Mapping[str, tuple[str, ...] | None] | None = None
    written: Mapping[str, NumberStyle] | None = None
    decimal: str | None = None
    styles: dict[str, NumberStyle] = field(default_factory=dict)

    def numbers(self, column: Any, name: Any, *, what: str = "the target") -> Values:
        """Read a column of numbers."""
        style = None if self.written is None else self.written.get(as_text(name))
        return self._noted(name, read_numbers(column, name, what=what, style=style, decimal=self.decimal))

    def covariate(self, column: Any, name: str) -> Values:
        """Read a covariate: as it was read at first, if it was."""
        if self.categories is None or name not in self.categories:
            return self._noted(name, read_covariate(column, name, decimal=self.decimal))
        kinds = self.categories[name]
        if kinds is None:
            return self.numbers(column, name, what="a covariate")
        return read_covariate(column, name, kinds)

    def _noted(self, name: Any, got: Values) -> Values:
        if got.style is not None:
            self.styles[as_text(name)] = got.style
        return got


def _decimal(table: Table, numbers: Mapping[str, NumberStyle] | None) -> str | None:
    """Return the decimal mark that some column shows beyond doubt, here or in the first table, if all show the same."""
    marks = {style.decimal for style in (numbers or {}).values() if style != PLAIN}
    frame = table if isinstance(table, pd.DataFrame) else table.to_frame()
    texts = [pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind) for kind in frame.dtypes]
    if not any(texts):  # nobody asks
        return None
    for at, text in enumerate(texts):
        column = frame.iloc[:, at]
        if pd.api.types.is_float_dtype(column.dtype) and "." not in marks:
            known = some(column, 200).to_numpy(dtype=float)
            marks |= {"."} if (known != np.floor(known)).any() else set()
        elif text:
            mark = decimal_mark(some(column, 500))
            marks |= {mark} if mark else set()
    return marks.pop() if len(marks) == 1 else None


def _seen(table: Table) -> list[Any]:
    return list(table.columns) if isinstance(table, pd.DataFrame) else [table.name]


def wide_series(table: pd.DataFrame, layout: Layout) -> list[Any]:
    """Return the columns of a wide table that are series."""
    other = {layout.columns.time, *layout.columns.known}
    columns = [c for c in table.columns if c not in other]
    return [c for c in columns if is_number(table[c])]


def left_of_wide(table: Table, layout: Layout, series: Iterable[Any]) -> tuple[str, ...]:
    """Return notes on columns of a later wide table that hold no numbers and are left out.

    Args:
        table: The later table, in the names used inside.
        layout: How the first one was read.
        series: The series that are known.

    Raises:
        DataError: A known series is among them, or the table has a row per series and time instead of a column each.
    """
    if not isinstance(table, pd.DataFrame):
        return ()
    roles = {layout.columns.time, *layout.columns.known}
    numbers = set(wide_series(table, layout))
    others = [c for c in table.columns if c not in roles and c not in numbers and not table[c].isna().all()]
    known = {as_text(name) for name in series}
    for name in others:
        if as_text(name) in known:
            value = table[name].dropna().iloc[0]
            raise DataError(
                f"the column of a series must hold numbers, but {name!r} holds {value!r}",
                "correct or drop these values",
            )
        cells = set(map(as_text, table[name].dropna().unique()[:_LOOKED]))
        if cells & known and not any(as_text(c) in known for c in numbers):
            raise DataError(
                f"series must have a column each, as in the first table, but the column {name!r} names them",
                f"turn it: frame.pivot(index={layout.columns.time!r}, columns={name!r}, values=...).reset_index()",
            )
    return tuple(f"column {name!r} holds no numbers and is left out" for name in others)


def _flatten_wide(
    table: pd.DataFrame,
    layout: Layout,
    times: Times,
    style: TimeStyle,
    known: dict[str, Floats],
    categories: dict[str, tuple[str, ...]],
    notes: list[str | Finding],
    how: _Known,
) -> FlatTable:
    columns = wide_series(table, layout)
    if not columns:
        raise DataError(f"a wide table must have columns of numbers, but got {shown(table.columns)}")
    order, labels, ids = read_ids(pd.Index(columns), layout.columns.id)
    values = np.empty((len(columns), len(table)), dtype=np.float64)
    for code, name in zip(order, columns, strict=True):
        got = how.numbers(table[name], name)
        values[code] = got.values
        notes.extend(got.findings)
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
        numbers=how.styles,
        notes=tuple(notes),
    )


def read_static(
    table: Table,
    layout: Layout,
    labels: npt.NDArray[np.object_],
    categories: Mapping[str, tuple[str, ...] | None] | None = None,
    numbers: Mapping[str, NumberStyle] | None = None,
) -> StaticTable:
    """Read a table with one row per series.

    Args:
        table: Identifiers in a column or the index, every other column a covariate.
        layout: The layout of the main table.
        labels: (S,) the series wanted.
        categories: The covariates seen at first, and their categories.
        numbers: How they wrote numbers.

    Raises:
        DataError: The identifiers are missing or repeat, or a covariate seen at first is missing.
    """
    if not isinstance(table, pd.DataFrame):
        table = table.to_frame()
    table = layout.inside(table)
    assert isinstance(table, pd.DataFrame)
    table = table.set_axis([as_text(name) for name in table.columns], axis=1)
    columns, rest = _static_ids(table, layout)
    codes, owners, _ = read_key(columns, layout.columns.ids)
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
    how = _Known(categories, numbers, _decimal(table, numbers))
    findings: list[Finding] = []
    for covariate in categories if categories is not None else rest:
        got = how.covariate(table[covariate], covariate)
        missing = np.nan if got.categories is None else -1.0
        values[covariate] = np.where(where >= 0, got.values[row_of][where], missing)
        findings.extend(got.findings)
        if got.categories is not None:
            found[covariate] = got.categories
    return StaticTable(values, found, how.styles, list(labels[where < 0]), tuple(findings))


@dataclass(frozen=True)
class StaticTable:
    """A table with one row per series.

    Args:
        values: Name -> (S,) values; NaN, or the code -1, for series without a row.
        categories: Name -> what its codes stand for.
        numbers: Name -> how its numbers are written, where they are text.
        without: The series without a row.
        findings: What was found in its columns, for the report.
    """

    values: dict[str, Floats]
    categories: dict[str, tuple[str, ...]]
    numbers: dict[str, NumberStyle]
    without: Sequence[str]
    findings: tuple[Finding, ...] = ()


def _static_ids(table: pd.DataFrame, layout: Layout) -> tuple[list[Any], list[Any]]:
    """Return the columns of a static table that name its series, and the others."""
    names = layout.columns.ids
    if not names:
        raise DataError("static covariates tell series apart, but the table holds one series", "leave static out")
    known = [*table.columns, *table.index.names]
    if all(name in known for name in names):
        columns = [table[n] if n in table.columns else table.index.get_level_values(n) for n in names]
        return columns, [c for c in table.columns if c not in names]
    if table.index.nlevels == len(names) and not isinstance(table.index, pd.RangeIndex):
        return [table.index.get_level_values(k) for k in range(len(names))], list(table.columns)
    wanted = f"column {names[0]!r}" if len(names) == 1 else f"the columns {shown(names)}"
    raise DataError(
        f"the static table must name its series in {wanted}, but it has {shown(table.columns)}",
        f"rename the column, or set_index({names[0]!r})" if len(names) == 1 else "rename the columns",
    )


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
