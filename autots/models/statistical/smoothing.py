"""Exponential smoothing of all series at once, averaged over a grid of parameters.

Where an automatic ETS optimises each of thirty models and keeps one, this runs every series through a fixed grid of
them (``smoothing_paths``) and averages their forecasts by Akaike weights (Kolassa 2011): no optimiser, no choice that a
few more values would turn over, and a tenth of the time.

Axes: S series, P paths (a series with one point of the grid), H steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, State, Task
from autots.models.hyperparameters import Hyperparameters, choice, optional_whole, real, whole
from autots.models.statistical.base import finished, normal_quantiles
from autots.models.statistical.smoothing_paths import (
    AlignedSeries,
    GridPoints,
    PathGroups,
    forecast_paths,
    parameter_grid,
)
from autots.panel import Floats, Future, Ints, Panel
from zoo.errors import BudgetError, ModelError

__all__ = ["Smoothing", "SmoothingParams"]

# Points of the grid that a series keeps, and the least weight of one relative to its best.
_KEPT = 8
_MIN_WEIGHT = 0.02
# Akaike weights trust one-step errors too much where the model is only nearly right; they are tempered.
_TEMPER = 2.0
# Paths that are filtered at once: their states then stay in the processor's cache.
_PATHS_AT_ONCE = 6_000


@dataclass(frozen=True, kw_only=True)
class SmoothingParams(Hyperparameters):
    """Which points of its grid ``smoothing`` averages, and how it weighs them."""

    trend: str = choice("any", '"any", or "damped": slopes fade, or are a fixed drift.', options=("any", "damped"))
    penalty: float = real(
        0.5,
        "Penalty of a parameter, in those of Akaike's corrected criterion: below 1, richer models weigh more.",
        low=0,
    )
    season: int | None = optional_whole(
        "Rows of a season; the task's shortest when left out. One above 60, or longer than half of a history, is not "
        "used."
    )
    max_history: int = whole(250, "Look at so many last rows at most.")


class Smoothing(Forecaster):
    """Exponential smoothing over a grid of levels, slopes, dampings and seasons, averaged by Akaike weights.

    A series that is short or constant gets the seasonal naive forecast. Where no value was negative, no forecast is.
    """

    name: ClassVar[str] = "smoothing"
    hyperparameters = SmoothingParams
    params: SmoothingParams

    _task: Task | None = None

    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        """Weigh the grid for every series; see the contract.

        Raises:
            BudgetError: The deadline has passed before the first series was weighed.
        """
        self._task = None
        self.progress = 1.0
        series = AlignedSeries.of(panel, self.params.season or task.season, self.params.max_history)
        self._keep(panel.ids, *self._weighed(series, task.horizon, context), series.level)
        self._task = task
        return self

    def _keep(self, ids: Any, points: GridPoints, weight: Floats, level: Floats) -> None:
        self._ids, self._points, self._weight, self._level = np.array(ids, dtype=object), points, weight, level
        # The last one where ids repeat, as it is the one fitted on most.
        self._where = {str(id_): i for i, id_ in enumerate(self._ids)}

    def _weighed(self, series: AlignedSeries, horizon: int, context: Context) -> tuple[GridPoints, Floats]:
        """Return the points that every series keeps, (S x _KEPT) of them, and their (S, _KEPT) weights."""
        grid = parameter_grid(self.params.trend == "damped")
        kept, weights = np.zeros((len(series), _KEPT), dtype=np.intp), np.zeros((len(series), _KEPT))
        size = max(1, _PATHS_AT_ONCE // len(grid))
        for begin in range(0, len(series.order), size):
            if context.deadline is not None and context.deadline.remaining < 0:
                if begin == 0:
                    raise BudgetError(
                        f"{self.name} must be fitted within its budget, but had none of {len(series)} series",
                        "allow more time, fewer series or a smaller max_history",
                    )
                # A series without weights is weighed when it is forecast.
                self.progress = begin / len(series.order)
                break
            rows = series.order[begin : begin + size]
            of, points = np.repeat(rows, len(grid)), grid.take(np.tile(np.arange(len(grid)), len(rows)))
            with np.errstate(all="ignore"):
                forecasts = forecast_paths(series, of, points, horizon)
                criterion = forecasts.criterion(self.params.penalty).reshape(len(rows), -1)
            best = np.argsort(criterion, axis=1, kind="stable")[:, :_KEPT]
            least = np.take_along_axis(criterion, best, axis=1)
            good = np.isfinite(least)
            # A row without a single good path keeps no weight.
            surplus = np.where(good, least - np.where(good[:, :1], least[:, :1], 0.0), np.inf)
            weight = np.exp(-0.5 * surplus / _TEMPER)
            weight[weight < _MIN_WEIGHT] = 0.0
            kept[rows], weights[rows] = best, weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        return grid.take(kept.ravel()), weights

    def predict(self, history: Panel, future: Future) -> Forecast:
        """Forecast from the end of ``history`` with the points and weights of the fit; see the contract."""
        task = self._task
        if task is None:
            raise ModelError(f"{self.name} must be fitted before it predicts", "call fit, or restore a state")
        row = np.array([self._where.get(str(id_), -1) for id_ in history.ids], dtype=np.intp)
        known = (row >= 0) & (self._weight[row].sum(axis=1) > 0)
        level = np.where(known, self._level[row], np.nan)
        series = AlignedSeries.of(history, self.params.season or task.season, self.params.max_history, level=level)
        points, weight = self._points.take(_flat(np.maximum(row, 0))), self._weight[np.maximum(row, 0)]
        # Series that are new, or could not be weighed when there was less of them, are weighed now.
        fresh = np.flatnonzero((row < 0) | (weight.sum(axis=1) == 0))
        fresh = fresh[np.isin(fresh, series.order)]
        if len(fresh):
            new, weights = self._weighed(series.only(fresh), task.horizon, Context())
            at = _flat(fresh)
            for name in points.__dataclass_fields__:
                getattr(points, name)[at] = getattr(new, name)[at]
            weight[fresh] = weights[fresh]
        mean, sigma = self._mixed(series, points, weight, task.horizon)
        mean = mean + series.level[:, None]
        quantiles = mean[:, :, None] + sigma[:, :, None] * normal_quantiles(tuple(task.levels))
        return finished(self.name, history, mean, quantiles, task, self.params.season)

    def _mixed(self, series: AlignedSeries, points: GridPoints, weight: Floats, horizon: int) -> tuple[Floats, Floats]:
        """Return (S, H) means and deviations of the weighted paths; NaN where there is none."""
        shape = (len(series), horizon)
        mean, square = np.full(shape, np.nan), np.full(shape, np.nan)
        used = series.order[weight[series.order].sum(axis=1) > 0]
        size = max(1, _PATHS_AT_ONCE // _KEPT)
        for begin in range(0, len(used), size):
            rows = used[begin : begin + size]
            of, at = np.repeat(rows, _KEPT), _flat(rows)
            w = weight[rows].ravel()
            of, at, w = of[w > 0], at[w > 0], w[w > 0]
            with np.errstate(all="ignore"):
                forecasts = forecast_paths(series, of, points.take(at), horizon)
                paths, good = PathGroups(of), forecasts.good[:, None]
                share, point = np.where(good, w[:, None], 0.0), np.where(good, forecasts.mean, 0.0)
                total = paths.sums(share)
                mean[rows] = paths.sums(share * point) / total
                square[rows] = paths.sums(share * np.where(good, forecasts.variance + point**2, 0.0)) / total
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def state(self) -> State:
        """Return the task, and the points and weights of every series."""
        if self._task is None:
            raise ModelError(f"{self.name} must be fitted before it has a state", "call fit first")
        points = {name: getattr(self._points, name) for name in self._points.__dataclass_fields__}
        return {
            "task": self._task.to_dict(),
            "ids": self._ids,
            "points": points,
            "weight": self._weight,
            "level": self._level,
        }

    def restore(self, state: State) -> Self:
        """Take over what ``state`` gave."""
        self._task = Task.from_dict(state["task"])
        points = GridPoints(**{name: np.asarray(state["points"][name]) for name in GridPoints.__dataclass_fields__})
        level = np.asarray(state.get("level", np.zeros(len(state["ids"]))))
        self._keep(state["ids"], points, np.asarray(state["weight"]), level)
        return self

    @classmethod
    def joined(cls, states: Sequence[State]) -> State:
        """See Forecaster."""
        points = {name: np.concatenate([s["points"][name] for s in states]) for name in GridPoints.__dataclass_fields__}
        each = {name: np.concatenate([np.asarray(s[name]) for s in states]) for name in ("ids", "weight", "level")}
        return {"task": states[0]["task"], "points": points, **each}


def _flat(rows: Ints) -> Ints:
    """Return the places of all points that some series keep."""
    return np.asarray((rows[:, None] * _KEPT + np.arange(_KEPT)).ravel())
