"""What is being found out about a frame: which column plays which role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from autots.reading.layouts import names_of, shown
from zoo.errors import DataError

__all__ = ["Roles", "first_named", "first_of", "says_something"]


@dataclass
class Roles:
    """A frame whose columns' roles are sought; names are the user's own, of any kind.

    Args:
        table: The frame, with at least one row.
        key: Columns that the user says name the series; none to find them.
        time_col: The column that the user says is the clock; None to find it.
        target_col: The column that the user says is forecast; None to find it.
        known: Covariates whose future is known.
        static: Columns with one value per series.
        levels: Role -> the level of the index that plays it, as far as found.
        notes: What was decided, for the report.
    """

    table: pd.DataFrame
    key: tuple[Any, ...]
    time_col: Any
    target_col: Any
    known: tuple[Any, ...]
    static: tuple[Any, ...]
    levels: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def level_of(self, name: Any) -> int | None:
        """Return the level of the index that has a name; None for a column."""
        return None if name in self.table.columns else list(self.table.index.names).index(name)

    def clock(self, time: Any) -> Any:
        """Return the (N,) times of the column ``time``, or of the index where it is None."""
        if time is not None:
            return self.table[time].to_numpy()
        return self.table.index.get_level_values(self.levels["time"])

    def ambiguous(self, role: str, found: Sequence[Any], argument: str) -> DataError:
        """Return the error for a role that several columns may play; ``argument`` settles it."""
        return DataError(
            f"one column must be the {role}, but it could be any of {shown(found)} (the table has "
            f"{shown(names_of(self.table))})",
            f"give {argument}=...",
        )


def says_something(index: pd.Index[Any]) -> bool:
    """Whether the index holds data, rather than counting rows."""
    if index.nlevels > 1:
        return True
    return not isinstance(index, pd.RangeIndex) or index.name is not None


def first_of(names: Sequence[Any], wanted: Sequence[str]) -> list[Any]:
    """Return the names that are among the wanted ones, in the order of the latter."""
    lower: dict[str, Any] = {}
    for name in names:
        lower.setdefault(str(name).strip().lower(), name)
    return [lower[w] for w in wanted if w in lower]


def first_named(*names: Any) -> Any:
    """Return the first name that is one; 0 and "" are."""
    return next(name for name in names if name is not None)
