"""What the values of a column look like: moments, numbers."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pandas as pd

from autots.reading.columns import number_share
from autots.reading.dates import names_moment

__all__ = ["is_moment", "is_number", "some"]

_HOUR = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([ap]\.?m\.?)?")
_LOOK = 50  # values of a column that are looked at for moments
_LOOK_NUMBERS = 500  # values of a column that are looked at for numbers
_MOST = 0.9  # share of text that must look like dates: tables end with "Total" and begin with units


def some(values: Any, n: int) -> Any:
    """Return at most n known values, evenly spread: the first rows of a table may be unlike the others."""
    known = pd.Series(values).dropna()
    if len(known) <= n:
        return known
    return known.iloc[np.linspace(0, len(known) - 1, n).astype(np.intp)]


def is_moment(values: Any, *, named: bool) -> bool:
    """Whether values can be a clock; numbers only where the column's name says so."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return is_moment(dtype.categories, named=named)
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return True
    if pd.api.types.is_bool_dtype(dtype):
        return False
    if pd.api.types.is_numeric_dtype(dtype):
        return named and not pd.api.types.is_complex_dtype(dtype)
    seen = some(values, _LOOK)
    kind = pd.api.types.infer_dtype(seen)
    if kind in ("date", "datetime", "datetime64", "period"):
        return True
    if kind == "integer":
        return named
    if kind == "mixed" and np.mean([isinstance(v, dt.date | pd.Period) for v in seen]) >= _MOST:
        return True  # dates, and a word below them
    # An hour of the day alone is no moment, whatever its name.
    if kind != "string" or not len(seen) or all(_HOUR.fullmatch(v.strip().lower()) for v in seen):
        return False
    if named and all(re.fullmatch(r"-?\d+", v) for v in seen):
        return True
    if named and np.mean([bool(re.search(r"\d", v)) for v in seen]) >= _MOST:
        return True  # whoever reads it says what it is, or why it is no time
    # "13:00" and "A4" name no moment; tables end with "Total" and begin with units.
    return bool(seen.map(names_moment).mean() >= _MOST)


def is_number(values: Any) -> bool:
    """Whether a column can be a target: numbers, or mostly numbers written as text."""
    dtype = values.dtype
    if pd.api.types.is_numeric_dtype(dtype):
        return not pd.api.types.is_complex_dtype(dtype)
    if not (pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)):
        return False
    seen = some(values, _LOOK_NUMBERS)
    if pd.api.types.infer_dtype(seen) in ("decimal", "integer", "floating", "mixed-integer-float"):
        return True
    return number_share(seen, "") > 0.5
