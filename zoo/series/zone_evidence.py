"""Which zone explains what a table shows: hours that come twice or never, offsets written beside the times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.series.offsets import Ints
from zoo.series.zones import WrittenOffsets, changes_of

__all__ = ["ADVICE", "ClockChange", "clock_change", "written_offsets", "zones_like"]

#: How a note begins that advises to name a zone.
ADVICE = "their offsets change as in "

# One zone for each rule by which clocks are changed; others of the same rule show the same local hours.
_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "Australia/Sydney", "Pacific/Auckland",
    "America/Santiago", "America/Asuncion", "America/Sao_Paulo", "Asia/Tehran", "Asia/Jerusalem", "Asia/Beirut",
    "Africa/Cairo", "Europe/Moscow", "America/Havana", "America/Mexico_City", "Atlantic/Azores", "Europe/Chisinau",
)  # fmt: skip
# Zones that change their clocks by a rule of their own, named in advice.
_USUAL = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Helsinki",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Halifax",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Santiago",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Jerusalem",
)
_SECOND, _DAY = 10**9, 86_400 * 10**9  # nanoseconds


@dataclass(frozen=True)
class ClockChange:
    """The zone whose changes explain doubled and missing hours.

    Args:
        zone: A zone with that rule.
        twice: Distinct times that the zone's clock shows twice, and that come more than once.
        never: Distinct times that the zone's clock skips, and that are missing.
    """

    zone: str
    twice: npt.NDArray[Any]
    never: npt.NDArray[Any]


def clock_change(doubled: npt.NDArray[Any], missing: npt.NDArray[Any]) -> ClockChange | None:
    """Return the zone whose clock changes explain most of the doubled times, or all missing ones if none is doubled.

    Args:
        doubled: (D,) distinct naive times with more than one row.
        missing: (M,) distinct naive times without a row.

    >>> found = clock_change(np.array(["2023-10-29T02:00"], dtype="datetime64[ns]"), np.array([], "datetime64[ns]"))
    >>> found.zone if found else None
    'Europe/Berlin'
    """
    best: ClockChange | None = None
    for zone in _ZONES:
        changes = changes_of(zone)
        twice = doubled[changes.doubled(_nanoseconds(doubled))]
        never = missing[changes.skipped(_nanoseconds(missing))]
        if 2 * len(twice) < len(doubled) or (not len(doubled) and len(never) < len(missing)):
            continue
        found = ClockChange(zone, twice, never)
        if len(twice) + len(never) > (0 if best is None else len(best.twice) + len(best.never)):
            best = found
    return best


def _nanoseconds(times: npt.NDArray[Any]) -> Ints:
    return np.asarray(times, dtype="datetime64[ns]").view(np.int64)


def zones_like(index: pd.DatetimeIndex, names: Sequence[str]) -> tuple[str, ...]:
    """Return usual zones whose clock changes when the offsets in ``names`` do (``UTC+01:00``), for advice.

    Several zones always do, so none may be taken for the one that is meant.
    """
    among = np.unique(np.linspace(0, len(index) - 1, 2000).astype(np.intp))
    some, wanted = index[among], _offsets([names[i] for i in among])
    if wanted is None:
        return ()
    utc = some.tz_convert("UTC").tz_localize(None)

    def fits(zone: str) -> bool:
        ahead = some.tz_convert(zone).tz_localize(None) - utc
        return bool((np.asarray(ahead, dtype="timedelta64[ns]").view(np.int64) == wanted).all())

    return tuple(zone for zone in _USUAL if fits(zone))


def written_offsets(index: pd.DatetimeIndex, names: Sequence[str]) -> WrittenOffsets:
    """Return the first moment of each offset in ``names`` (``UTC+01:00``), if one clock on the wall wrote them all."""
    ahead = _offsets(names)
    if ahead is None:
        return ()
    moments = np.asarray(index.tz_convert("UTC").tz_localize(None), dtype="datetime64[ns]").view(np.int64)
    order = np.argsort(moments, kind="stable")
    moments, ahead = moments[order], ahead[order]
    first = np.flatnonzero(np.diff(ahead, prepend=ahead[0] - 1))
    years = (moments[-1] - moments[0]) / (365 * _DAY)
    if len(first) > 3 + 4 * years:  # several clocks, side by side
        return ()
    return tuple((int(moments[k]), int(ahead[k])) for k in first)


def _offsets(names: Sequence[str]) -> Ints | None:
    """Return the offsets that names such as ``UTC+01:00`` stand for, in nanoseconds; None if one is another name."""
    known: dict[str, int] = {}
    for name in set(names):
        found = re.fullmatch(r"UTC(?:([+-])(\d\d):?(\d\d))?", name)
        if found is None:
            return None
        minutes = 0 if found[1] is None else int(found[1] + found[2]) * 60 + int(found[1] + found[3])
        known[name] = minutes * 60 * _SECOND
    return np.array([known[name] for name in names], dtype=np.int64)
