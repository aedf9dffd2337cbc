"""What a user typed as arguments of a fit: one value of the right kind, or a message with the rule and an example."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from zoo.errors import ConfigError

__all__ = ["column_roles", "quantile_levels", "season_lengths", "whole_number"]


def column_roles(
    *,
    freq: str | int | None,
    date_format: str | None,
    id_col: Any,
    time_col: Any,
    target_col: Any,
    known: Sequence[Any],
    static: Any,
    zone: str | None,
) -> dict[str, Any]:
    """Return the arguments that say how a table is read, checked; see ``AutoTS`` for each.

    Raises:
        ConfigError: An argument names no column, or is no list of columns.
    """
    return {
        "freq": freq.item() if isinstance(freq, np.integer) else freq,
        "date_format": date_format,
        "id_col": _id_names("id_col", id_col),
        "time_col": _one_name("time_col", time_col),
        "target_col": _one_name("target_col", target_col),
        "known": _names("known", known),
        "static": _names("static", static) if _is_list(static) else static,
        "zone": zone,
    }


def whole_number(name: str, value: Any, *, at_least: int = 1) -> int:
    """Return a whole number.

    Args:
        name: The argument, for the message.
        value: What was given for it.
        at_least: The smallest number that is allowed; 1 by default.

    Raises:
        ConfigError: The value is no whole number, or a smaller one.
    """
    number = None if isinstance(value, bool | str) else _number(value)
    if number is None or number != int(number) or number < at_least:
        raise ConfigError(
            f"{name} must be a whole number of at least {at_least}, but got {value!r}", f"for example {name}=12"
        )
    return int(number)


def season_lengths(value: Any) -> tuple[int, ...] | None:
    """Return season lengths in ascending order; None where none is given.

    Raises:
        ConfigError: A season is no whole number of at least 1.
    """
    if value is None:
        return None
    if isinstance(value, str):
        raise ConfigError(f"season must be a whole number or several, but got {value!r}", "for example season=12")
    return tuple(sorted({whole_number("season", m) for m in _several(value)})) or None


def quantile_levels(values: Any) -> tuple[float, ...]:
    """Return quantile levels in ascending order, each once.

    Raises:
        ConfigError: There is none, or one does not lie between 0 and 1.
    """
    several = _several(values)
    numbers = [_number(q) for q in several]
    levels = tuple(sorted({round(q, 6) for q in numbers if q is not None and 0 < round(q, 6) < 1}))
    if not levels or not all(q is not None and 0 < round(q, 6) < 1 for q in numbers):
        raise ConfigError(f"quantiles must lie between 0 and 1, but got {several}", "for example (0.1, 0.5, 0.9)")
    return levels


def _number(value: Any) -> float | None:
    """Return a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset | np.ndarray | pd.Index)


def _names(argument: str, value: Any) -> tuple[Any, ...]:
    """Return the names in a list, an array or an index of them."""
    if not _is_list(value) and not isinstance(value, pd.Series):
        example = [value] if isinstance(value, str) else ["price", "holiday"]
        said = f"the text {value!r}" if isinstance(value, str) else repr(value)[:60]
        raise ConfigError(f"{argument} must be a list of columns, but got {said}", f"write {argument}={example}")
    names = value.tolist() if isinstance(value, np.ndarray | pd.Index | pd.Series) else list(value)
    wrong = next((one for one in names if not isinstance(one, Hashable)), None)
    if wrong is not None:
        raise ConfigError(
            f"{argument} must list columns, but one is {wrong!r}", f"write {argument}=['price', 'holiday']"
        )
    return tuple(names)


def _id_names(argument: str, value: Any) -> Any:
    """Return one name, or a list of several; a tuple may be either, which the table decides."""
    if isinstance(value, tuple):
        return value
    several = _is_list(value) or isinstance(value, pd.Series)
    return list(_names(argument, value)) if several else _one_name(argument, value)


def _one_name(argument: str, value: Any) -> Any:
    if not isinstance(value, Hashable):
        kind = type(value).__name__
        raise ConfigError(f"{argument} must name one column, but got {kind}", f"for example {argument}='date'")
    return value.item() if isinstance(value, np.generic) else value


def _several(value: Any) -> list[Any]:
    """Return the values in a list, an array, a set; of anything else itself alone."""
    if isinstance(value, np.ndarray | np.generic | pd.Index | pd.Series):
        return list(np.atleast_1d(np.asarray(value)).ravel())
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
