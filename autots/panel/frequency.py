"""What one row means on the clock: a calendar step, a fixed step, or an integer step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.errors import ConfigError

__all__ = ["Frequency", "Times"]

#: datetime64[ns], or int64 for an integer clock.
Times: TypeAlias = npt.NDArray[Any]

# The seasons that people and machines give to a clock, shortest first, in rows.
_SEASONS = {
    "s": (60,),
    "min": (60, 1440),
    "h": (24, 168),
    "D": (7,),
    "B": (5,),
    "W": (52,),
    "M": (12,),
    "Q": (4,),
    "Y": (1,),
}


@dataclass(frozen=True)
class Frequency:
    """A step of the clock.

    Args:
        alias: A pandas offset alias in its canonical form (``"h"``, ``"MS"``, ``"W-SUN"``), or ``""`` for an
            integer clock.
        step: The step of an integer clock; 1 for calendar clocks (their multiple is inside the alias).
    """

    alias: str
    step: int = 1

    @classmethod
    def parse(cls, text: str | int) -> Frequency:
        """Read a pandas alias or the step of an integer clock.

        Raises:
            ConfigError: pandas does not know the alias.
        """
        if isinstance(text, int):
            return cls("", text)
        try:
            return cls(pd.tseries.frequencies.to_offset(text).freqstr)
        except (ValueError, AttributeError) as error:
            raise ConfigError(
                f"freq must be a pandas offset alias or an integer, but got {text!r}",
                "for example 'h', '30min', 'D', 'W-SUN', 'MS', 'QS', 'YS', or 1 for an integer clock",
            ) from error

    @property
    def is_integer(self) -> bool:
        """Whether the clock counts integers."""
        return self.alias == ""

    @property
    def offset(self) -> Any:
        """The pandas offset of a calendar clock."""
        return pd.tseries.frequencies.to_offset(self.alias)

    def advance(self, times: Times, steps: int) -> Times:
        """Return ``times`` moved by ``steps`` rows, element by element."""
        if self.is_integer:
            return np.asarray(times, dtype=np.int64) + self.step * steps
        if steps == 0:
            return np.asarray(times)
        offset = self.offset
        if isinstance(offset, pd.offsets.Tick):
            return np.asarray(times) + np.timedelta64(offset.nanos * steps, "ns")
        distinct, inverse = np.unique(times, return_inverse=True)
        moved = pd.DatetimeIndex(distinct) + offset * steps
        return np.asarray(moved, dtype="datetime64[ns]")[inverse]

    @property
    def seasons(self) -> tuple[int, ...]:
        """Usual season lengths in rows, shortest first; ``(1,)`` where nothing is usual."""
        if self.is_integer:
            return (1,)
        offset = self.offset
        if isinstance(offset, pd.offsets.Tick):
            seconds = offset.nanos / 1e9
            found = tuple(
                round(period / seconds)
                for period in (3600.0, 86400.0, 604800.0)
                if period / seconds >= 2 and (period > 3600 or seconds < 300) and period % seconds == 0
            )
            return found or (1,)
        base = self.alias.lstrip("0123456789").split("-")[0].rstrip("SE") or "B"
        per_year = _SEASONS.get(base, (1,))
        n = getattr(offset, "n", 1)
        return tuple(max(1, s // n) for s in per_year)
