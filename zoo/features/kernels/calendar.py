"""Parts of the calendar, from integers: one table per day, looked up by row."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ConfigError
from zoo.features.kernels.groups import Floats, Ints

__all__ = ["PARTS", "calendar_part", "check_part", "local_times"]

MICROSECOND, HOUR, DAY = 1, 3_600_000_000, 86_400_000_000

#: Parts of the day, by arithmetic, and parts of the date, by table.
_OF_DAY = ("minute", "hour")
_OF_DATE = ("weekday", "is_weekend", "day", "day_of_year", "week", "month", "quarter", "year")
PARTS = (*_OF_DAY, *_OF_DATE, "holiday:CC")


def check_part(part: str) -> None:
    """Raise where a part does not exist, or a country has no known holidays.

    Raises:
        ConfigError: As said.
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
        return ((times // HOUR) % 24).astype(np.float64)
    if part == "minute":
        return ((times // 60_000_000) % 60).astype(np.float64)
    if len(times) == 0:
        return np.empty(0)
    days = times // DAY
    first, last = int(days.min()), int(days.max())
    return _table(part, first, last)[days - first]


@lru_cache(maxsize=256)
def _table(part: str, first: int, last: int) -> Floats:
    """Return the values of the days ``first`` to ``last`` (both included, days since 1970)."""
    numbers = np.arange(first, last + 1)
    dates = numbers.astype("datetime64[D]")
    months, years = dates.astype("datetime64[M]"), dates.astype("datetime64[Y]")
    month = months.astype(np.int64) % 12 + 1
    made: Any
    if part == "weekday":
        made = (numbers + 3) % 7
    elif part == "is_weekend":
        made = (numbers + 3) % 7 >= 5
    elif part == "day":
        made = (dates - months).astype(np.int64) + 1
    elif part == "day_of_year":
        made = (dates - years).astype(np.int64) + 1
    elif part == "week":
        thursday = numbers - (numbers + 3) % 7 + 3
        begin = thursday.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        made = (thursday - begin) // 7 + 1
    elif part == "month":
        made = month
    elif part == "quarter":
        made = (month - 1) // 3 + 1
    elif part == "year":
        made = years.astype(np.int64) + 1970
    else:
        of = part.removeprefix("holiday:")
        low, high = int(years[0].astype(np.int64)) + 1970, int(years[-1].astype(np.int64)) + 1970
        free = [day for year in range(low, high + 1) for day in _holidays_of(of, year)]
        made = np.isin(numbers, np.array(free, dtype=np.int64))
    table = np.asarray(made, dtype=np.float64)
    table.setflags(write=False)
    return table


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


def local_times(times: Ints, zone: str | None) -> Ints:
    """Return what clocks in a zone show at the moments ``times`` (UTC); the same array where there is no zone."""
    if zone is None or zone == "UTC":
        return times
    begin = times // 900_000_000  # offsets change at quarters of hours
    if len(times) and int(begin.max() - begin.min()) < 4 * len(times):
        low = int(begin.min())
        return times + _offsets(zone, low, int(begin.max()))[begin - low]
    return times + _offset(times, zone)


@lru_cache(maxsize=64)
def _offsets(zone: str, first: int, last: int) -> Ints:
    return _offset(np.arange(first, last + 1) * 900_000_000, zone)


def _offset(moments: npt.NDArray[np.int64], zone: str) -> Ints:
    import pandas as pd

    index = pd.DatetimeIndex(moments.view("datetime64[us]")).tz_localize("UTC").tz_convert(zone)
    return np.asarray(index.tz_localize(None).to_numpy("datetime64[us]").view(np.int64) - moments)
