"""Weights of single series: each gives more to the members that forecast it best.

One weight for all series is what the evidence supports for a short panel; where series differ, what forecast a series
well before will do so again (adaptive weights by past errors, Bates & Granger 1969; per series as in FFORMA,
Montero-Manso et al. 2020). How far a series departs from the common weights is decided on windows left out, so that it
costs nothing where past errors say nothing. Axes: M members, K windows, S series, H steps, Q levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autots.ensembles.average import Weight
from autots.ensembles.per_series import PerSeriesArrays
from autots.ensembles.weights import combine
from autots.evaluate import Backtest, Objective, Part
from autots.panel import Floats, Ints

__all__ = ["SeriesWeights", "fit_series_weights"]

# Strengths that are compared; 0 leaves every series with the common weights.
_STRENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0)
# A relative loss further from the ensemble's than this is as good as this far.
_MAX_RELATIVE = 2.0
# Relative gain on windows left out below which a weaker strength is preferred.
_MIN_GAIN = 5e-4
# Blocks of windows that are left out one after another.
_BLOCKS = 4
# Targets on which the strengths are compared.
_ENOUGH = 60_000


@dataclass(frozen=True)
class SeriesWeights(PerSeriesArrays):
    """Factors on the common weights.

    Args:
        ids: (S,) the ids of the series.
        factors: (S, M) positive factors, 1 for the common weight.
    """

    factors: npt.NDArray[np.float32]

    def of(self, ids: npt.NDArray[np.object_]) -> Floats:
        """Return the (M, S') factors of some series; those that were not there at the fit have the common weights."""
        rows = self.rows(ids)
        out = self.factors[rows].astype(np.float64)
        out[rows < 0] = 1.0
        return np.asarray(out.T)


def fit_series_weights(
    objective: Objective,
    backtests: Sequence[Backtest],
    weights: Sequence[Weight],
    part: Part,
    *,
    series: Ints | None = None,
) -> tuple[Floats | None, Backtest]:
    """Return the (M, S) factors by series, or None for none, and the ensemble's forecasts of all windows.

    Forecasts of the windows to learn from use factors that were learned without them, as those of a window to come
    will: a calibration on them, or a score, is honest. Other windows use the factors of all that were learned from.

    Args:
        objective: What scores, with its windows and targets.
        backtests: Out-of-fold forecasts of M members.
        weights: M pairs (point, quantile), common to all series.
        part: The windows to learn from.
        series: Those whose forecasts are returned, if it is not all of them.
    """
    wanted = [m if series is None else m.of_series(series) for m in backtests]
    windows = np.arange(len(objective.targets.actual))[objective.windows(part)]
    if len(backtests) < 2 or len(windows) < 2 or any(point != quantile for point, quantile in weights):
        return None, combine(wanted, weights, objective.middle)
    losses = _losses(objective, backtests)
    thin = max(1, objective.targets.actual[windows].size // _ENOUGH)
    rows = np.arange(0, losses.shape[2], thin)
    few = [m.of_series(rows) for m in backtests]
    at, best, chosen = objective.windows(part), np.inf, 0.0
    for strength in _STRENGTHS:
        tried = _left_out(few, weights, objective.middle, losses[:, :, rows], windows, strength)
        score = objective.score(objective.metric, tried.mean[at], tried.quantiles[at], part, rows)
        if score < best * (1 - _MIN_GAIN):
            best, chosen = score, strength
    if chosen == 0:
        return None, combine(wanted, weights, objective.middle)
    those = losses if series is None else losses[:, :, series]
    out = _left_out(wanted, weights, objective.middle, those, windows, chosen)
    return _factors(_mean(losses[:, windows]), weights, chosen), out


def _losses(objective: Objective, backtests: Sequence[Backtest]) -> Floats:
    """Return the (M, K, S) mean absolute errors of the points, NaN where there is no target."""
    actual = objective.targets.actual - objective.targets.above(slice(None))
    seen = np.isfinite(actual)
    count = np.where(seen.any(axis=-1), seen.sum(axis=-1), np.nan)
    out = []
    for one in backtests:
        error = np.abs(objective.point(one.mean, one.quantiles) - actual)
        out.append(np.where(seen, error, 0.0).sum(axis=-1) / count)
    return np.stack(out)


def _mean(losses: Floats) -> Floats:
    """Return the (M, S) means over the windows; NaN where there is none."""
    seen = np.isfinite(losses)
    return np.asarray(np.where(seen, losses, 0.0).sum(axis=1) / np.where(seen.any(axis=1), seen.sum(axis=1), np.nan))


def _factors(losses: Floats, weights: Sequence[Weight], strength: float) -> Floats:
    """Return exp(-strength x relative loss) for (M, S) losses."""
    common = np.array([point for point, _ in weights])
    usual = (common[:, None] * losses).sum(axis=0) / common.sum()
    known = np.isfinite(usual) & (usual > 0)
    relative = np.where(known, losses / np.where(known, usual, 1.0) - 1.0, 0.0)
    return np.asarray(np.exp(-strength * np.clip(relative, -_MAX_RELATIVE, _MAX_RELATIVE)))


def _left_out(
    backtests: Sequence[Backtest],
    weights: Sequence[Weight],
    middle: int,
    losses: Floats,
    windows: Ints,
    strength: float,
) -> Backtest:
    """Return the ensemble's forecasts, each block of the windows with factors learned on the others."""
    mean, quantiles = np.empty_like(backtests[0].mean), np.empty_like(backtests[0].quantiles)
    folds = np.array_split(windows, min(len(windows), _BLOCKS))
    learned = [(fold, np.setdiff1d(windows, fold)) for fold in folds]
    learned.append((np.setdiff1d(np.arange(len(mean)), windows), windows))
    for fold, others in learned:
        factors = _factors(_mean(losses[:, others]), weights, strength)
        some = [Backtest(m.mean[fold], m.quantiles[fold], 0.0, 0.0) for m in backtests]
        got = combine(some, weights, middle, factors=factors)
        mean[fold], quantiles[fold] = got.mean, got.quantiles
    return Backtest(mean, quantiles, sum(m.fit_seconds for m in backtests), sum(m.predict_seconds for m in backtests))
