"""The charts of the page: forecasts against what came, and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autots.panel import Floats
from autots.report.facts import Window
from autots.report.svg import Scale, area, escape, is_clock_time, line, lone, nice_ticks, positions, tag, time_ticks
from autots.report.wording import moment, number, percent

__all__ = ["bands", "calibration_chart", "forecast_chart", "interval_names"]

_MOST_POINTS = 600  # of history, and of horizon: more cannot be seen, and would make the page heavy
_LEAST_HISTORY = 48  # steps; otherwise twice the horizon, so that the forecast has a third of the width
_WIDTH, _HEIGHT = 480, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 8, 10, 28
_REACH = 1.5  # intervals may leave the range of the data by this many times its width, then they are cut


def bands(levels: Sequence[float], columns: int) -> list[tuple[int, int, float]]:
    """Return what to draw of Q quantiles: (lower column, upper column, nominal coverage), the widest first.

    The central intervals nearest to 80 % and 50 %. If the levels are not known, the outermost columns (coverage NaN).

    >>> bands((0.1, 0.25, 0.5, 0.75, 0.9), 5)
    [(0, 4, 0.8), (1, 3, 0.5)]
    """
    if len(levels) != columns:
        return [(0, columns - 1, float("nan"))] if columns > 1 else []
    found = []
    for i, low in enumerate(levels):
        j = next((j for j, high in enumerate(levels) if abs(low + high - 1) < 1e-9), None)
        if j is not None and low < 0.5:
            found.append((i, j, round(1 - 2 * low, 10)))
    if not found:
        return []
    outer = min(found, key=lambda band: abs(band[2] - 0.8))
    # A tie goes to the narrower one: two bands must look different.
    inner = min((b for b in found if b[2] < outer[2]), key=lambda b: (round(abs(b[2] - 0.5), 9), b[2]), default=None)
    return [outer] if inner is None else [outer, inner]


def interval_names(levels: Sequence[float], columns: int) -> list[str]:
    """Return the names of the bands, for a legend."""
    return [f"{percent(b[2])} interval" if b[2] == b[2] else "interval" for b in bands(levels, columns)]


def forecast_chart(window: Window, levels: Sequence[float], ident: str) -> str:
    """Draw the recent history of a series, its forecast with intervals, and what came.

    Args:
        window: What to draw.
        levels: (Q,) quantile levels.
        ident: A word that no other chart of the page has, for the references inside the drawing.
    """
    recent = min(max(2 * len(window.times), _LEAST_HISTORY), _MOST_POINTS)
    history = _finite(window.history)[-recent:]
    past = positions(window.history_times)[-recent:]
    chosen = _thinned(len(window.times))
    ahead = positions(window.times)[chosen]
    actual, point = _finite(window.actual)[chosen], _finite(window.point)[chosen]
    quantiles = _finite(window.quantiles)[chosen]
    drawn = bands(levels, quantiles.shape[1])
    middle = next((i for i, q in enumerate(levels) if abs(q - 0.5) < 1e-9), None)
    median = quantiles[:, middle] if middle is not None and len(levels) == quantiles.shape[1] else point
    every = np.concatenate((past, ahead))
    every = every[np.isfinite(every)]
    if not len(every):
        return tag("p", "Nothing to draw.", class_="note")
    x = Scale(float(every.min()), float(every.max()), _LEFT, _WIDTH - _RIGHT)
    edges = [quantiles[:, i] for low, high, _ in drawn for i in (low, high)]
    y = Scale(*_range([history, actual, median], edges), _HEIGHT - _BOTTOM, _TOP)
    layers = [_frame(x, y, time=is_clock_time(window.times))]
    px, hx = x.many(ahead), x.many(past)
    clip = f"url(#{ident}-clip)"
    for number_, (low, high, _) in enumerate(drawn):
        shape = area(px, y.many(quantiles[:, low]), y.many(quantiles[:, high]))
        layers.append(tag("path", d=shape, class_=f"band b{number_}", clip_path=clip))
    if len(past) and len(ahead):
        cut = (hx[-1] + px[0]) / 2
        layers.append(tag("line", x1=cut, x2=cut, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="cutoff"))
    layers += _traced(hx, y.many(history), "history")
    # What came begins at the last known value, so that the eye sees one line.
    joined = np.concatenate((history[-1:], actual))
    layers += _traced(np.concatenate((hx[-1:], px)), y.many(joined), "actual")
    layers += _traced(px, y.many(median), "median", clip)
    if np.isfinite(point).any() and np.nanmax(np.abs(point - median), initial=0.0) > 0.02 * (y.high - y.low):
        layers += _traced(px, y.many(point), "point", clip)
    box = tag("rect", x=_LEFT, y=_TOP, width=_WIDTH - _RIGHT - _LEFT, height=_HEIGHT - _BOTTOM - _TOP)
    layers.append(tag("defs", tag("clipPath", box, id=f"{ident}-clip")))
    return _drawing(ident, _WIDTH, _HEIGHT, *_described(window), layers)


def _traced(x: Floats, y: Floats, kind: str, clip: str | None = None) -> list[str]:
    """Return a line, and dots for values without neighbours."""
    shapes = (line(x, y), kind), (lone(x, y), f"{kind} lone")
    return [tag("path", d=shape, class_=style, clip_path=clip) for shape, style in shapes if shape]


def _described(window: Window) -> tuple[str, str]:
    """Return a chart's title and description for those who cannot see it."""
    title = f"Backtest of {window.series}" if window.series else "Backtest"
    if not len(window.times):
        return title, "There is no horizon."
    seen = _finite(window.actual)
    came = f"what came averaged {number(np.nanmean(seen))}" if np.isfinite(seen).any() else "what came is not known"
    ahead = _finite(window.point)
    mean = number(np.nanmean(ahead)) if np.isfinite(ahead).any() else "nothing"
    text = (
        f"{len(window.times)} steps from {moment(window.times[0])} to {moment(window.times[-1])}: the forecast "
        f"averaged {mean}, {came}; score {number(window.score)}."
    )
    return title, text


def calibration_chart(pairs: Sequence[tuple[float, float]]) -> str:
    """Draw the observed share of targets below each quantile level; a perfect forecast lies on the diagonal."""
    left, right, top, bottom, size = 62, 26, 12, 50, 360
    known = sorted((q, share) for q, share in pairs if np.isfinite(q) and np.isfinite(share))
    x = Scale(0.0, 1.0, left, size - right)
    y = Scale(0.0, 1.0, size - bottom, top)
    layers = []
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        layers.append(tag("line", x1=float(left), x2=float(size - right), y1=y(level), y2=y(level), class_="grid"))
        layers.append(tag("text", percent(level), x=left - 8.0, y=y(level) + 4, text_anchor="end"))
        layers.append(tag("text", percent(level), x=x(level), y=size - bottom + 20.0, text_anchor="middle"))
    layers.append(tag("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="ideal"))
    at = x.many(np.array([q for q, _ in known])), y.many(np.array([share for _, share in known]))
    layers.append(tag("path", d=line(*at), class_="median"))
    layers += [tag("circle", cx=float(u), cy=float(v), r=4, class_="dot") for u, v in zip(*at, strict=True)]
    middle = (left + size - right) / 2
    layers.append(tag("text", "quantile level", x=middle, y=size - 8.0, text_anchor="middle"))
    centre = (top + size - bottom) / 2
    turned = f"rotate(-90 14 {centre:.0f})"
    layers.append(tag("text", "observed below it", x=14.0, y=centre, text_anchor="middle", transform=turned))
    listed = ", ".join(f"{percent(q)}: {percent(share, 1)}" for q, share in known)
    text = f"Observed share of targets below each level: {listed}."
    return _drawing("calibration", size, size, "Calibration", text, layers)


def _drawing(ident: str, width: int, height: int, title: str, description: str, layers: Sequence[str]) -> str:
    return tag(
        "svg",
        tag("title", escape(title), id=f"{ident}-title"),
        tag("desc", escape(description, 600), id=f"{ident}-desc"),
        *layers,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_labelledby=f"{ident}-title {ident}-desc",
    )


def _frame(x: Scale, y: Scale, *, time: bool) -> str:
    """Return grid lines and the labels of both axes."""
    parts = []
    ticks = nice_ticks(y.low, y.high, 5)
    for value in ticks:
        at = y(value)
        parts.append(tag("line", x1=x.first, x2=x.last, y1=at, y2=at, class_="grid"))
        parts.append(tag("text", escape(_short(value, ticks)), x=_LEFT - 8.0, y=at + 4, text_anchor="end"))
    if time:
        marks = time_ticks(x.low, x.high, 5)
    else:
        marks = [(v, f"{v:,.0f}") for v in nice_ticks(x.low, x.high, 5, whole=True)]
    for value, label in marks:
        at = x(value)
        # The outermost labels stay inside the drawing.
        anchor = "start" if at < _LEFT + 22 else "end" if at > _WIDTH - 30 else "middle"
        parts.append(tag("line", x1=at, x2=at, y1=_HEIGHT - _BOTTOM + 0.0, y2=_HEIGHT - _BOTTOM + 4.0, class_="tick"))
        parts.append(tag("text", escape(label), x=at, y=_HEIGHT - 8.0, text_anchor=anchor))
    return "".join(parts)


def _short(value: float, ticks: Sequence[float]) -> str:
    """Return a tick's label that fits the margin: 12k, 3.5M."""
    largest = max(abs(t) for t in ticks)
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if 1e15 > largest >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{scaled:.5g}{unit}" if value else "0"
    if largest >= 1e15 or 0 < largest < 1e-3:
        return f"{value:.3g}"
    return f"{value:,.6g}"


def _range(lines: Sequence[Floats], edges: Sequence[Floats]) -> tuple[float, float]:
    """Return the vertical range: all lines, and the intervals as far as they do not dwarf the lines."""
    known = np.concatenate([v[np.isfinite(v)] for v in lines]) if lines else np.array([])
    wide = np.concatenate([v[np.isfinite(v)] for v in edges]) if edges else np.array([])
    if not len(known):
        known = wide
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    reach = _REACH * (high - low) if high > low else float("inf")
    if len(wide):
        low, high = min(low, max(float(wide.min()), low - reach)), max(high, min(float(wide.max()), high + reach))
    if high == low:
        half = abs(low) / 10 or 1.0
        return low - half, high + half
    pad = 0.04 * (high - low)
    return low - pad, high + pad


def _finite(values: Floats) -> Floats:
    """Return values as floats in which only finite numbers count."""
    x = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(x), x, np.nan)


def _thinned(n: int) -> slice:
    """Return every k-th step, so that few enough are left."""
    return slice(None, None, max(1, -(-n // _MOST_POINTS)))
