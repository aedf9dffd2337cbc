"""Time zones: where their clocks change, and what a clock on the wall shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.series.offsets import Ints

__all__ = [
    "Changes",
    "LocalClock",
    "WrittenOffsets",
    "changes_of",
    "local_times",
    "wall_clock",
    "with_colon",
    "zone_name",
]

#: (moment in UTC, what the clock is ahead from then on), in nanoseconds, ascending.
WrittenOffsets: TypeAlias = tuple[tuple[int, int], ...]

_SECOND, _DAY = 10**9, 86_400 * 10**9
# The years that the inside clock reaches (see times.py).
_FIRST, _LAST = pd.Timestamp(1680, 1, 1).value, pd.Timestamp(2251, 1, 1).value


@dataclass(frozen=True, eq=False)
class Changes:
    """All changes of a zone's clock.

    Args:
        starts: (K,) moments in UTC from which on the next offset holds, in nanoseconds.
        offsets: (K + 1,) what the clock on the wall is ahead of UTC, in nanoseconds.
    """

    starts: Ints
    offsets: Ints

    @cached_property
    def jumps(self) -> Ints:
        """(K,) by how much the clock is put forward (back, if negative)."""
        return np.diff(self.offsets)

    def wall(self, moments: Ints) -> Ints:
        """Return what the clock on the wall shows at moments in UTC, of any shape."""
        moments = np.asarray(moments, dtype=np.int64)
        if not moments.size:
            return moments
        low, high = np.searchsorted(self.starts, [moments.min(), moments.max()], side="right")
        if low == high:  # no change among them, as in most requests: no look at each
            return np.asarray(moments + self.offsets[low])
        return np.asarray(moments + self.offsets[np.searchsorted(self.starts, moments, side="right")])

    def between(self, first: int, last: int) -> slice:
        """Return which changes come after ``first`` and not after ``last``, both in UTC."""
        low, high = np.searchsorted(self.starts, [first, last], side="right")
        return slice(int(low), int(high))

    def repeated(self, moments: Ints) -> npt.NDArray[np.bool_]:
        """Return whether the wall shows at a moment what it showed before a change."""
        out = np.zeros(np.shape(moments), dtype=bool)
        if not out.size:
            return out
        back = np.flatnonzero(self.jumps < 0)
        ends = self.starts[back] - self.jumps[back]
        for k in back[(ends > moments.min()) & (self.starts[back] <= moments.max())]:
            out |= (moments >= self.starts[k]) & (moments < self.starts[k] - self.jumps[k])
        return out

    def doubled(self, walls: Ints) -> npt.NDArray[np.bool_]:
        """Return whether the clock on the wall shows a time twice."""
        back = np.flatnonzero(self.jumps < 0)
        return _within(walls, (self.starts + self.offsets[1:])[back], -self.jumps[back])

    def skipped(self, walls: Ints) -> npt.NDArray[np.bool_]:
        """Return whether the clock on the wall never shows a time."""
        return _within(walls, self.starts + self.offsets[:-1], self.jumps)


def _within(values: Ints, begins: Ints, lengths: Ints) -> npt.NDArray[np.bool_]:
    """Return which values lie in one of some spans, given by their ascending begins and their lengths."""
    if not len(begins):
        return np.zeros(np.shape(values), dtype=bool)
    at = np.searchsorted(begins, values, side="right") - 1
    return np.asarray((at >= 0) & (values - begins[np.maximum(at, 0)] < lengths[np.maximum(at, 0)]))


@lru_cache(maxsize=64)
def changes_of(zone: str) -> Changes:
    """Return the changes of a zone that pandas knows, as pandas converts them."""

    def offset(moments: Ints) -> Ints:
        index = pd.DatetimeIndex(moments.view("datetime64[ns]"), tz="UTC").tz_convert(zone).tz_localize(None)
        return np.asarray(index, dtype="datetime64[ns]").view(np.int64) - moments

    days = np.arange(_FIRST, _LAST, _DAY, dtype=np.int64)
    at = offset(days)
    day = np.flatnonzero(np.diff(at))
    before, after = days[day], days[day + 1]
    while len(day) and (after - before).max() > _SECOND:  # no zone changes twice on one day
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        same = offset(middle) == at[day]
        before, after = np.where(same, middle, before), np.where(same, after, middle)
    return Changes(after, np.concatenate([at[:1], at[day + 1]]))


def local_times(times: Ints, zone: str | None) -> Ints:
    """Return what clocks in a zone show at (N,) microseconds since 1970 in UTC; the same array where there is no zone.

    Before 1680 and after 2250 clocks stay as they are at that end.
    """
    return times if zone is None or zone == "UTC" else _in_microseconds(zone).wall(times)


@lru_cache(maxsize=64)
def _in_microseconds(zone: str) -> Changes:
    changes = changes_of(zone)
    return Changes(changes.starts // 1000, changes.offsets // 1000)


def zone_name(zone: Any) -> str:
    """Return a name by which pandas finds a zone again on any machine; ``"UTC"`` if there is none.

    >>> import datetime
    >>> zone_name(datetime.timezone(datetime.timedelta(hours=-3)))
    'UTC-03:00'
    """
    text = str(zone)
    found = re.search(r"zoneinfo/(?:posix/|right/)?([A-Z][\w+\-/]+)", text)
    if found:  # a zone of dateutil is a file
        text = found[1]
    elif not re.fullmatch(r"[A-Za-z][\w+\-/:]*", text) and zone.utcoffset(None) is not None:
        minutes = int(zone.utcoffset(None).total_seconds() // 60)
        text = f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    try:
        pd.DatetimeIndex([], tz="UTC").tz_convert(text)
    except (KeyError, ValueError, TypeError):
        return "UTC"
    return text


def with_colon(offset: str) -> str:
    """Return an offset from UTC with hours and minutes, as ISO 8601 writes it out.

    >>> with_colon("+0130"), with_colon("-01")
    ('+01:30', '-01:00')
    """
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def wall_clock(moments: Ints, zone: str, step: int = 0, phase: int = 0, *, strict: bool = False) -> Ints:
    """Return what the clock on the wall shows, as a regular clock of that step would have it.

    Where a day begins with an hour that is skipped, the day's first time is 01:00; the regular clock has 00:00 there.
    Rows that did not follow a change (06:00 shows as 07:00 from then on) are laid where they were before.

    Args:
        moments: (N,) nanoseconds since 1970 in UTC.
        zone: Name of the zone whose clock it is.
        step: Distance of the regular clock's rows in nanoseconds; 0 for none.
        phase: Nanoseconds that its rows lie behind whole steps.
        strict: Whether rows that did not follow a change stay where the wall shows them.
    """
    changes = changes_of(zone)
    wall = changes.wall(moments)
    behind = (wall - phase) % step if step else np.zeros_like(wall)
    odd = np.flatnonzero(behind)
    if not len(odd) or not len(changes.starts):
        return wall
    wall = wall.copy()
    late, some = behind[odd], moments[odd]
    at = np.minimum(np.searchsorted(changes.starts, some), len(changes.starts) - 1)
    meant = (changes.starts[at] == some) & (late <= changes.jumps[at])
    wall[odd] -= np.where(meant, late, 0)
    if strict:
        return wall
    now = np.searchsorted(changes.starts, some, side="right")
    for other in (np.maximum(now - 1, 0), np.minimum(now + 1, len(changes.starts))):
        unmoved = some + changes.offsets[other]
        wall[odd] = np.where(~meant & ((unmoved - phase) % step == 0), unmoved, wall[odd])
    return wall


@dataclass(frozen=True)
class LocalClock:
    """The clock on the wall of those whose data are kept in UTC.

    Args:
        zone: Name of the zone in which they live.
        shift: What models' clock is ahead of UTC all year, in nanoseconds, where a change is no whole number of
            steps (see blend.py); None where they follow the changes (see local.py).
        written: Offsets that were written beside the times where no zone is named, each with its first moment; the last
            one goes on.
    """

    zone: str
    shift: int | None = None
    written: WrittenOffsets = ()

    @property
    def changes(self) -> Changes:
        """The changes of its clock."""
        return _changes_written(self.written) if self.written else changes_of(self.zone)

    @property
    def name(self) -> str:
        """Whose clock, in words."""
        return "the offsets of the table" if self.written else self.zone

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LocalClock:
        """Read what ``asdict`` returned, from JSON too."""
        written = tuple((int(start), int(offset)) for start, offset in values.get("written", ()))
        return cls(values["zone"], values["shift"], written)


@lru_cache(maxsize=64)
def _changes_written(written: WrittenOffsets) -> Changes:
    starts, offsets = np.array(written, dtype=np.int64).T
    return Changes(starts[1:].copy(), offsets.copy())
