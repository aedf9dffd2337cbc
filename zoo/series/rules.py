"""Clocks that pandas cannot name, or knows only one step at a time: days of the month, opening hours, 4-4-5 weeks.

Each is a rule that numbers its steps, in both directions and for whole arrays. All times are nanoseconds since 1970.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.series.calendar import month_start
from zoo.series.offsets import Ints

__all__ = ["MONTHS", "WEEKDAYS", "ClockRule", "Cycle", "MonthDays", "NthWeekday", "parse", "week_of"]

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MINUTE, _HOUR, _DAY = 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
_WEEK = 7 * _DAY
_MONDAY = 4 * _DAY  # 5 January 1970
_YEAR = 365.2425 * _DAY


class ClockRule(ABC):
    """A rule that numbers its steps in the order of time: ``moment`` is strictly increasing."""

    alias: str

    @abstractmethod
    def floor(self, times: Ints) -> Ints:
        """Return the number of the last step at or before each time."""

    @abstractmethod
    def moment(self, numbers: Ints) -> Ints:
        """Return the times of steps."""

    @property
    @abstractmethod
    def spacing(self) -> int:
        """The distance of two steps that follow each other closely."""

    @property
    @abstractmethod
    def seasons(self) -> tuple[int, ...]:
        """Usual season lengths in steps, shortest first."""

    def nearest(self, times: Ints) -> Ints:
        """Return the number of the step nearest to each time, the earlier one of equals."""
        below = self.floor(times)
        return below + (times - self.moment(below) > self.moment(below + 1) - times)

    def shift(self, times: Ints, steps: int) -> Ints:
        """Return times moved by whole steps; what lies between steps keeps its distance from the one before."""
        below = self.floor(times)
        return self.moment(below + steps) + times - self.moment(below)


def _months(times: Ints) -> Ints:
    return times.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)


def _part(months: int, month: int) -> str:
    return "" if months == 1 else f"-{MONTHS[month - 1]}"


@dataclass(frozen=True)
class MonthDays(ClockRule):
    """The same days of every month, or of every third, sixth or twelfth: ``"MD-15"``, ``"MD-14-28"``, ``"3MD-FEB-15"``.

    A day that a month lacks is its last one: ``"MD-30"`` is 28 or 29 in February.

    Args:
        days: Days of the month, ascending; only the last may be one that some month lacks.
        months: Distance of the months that have them.
        month: One of those months, 1 to 12.
    """

    days: tuple[int, ...]
    months: int = 1
    month: int = 1

    @cached_property
    def alias(self) -> str:  # type: ignore[override]
        """The name, for example ``"MD-15"``."""
        first = (self.month - 1) % self.months + 1 if 12 % self.months == 0 and self.months < 12 else self.month
        days = "-".join(map(str, self.days))
        return f"{'' if self.months == 1 else self.months}MD{_part(self.months, first)}-{days}"

    def floor(self, times: Ints) -> Ints:
        """Return the number of the last step at or before each time."""
        k = len(self.days)
        numbers = (_months(times) - (self.month - 1)) // self.months * k + k - 1
        for _ in range(k):
            numbers = numbers - (self.moment(numbers) > times)
        return numbers

    def moment(self, numbers: Ints) -> Ints:
        """Return the times of steps."""
        k = len(self.days)
        months = numbers // k * self.months + self.month - 1
        start = month_start(months)
        day = np.minimum(np.asarray(self.days)[numbers % k], month_start(months + 1) - start)
        return np.asarray((start + day - 1) * _DAY, dtype=np.int64)

    @property
    def spacing(self) -> int:
        """The mean distance of two steps."""
        return int(_YEAR / 12 * self.months / len(self.days))

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps of a year."""
        return (max(1, 12 * len(self.days) // self.months),)


@dataclass(frozen=True)
class NthWeekday(ClockRule):
    """The n-th, or the last, of a weekday in each month: ``"WOM-3FRI"`` and ``"LWOM-FRI"``, as pandas names them.

    Args:
        nth: 1 to 4, or -1 for the last.
        weekday: Day of the week, 0 is Monday.
    """

    nth: int
    weekday: int

    @cached_property
    def alias(self) -> str:  # type: ignore[override]
        """The name, as pandas has it."""
        day = WEEKDAYS[self.weekday]
        return f"LWOM-{day}" if self.nth < 0 else f"WOM-{self.nth}{day}"

    def floor(self, times: Ints) -> Ints:
        """Return the number of the last step at or before each time."""
        months = _months(times)
        return months - (self.moment(months) > times)

    def moment(self, numbers: Ints) -> Ints:
        """Return the times of steps."""
        start = month_start(np.asarray(numbers) + (self.nth < 0))
        # 1 January 1970 was a Thursday.
        first = start + (self.weekday - (start + 3)) % 7
        return np.asarray((first + 7 * (self.nth - (self.nth > 0))) * _DAY, dtype=np.int64)

    @property
    def spacing(self) -> int:
        """The mean distance of two steps."""
        return int(_YEAR / 12)

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps of a year."""
        return (12,)


@dataclass(frozen=True)
class Cycle(ClockRule):
    """A pattern that repeats: opening hours within a week, weeks of 4-4-5 within a quarter.

    Args:
        alias: The name that ``parse`` reads.
        period: Length of the pattern.
        origin: The start of one.
        slots: Where the steps lie within it, ascending.
        step: Distance of steps that follow each other closely.
        seasons_: Season lengths in steps.
    """

    alias: str
    period: int
    origin: int
    slots: tuple[int, ...]
    step: int
    seasons_: tuple[int, ...]

    @cached_property
    def _slots(self) -> Ints:
        return np.asarray(self.slots, dtype=np.int64)

    def floor(self, times: Ints) -> Ints:
        """Return the number of the last step at or before each time."""
        cycle, rest = np.divmod(times - self.origin, self.period)
        return np.asarray(cycle * len(self.slots) + np.searchsorted(self._slots, rest, side="right") - 1)

    def moment(self, numbers: Ints) -> Ints:
        """Return the times of steps."""
        cycle, place = np.divmod(np.asarray(numbers), len(self.slots))
        return np.asarray(self.origin + cycle * self.period + self._slots[place])

    @property
    def spacing(self) -> int:
        """The distance of two steps that follow each other closely."""
        return self.step

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps of a day and of a week, or of a year."""
        return self.seasons_


def week_of(slots: Ints, step: int) -> Cycle:
    """Return the clock of steps within a week, given as nanoseconds since its Monday.

    >>> week_of(np.array([d * 24 + h for d in range(5) for h in (9, 10, 11)]) * 3600 * 10**9, 3600 * 10**9).alias
    'h[MON-FRI 09:00-12:00]'
    """
    slots = np.unique(slots)
    days = slots // _DAY
    used = np.unique(days)
    if step == _DAY:
        slots = used * _DAY
        return Cycle(f"D[{_days(used)}]", _WEEK, _MONDAY, tuple(slots.tolist()), _DAY, (max(1, len(used)),))
    hours = {int(d): _ranges(slots[days == d] - d * _DAY, step) for d in used}
    parts = [(spans, [d for d in hours if hours[d] == spans]) for spans in dict.fromkeys(hours.values())]
    every = len(used) == 7
    spec = ", ".join(
        spans if every and len(parts) == 1 else f"{_days(np.array(named))} {spans}" for spans, named in parts
    )
    counts = np.bincount(days)[used]
    day = int(counts[0]) if (counts == counts[0]).all() else 0
    seasons = tuple(sorted({n for n in (day, len(slots)) if n > 1})) or (1,)
    alias = f"{_tick(step)}[{spec}]"
    alias = "bh" if alias == "h[MON-FRI 09:00-17:00]" else alias
    return Cycle(alias, _WEEK, _MONDAY, tuple(slots.tolist()), step, seasons)


def _tick(step: int) -> str:
    for unit, name in ((_HOUR, "h"), (_MINUTE, "min"), (10**9, "s")):
        if step % unit == 0:
            return name if step == unit else f"{step // unit}{name}"
    return f"{step}ns"


def _days(days: npt.NDArray[Any]) -> str:
    """Return weekdays as text: ``"MON-FRI"``, ``"TUE+THU"``."""
    runs = np.split(days, np.flatnonzero(np.diff(days) > 1) + 1)
    names = [[WEEKDAYS[int(d)] for d in run] for run in runs]
    return "+".join(f"{n[0]}-{n[-1]}" if len(n) > 2 else "+".join(n) for n in names)


def _ranges(slots: Ints, step: int) -> str:
    """Return the hours of a day as text, each span from its first step to the end of its last one."""
    runs = np.split(slots, np.flatnonzero(np.diff(slots) != step) + 1)
    return "+".join(f"{_clock(int(run[0]))}-{_clock(min(int(run[-1]) + step, _DAY))}" for run in runs)


def _clock(moment: int) -> str:
    hours, rest = divmod(moment, _HOUR)
    minutes, seconds = divmod(rest, _MINUTE)
    return f"{hours:02d}:{minutes:02d}" + (f":{seconds // 10**9:02d}" if seconds else "")


_SPAN = r"\d{1,2}:\d{2}(?::\d{2})?-\d{1,2}:\d{2}(?::\d{2})?"
_OF_DAYS = re.compile(r"(?:([A-Z+-]+) )?(" + _SPAN + r"(?:\+" + _SPAN + r")*)")
_OF_WEEK = re.compile(r"(?:(\d*)(h|min|s|H|T)|D)\[(.+)\]")
_OF_MONTH = re.compile(r"(\d*)MD((?:-[A-Z]{3})?)((?:-\d{1,2})+)")
_OF_WEEKDAY = re.compile(r"WOM-([1-4])([A-Z]{3})|LWOM-([A-Z]{3})")
_OF_445 = re.compile(r"445-(\d{4}-\d{2}-\d{2})")
_BUSINESS = re.compile(r"(\d*)(?:bh|BH|cbh|CBH)")


@lru_cache(maxsize=256)
def parse(alias: str) -> ClockRule | None:
    """Return the clock of a name, or None if it is none of ours.

    Raises:
        ValueError: The name is ours, but contradicts itself.

    >>> parse("h[MON-SAT 10:00-20:00]").seasons
    (10, 60)
    """
    if found := _BUSINESS.fullmatch(alias):
        step = int(found[1] or 1)
        if step == 0 or 8 % step:
            raise ValueError("business hours come in steps of 1, 2, 4 or 8 hours")
        return _week(f"{step * 60}min", "MON-FRI 09:00-17:00")
    if found := _OF_WEEK.fullmatch(alias):
        return _week(alias[: alias.index("[")], found[3])
    if found := _OF_MONTH.fullmatch(alias):
        return _month(int(found[1] or 1), found[2][1:], tuple(sorted({int(day) for day in found[3][1:].split("-")})))
    if found := _OF_WEEKDAY.fullmatch(alias):
        nth, day = (int(found[1]), found[2]) if found[1] else (-1, found[3])
        return NthWeekday(nth, WEEKDAYS.index(day))
    if found := _OF_445.fullmatch(alias):
        weeks = np.array([0, 4, 8])
        # One anchor names the rhythm, whichever quarter it was taken from.
        start = int(np.datetime64(found[1], "ns").astype(np.int64))
        origin = (start - _ANCHOR) % (13 * _WEEK) + _ANCHOR
        name = f"445-{np.datetime64(origin, 'ns').astype('datetime64[D]')}"
        return Cycle(name, 13 * _WEEK, origin, tuple((weeks * _WEEK).tolist()), 4 * _WEEK, (12,))
    return None


_ANCHOR = int(np.datetime64("2000-01-01", "ns").astype(np.int64))


def _month(months: int, name: str, days: tuple[int, ...]) -> MonthDays:
    if not 1 <= months <= 12 or bool(name) != (months > 1) or not 1 <= days[0] <= days[-1] <= 31:
        raise ValueError("days of the month are written as 'MD-15', 'MD-1-15' or '3MD-FEB-15'")
    if len(days) > 1 and days[-2] > 28:
        raise ValueError("only one day of the month may be one that some month lacks")
    if 12 % months:
        raise ValueError("months must divide the year")
    month = MONTHS.index(name) + 1 if name else 1
    return MonthDays(days, months, (month - 1) % months + 1)


def _week(tick: str, spec: str) -> Cycle:
    """Read ``"h"`` and ``"MON-FRI 09:00-17:00, SAT 10:00-14:00"``, or ``"D"`` and ``"MON-SAT"``."""
    if tick == "D":
        return week_of(np.array(_named(spec)) * _DAY, _DAY)
    number = re.match(r"\d*", tick)
    unit = {"h": _HOUR, "H": _HOUR, "min": _MINUTE, "T": _MINUTE, "s": 10**9}[tick.lstrip("0123456789")]
    step = int((number[0] if number else "") or 1) * unit
    slots: list[int] = []
    if step == 0:
        raise ValueError("a step must go forward")
    for part in spec.split(", "):
        found = _OF_DAYS.fullmatch(part)
        if found is None:
            raise ValueError(f"opening hours are written as 'MON-FRI 09:00-17:00, SAT 10:00-14:00', not {part!r}")
        for day in _named(found[1]) if found[1] else range(7):
            for span in found[2].split("+"):
                first, last = (_moment(text) for text in span.split("-"))
                if not 0 <= first < last <= _DAY:
                    raise ValueError(f"opening hours must end after they begin, on the same day, not {span!r}")
                slots += [day * _DAY + at for at in range(first, last, step)]
    return week_of(np.array(slots, dtype=np.int64), step)


def _moment(text: str) -> int:
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return hours * _HOUR + minutes * _MINUTE + (seconds[0] if seconds else 0) * 10**9


def _named(spec: str) -> list[int]:
    days: list[int] = []
    for part in spec.split("+"):
        ends = [WEEKDAYS.index(name) for name in part.split("-")]
        days += range(ends[0], ends[-1] + 1)
    return days
