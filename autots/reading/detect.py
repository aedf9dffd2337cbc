"""Which column is the clock, which name the series, which is to be forecast.

One series or many, long or wide, in columns or in the index: all are accepted unchanged. Names given by the user
decide; then names that people commonly use; then what the values look like. Where two readings remain, the error says
which columns were seen and which argument settles it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from autots.reading.find_clock import find_clock
from autots.reading.find_key import complete_key, find_key, hidden_key, one_series, refuse_merging
from autots.reading.find_target import find_target
from autots.reading.keys import key_of
from autots.reading.layouts import ColumnRoles, Layout, as_text, names_of, shown, unknown
from autots.reading.roles import Roles, first_named
from autots.reading.value_kinds import is_number
from zoo.errors import DataError
from zoo.tables.source import Table

__all__ = ["detect"]


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
        time_col: The column that is the clock; None to find it.
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
    roles = Roles(table, key, time_col, target_col, known, tuple(static))
    return _in_text(_layout(roles), table)


def _layout(roles: Roles) -> Layout:
    """Return the layout in the user's own names; they become text at the end."""
    index: Any = roles.table.index
    time = find_clock(roles)
    if time is None and "time" not in roles.levels:
        raise DataError(
            f"the column of times must have a name, but it is None among {shown(list(roles.table.columns))}",
            "name it, for example frame.columns = ['ds', 'y']",
        )
    key = find_key(roles, time)
    free = [c for c in roles.table.columns if c not in {time, *key, *roles.known, *roles.static}]
    if not roles.key and "id" not in roles.levels:
        key = complete_key(roles, time, key, free) if key else hidden_key(roles, time, free)
        free = [c for c in free if c not in key]
    long = bool(key) or "id" in roles.levels
    if "id" in roles.levels and "time" in roles.levels and not roles.key:
        refuse_merging(roles)
    numbers = [c for c in free if is_number(roles.table[c])]
    target = find_target(roles, free, numbers, long=long)
    if target is None and (one := one_series(roles, numbers)):
        key, target, long = one[:-1], one[-1], True
        free = [c for c in free if c not in key]
    # A table without an index that answers could have, and one whose key lies in its index, answers in columns.
    given_back = roles.levels and (index.nlevels <= 2) and not (len(key) > 1 and index.nlevels > 1)
    names = tuple(index.names) if given_back else ()
    levels = tuple(roles.levels.items()) if given_back else ()
    shown_time = time if time is not None else first_named(index.names[roles.levels["time"]], "ds")
    if target is None:
        return _wide(roles, shown_time, free, numbers, names)
    if long and not key:
        key = (first_named(index.names[roles.levels["id"]], "unique_id"),)
    past = tuple(c for c in free if c != target and _covariate(roles, c))
    of_key = key if len(key) > 1 else ()
    # The names are still the user's own, of any kind; they become text at the end.
    id_: Any = of_key or (key[0] if long else None)
    columns = ColumnRoles(id_, shown_time, target, roles.known, past, roles.static, of_key)
    return Layout("long" if long else "series", columns, levels, names, tuple(roles.notes))


def _covariate(roles: Roles, name: Any) -> bool:
    column = roles.table[name]
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or column.dtype.kind == "m":
        roles.notes.append(f"column {name!r} holds dates and is left out")
        return False
    return True


def _wide(roles: Roles, time: Any, free: list[Any], numbers: list[Any], names: tuple[Any, ...]) -> Layout:
    for name in free:
        if name not in numbers:
            roles.notes.append(f"column {name!r} holds no numbers and is left out")
    over: Any = first_named(roles.table.columns.name, "unique_id" if time != "unique_id" else "series")
    columns = ColumnRoles(over, time, "y", roles.known)
    if roles.static:
        raise DataError(
            f"a wide table has no room for static columns, but got {list(roles.static)}",
            "give static= as a table with one row per series",
        )
    return Layout("wide", columns, tuple(roles.levels.items()), names, tuple(roles.notes))


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
    columns = ColumnRoles(
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
        name = as_text(first_named(table.name, target_col, "y"))
        return detect(table.to_frame(name), time_col=time_col, target_col=name)
    names = (table.index.name,)
    time = first_named(time_col, names[0], "ds")
    columns = ColumnRoles(time=as_text(time), target=as_text(first_named(target_col, table.name, "y")))
    original = {} if isinstance(time, str) else {as_text(time): time}
    return Layout("series", columns, (("time", 0),), names, original=original)


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
