"""LightGBM, recursive: one step ahead, fed with its own forecasts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from autots.models.base import Context, Forecast, State, Task, crossing_free
from autots.models.hyperparameters import real, whole
from autots.models.origins import ForecastOrigins, sample_origins
from autots.models.pooled import Pooled, norm_field
from autots.models.residual_quantiles import quantiles_around, residual_quantiles
from autots.models.tabular.trees import BoostingParams, Trees, train_trees
from autots.models.windows import WindowSpec, WindowTable, bounds, norm_window, reach, seasons_within, usual_rows
from autots.panel import Floats, Future, Panel
from zoo.errors import ModelError

__all__ = ["RecursiveTrees", "RecursiveTreesParams"]

# Part of the time left that boosting may take; the recursions over the horizon follow.
_TREES_SHARE = 0.7


@dataclass(frozen=True, kw_only=True)
class RecursiveTreesParams(BoostingParams):
    """What enters the trees of ``trees_recursive``."""

    norm: str = norm_field("standard")
    leaves: int = whole(31, "Leaves of a tree at most.", low=2, search=(7, 255), log=True)
    max_rows: int = whole(100_000, "Training rows that are drawn at most.")
    lags: float = real(
        1.0, "Last values before the origin, in shortest seasons (at least 4 values).", low=0, search=(0.5, 3.0)
    )
    periods: int = whole(4, "How many periods back the target's phase is looked up.", search=(1, 7))


class RecursiveTrees(Pooled):
    """Trees that forecast the next row and go on from there; strong on long horizons with short memory."""

    name: ClassVar[str] = "trees_recursive"
    hyperparameters = RecursiveTreesParams
    params: RecursiveTreesParams
    covariates: ClassVar[frozenset[str]] = frozenset({"known", "static"})
    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)

    def _spec(self, panel: Panel, task: Task) -> WindowSpec:
        p = self.params
        usual = usual_rows(panel, task)
        fits, seasonal = seasons_within(task, usual, (p.periods, 2))
        base = fits[0] if fits else 4
        lags = int(min(max(p.lags * base, 4), max(usual // 3, 1), 60))
        window = norm_window(task, fits, p.norm_periods, usual)
        rolling = tuple(w for w in (base, 4 * base) if 1 < w <= usual // 2)
        return WindowSpec(lags, seasonal, rolling, p.calendar, self._norm, window)

    def max_training_rows(self, horizon: int) -> float:
        """See Forecaster."""
        return float(self.params.max_rows)

    def _learn(self, panel: Panel, task: Task, context: Context) -> None:
        p, rng = self.params, np.random.default_rng(context.seed)
        # What was past-only at fit is unknown from the second step on, so it never enters.
        panel = replace(panel, past={})
        self._task, self._window = task, self._spec(panel, task)
        table = WindowTable(panel, task, self._window)
        history = min(2 * max(task.seasons), usual_rows(panel, task) // 2)
        at = sample_origins(panel, 1, max_origins=p.max_rows, rng=rng, min_history=history)
        if len(at) == 0:
            raise ModelError("trees need a series of two rows, but none has them")
        steps = np.ones(len(at), dtype=np.int64)
        level, scale = table.scale(at)
        x, names, categorical = table.features(at, steps, level, scale)
        target = (table.targets(at, steps) - level) / scale
        loss = p.loss(squared_error=task.squared_error)
        self._trees, fitted, self.progress = train_trees(
            x, target, None, names, categorical, params=p, loss=loss, context=context.part(_TREES_SHARE)
        )
        self._offsets = self._multi_step_offsets(panel, task, (target - fitted) * scale / table.noise(at))

    def _multi_step_offsets(self, panel: Panel, task: Task, one_step: Floats) -> Floats:
        """Return the quantiles over the horizon from in-sample recursions; from one step where none fits."""
        behind = [task.horizon * (k + 1) for k in range(3) if (panel.lengths > task.horizon * (k + 1)).any()]
        residuals = []
        for n in behind:
            history, future, actual = panel.cutoff(n, task.horizon)
            if history.n_series > 300:
                rows = np.linspace(0, history.n_series - 1, 300).astype(np.intp)
                history, future, actual = history.select(rows), future.select(rows), actual[rows]
            point, noise = self._recurse(history, future)
            residuals.append((actual - point) / noise[:, None])
        if not residuals:
            return residual_quantiles(one_step, np.ones(len(one_step)), task.levels, task.horizon)
        stacked = np.concatenate(residuals)
        steps = np.tile(np.arange(1.0, task.horizon + 1), len(stacked))
        return residual_quantiles(stacked.ravel(), steps, task.levels, task.horizon)

    def _recurse(self, history: Panel, future: Future) -> tuple[Floats, Floats]:
        """Return (S, H) points and the (S,) noise at the origin."""
        h = self._task.horizon
        low, high = bounds(history)
        history = replace(history, past={}).tail(reach(self._task, self._window))
        longer, ends = _extended(history, future, h)
        y = np.zeros(longer.n_rows)
        y[~np.isin(np.arange(longer.n_rows), ends[:, None] + np.arange(h))] = history.filled()
        table = WindowTable(longer, self._task, self._window, y=y)
        series, noise = np.arange(history.n_series), None
        one = np.ones(len(series), dtype=np.int64)
        # The dates of all steps are known: looked up step by step they took half of a forecast.
        rows = ForecastOrigins(np.repeat(series, h), np.repeat(ends - 1, h))
        dates = table.calendar(rows, np.tile(np.arange(1, h + 1), len(series))) if self._window.calendar else {}
        calendar = {name: part.reshape(-1, h) for name, part in dates.items()}
        for step in range(h):
            at = ForecastOrigins(series, ends - 1 + step)
            level, scale = table.scale(at)
            noise = table.noise(at) if noise is None else noise
            x, _, _ = table.features(at, one, level, scale, calendar={k: v[:, step] for k, v in calendar.items()})
            table.put(ForecastOrigins(series, ends + step), np.clip(self._trees.predict(x) * scale + level, low, high))
        assert noise is not None
        return table.y[ends[:, None] + np.arange(h)], noise

    def _forecast(self, history: Panel, future: Future) -> Forecast:
        point, noise = self._recurse(history, future)
        return Forecast(point, crossing_free(quantiles_around(point, noise, self._offsets)))

    def _learned(self) -> State:
        return {
            "task": self._task.to_dict(),
            "window": self._window.to_dict(),
            "trees": self._trees.text,
            "spread": self._offsets,
        }

    def _take(self, state: State) -> None:
        self._task, self._window = Task.from_dict(state["task"]), WindowSpec.from_dict(state["window"])
        self._trees, self._offsets = Trees(state["trees"]), np.asarray(state["spread"])


def _extended(history: Panel, future: Future, horizon: int) -> tuple[Panel, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the panel with ``horizon`` empty rows after every series, and the flat row of each first one."""
    n = history.n_series
    indptr = history.indptr + horizon * np.arange(n + 1)
    ends = indptr[1:] - horizon
    behind = (ends[:, None] + np.arange(horizon)).ravel()
    old = np.ones(int(indptr[-1]), dtype=bool)
    old[behind] = False

    def grown(values: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        out = np.empty(len(old), dtype=values.dtype)
        out[old], out[behind] = values, new.ravel()
        return out

    longer = replace(
        history,
        indptr=indptr,
        times=grown(history.times, history.future_times(horizon)),
        y=grown(history.y, np.full(n * horizon, np.nan)),
        known={k: grown(v, future.known[k]) for k, v in history.known.items()},
    )
    return longer, ends
