"""The user's clock -> the inside clock, and back: how times are written, and in which zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import autots.reading.date_formats as formats
from autots.reading.dates import decide, follow, suffixes
from autots.reading.grid import unit_hint
from autots.reading.period_keys import key_format, refuse_quarters
from autots.reading.time_style import TimeStyle
from zoo.errors import DataError
from zoo.series.frequency import Times
from zoo.series.zone_evidence import ADVICE, written_offsets, zones_like
from zoo.series.zones import wall_clock, with_colon, zone_name

__all__ = ["read_times"]

# Nanoseconds since 1970 reach from 1678 to 2262; forecasts and grids need some room.
_FIRST_YEAR, _LAST_YEAR = 1680, 2250


def read_times(
    column: Any, name: object, like: TimeStyle | None = None, *, date_format: str | None = None
) -> tuple[Times, TimeStyle, list[str]]:
    """Return the inside clock ((N,) datetime64[ns] without zone, or int64), its style, and what was decided.

    Aware times become UTC, or what ``like`` says (``time_zones`` decides for a first table). Several zones in one
    column are compared in UTC. Integers are an integer clock, never seconds since 1970, unless they name
    months, weeks or quarters. The writing of texts is decided once, as the data prove it (``autots.reading.dates``).

    Args:
        column: The user's column of times, of any dtype.
        name: Its name, for messages.
        like: The style of the table seen at first, which decides on the writing, the zone and the wall clock.
        date_format: The strptime format of texts; None to find it.

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
    source = _Source(values, str(column.dtype), name, notes, lambda i: int(np.argmax(codes == i)), like, date_format)
    times, style = source.integers(), TimeStyle("integer", str(column.dtype))
    if times is None:
        index, style = source.moments()
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
        raise DataError(
            f"a clock of integers must stay within 2**60, but {name!r} holds {np.abs(times).max()}",
            unit_hint(times, f"frame[{name!r}]") or "count steps from 0",
        )
    elif like is None and (hint := unit_hint(times, f"frame[{name!r}]", dated=_says_date(name))):
        notes.append(
            f"{name!r} holds numbers such as {times[0]}, which were counted as steps; if they are dates, {hint}"
        )
    if times.dtype.kind == "i" and (style.dtype == "object" or pd.api.types.is_string_dtype(column.dtype)):
        style = TimeStyle("integer", "int64")
    if like is not None:
        _refuse_another_kind(name, style, like)
    return times[codes], style, notes


def _refuse_another_kind(name: object, style: TimeStyle, like: TimeStyle) -> None:
    """Raise if a later clock counts where the first named moments, or has no zone where the first had one."""
    if (like.kind == "integer") != (style.kind == "integer"):
        raise DataError(
            f"the clock must stay of one kind, but {name!r} is {style.kind} after {like.kind}",
            "write times as in the first table" + (", by the number of the step" if like.kind == "integer" else ""),
        )
    if bool(like.zone) != bool(style.zone):
        have = style.zone or "none"
        raise DataError(
            f"times must keep their zone, but {name!r} has zone {have} after {like.zone or 'none'}",
            "use tz_localize or tz_convert",
        )


_NUMBERED = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits


@dataclass(frozen=True)
class _Source:
    """The distinct values of a column that is to be read as the clock."""

    values: pd.Index[Any]
    dtype: str
    name: object
    notes: list[str]
    row: Callable[[int], int]
    like: TimeStyle | None
    given: str | None

    def integers(self) -> npt.NDArray[np.int64] | None:
        """Return an integer clock, or None if the values are moments."""
        values, name = self.values, self.name
        if pd.api.types.is_bool_dtype(values.dtype) or isinstance(values.dtype, pd.PeriodDtype):
            return None
        if pd.api.types.is_float_dtype(values.dtype):
            numbers = np.asarray(values, dtype=float)
            odd = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)))
            if odd.any():
                at = int(np.argmax(odd))
                raise DataError(
                    f"a clock of numbers must be of whole numbers, but {name!r} holds {float(numbers[at])!r} in row "
                    f"{self.row(at)}",
                    unit_hint(numbers, f"frame[{name!r}]") or "round them, or give dates",
                )
            whole = numbers.astype(np.int64)
            if self.key(whole):
                return None
            self._refuse_dates(whole)
            return whole
        inferred = pd.api.types.infer_dtype(values)
        if inferred == "string" and self.given is None and matching(values, r"-?\d+"):
            known = self.like is not None and self.like.kind != "integer"
            lengths = {len(v) for v in values}
            # Texts of one length that can be dates are dates; all others count.
            if not known and not (len(lengths) == 1 and lengths <= {4, 6, 8, 10, 12, 14} and writing_fits(values)):
                found = np.array([int(v) for v in values], dtype=np.int64)
                return None if self.key(found) else found
            return None
        if inferred != "integer":
            return None
        found = np.asarray(values, dtype=np.int64)
        if self.key(found):
            return None
        self._refuse_dates(found)
        return found

    def _refuse_dates(self, found: npt.NDArray[np.int64]) -> None:
        """Raise if numbers such as 20200131 are dates: counted, they would leave 69 steps behind each month."""
        lengths = {len(str(v)) for v in (found.min(), found.max())}
        form = _NUMBERED.get(lengths.pop()) if len(lengths) == 1 else None
        if len(found) > 1 and form and 1900 <= int(str(found.min())[:4]) and int(str(found.max())[:4]) <= 2100:
            looks = formats.read(pd.Index(found.astype(str), dtype=object), form)
            if not looks.isna().any():
                cast = ".astype('int64')" if pd.api.types.is_float_dtype(self.values.dtype) else ""
                raise DataError(
                    f"a clock of integers must count steps, but {self.name!r} looks like dates ({found[0]})",
                    f"convert it: frame[{self.name!r}] = pd.to_datetime(frame[{self.name!r}]{cast}, format={form!r})",
                )

    def key(self, numbers: npt.NDArray[np.int64]) -> str | None:
        """Return the format of whole numbers that name periods, or None."""
        if self.like is None:
            return key_format(numbers, self.name)
        return None if self.like.kind == "integer" else self.like.format or "%Y%m"

    def moments(self) -> tuple[pd.DatetimeIndex, TimeStyle]:
        """Return the moments of the distinct values, and how they are written."""
        values, name, dtype = self.values, self.name, self.dtype
        if isinstance(values, pd.DatetimeIndex):
            if values.tz is None:
                return values, TimeStyle("datetime", dtype)
            zone = zone_name(values.tz)
            return values, TimeStyle("datetime", f"datetime64[{values.unit}, {zone}]", zone)
        if isinstance(values, pd.PeriodIndex):
            return values.to_timestamp(how="start"), TimeStyle("period", str(values.dtype))
        inferred = pd.api.types.infer_dtype(values)
        if inferred == "period":
            index = pd.PeriodIndex(values)
            return index.to_timestamp(how="start"), TimeStyle("period", str(index.dtype))
        if inferred == "date":
            return pd.DatetimeIndex(pd.to_datetime(values)), TimeStyle("date", dtype)
        if inferred in ("datetime", "datetime64"):
            aware = {v.tzinfo is not None for v in values}
            if len(aware) > 1:
                raise _mixed(name)
            if aware == {False}:
                return pd.DatetimeIndex(pd.to_datetime(values)), TimeStyle("datetime", dtype)
            each = [zone_name(v.tzinfo) for v in values]
            return _zoned(
                pd.DatetimeIndex(pd.to_datetime(values, utc=True)), each, TimeStyle("datetime", dtype), self.notes
            )
        if inferred in ("integer", "floating"):
            return self.keys()
        if inferred == "string":
            return self.texts()
        texts = [i for i, value in enumerate(values) if isinstance(value, str)]
        if texts and len(texts) < len(values):
            raise DataError(
                f"column {name!r} must hold times of one kind, but it holds {values[texts[0]]!r} in row "
                f"{self.row(texts[0])} beside values that are no text",
                "write all as text in one way, such as ISO 8601 (2024-12-31): spreadsheets turn only some into dates",
            )
        raise DataError(
            f"column {name!r} must hold times, but it holds {inferred} values such as {values[0]!r}",
            "give time_col=..., a column of dates, datetimes, periods or integers",
        )

    def keys(self) -> tuple[pd.DatetimeIndex, TimeStyle]:
        """Read whole numbers that name periods."""
        numbers = np.asarray(self.values, dtype=np.int64)
        form = str(self.key(numbers))
        texts = pd.Index(numbers.astype(str), dtype=object)
        if self.like is None:
            self.notes.append(f"numbers such as {numbers[0]} in {self.name!r} were read as {formats.in_words(form)}")
            return formats.read(texts, form), TimeStyle("key", self.dtype, format=form, reads=(form,))
        if not any(formats.digits_only(f) for f in self.like.reads):
            raise DataError(
                f"the clock must stay of one kind, but {self.name!r} is integer after {self.like.kind}",
                "write times as in the first table",
            )
        return follow(texts, self.name, self.like.reads, row=self.row), self.like

    def texts(self) -> tuple[pd.DatetimeIndex, TimeStyle]:
        """Read dates written as text."""
        stripped = pd.Index([v.strip() for v in self.values], dtype=object)
        bare, zones, some = suffixes(stripped)
        if some:
            raise _mixed(self.name)
        if self.like is not None and (self.like.reads or self.like.kind != "text"):
            index = follow(bare, self.name, self.like.reads, row=self.row)
            style = TimeStyle("text", self.dtype, None, False, self.like.format, self.like.reads)
        else:
            # Digits that no date has, such as 20204, were found to be keys.
            key = self.key(np.array([int(v) for v in bare])) if matching(bare, r"\d{5}|\d{7}") else None
            if self.given is None and matching(bare, r"\d{6}"):
                refuse_quarters(bare, self.name)
            read = decide(bare, self.name, self.notes, row=self.row, given=self.given or key)
            form = read.format if zones is None and bool((stripped == self.values).all()) else None
            index, style = read.index, TimeStyle("text", self.dtype, None, False, form, read.reads)
        if zones is None:
            return index, style
        names = ["UTC" if zone in ("Z", "UTC", "GMT") else f"UTC{with_colon(zone)}" for zone in zones]
        shift = {zone: _offset(zone) for zone in set(zones)}
        utc = (index - pd.TimedeltaIndex([shift[zone] for zone in zones])).tz_localize("UTC")
        index, zoned = _zoned(utc, names, style, self.notes)
        return index, replace(zoned, reads=style.reads)


def _says_date(name: object) -> bool:
    return re.search("date|time|day|^ds$|datum|fecha", str(name).lower()) is not None


def matching(values: pd.Index[Any], pattern: str) -> bool:
    """Whether all texts match a pattern as a whole."""
    return all(re.fullmatch(pattern, value) for value in values)


def writing_fits(values: pd.Index[Any]) -> bool:
    """Whether texts of digits can all be dates, by one of the usual formats."""
    return any(not formats.read(values, form).isna().any() for _, form in formats.formats_of(str(values[0])))


def _offset(zone: str) -> pd.Timedelta:
    if zone in ("Z", "UTC", "GMT"):
        return pd.Timedelta(0)
    text = with_colon(zone)
    return pd.Timedelta(f"{text[1:]}:00") * (-1 if text[0] == "-" else 1)


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
    return index.tz_convert(zone), replace(style, zone=zone, wall=False, offsets=offsets)


def _mixed(name: object) -> DataError:
    return DataError(
        f"times must be all with a zone or all without, but {name!r} mixes both",
        "use tz_localize on the times without a zone",
    )


def _naive(index: pd.DatetimeIndex, style: TimeStyle, like: TimeStyle | None) -> tuple[pd.DatetimeIndex, TimeStyle]:
    zone = (like.zone if like else None) or style.zone or "UTC"
    inside = index.tz_convert("UTC").tz_localize(None)
    if like is None or not like.wall:
        return inside, replace(style, zone=zone, wall=False)
    moments = np.asarray(inside, dtype="datetime64[ns]").view(np.int64)
    walls = wall_clock(moments, zone, like.step, like.phase).view("datetime64[ns]")
    return pd.DatetimeIndex(walls), replace(style, zone=zone, wall=True, step=like.step, phase=like.phase)
