"""Split-conformal quantiles of scaled residuals, per horizon step and scale group.

A residual is divided by a spread that says how hard its series and step are; the quantiles of the scaled residuals,
taken over the backtest windows, replace the model's own (locally weighted conformal prediction, Lei et al. 2018;
one-sided per level as in Romano et al. 2019). Several spreads are tried, and the one with the least quantile loss on
windows left out is kept. Axes: K windows, S series, H steps, Q levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from autots.metrics import pinball
from autots.panel import Floats

__all__ = ["SPREADS", "Conformal", "fit_conformal"]

#: How a spread is made from w, the model's own width, and b, the series' seasonal scale; ``own`` also learns how much
#: harder each series was than the others.
SPREADS = ("width", "scale", "both", "width_own", "scale_own", "both_own")

_MIN_CELL = 150  # residuals that a cell of the table needs for its outer quantiles
_PRIOR = 8.0  # windows x steps of evidence that the average series is worth, against a series' own residuals


@dataclass(frozen=True)
class Conformal:
    """A fitted calibration.

    Args:
        levels: Q quantile levels.
        spread: One of SPREADS.
        step_edges: Upper bounds (exclusive) of the groups of steps.
        size_edges: Bounds between the groups of relative spread.
        table: (steps groups, size groups, Q) quantiles of the scaled residuals.
        hardness: (S,) factor of each series, 1 where unknown.
        non_negative: Whether quantiles are clipped at zero.
    """

    levels: tuple[float, ...]
    spread: str
    step_edges: tuple[int, ...]
    size_edges: tuple[float, ...]
    table: Floats
    hardness: Floats
    non_negative: bool

    def apply(self, quantiles: Floats, scale: Floats, rows: npt.NDArray[np.intp] | None = None) -> Floats:
        """Return calibrated (S, H, Q) quantiles around the median of the given ones.

        Args:
            quantiles: (S, H, Q) from the ensemble.
            scale: (S,) seasonal scale of each series' history.
            rows: (S,) position of each series among those calibrated on; -1 for a new one. In order when None.
        """
        rows = np.arange(len(quantiles)) if rows is None else rows
        hardness = np.where(rows >= 0, self.hardness[np.maximum(rows, 0)], 1.0)
        centre, spread = _spread(quantiles[None], scale[None], self.levels, self.spread)
        spread = (spread * hardness[None, :, None])[0]
        cell = _cells(centre, spread[None], self.step_edges, self.size_edges)[0]
        flat = self.table.reshape(-1, len(self.levels))
        out = centre[0][..., None] + spread[..., None] * flat[cell]
        if self.non_negative:
            out = np.maximum(out, 0.0)
        return np.asarray(np.sort(out, axis=-1))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and arrays."""
        return {
            "levels": list(self.levels),
            "spread": self.spread,
            "step_edges": list(self.step_edges),
            "size_edges": list(self.size_edges),
            "table": self.table,
            "hardness": self.hardness,
            "non_negative": self.non_negative,
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
            np.asarray(values["hardness"]),
            bool(values["non_negative"]),
        )


def fit_conformal(
    actual: Floats, quantiles: Floats, scale: Floats, levels: tuple[float, ...], *, non_negative: bool
) -> Conformal:
    """Learn the calibration from out-of-fold forecasts.

    Args:
        actual: (K, S, H) targets, NaN where missing.
        quantiles: (K, S, H, Q) of the ensemble, NaN where a series was absent.
        scale: (K, S) seasonal scales.
        levels: Q levels, 0.5 among them.
        non_negative: Whether the targets cannot be negative.
    """
    best, best_loss = SPREADS[0], np.inf
    folds = _folds(actual)
    if folds:
        for spread in SPREADS:
            loss = _left_out_loss(actual, quantiles, scale, levels, spread, folds, non_negative)
            # Ties go to the earlier, simpler spread.
            if loss < best_loss * 0.999:
                best, best_loss = spread, loss
    return _fit(actual, quantiles, scale, levels, best, non_negative)


def _folds(actual: Floats) -> list[npt.NDArray[np.bool_]]:
    """Return masks (K, S) of what is left out: blocks of windows, or halves of the series where there is one window."""
    k, s = actual.shape[:2]
    if k > 1:
        blocks = np.array_split(np.arange(k), min(k, 4))
        return [np.isin(np.arange(k), b)[:, None] & np.ones(s, dtype=bool) for b in blocks]
    if s >= 10:
        return [np.broadcast_to(np.arange(s) % 2 == i, (k, s)) for i in range(2)]
    return []


def _left_out_loss(
    actual: Floats,
    quantiles: Floats,
    scale: Floats,
    levels: tuple[float, ...],
    spread: str,
    folds: list[npt.NDArray[np.bool_]],
    non_negative: bool,
) -> float:
    loss, count = 0.0, 0
    for out in folds:
        fitted = _fit(np.where(out[..., None], np.nan, actual), quantiles, scale, levels, spread, non_negative)
        for k in np.flatnonzero(out.any(axis=1)):
            made = fitted.apply(quantiles[k], scale[k])
            unit = np.where(np.isfinite(scale[k]) & (scale[k] > 0), scale[k], np.nan)
            one = pinball(actual[k], made, levels).mean(axis=-1) / unit[:, None]
            one = one[out[k]]
            seen = np.isfinite(one)
            loss, count = loss + float(one[seen].sum()), count + int(seen.sum())
    return loss / count if count else np.inf


def _fit(
    actual: Floats, quantiles: Floats, scale: Floats, levels: tuple[float, ...], spread: str, non_negative: bool
) -> Conformal:
    centre, base = _spread(quantiles, scale, levels, spread)
    horizon = actual.shape[2]
    with np.errstate(invalid="ignore"):
        error = np.abs(actual - centre) / base
    hardness = _hardness(error) if spread.endswith("_own") else np.ones(actual.shape[1])
    base = base * hardness[None, :, None]
    with np.errstate(invalid="ignore"):
        residual = (actual - centre) / base
    seen = np.isfinite(residual)
    n = int(seen.sum())
    groups = int(np.clip(n // (4 * _MIN_CELL), 1, min(horizon, 12)))
    step_edges = tuple(int(e) for e in np.unique(np.linspace(0, horizon, groups + 1).astype(int))[1:])
    sizes = 3 if n >= 3 * len(step_edges) * 4 * _MIN_CELL else 1
    relative = base / np.maximum(np.abs(centre), 1e-12)
    cuts = np.unique(np.quantile(relative[seen], np.linspace(0, 1, sizes + 1)[1:-1])) if sizes > 1 else np.array([])
    size_edges = tuple(float(c) for c in cuts)
    cell = _cells(centre, base, step_edges, size_edges)
    table = np.zeros((len(step_edges) * (len(size_edges) + 1), len(levels)))
    for c in range(len(table)):
        inside = seen & (cell == c)
        use = inside if inside.sum() >= _MIN_CELL else seen
        if use.any():
            table[c] = _offsets(residual[use], centre[use], base[use], levels, non_negative)
    return Conformal(levels, spread, step_edges, size_edges, table, hardness, non_negative)


def _offsets(residual: Floats, centre: Floats, base: Floats, levels: tuple[float, ...], non_negative: bool) -> Floats:
    """Return the (Q,) offsets of one cell, in units of the spread.

    Each is the conformal quantile of its level; where targets pile up on the lower bound (counts), both ends of a
    central interval are then drawn in by one factor until it covers its share: an interval whose lower end cannot be
    missed would otherwise always cover too much.
    """
    n, tau = len(residual), np.asarray(levels)
    # The finite-sample rank (n + 1) tau of conformal prediction, outward on both sides.
    rank = np.where(tau > 0.5, np.minimum(tau * (n + 1) / n, 1.0), np.maximum((tau * (n + 1) - 1) / n, 0.0))
    out = np.quantile(residual, np.where(tau == 0.5, 0.5, rank))
    # The point forecast was chosen for the metric; the median stays on it.
    out = np.where(tau < 0.5, np.minimum(out, 0.0), np.where(tau > 0.5, np.maximum(out, 0.0), 0.0))
    if not non_negative:
        return np.asarray(out)
    for i, low in enumerate(levels):
        j = next((j for j, high in enumerate(levels) if abs(high - (1 - low)) < 1e-9), None)
        if low >= 0.5 or j is None:
            continue
        floor = np.maximum(out[i], -centre / base)

        def covered(factor: float, floor: Floats = floor, top: float = float(out[j])) -> float:
            return float(((residual >= factor * floor) & (residual <= factor * top)).mean())

        share = 1 - 2 * low
        if covered(1.0) > share + 0.02:
            lo, hi = 0.0, 1.0
            for _ in range(20):
                mid = (lo + hi) / 2
                lo, hi = (mid, hi) if covered(mid) < share else (lo, mid)
            out[i], out[j] = out[i] * hi, out[j] * hi
    return np.asarray(np.sort(out))


def _spread(quantiles: Floats, scale: Floats, levels: tuple[float, ...], kind: str) -> tuple[Floats, Floats]:
    """Return (K, S, H) medians and positive spreads."""
    centre = quantiles[..., levels.index(0.5)]
    width = (quantiles[..., -1] - quantiles[..., 0]) / 2
    usual = np.nanmedian(width) if np.isfinite(width).any() else 1.0
    floor = 1e-6 * max(float(usual), 1e-9)
    # A width of zero (a constant series, a zero forecast) says nothing; the scale of the series stands in.
    unit = np.where(np.isfinite(scale) & (scale > 0), scale, np.nan)
    unit = np.broadcast_to(unit[..., None], width.shape)
    width = np.where(width > 0.01 * np.nan_to_num(unit), width, np.nan_to_num(unit))
    unit = np.where(np.isfinite(unit), unit, width)
    name = kind.removesuffix("_own")
    out = {"width": width, "scale": unit, "both": np.sqrt(width * unit)}[name]
    return centre, np.maximum(out, floor)


def _hardness(error: Floats) -> Floats:
    """Return (S,) ratios of each series' scaled error to the usual one, drawn towards 1 where evidence is thin."""
    seen = np.isfinite(error)
    if not seen.any():
        return np.ones(error.shape[1])
    usual = float(error[seen].mean())
    count = seen.sum(axis=(0, 2))
    total = np.where(seen, error, 0.0).sum(axis=(0, 2))
    return np.asarray((total + _PRIOR * usual) / ((count + _PRIOR) * max(usual, 1e-12)))


def _cells(
    centre: Floats, spread: Floats, step_edges: tuple[int, ...], size_edges: tuple[float, ...]
) -> npt.NDArray[np.int64]:
    steps = np.searchsorted(np.asarray(step_edges), np.arange(centre.shape[-1]), side="right")
    relative = spread / np.maximum(np.abs(centre), 1e-12)
    sizes = np.searchsorted(np.asarray(size_edges), relative) if size_edges else np.zeros(centre.shape, dtype=np.int64)
    return np.asarray(steps * (len(size_edges) + 1) + sizes, dtype=np.int64)
