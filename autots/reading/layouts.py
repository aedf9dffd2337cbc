"""How a table is laid out: the names of its columns, and where they are.

Inside, all names are text. A user may name columns by anything that can be a key (0, a date, a tuple); such names are
made text at once and given back as they were.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd

from zoo.errors import DataError
from zoo.tables.source import Table

__all__ = ["ID_NAMES", "TARGET_NAMES", "TIME_NAMES", "ColumnRoles", "Layout", "as_text", "names_of", "shown", "unknown"]

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

_NAMED = 12  # columns that a message lists


@dataclass(frozen=True)
class ColumnRoles:
    """The user's names, as text. Columns without a name (an unnamed index, one series) have those given in answers.

    Args:
        id: What names the series, or None for a single series; of a key the names of its columns, joined.
        time: The column that is the clock.
        target: The column that is forecast.
        known: Covariates whose future is known.
        past: Covariates known only up to now.
        static: Columns with one value per series.
        key: The columns that only together name the series; empty where one does.
    """

    id: str | None = None
    time: str = "ds"
    target: str = "y"
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that name the series: none, one or several."""
        return self.key or (() if self.id is None else (self.id,))


@dataclass(frozen=True)
class Layout:
    """How the user's table is laid out.

    Args:
        kind: ``"long"`` (rows are moments of series), ``"wide"`` (columns are series) or ``"series"`` (one series).
        columns: The names, as text.
        levels: The index's levels that hold ``"id"`` or ``"time"``, as pairs of that word and the level.
        index_names: The names of the index's levels, to give the same index back; empty if it says nothing.
        notes: What was read into the table, in words.
        original: Text -> the user's own name, where that is no text.
        across: Whether times were the names of columns, one row per series, before the table was turned.
        dropped: Columns that say nothing, such as the index that a program wrote with the table.
    """

    kind: str
    columns: ColumnRoles
    levels: tuple[tuple[str, int], ...] = ()
    index_names: tuple[Any, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    original: Mapping[str, Any] = field(default_factory=dict)
    across: bool = False
    dropped: tuple[str, ...] = ()

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
        raise unknown(name, names_of(table), f"the {role} column")

    def ids(self, table: Table) -> list[Any]:
        """Return the columns that name the series, wherever the table keeps them.

        Raises:
            DataError: One is not there.
        """
        if not self.columns.key:
            return [self.get(table, "id")]
        found: list[Any] = []
        for name in self.columns.key:
            if isinstance(table, pd.DataFrame) and name in table.columns:
                found.append(table[name])
            elif name in table.index.names:
                found.append(table.index.get_level_values(name))
            else:
                raise unknown(name, names_of(table), "each column of the key")
        return found

    def outside(self, name: str) -> Any:
        """Return the user's own name of a column."""
        return self.original.get(name, name)

    def inside(self, table: Table) -> Table:
        """Return the user's table with the names used inside."""
        if not self.original:
            return table
        text = {_hashed(name): shown_ for shown_, name in self.original.items()}
        index = table.index.set_names([text.get(_hashed(n), n) for n in table.index.names])
        if isinstance(table, pd.Series):
            return table.set_axis(index)
        names = pd.Index([text.get(_hashed(n), n) for n in table.columns], dtype=object, name=table.columns.name)
        renamed = table.copy(deep=False)
        renamed.columns, renamed.index = names, index
        return renamed

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {
            "columns": {f.name: getattr(self.columns, f.name) for f in fields(ColumnRoles)},
            "index_names": [_packed(name) for name in self.index_names],
            "original": [[name, _packed(value)] for name, value in self.original.items()],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Layout:
        """Read what ``to_dict`` returned."""
        columns: dict[str, Any] = {
            role: tuple(name) if isinstance(name, list | tuple) else name for role, name in values["columns"].items()
        }
        return cls(
            values["kind"],
            ColumnRoles(**columns),
            tuple((role, level) for role, level in values["levels"]),
            tuple(_unpacked(name) for name in values["index_names"]),
            tuple(values["notes"]),
            {name: _unpacked(value) for name, value in values.get("original", ())},
            bool(values.get("across", False)),
            tuple(values.get("dropped", ())),
        )


def as_text(name: Any) -> str:
    """Return a column's name as text.

    >>> as_text(0), as_text(pd.Timestamp("2024-01-01")), as_text(("sales", 7))
    ('0', '2024-01-01', 'sales 7')
    """
    if isinstance(name, tuple):
        return " ".join(as_text(part) for part in name)
    if isinstance(name, bytes):
        return name.decode(errors="replace")
    if isinstance(name, pd.Timestamp | dt.datetime):
        return str(name)[:10] if str(name)[10:] in ("", " 00:00:00") else str(name)
    return str(name)


def _hashed(name: Any) -> Any:
    # 1, 1.0 and True are one key; True names no column that 1 names.
    return (type(name) is bool, name)


def _packed(name: Any) -> Any:
    """Return a name as JSON: text and None as they are, others with their type."""
    if name is None or isinstance(name, str):
        return name
    if isinstance(name, tuple):
        return {"tuple": [_packed(part) for part in name]}
    if isinstance(name, bool):
        return {"bool": name}
    if pd.api.types.is_integer(name):
        return {"int": int(name)}
    if pd.api.types.is_float(name):
        return {"float": float(name)}
    if isinstance(name, pd.Timestamp | dt.datetime):
        return {"time": pd.Timestamp(name).isoformat()}
    if isinstance(name, dt.date):
        return {"date": name.isoformat()}
    return as_text(name)


def _unpacked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tuple":
        return tuple(_unpacked(part) for part in inner)
    if kind == "time":
        return pd.Timestamp(inner)
    return dt.date.fromisoformat(inner) if kind == "date" else inner


def names_of(table: Table) -> list[Any]:
    """Return the names of a table's columns, and of the levels of its index."""
    columns = list(table.columns) if isinstance(table, pd.DataFrame) else []
    return [*columns, *(name for name in table.index.names if name is not None)]


def shown(names: Iterable[Any]) -> str:
    """Return a list of names for a message, not more than a dozen of them.

    >>> shown(["a", "b"]), shown(range(500))
    ("['a', 'b']", '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... and 488 more]')
    """
    names = list(names)
    if len(names) <= _NAMED:
        return str(names)
    return f"{str(names[:_NAMED])[:-1]}, ... and {len(names) - _NAMED:,} more]"


def unknown(name: Any, seen: Sequence[Any], what: str) -> DataError:
    """Return the error for a name that the table does not have."""
    close = difflib.get_close_matches(str(name), [str(s) for s in seen], n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}?" if close else "check the spelling"
    return DataError(f"{what} must be in the table, but got {name!r} and the table has {shown(seen)}", guess)
