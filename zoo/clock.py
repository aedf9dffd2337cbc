"""Time as a value that is passed in, so that decisions can be replayed and tested."""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Protocol

from zoo.errors import ConfigError

__all__ = ["Clock", "Deadline", "ManualClock", "SystemClock", "parse_duration", "process_age"]

# No interpreter needs longer to start; an older process was another program before.
_LONGEST_START = 20.0


class Clock(Protocol):
    """Something that tells seconds on a monotonic scale."""

    def now(self) -> float:
        """Return seconds; only differences have a meaning."""


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


@dataclass
class ManualClock:
    """A clock that moves only when told: for tests and virtual time.

    Args:
        seconds: What it shows first; 0 by default.
        tick: Seconds that it moves each time that it is read; 0 by default.
    """

    seconds: float = 0.0
    tick: float = 0.0

    def now(self) -> float:
        """Return the seconds set so far."""
        self.seconds += self.tick
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``."""
        self.seconds += seconds


@dataclass(frozen=True)
class Deadline:
    """A wall-clock promise: ``budget`` seconds from ``start`` on ``clock``."""

    budget: float
    start: float
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def after(cls, budget: float, clock: Clock | None = None, *, already_spent: float = 0.0) -> Deadline:
        """Start a deadline now; ``already_spent`` seconds of the budget are gone (start-up of the process)."""
        clock = clock or SystemClock()
        return cls(budget, clock.now() - already_spent, clock)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock.now() - self.start

    @property
    def remaining(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.budget - self.elapsed


_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: float | int | str) -> float:
    """Return seconds for ``90``, ``"90s"``, ``"5min"``, ``"1h30min"``.

    Raises:
        ConfigError: The text is no duration, or it is not positive.

    >>> parse_duration("1h30min")
    5400.0
    """
    hint = "write seconds as a number, or a text like '90s', '5min', '1h30min'"
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        text = str(value).strip().lower()
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text)
        rest = re.sub(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*", "", text)
        if not parts or rest or any(unit not in _UNITS for _, unit in parts):
            raise ConfigError(f"a budget must be a duration, but got {value!r}", hint)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"a budget must be positive, but got {value!r}", hint)
    return seconds


def process_age() -> float:
    """Return the seconds since this process was started: what the interpreter and its imports took so far.

    A process that a shell or a container's entry point turned into this program (``exec``) is older than the program;
    nothing is counted then, since nobody knows how long the program itself runs.
    """
    if sys.platform == "linux":
        # psutil's create_time is up to a second wrong: it adds the seconds of the machine's start, rounded.
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            ticks = float(file.read().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    else:
        import psutil

        age = time.time() - psutil.Process().create_time()
    return age if 0.0 <= age < _LONGEST_START else 0.0
