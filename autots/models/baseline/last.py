"""Forecasters that repeat or extend the last values (Hyndman & Athanasopoulos, FPP3, sections 5.2 and 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autots.models.base import Task
from autots.models.baseline.base import ERRORS, Baseline, error_quantiles
from autots.models.baseline.ragged import Ragged
from autots.models.hyperparameters import Hyperparameters, optional_whole
from autots.panel import Floats

__all__ = ["Drift", "DriftParams", "Naive", "SeasonalNaive", "SeasonalNaiveParams"]


class Naive(Baseline):
    """The last observed value. Its error grows with √h, as a random walk's."""

    name: ClassVar[str] = "naive"

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        mean = np.repeat(history.last[:, None], task.horizon, axis=1)
        recent = history.recent(ERRORS + 1)
        errors = Ragged(recent.y - recent.lagged(1), recent.offsets)
        growth = np.sqrt(np.arange(1, task.horizon + 1.0))[None, :]
        return mean, error_quantiles(errors, mean, growth, task, history)


@dataclass(frozen=True, kw_only=True)
class SeasonalNaiveParams(Hyperparameters):
    """The season that ``seasonal_naive`` repeats."""

    season: int | None = optional_whole("Rows of a season; the task's shortest when left out.")


class SeasonalNaive(Baseline):
    """The last observed value of the same phase. Its error grows with the root of the number of seasons ahead.

    Where the newest value of a phase is missing, the one of up to three seasons before counts; a phase never seen
    gets the last value.
    """

    name: ClassVar[str] = "seasonal_naive"
    hyperparameters = SeasonalNaiveParams
    params: SeasonalNaiveParams

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        season = self.params.season or task.season
        by_phase = history.phases(season, 4)
        value = by_phase[:, :, 0]
        for cycle in range(1, 4):
            value = np.where(np.isnan(value), by_phase[:, :, cycle], value)
        value = np.where(np.isnan(value), history.last[:, None], value)
        steps = np.arange(task.horizon)
        mean = value[:, steps % season]
        recent = history.recent(ERRORS + season)
        errors = Ragged(recent.y - recent.lagged(season), recent.offsets)
        growth = np.sqrt(steps // season + 1.0)[None, :]
        return mean, error_quantiles(errors, mean, growth, task, history)


@dataclass(frozen=True, kw_only=True)
class DriftParams(Hyperparameters):
    """The rows that ``drift`` takes its slope from."""

    window: int | None = optional_whole("Only the last so many rows give the slope; all of them when left out.")


class Drift(Baseline):
    """The last value plus the mean step so far: the line through the first and the last observed value.

    The error grows with √(h (1 + h / (T - 1))).
    """

    name: ClassVar[str] = "drift"
    hyperparameters = DriftParams
    params: DriftParams

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        first, end = history.ends
        if self.params.window is not None:
            late = history.offsets.positions >= history.offsets.repeat(history.lengths - self.params.window)
            first, end = history.ends_of(history.observed & late)
        gap = end - first
        known = gap > 0
        rise = np.where(known, history.y[end] - history.y[first], 0.0)
        slope = np.where(known, rise / np.maximum(gap, 1), 0.0)
        steps = np.arange(1, task.horizon + 1.0)
        # Rows missing at the end have passed too: the line is read at its true place.
        behind = np.where(end >= 0, history.offsets.ends - 1 - end, 0)
        mean = history.last[:, None] + slope[:, None] * (behind[:, None] + steps[None, :])
        recent = history.recent(ERRORS + 1)
        errors = Ragged(recent.y - recent.lagged(1) - recent.offsets.repeat(slope), recent.offsets)
        growth = np.sqrt(steps * (1 + steps / np.maximum(gap, 1)[:, None]))
        return mean, error_quantiles(errors, mean, growth, task, history)
