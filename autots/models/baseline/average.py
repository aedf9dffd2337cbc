"""Forecasters that average, or take the distribution of, what was observed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from autots.models.base import Task
from autots.models.baseline.base import ERRORS, Baseline, positive, spread
from autots.models.baseline.ragged import Ragged, weighted_quantiles
from autots.panel import Floats
from zoo.errors import ConfigError

__all__ = ["Empirical", "Mean", "SeasonalMean", "Zero"]


class Mean(Baseline):
    """The mean of the history or of its last rows; the error is that of one more draw, σ √(1 + 1/n).

    Args:
        window: Rows to average; all when left out.
    """

    name: ClassVar[str] = "mean"

    def __init__(self, *, window: int | None = None) -> None:
        self.window = positive("window", window)

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        last = history.last
        if self.window is not None:
            history = history.recent(self.window)
        count, mean, _ = history.moments()
        mean = np.where(count > 0, mean, last)
        centre = np.repeat(mean[:, None], task.horizon, axis=1)
        recent = history.recent(ERRORS)
        errors = Ragged(recent.y - recent.offsets.repeat(mean), recent.offsets)
        growth = np.sqrt(1 + 1 / np.maximum(count, 1))[:, None] * np.ones((1, task.horizon))
        return centre, spread(errors, centre, growth, task, history, factor=1.0)


class SeasonalMean(Baseline):
    """The mean of the last values of the same phase; the errors are those of the same rule in the past.

    Args:
        window: Values to average per phase.
        season: Rows of a season; the task's shortest when left out.
    """

    name: ClassVar[str] = "seasonal_mean"

    def __init__(self, *, window: int = 3, season: int | None = None) -> None:
        self.window = positive("window", window) or 1
        self.season = positive("season", season)

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        season = self.season or task.season
        by_phase = history.phases(season, self.window)
        value = _mean(by_phase.sum(axis=2, where=~np.isnan(by_phase)), (~np.isnan(by_phase)).sum(axis=2))
        value = np.where(np.isnan(value), history.last[:, None], value)
        centre = value[:, np.arange(task.horizon) % season]
        recent = history.recent(ERRORS + self.window * season)
        total, count = np.zeros(len(recent.y)), np.zeros(len(recent.y))
        for cycle in range(1, self.window + 1):
            earlier = recent.lagged(cycle * season)
            there = ~np.isnan(earlier)
            total[there] += earlier[there]
            count += there
        errors = Ragged(recent.y - _mean(total, count), recent.offsets)
        growth = np.ones((1, task.horizon))
        return centre, spread(errors, centre, growth, task, history)


class Zero(Baseline):
    """Zero; quantiles away from the median are those of the last observed values, on their own side of zero."""

    name: ClassVar[str] = "zero"
    levelled: ClassVar[bool] = False

    def __init__(self, *, window: int = 100) -> None:
        self.window = positive("window", window) or 1

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        latest = history.tail(min(self.window, int(history.lengths.max())))
        drawn = np.nan_to_num(weighted_quantiles(latest, task.levels))
        levels = np.array(task.levels)
        sided = np.where(levels < 0.5, np.minimum(drawn, 0.0), np.where(levels > 0.5, np.maximum(drawn, 0.0), 0.0))
        return np.zeros((len(latest), task.horizon)), np.repeat(sided[:, None, :], task.horizon, axis=1)


class Empirical(Baseline):
    """The distribution of the last observed values, the same for every step or one per phase.

    Strong for intermittent demand, where no error is Gaussian. With ``half_life`` it is NPTS, the non-parametric
    forecaster of DeepAR's authors (Alexandrov et al. 2020, GluonTS), without its sampling noise.

    Args:
        window: Values to take: rows, or values per phase when seasonal.
        seasonal: Whether every phase has its own distribution.
        season: Rows of a season; the task's shortest when left out.
        half_life: Values after which a weight is halved; all count the same when left out.
    """

    name: ClassVar[str] = "empirical"

    def __init__(
        self, *, window: int = 100, seasonal: bool = False, season: int | None = None, half_life: float | None = None
    ) -> None:
        self.window = positive("window", window) or 1
        self.seasonal = seasonal
        self.season = positive("season", season)
        if half_life is not None and not half_life > 0:
            raise ConfigError(f"half_life must be above 0, but got {half_life!r}")
        self.half_life = half_life

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        season = (self.season or task.season) if self.seasonal else 1
        longest = -(-int(history.lengths.max()) // season)
        cycles = min(self.window, longest)
        means, quantiles = [], []
        # phases() holds S x season x cycles values, which for short series is far more than the rows that they have.
        for _, part in history.chunks(len(history.y), max_series=max(1, 2_000_000 // (season * cycles))):
            mean, quantile = self._distributions(part, season, cycles, task.levels)
            means.append(mean)
            quantiles.append(quantile)
        phase = np.arange(task.horizon) % season
        return np.concatenate(means)[:, phase], np.concatenate(quantiles)[:, phase]

    def _distributions(
        self, part: Ragged, season: int, cycles: int, levels: tuple[float, ...]
    ) -> tuple[Floats, Floats]:
        values = part.phases(season, cycles)
        weights = None
        if self.half_life is not None:
            weights = 0.5 ** (np.arange(cycles) / self.half_life)
        some = ~np.isnan(values)
        mass = some * (np.ones(cycles) if weights is None else weights)
        mean = _mean((np.where(some, values, 0.0) * mass).sum(axis=2), mass.sum(axis=2))
        quantile = weighted_quantiles(values, levels, weights)
        gap = np.isnan(mean)
        last = np.broadcast_to(part.last[:, None], gap.shape)
        mean[gap] = last[gap]
        quantile[gap] = last[gap][:, None]
        return mean, quantile


def _mean(total: Floats, count: Floats) -> Floats:
    return np.where(count > 0, total / np.maximum(count, 1e-300), np.nan)
