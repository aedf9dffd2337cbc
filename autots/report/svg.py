"""The few shapes and scales that our charts need, as SVG text: nothing to load, and coloured by the page's style."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel import Floats, Times

__all__ = ["Scale", "area", "escape", "is_clock_time", "line", "lone", "nice_ticks", "positions", "tag", "time_ticks"]

# What XML 1.0 does not allow, even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def escape(value: Any, longest: int = 160) -> str:
    """Return any text as harmless HTML: escaped, without control characters or lone surrogates, cut if very long.

    >>> escape('<b>"1" & 2')
    '&lt;b&gt;&quot;1&quot; &amp; 2'
    """
    text = _FORBIDDEN.sub("\ufffd", str(value)).encode("utf-8", "replace").decode("utf-8")
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    # A number never parts from its percent sign at the end of a line.
    return html.escape(text).replace(" %", "\u00a0%")


def tag(name: str, *children: str, **attributes: Any) -> str:
    """Return an element; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``, None is left out.

    Children are markup already; attribute values are escaped here.

    >>> tag("rect", x=1.25, class_="bar")
    '<rect x="1.2" class="bar"/>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(value, 4000)
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{text}"')
    head = " ".join(parts)
    inside = "".join(children)
    return f"<{head}>{inside}</{name}>" if inside else f"<{head}/>"


@dataclass(frozen=True)
class Scale:
    """A straight map from values to pixels.

    >>> Scale(0, 10, 0, 100)(5)
    50.0
    """

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Return the pixel of one value."""
        return float(self.many(np.array([value]))[0])

    def many(self, values: Floats) -> Floats:
        """Return the pixels of values; a domain of no width lies in the middle."""
        width = self.high - self.low
        if not width > 0:
            return np.where(np.isnan(values), np.nan, (self.first + self.last) / 2)
        return np.asarray(self.first + (values - self.low) / width * (self.last - self.first), dtype=np.float64)


def _runs(seen: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the (start, end) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], seen, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def line(x: Floats, y: Floats) -> str:
    """Return the path of a line that is interrupted where values are missing; see ``lone`` for the values between."""
    parts = []
    for a, b in _runs(np.isfinite(x) & np.isfinite(y)):
        if b - a > 1:
            parts.append("M" + " ".join(f"{u:.1f},{v:.1f}" for u, v in zip(x[a:b], y[a:b], strict=True)))
    return "".join(parts)


def lone(x: Floats, y: Floats) -> str:
    """Return the path of the values that have no neighbour: lines of no length, which round caps draw as dots."""
    runs = _runs(np.isfinite(x) & np.isfinite(y))
    return "".join(f"M{x[a]:.1f},{y[a]:.1f}h0" for a, b in runs if b - a == 1)


def area(x: Floats, low: Floats, high: Floats) -> str:
    """Return the path of the area between two lines."""
    parts = []
    for a, b in _runs(np.isfinite(x) & np.isfinite(low) & np.isfinite(high)):
        xs, top, bottom = x[a:b], high[a:b], low[a:b]
        if b - a == 1:
            xs, top, bottom = np.array([xs[0] - 2, xs[0] + 2]), np.repeat(top, 2), np.repeat(bottom, 2)
        upper = " ".join(f"{u:.1f},{v:.1f}" for u, v in zip(xs, top, strict=True))
        lower = " ".join(f"{u:.1f},{v:.1f}" for u, v in zip(xs[::-1], bottom[::-1], strict=True))
        parts.append(f"M{upper} {lower}Z")
    return "".join(parts)


def nice_ticks(low: float, high: float, most: int = 5, *, whole: bool = False) -> list[float]:
    """Return at most ``most`` round numbers in a range.

    >>> nice_ticks(0.13, 0.94, 5)
    [0.2, 0.4, 0.6, 0.8]
    """
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low] if math.isfinite(low) else []
    power = 10.0 ** math.floor(math.log10(span / most))
    for multiple in (1, 2, 2.5, 5, 10, 20, 25, 50, 100):
        step = multiple * power
        if whole and (step < 1 or step != round(step)):
            continue
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            # Rounded to the step's own digits, so that 3 * 0.1 is 0.3.
            digits = max(0, 2 - math.floor(math.log10(step)))
            return [round(k * step, digits) for k in range(first, last + 1)]
    return [low]


def is_clock_time(times: Times) -> bool:
    """Return whether times are dates and not integers."""
    return bool(np.issubdtype(np.asarray(times).dtype, np.datetime64))


def positions(times: Times) -> Floats:
    """Return times as numbers: seconds since 1970, or the integers themselves; NaN for no time."""
    if not is_clock_time(times):
        return np.asarray(times, dtype=np.float64)
    stamps = np.asarray(times).astype("datetime64[ms]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1000.0)


# Seconds, the unit and how many of it, and how a tick is written.
_STEPS = (
    *((float(n), "s", n, "%H:%M:%S") for n in (1, 5, 15, 30)),
    *((60.0 * n, "s", 60 * n, "%H:%M") for n in (1, 5, 15, 30)),
    *((3600.0 * n, "s", 3600 * n, "%H:%M") for n in (1, 3, 6, 12)),
    *((86400.0 * n, "D", n, "%-d %b") for n in (1, 2, 7, 14)),
    *((2629800.0 * n, "M", n, "%b %Y") for n in (1, 2, 3, 6)),
    *((31557600.0 * n, "Y", n, "%Y") for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
_MONDAY = 4  # days from the epoch, a Thursday, to a Monday


def time_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Return round moments between two times (seconds since 1970), with what to write under them."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [(low, _written(low, "%-d %b %Y"))] if math.isfinite(low) else []
    fitting = (step for step in _STEPS if span / step[0] <= most)
    _, unit, n, form = next(fitting, _STEPS[-1])
    first = np.datetime64(math.floor(low * 1000), "ms").astype(f"datetime64[{unit}]").astype(np.int64)
    last = np.datetime64(math.ceil(high * 1000), "ms").astype(f"datetime64[{unit}]").astype(np.int64)
    # Years count from 1970 here, but people want 1980, 1990.
    shift = {"D": _MONDAY if n >= 7 else 0, "Y": -1970 % n}.get(unit, 0)
    begin = int((first - shift) // n * n + shift)
    stamps = np.arange(begin, int(last) + n, n).astype(f"datetime64[{unit}]")
    at = positions(stamps)
    ticks = []
    for x in at[(at >= low - 1e-6) & (at <= high + 1e-6)].tolist():
        midnight = unit == "s" and n >= 3600 and x % 86400 == 0
        ticks.append((x, _written(x, "%-d %b" if midnight else form)))
    return ticks


def _written(seconds: float, form: str) -> str:
    stamp = pd.Timestamp(seconds, unit="s")
    # strftime has no portable day without a zero.
    return stamp.strftime(form.replace("%-d", str(stamp.day)))
