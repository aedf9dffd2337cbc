"""Maps from values to pixels, and the round numbers and moments that are written beside them.

All arithmetic on ticks is exact (fractions): a tick never lies outside its axis, none comes twice, and 3 · 0.1 is 0.3.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from zoo.page.wording import duration

__all__ = [
    "Axis",
    "Floats",
    "is_clock_time",
    "marks",
    "positions",
    "seconds_marks",
    "tick_labels",
    "ticks",
    "time_marks",
]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
#: A tick and what is written beside it.
Mark: TypeAlias = tuple[float, str]

_LARGEST, _SMALLEST = sys.float_info.max, math.ulp(0.0)


@dataclass(frozen=True)
class Axis:
    """A map from values to pixels, straight or logarithmic.

    Args:
        low: Value at the pixel ``first``.
        high: Value at the pixel ``last``; a range of no width lies in the middle of the pixels.
        first: Pixel where the axis begins.
        last: Pixel where it ends; less than ``first`` for an axis that goes upwards.
        log: Whether equal ratios, not equal differences, are equally long; False by default.

    >>> Axis(0, 10, 0, 100)(5), Axis(0.01, 1, 0, 100, log=True)(0.1)
    (50.0, 50.0)
    """

    low: float
    high: float
    first: float
    last: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of one value; values outside lie at the ends."""
        return float(self.pixels(np.array([min(max(value, self.low), self.high)]))[0])

    def pixels(self, values: Floats) -> Floats:
        """Return the pixels of many values; those outside lie outside, so that a line leaves where it should."""
        x, low, high = np.asarray(values, dtype=np.float64), self.low, self.high
        if not high > low:
            return np.where(np.isnan(x), np.nan, (self.first + self.last) / 2)
        if self.log:
            x, low, high = np.log(x), math.log(low), math.log(high)
        elif math.isinf(high - low):
            x, low, high = x / 4, low / 4, high / 4
        with np.errstate(over="ignore"):
            share = np.clip((x - low) / (high - low), -10.0, 11.0)  # further out nobody sees the difference
        return np.asarray(self.first + share * (self.last - self.first), dtype=np.float64)

    @classmethod
    def around(cls, values: Iterable[float], first: float, last: float, *, log: bool | None = None) -> Axis:
        """Return an axis that holds the values with a margin; logarithmic by itself where they span two decades."""
        known = [value for value in values if math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if log is None:
            log = low > 0 and high > 100 * low
        if log:
            reach = math.exp(0.05 * (math.log(high) - math.log(low))) if high > low else 2.0
            return cls(max(low / reach, _SMALLEST), min(high * reach, _LARGEST), first, last, log=True)
        pad = 0.05 * (high - low) or abs(low) / 10 or 1.0
        return cls(max(low - pad, -_LARGEST), min(high + pad, _LARGEST), first, last)


def ticks(axis: Axis, most: int = 5, *, whole: bool = False) -> list[float]:
    """Return at most ``most`` round numbers of an axis, rising; none for a range that is not finite.

    >>> ticks(Axis(0.13, 0.94, 0, 1))
    [0.2, 0.4, 0.6, 0.8]
    >>> ticks(Axis(0.002, 30, 0, 1, log=True)), ticks(Axis(16, 512, 0, 1, log=True))
    ([0.01, 0.1, 1.0, 10.0], [20.0, 50.0, 100.0, 200.0, 500.0])
    """
    low, high = axis.low, axis.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return []
    if not high > low:
        return [low]
    if axis.log:
        found = _log_ticks(low, high, most)
        if len(found) >= 2:
            return found
    return _linear_ticks(low, high, most, whole=whole)


def _linear_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    span = (_exact(high) - _exact(low)) / most
    power = math.floor(math.log10(span.numerator) - math.log10(span.denominator))
    unit = Fraction(10) ** (max(power, 0) if whole else power)
    for multiple in (1, 2, 5, 10, 20) if whole and unit == 1 else (1, 2, Fraction(5, 2), 5, 10, 20):
        found = _multiples(low, high, multiple * unit, most)
        if found is not None:
            return found
    raise AssertionError(f"twenty times a step must be enough, but it is not from {low!r} to {high!r}")


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    begin, end = _exact(low), _exact(high)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    for multiples in ((1, 2, 5), (1,)):
        found = [m * Fraction(10) ** power for power in powers for m in multiples]
        inside = [value for value in found if begin <= value <= end]
        if len(inside) <= most:
            break
    return sorted({float(value) for value in inside[:: max(1, -(-len(inside) // most))]})


def _multiples(low: float, high: float, step: Fraction, most: int) -> list[float] | None:
    """Return the multiples of a step in a range; None for more than ``most``."""
    first, last = math.ceil(_exact(low) / step), math.floor(_exact(high) / step)
    # Several multiples are one float where the range is only a few floats wide.
    return sorted({float(k * step) for k in range(first, last + 1)}) if last - first < most else None


def _exact(value: float) -> Fraction:
    """Return the number that a float is written as: 0.1 is a tenth."""
    return Fraction(repr(float(value)))


def marks(axis: Axis, most: int = 5, *, whole: bool = False) -> list[Mark]:
    """Return round numbers of an axis with their labels."""
    found = ticks(axis, most, whole=whole)
    return list(zip(found, tick_labels(found), strict=True))


# What a number is divided by, from which size on.
_UNITS = ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))


def tick_labels(values: Sequence[float]) -> list[str]:
    """Return labels short enough for a margin, and long enough to tell the values apart.

    >>> tick_labels([0.0, 500_000.0, 1_000_000.0]), tick_labels([1e9 + 1, 1e9 + 2])
    (['0', '0.5M', '1M'], ['1,000,000,001', '1,000,000,002'])
    """
    sizes = [abs(value) for value in values if value]
    if sizes and max(sizes) > 1e4 * min(sizes):
        # Of a logarithmic axis: each by its own size.
        return [_short(value, abs(value)) for value in values]
    near = 0.01 * min((b - a for a, b in pairwise(values)), default=math.inf)
    labels: list[str] = []
    for labels in _writings(values, max(sizes, default=0.0)):
        off = (abs(_read(label) - value) for label, value in zip(labels, values, strict=True))
        if len(set(labels)) == len(values) and all(distance <= near for distance in off):
            break
    return labels


def _writings(values: Sequence[float], largest: float) -> Iterator[list[str]]:
    """Yield labels of numbers up to a size, the shortest first; the last ones tell any two floats apart."""
    yield [_short(value, largest) for value in values]
    if 1e-3 <= largest < 1e15:
        yield from ([f"{value:,.{digits}f}" for value in values] for digits in range(7))
    yield from ([_scientific(value, digits) for value in values] for digits in range(3, 17))


def _read(label: str) -> float:
    """Return the number that a label says."""
    unit = next((divisor for _, divisor, unit in _UNITS if label.endswith(unit)), 1.0)
    return float(label.rstrip("kMGT").replace(",", "")) * unit


def _short(value: float, largest: float) -> str:
    """Return a number as a multiple of a unit that fits the largest one: 12k, 3.5M."""
    if not value:
        return "0"
    if not 1e-3 <= largest < 1e15:
        return _scientific(value, 2)
    divisor, unit = next(((by, unit) for size, by, unit in _UNITS if largest >= size), (1.0, ""))
    return f"{value / divisor:,.6g}{unit}"


def _scientific(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if value else "0"


# Round numbers of seconds: minutes, hours and days have others than ten has.
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAYS = (1, 2, 5, 7, 14, 30, 60, 120, 365)


def seconds_marks(axis: Axis, most: int = 6) -> list[Mark]:
    """Return round durations of an axis in seconds, with what to write under them.

    >>> seconds_marks(Axis(0, 100, 0, 1))
    [(0.0, '0'), (30.0, '30 s'), (60.0, '1 min'), (90.0, '1 min 30 s')]
    """
    span = axis.high - axis.low
    steps = (*_SECONDS, *(86400 * days for days in _DAYS))
    fitting = next((Fraction(step) for step in steps if span / step < most), None) if span >= most else None
    found = None if fitting is None else _multiples(axis.low, axis.high, fitting, most)
    found = ticks(axis, most) if found is None else found
    texts = [_seconds_text(value) for value in found]
    if len(set(texts)) < len(found):
        # Two units do not tell 2 h from 2 h and 30 s.
        texts = [f"{text} s" for text in tick_labels(found)]
    return list(zip(found, texts, strict=True))


def _seconds_text(seconds: float) -> str:
    size = abs(seconds)
    if not size:
        return "0"
    if size < 0.01:
        return f"{1000 * seconds:g} ms"
    return f"{seconds:g} s" if size < 60 else duration(seconds)


def is_clock_time(times: npt.NDArray[Any]) -> bool:
    """Return whether times are dates and not integers."""
    return bool(np.issubdtype(np.asarray(times).dtype, np.datetime64))


def positions(times: npt.NDArray[Any]) -> Floats:
    """Return times as numbers: seconds since 1970, or the integers themselves; NaN for no time."""
    if not is_clock_time(times):
        return np.asarray(times, dtype=np.float64)
    stamps = np.asarray(times).astype("datetime64[ms]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1000.0)


# Seconds, numpy's unit and how many of it, and how a tick is written; {day} is the day without a zero.
_CALENDAR = (
    *((float(n), "s", n, "%H:%M:%S") for n in (1, 5, 15, 30)),
    *((60.0 * n, "s", 60 * n, "%H:%M") for n in (1, 5, 15, 30)),
    *((3600.0 * n, "s", 3600 * n, "%H:%M") for n in (1, 3, 6, 12)),
    *((86400.0 * n, "D", n, "{day} %b") for n in (1, 2, 7, 14)),
    *((2629800.0 * n, "M", n, "%b %Y") for n in (1, 2, 3, 6)),
    *((31557600.0 * n, "Y", n, "%Y") for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
_MONDAY = 4  # days from the epoch, a Thursday, to a Monday


def time_marks(axis: Axis, most: int = 5) -> list[Mark]:
    """Return round moments of an axis in seconds since 1970, with what to write under them.

    >>> time_marks(Axis(0, 3 * 86400, 0, 1))
    [(0.0, '1 Jan'), (86400.0, '2 Jan'), (172800.0, '3 Jan'), (259200.0, '4 Jan')]
    """
    low, high = axis.low, axis.high
    if not (math.isfinite(high - low) and high > low):
        return [(low, _date_text(low, "{day} %b %Y"))] if math.isfinite(low) else []
    fitting = (step for step in _CALENDAR if (high - low) / step[0] <= most)
    _, unit, n, form = next(fitting, _CALENDAR[-1])
    first = np.datetime64(math.floor(low * 1000), "ms").astype(f"datetime64[{unit}]").astype(np.int64)
    last = np.datetime64(math.ceil(high * 1000), "ms").astype(f"datetime64[{unit}]").astype(np.int64)
    # Years count from 1970 here, but people want 1980, 1990.
    shift = {"D": _MONDAY if n >= 7 else 0, "Y": -1970 % n}.get(unit, 0)
    begin = int((first - shift) // n * n + shift)
    at = positions(np.arange(begin, int(last) + n, n).astype(f"datetime64[{unit}]"))
    found = []
    for x in at[(at >= low - 1e-6) & (at <= high + 1e-6)].tolist():
        midnight = unit == "s" and n >= 3600 and x % 86400 == 0
        found.append((x, _date_text(x, "{day} %b" if midnight else form)))
    return found


def _date_text(seconds: float, form: str) -> str:
    stamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    # strftime has no portable day without a zero.
    return stamp.strftime(form.format(day=stamp.day))
