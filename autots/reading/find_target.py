"""Which column is to be forecast."""

from __future__ import annotations

from typing import Any

from autots.reading.layouts import TARGET_NAMES, shown
from autots.reading.roles import Roles, first_of
from zoo.errors import DataError

__all__ = ["find_target"]

_SETTLED = 2  # first of the usual names, which win over all others


def find_target(roles: Roles, free: list[Any], numbers: list[Any], *, long: bool) -> Any:
    """Return the target, or None for a wide table."""
    if roles.target_col is not None:
        return roles.target_col
    usual = first_of(free, TARGET_NAMES)
    settled = [c for c in usual if str(c).strip().lower() in TARGET_NAMES[:_SETTLED]]
    if settled:
        return settled[0]
    likely = [c for c in usual if c in numbers] or usual
    if len(likely) == 1:
        return likely[0]
    if not numbers:
        raise DataError(
            f"a table must have a column of numbers to forecast, but got {shown(roles.table.columns)}",
            "give target_col=..., and check how the numbers are written",
        )
    if len(numbers) == 1:
        return numbers[0]
    if long or likely:
        raise roles.ambiguous("target", likely or numbers, "target_col")
    return None
