"""Split-conformal quantiles of scaled residuals, per horizon step and scale group.

A residual is divided by a width that says how hard its series and step are; the quantiles of the scaled residuals,
taken over the backtest windows, replace the ensemble's own (locally weighted conformal prediction, Lei et al. 2018;
one-sided per level as in Romano et al. 2019). Recent windows weigh more (Barber et al. 2023, beyond exchangeability).
The kind of width with the least quantile loss on windows left out is kept.

Axes: K windows, S series, H steps, Q levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from autots.metrics import pinball
from autots.panel import Floats

__all__ = ["WIDTHS", "Conformal", "fit_conformal"]

#: What a local width is: the ensemble's own width, or the mean of that and the series' seasonal scale.
WIDTHS = ("width", "both")

_MIN_CELL = 150  # residuals that a cell of the table needs for its outer quantiles
_ENOUGH = 60_000  # targets on which the kinds of width are compared
# A window one horizon older resembles the future so much less (its fit had seen less, too); over many windows the
# weight halves in a third of them.
_AGEING = 0.35
# Few windows share few shocks: their common scale is uncertain by about this, divided by their number.
_UNCERTAINTY = 0.25
# The ensemble's own quantiles count as much as so many independent residuals. Steps and series of a window share their
# shocks: two calm weeks of twenty load curves, 6,720 residuals, narrowed intervals that held 86 % to 33 %.
_PRIOR = 60.0
# Residuals below this share of the width are none.
_TELLING = 1e-3
# Residuals below this share of the width are rounding; forecasts with none are exact where so many windows move at all.
_NOTHING, _MOVING_SHARE = 1e-9, 0.5
# Coverage above its share by more than this is drawn in where targets pile up on a bound.
_TOLERANCE = 0.01
# Halvings that find how far: to a millionth.
_HALVINGS = 20
# A width below this share of the seasonal scale is none.
_MIN_WIDTH = 0.01
# A width is also none below this share of the usual width of all, and of the usual error of its series.
_VANISHING, _ROUNDING = 1e-6, 1e-3


@dataclass(frozen=True)
class Conformal:
    """A fitted calibration.

    Args:
        levels: Q quantile levels, ascending, 0.5 among them.
        width: What a local width is, one of WIDTHS.
        step_edges: Upper bounds (exclusive) of the groups of steps.
        size_edges: Bounds between the groups of relative width.
        table: (steps groups x size groups, Q) quantiles of the scaled residuals.
        non_negative: Whether quantiles are clipped at zero.
        learned: Whether any residual told something; without one the ensemble's own width is kept, in normal shape.
    """

    levels: tuple[float, ...]
    width: str
    step_edges: tuple[int, ...]
    size_edges: tuple[float, ...]
    table: Floats
    non_negative: bool
    learned: bool = True

    def apply(self, quantiles: Floats, scale: Floats) -> Floats:
        """Return calibrated (S, H, Q) quantiles around the median of the given ones.

        Args:
            quantiles: (S, H, Q) from the ensemble.
            scale: (S,) seasonal scale of each series' history.
        """
        centre, width = _local_widths(quantiles, scale, self.levels, self.width)
        cell = _cells(centre, width, self.step_edges, self.size_edges)
        out = centre[..., None] + width[..., None] * self.table[cell]
        if self.non_negative:
            out = np.maximum(out, 0.0)
        return np.asarray(np.sort(out, axis=-1))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and arrays."""
        return {
            "levels": list(self.levels),
            "spread": self.width,  # as files have it
            "step_edges": list(self.step_edges),
            "size_edges": list(self.size_edges),
            "table": self.table,
            "non_negative": self.non_negative,
            "learned": self.learned,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` wrote."""
        return cls(
            tuple(float(q) for q in values["levels"]),
            str(values["spread"]),
            tuple(int(e) for e in values["step_edges"]),
            tuple(float(e) for e in values["size_edges"]),
            np.asarray(values["table"]),
            bool(values["non_negative"]),
            bool(values.get("learned", True)),
        )


def fit_conformal(
    actual: Floats, quantiles: Floats, scale: Floats, levels: tuple[float, ...], *, non_negative: bool
) -> Conformal:
    """Learn the calibration from out-of-fold forecasts.

    Args:
        actual: (K, S, H) targets, oldest window first, NaN where missing.
        quantiles: (K, S, H, Q) of the ensemble, NaN where a series was absent.
        scale: (K, S) seasonal scales.
        levels: Q quantile levels, ascending, 0.5 among them.
        non_negative: Whether the targets cannot be negative.
    """
    step = max(1, actual.size // _ENOUGH)
    some = (actual[:, ::step], quantiles[:, ::step], scale[:, ::step])
    losses = [_left_out_loss(*some, levels, width, non_negative) for width in WIDTHS]
    best = WIDTHS[int(np.argmin(losses))] if np.isfinite(losses).any() else WIDTHS[-1]
    return _fit(actual, quantiles, scale, levels, best, non_negative)


def _unlearned(levels: tuple[float, ...], horizon: int, *, non_negative: bool) -> Conformal:
    """Return what keeps the ensemble's own width: no window that came had a residual in units of a width."""
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    table = (normal / max(float((normal[-1] - normal[0]) / 2), 1e-12))[None, :]
    return Conformal(levels, WIDTHS[0], (horizon,), (), table, non_negative, learned=False)


def _folds(actual: Floats) -> list[npt.NDArray[np.bool_]]:
    """Return masks (K, S) of what is left out: blocks of windows, or halves of the series of a single window."""
    k, s = actual.shape[:2]
    if k > 1:
        blocks = np.array_split(np.arange(k), min(k, 4))
        return [np.isin(np.arange(k), b)[:, None] & np.ones(s, dtype=bool) for b in blocks]
    return [np.broadcast_to(np.arange(s) % 2 == i, (k, s)) for i in range(2)] if s >= 10 else []


def _left_out_loss(
    actual: Floats, quantiles: Floats, scale: Floats, levels: tuple[float, ...], width: str, non_negative: bool
) -> float:
    loss, count = 0.0, 0
    for out in _folds(actual):
        fitted = _fit(np.where(out[..., None], np.nan, actual), quantiles, scale, levels, width, non_negative)
        for k in np.flatnonzero(out.any(axis=1)):
            calibrated = fitted.apply(quantiles[k], scale[k])
            unit = np.where(np.isfinite(scale[k]) & (scale[k] > 0), scale[k], np.nan)
            one = pinball(actual[k], calibrated, levels).mean(axis=-1) / unit[:, None]
            one = one[out[k]]
            seen = np.isfinite(one)
            loss, count = loss + float(one[seen].sum()), count + int(seen.sum())
    return loss / count if count else np.inf


def _fit(
    actual: Floats, quantiles: Floats, scale: Floats, levels: tuple[float, ...], width: str, non_negative: bool
) -> Conformal:
    centre, base = _local_widths(quantiles, scale, levels, width)
    horizon = actual.shape[2]
    # A vanishing width would make one miss of one series the scale of all.
    usual = float(np.median(base[base > 0])) if (base > 0).any() else 0.0
    # Nor may one that is next to nothing beside the usual error of its series (of their roots, as one may be a spike):
    # it is what rounding leaves of no width at all.
    error = actual - centre
    there = np.isfinite(error)
    usual_error = np.sqrt(np.where(there, np.abs(error), 0.0)).sum(axis=(0, 2)) / np.maximum(there.sum(axis=(0, 2)), 1)
    known = (base > _VANISHING * usual) & (base > _ROUNDING * usual_error[:, None] ** 2)
    residual = np.where(known, error, np.nan) / np.where(known, base, 1.0)
    # A series of a row or two has no scale yet, and widths that mean nothing: twenty of them, among M3's yearly ones,
    # made all intervals sixty times too wide.
    of_some_history = known & (np.isfinite(scale) & (scale > 0))[..., None]
    if (of_some_history & there).any():
        residual = np.where(of_some_history, residual, np.nan)
    seen = np.isfinite(residual)
    missed = there & ~known & (error != 0)
    # All that went wrong went so where there was no width to measure it by: what is left would teach to have none.
    if not (np.abs(residual[seen]) > _TELLING).any() and (missed.any() or not seen.any()):
        return _unlearned(levels, horizon, non_negative=non_negative)
    weight = _recency(seen)
    n = int(seen.sum())
    groups = int(np.clip(n // (4 * _MIN_CELL), 1, min(horizon, 12)))
    step_edges = tuple(int(e) for e in np.unique(np.linspace(0, horizon, groups + 1).astype(int))[1:])
    sizes = 3 if n >= 3 * len(step_edges) * 4 * _MIN_CELL else 1
    relative = base / np.maximum(np.abs(centre), 1e-12)
    cuts = np.unique(np.quantile(relative[seen], np.linspace(0, 1, sizes + 1)[1:-1])) if sizes > 1 else np.array([])
    size_edges = tuple(float(c) for c in cuts)
    cell = _cells(centre, base, step_edges, size_edges)
    windows = weight.sum() ** 2 / max(float((weight**2).sum()), 1e-12) if weight.any() else 1.0
    wider = 1.0 + _UNCERTAINTY / windows
    recent = windows / max(int(np.count_nonzero(weight)), 1)  # the share of the windows that weigh
    independent = n * recent / _design_effect(np.abs(residual), seen)
    trust = 1.0 if _exact(actual, residual) else independent / (independent + _PRIOR)
    own = (quantiles - centre[..., None]) / np.where(known, base, np.nan)[..., None]
    table = np.zeros((len(step_edges) * (len(size_edges) + 1), len(levels)))
    by_row = np.broadcast_to(weight[:, None, None], residual.shape)
    for c in range(len(table)):
        inside = seen & (cell == c)
        use = inside if inside.sum() >= _MIN_CELL else seen
        if use.any():
            floor = -np.maximum(centre[use], 0.0) / base[use] if non_negative else None
            prior = (1 - trust) * wider * np.median(own[use], axis=0)
            table[c] = _table_row(residual[use], by_row[use], floor, levels, factor=trust * wider, prior=prior)
    return Conformal(levels, width, step_edges, size_edges, table, non_negative)


def _exact(actual: Floats, residual: Floats) -> bool:
    """Return whether windows whose targets move were forecast exactly: no noise is left for an interval to hold."""
    seen = np.isfinite(residual)
    if not seen.any() or np.abs(residual[seen]).max() > _NOTHING:
        return False
    low, high = np.where(seen, actual, np.inf).min(axis=2), np.where(seen, actual, -np.inf).max(axis=2)
    return bool((low < high)[seen.any(axis=2)].mean() >= _MOVING_SHARE)


def _recency(seen: npt.NDArray[np.bool_]) -> Floats:
    """Return (K,) weights of the windows, 1 for the newest that has a target, 0 for those without."""
    has = np.asarray(seen.any(axis=(1, 2)))
    k = int(has.sum())
    rate = _AGEING if k <= 5 else 0.5 ** (3 / k)
    age = has[::-1].cumsum()[::-1] - 1
    return np.where(has, rate ** np.maximum(age, 0), 0.0)


def _design_effect(size: Floats, seen: npt.NDArray[np.bool_]) -> float:
    """Return how many residuals tell as much as one independent one (Kish 1965): 1 where none resembles its neighbours.

    Large errors that come together, in a window or in a series' window, make the shares of large errors differ by more
    than chance does.

    Args:
        size: (K, S, H) absolute scaled residuals.
        seen: (K, S, H) where there are any.
    """
    if not seen.any():
        return 1.0
    large = seen & (size > np.quantile(size[seen], 0.8))
    share = large.sum() / seen.sum()
    worst = 1.0
    for axes in ((1, 2), (2,)):
        count = seen.sum(axis=axes).ravel()
        count, hits = count[count > 0], large.sum(axis=axes).ravel()[count > 0]
        if len(count) > 1 and 0 < share < 1:
            surplus = (count * (hits / count - share) ** 2).sum() / (share * (1 - share))
            worst = max(worst, float(surplus) / (len(count) - 1))
    return worst


def _table_row(
    residual: Floats,
    weight: Floats,
    floor: Floats | None,
    levels: tuple[float, ...],
    *,
    factor: float,
    prior: Floats,
) -> Floats:
    """Return the (Q,) offsets of one cell, in units of the width.

    Each is the conformal quantile of its level, times ``factor`` and plus its ``prior``. Where targets pile up on the
    lower bound (counts), both ends of a central interval are then drawn in by one factor until it covers its share: an
    interval whose lower end cannot be missed would otherwise always cover too much.
    """
    n, tau = len(residual), np.asarray(levels)
    # The finite-sample rank (n + 1) tau of conformal prediction, outward on both sides.
    rank = np.where(tau > 0.5, np.minimum(tau * (n + 1) / n, 1.0), np.maximum((tau * (n + 1) - 1) / n, 0.0))
    out = np.quantile(residual, np.where(tau == 0.5, 0.5, rank), weights=weight, method="inverted_cdf")
    # The point forecast was chosen for the metric; the median stays on it.
    out = np.where(tau < 0.5, np.minimum(out, 0.0), np.where(tau > 0.5, np.maximum(out, 0.0), 0.0))
    out = factor * out + prior
    if floor is None:
        return np.asarray(out)
    total = float(weight.sum())
    for i, low in enumerate(levels):
        j = next((j for j, high in enumerate(levels) if abs(high - (1 - low)) < 1e-9), None)
        if low >= 0.5 or j is None:
            continue
        bottom, top, share = float(out[i]), float(out[j]), 1 - 2 * low

        def covered(factor: float, bottom: float = bottom, top: float = top) -> float:
            inside = (residual >= np.maximum(factor * bottom, floor)) & (residual <= factor * top)
            return float(weight[inside].sum()) / total

        if covered(1.0) > share + _TOLERANCE:
            narrow, wide = 0.0, 1.0
            for _ in range(_HALVINGS):
                middle = (narrow + wide) / 2
                narrow, wide = (middle, wide) if covered(middle) < share + _TOLERANCE else (narrow, middle)
            out[i], out[j] = out[i] * wide, out[j] * wide
    return np.asarray(np.sort(out))


def _local_widths(quantiles: Floats, scale: Floats, levels: tuple[float, ...], kind: str) -> tuple[Floats, Floats]:
    """Return (..., S, H) medians and widths; 0 where nothing is known of it (such forecasts stay as they are)."""
    centre = quantiles[..., levels.index(0.5)]
    width = (quantiles[..., -1] - quantiles[..., 0]) / 2
    # A width of zero (a constant series, a zero forecast) says nothing; the scale of the series stands in.
    good = np.isfinite(scale) & (scale > 0)
    instead = np.where(good, scale, 0.0)[..., None]
    width = np.where(width > _MIN_WIDTH * instead, width, instead)
    unit = np.where(good[..., None], instead, width)
    return centre, np.nan_to_num(width if kind == "width" else np.sqrt(width * unit))


def _cells(
    centre: Floats, width: Floats, step_edges: tuple[int, ...], size_edges: tuple[float, ...]
) -> npt.NDArray[np.int64]:
    steps = np.searchsorted(np.asarray(step_edges), np.arange(centre.shape[-1]), side="right")
    relative = width / np.maximum(np.abs(centre), 1e-12)
    sizes = np.searchsorted(np.asarray(size_edges), relative) if size_edges else np.zeros(centre.shape, dtype=np.int64)
    return np.asarray(steps * (len(size_edges) + 1) + sizes, dtype=np.int64)
