"""Taking a seasonal component off a series and putting it back: the classical decomposition, and its test."""

from __future__ import annotations

import numpy as np

from autots.panel import Floats

__all__ = ["ADDITIVE", "MULTIPLICATIVE", "NONE", "ahead", "choose", "is_seasonal", "remove", "seasonal_factors"]

NONE, ADDITIVE, MULTIPLICATIVE = 0, 1, 2


def is_seasonal(y: Floats, season: int) -> bool:
    """Return whether the autocorrelation at one season is significant at 90 % (M4's test, Makridakis et al. 2020)."""
    if season < 4 or len(y) < 2 * season:
        return False
    off = y - y.mean()
    power = float(off @ off)
    if power <= 0:
        return False
    r = np.array([off[lag:] @ off[:-lag] for lag in range(1, season + 1)]) / power
    limit = 1.6448536269514722 * np.sqrt((1 + 2 * np.sum(r[:-1] ** 2)) / len(y))
    return bool(abs(r[-1]) > limit)


def seasonal_factors(y: Floats, season: int, kind: int) -> Floats:
    """Return (season,) components, [k] for the rows k, k + season, …: statsmodels' ``seasonal_decompose``.

    A centred moving average over one season is the trend; the mean (over the cycles) of what is left of each phase is
    its component, normalised to a mean of 0 (additive) or 1 (multiplicative).

    Args:
        y: (T,) values, T at least two seasons.
        season: Rows of a season.
        kind: How it is composed: ``ADDITIVE`` or ``MULTIPLICATIVE``.
    """
    weights = np.ones(season + 1 - season % 2)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    trend = np.convolve(y, weights / season, mode="valid")
    side = (len(weights) - 1) // 2
    inner = y[side : side + len(trend)]
    rest = inner / trend if kind == MULTIPLICATIVE else inner - trend
    phase = (side + np.arange(len(trend))) % season
    count = np.bincount(phase, minlength=season)
    factors = np.bincount(phase, weights=rest, minlength=season) / np.maximum(count, 1)
    return np.asarray(factors / factors.mean() if kind == MULTIPLICATIVE else factors - factors.mean())


def choose(y: Floats, season: int, *, multiplicative: bool) -> int:
    """Return the kind of adjustment that a series takes: none when it is not seasonal, additive when not positive."""
    if not is_seasonal(y, season):
        return NONE
    if not multiplicative or y.min() <= 0:
        return ADDITIVE
    # A component near 0 would blow up what is divided by it.
    return MULTIPLICATIVE if seasonal_factors(y, season, MULTIPLICATIVE).min() >= 0.01 else ADDITIVE


def remove(y: Floats, factors: Floats, kind: int) -> Floats:
    """Return the series without its seasonal component."""
    along = factors[np.arange(len(y)) % len(factors)]
    return np.asarray(y / along if kind == MULTIPLICATIVE else y - along)


def ahead(factors: Floats, length: int, horizon: int) -> Floats:
    """Return (H,) components of the steps after ``length`` rows."""
    return np.asarray(factors[(length + np.arange(horizon)) % len(factors)])
