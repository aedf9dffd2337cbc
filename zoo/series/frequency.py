"""What one row means on the clock: a calendar step, a fixed step, an integer step, or a rule of ``rules``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

import zoo.series.rules as rules
from zoo.errors import ConfigError
from zoo.series.calendar import varying_parts
from zoo.series.offsets import Floats
from zoo.series.zones import LocalClock

__all__ = ["Frequency", "Times"]

#: datetime64[ns], or int64 for an integer clock.
Times: TypeAlias = npt.NDArray[Any]

# Rows per year of calendar clocks; fixed steps count hours, days and weeks instead.
_PER_YEAR = {
    "B": (5,),
    "C": (5,),
    "W": (52,),
    "SM": (24,),
    "M": (12,),
    "BM": (12,),
    "Q": (4,),
    "BQ": (4,),
}
_HOUR, _DAY, _WEEK = 3600.0, 86400.0, 604800.0


@lru_cache(maxsize=64)
def _offset(alias: str) -> Any:
    """Return the offset of an alias: a forecast asks for it at every step, and pandas parses it anew each time."""
    return pd.tseries.frequencies.to_offset(alias)


@dataclass(frozen=True)
class Frequency:
    """A step of the clock.

    Args:
        alias: A pandas offset alias in its canonical form (``"h"``, ``"MS"``, ``"W-SUN"``), a name of
            ``zoo.series.rules`` (``"MD-15"``, ``"h[MON-SAT 10:00-20:00]"``), or ``""`` for an integer clock.
        step: The step of an integer clock; 1 for calendar clocks (their multiple is inside the alias).
        local: The clock on the wall by which people live, where times are kept in UTC.

    >>> Frequency.parse("MS").seasons
    (12,)
    """

    alias: str
    step: int = 1
    local: LocalClock | None = None

    @classmethod
    def parse(cls, text: str | int | Frequency) -> Frequency:
        """Read a pandas alias (old spellings such as ``"M"`` and ``"H"`` too) or the step of an integer clock.

        Raises:
            ConfigError: pandas does not know the alias, or the step does not go forward.
        """
        if isinstance(text, Frequency):
            return text
        hint = "for example 'h', '30min', 'D', 'W-SUN', 'MS', 'MD-15', 'QS', 'YS', 'bh', or 1 for an integer clock"
        if isinstance(text, int | np.integer) and not isinstance(text, bool):
            if text < 1:
                raise ConfigError(f"the step of an integer clock must be at least 1, but got {text}", hint)
            return cls("", int(text))
        try:
            own = rules.parse(str(getattr(text, "freqstr", text)))
        except ValueError as error:
            raise ConfigError(f"freq must name a clock, but {text!r} does not: {error}", hint) from error
        if own is not None:
            return cls(own.alias)
        try:
            with warnings.catch_warnings():
                # pandas 2.2 renamed "M", "H" and friends; people will write the old names for years.
                warnings.simplefilter("ignore", FutureWarning)
                offset = pd.tseries.frequencies.to_offset(str(getattr(text, "freqstr", text)))
            alias = str(offset.freqstr)
        except (ValueError, AttributeError, TypeError) as error:
            raise ConfigError(
                f"freq must be a pandas offset alias or an integer, but got {text!r}",
                hint,
            ) from error
        if offset.n < 1:
            raise ConfigError(f"freq must go forward, but got {text!r}", hint)
        return cls(alias)

    @property
    def is_integer(self) -> bool:
        """Whether the clock counts integers."""
        return self.alias == ""

    @property
    def rule(self) -> rules.ClockRule | None:
        """The rule of a clock that is none of pandas's, else None."""
        return rules.parse(self.alias)

    @property
    def is_fixed(self) -> bool:
        """Whether every step has the same length: integers, days, hours and shorter."""
        return self.is_integer or (self.rule is None and isinstance(self.offset, pd.offsets.Tick))

    @property
    def offset(self) -> Any:
        """The pandas offset of a calendar clock; one with a ``rule`` has none."""
        return _offset(self.alias)

    @property
    def spacing(self) -> int:
        """The typical distance of two rows: nanoseconds, or integers on an integer clock."""
        if self.is_integer:
            return self.step
        if self.rule is not None:
            return self.rule.spacing
        offset = self.offset
        if isinstance(offset, pd.offsets.Tick):
            return int(offset.nanos)
        start = pd.Timestamp(2001, 1, 1) + offset
        return int(((start + offset * 4) - start).value // 4)

    def advance(self, times: Times, steps: int) -> Times:
        """Return ``times`` moved by ``steps`` rows, element by element."""
        if self.is_integer:
            return np.asarray(times, dtype=np.int64) + self.step * steps
        if steps == 0:
            return np.asarray(times)
        if self.rule is not None:
            at = np.asarray(times, dtype="datetime64[ns]").astype(np.int64)
            return np.asarray(self.rule.shift(at, steps).astype("datetime64[ns]"))
        offset = self.offset
        if isinstance(offset, pd.offsets.Tick):
            return np.asarray(times) + np.timedelta64(offset.nanos * steps, "ns")
        codes, distinct = pd.factorize(np.asarray(times).ravel())
        with warnings.catch_warnings():
            # Some of pandas's offsets move one time after the other, which the user cannot help.
            warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
            moved = pd.DatetimeIndex(distinct) + offset * steps
        return np.asarray(moved, dtype="datetime64[ns]")[codes].reshape(np.shape(times))

    def walk(self, first: Any, periods: int) -> Times:
        """Return (T,) times from a first one on, which must lie on the clock."""
        if self.is_integer:
            return int(first) + self.step * np.arange(periods, dtype=np.int64)
        start = pd.Timestamp(first)
        if self.rule is not None:
            below = self.rule.floor(np.array([start.value]))
            moments = self.rule.moment(below + np.arange(periods)) + start.value - self.rule.moment(below)
            return np.asarray(moments.astype("datetime64[ns]"))
        return pd.date_range(start, periods=periods, freq=self.offset).to_numpy("datetime64[ns]")

    def has(self, moment: Any) -> bool:
        """Whether the day of a time (or the time, for opening hours) is a step of a calendar."""
        at = pd.Timestamp(moment)
        if self.rule is None:
            return bool(self.offset.is_on_offset(at.normalize()))
        day = np.array([at.value if self.spacing < 86_400 * 10**9 else at.normalize().value])
        return bool((self.rule.moment(self.rule.floor(day)) == day).all())

    def count(self, first: Any, now: Any) -> int:
        """Return the rows from ``first`` to ``now``, both on the clock; negative when ``now`` is earlier."""
        if self.is_integer:
            return (int(now) - int(first)) // self.step
        if self.rule is not None:
            ends = np.array([first, now], dtype="datetime64[ns]").astype(np.int64)
            return int(np.diff(self.rule.floor(ends))[0])
        offset = self.offset
        if isinstance(offset, pd.offsets.Tick):
            return int((now - first) // np.timedelta64(offset.nanos, "ns"))
        low, high = min(first, now), max(first, now)
        rows = len(pd.date_range(low, high, freq=offset)) - 1
        return rows if now >= first else -rows

    def calendar(self, times: Times) -> dict[str, Floats]:
        """Return the parts of the calendar that vary at this frequency (``calendar.varying_parts``); none of integers.

        >>> parts = Frequency.parse("h").calendar(np.array(["2020-12-26T13:00"], dtype="datetime64[ns]"))
        >>> parts["hour"].item(), parts["weekday"].item(), parts["christmas"].item()
        (13.0, 5.0, 1.0)
        """
        return {} if self.is_integer else varying_parts(times, self.spacing, weekends=self.alias != "B")

    @property
    def seasons(self) -> tuple[int, ...]:
        """Usual season lengths in rows, shortest first; ``(1,)`` where nothing is usual."""
        if self.is_integer:
            return (1,)
        if self.rule is not None:
            return self.rule.seasons
        offset = self.offset
        if isinstance(offset, pd.offsets.Tick):
            seconds = offset.nanos / 1e9
            if seconds % _WEEK == 0:
                return (max(1, round(52 * _WEEK / seconds)),)
            found = tuple(
                round(period / seconds)
                for period in (_HOUR, _DAY, _WEEK)
                if period / seconds >= 2 and (period > _HOUR or seconds < 300) and period % seconds == 0
            )
            return found or (1,)
        base = self.alias.lstrip("0123456789").split("-")[0]
        base = base if base in _PER_YEAR else base.rstrip("SE")
        n = int(offset.n)
        return tuple(max(1, rows // n) for rows in _PER_YEAR.get(base, (1,)))
