"""The user's clock -> the inside clock, and back: how times are written, and in which zone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.frequency import Times
from autots.panel.zones import ADVICE, Offsets, changes_of, wall_clock, written_offsets, zone_name, zones_like
from zoo.errors import DataError

__all__ = ["TimeStyle", "read_times"]

# Nanoseconds since 1970 reach from 1678 to 2262; forecasts and grids need some room.
_FIRST_YEAR, _LAST_YEAR = 1680, 2250


@dataclass(frozen=True)
class TimeStyle:
    """How the user writes the clock.

    Args:
        kind: ``"datetime"``, ``"date"`` (Python objects), ``"text"``, ``"period"`` or ``"integer"``.
        dtype: The pandas dtype of the column.
        zone: The time zone of aware times, or None.
        wall: Whether the inside clock is the zone's wall clock (days and longer), rather than UTC (hours and shorter).
        format: The strftime format of dates written as text, if they all have one.
        step: Distance of the rows on the wall clock, at most a day, in nanoseconds; 0 if it was not kept.
        phase: Where in a step they lie: what a time means that the wall clock skips.
        offsets: Those written beside the times where they changed and no zone was named, see ``LocalClock``.
    """

    kind: str = "datetime"
    dtype: str = "datetime64[ns]"
    zone: str | None = None
    wall: bool = False
    format: str | None = None
    step: int = 0
    phase: int = 0
    offsets: Offsets = ()

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
        if self.kind == "text":
            written: Any = index.strftime(self.format) if self.format else index
            return pd.Series(written).astype(dtype if self.format else written.dtype).array
        if self.kind == "date":
            return pd.Series(index.date, dtype=object)
        if self.kind == "period":
            return index.to_period(self.dtype[7:-1]).array
        if self.dtype == "object":
            # A Series, or the frame that it goes into would infer datetime64 again.
            return pd.Series(list(index.to_pydatetime()), dtype=object)
        return index.astype(dtype).array

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
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TimeStyle:
        """Read what ``to_dict`` returned."""
        pairs = tuple((int(start), int(offset)) for start, offset in values.get("offsets", ()))
        return cls(**{**values, "offsets": pairs})


def read_times(column: Any, name: object, like: TimeStyle | None = None) -> tuple[Times, TimeStyle, list[str]]:
    """Return the inside clock ((N,) datetime64[ns] without zone, or int64), its style, and what was decided.

    Aware times become UTC, or what ``like`` says (see ``autots.panel.aware``, which decides for a first table). Several
    zones in one column are compared in UTC. Integers are an integer clock, never seconds since 1970. Dates as text are
    read month first unless that is impossible.

    Args:
        column: The user's clock.
        name: Its name, for messages.
        like: The style of the table seen at first, which decides on zone and wall clock.

    Raises:
        DataError: A time is missing or cannot be read, aware and naive times are mixed, or the style changed.
    """
    column = pd.Series(column).reset_index(drop=True)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"every row must have a time, but {name!r} is missing in {int(missing.sum())} rows, first in row "
            f"{int(np.argmax(missing))}",
            "fill or drop these rows",
        )
    codes, found = pd.factorize(column)
    values: pd.Index[Any] = pd.Index(found, dtype=found.dtype)
    notes: list[str] = []
    times, style = _integers(values, column.dtype, name), TimeStyle("integer", str(column.dtype))
    if times is None:
        index, style = _moments(values, column.dtype, name, notes)
        if index.tz is not None:
            index, style = _naive(index, style, like)
        outside = (index.year < _FIRST_YEAR) | (index.year > _LAST_YEAR)
        if outside.any():
            raise DataError(
                f"times must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}, but {name!r} holds "
                f"{index[outside][0]}",
                "correct or drop these rows",
            )
        times = np.asarray(index, dtype="datetime64[ns]")
    elif np.abs(times).max() > 2**60:
        raise DataError(f"a clock of integers must stay within 2**60, but {name!r} holds {np.abs(times).max()}")
    if times.dtype.kind == "i" and (style.dtype == "object" or pd.api.types.is_string_dtype(column.dtype)):
        style = TimeStyle("integer", "int64")
    if like is not None and (like.kind == "integer") != (style.kind == "integer"):
        raise DataError(f"the clock must stay of one kind, but {name!r} is {style.kind} after {like.kind}")
    if like is not None and bool(like.zone) != bool(style.zone):
        have = style.zone or "none"
        raise DataError(
            f"times must keep their zone, but {name!r} has zone {have} after {like.zone or 'none'}",
            "use tz_localize or tz_convert",
        )
    return times[codes], style, notes


def _integers(values: pd.Index[Any], dtype: Any, name: object) -> npt.NDArray[np.int64] | None:
    """Return an integer clock, or None if the values are moments."""
    if pd.api.types.is_bool_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return None
    if pd.api.types.is_float_dtype(dtype):
        numbers = np.asarray(values, dtype=float)
        if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()):
            raise DataError(f"a clock of numbers must be of whole numbers, but {name!r} holds {numbers[0]!r}")
        return numbers.astype(np.int64)
    inferred = pd.api.types.infer_dtype(values)
    if inferred == "string" and all(re.fullmatch(r"-?\d+", v) and len(v) not in (4, 6, 8) for v in values):
        return np.array([int(v) for v in values], dtype=np.int64)
    if inferred != "integer":
        return None
    found = np.asarray(values, dtype=np.int64)
    if len(found) > 1 and found.min() >= 19000101 and found.max() <= 21001231:
        looks = pd.to_datetime(pd.Series(found), format="%Y%m%d", errors="coerce")
        if looks.notna().all():
            raise DataError(
                f"a clock of integers must count steps, but {name!r} looks like dates ({found[0]})",
                f"convert it: frame[{name!r}] = pd.to_datetime(frame[{name!r}], format='%Y%m%d')",
            )
    return found


def _moments(values: pd.Index[Any], dtype: Any, name: object, notes: list[str]) -> tuple[pd.DatetimeIndex, TimeStyle]:
    if isinstance(values, pd.DatetimeIndex):
        if values.tz is None:
            return values, TimeStyle("datetime", str(dtype))
        zone = zone_name(values.tz)
        return values, TimeStyle("datetime", f"datetime64[{values.unit}, {zone}]", zone)
    if isinstance(values, pd.PeriodIndex):
        return values.to_timestamp(how="start"), TimeStyle("period", str(values.dtype))
    inferred = pd.api.types.infer_dtype(values)
    if inferred == "period":
        index = pd.PeriodIndex(values)
        return index.to_timestamp(how="start"), TimeStyle("period", str(index.dtype))
    if inferred == "date":
        return pd.DatetimeIndex(pd.to_datetime(values)), TimeStyle("date", str(dtype))
    if inferred in ("datetime", "datetime64"):
        aware = {v.tzinfo is not None for v in values}
        if len(aware) > 1:
            raise _mixed(name)
        if aware == {False}:
            return pd.DatetimeIndex(pd.to_datetime(values)), TimeStyle("datetime", str(dtype))
        each = [zone_name(v.tzinfo) for v in values]
        return _zoned(
            pd.DatetimeIndex(pd.to_datetime(values, utc=True)), each, TimeStyle("datetime", str(dtype)), notes
        )
    if inferred == "string":
        return _parsed(values, str(dtype), name, notes)
    raise DataError(
        f"column {name!r} must hold times, but it holds {inferred} values such as {values[0]!r}",
        "give time_col=..., a column of dates, datetimes, periods or integers",
    )


def _zoned(
    index: pd.DatetimeIndex, each: Sequence[str], style: TimeStyle, notes: list[str]
) -> tuple[pd.DatetimeIndex, TimeStyle]:
    """Return times in UTC in the zone that ``each`` of them names, if that is one."""
    zones = sorted(set(each))
    zone = zones[0] if len(zones) == 1 else "UTC"
    if len(zones) > 1:
        notes.append(f"times in several zones ({', '.join(zones[:5])}) were converted to UTC")
        alike = zones_like(index, each)
        if alike:
            notes.append(
                f"{ADVICE}{', '.join(alike)}, where others do, too: zone={alike[0]!r} also gives the changes to come"
            )
    offsets = written_offsets(index, each) if len(zones) > 1 else ()
    return index.tz_convert(zone), TimeStyle(style.kind, style.dtype, zone, False, style.format, offsets=offsets)


def _mixed(name: object) -> DataError:
    return DataError(
        f"times must be all with a zone or all without, but {name!r} mixes both",
        "use tz_localize on the times without a zone",
    )


def _parsed(values: pd.Index[Any], dtype: str, name: object, notes: list[str]) -> tuple[pd.DatetimeIndex, TimeStyle]:
    """Read dates written as text: one format for all, ISO 8601, or day first, whichever fits."""
    offsets = [re.search(r"(Z|[+-]\d{2}:?\d{2})$", v.strip()) for v in values]
    aware = {bool(found) and ":" in v for found, v in zip(offsets, values, strict=True)}
    if len(aware) > 1:
        raise _mixed(name)
    utc = aware == {True}
    lengths = {len(v) for v in values if v.isdigit()}
    digits = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d"}.get(next(iter(lengths))) if len(lengths) == 1 else None
    tries: list[dict[str, Any]] = [{"format": digits}] if digits else [{}, {"format": "ISO8601"}, {"dayfirst": True}]
    index, error = None, None
    for options in tries:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                index = pd.DatetimeIndex(pd.to_datetime(values, utc=utc, **options))
            break
        except (ValueError, TypeError, OverflowError) as failed:
            error = failed
    if index is None:
        parsed = pd.to_datetime(values, errors="coerce", utc=True, format="mixed")
        bad = values[np.asarray(parsed.isna())]
        shown = bad[0] if len(bad) else values[0]
        raise DataError(
            f"column {name!r} must hold times, but {shown!r} cannot be read as one",
            "convert it with pd.to_datetime(frame[...], format=...)",
        ) from error
    slashed = [re.match(r"(\d{1,2})[/.-](\d{1,2})[/.-]\d{2,4}", v) for v in values]
    parts = [(int(m[1]), int(m[2])) for m in slashed if m]
    if parts and max(max(p) for p in parts) <= 12 and any(a != b for a, b in parts):
        notes.append(f"dates such as {values[0]!r} were read month first")
    style = TimeStyle("text", dtype, None, False, _format_of(values, index))
    if utc:
        each = ["UTC" if m[1] == "Z" else f"UTC{m[1]}" for m in offsets if m]
        return _zoned(index, each, TimeStyle("text", dtype), notes)
    return index, style


def _format_of(values: pd.Index[Any], index: pd.DatetimeIndex) -> str | None:
    """Return the strftime format that writes these times exactly as they were, if there is one."""
    first = str(values[0])
    guesses = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d"} if first.isdigit() else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        plain = pd.tseries.api.guess_datetime_format(first)
        swapped = pd.tseries.api.guess_datetime_format(first, dayfirst=True)
    for guess in (guesses.get(len(first)), plain, swapped):
        if guess and bool((index.strftime(guess) == values).all()):
            return str(guess)
    return None


def _naive(index: pd.DatetimeIndex, style: TimeStyle, like: TimeStyle | None) -> tuple[pd.DatetimeIndex, TimeStyle]:
    zone = (like.zone if like else None) or style.zone or "UTC"
    inside = index.tz_convert("UTC").tz_localize(None)
    if like is None or not like.wall:
        return inside, replace(style, zone=zone, wall=False)
    moments = np.asarray(inside, dtype="datetime64[ns]").view(np.int64)
    walls = wall_clock(moments, zone, like.step, like.phase).view("datetime64[ns]")
    return pd.DatetimeIndex(walls), replace(style, zone=zone, wall=True, step=like.step, phase=like.phase)
