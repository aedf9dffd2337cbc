"""The few shapes and axes that the charts need, as SVG text: nothing to load, and coloured by the page's style."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.search.insight.wording import duration

__all__ = ["Axis", "Frame", "drawing", "escape", "label", "polyline", "seconds_ticks", "tag", "ticks"]

# What XML 1.0 does not allow, even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
#: Round numbers of seconds.
_SECONDS = (
    *(a * b for b in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1) for a in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200),
    *(86400 * n for n in (1, 2, 5, 7, 14, 30, 60, 120, 365)),
)


def escape(value: Any, longest: int = 160) -> str:
    """Return any text as harmless HTML: escaped, without control characters or lone surrogates, cut if very long.

    >>> escape('<b>"1" & 2')
    '&lt;b&gt;&quot;1&quot; &amp; 2'
    """
    text = _FORBIDDEN.sub("\ufffd", str(value)).encode("utf-8", "replace").decode("utf-8")
    if len(text) > longest:
        text = text[: longest - 1] + "…"
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
            text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(value, 1_000_000)
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{text}"')
    inside = "".join(children)
    return f"<{' '.join(parts)}>{inside}</{name}>" if inside else f"<{' '.join(parts)}/>"


@dataclass(frozen=True)
class Axis:
    """A map from values to pixels, straight or logarithmic.

    >>> Axis(0, 10, 0, 100)(5), Axis(0.01, 1, 0, 100, log=True)(0.1)
    (50.0, 50.0)
    """

    low: float
    high: float
    first: float
    last: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return a pixel; values outside lie at the ends, and a range of no width in the middle."""
        if not self.high > self.low:
            return (self.first + self.last) / 2
        value = min(max(value, self.low), self.high)
        if self.log:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    @classmethod
    def around(cls, values: Iterable[float], first: float, last: float, *, log: bool | None = None) -> Axis:
        """Return an axis that holds the values with a margin; logarithmic by itself where they span two decades."""
        known = [value for value in values if math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if log is None:
            log = low > 0 and high > 100 * low
        if log:
            reach = (high / low) ** 0.05 if high > low else 2.0
            return cls(low / reach, high * reach, first, last, log=True)
        pad = 0.05 * (high - low) if high > low else abs(low) / 10 or 1.0
        return cls(low - pad, high + pad, first, last)


def ticks(axis: Axis, most: int = 5) -> list[float]:
    """Return at most ``most`` round numbers of an axis.

    >>> ticks(Axis(0.13, 0.94, 0, 1))
    [0.2, 0.4, 0.6, 0.8]
    >>> ticks(Axis(0.002, 30, 0, 1, log=True))
    [0.01, 0.1, 1.0, 10.0]
    """
    low, high = axis.low, axis.high
    if not (math.isfinite(high - low) and high > low):
        return [low] if math.isfinite(low) else []
    if axis.log:
        powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        if len(powers) >= 2:
            return [10.0**power for power in powers[:: -(-len(powers) // most)]]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for multiple in (1, 2, 2.5, 5, 10, 20, 25, 50):
        step = multiple * power
        begin, end = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if end - begin < most:
            # Rounded to the step's own digits, so that 3 * 0.1 is 0.3.
            digits = max(0, 2 - math.floor(math.log10(step)))
            return [round(k * step, digits) for k in range(begin, end + 1)]
    return [low]


def seconds_ticks(axis: Axis, most: int = 6) -> list[tuple[float, str]]:
    """Return round moments with what to write under them.

    >>> seconds_ticks(Axis(0, 100, 0, 1))
    [(0, '0'), (30, '30 s'), (60, '1 min'), (90, '1 min 30 s')]
    """
    span = axis.high - axis.low
    step = next((s for s in _SECONDS if span / s < most), span or 1.0)
    begin, end = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return [(k * step, _moment(k * step) if k else "0") for k in range(begin, end + 1)]


def _moment(seconds: float) -> str:
    return f"{seconds:g} s" if 0.01 <= seconds < 60 else duration(seconds) if seconds >= 1 else f"{1000 * seconds:g} ms"


def label(value: float) -> str:
    """Return a tick's label, short enough for the margin."""
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:,.6g}"


def polyline(points: Sequence[tuple[float, float]], kind: str, title: str = "") -> str:
    """Return a line through points; a lone one becomes a dot, drawn by its round ends."""
    if not points:
        return ""
    path = "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + ("h0" if len(points) == 1 else "")
    inside = (tag("title", escape(title, 400)),) if title else ()
    return tag("path", *inside, d=path, class_=kind + (" lone" if len(points) == 1 else ""))


@dataclass(frozen=True)
class Frame:
    """The place of a chart with two axes."""

    width: float = 480.0
    height: float = 270.0
    left: float = 60.0
    right: float = 14.0
    top: float = 12.0
    bottom: float = 44.0

    def x(self, values: Iterable[float], *, log: bool | None = None) -> Axis:
        """Return the horizontal axis."""
        return Axis.around(values, self.left, self.width - self.right, log=log)

    def y(self, values: Iterable[float], *, log: bool | None = None) -> Axis:
        """Return the vertical axis."""
        return Axis.around(values, self.height - self.bottom, self.top, log=log)

    def grid(self, x: Axis, y: Axis, names: tuple[str, str], marks: Sequence[tuple[float, str]] | None = None) -> str:
        """Return grid lines and labels; ``marks`` are the horizontal ticks where they are no plain numbers."""
        parts = []
        for value in ticks(y):
            at = y(value)
            parts.append(tag("line", x1=x.first, x2=x.last, y1=at, y2=at, class_="grid"))
            parts.append(tag("text", escape(label(value)), x=self.left - 8.0, y=at + 4, text_anchor="end"))
        base = self.height - self.bottom
        for value, text in marks if marks is not None else [(v, label(v)) for v in ticks(x)]:
            at = x(value)
            # The outermost labels stay inside of the drawing.
            anchor = "end" if at > self.width - 26 else "middle"
            parts.append(tag("line", x1=at, x2=at, y1=base, y2=base + 4, class_="tick"))
            parts.append(tag("text", escape(text), x=at, y=base + 18, text_anchor=anchor))
        middle = (x.first + x.last) / 2
        parts.append(
            tag("text", escape(names[0], 60), x=middle, y=self.height - 6, text_anchor="middle", class_="axis")
        )
        centre = (y.first + y.last) / 2
        turned = f"rotate(-90 12 {centre:.0f})"
        name = escape(names[1], 40)
        parts.append(tag("text", name, x=12.0, y=centre, text_anchor="middle", transform=turned, class_="axis"))
        return "".join(parts)


def drawing(ident: str, size: tuple[float, float], title: str, description: str, layers: Iterable[str]) -> str:
    """Return the drawing, with words for those who cannot see it."""
    return tag(
        "svg",
        # No <title> child: browsers would show it as a tooltip over the whole drawing.
        tag("desc", escape(description, 600), id=f"{ident}-desc"),
        *layers,
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
        aria_label=title,
        aria_describedby=f"{ident}-desc",
    )
