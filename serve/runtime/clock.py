"""Times of requests <-> the inside clock of a pipeline, remembered: most requests speak of the same moments."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel import Ints, Times
from autots.reading import date_formats
from autots.reading.grid import JITTER
from autots.reading.schema import Schema
from autots.reading.times import read_times
from serve.protocol.errors import RequestError
from serve.protocol.iso import iso_moment, iso_moments, shown
from zoo.errors import DataError

__all__ = ["FARTHEST", "SeriesClock"]

#: Steps of a calendar that are counted one by one; all that are further are as far.
FARTHEST = 2**15
_REMEMBERED = 4096
# Times that are worth reading at once.
_MANY = 50
_MOST_COUNT = 2**60
# Of typed times; read_times has bounds of its own, which it cannot tell of times that have overflowed.
_YEARS = (1680, 2250)
_PERIOD = re.compile(r"[0-9]{4}(-?(Q[1-4]|[0-9]{2}(-[0-9]{2})?))?(/[0-9]{4}-[0-9]{2}-[0-9]{2})?")
# Steps so long that a month or a year names one.
_LONG = 27 * 86_400_000_000_000
# Nanoseconds from 1970 to 2240; counts of integer clocks have the same room.
_FURTHEST = 270 * 365 * 86_400_000_000_000


class SeriesClock:
    """The clock of one pipeline. Moments inside are int64: nanoseconds, or the counts of an integer clock.

    Args:
        schema: How the user writes times, and the frequency.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema, self._style, self.freq = schema, schema.clock, schema.freq
        self._fixed = schema.freq.is_fixed
        self._spacing = schema.freq.spacing
        self._long = not schema.freq.is_integer and self._spacing >= _LONG
        # Per clock, and with it gone: a cache on the method would keep every clock alive.
        self.moment = lru_cache(_REMEMBERED)(self._moment)
        self.grid = lru_cache(_REMEMBERED)(self._grid)
        self.ahead = lru_cache(_REMEMBERED)(self._ahead)

    def __reduce__(self) -> tuple[type[SeriesClock], tuple[Schema]]:
        """Go to the process that parses large bodies without what is remembered here."""
        return SeriesClock, (self._schema,)

    @property
    def fixed(self) -> int | None:
        """The distance of two rows, or None on a calendar, whose steps differ."""
        return self._spacing if self._fixed else None

    def typed(self, moments: Ints) -> Times:
        """Return moments as a panel holds them."""
        return moments if self.freq.is_integer else moments.view("datetime64[ns]")

    def _moment(self, text: str | int) -> int:
        """Read one time: an integer clock's count, the model's own writing, or ISO 8601; nothing is guessed.

        Raises:
            RequestError: It is no time of this clock.
        """
        if self.freq.is_integer:
            if isinstance(text, int) and abs(text) < _MOST_COUNT:
                return text
            raise RequestError(f"times of this model must be whole numbers, but got {shown(text)}", "its clock counts")
        if isinstance(text, int):
            if self._style.kind != "key":
                raise RequestError(f"times of this model must be dates, but got {shown(text)}", self._hint)
            return int(self._inside(pd.Series([text]))[0])
        try:
            at = self._own(text) or iso_moment(text, months=self._long)
        except ValueError as error:
            raise RequestError(f"times must be dates in ISO 8601, but {error}", self._hint) from None
        return int(self._inside(pd.Series([at]))[0])

    @property
    def _hint(self) -> str:
        """How times of this model may be written."""
        own = self._style.format
        return "write ISO 8601: 2024-01-31T13:00:00" + (f", or as the model's table does: {own}" if own else "")

    def _own(self, text: str) -> pd.Timestamp | None:
        """Return a time that is written as in the table of the fit, which answers repeat; None if it is not."""
        style = self._style
        if not text.isascii():
            return None  # Python's parsers take the digits of every script
        try:
            forms = (style.format, *style.reads) if style.kind == "text" else ()
            for form in dict.fromkeys(form for form in forms if form and "%" in form):
                found = date_formats.read(pd.Index([text], dtype=object), form)
                # Not what pandas takes, too: "1/2/24 " and more for %d/%m/%Y.
                if not found.isna().any() and date_formats.write(found, form)[0] == text:
                    return pd.Timestamp(found[0])  # the zone is the style's
            if style.kind == "period" and _PERIOD.fullmatch(text):
                return pd.Period(text, freq=style.dtype[7:-1]).to_timestamp(how="start")
        except (ValueError, TypeError, OverflowError):
            return None
        return None

    def _inside(self, times: Any) -> Ints:
        """Return times as the clock has them inside, in its zone."""
        try:
            return np.asarray(read_times(times, "time", self._style)[0]).view(np.int64)
        except (DataError, OverflowError, pd.errors.OutOfBoundsDatetime) as error:
            told = error if isinstance(error, DataError) else DataError(str(error))
            raise RequestError(told.message, told.hint or self._hint) from None

    def first(self, text: str | int) -> int:
        """Read the time of a first value, which must lie on the clock."""
        at = self.moment(text)
        if not self._fixed and not self.on_step(at):
            raise RequestError(
                f"times must lie on steps of {self.freq.alias!r}, but got {text!r}", "name the model's own days"
            )
        return at

    def reach(self, moment: int, steps: int) -> None:
        """Raise if so many steps from a moment on (or back, if negative) leave the time that can be told.

        Raises:
            RequestError: The steps lead out of the years 1700 to 2240.
        """
        end = moment + steps * self._spacing
        if not (-_FURTHEST < end < _FURTHEST):
            raise RequestError(
                f"times must stay between the years 1700 and 2240, but {abs(steps)} steps lead out of them",
                "send fewer values, or check the start",
            )

    def on_step(self, moment: int) -> bool:
        """Whether a moment lies on a calendar's step."""
        return self.freq.has(moment)

    def _grid(self, first: int, length: int) -> Ints:
        """Return (T,) moments from a first one on."""
        if self._fixed:
            return first + self._spacing * np.arange(length, dtype=np.int64)
        return self.freq.walk(first, length).view(np.int64)

    def back(self, last: int, steps: int) -> int:
        """Return the moment ``steps`` rows before another."""
        if self._fixed:
            return last - self._spacing * steps
        return self.forth(last, -steps)

    def forth(self, moment: int, steps: int) -> int:
        """Return the moment ``steps`` rows after another."""
        if self._fixed:
            return moment + self._spacing * steps
        if self.freq.rule is not None:
            return int(self.freq.rule.shift(np.array([moment]), steps)[0])
        return int((pd.Timestamp(moment) + self.freq.offset * steps).value) if steps else moment

    def between(self, begin: int, moment: int) -> int:
        """Return the steps from one moment to the row that lies next to another; negative before it."""
        distance = (moment - begin) / self._spacing
        if self._fixed:
            return round(distance)
        size = 16
        while size < 1.2 * abs(distance) + 3:  # few sizes, so that the grids are remembered
            size *= 2
        try:
            if size > FARTHEST:
                raise OverflowError
            first = begin if moment >= begin else self.back(begin, size)
            grid = self.grid(first, size + 1)
        except (OverflowError, pd.errors.OutOfBoundsDatetime):
            return int(math.copysign(FARTHEST, distance))
        return int(np.argmin(np.abs(grid - moment))) - (0 if moment >= begin else size)

    def steps(self, moments: Ints) -> tuple[Ints, int]:
        """Lay ascending moments on the clock.

        Returns:
            The place of each, the first being 0, and the moment of place 0.

        Raises:
            RequestError: They do not ascend, or lie beside the steps.
        """
        if len(moments) > 1 and (np.diff(moments) <= 0).any():
            row = int(np.argmax(np.diff(moments) <= 0)) + 1
            raise RequestError("times must ascend, but one comes before or with the last", "sort them", f"time[{row}]")
        first, last = int(moments[0]), int(moments[-1])
        if self._fixed:
            place = np.rint((moments - first) / self._spacing).astype(np.int64)
            beside = np.abs(moments - first - place * self._spacing) > JITTER * self._spacing
        else:
            steps = int((last - first) / self._spacing * 1.2) + 3
            grid = self._grid(self._on(first), steps)
            place = np.searchsorted(grid, moments - int(JITTER * self._spacing))
            place = np.minimum(place, len(grid) - 1)
            beside = np.abs(grid[place] - moments) > JITTER * self._spacing
            first = int(grid[0])
        if beside.any():
            raise RequestError(
                f"times must lie on a regular clock of {self.freq.alias or self.freq.step!r}, but one does not",
                "resample them first",
                f"time[{int(np.argmax(beside))}]",
            )
        return place - place[0], first if self._fixed else int(grid[place[0]])

    def _on(self, moment: int) -> int:
        at = pd.Timestamp(moment)
        if not self.on_step(moment):
            raise RequestError(f"times must lie on steps of {self.freq.alias!r}, but {at} does not", "", "time[0]")
        return moment

    def _ahead(self, last: int, horizon: int) -> list[Any]:
        """Return the H times after a moment as an answer writes them: as the user's table had them, in ISO 8601."""
        return self._written(self.typed(self._grid(self.forth(last, 1), horizon)))

    def write(self, moment: int) -> Any:
        """Write one time as answers do."""
        return self._written(self.typed(np.array([moment], dtype=np.int64)))[0]

    def _written(self, moments: Times) -> list[Any]:
        if self.freq.is_integer:
            return [int(value) for value in moments]
        if self._style.zone is None and self._style.kind in ("datetime", "date", "period"):
            return [str(text) for text in np.datetime_as_string(moments, unit="auto" if self._fine(moments) else "s")]
        written = list(self._style.write(moments))
        if self._style.kind == "key":
            return [int(value) for value in written]
        return [value if isinstance(value, str) else value.isoformat() for value in written]

    @staticmethod
    def _fine(moments: Times) -> bool:
        """Whether moments have parts of a second."""
        return bool((moments.view(np.int64) % 1_000_000_000 != 0).any())

    def moments(self, texts: Sequence[str | int] | npt.NDArray[Any] | pd.DatetimeIndex) -> Ints:
        """Read many times: as text or counts, or typed as an Arrow table has them.

        Raises:
            RequestError: One is no time of this clock, with its place.
        """
        if isinstance(texts, pd.DatetimeIndex) or (isinstance(texts, np.ndarray) and texts.dtype.kind == "M"):
            return self._typed(pd.DatetimeIndex(texts))
        listed = texts.tolist() if isinstance(texts, np.ndarray) else list(texts)
        if self.freq.is_integer and isinstance(texts, np.ndarray) and texts.dtype.kind in "iu":
            if listed and max(abs(texts.max()), abs(texts.min())) >= _MOST_COUNT:
                raise RequestError("times of this model must be counts below 2**60, but one is more", "", "time")
            return texts.astype(np.int64)
        if len(listed) >= _MANY and not self.freq.is_integer and self._style.kind != "text":
            if all(isinstance(text, str) for text in listed):
                return self._inside(pd.Series(iso_moments(map(str, listed), months=self._long)))
        return np.array([self._placed(i, text) for i, text in enumerate(listed)], dtype=np.int64)

    def _placed(self, i: int, text: Any) -> int:
        if isinstance(text, bool) or not isinstance(text, str | int):
            raise RequestError(f"times must be text or whole numbers, but got {shown(text)}", self._hint, f"time[{i}]")
        try:
            return self.moment(text)
        except RequestError as error:
            raise RequestError(error.message, error.hint, f"time[{i}]") from None

    def _typed(self, index: pd.DatetimeIndex) -> Ints:
        if self.freq.is_integer:
            raise RequestError("times of this model must be whole numbers, but got dates", "its clock counts", "time")
        if index.hasnans:
            place = int(np.argmax(index.isna()))
            raise RequestError("every value must have a time, but one is null", "leave the row out", f"time[{place}]")
        years = index.year
        if len(index) and (years.min() < _YEARS[0] or years.max() > _YEARS[1]):
            raise RequestError(f"times must lie between the years {_YEARS[0]} and {_YEARS[1]}", "", "time")
        return self._inside(pd.Series(index.as_unit("ns")))
