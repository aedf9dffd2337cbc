"""ISO 8601 as the wire takes it: whole calendar dates, with or without a time of the day and a zone.

Nothing is guessed: "now", "12:00" and 01/11/2024 are no times here, whatever a library would make of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from serve.protocol.errors import RequestError
from zoo.series.zones import with_colon

__all__ = ["iso_moment", "iso_moments", "shown"]

# The year stands first and has four digits, so month and day cannot be mixed up, with or without their zeros.
_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{8}"
_HOUR = r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:[.,][0-9]{1,9})?)?)?"
_ZONE = r"Z|[+-][0-9]{2}(?::?[0-9]{2})?"
_MOMENT = re.compile(rf"({_DAY})(?:[T ]({_HOUR})({_ZONE})?)?")
_MONTH = re.compile(r"[0-9]{4}(?:-[0-9]{2})?")
_MOST_SHOWN = 60
# What nanoseconds since 1970 can tell, with some room.
_YEARS = (1680, 2250)


def iso_moment(text: str, *, months: bool = False) -> pd.Timestamp:
    """Read one time.

    Args:
        text: ``2024-01-31``, ``2024-01-31T13:00``, ``2024-01-31 13:00:00.5+01:00``, ``20240131``.
        months: Whether a month (``2024-01``) or a year is a time, too: it is where the clock's steps are as long.

    Raises:
        ValueError: It is none of these.

    >>> iso_moment("2024-01-31 13:00").isoformat()
    '2024-01-31T13:00:00'
    >>> iso_moment("12:00")
    Traceback (most recent call last):
        ...
    ValueError: '12:00' is no ISO 8601
    """
    if months and _MONTH.fullmatch(text):
        return pd.Timestamp(int(text[:4]), int(text[5:] or 1), 1)
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{shown(text)} is no ISO 8601")
    day, hour, zone = found.groups()
    year, month, date = day.split("-") if "-" in day else (day[:4], day[4:6], day[6:])
    clock = (hour or "00").replace(":", "").replace(",", ".").partition(".")
    digits = clock[0].ljust(6, "0")
    fraction = clock[2].ljust(9, "0")
    try:
        at = pd.Timestamp(
            year=int(year),
            month=int(month),
            day=int(date),
            hour=int(digits[:2]),
            minute=int(digits[2:4]),
            second=int(digits[4:]),
            microsecond=int(fraction[:6]),
            nanosecond=int(fraction[6:]),
        )
        return at.tz_localize("UTC" if zone == "Z" else with_colon(zone)) if zone else at
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(text)} is no ISO 8601: {error}") from None


def iso_moments(texts: Iterable[str], *, months: bool = False) -> pd.DatetimeIndex:
    """Read many times, which must be all with a zone or all without; those with one are told in UTC.

    Raises:
        RequestError: One is no time, with its place; or both kinds are there.
    """
    every = list(texts)
    quick = _uniform(every)
    if quick is not None:
        return quick
    found = []
    for i, text in enumerate(every):
        try:
            found.append(iso_moment(text, months=months))
            if not _YEARS[0] <= found[-1].year <= _YEARS[1]:
                raise ValueError(f"{shown(text)} lies beyond the years {_YEARS[0]} to {_YEARS[1]}")
        except (ValueError, TypeError) as error:
            raise RequestError(
                f"times must be dates in ISO 8601, but {error}", "2024-01-31T13:00:00", f"time[{i}]"
            ) from None
    aware = [at.tzinfo is not None for at in found]
    if any(aware) and not all(aware):
        raise RequestError(
            "times must be all with a zone or all without, but both are there", "", f"time[{aware.index(not aware[0])}]"
        )
    if any(aware):
        return pd.DatetimeIndex([at.tz_convert("UTC") for at in found])
    return pd.DatetimeIndex(found)


def _uniform(texts: list[str]) -> pd.DatetimeIndex | None:
    """Return times that all look like ``2024-01-31T13:00:00``, the usual case, read at once; else None."""
    if len(texts) < 50 or not all(_PLAIN.fullmatch(text) for text in texts):
        return None
    try:
        return pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601"))
    except (ValueError, OverflowError):
        return None  # one by one, which tells the place


_PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?")


def shown(value: object) -> str:
    """Return a client's value for a message: short, and of characters that can be written.

    >>> shown("x" * 100)[-4:]
    "xx…'"
    """
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 2]}…{text[-1]}"
