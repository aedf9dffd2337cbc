"""Which column, or level of the index, is the clock."""

from __future__ import annotations

from typing import Any

import pandas as pd

from autots.reading.layouts import TIME_NAMES, shown
from autots.reading.roles import Roles, first_of, says_something
from autots.reading.times import read_times
from autots.reading.value_kinds import is_moment
from zoo.errors import DataError

__all__ = ["find_clock"]

# Names of parts of a date: beside a column of whole dates they are no clock.
_PARTS = frozenset({"month", "week", "day", "quarter", "year", "period", "hour", "t", "step", "time_idx"})


def find_clock(roles: Roles) -> Any:
    """Return the clock's column, or None where it is a level of the index (then noted in ``levels``)."""
    index, table = roles.table.index, roles.table
    if roles.time_col is not None:
        level = roles.level_of(roles.time_col)
        if level is not None:
            roles.levels["time"] = level
            return None
        return roles.time_col
    given = {*roles.key, roles.target_col, *roles.known, *roles.static} - {None}
    if index.nlevels >= 2:
        open_ = [k for k in range(index.nlevels) if index.names[k] not in given]
        values = {k: index.get_level_values(k) for k in open_}
        sure = [k for k in open_ if is_moment(values[k], named=False)]
        likely = [k for k in open_ if str(index.names[k]).lower() in TIME_NAMES]
        whole = [k for k in open_ if pd.api.types.is_integer_dtype(values[k].dtype)]
        for found in (sure, likely, whole):
            if len(found) == 1:
                roles.levels["time"] = found[0]
                return None
        raise roles.ambiguous("time", list(index.names), "time_col")
    if says_something(index) and index.name not in given and is_moment(index, named=False):
        roles.levels["time"] = 0
        return None
    columns = [c for c in table.columns if c not in given]
    named = [c for c in first_of(columns, TIME_NAMES) if is_moment(table[c], named=True)]
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
        raise roles.ambiguous("time", found_columns, "time_col")
    return _row_clock(roles, columns)


def _row_clock(roles: Roles, columns: list[Any]) -> None:
    """Accept an integer index as the clock where it says something, or where there is just one column."""
    index = roles.table.index
    whole = pd.api.types.is_integer_dtype(index.dtype)
    if whole and index.nlevels == 1 and (says_something(index) or (len(columns) == 1 and not roles.key)):
        roles.levels["time"] = 0
        return
    named = first_of(columns, TIME_NAMES)
    if named:
        read_times(roles.table[named[0]], named[0])  # says which value is no time
    raise DataError(
        f"a table must have a clock, but no column of {shown(roles.table.columns)} holds dates or has a usual name "
        f"({', '.join(TIME_NAMES[:5])}, ...)",
        "give time_col=..., a column of dates or integers"
        + ("; if each row is a series, melt it first: frame.melt(id_vars=[...], ...)" if len(columns) > 20 else ""),
    )
