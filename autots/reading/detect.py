"""Which column is the clock, which name the series, which is to be forecast.

One series or many, long or wide, in columns or in the index: all are accepted unchanged. Names given by the user
decide; then names that people commonly use; then what the values look like. Where two readings remain, the error says
which columns were seen and which argument settles it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from autots.reading.keys import Keys, few, key_of, phrase
from autots.reading.layouts import (
    ID_NAMES,
    TARGET_NAMES,
    TIME_NAMES,
    Columns,
    Layout,
    as_text,
    names_of,
    shown,
    unknown,
)
from autots.reading.looks import is_moment, is_number
from autots.reading.times import read_times
from zoo.errors import DataError
from zoo.tables.source import Table

__all__ = ["detect"]

_SETTLED = 2
# Names of parts of a date: beside a column of whole dates they are no clock.
_PARTS = frozenset({"month", "week", "day", "quarter", "year", "period", "hour", "t", "step", "time_idx"})
_SURE = "unique_id"  # a name that is a statement rather than a guess


def detect(
    table: Table,
    *,
    id_col: Any = None,
    time_col: Any = None,
    target_col: Any = None,
    known: Sequence[Any] = (),
    static: Sequence[Any] = (),
) -> Layout:
    """Find out how a table is laid out.

    Args:
        table: A pandas frame or series.
        id_col: What names the series; a list of columns that only together do.
        time_col: The clock.
        target_col: What is to be forecast.
        known: Covariates whose future is known.
        static: Columns with one value per series.

    Raises:
        DataError: A given name is unknown, or more than one reading is possible.

    >>> days = pd.date_range("2024", periods=5)
    >>> rows = [(d, s, i, 1.0) for d in days for s in (1, 2) for i in "ab"]
    >>> detect(pd.DataFrame(rows, columns=["day", "shop", "item", "sold"])).columns.key
    ('shop', 'item')
    """
    known = (known,) if isinstance(known, str) else tuple(known)
    if len(table) == 0:
        raise DataError("a table must have rows, but it is empty", "check the query or file that it came from")
    if isinstance(table, pd.Series):
        return _of_series(table, time_col, target_col)
    key = key_of(id_col, names_of(table))
    _check(table, [*key, *(name for name in (time_col, target_col) if name is not None), *known, *static])
    search = _Search(table, key, time_col, target_col, known, tuple(static))
    return _in_text(search.layout(), table)


def _in_text(layout: Layout, table: pd.DataFrame) -> Layout:
    """Return a layout whose names are text, with the user's own beside them."""
    columns = layout.columns
    roles = [*columns.ids, columns.time, columns.target, *columns.known, *columns.past, *columns.static]
    original = {as_text(name): name for name in roles if not isinstance(name, str)}
    both = sorted(name for name in original if name in table.columns or [as_text(r) for r in roles].count(name) > 1)
    if both:
        raise DataError(
            f"column names must differ as text, but {both[0]!r} and {original[both[0]]!r} do not", "rename one of them"
        )
    one = as_text(columns.id) if columns.id is not None else None
    columns = Columns(
        id=" | ".join(map(as_text, columns.key)) if columns.key else one,
        time=as_text(columns.time),
        target=as_text(columns.target),
        known=tuple(map(as_text, columns.known)),
        past=tuple(map(as_text, columns.past)),
        static=tuple(map(as_text, columns.static)),
        key=tuple(map(as_text, columns.key)),
    )
    notes = layout.notes
    if original:
        words = ", ".join(repr(name) for name in original.values())
        notes = (*notes, f"the column names {words[:200]} are no text: inside they are, in answers they come back")
    return replace(layout, columns=columns, original=original, notes=notes)


def _of_series(table: Any, time_col: Any, target_col: Any) -> Layout:
    if table.index.nlevels > 1:
        name = as_text(_named(table.name, target_col, "y"))
        return detect(table.to_frame(name), time_col=time_col, target_col=name)
    names = (table.index.name,)
    time = _named(time_col, names[0], "ds")
    columns = Columns(time=as_text(time), target=as_text(_named(target_col, table.name, "y")))
    original = {} if isinstance(time, str) else {as_text(time): time}
    return Layout("series", columns, (("time", 0),), names, original=original)


def _named(*names: Any) -> Any:
    """Return the first name that is one; 0 and "" are."""
    return next(name for name in names if name is not None)


def _check(table: pd.DataFrame, named: Sequence[Any]) -> None:
    if table.columns.nlevels > 1:
        raise DataError(
            f"column names must have one level, but got {table.columns.nlevels}",
            "flatten them: frame.columns = ['_'.join(map(str, c)) for c in frame.columns]",
        )
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise DataError(f"column names must differ, but {twice[0]!r} occurs more than once", "rename one of them")
    seen = names_of(table)
    if not seen and table.shape[1] == 0:
        raise DataError("a table must have columns, but it has none", "check the query or file that it came from")
    for name in named:
        if isinstance(name, list | set | dict) or name not in seen:
            raise unknown(name, seen, "a column that is named")
    twice_given = [name for i, name in enumerate(named) if name in named[:i]]
    if twice_given:
        raise DataError(f"a column must play one role, but {shown(twice_given)} were given two", "name it once")


def _speaks(index: pd.Index[Any]) -> bool:
    """Whether the index holds data, rather than counting rows."""
    if index.nlevels > 1:
        return True
    return not isinstance(index, pd.RangeIndex) or index.name is not None


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
    key: tuple[Any, ...]
    time_col: Any
    target_col: Any
    known: tuple[Any, ...]
    static: tuple[Any, ...]
    levels: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def layout(self) -> Layout:
        index: Any = self.table.index
        time = self._time()
        if time is None and "time" not in self.levels:
            raise DataError(
                f"the column of times must have a name, but it is None among {shown(list(self.table.columns))}",
                "name it, for example frame.columns = ['ds', 'y']",
            )
        key = self._id(time)
        free = [c for c in self.table.columns if c not in {time, *key, *self.known, *self.static}]
        if not self.key and "id" not in self.levels:
            key = self._told_apart(time, key, free) if key else self._hidden_id(time, free)
            free = [c for c in free if c not in key]
        long = bool(key) or "id" in self.levels
        if "id" in self.levels and "time" in self.levels and not self.key:
            self._refuse_merging()
        numbers = [c for c in free if is_number(self.table[c])]
        target = self._target(free, numbers, long=long)
        if target is None and (one := self._one_series(numbers)):
            key, target, long = one[:-1], one[-1], True
            free = [c for c in free if c not in key]
        # A table without an index that answers could have, and one whose key lies in its index, answers in columns.
        given_back = self.levels and (index.nlevels <= 2) and not (len(key) > 1 and index.nlevels > 1)
        names = tuple(index.names) if given_back else ()
        levels = tuple(self.levels.items()) if given_back else ()
        shown_time = time if time is not None else _named(index.names[self.levels["time"]], "ds")
        if target is None:
            return self._wide(shown_time, free, numbers, names)
        if long and not key:
            key = (_named(index.names[self.levels["id"]], "unique_id"),)
        past = tuple(c for c in free if c != target and self._covariate(c))
        of_key = key if len(key) > 1 else ()
        # The names are still the user's own, of any kind; they become text at the end.
        id_: Any = of_key or (key[0] if long else None)
        columns = Columns(id_, shown_time, target, self.known, past, self.static, of_key)
        return Layout("long" if long else "series", columns, levels, names, tuple(self.notes))

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
        over: Any = _named(self.table.columns.name, "unique_id" if time != "unique_id" else "series")
        columns = Columns(over, time, "y", self.known)
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
        given = {*self.key, self.target_col, *self.known, *self.static} - {None}
        if index.nlevels >= 2:
            open_ = [k for k in range(index.nlevels) if index.names[k] not in given]
            values = {k: index.get_level_values(k) for k in open_}
            sure = [k for k in open_ if is_moment(values[k], named=False)]
            likely = [k for k in open_ if str(index.names[k]).lower() in TIME_NAMES]
            whole = [k for k in open_ if pd.api.types.is_integer_dtype(values[k].dtype)]
            for found in (sure, likely, whole):
                if len(found) == 1:
                    self.levels["time"] = found[0]
                    return None
            raise self._ambiguous("time", list(index.names), "time_col")
        if _speaks(index) and index.name not in given and is_moment(index, named=False):
            self.levels["time"] = 0
            return None
        columns = [c for c in table.columns if c not in given]
        named = [c for c in _first(columns, TIME_NAMES) if is_moment(table[c], named=True)]
        moments = [c for c in named if is_moment(table[c], named=False)]
        if moments:
            return moments[0]
        whole_names = [c for c in named if str(c).strip().lower() not in _PARTS]
        if whole_names:
            return whole_names[0]
        found_columns = [c for c in columns if is_moment(table[c], named=False)]
        if named and len(found_columns) != 1:
            return named[0]
        if len(found_columns) == 1:
            return found_columns[0]
        if len(found_columns) > 1:
            raise self._ambiguous("time", found_columns, "time_col")
        return self._row_clock(columns)

    def _row_clock(self, columns: list[Any]) -> None:
        """Accept an integer index as the clock where it says something, or where there is just one column."""
        index = self.table.index
        whole = pd.api.types.is_integer_dtype(index.dtype)
        if whole and index.nlevels == 1 and (_speaks(index) or (len(columns) == 1 and not self.key)):
            self.levels["time"] = 0
            return
        named = _first(columns, TIME_NAMES)
        if named:
            read_times(self.table[named[0]], named[0])  # says which value is no time
        raise DataError(
            f"a table must have a clock, but no column of {shown(self.table.columns)} holds dates or has a usual name "
            f"({', '.join(TIME_NAMES[:5])}, ...)",
            "give time_col=..., a column of dates or integers"
            + ("; if each row is a series, melt it first: frame.melt(id_vars=[...], ...)" if len(columns) > 20 else ""),
        )

    def _id(self, time: Any) -> tuple[Any, ...]:
        """Return the columns that name the series by their names; none where a level of the index does, or nothing."""
        index, table = self.table.index, self.table
        if len(self.key) == 1:
            level = self._level(self.key[0])
            if level is not None:
                self.levels["id"] = level
                return ()
        if self.key:
            return self.key
        if index.nlevels == 2:
            self.levels["id"] = 1 - self.levels["time"] if "time" in self.levels else 0
            return ()
        if index.nlevels > 2:
            others = [name for k, name in enumerate(index.names) if k != self.levels.get("time")]
            if any(name is None for name in others) or time is not None:
                raise DataError(
                    f"an index of more than two levels must name them, one of them the clock, but got {index.names}",
                    "use reset_index(), and id_col=[...]",
                )
            self.key = tuple(others)
            return self.key
        columns = [c for c in table.columns if c not in {time, self.target_col, *self.known, *self.static}]
        if _speaks(index) and "time" not in self.levels and str(index.name).lower() in ID_NAMES:
            self.levels["id"] = 0
            return ()
        # An "id" that differs in every row counts rows; it names no series.
        found = _first(columns, ID_NAMES)
        usable = [c for c in found if len(table) == 1 or not _all_differ(table[c])]
        if len(usable) > 1:
            # Several usual names: one that tells rows of equal time apart, if there is one.
            keys = Keys(table, self._clock(time))
            usable = [c for c in usable if few(keys.merged([c]), keys.n)] or usable
        if found and not usable and is_number(table[found[0]]):
            self._refuse_one_row_each(time, found[0])
        return (usable[0],) if usable else ()

    def _refuse_one_row_each(self, time: Any, name: Any) -> None:
        keys = Keys(self.table, self._clock(time))
        if not few(keys.merged([]), keys.n):
            raise DataError(
                f"a series must have several rows, but {name!r} differs in all {len(self.table)} rows, while their "
                "times repeat",
                "give a table with one row per series and time, or id_col=... if another column names the series",
            )

    def _clock(self, time: Any) -> Any:
        if time is not None:
            return self.table[time].to_numpy()
        return self.table.index.get_level_values(self.levels["time"])

    def _told_apart(self, time: Any, key: tuple[Any, ...], free: list[Any]) -> tuple[Any, ...]:
        """Return columns that tell rows of equal time apart: those with a usual name, or more of them.

        Raises:
            DataError: The usual name alone would merge many rows, and nothing clearly tells them apart.
        """
        keys = Keys(self.table, self._clock(time))
        if few(keys.merged(key), keys.n):
            return key
        longer = keys.longer(key, self._may_name(free))
        keys, n = Keys(self.table, self._clock(time), exact=True), len(self.table)
        merged = keys.merged(key)
        alone = f"{key[0]!r} alone names {keys.count(key)} series, and {merged} of {n} rows share series and time"
        if len(longer) == 1:
            found = tuple(c for c in self.table.columns if c in longer[0])
            self.notes.append(f"{alone}: {phrase(found)} were read as the key of {keys.count(found)} series")
            return found
        sure = str(key[0]).strip().lower() == _SURE
        if not longer and sure and 2 * merged <= n:
            return key
        others = "; ".join(f"{phrase(one)} name {keys.count(one)} series" for one in longer[:3])
        raise DataError(
            f"few rows may share series and time, but {alone}{'; ' + others if others else ''}",
            (
                f"give id_col={list(longer[0])}, the columns that together name a series, or "
                if longer
                else "add them up first: frame.groupby([series, time]).sum(), or give "
            )
            + f"id_col={key[0]!r} to merge these rows by their mean",
        )

    def _refuse_merging(self) -> None:
        """Raise if an index whose levels nobody named would merge many rows."""
        index, n = self.table.index, len(self.table)
        if not index.has_duplicates:
            return
        try:
            same = int(self.table.assign(**{"": index}).duplicated().sum())
        except TypeError:  # cells that cannot be compared
            same = 0
        merged = int(index.duplicated().sum()) - same
        if not few(merged, n):
            name = index.names[self.levels["id"]]
            raise DataError(
                f"few rows may share series and time, but {merged} of {n} rows repeat an entry of the index",
                f"use reset_index() and give id_col=[...], the columns that together name a series, or id_col={name!r} "
                "to merge these rows by their mean",
            )

    def _may_name(self, free: list[Any]) -> list[Any]:
        """Return the columns that may be a part of a series' name: text and whole numbers, but not what is forecast."""
        numbers = [c for c in free if is_number(self.table[c])]
        # Beside a date, a column "time" or "month" is the rest of the clock and no series.
        usual = {*TIME_NAMES, *TARGET_NAMES}
        names = [c for c in free if c != self.target_col and str(c).strip().lower() not in usual]
        whole = [c for c in names if c in numbers and pd.api.types.is_integer_dtype(self.table[c].dtype)]
        if self.target_col is None and len(numbers) == 1:
            whole = []
        booleans = [c for c in names if pd.api.types.is_bool_dtype(self.table[c].dtype)]
        dates = [c for c in names if is_moment(self.table[c], named=False)]
        return [c for c in names if (c not in numbers or c in whole) and c not in booleans and c not in dates]

    def _hidden_id(self, time: Any, free: list[Any]) -> tuple[Any, ...]:
        """Return the text columns that tell apart rows with equal times; none where times do not repeat.

        Raises:
            DataError: Times repeat in many rows, and it is not clear what names the series.
        """
        keys = Keys(self.table, self._clock(time))
        repeated, n = keys.merged([]), keys.n
        if not repeated:
            return ()
        names = self._may_name(free)
        texts = [c for c in names if not is_number(self.table[c])]
        if few(repeated, n):
            # Doubles of one series, unless a text that keeps still where times do not repeat tells them apart.
            still = [c for c in texts if keys.count([c]) > 1 and not keys.merged([c]) and not keys.alternates(c)]
            if len(still) == 1:
                self.notes.append(f"column {still[0]!r} was read as the name of the series")
            return (still[0],) if len(still) == 1 else ()
        # A name that is new in every other row describes rows.
        able = [c for c in texts if 1 < keys.count([c]) <= max(n / 2, 5) and few(keys.merged([c]), n)]
        if len(able) == 1:
            self.notes.append(f"column {able[0]!r} was read as the name of the series")
            return (able[0],)
        whole = [c for c in names if c not in texts and few(keys.merged([c]), n)]
        longer = [] if able or whole else keys.longer((), names)
        if len(longer) == 1 and all(c in texts for c in longer[0]):
            found = tuple(c for c in self.table.columns if c in longer[0])
            self.notes.append(f"{phrase(found)} were read as the key of the series")
            return found
        could = able or whole or [list(key) for key in longer]
        repeated = Keys(self.table, self._clock(time), exact=True).merged([])
        begin = f"times repeat in {repeated} of {len(self.table)} rows, so a column must name the series, but "
        if not could:
            raise DataError(
                f"{begin}no column beside {shown([c for c in self.table.columns if c not in names])} does",
                "give id_col=..., add up rows of one time (frame.groupby(time).sum()), or join the parts of the clock",
            )
        raise DataError(
            f"{begin}it could be any of {shown(could)}",
            f"give id_col={list(longer[0]) if longer else '...'}, or a list of columns that name a series together; or "
            "join the parts of the clock",
        )

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
                f"a table must have a column of numbers to forecast, but got {shown(self.table.columns)}",
                "give target_col=..., and check how the numbers are written",
            )
        if len(numbers) == 1:
            return numbers[0]
        if long or likely:
            raise self._ambiguous("target", likely or numbers, "target_col")
        return None

    def _one_series(self, numbers: list[Any]) -> tuple[Any, ...]:
        """Return what names a single series, and its target: whole numbers that stand still beside one that varies.

        The export of one sensor: nobody wants to forecast the sensor's number.
        """
        still = [c for c in numbers if _stands(self.table[c])]
        rest = [c for c in numbers if c not in still]
        if len(rest) != 1 or not still or len(self.table) < 2:
            return ()
        self.notes.append(f"{phrase(still)}, the same in all rows, were read as the name of the one series {rest[0]!r}")
        return (*still, rest[0])

    def _ambiguous(self, role: str, found: Sequence[Any], argument: str) -> DataError:
        return DataError(
            f"one column must be the {role}, but it could be any of {shown(found)} (the table has "
            f"{shown(names_of(self.table))})",
            f"give {argument}=...",
        )


def _stands(column: Any) -> bool:
    """Whether a column is one whole number, or its text, in all rows, and not zero, which a dead sensor tells."""
    if pd.api.types.is_bool_dtype(column.dtype) or not (
        pd.api.types.is_integer_dtype(column.dtype) or pd.api.types.is_object_dtype(column.dtype)
        or pd.api.types.is_string_dtype(column.dtype)
    ):  # fmt: skip
        return False
    try:
        values = column.unique()
    except TypeError:
        return False
    return len(values) == 1 and str(values[0]).strip().lstrip("0") not in ("", "nan", "None", "<NA>")


def _all_differ(column: Any) -> bool:
    try:
        return bool(column.is_unique)
    except TypeError:
        return True
