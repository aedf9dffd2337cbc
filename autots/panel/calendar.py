"""Parts of the calendar as numbers, for models that use regressors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from autots.panel.frequency import Frequency, Times
from autots.panel.panel import Floats, Ints

__all__ = ["features"]

_HOUR, _DAY = 3_600_000_000_000, 86_400_000_000_000


def features(times: Times, freq: Frequency) -> dict[str, Floats]:
    """Return the parts of the calendar that vary at this frequency, as arrays of the shape of ``times``.

    Shorter than an hour: ``minute_of_day``. Shorter than a day: ``hour``. Up to days: ``weekday`` (0 is Monday),
    ``is_weekend``, ``day``, ``day_of_year``. Up to weeks: ``week``, and ``year_end``, ``new_year``, ``christmas``,
    which say whether the row covers 31 December, 1 January, or 24 to 26 December; they depend on the date alone and on
    no country's holidays. Up to months: ``month``; up to quarters: ``quarter``. Years and integer clocks have none.

    >>> times = np.array(["2020-12-26T13:00"], dtype="datetime64[ns]")
    >>> parts = features(times, Frequency.parse("h"))
    >>> parts["hour"].item(), parts["weekday"].item(), parts["christmas"].item()
    (13.0, 5.0, 1.0)
    """
    if freq.is_integer:
        return {}
    step = freq.spacing
    codes, distinct = pd.factorize(np.asarray(times).ravel())
    when = pd.DatetimeIndex(distinct)
    parts: dict[str, Any] = {}
    if step < _HOUR:
        parts["minute_of_day"] = when.hour * 60 + when.minute
    if step < _DAY:
        parts["hour"] = when.hour
    if step < 2 * _DAY:
        parts["weekday"] = when.dayofweek
        if freq.alias != "B":
            parts["is_weekend"] = when.dayofweek >= 5
        parts["day"] = when.day
        parts["day_of_year"] = when.dayofyear
    if step < 28 * _DAY:
        days = _days(when)
        parts["week"] = _week(days)
        parts |= _feasts(days, step)
    if step < 80 * _DAY:
        parts["month"] = when.month
    if step < 300 * _DAY:
        parts["quarter"] = when.quarter
    shape = np.shape(times)
    return {name: np.asarray(part, dtype=np.float64)[codes].reshape(shape) for name, part in parts.items()}


def _days(when: pd.DatetimeIndex) -> Ints:
    """Return the (N,) days since 1970-01-01."""
    return np.asarray(when, dtype="datetime64[ns]").astype("datetime64[D]").astype(np.int64)


def _week(days: Ints) -> Ints:
    """Return the (N,) weeks of ISO 8601: the week of a day is that of its Thursday, counted in the Thursday's year."""
    thursday = days - (days + 3) % 7 + 3
    year = thursday.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return (thursday - year) // 7 + 1


def _feasts(days: Ints, step: int) -> dict[str, Any]:
    """Flag rows that cover a feast: the row's own day, or for weeks any of the seven days around its label.

    A week may be named by its first or its last day, which the label does not tell, hence the days on both sides.
    """
    reach = step // _DAY // 2
    near = days + np.arange(-reach, reach + 1)[:, None]
    months = near.astype("datetime64[D]").astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    day = near - months.astype("datetime64[D]").astype(np.int64) + 1
    feasts = {"year_end": (12, 31, 31), "new_year": (1, 1, 1), "christmas": (12, 24, 26)}
    return {
        name: ((month == of) & (day >= first) & (day <= last)).any(axis=0) for name, (of, first, last) in feasts.items()
    }
