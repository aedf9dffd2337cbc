"""Times of requests <-> the inside clock of a pipeline, remembered: most requests speak of the same moments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel import Ints, Times
from autots.panel.grid import JITTER
from autots.panel.schema import Schema
from autots.panel.times import read_times
from serve.protocol.errors import RequestError
from zoo.errors import DataError

__all__ = ["Clock"]

_REMEMBERED = 4096
# Nanoseconds from 1970 to 2240; counts of integer clocks have the same room.
_FURTHEST = 270 * 365 * 86_400_000_000_000


class Clock:
    """The clock of one pipeline. Moments inside are int64: nanoseconds, or the counts of an integer clock.

    Args:
        schema: How the user writes times, and the frequency.
    """

    def __init__(self, schema: Schema) -> None:
        self._style, self.freq = schema.clock, schema.freq
        self._fixed = schema.freq.is_fixed
        self._spacing = schema.freq.spacing
        # Per clock, and with it gone: a cache on the method would keep every clock alive.
        self.moment = lru_cache(_REMEMBERED)(self._moment)
        self.grid = lru_cache(_REMEMBERED)(self._grid)
        self.ahead = lru_cache(_REMEMBERED)(self._ahead)

    @property
    def fixed(self) -> int | None:
        """The distance of two rows, or None on a calendar, whose steps differ."""
        return self._spacing if self._fixed else None

    def typed(self, moments: Ints) -> Times:
        """Return moments as a panel holds them."""
        return moments if self.freq.is_integer else moments.view("datetime64[ns]")

    def _moment(self, text: str | int) -> int:
        """Read one time.

        Raises:
            RequestError: It is no time of this clock.
        """
        if self.freq.is_integer:
            if isinstance(text, int) and abs(text) < 2**60:
                return text
            raise RequestError(f"times of this model must be whole numbers, but got {text!r}", "its clock counts")
        if isinstance(text, int) and self._style.kind != "key":
            raise RequestError(f"times of this model must be dates, but got {text}", "write ISO 8601")
        try:
            return int(read_times(pd.Series([text]), "time", self._style)[0].view(np.int64)[0])
        except DataError as error:
            raise RequestError(error.message, error.hint or "write ISO 8601") from None

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
            RequestError: They do.
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

    def moments(self, texts: Sequence[str | int] | npt.NDArray[Any]) -> Ints:
        """Read many times."""
        if isinstance(texts, np.ndarray):
            kind = texts.dtype.kind
            if kind == "M" and not self.freq.is_integer and self._style.zone is None:
                return np.asarray(texts.astype("datetime64[ns]").view(np.int64))
            if kind in "iu" and self.freq.is_integer:
                return texts.astype(np.int64)
            if kind in "iu" and self._style.kind == "key":
                return self._read(texts)
            texts = [value if isinstance(value, int) else str(value) for value in texts.tolist()] if kind != "M" else [
                f"{value}Z" for value in np.datetime_as_string(texts)]  # fmt: skip
        if self.freq.is_integer or len(texts) < 50:
            return np.array([self.moment(text) for text in texts], dtype=np.int64)
        if any(isinstance(text, int) for text in texts) and self._style.kind != "key":
            raise RequestError("times of this model must be dates, but some are numbers", "write ISO 8601", "time")
        return self._read(texts)

    def _read(self, texts: Sequence[str | int] | npt.NDArray[Any]) -> Ints:
        try:
            return np.asarray(read_times(pd.Series(list(texts)), "time", self._style)[0]).view(np.int64)
        except DataError as error:
            raise RequestError(error.message, error.hint or "write ISO 8601", "time") from None
