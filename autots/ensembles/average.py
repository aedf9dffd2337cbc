"""How members become one forecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autots.panel import Floats

__all__ = ["Weight", "average"]

#: A member's weight in the point forecast, and in the quantiles around it.
Weight = tuple[float, float]

# Members that disagree tell of a series that is hard to forecast; twice their standard deviation counts like a width,
_DISAGREEMENT = 2.0
# and widens the average at most by this factor.
_MAX_WIDENING = 3.0


def average(
    means: Sequence[Floats],
    quantiles: Sequence[Floats],
    weights: Sequence[Weight],
    middle: int,
    *,
    factors: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return the mean and the quantiles of an ensemble.

    Quantiles are averaged level by level (Vincent 1912), widened by the members' disagreement, which such an average
    would ignore, and laid around the weighted median of the point weights.

    Args:
        means: M arrays (..., S, H), the members' points.
        quantiles: M arrays (..., S, H, Q), the members' quantiles.
        weights: M pairs (point, quantile); both columns sum to one.
        middle: Position of the level 0.5.
        factors: (M, S) on the weights of each series, which then sum to one again; None for the same for all.
    """
    if len(means) == 1:
        return _alone(means[0], quantiles[0], middle)
    dtype = quantiles[0].dtype
    point, quantile = (_shares([pair[i] for pair in weights], factors, dtype) for i in range(2))
    mean = np.sum([w * m for w, m in zip(point, means, strict=True) if w.any()], axis=0)
    out = np.sum([s[..., None] * q for s, q in zip(quantile, quantiles, strict=True) if s.any()], axis=0)
    inner = out[..., middle].copy()
    apart = [s * (q[..., middle] - inner) ** 2 for s, q in zip(quantile, quantiles, strict=True) if s.any()]
    width = np.maximum((out[..., -1] - out[..., 0]) / 2, np.finfo(dtype).tiny)
    # Against a width of zero any disagreement is infinite, which the bound then ends.
    with np.errstate(over="ignore"):
        ratio = np.sqrt(1 + (_DISAGREEMENT * np.sqrt(np.sum(apart, axis=0)) / width) ** 2)
    out = inner[..., None] + (out - inner[..., None]) * np.minimum(ratio, _MAX_WIDENING)[..., None]
    centre = np.sum([w * q[..., middle] for w, q in zip(point, quantiles, strict=True) if w.any()], axis=0)
    out[..., : middle + 1] = np.minimum(out[..., : middle + 1], centre[..., None])
    out[..., middle:] = np.maximum(out[..., middle:], centre[..., None])
    out[..., middle] = centre
    return mean, out


def _shares(common: Sequence[float], factors: Floats | None, dtype: np.dtype[Any]) -> Floats:
    """Return the weights, (M, 1) for all series or (M, S, 1) by series."""
    share = np.array(common, dtype=np.float64)[:, None]
    if factors is None:
        return np.asarray(share, dtype=dtype)
    share = share * factors
    return np.asarray((share / share.sum(axis=0))[..., None], dtype=dtype)


def _alone(mean: Floats, quantiles: Floats, middle: int) -> tuple[Floats, Floats]:
    """Return what ``average`` makes of a single member, to the last bit: it disagrees with nobody."""
    centre = quantiles[..., middle]
    out = centre[..., None] + (quantiles - centre[..., None])
    np.minimum(out[..., : middle + 1], centre[..., None], out=out[..., : middle + 1])
    np.maximum(out[..., middle:], centre[..., None], out=out[..., middle:])
    out[..., middle] = centre
    return mean, out
