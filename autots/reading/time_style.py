"""How the user writes the clock: what turns inside times back into the column that they came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

import autots.reading.date_formats as formats
from zoo.series.frequency import Times
from zoo.series.zones import WrittenOffsets, changes_of

__all__ = ["TimeStyle"]

_EXAMPLE = pd.DatetimeIndex(["2026-01-31"])  # the day that descriptions show


@dataclass(frozen=True)
class TimeStyle:
    """How the user writes the clock.

    Args:
        kind: ``"datetime"``, ``"date"`` (Python objects), ``"text"``, ``"period"``, ``"key"`` (whole numbers that name
            periods, such as 202012) or ``"integer"`` (whole numbers that count).
        dtype: The pandas dtype of the column.
        zone: The time zone of aware times, or None.
        wall: Whether the inside clock is the zone's wall clock (days and longer), rather than UTC (hours and shorter).
        format: The format (see ``date_formats``) that writes texts and keys as they came, if there is one.
        reads: The formats by which texts were read, the most frequent first; later tables are read by them.
        step: Distance of the rows on the wall clock, at most a day, in nanoseconds; 0 if it was not kept.
        phase: Where in a step they lie: what a time means that the wall clock skips.
        offsets: Those written beside the times where they changed and no zone was named, see ``LocalClock``.
    """

    kind: str = "datetime"
    dtype: str = "datetime64[ns]"
    zone: str | None = None
    wall: bool = False
    format: str | None = None
    reads: tuple[str, ...] = ()
    step: int = 0
    phase: int = 0
    offsets: WrittenOffsets = ()

    def write(self, times: Times) -> Any:
        """Return the inside clock as a pandas array in the user's style."""
        dtype: Any = self.dtype
        if self.kind == "integer":
            return pd.Series(times).astype(dtype).array
        index = pd.DatetimeIndex(times)
        if self.zone and self.wall:
            # An hour that the clock skips or repeats: the later, the first.
            index = index.tz_localize(self.zone, ambiguous=np.ones(len(index), bool), nonexistent="shift_forward")
        elif self.zone:
            index = index.tz_localize("UTC").tz_convert(self.zone)
        if self.kind == "key":
            return pd.Series(formats.write(index, self.format or "%Y%m")).astype("int64").astype(dtype).array
        if self.kind == "text":
            written: Any = formats.write(index, self.format) if self.format else index
            return pd.Series(written).astype(dtype if self.format else written.dtype).array
        if self.kind == "date":
            return pd.Series(index.date, dtype=object)
        if self.kind == "period":
            return index.to_period(self.dtype[7:-1]).array
        if self.dtype == "object":
            # A Series, or the frame that it goes into would infer datetime64 again.
            return pd.Series(list(index.to_pydatetime()), dtype=object)
        return index.astype(dtype).array

    def describe(self) -> str:
        """Return in words how times are written, and in which zone.

        >>> TimeStyle("text", "object", format="%d/%m/%Y", reads=("%d/%m/%Y",)).describe()
        "dates as day/month/year, e.g. '31/01/2026'"
        """
        if self.kind == "integer":
            return "whole numbers that count steps"
        if self.kind == "key":
            shown = formats.write(_EXAMPLE, self.format or "%Y%m")[0]
            return f"periods as whole numbers, {formats.in_words(self.format or '%Y%m')}, e.g. {shown}"
        kinds = {"datetime": "datetimes", "date": "dates", "period": f"periods ({self.dtype[7:-1]})"}
        words = kinds.get(self.kind, "dates written as text")
        form = self.format or (self.reads[0] if self.reads else None)
        if self.kind == "text" and form:
            shown = f", e.g. {formats.write(_EXAMPLE, form)[0]!r}" if form != formats.ISO else ""
            words = f"dates as {formats.in_words(form)}{shown}"
        if not self.zone:
            return words
        return f"{words}, zone {self.zone}"

    def shown(self, times: Times) -> Times:
        """Return ascending times of the inside clock as a chart shows them: by the clock on the wall.

        An hour that repeats has no place of its own there: its rows lie at its end.
        """
        if self.zone is None or self.wall:
            return times
        walls = changes_of(self.zone).wall(np.asarray(times, dtype="datetime64[ns]").view(np.int64))
        return np.maximum.accumulate(walls).view("datetime64[ns]")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "reads": list(self.reads)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TimeStyle:
        """Read what ``to_dict`` returned; also what it returned before formats of reading were kept."""
        reads = values.get("reads") or ([values["format"]] if values.get("format") else [])
        pairs = tuple((int(start), int(offset)) for start, offset in values.get("offsets", ()))
        return cls(**{**values, "reads": tuple(reads), "offsets": pairs})
