"""Steps that know the clock alone."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from zoo.errors import ConfigError, DataError
from zoo.features.batch import Array, Batch
from zoo.features.kernels.waves import fourier
from zoo.features.steps.base import ColumnStep, Scales, Scope
from zoo.series.calendar import calendar_part, check_part
from zoo.series.zones import local_times

__all__ = ["Calendar", "Fourier"]


class Calendar(ColumnStep):
    """Add parts of the calendar, as the clocks in the table's zone show it.

    Args:
        parts: Of minute, hour, weekday (Monday is 0), is_weekend, day, day_of_year, week, month, quarter, year, and
            holiday:CC (public holidays of a country or region, such as holiday:DE or holiday:US-CA).
    """

    kind: ClassVar[str] = "calendar"
    clock_only: ClassVar[bool] = True
    short: ClassVar[str | None] = "parts"
    parts: list[str] = Field(min_length=1)

    @field_validator("parts")
    @classmethod
    def _known(cls, parts: list[str]) -> list[str]:
        for part in parts:
            check_part(part)
        if len(set(parts)) < len(parts):
            raise ConfigError(f"parts of the calendar must differ, but got {parts}", "name each once")
        return parts

    @property
    def lookback(self) -> int:
        """None."""
        return 0

    def reads(self, scope: Scope) -> tuple[str, ...]:
        """Return nothing: the times are enough."""
        return ()

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return one column per part."""
        return tuple(part.replace(":", "_") for part in self.parts)

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the parts."""
        if batch.axis.integer:
            raise DataError("calendar needs times, but the clock of this table is a whole number", "leave it out")
        times = local_times(batch.times, batch.axis.zone)
        return {part.replace(":", "_"): calendar_part(times, part) for part in self.parts}


class Fourier(ColumnStep):
    """Add sines and cosines of a season.

    Args:
        period: Rows of one season.
        order: Number of waves, the k-th k times as quick as the season.
    """

    kind: ClassVar[str] = "fourier"
    clock_only: ClassVar[bool] = True
    period: int = Field(ge=2)
    order: int = Field(ge=1)

    @property
    def lookback(self) -> int:
        """None: the phase comes from the clock."""
        return 0

    def reads(self, scope: Scope) -> tuple[str, ...]:
        """Return nothing."""
        if 2 * self.order > self.period:
            raise ConfigError(
                f"2 * order <= period must hold, but got order={self.order}, period={self.period}",
                "shorter waves cannot be told from longer ones",
            )
        return ()

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return sine and cosine of each wave."""
        return tuple(f"{wave}_{self.period}_{k}" for k in range(1, self.order + 1) for wave in ("sin", "cos"))

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the waves."""
        every = 1 if batch.axis.integer else batch.axis.every
        if every is None:
            raise ConfigError("fourier counts rows of a grid, but the rows are not resampled", "put `resample` before")
        waves = fourier(batch.times // every, self.period, self.order)
        return {
            f"{wave}_{self.period}_{k}": values
            for k, pair in enumerate(waves, start=1)
            for wave, values in zip(("sin", "cos"), pair, strict=True)
        }
