"""Which column is the clock, which names the series, which is to be forecast.

One series or many, long or wide, in columns or in the index: all are accepted unchanged. Names given by the user
decide; then names that people commonly use; then what the values look like. Where two readings remain, the error says
which columns were seen and which argument settles it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from autots.panel.dates import names_moment
from autots.panel.times import read_times
from zoo.errors import DataError
from zoo.tables.source import Table

__all__ = ["ID_NAMES", "TARGET_NAMES", "TIME_NAMES", "Columns", "Layout", "detect", "is_number"]

#: Names that identify series, in lower case, the surest first.
ID_NAMES = ("unique_id", "item_id", "series_id", "ts_id", "id", "series", "item", "series_name")
#: Names of clocks.
TIME_NAMES: tuple[str, ...] = (
    "ds",
    "timestamp",
    "datetime",
    "date",
    "time",
    "date_time",
    "timestamps",
    "month",
    "week",
    "day",
    "quarter",
    "year",
    "period",
    "hour",
    "t",
    "step",
    "time_idx",
    "ts",
    "when",
    "yearmonth",
    "year_month",
    "yyyymm",
    "yearweek",
    "year_week",
    "yyyyww",
)
#: Names of targets; the first two settle the matter, the others only where one of them is there.
TARGET_NAMES: tuple[str, ...] = (
    "y",
    "target",
    "value",
    "values",
    "sales",
    "demand",
    "close",
    "load",
    "quantity",
    "qty",
    "count",
    "price",
    "passengers",
    "consumption",
    "sold",
)

_SETTLED = 2
_FEW_REPEATS = 0.05  # share of rows whose time came before that are doubles, rather than other series
_LOOK = 50  # values of a column that are looked at


@dataclass(frozen=True)
class Columns:
    """The user's names. Columns without a name (an unnamed index, one series) have the names given in answers.

    Args:
        id: What names the series, or None for a single series.
        time: The clock.
        target: What is forecast.
        known: Covariates whose future is known.
        past: Covariates known only up to now.
        static: Columns with one value per series.
    """

    id: str | None = None
    time: str = "ds"
    target: str = "y"
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How the user's table is laid out.

    Args:
        kind: ``"long"`` (rows are moments of series), ``"wide"`` (columns are series) or ``"series"`` (one series).
        columns: The names.
        levels: The index's levels that hold ``"id"`` or ``"time"``, as pairs of that word and the level.
        index_names: The names of the index's levels, to give the same index back; empty if it says nothing.
        notes: What was read into the table, in words.
    """

    kind: str
    columns: Columns
    levels: tuple[tuple[str, int], ...] = ()
    index_names: tuple[str | None, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def get(self, table: Table, role: str) -> Any:
        """Return the column that plays ``"id"``, ``"time"`` or ``"target"``, wherever the table keeps it.

        Raises:
            DataError: It is not there.
        """
        if isinstance(table, pd.Series) and role == "target":
            return table
        name = getattr(self.columns, role)
        if isinstance(table, pd.DataFrame):
            if name in table.columns:
                return table[name]
            if role == "target" and self.kind == "series" and table.shape[1] == 1:
                return table.iloc[:, 0]
        if name in table.index.names:
            return table.index.get_level_values(name)
        level = dict(self.levels).get(role)
        if level is not None and table.index.nlevels == len(self.index_names):
            return table.index.get_level_values(level)
        raise _unknown(name, _names(table), f"the {role} column")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Layout:
        """Read what ``to_dict`` returned."""
        columns: dict[str, Any] = {
            role: tuple(name) if isinstance(name, list | tuple) else name for role, name in values["columns"].items()
        }
        return cls(
            values["kind"],
            Columns(**columns),
            tuple((role, level) for role, level in values["levels"]),
            tuple(values["index_names"]),
            tuple(values["notes"]),
        )


def detect(
    table: Table,
    *,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
    known: Sequence[str] = (),
    static: Sequence[str] = (),
) -> Layout:
    """Find out how a table is laid out.

    Args:
        table: A pandas frame or series.
        id_col: What names the series.
        time_col: The clock.
        target_col: What is to be forecast.
        known: Covariates whose future is known.
        static: Columns with one value per series.

    Raises:
        DataError: A given name is unknown, or more than one reading is possible.
    """
    known = (known,) if isinstance(known, str) else tuple(known)
    if len(table) == 0:
        raise DataError("a table must have rows, but it is empty", "check the query or file that it came from")
    if isinstance(table, pd.Series):
        return _of_series(table, time_col, target_col)
    _check(table, [id_col, time_col, target_col, *known, *static])
    search = _Search(table, id_col, time_col, target_col, known, tuple(static))
    return search.layout()


def _of_series(table: Any, time_col: str | None, target_col: str | None) -> Layout:
    if table.index.nlevels > 1:
        name = str(table.name) if table.name is not None else target_col or "y"
        found = detect(table.to_frame(name), time_col=time_col, target_col=name)
        return found
    names = (table.index.name,)
    columns = Columns(time=time_col or names[0] or "ds", target=target_col or table.name or "y")
    return Layout("series", columns, (("time", 0),), names)


def _names(table: Table) -> list[Any]:
    columns = list(table.columns) if isinstance(table, pd.DataFrame) else []
    return [*columns, *(name for name in table.index.names if name is not None)]


def _unknown(name: Any, seen: Sequence[Any], what: str) -> DataError:
    close = difflib.get_close_matches(str(name), [str(s) for s in seen], n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}?" if close else "check the spelling"
    return DataError(f"{what} must be in the table, but got {name!r} and the table has {list(seen)}", guess)


def _check(table: pd.DataFrame, given: Sequence[str | None]) -> None:
    if table.columns.nlevels > 1:
        raise DataError(
            f"column names must have one level, but got {table.columns.nlevels}",
            "flatten them: frame.columns = ['_'.join(map(str, c)) for c in frame.columns]",
        )
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise DataError(f"column names must differ, but {twice[0]!r} occurs more than once", "rename one of them")
    seen = _names(table)
    if not seen and table.shape[1] == 0:
        raise DataError("a table must have columns, but it has none", "check the query or file that it came from")
    for name in given:
        if name is not None and name not in seen:
            raise _unknown(name, seen, "a column that is named")
    named = [name for name in given if name is not None]
    twice_given = {name for name in named if named.count(name) > 1}
    if twice_given:
        raise DataError(f"a column must play one role, but {sorted(twice_given)} were given two", "name it once")


def _speaks(index: pd.Index[Any]) -> bool:
    """Whether the index holds data, rather than counting rows."""
    if index.nlevels > 1:
        return True
    return not isinstance(index, pd.RangeIndex) or index.name is not None


def _is_moment(values: Any, *, named: bool) -> bool:
    """Whether values can be a clock; numbers only where the column's name says so."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _is_moment(dtype.categories, named=named)
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return True
    if pd.api.types.is_bool_dtype(dtype):
        return False
    if pd.api.types.is_numeric_dtype(dtype):
        return named and not pd.api.types.is_complex_dtype(dtype)
    some = pd.Series(values).dropna().head(_LOOK)
    kind = pd.api.types.infer_dtype(some)
    if kind in ("date", "datetime", "datetime64", "period"):
        return True
    if kind == "integer":
        return named
    if kind != "string" or not len(some):
        return False
    if named and all(re.fullmatch(r"-?\d+", v) for v in some):
        return True
    # "13:00" and "A4" name no moment, but where the name says time the reader of times must tell what is wrong.
    if named and all(re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", v.strip()) for v in some):
        return True
    return bool(some.map(names_moment).mean() > 0.5)


def is_number(values: Any) -> bool:
    """Whether a column can be a target: numbers, or mostly numbers written as text."""
    dtype = values.dtype
    if pd.api.types.is_numeric_dtype(dtype):
        return not pd.api.types.is_complex_dtype(dtype)
    if not (pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)):
        return False
    some = pd.Series(values).dropna().head(_LOOK)
    if pd.api.types.infer_dtype(some) in ("decimal", "integer", "floating", "mixed-integer-float"):
        return True
    texts = some.map(lambda v: isinstance(v, str | int | float))
    if not len(some) or not texts.all():
        return False
    return bool(pd.to_numeric(some, errors="coerce").notna().mean() > 0.5)


def _shown(names: Sequence[Any]) -> str:
    """Return names as a list, the middle of a long one left out."""
    texts = [repr(name if not isinstance(name, str) else name[:40]) for name in names]
    texts = texts if len(texts) <= 8 else [*texts[:5], f"... ({len(texts) - 6} more)", texts[-1]]
    return f"[{', '.join(texts)}]"


def _first(names: Sequence[Any], wanted: Sequence[str]) -> list[Any]:
    """Return the names that are among the wanted ones, in the order of the latter."""
    lower: dict[str, Any] = {}
    for name in names:
        lower.setdefault(str(name).strip().lower(), name)
    return [lower[w] for w in wanted if w in lower]


@dataclass
class _Search:
    """One search for the roles of a frame's columns."""

    table: pd.DataFrame
    id_col: Any
    time_col: Any
    target_col: Any
    known: tuple[Any, ...]
    static: tuple[Any, ...]
    levels: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def layout(self) -> Layout:
        index: Any = self.table.index
        if index.nlevels > 2:
            raise DataError(f"an index must have one or two levels, but got {index.nlevels}", "use reset_index()")
        time = self._time()
        found_id = self._id(time)
        free = [c for c in self.table.columns if c not in {time, found_id, *self.known, *self.static}]
        if found_id is None and "id" not in self.levels:
            found_id = self._hidden_id(time, free)
            free = [c for c in free if c != found_id]
        long = found_id is not None or "id" in self.levels
        numbers = [c for c in free if is_number(self.table[c])]
        target = self._target(free, numbers, long=long)
        names = tuple(index.names) if self.levels else ()
        shown_time = time if time is not None else (index.names[self.levels["time"]] or "ds")
        if target is None:
            return self._wide(shown_time, free, numbers, names)
        if long and found_id is None:
            found_id = index.names[self.levels["id"]] or "unique_id"
        past = tuple(c for c in free if c != target and self._covariate(c))
        columns = Columns(found_id if long else None, shown_time, target, self.known, past, self.static)
        return Layout("long" if long else "series", columns, tuple(self.levels.items()), names, tuple(self.notes))

    def _covariate(self, name: Any) -> bool:
        column = self.table[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype) or column.dtype.kind == "m":
            self.notes.append(f"column {name!r} holds dates and is left out")
            return False
        return True

    def _wide(self, time: Any, free: list[Any], numbers: list[Any], names: tuple[Any, ...]) -> Layout:
        for name in free:
            if name not in numbers:
                self.notes.append(f"column {name!r} holds no numbers and is left out")
        over: Any = self.table.columns.name
        columns = Columns(over or "unique_id", time, "y", self.known)
        if self.static:
            raise DataError(
                f"a wide table has no room for static columns, but got {list(self.static)}",
                "give static= as a table with one row per series",
            )
        return Layout("wide", columns, tuple(self.levels.items()), names, tuple(self.notes))

    def _level(self, name: Any) -> int | None:
        return None if name in self.table.columns else list(self.table.index.names).index(name)

    def _time(self) -> Any:
        """Return the clock's column, or None where it is a level of the index (then noted in ``levels``)."""
        index, table = self.table.index, self.table
        if self.time_col is not None:
            level = self._level(self.time_col)
            if level is not None:
                self.levels["time"] = level
                return None
            return self.time_col
        given = {self.id_col, self.target_col, *self.known, *self.static} - {None}
        if index.nlevels == 2:
            values = [index.get_level_values(k) for k in (0, 1)]
            sure = [k for k in (0, 1) if index.names[k] not in given and _is_moment(values[k], named=False)]
            likely = [k for k in (0, 1) if str(index.names[k]).lower() in TIME_NAMES and index.names[k] not in given]
            whole = [
                k for k in (0, 1) if pd.api.types.is_integer_dtype(values[k].dtype) and index.names[k] not in given
            ]
            for found in (sure, likely, whole):
                if len(found) == 1:
                    self.levels["time"] = found[0]
                    return None
            raise self._ambiguous("time", list(index.names), "time_col")
        if _speaks(index) and index.name not in given and _is_moment(index, named=False):
            self.levels["time"] = 0
            return None
        columns = [c for c in table.columns if c not in given]
        named = [c for c in _first(columns, TIME_NAMES) if _is_moment(table[c], named=True)]
        if named:
            moments = [c for c in named if _is_moment(table[c], named=False)]
            return (moments or named)[0]
        found_columns = [c for c in columns if _is_moment(table[c], named=False)]
        if len(found_columns) == 1:
            return found_columns[0]
        if len(found_columns) > 1:
            raise self._ambiguous("time", found_columns, "time_col")
        return self._row_clock(columns)

    def _row_clock(self, columns: list[Any]) -> None:
        """Accept an integer index as the clock where it says something, or where there is just one column."""
        index = self.table.index
        whole = pd.api.types.is_integer_dtype(index.dtype)
        if whole and index.nlevels == 1 and (_speaks(index) or (len(columns) == 1 and self.id_col is None)):
            self.levels["time"] = 0
            return
        named = _first(columns, TIME_NAMES)
        if named:
            read_times(self.table[named[0]], named[0])  # says which value is no time
        raise DataError(
            f"a table must have a clock, but no column of {_shown(list(self.table.columns))} holds dates or has a "
            f"usual name ({', '.join(TIME_NAMES[:5])}, ...)",
            "give time_col=..., a column of dates or integers",
        )

    def _id(self, time: Any) -> Any:
        index, table = self.table.index, self.table
        if self.id_col is not None:
            level = self._level(self.id_col)
            if level is not None:
                self.levels["id"] = level
                return None
            return self.id_col
        if index.nlevels == 2:
            self.levels["id"] = 1 - self.levels["time"] if "time" in self.levels else 0
            return None
        columns = [c for c in table.columns if c not in {time, self.target_col, *self.known, *self.static}]
        if _speaks(index) and "time" not in self.levels and str(index.name).lower() in ID_NAMES:
            self.levels["id"] = 0
            return None
        # An "id" that differs in every row counts rows; it names no series.
        found = [c for c in _first(columns, ID_NAMES) if len(table) == 1 or not _all_differ(table[c])]
        return found[0] if found else None

    def _hidden_id(self, time: Any, free: list[Any]) -> Any:
        """Return the one text column that tells apart rows with equal times; None where times do not repeat."""
        clock = pd.Series(self.table.index if time is None else self.table[time].to_numpy())
        repeated = clock.duplicated()
        if not repeated.any():
            return None
        # Beside a date, a column "time" or "month" is the rest of the clock and no series.
        names = [c for c in free if c != self.target_col and str(c).strip().lower() not in TIME_NAMES]
        texts = [c for c in names if not is_number(self.table[c])]
        few = bool(repeated.mean() <= _FEW_REPEATS)
        able = [c for c in texts if not self._clashes(clock, c) and not (few and self._alternates(clock, c))]
        if len(able) == 1:
            self.notes.append(f"column {able[0]!r} was read as the name of the series")
            return able[0]
        integers = [c for c in names if pd.api.types.is_integer_dtype(self.table[c].dtype)]
        if sum(is_number(self.table[c]) for c in free) == 1:
            integers = []  # the only numbers of a table are what is to be forecast
        whole = [c for c in integers if not self._clashes(clock, c) and not (few and self._alternates(clock, c))]
        if able or whole:
            raise DataError(
                f"times repeat in {int(repeated.sum())} of {len(clock)} rows, so a column must name the series, but it "
                f"could be any of {able or whole}",
                "give id_col=... (several columns joined where it takes several), or join the parts of the clock",
            )
        if not few and (repeated & ~self._equal_rows(clock)).mean() > _FEW_REPEATS:
            raise DataError(
                f"times repeat in {int(repeated.sum())} of {len(clock)} rows, so a column must name the series, but no "
                f"column beside {_shown([c for c in self.table.columns if c not in names or c in free])} does",
                "give id_col=..., add up rows of one time (frame.groupby(time).sum()), or join the parts of the clock",
            )
        return None

    def _alternates(self, clock: Any, name: Any) -> bool:
        """Whether a column changes back and forth where times do not repeat, as measurements do and names do not."""
        column = self.table[name].reset_index(drop=True)[clock.argsort(kind="stable")]
        changes = int((column.to_numpy()[1:] != column.to_numpy()[:-1]).sum())
        kinds = column.nunique()
        return bool(4 * kinds > len(column) or changes > 2 * int(clock.duplicated().sum()) + kinds)

    def _equal_rows(self, clock: Any) -> Any:
        """Return which rows equal an earlier one in every column."""
        try:
            return self.table.reset_index(drop=True).assign(**{"__clock": clock}).duplicated()
        except TypeError:  # lists cannot be compared
            return pd.Series(False, index=clock.index)

    def _clashes(self, clock: Any, name: Any) -> bool:
        column = self.table[name].reset_index(drop=True)
        try:
            return bool(pd.DataFrame({"t": clock, "c": column}).duplicated().any())
        except TypeError:  # lists cannot name a series
            return True

    def _target(self, free: list[Any], numbers: list[Any], *, long: bool) -> Any:
        """Return the target, or None for a wide table."""
        if self.target_col is not None:
            return self.target_col
        usual = _first(free, TARGET_NAMES)
        settled = [c for c in usual if str(c).strip().lower() in TARGET_NAMES[:_SETTLED]]
        if settled:
            return settled[0]
        likely = [c for c in usual if c in numbers] or usual
        if len(likely) == 1:
            return likely[0]
        if not numbers:
            raise DataError(
                f"a table must have a column of numbers to forecast, but got {list(self.table.columns)}",
                "give target_col=..., and check how the numbers are written",
            )
        if len(numbers) == 1:
            return numbers[0]
        if long or likely:
            raise self._ambiguous("target", likely or numbers, "target_col")
        return None

    def _ambiguous(self, role: str, found: Sequence[Any], argument: str) -> DataError:
        return DataError(
            f"one column must be the {role}, but it could be any of {list(found)} (the table has {_names(self.table)})",
            f"give {argument}=...",
        )


def _all_differ(column: Any) -> bool:
    try:
        return bool(column.is_unique)
    except TypeError:
        return True
