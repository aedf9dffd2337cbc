"""Parts of the calendar, from integers: one table per day, looked up by row. Days are counted since 1 January 1970."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from zoo.errors import ConfigError
from zoo.series.offsets import Floats, Ints

__all__ = [
    "PARTS",
    "calendar_part",
    "check_part",
    "days_of",
    "iso_week",
    "iso_week_start",
    "iso_year",
    "month_start",
    "varying_parts",
]

# Microseconds, as feature tables count.
_MINUTE, _HOUR, _DAY = 60_000_000, 3_600_000_000, 86_400_000_000
# A day of nanoseconds, as panels count.
_NANO_DAY = 1000 * _DAY

#: Parts of the day, by arithmetic, and parts of the date, by table.
_OF_DAY = ("minute", "hour")
_OF_DATE = ("weekday", "is_weekend", "day", "day_of_year", "week", "month", "quarter", "year")
PARTS = (*_OF_DAY, *_OF_DATE, "holiday:CC")
# Feasts of a date alone, the same in every country: name -> month, first day, last day.
_FEASTS = {"year_end": (12, 31, 31), "new_year": (1, 1, 1), "christmas": (12, 24, 26)}
# Days that tables begin and end at: few different tables, so that they are remembered.
_BLOCK = 1024


def days_of(moments: Any) -> Ints:
    """Return days since 1970 of datetime64 of any unit and shape."""
    return np.asarray(moments).astype("datetime64[D]").astype(np.int64)


def month_start(months: Any) -> Ints:
    """Return days since 1970 of the first days of months since January 1970."""
    return days_of(np.asarray(months).astype("datetime64[M]"))


def _thursday(days: Any) -> Any:
    """Return the Thursday of each day's week, which begins on Monday: its year is the week's, by ISO 8601."""
    return days - (days + 3) % 7 + 3


def iso_year(days: Any) -> Any:
    """Return the years to which the ISO 8601 weeks of days belong."""
    return _thursday(days).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def iso_week(days: Any) -> Any:
    """Return the weeks of ISO 8601, 1 to 53: the week of a day is that of its Thursday, counted in the Thursday's year.

    >>> iso_week(np.array([0, 4])).tolist()  # Thursday 1 January 1970, and the Monday after it
    [1, 2]
    """
    return (_thursday(days) - month_start(12 * (iso_year(days) - 1970))) // 7 + 1


def iso_week_start(years: Any, weeks: Any) -> Any:
    """Return days since 1970 of the Mondays with which ISO 8601's weeks begin; week 53 is the next year's at times."""
    fourth = month_start(12 * (years - 1970)) + 3  # the fourth of January lies in week 1
    return _thursday(fourth) - 3 + 7 * (weeks - 1)


def check_part(part: str) -> None:
    """Raise where a part does not exist, or a country has no known holidays.

    Raises:
        ConfigError: ``part`` is none of ``PARTS``, or its country or region is unknown.
    """
    if part in _OF_DAY or part in _OF_DATE:
        return
    if part.startswith("holiday:"):
        _holidays_of(part.removeprefix("holiday:"), 2024)
        return
    raise ConfigError(
        f"a part of the calendar must be one of {', '.join(PARTS)}, but got {part!r}", "see `zoo features`"
    )


def calendar_part(times: Ints, part: str) -> Floats:
    """Return one part of the calendar.

    Args:
        times: (N,) microseconds since 1970 on the local clock.
        part: One of ``PARTS``; weeks begin on Monday (0), ``week`` is ISO 8601's, ``holiday:DE-BY`` a region's.

    >>> calendar_part(np.array([1_700_000_000_000_000]), "weekday").tolist()  # 14 November 2023
    [1.0]
    """
    if part == "hour":
        return ((times // _HOUR) % 24).astype(np.float64)
    if part == "minute":
        return ((times // _MINUTE) % 60).astype(np.float64)
    return _of_days(times // _DAY, (part,))[part]


def varying_parts(times: Any, spacing: int, *, weekends: bool = True) -> dict[str, Floats]:
    """Return the parts of the calendar that vary between rows of a distance, as arrays of the shape of ``times``.

    Shorter than an hour: ``minute_of_day``. Shorter than a day: ``hour``. Up to days: ``weekday`` (0 is Monday),
    ``is_weekend``, ``day``, ``day_of_year``. Up to weeks: ``week``, and ``year_end``, ``new_year``, ``christmas``,
    which say whether the row covers 31 December, 1 January, or 24 to 26 December; they depend on the date alone and on
    no country's holidays. Up to months: ``month``; up to quarters: ``quarter``. Years have none.

    Args:
        times: datetime64[ns] of any shape, on the local clock.
        spacing: Distance of two rows in nanoseconds.
        weekends: Whether there are rows on weekends, so that ``is_weekend`` says something.
    """
    nanoseconds = np.asarray(times, dtype="datetime64[ns]").view(np.int64)
    parts: dict[str, Floats] = {}
    if spacing < 1000 * _HOUR:
        parts["minute_of_day"] = (nanoseconds // (1000 * _MINUTE) % 1440).astype(np.float64)
    if spacing < _NANO_DAY:
        parts["hour"] = (nanoseconds // (1000 * _HOUR) % 24).astype(np.float64)
    names: list[str] = []
    if spacing < 2 * _NANO_DAY:
        names += ["weekday", *(["is_weekend"] if weekends else []), "day", "day_of_year"]
    if spacing < 28 * _NANO_DAY:
        names += ["week", *_FEASTS]
    if spacing < 80 * _NANO_DAY:
        names += ["month"]
    if spacing < 300 * _NANO_DAY:
        names += ["quarter"]
    # A week may be named by its first or its last day, which the label does not tell: it covers both sides.
    reach = spacing // _NANO_DAY // 2
    return parts | _of_days(nanoseconds // _NANO_DAY, tuple(names), reach)


def _of_days(days: Ints, parts: tuple[str, ...], reach: int = 0) -> dict[str, Floats]:
    """Return parts of the dates of days; a feast is flagged on the days up to ``reach`` away from it, too."""
    if not days.size:
        return {part: np.empty(days.shape) for part in parts}
    first = int(days.min()) // _BLOCK * _BLOCK
    last = int(days.max()) // _BLOCK * _BLOCK + _BLOCK - 1
    at = days - first
    return {part: _table(part, first, last, reach if part in _FEASTS else 0)[at] for part in parts}


@lru_cache(maxsize=256)
def _table(part: str, first: int, last: int, reach: int) -> Floats:
    """Return the values of the days ``first`` to ``last`` (both included)."""
    table = np.asarray(_values(part, np.arange(first, last + 1), reach), dtype=np.float64)
    table.setflags(write=False)
    return table


def _values(part: str, numbers: Ints, reach: int) -> Any:
    if part in _FEASTS:
        month, begin, end = _FEASTS[part]
        near = numbers + np.arange(-reach, reach + 1)[:, None]
        day = _values("day", near, 0)
        return ((_values("month", near, 0) == month) & (day >= begin) & (day <= end)).any(axis=0)
    if part == "weekday":
        return (numbers + 3) % 7
    if part == "is_weekend":
        return (numbers + 3) % 7 >= 5
    if part == "week":
        return iso_week(numbers)
    dates = numbers.astype("datetime64[D]")
    months, years = dates.astype("datetime64[M]"), dates.astype("datetime64[Y]")
    if part == "day":
        return (dates - months).astype(np.int64) + 1
    if part == "day_of_year":
        return (dates - years).astype(np.int64) + 1
    if part == "month":
        return months.astype(np.int64) % 12 + 1
    if part == "quarter":
        return months.astype(np.int64) % 12 // 3 + 1
    if part == "year":
        return years.astype(np.int64) + 1970
    low, high = (int(years[at].astype(np.int64)) + 1970 for at in (0, -1))
    free = [day for year in range(low, high + 1) for day in _holidays_of(part.removeprefix("holiday:"), year)]
    return np.isin(numbers, np.array(free, dtype=np.int64))


@lru_cache(maxsize=4096)
def _holidays_of(where: str, year: int) -> tuple[int, ...]:
    """Return a year's public holidays as days since 1970; ``where`` is a country, perhaps with a region: DE, DE-BY."""
    import holidays

    country, _, region = where.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=region or None, years=year)
    except NotImplementedError as error:
        raise ConfigError(
            f"holidays must be those of a known country or region, but got {where!r}",
            "give its ISO 3166 code, such as holiday:DE or holiday:US-CA",
        ) from error
    return tuple(sorted(int(np.datetime64(day, "D").astype(np.int64)) for day in found))
