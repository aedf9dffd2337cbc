"""Calibrations judged on what came: coverage, over all and by cells, width and loss beside multi-step split conformal.

MSCP (multi-step split conformal prediction; Wang & Hyndman 2024, "Online conformal inference for multi-step time series
forecasting") takes at each step the finite-sample quantile of the absolute residuals of that step. Its residuals here
are those that our calibration learns from, in units of each series' seasonal scale: of a series alone where it has
enough windows, else of all series together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.intervals import fit_conformal
from autots.metrics import pinball
from autots.models.base import DEFAULT_LEVELS
from autots.panel import Floats
from benchmarks.calibration.rolling import RollingOrigin

__all__ = ["Judged", "judged", "mscp", "summary"]

_SHARE = 0.8  # of the targets, that an interval from level 0.1 to 0.9 promises to hold
_LOW, _HIGH = DEFAULT_LEVELS.index(0.1), DEFAULT_LEVELS.index(0.9)
# Windows of a series from which its own residuals are enough for an 80 % interval.
_OWN_WINDOWS = 12
# Targets of a set that a cell must have to count.
_CELL_TARGETS = 30


@dataclass(frozen=True)
class Judged:
    """What one origin says: flat (N,) arrays over the targets that came.

    Args:
        covered: Whether the interval has the target.
        covered_mscp: Whether that of MSCP has it.
        width: Width of the interval in seasonal scales.
        width_mscp: That of the interval of MSCP, likewise.
        loss: Pinball loss of all levels in seasonal scales.
        loss_raw: That of the forecasts before their calibration.
        cell: Horizon third x 9 + season third x 3 + volume third.
        windows: Windows that the calibration of its series learned from.
        short: Whether the series has less than three seasons, or three horizons, of history.
    """

    covered: npt.NDArray[np.bool_]
    covered_mscp: npt.NDArray[np.bool_]
    width: Floats
    width_mscp: Floats
    loss: Floats
    loss_raw: Floats
    cell: npt.NDArray[np.int64]
    windows: npt.NDArray[np.int64]
    short: npt.NDArray[np.bool_]


def mscp(origin: RollingOrigin) -> Floats:
    """Return (S, H) half widths of the 80 % interval."""
    centre = origin.quantiles[..., DEFAULT_LEVELS.index(0.5)]
    good = np.where(origin.scale > 0, origin.scale, np.nan)
    scaled = np.abs(origin.actual - centre) / good[..., None]
    pooled = np.array([_rank(scaled[:, :, h].ravel()) for h in range(scaled.shape[2])])
    out = np.broadcast_to(pooled, origin.came.shape).copy()
    if len(scaled) >= _OWN_WINDOWS:
        for s in range(scaled.shape[1]):
            for h in range(scaled.shape[2]):
                column = scaled[:, s, h]
                if np.isfinite(column).sum() >= _OWN_WINDOWS:
                    out[s, h] = _rank(column)
    return np.asarray(out * np.where(origin.scale_now > 0, origin.scale_now, np.nan)[:, None])


def _rank(residuals: Floats) -> float:
    """Return the finite-sample quantile of absolute residuals; the largest where they are few."""
    seen = np.sort(residuals[np.isfinite(residuals)])
    if not len(seen):
        return float("nan")
    return float(seen[min(int(np.ceil((len(seen) + 1) * _SHARE)) - 1, len(seen) - 1)])


def judged(origin: RollingOrigin) -> Judged:
    """Return what one origin says of the calibration that a fit would have made there."""
    conformal = fit_conformal(
        origin.actual, origin.quantiles, origin.scale, DEFAULT_LEVELS, non_negative=origin.non_negative
    )
    ours = conformal.apply(origin.forecast, origin.scale_now)
    half, centre = mscp(origin), origin.forecast[..., DEFAULT_LEVELS.index(0.5)]
    low, high = centre - half, centre + half
    if origin.non_negative:
        low = np.maximum(low, 0.0)
    unit = np.where(origin.scale_now > 0, origin.scale_now, np.nan)[:, None]
    steps, series = origin.came.shape[1], origin.came.shape[0]
    rank = np.argsort(np.argsort(origin.level)) * 3 // max(series, 1)
    third = np.arange(steps) * 3 // steps
    phase = np.minimum((origin.phase * 3).astype(np.int64), 2)
    cell = third[None, :] * 9 + phase * 3 + rank[:, None]
    windows = np.isfinite(origin.actual).any(axis=2).sum(axis=0)
    short = origin.lengths < 3 * max(origin.season, steps)
    seen = np.isfinite(origin.came) & np.isfinite(unit) & np.isfinite(half)

    def flat(values: Any) -> Any:
        return np.broadcast_to(values, origin.came.shape)[seen]

    return Judged(
        flat((origin.came >= ours[..., _LOW]) & (origin.came <= ours[..., _HIGH])),
        flat((origin.came >= low) & (origin.came <= high)),
        flat((ours[..., _HIGH] - ours[..., _LOW]) / unit),
        flat((high - low) / unit),
        flat(pinball(origin.came, ours, DEFAULT_LEVELS).mean(axis=-1) / unit),
        flat(pinball(origin.came, np.asarray(origin.forecast, float), DEFAULT_LEVELS).mean(axis=-1) / unit),
        flat(cell),
        flat(windows[:, None]),
        flat(short[:, None]),
    )


def _joined(parts: Sequence[Judged]) -> Judged:
    return Judged(*(np.concatenate([getattr(p, name) for p in parts]) for name in Judged.__dataclass_fields__))


def of_set(name: str, parts: Sequence[Judged]) -> dict[str, Any]:
    """Return the record of one set over its origins."""
    one = _joined(parts)
    return {
        "set": name,
        "origins": len(parts),
        "targets": len(one.covered),
        "coverage": round(float(one.covered.mean()), 4),
        "coverage_mscp": round(float(one.covered_mscp.mean()), 4),
        "width_ratio": round(float(one.width.mean() / one.width_mscp.mean()), 4),
        "loss": round(float(one.loss.mean()), 5),
        "loss_ratio_raw": round(float(one.loss.mean() / one.loss_raw.mean()), 4),
        "by_origin": [round(float(p.covered.mean()), 3) for p in parts],
    }


def summary(sets: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """Return what all sets say together, each set counting alike."""
    joined = {name: _joined(parts) for name, parts in sets.items() if parts}
    cells: dict[int, list[float]] = {}
    for one in joined.values():
        for cell in range(27):
            inside = one.cell == cell
            if inside.sum() >= _CELL_TARGETS:
                cells.setdefault(cell, []).append(float(one.covered[inside].mean()))
    means = {cell: float(np.mean(found)) for cell, found in cells.items()}
    worst = max(means, key=lambda c: abs(means[c] - _SHARE))
    short = [float(one.covered[one.short].mean()) for one in joined.values() if one.short.sum() >= _CELL_TARGETS]
    ratios = [one.width.mean() / one.width_mscp.mean() for one in joined.values()]
    return {
        "set": "all",
        "sets": len(joined),
        "coverage": round(float(np.mean([one.covered.mean() for one in joined.values()])), 4),
        "coverage_of_targets": round(float(_joined(list(joined.values())).covered.mean()), 4),
        "coverage_mscp": round(float(np.mean([one.covered_mscp.mean() for one in joined.values()])), 4),
        "worst_cell": {"horizon": worst // 9, "season": worst // 3 % 3, "volume": worst % 3},
        "worst_cell_coverage": round(means[worst], 4),
        "cells": {str(cell): round(mean, 3) for cell, mean in sorted(means.items())},
        "short_histories": round(float(np.mean(short)), 4) if short else None,
        "width_ratio": round(float(np.exp(np.mean(np.log(ratios)))), 4),
        "loss": round(float(np.exp(np.mean([np.log(one.loss.mean()) for one in joined.values()]))), 5),
        "distance": round(float(np.mean([abs(one.covered.mean() - _SHARE) for one in joined.values()])), 4),
    }
