"""Which columns, or level of the index, name the series."""

from __future__ import annotations

from typing import Any

import pandas as pd

from autots.reading.keys import Keys, few, phrase
from autots.reading.layouts import ID_NAMES, TARGET_NAMES, TIME_NAMES, shown
from autots.reading.roles import Roles, first_of, says_something
from autots.reading.value_kinds import is_moment, is_number
from zoo.errors import DataError

__all__ = ["complete_key", "find_key", "hidden_key", "one_series", "refuse_merging"]

_SURE = "unique_id"  # a name that is a statement rather than a guess


def find_key(roles: Roles, time: Any) -> tuple[Any, ...]:
    """Return the columns that name the series by their names; none where a level of the index does, or nothing."""
    index, table = roles.table.index, roles.table
    if len(roles.key) == 1:
        level = roles.level_of(roles.key[0])
        if level is not None:
            roles.levels["id"] = level
            return ()
    if roles.key:
        return roles.key
    if index.nlevels == 2:
        roles.levels["id"] = 1 - roles.levels["time"] if "time" in roles.levels else 0
        return ()
    if index.nlevels > 2:
        others = [name for k, name in enumerate(index.names) if k != roles.levels.get("time")]
        if any(name is None for name in others) or time is not None:
            raise DataError(
                f"an index of more than two levels must name them, one of them the clock, but got {index.names}",
                "use reset_index(), and id_col=[...]",
            )
        roles.key = tuple(others)
        return roles.key
    columns = [c for c in table.columns if c not in {time, roles.target_col, *roles.known, *roles.static}]
    if says_something(index) and "time" not in roles.levels and str(index.name).lower() in ID_NAMES:
        roles.levels["id"] = 0
        return ()
    # An "id" that differs in every row counts rows; it names no series.
    found = first_of(columns, ID_NAMES)
    usable = [c for c in found if len(table) == 1 or not _all_differ(table[c])]
    if len(usable) > 1:
        # Several usual names: one that tells rows of equal time apart, if there is one.
        keys = Keys(table, roles.clock(time))
        usable = [c for c in usable if few(keys.merged([c]), keys.n)] or usable
    if found and not usable and is_number(table[found[0]]):
        _refuse_one_row_each(roles, time, found[0])
    return (usable[0],) if usable else ()


def _refuse_one_row_each(roles: Roles, time: Any, name: Any) -> None:
    keys = Keys(roles.table, roles.clock(time))
    if not few(keys.merged([]), keys.n):
        raise DataError(
            f"a series must have several rows, but {name!r} differs in all {len(roles.table)} rows, while their "
            "times repeat",
            "give a table with one row per series and time, or id_col=... if another column names the series",
        )


def complete_key(roles: Roles, time: Any, key: tuple[Any, ...], free: list[Any]) -> tuple[Any, ...]:
    """Return columns that tell rows of equal time apart: those with a usual name, or more of them.

    Raises:
        DataError: The usual name alone would merge many rows, and nothing clearly tells them apart.
    """
    keys = Keys(roles.table, roles.clock(time))
    if few(keys.merged(key), keys.n):
        return key
    longer = keys.longer(key, _may_name(roles, free))
    keys, n = Keys(roles.table, roles.clock(time), exact=True), len(roles.table)
    merged = keys.merged(key)
    alone = f"{key[0]!r} alone names {keys.count(key)} series, and {merged} of {n} rows share series and time"
    if len(longer) == 1:
        found = tuple(c for c in roles.table.columns if c in longer[0])
        roles.notes.append(f"{alone}: {phrase(found)} were read as the key of {keys.count(found)} series")
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


def refuse_merging(roles: Roles) -> None:
    """Raise if an index whose levels nobody named would merge many rows."""
    index, n = roles.table.index, len(roles.table)
    if not index.has_duplicates:
        return
    try:
        same = int(roles.table.assign(**{"": index}).duplicated().sum())
    except TypeError:  # cells that cannot be compared
        same = 0
    merged = int(index.duplicated().sum()) - same
    if not few(merged, n):
        name = index.names[roles.levels["id"]]
        raise DataError(
            f"few rows may share series and time, but {merged} of {n} rows repeat an entry of the index",
            f"use reset_index() and give id_col=[...], the columns that together name a series, or id_col={name!r} "
            "to merge these rows by their mean",
        )


def _may_name(roles: Roles, free: list[Any]) -> list[Any]:
    """Return the columns that may be a part of a series' name: text and whole numbers, but not what is forecast."""
    numbers = [c for c in free if is_number(roles.table[c])]
    # Beside a date, a column "time" or "month" is the rest of the clock and no series.
    usual = {*TIME_NAMES, *TARGET_NAMES}
    names = [c for c in free if c != roles.target_col and str(c).strip().lower() not in usual]
    whole = [c for c in names if c in numbers and pd.api.types.is_integer_dtype(roles.table[c].dtype)]
    if roles.target_col is None and len(numbers) == 1:
        whole = []
    booleans = [c for c in names if pd.api.types.is_bool_dtype(roles.table[c].dtype)]
    dates = [c for c in names if is_moment(roles.table[c], named=False)]
    return [c for c in names if (c not in numbers or c in whole) and c not in booleans and c not in dates]


def hidden_key(roles: Roles, time: Any, free: list[Any]) -> tuple[Any, ...]:
    """Return the text columns that tell apart rows with equal times; none where times do not repeat.

    Raises:
        DataError: Times repeat in many rows, and it is not clear what names the series.
    """
    keys = Keys(roles.table, roles.clock(time))
    repeated, n = keys.merged([]), keys.n
    if not repeated:
        return ()
    names = _may_name(roles, free)
    texts = [c for c in names if not is_number(roles.table[c])]
    if few(repeated, n):
        # Doubles of one series, unless a text that keeps still where times do not repeat tells them apart.
        still = [c for c in texts if keys.count([c]) > 1 and not keys.merged([c]) and not keys.alternates(c)]
        if len(still) == 1:
            roles.notes.append(f"column {still[0]!r} was read as the name of the series")
        return (still[0],) if len(still) == 1 else ()
    # A name that is new in every other row describes rows.
    able = [c for c in texts if 1 < keys.count([c]) <= max(n / 2, 5) and few(keys.merged([c]), n)]
    if len(able) == 1:
        roles.notes.append(f"column {able[0]!r} was read as the name of the series")
        return (able[0],)
    whole = [c for c in names if c not in texts and few(keys.merged([c]), n)]
    longer = [] if able or whole else keys.longer((), names)
    if len(longer) == 1 and all(c in texts for c in longer[0]):
        found = tuple(c for c in roles.table.columns if c in longer[0])
        roles.notes.append(f"{phrase(found)} were read as the key of the series")
        return found
    could = able or whole or [list(key) for key in longer]
    repeated = Keys(roles.table, roles.clock(time), exact=True).merged([])
    begin = f"times repeat in {repeated} of {len(roles.table)} rows, so a column must name the series, but "
    if not could:
        raise DataError(
            f"{begin}no column beside {shown([c for c in roles.table.columns if c not in names])} does",
            "give id_col=..., add up rows of one time (frame.groupby(time).sum()), or join the parts of the clock",
        )
    raise DataError(
        f"{begin}it could be any of {shown(could)}",
        f"give id_col={list(longer[0]) if longer else '...'}, or a list of columns that name a series together; or "
        "join the parts of the clock",
    )


def one_series(roles: Roles, numbers: list[Any]) -> tuple[Any, ...]:
    """Return what names a single series, and its target: whole numbers that stand still beside one that varies.

    The export of one sensor: nobody wants to forecast the sensor's number.
    """
    still = [c for c in numbers if _stands(roles.table[c])]
    rest = [c for c in numbers if c not in still]
    if len(rest) != 1 or not still or len(roles.table) < 2:
        return ()
    roles.notes.append(f"{phrase(still)}, the same in all rows, were read as the name of the one series {rest[0]!r}")
    return (*still, rest[0])


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
