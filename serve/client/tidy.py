"""A long table as the wire means it, before it is written in either way: so JSON and Arrow cannot say two things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo.errors import DataError

if TYPE_CHECKING:
    from serve.client.frames import Columns

__all__ = ["tidy"]


def tidy(frame: pd.DataFrame, columns: Columns, *, target: bool = True) -> pd.DataFrame:
    """Return the rows in the order of series and times, with ids as text, numbers as floats, the rest as text.

    Args:
        frame: A long table, as the user has it.
        columns: Its names, as ``Columns.found`` returned them.
        target: Whether it has the target; the future of known covariates has not.

    Raises:
        DataError: A row has no id or no time, or a number is infinite.
    """
    frame = frame.reset_index(drop=True)
    if frame.columns.has_duplicates:
        name = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"a table must have each column once, but {name!r} comes twice", "rename one")
    tidied: dict[Any, Any] = {}
    for name in frame.columns:
        if name in columns.ids:
            tidied[name] = _labels(frame[name])
        elif name == columns.time:
            tidied[name] = _times(frame[name])
        elif target and name == columns.target:
            tidied[name] = _numbers(frame[name])
        else:
            tidied[name] = _values(frame[name])
    out = pd.DataFrame(tidied)
    order = pd.DataFrame(index=out.index)
    for i, name in enumerate(columns.ids):
        order[f"id {i}"] = out[name]
    if columns.time is not None:
        order["time"] = _sortable(out[columns.time])
    if not len(order.columns):
        return out
    return out.loc[order.sort_values(list(order.columns), kind="stable").index].reset_index(drop=True)


def _refuse_missing(column: pd.Series[Any], what: str) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"every row must have {what}, but {column.name!r} is missing in {int(missing.sum())} rows, first in row "
            f"{int(np.argmax(missing))}",
            "fill or drop these rows",
        )


def _labels(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return ids as the fit writes them: 1.0 is the series 1."""
    _refuse_missing(column, "an id")
    floats = [isinstance(v, float) for v in column]
    return pd.Series(
        [str(int(v)) if real and np.isfinite(v) and v == np.floor(v) else str(v)
         for v, real in zip(column, floats, strict=True)], dtype=object
    )  # fmt: skip


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return times as moments (with their zone), as counts, or as the text that they are."""
    _refuse_missing(column, "a time")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    if isinstance(column.dtype, pd.PeriodDtype):
        return pd.Series(column.dt.to_timestamp(how="start"))
    if isinstance(column.dtype, pd.DatetimeTZDtype) or (
        isinstance(column.dtype, np.dtype) and column.dtype.kind == "M"
    ):
        return column
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.astype(np.int64)
    kind = pd.api.types.infer_dtype(column)
    if kind in ("datetime", "datetime64", "date"):
        aware = [getattr(v, "tzinfo", None) is not None for v in column]
        if any(aware) and not all(aware):
            raise DataError(
                f"times must be all with a zone or all without, but {column.name!r} mixes both", "tz_localize"
            )
        return pd.Series(pd.to_datetime(column, utc=any(aware)))
    if kind == "period":
        return pd.Series([v.to_timestamp(how="start") for v in column])
    if kind in ("integer", "floating") and all(v == int(v) for v in column):
        return pd.Series([int(v) for v in column], dtype=np.int64)
    return pd.Series([str(v) for v in column], dtype=object)


def _sortable(times: pd.Series[Any]) -> Any:
    """Return what puts rows in order: of texts the moments that they name; where one names none, as they come."""
    if times.dtype != object:
        return times
    if not times.str.match(r"\d{4}-\d{1,2}-\d{1,2}").all():
        return np.zeros(len(times))  # the server knows the model's own writing, and says if they do not ascend
    found = pd.to_datetime(times, errors="coerce", utc=True, format="ISO8601")
    again = pd.to_datetime(times, errors="coerce", utc=True, format="mixed") if found.isna().any() else found
    return np.zeros(len(times)) if again.isna().any() else again


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    try:
        numbers = pd.to_numeric(column, errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"column {column.name!r} must hold numbers, but {error}", "correct or drop these rows"
        ) from None
    endless = np.isinf(numbers)
    if endless.any():
        raise DataError(
            f"column {column.name!r} must hold finite numbers, but row {int(np.argmax(endless))} does not",
            "write a missing value as NaN",
        )
    return pd.Series(numbers)


def _values(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return _numbers(column)
    missing = column.isna()
    kept = [None if gone else str(v) for v, gone in zip(column, missing, strict=True)]
    return pd.Series(kept, dtype=object)
