"""The shapes that charts are made of, as SVG text: nothing to load, and coloured by the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from zoo.page.axes import Axis, Floats, Mark, marks
from zoo.page.markup import escape, tag

__all__ = ["ChartFrame", "area", "drawing", "line", "lone", "polyline"]

_CHARACTER = 6.6  # pixels that a character of a label is wide


def line(x: Floats, y: Floats) -> str:
    """Return the path of a line that is interrupted where values are missing; see ``lone`` for the values between."""
    runs = _runs(np.isfinite(x) & np.isfinite(y))
    return "".join(f"M{_points(x[a:b], y[a:b])}" for a, b in runs if b - a > 1)


def lone(x: Floats, y: Floats) -> str:
    """Return the path of the values that have no neighbour: lines of no length, which round caps draw as dots."""
    runs = _runs(np.isfinite(x) & np.isfinite(y))
    return "".join(f"M{_points(x[a:b], y[a:b])}h0" for a, b in runs if b - a == 1)


def area(x: Floats, low: Floats, high: Floats) -> str:
    """Return the path of the area between two lines; a lone step becomes a bar of four pixels."""
    parts = []
    for a, b in _runs(np.isfinite(x) & np.isfinite(low) & np.isfinite(high)):
        xs, top, bottom = x[a:b], high[a:b], low[a:b]
        if b - a == 1:
            xs, top, bottom = np.array([xs[0] - 2, xs[0] + 2]), np.repeat(top, 2), np.repeat(bottom, 2)
        parts.append(f"M{_points(xs, top)} {_points(xs[::-1], bottom[::-1])}Z")
    return "".join(parts)


def _runs(seen: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the (start, end) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], seen, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _points(x: Floats, y: Floats) -> str:
    return " ".join(f"{u:.1f},{v:.1f}" for u, v in zip(x, y, strict=True))


def polyline(points: Sequence[tuple[float, float]], kind: str, title: str = "") -> str:
    """Return a line through points, of a class of the style sheet; a lone one becomes a dot, drawn by its round ends.

    Args:
        points: (x, y) pixels in order; nothing is drawn for none.
        kind: Class of the style sheet that colours it.
        title: What a tooltip says; none by default.
    """
    if not points:
        return ""
    path = "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + ("h0" if len(points) == 1 else "")
    inside = (tag("title", escape(title, 400)),) if title else ()
    return tag("path", *inside, d=path, class_=kind + (" lone" if len(points) == 1 else ""))


@dataclass(frozen=True)
class ChartFrame:
    """The place of a chart with two axes, in pixels of the drawing.

    Args:
        width: Of the whole drawing; 480 by default.
        height: Of the whole drawing; 270 by default.
        left: Margin for the labels of the vertical axis, 60 by default.
        right: Margin beside the last label, 14 by default.
        top: Margin above the highest value, 12 by default.
        bottom: Margin for the labels of the horizontal axis and its name, 44 by default.
    """

    width: float = 480.0
    height: float = 270.0
    left: float = 60.0
    right: float = 14.0
    top: float = 12.0
    bottom: float = 44.0

    @property
    def base(self) -> float:
        """Pixel of the horizontal axis."""
        return self.height - self.bottom

    def beside(self, y: Axis, *, named: bool = False) -> Self:
        """Return the frame with room for the labels of a vertical axis, and for its name."""
        longest = max((len(text) for _, text in marks(y)), default=0)
        return replace(self, left=max(self.left, longest * _CHARACTER + 8 + (20 if named else 0)))

    def x(self, low: float, high: float, *, log: bool = False) -> Axis:
        """Return the horizontal axis of exactly this range."""
        return Axis(low, high, self.left, self.width - self.right, log)

    def y(self, low: float, high: float) -> Axis:
        """Return the vertical axis of exactly this range."""
        return Axis(low, high, self.base, self.top)

    def x_around(self, values: Iterable[float], *, log: bool | None = None) -> Axis:
        """Return the horizontal axis around values, logarithmic where they span decades."""
        return Axis.around(values, self.left, self.width - self.right, log=log)

    def y_around(self, values: Iterable[float]) -> Axis:
        """Return the vertical axis around values, logarithmic where they span decades."""
        return Axis.around(values, self.base, self.top)

    def grid(self, x: Axis, y: Axis, *, names: tuple[str, str] = ("", ""), below: Sequence[Mark] | None = None) -> str:
        """Return grid lines and labels.

        Args:
            x: The horizontal axis, labelled below the chart.
            y: The vertical axis, labelled at the left.
            names: What both axes mean, written beside them; "" writes nothing.
            below: Ticks of the horizontal axis where they are no plain numbers; round numbers by default.
        """
        parts = []
        for value, text in marks(y):
            at = y(value)
            parts.append(tag("line", x1=x.first, x2=x.last, y1=at, y2=at, class_="grid"))
            parts.append(tag("text", escape(text), x=self.left - 8.0, y=at + 4, text_anchor="end"))
        for value, text in marks(x) if below is None else below:
            at = x(value)
            parts.append(tag("line", x1=at, x2=at, y1=self.base, y2=self.base + 4, class_="tick"))
            parts.append(tag("text", escape(text), x=at, y=self.base + 18, text_anchor=self._anchor(at, text)))
        middle, centre = (x.first + x.last) / 2, (y.first + y.last) / 2
        for name, at_x, at_y, turn in (
            (names[0], middle, self.height - 6, None),
            (names[1], 12.0, centre, f"rotate(-90 12 {centre:.0f})"),
        ):
            if name:
                text = escape(name, 40)
                parts.append(tag("text", text, x=at_x, y=at_y, text_anchor="middle", transform=turn, class_="axis"))
        return "".join(parts)

    def _anchor(self, at: float, text: str) -> str:
        """Return how a label below the chart is set, so that it stays inside of the drawing."""
        half = len(text) * _CHARACTER / 2
        if at - half < self.left - 8:
            return "start"
        return "end" if at + half > self.width else "middle"


def drawing(ident: str, size: tuple[float, float], title: str, description: str, layers: Iterable[str]) -> str:
    """Return a whole drawing, with words for those who cannot see it.

    Args:
        ident: A word that no other drawing of the page has: references inside the page begin with it.
        size: Width and height of its coordinates, in pixels.
        title: Its name, in a few words.
        description: What can be seen in it, in a sentence.
        layers: Markup of its shapes, the lowest first.
    """
    return tag(
        "svg",
        tag("title", escape(title), id=f"{ident}-title"),
        tag("desc", escape(description, 600), id=f"{ident}-desc"),
        *layers,
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
        aria_labelledby=f"{ident}-title {ident}-desc",
    )
