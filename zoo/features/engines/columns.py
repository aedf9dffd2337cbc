"""Columns as this room means them, in Spark's words: microseconds, doubles without NaN, texts."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["moments", "quoted", "values"]


def quoted(name: str) -> str:
    """Return a column's name as Spark reads it.

    >>> quoted("a.b`c")
    '`a.b``c`'
    """
    return "`" + name.replace("`", "``") + "`"


def moments(column: Column, kind: Any, name: str, *, nanoseconds: bool) -> tuple[Column, bool]:
    """Return a time column as whole numbers, and whether these are the table's own instead of microseconds.

    Args:
        column: The times as the table has them.
        kind: The column's type in Spark.
        name: What messages call it.
        nanoseconds: Whether whole numbers are nanoseconds since 1970.

    Raises:
        DataError: It holds no times.
    """
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if isinstance(kind, T.IntegralType):
        return (F.floor(column.cast("decimal(20,0)") / 1000).cast("bigint"), False) if nanoseconds else (
            column.cast("bigint"), True)  # fmt: skip
    if isinstance(kind, T.TimestampType):
        return F.unix_micros(column), False
    if isinstance(kind, T.TimestampNTZType | T.DateType | T.StringType):
        return F.unix_micros(column.cast("timestamp_ltz")), False
    raise DataError(f"the time column must hold dates, times or whole numbers, but {name!r} is {kind}", "convert it")


def values(frame: DataFrame, *, beside: Collection[str | None]) -> tuple[list[Column], dict[str, bool]]:
    """Return the columns of numbers and of text of a table, and for each name whether it is text.

    Args:
        frame: The rows before any step.
        beside: Columns that are left out.
    """
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    chosen: list[Column] = []
    texts: dict[str, bool] = {}
    for field in frame.schema.fields:
        if field.name in beside:
            continue
        column = F.col(quoted(field.name))
        if isinstance(field.dataType, T.NumericType | T.BooleanType):
            value = column.cast("double")
            bad = F.isnan(value) | (F.abs(value) == F.lit(float("inf")))
            chosen.append(F.when(~bad, value).alias(field.name))
            texts[field.name] = False
        elif isinstance(field.dataType, T.StringType):
            chosen.append(column.alias(field.name))
            texts[field.name] = True
    return chosen, texts
