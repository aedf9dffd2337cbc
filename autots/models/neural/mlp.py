"""A residual network that forecasts all steps and quantiles of a window at once, pooled over all series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autots.models.base import Context, Forecast, State, Task, crossing_free
from autots.models.hyperparameters import real, whole
from autots.models.neural.inputs import ColumnScaler, Windows, classes_of, lookback_of, step_columns, window_columns
from autots.models.neural.network import Arrays, Shape, forward
from autots.models.neural.training import Schedule, train
from autots.models.origins import ForecastOrigins, final_origins, sample_origins
from autots.models.pooled import (
    Pooled,
    PooledParams,
    effort_field,
    halflife_field,
    log_field,
    lookback_field,
    norm_field,
    norm_periods_field,
    weighted_field,
)
from autots.models.windows import WindowSpec, WindowTable, bounds, relative_weights, usual_rows
from autots.panel import Floats, Future, Panel
from zoo.errors import ModelError

__all__ = ["MLP", "MLPParams"]

# Windows of a gradient step, and of a fit, at most.
_BATCH = 128
_MAX_WINDOWS = 60_000
_FLOPS = 1.2e11  # of a fit with effort 1: six seconds of a core
_MIN_STEPS = 200
# Multiplications of a forecast, in all and more per step: within an eighth for horizons of 6 to 336 steps.
_USUAL_SIZE = 9.0e4, 1.4e3


@dataclass(frozen=True, kw_only=True)
class MLPParams(PooledParams):
    """The sizes of ``mlp``'s network and how it is trained."""

    lookback: float = lookback_field()
    norm: str = norm_field("last")
    norm_periods: int = norm_periods_field()
    log: bool = log_field()
    hidden: int = whole(128, "Width of the encoder, in units.", search=(32, 256), log=True)
    rate: float = real(2e-3, "Highest learning rate of the schedule.", above=0, search=(5e-4, 5e-3), log=True)
    epochs: float = real(
        6.0, "Times that each example is seen, as far as effort allows.", above=0, search=(2.0, 20.0), log=True
    )
    weighted: bool = weighted_field(True)
    halflife: float = halflife_field(4.0, search=(0.0, 12.0))
    blocks: int = whole(2, "Residual blocks of the encoder.", low=0)
    dropout: float = real(0.1, "Share of a block's hidden units that a step leaves out.", low=0, below=1)
    effort: float = effort_field()


class MLP(Pooled):
    """A dense encoder with residual blocks, a decoder shared by the steps, and a linear skip (TiDE, Das et al. 2023).

    The last rows, scaled by their own level and deviation, past and static covariates enter the encoder; the decoder
    sees the dates and the known covariates of each step. Quantiles are learned by pinball loss, without an assumption
    on their distribution. Training needs torch, forecasting does not.
    """

    name: ClassVar[str] = "mlp"
    hyperparameters = MLPParams
    params: MLPParams
    covariates: ClassVar[frozenset[str]] = frozenset({"known", "past", "static"})
    libraries: ClassVar[tuple[str, ...]] = ("torch",)

    def max_training_rows(self, horizon: int) -> float:
        """See Forecaster."""
        fixed, per_step = _USUAL_SIZE
        work = 6 * (fixed + per_step * horizon) * self.params.epochs
        return float(min(self.params.effort * _FLOPS / work, _MAX_WINDOWS))

    def _learn(self, panel: Panel, task: Task, context: Context) -> None:
        p, self._task = self.params, task
        self._lookback, self._window = lookback_of(panel, task, p.lookback, self._norm, p.norm_periods)
        self._classes = classes_of(panel)
        table = WindowTable(panel, task, self._window)
        at = self._origins(panel, task, np.random.default_rng(context.seed))

        def weight(scale: Floats) -> Floats:
            found = relative_weights(panel, task, at, scale) if self.params.weighted else np.ones(len(at))
            return found / max(float(found.mean()), 1e-12)

        source = Windows(table, at, self._lookback, self._classes, weight)
        self._of_window, self._of_step = source.of_window, source.of_step
        self._shape = self._sizes(*source.sizes)
        batch = min(_BATCH, max(16, len(at) // 8))
        work = 6 * batch * self._shape.multiplications
        steps = min(self.params.epochs * len(at) / batch, self.params.effort * _FLOPS / work)
        schedule = Schedule(max(int(steps), _MIN_STEPS), batch, self.params.rate, self.params.dropout)
        self._arrays: Arrays
        self._arrays, self.progress = train(
            self._shape, source, task.levels, schedule, context=context, squared_error=task.squared_error
        )

    def _origins(self, panel: Panel, task: Task, rng: np.random.Generator) -> ForecastOrigins:
        usual = usual_rows(panel, task)
        at = sample_origins(
            panel,
            task.horizon,
            max_origins=_MAX_WINDOWS,
            rng=rng,
            min_history=min(self._lookback, usual // 2),
            halflife=self.params.halflife * task.horizon or np.inf,
        )
        if len(at) == 0:
            raise ModelError("a network needs a series longer than the horizon, but none is")
        return at

    def _sizes(self, inputs: int, known: int) -> Shape:
        horizon, p = self._task.horizon, self.params
        features = int(np.clip(400 // horizon, 4, 16))
        decoder = int(np.clip(1600 // horizon, 12, 32))
        channels = len(self._task.levels) + self._task.squared_error
        return Shape(inputs, p.hidden, p.blocks, horizon, features, known, decoder, channels)

    def _forecast(self, history: Panel, future: Future) -> Forecast:
        table = WindowTable(history, self._task, self._window)
        at = final_origins(history)
        scale = table.scale(at)
        x = self._of_window(window_columns(table, at, self._lookback, scale, self._classes))
        known = self._of_step(step_columns(table, at, future, self._classes))
        output = forward(
            self._shape, self._arrays, np.asarray(x, dtype=np.float64), np.asarray(known, dtype=np.float64)
        )
        output = output * scale[1][:, None, None] + scale[0][:, None, None]
        low, high = bounds(history)
        output = np.clip(output, low[:, None, None], high[:, None, None])
        quantiles = crossing_free(output[..., : len(self._task.levels)])
        middle = self._task.levels.index(0.5)
        return Forecast(output[..., -1] if self._task.squared_error else quantiles[..., middle], quantiles)

    def _learned(self) -> State:
        return {
            "task": self._task.to_dict(),
            "window": self._window.to_dict(),
            "lookback": self._lookback,
            "classes": dict(self._classes),
            "of_window": self._of_window.to_dict(),
            "of_step": self._of_step.to_dict(),
            "known": self._shape.known,
            "network": dict(self._arrays),
        }

    def _take(self, state: State) -> None:
        self._task, self._window = Task.from_dict(state["task"]), WindowSpec.from_dict(state["window"])
        self._lookback = int(state["lookback"])
        self._classes = {str(k): int(v) for k, v in state["classes"].items()}
        self._of_window, self._of_step = (
            ColumnScaler.from_dict(state["of_window"]),
            ColumnScaler.from_dict(state["of_step"]),
        )
        self._shape = self._sizes(len(self._of_window.mean), int(state["known"]))
        self._arrays = {k: np.asarray(v) for k, v in state["network"].items()}
