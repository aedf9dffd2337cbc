"""Local hours without a zone: where the clocks go back they come twice, where they go forward one is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from autots.panel.frequency import Times

__all__ = ["ClockChange", "clock_change"]

# One zone for each rule by which clocks are changed; others of the same rule show the same local hours.
_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "Australia/Sydney", "Pacific/Auckland",
    "America/Santiago", "America/Asuncion", "America/Sao_Paulo", "Asia/Tehran", "Asia/Jerusalem", "Asia/Beirut",
    "Africa/Cairo", "Europe/Moscow", "America/Havana", "America/Mexico_City", "Atlantic/Azores", "Europe/Chisinau",
)  # fmt: skip


@dataclass(frozen=True)
class ClockChange:
    """The zone whose changes explain doubled and missing hours.

    Args:
        zone: A zone with that rule.
        twice: Distinct times that the zone's clock shows twice, and that come more than once.
        never: Distinct times that the zone's clock skips, and that are missing.
    """

    zone: str
    twice: Times
    never: Times


def clock_change(doubled: Times, missing: Times) -> ClockChange | None:
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
        local = pd.DatetimeIndex(doubled).tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
        twice = doubled[np.asarray(local.isna())]
        gone = pd.DatetimeIndex(missing).tz_localize(zone, ambiguous=np.ones(len(missing), bool), nonexistent="NaT")
        never = missing[np.asarray(gone.isna())]
        if 2 * len(twice) < len(doubled) or (not len(doubled) and len(never) < len(missing)):
            continue
        found = ClockChange(zone, twice, never)
        if len(twice) + len(never) > (0 if best is None else len(best.twice) + len(best.never)):
            best = found
    return best
