"""Forecasters that average, or take the distribution of, what was observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autots.models.base import Task
from autots.models.baseline.base import ERRORS, Baseline, error_quantiles
from autots.models.baseline.ragged import Ragged, weighted_quantiles
from autots.models.hyperparameters import Hyperparameters, flag, optional_real, optional_whole, whole
from autots.panel import Floats

__all__ = [
    "Empirical",
    "EmpiricalParams",
    "Mean",
    "MeanParams",
    "SeasonalMean",
    "SeasonalMeanParams",
    "Zero",
    "ZeroParams",
]


@dataclass(frozen=True, kw_only=True)
class MeanParams(Hyperparameters):
    """The rows that ``mean`` averages."""

    window: int | None = optional_whole("Last rows to average; all of them when left out.")


class Mean(Baseline):
    """The mean of the history or of its last rows; the error is that of one more draw, σ √(1 + 1/n)."""

    name: ClassVar[str] = "mean"
    hyperparameters = MeanParams
    params: MeanParams

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        last = history.last
        if self.params.window is not None:
            history = history.recent(self.params.window)
        count, mean, _ = history.moments()
        mean = np.where(count > 0, mean, last)
        centre = np.repeat(mean[:, None], task.horizon, axis=1)
        recent = history.recent(ERRORS)
        errors = Ragged(recent.y - recent.offsets.repeat(mean), recent.offsets)
        growth = np.sqrt(1 + 1 / np.maximum(count, 1))[:, None] * np.ones((1, task.horizon))
        return centre, error_quantiles(errors, centre, growth, task, history, factor=1.0)


@dataclass(frozen=True, kw_only=True)
class SeasonalMeanParams(Hyperparameters):
    """The values that ``seasonal_mean`` averages."""

    window: int = whole(3, "Last values to average per phase of the season.")
    season: int | None = optional_whole("Rows of a season; the task's shortest when left out.")


class SeasonalMean(Baseline):
    """The mean of the last values of the same phase; the errors are those of the same rule in the past."""

    name: ClassVar[str] = "seasonal_mean"
    hyperparameters = SeasonalMeanParams
    params: SeasonalMeanParams

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        season, window = self.params.season or task.season, self.params.window
        by_phase = history.phases(season, window)
        value = _mean(by_phase.sum(axis=2, where=~np.isnan(by_phase)), (~np.isnan(by_phase)).sum(axis=2))
        value = np.where(np.isnan(value), history.last[:, None], value)
        centre = value[:, np.arange(task.horizon) % season]
        recent = history.recent(ERRORS + window * season)
        total, count = np.zeros(len(recent.y)), np.zeros(len(recent.y))
        for cycle in range(1, window + 1):
            earlier = recent.lagged(cycle * season)
            there = ~np.isnan(earlier)
            total[there] += earlier[there]
            count += there
        errors = Ragged(recent.y - _mean(total, count), recent.offsets)
        growth = np.ones((1, task.horizon))
        return centre, error_quantiles(errors, centre, growth, task, history)


@dataclass(frozen=True, kw_only=True)
class ZeroParams(Hyperparameters):
    """The rows that ``zero`` takes its quantiles from."""

    window: int = whole(100, "Last rows whose values give the quantiles away from the median.")


class Zero(Baseline):
    """Zero; quantiles away from the median are those of the last observed values, on their own side of zero."""

    name: ClassVar[str] = "zero"
    shift_equivariant: ClassVar[bool] = False
    hyperparameters = ZeroParams
    params: ZeroParams

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        latest = history.tail(min(self.params.window, int(history.lengths.max())))
        drawn = np.nan_to_num(weighted_quantiles(latest, task.levels))
        levels = np.array(task.levels)
        sided = np.where(levels < 0.5, np.minimum(drawn, 0.0), np.where(levels > 0.5, np.maximum(drawn, 0.0), 0.0))
        return np.zeros((len(latest), task.horizon)), np.repeat(sided[:, None, :], task.horizon, axis=1)


@dataclass(frozen=True, kw_only=True)
class EmpiricalParams(Hyperparameters):
    """The values that ``empirical`` takes as the distribution, and their weights."""

    window: int = whole(100, "Last values to take: rows, or values per phase when seasonal.")
    seasonal: bool = flag(False, "Whether every phase of the season has its own distribution.")
    season: int | None = optional_whole("Rows of a season; the task's shortest when left out.")
    half_life: float | None = optional_real("Values after which a weight is halved; all count the same when left out.")


class Empirical(Baseline):
    """The distribution of the last observed values, the same for every step or one per phase.

    Strong for intermittent demand, where no error is Gaussian. With ``half_life`` it is NPTS, the non-parametric
    forecaster of DeepAR's authors (Alexandrov et al. 2020, GluonTS), without its sampling noise.
    """

    name: ClassVar[str] = "empirical"
    hyperparameters = EmpiricalParams
    params: EmpiricalParams

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        season = (self.params.season or task.season) if self.params.seasonal else 1
        longest = -(-int(history.lengths.max()) // season)
        cycles = min(self.params.window, longest)
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
        if self.params.half_life is not None:
            weights = 0.5 ** (np.arange(cycles) / self.params.half_life)
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
