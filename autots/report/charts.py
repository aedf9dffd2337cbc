"""The charts of the page: forecasts against what came, and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autots.report.facts import BacktestWindow
from zoo.page.axes import Floats, is_clock_time, marks, positions, time_marks
from zoo.page.markup import tag
from zoo.page.svg import ChartFrame, area, drawing, line, lone
from zoo.page.wording import moment, number, percent

__all__ = ["bands", "calibration_chart", "forecast_chart", "interval_names"]

_MAX_STEPS = 600  # of history, and of horizon: more cannot be seen, and would make the page heavy
_MIN_HISTORY = 48  # steps; otherwise twice the horizon, so that the forecast has a third of the width
_FRAME = ChartFrame(width=480, height=250, left=58, right=8, top=10, bottom=28)  # pixels
_SQUARE = ChartFrame(width=360, height=360, left=62, right=26, top=12, bottom=50)  # pixels, of the calibration
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


def forecast_chart(window: BacktestWindow, levels: Sequence[float], ident: str) -> str:
    """Draw the recent history of a series, its forecast with intervals, and what came.

    Args:
        window: The series around one cutoff; missing values leave gaps.
        levels: (Q,) quantile levels of its forecasts, from 0 to 1.
        ident: A word that no other chart of the page has, for the references inside the drawing.
    """
    recent = min(max(2 * len(window.times), _MIN_HISTORY), _MAX_STEPS)
    history, past = _finite(window.history)[-recent:], positions(window.history_times)[-recent:]
    chosen = _thinned(len(window.times))
    ahead = positions(window.times)[chosen]
    actual, point, quantiles = (_finite(v)[chosen] for v in (window.actual, window.point, window.quantiles))
    times = np.concatenate((past, ahead))
    times = times[np.isfinite(times)]
    if not len(times):
        return tag("p", "Nothing to draw.", class_="note")
    shown = bands(levels, quantiles.shape[1])
    median = _median(quantiles, levels, point)
    edges = [quantiles[:, i] for low, high, _ in shown for i in (low, high)]
    y = _FRAME.y(*_range([history, actual, median], edges))
    frame = _FRAME.beside(y)
    x = frame.x(float(times.min()), float(times.max()))
    below = time_marks(x) if is_clock_time(window.times) else marks(x, whole=True)
    px, hx, clip = x.pixels(ahead), x.pixels(past), f"url(#{ident}-clip)"
    layers = [frame.grid(x, y, below=below)]
    for i, (low, high, _) in enumerate(shown):
        shape = area(px, y.pixels(quantiles[:, low]), y.pixels(quantiles[:, high]))
        layers.append(tag("path", d=shape, class_=f"band b{i}", clip_path=clip))
    if len(past) and len(ahead):
        cut = (hx[-1] + px[0]) / 2
        layers.append(tag("line", x1=cut, x2=cut, y1=y.last, y2=y.first, class_="cutoff"))
    layers += _traced(hx, y.pixels(history), "history")
    # What came begins at the last known value, so that the eye sees one line.
    joined = np.concatenate((history[-1:], actual))
    layers += _traced(np.concatenate((hx[-1:], px)), y.pixels(joined), "actual")
    layers += _traced(px, y.pixels(median), "median", clip)
    if np.isfinite(point).any() and np.nanmax(np.abs(point - median), initial=0.0) > 0.02 * (y.high - y.low):
        layers += _traced(px, y.pixels(point), "point", clip)
    box = tag("rect", x=x.first, y=y.last, width=x.last - x.first, height=y.first - y.last)
    layers.append(tag("defs", tag("clipPath", box, id=f"{ident}-clip")))
    return drawing(ident, (frame.width, frame.height), *_described(window), layers)


def _median(quantiles: Floats, levels: Sequence[float], point: Floats) -> Floats:
    """Return the median of the forecast; the point forecast where no level is a half."""
    middle = next((i for i, q in enumerate(levels) if abs(q - 0.5) < 1e-9), None)
    return quantiles[:, middle] if middle is not None and len(levels) == quantiles.shape[1] else point


def _traced(x: Floats, y: Floats, kind: str, clip: str | None = None) -> list[str]:
    """Return a line, and dots for values without neighbours."""
    shapes = (line(x, y), kind), (lone(x, y), f"{kind} lone")
    return [tag("path", d=shape, class_=style, clip_path=clip) for shape, style in shapes if shape]


def _described(window: BacktestWindow) -> tuple[str, str]:
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
    known = sorted((q, share) for q, share in pairs if np.isfinite(q) and np.isfinite(share))
    x, y = _SQUARE.x(0.0, 1.0), _SQUARE.y(0.0, 1.0)
    layers = []
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        layers.append(tag("line", x1=x.first, x2=x.last, y1=y(level), y2=y(level), class_="grid"))
        layers.append(tag("text", percent(level), x=x.first - 8, y=y(level) + 4, text_anchor="end"))
        layers.append(tag("text", percent(level), x=x(level), y=y.first + 20, text_anchor="middle"))
    layers.append(tag("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="ideal"))
    at = x.pixels(np.array([q for q, _ in known])), y.pixels(np.array([share for _, share in known]))
    layers.append(tag("path", d=line(*at), class_="median"))
    layers += [tag("circle", cx=float(u), cy=float(v), r=4, class_="dot") for u, v in zip(*at, strict=True)]
    middle, centre = (x.first + x.last) / 2, (y.first + y.last) / 2
    layers.append(tag("text", "quantile level", x=middle, y=_SQUARE.height - 8.0, text_anchor="middle"))
    turned = f"rotate(-90 14 {centre:.0f})"
    layers.append(tag("text", "observed below it", x=14.0, y=centre, text_anchor="middle", transform=turned))
    listed = ", ".join(f"{percent(q)}: {percent(share, 1)}" for q, share in known)
    text = f"Observed share of targets below each level: {listed}."
    return drawing("calibration", (_SQUARE.width, _SQUARE.height), "Calibration", text, layers)


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
    return slice(None, None, max(1, -(-n // _MAX_STEPS)))
