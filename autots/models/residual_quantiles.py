"""Quantiles for models that learn a point: those of their scaled residuals around the median, by step ahead."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from autots.panel import Floats

__all__ = ["quantiles_around", "residual_quantiles"]

# Groups of neighbouring steps at most, whose residuals are pooled.
_GROUPS = 12


def residual_quantiles(residuals: Floats, steps: Floats, levels: tuple[float, ...], horizon: int) -> Floats:
    """Return (H, Q) quantiles of scaled residuals, pooled over neighbouring steps, around their median.

    Args:
        residuals: (R,) target minus forecast, in units of each window's scale; NaN is ignored.
        steps: (R,) steps ahead, from 1.
        levels: Levels of the Q quantiles.
        horizon: Steps H of the task.
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


def quantiles_around(point: Floats, scale: Floats, offsets: Floats) -> Floats:
    """Return (S, H, Q) quantiles of (S, H) points, (S,) scales and an (H, Q) offsets."""
    return np.asarray(point[:, :, None] + scale[:, None, None] * offsets[None])
