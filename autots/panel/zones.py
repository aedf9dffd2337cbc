"""Time zones: where their clocks change, and what a clock on the wall shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "ADVICE",
    "Changes",
    "LocalClock",
    "Offsets",
    "changes_of",
    "wall_clock",
    "written_offsets",
    "zone_name",
    "zones_like",
]

Ints = npt.NDArray[np.int64]
#: (moment in UTC, what the clock is ahead from then on), in nanoseconds, ascending.
Offsets: TypeAlias = tuple[tuple[int, int], ...]

#: How a note begins that advises to name a zone.
ADVICE = "their offsets change as in "

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

    def skipped(self, walls: Ints) -> npt.NDArray[np.bool_]:
        """Return whether the clock on the wall never shows a time."""
        if not len(self.starts):
            return np.zeros(np.shape(walls), dtype=bool)
        begins = self.starts + self.offsets[:-1]
        at = np.searchsorted(begins, walls, side="right") - 1
        return np.asarray((at >= 0) & (walls - begins[np.maximum(at, 0)] < self.jumps[np.maximum(at, 0)]))


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


def written_offsets(index: pd.DatetimeIndex, names: Sequence[str]) -> Offsets:
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


def wall_clock(moments: Ints, zone: str, step: int = 0, phase: int = 0, *, strict: bool = False) -> Ints:
    """Return what the clock on the wall shows, as a regular clock of that step would have it.

    Where a day begins with an hour that is skipped, the day's first time is 01:00; the regular clock has 00:00 there.
    Rows that did not follow a change (06:00 shows as 07:00 from then on) are laid where they were before.

    Args:
        moments: (N,) in UTC.
        zone: Whose clock.
        step: Distance of the regular clock's rows; 0 for none.
        phase: Of its rows.
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
        zone: Where they live.
        shift: What models' clock is ahead of UTC all year, in nanoseconds, where a change is no whole number of
            steps (see blend.py); None where they follow the changes (see local.py).
        written: Offsets that were written beside the times where no zone is named, each with its first moment; the last
            one goes on.
    """

    zone: str
    shift: int | None = None
    written: Offsets = ()

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
def _changes_written(written: Offsets) -> Changes:
    starts, offsets = np.array(written, dtype=np.int64).T
    return Changes(starts[1:].copy(), offsets.copy())
