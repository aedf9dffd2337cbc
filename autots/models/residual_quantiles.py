"""Quantiles for models that learn a point: the spread of their scaled residuals, by step ahead."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from autots.panel import Floats

__all__ = ["spread_of", "with_spread"]

_GROUPS = 12


def spread_of(residuals: Floats, steps: Floats, levels: tuple[float, ...], horizon: int) -> Floats:
    """Return (H, Q) quantiles of scaled residuals, pooled over neighbouring steps, around their median.

    Args:
        residuals: (R,) target minus forecast, in units of each window's scale; NaN is ignored.
        steps: (R,) steps ahead, from 1.
        levels: Quantile levels.
        horizon: Steps H.
    """
    seen = ~np.isnan(residuals)
    residuals, steps = residuals[seen], steps[seen]
    edges = np.unique(np.linspace(0, horizon, min(horizon, _GROUPS) + 1).astype(int))
    out = np.zeros((horizon, len(levels)))
    for low, high in pairwise(edges):
        inside = (steps > low) & (steps <= high)
        part = residuals[inside] if inside.sum() >= 20 else residuals
        if len(part):
            out[low:high] = np.quantile(part, levels)
    return out - out[:, [levels.index(0.5)]]


def with_spread(point: Floats, scale: Floats, spread: Floats) -> Floats:
    """Return (S, H, Q) quantiles of (S, H) points, (S,) scales and an (H, Q) spread."""
    return np.asarray(point[:, :, None] + scale[:, None, None] * spread[None])
