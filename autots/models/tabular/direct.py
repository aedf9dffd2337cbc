"""LightGBM, direct: one model for all steps, each row an origin and a step ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from autots.models.base import Context, Forecast, State, Task, crossing_free
from autots.models.hyperparameters import flag, whole
from autots.models.linear import DirectLinear
from autots.models.origins import ForecastOrigins, final_origins, sample_origins
from autots.models.pooled import Pooled, halflife_field, weighted_field
from autots.models.residual_quantiles import quantiles_around, residual_quantiles
from autots.models.tabular.trees import BoostingParams, Trees, train_trees
from autots.models.windows import (
    WindowSpec,
    WindowTable,
    bounds,
    norm_window,
    relative_weights,
    seasons_within,
    usual_rows,
)
from autots.panel import Floats, Future, Ints, Panel
from zoo.errors import ModelError

__all__ = ["DirectTrees", "DirectTreesParams"]

# Steps of the horizon that are drawn for each training origin.
_STEPS = 12
# Most of the time left that the linear part may take.
_LINEAR_SHARE = 0.4


@dataclass(frozen=True, kw_only=True)
class DirectTreesParams(BoostingParams):
    """What enters the trees of ``trees_direct``."""

    lags: int = whole(
        0, "Last values before the origin; 0 for the horizon, between 6 and 16 values.", low=0, search=(0, 24)
    )
    periods: int = whole(14, "How many periods back the target's phase is looked up (shortest season).", search=(2, 21))
    weighted: bool = weighted_field(False)
    linear: bool = flag(
        False,
        "Whether the trees learn what a pooled linear model leaves over, so that they can extrapolate.",
        search=(True, False),
    )
    rolling: bool = flag(True, "Whether rolling means and changes enter.")
    halflife: float = halflife_field(0.0)


class DirectTrees(Pooled):
    """Trees on window-normalised targets with same-phase lags, recent lags, rolling means, calendar and covariates."""

    name: ClassVar[str] = "trees_direct"
    hyperparameters = DirectTreesParams
    params: DirectTreesParams
    covariates: ClassVar[frozenset[str]] = frozenset({"known", "past", "static"})
    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)

    def _spec(self, panel: Panel, task: Task) -> WindowSpec:
        p = self.params
        usual = usual_rows(panel, task)
        fits, seasonal = seasons_within(task, usual, (p.periods, max(2, p.periods // 4)))
        base = fits[0] if fits else max(4, task.horizon // 2)
        window = norm_window(task, fits, p.norm_periods, usual)
        spans = {w for w in (base, *fits[1:], 4 * base) if 1 < w <= usual // 2} if p.rolling else set()
        lags = min(p.lags or int(np.clip(task.horizon, 6, 16)), max(usual // 3, 1))
        return WindowSpec(lags, seasonal, tuple(sorted(spans)), p.calendar, self._norm, window)

    def max_training_rows(self, horizon: int) -> float:
        """See Forecaster."""
        return float(self.params.max_rows) / min(horizon, _STEPS)

    def _learn(self, panel: Panel, task: Task, context: Context) -> None:
        p, rng = self.params, np.random.default_rng(context.seed)
        self._task, self._window = task, self._spec(panel, task)
        table = WindowTable(panel, task, self._window)
        many = min(task.horizon, _STEPS)
        at = sample_origins(
            panel,
            task.horizon if panel.lengths.max() > task.horizon else 1,
            max_origins=max(p.max_rows // many, 1),
            rng=rng,
            min_history=min(2 * max(task.seasons), usual_rows(panel, task) // 2),
            halflife=p.halflife * task.horizon or np.inf,
        )
        if len(at) == 0:
            raise ModelError("trees need a series longer than the horizon, but none is")
        steps = _steps(len(at), task.horizon, many, rng)
        rows = ForecastOrigins(np.repeat(at.series, many), np.repeat(at.row, many))
        level, scale = (np.repeat(v, many) for v in table.scale(at))
        inside = rows.row + steps < panel.indptr[rows.series + 1]
        target = np.full(len(rows), np.nan)
        target[inside] = (panel.y[(rows.row + steps)[inside]] - level[inside]) / scale[inside]
        x, names, categorical = table.features(rows, steps, level, scale)
        self._linear = None
        if p.linear:
            self._linear = self._learned_linear(panel, task, context)
            points = (self._linear.points_of_rows(panel, rows, steps) - level) / scale
            x, names, target = _with_column(x, points), [*names, "linear"], target - points
        weight = relative_weights(panel, task, rows, scale) if p.weighted else None
        loss = p.loss(squared_error=task.squared_error)
        self._trees, fitted, self.progress = train_trees(
            x, target, weight, names, categorical, params=p, loss=loss, context=context
        )
        unit = scale / np.repeat(table.noise(at), many)
        self._offsets = residual_quantiles((target - fitted) * unit, steps.astype(float), task.levels, task.horizon)

    def _learned_linear(self, panel: Panel, task: Task, context: Context) -> DirectLinear:
        """Return the linear part, which all trees on the same history share: its chance is not theirs."""
        part = self._linear_part()
        alone = replace(context.part(_LINEAR_SHARE), seed=0)

        def learned() -> tuple[State, bool]:
            fitted = part.fit(panel, task, alone)
            return fitted.state(), fitted.progress == 1.0

        key = ("linear part", repr(part.params), self.params.log, self._norm, task)
        return part.restore(context.once(key, learned))

    def _linear_part(self) -> DirectLinear:
        p = self.params
        robust = {"auto": "auto", "l1": "yes", "l2": "no"}[p.objective]
        return DirectLinear(norm=self._norm, norm_periods=p.norm_periods, weighted=p.weighted, robust=robust)

    def _forecast(self, history: Panel, future: Future) -> Forecast:
        h, at = self._task.horizon, final_origins(history)
        table = WindowTable(history, self._task, self._window, future)
        level, scale = table.scale(at)
        rows, steps = (
            ForecastOrigins(np.repeat(at.series, h), np.repeat(at.row, h)),
            np.tile(np.arange(1, h + 1), len(at)),
        )
        x, _, _ = table.features(rows, steps, np.repeat(level, h), np.repeat(scale, h))
        base = np.repeat(level[:, None], h, axis=1)
        if self._linear is not None:
            base = self._linear.points(table, at)
            x = _with_column(x, ((base - level[:, None]) / scale[:, None]).ravel())
        point = self._trees.predict(x).reshape(-1, h) * scale[:, None] + base
        low, high = bounds(history)
        point = np.clip(point, low[:, None], high[:, None])
        quantiles = crossing_free(quantiles_around(point, table.noise(at), self._offsets))
        return Forecast(point, quantiles)

    def _learned(self) -> State:
        return {
            "task": self._task.to_dict(),
            "window": self._window.to_dict(),
            "trees": self._trees.text,
            "spread": self._offsets,
            "linear": None if self._linear is None else self._linear.state(),
        }

    def _take(self, state: State) -> None:
        self._task, self._window = Task.from_dict(state["task"]), WindowSpec.from_dict(state["window"])
        self._trees, self._offsets = Trees(state["trees"]), np.asarray(state["spread"])
        self._linear = None if state["linear"] is None else self._linear_part().restore(state["linear"])


def _with_column(x: npt.NDArray[np.float32], column: Floats) -> npt.NDArray[np.float32]:
    return np.concatenate([x, column[:, None].astype(np.float32)], axis=1)


def _steps(origins: int, horizon: int, many: int, rng: np.random.Generator) -> Ints:
    """Return ``many`` distinct steps for each origin, flat."""
    if many == horizon:
        return np.tile(np.arange(1, horizon + 1), origins)
    return np.argsort(rng.random((origins, horizon)), axis=1)[:, :many].ravel() + 1
