"""A ridge regression on random features of a window: as good as a small trained network, in a fraction of the time.

Axes: W windows, I inputs, F features, H steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from autots.models.base import Context, Forecast, State, Task, crossing_free
from autots.models.hyperparameters import real, whole
from autots.models.neural.inputs import ColumnScaler, Windows, classes_of, lookback_of, step_columns, window_columns
from autots.models.neural.training import Examples
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
from autots.models.residual_quantiles import quantiles_around, residual_quantiles
from autots.models.windows import WindowSpec, WindowTable, bounds, relative_weights, usual_rows
from autots.panel import Floats, Future, Panel
from zoo.errors import BudgetError, ModelError

__all__ = ["RVFL", "RVFLParams"]

Columns = npt.NDArray[np.float32]
_Inputs = TypeVar("_Inputs", Columns, Floats)

#: Multiplications of a fit with effort 1: about six seconds of a core.
_WORK = 1.6e11
_MAX_WINDOWS = 60_000
#: A random unit for so many windows at least: fewer windows than units are learned by heart.
_WINDOWS_PER_UNIT = 4
_MIN_UNITS = 16
#: Most columns of the steps' own covariates that enter.
_MAX_KNOWN = 400
_CHUNK = 4_096
#: Part of the time left that is planned for where it does not suffice for all windows.
_HEADROOM = 0.7
#: Share of targets on each side that count as if they were the next ones inside.
_TAIL = 0.001


@dataclass(frozen=True, kw_only=True)
class RVFLParams(PooledParams):
    """The random layer of ``rvfl`` and how its output weights are solved."""

    lookback: float = lookback_field()
    norm: str = norm_field("last")
    norm_periods: int = norm_periods_field()
    log: bool = log_field()
    units: int = whole(2000, "Random units of the hidden layer.", search=(250, 3000), log=True)
    ridge: float = real(
        1e-2, "Penalty relative to the mean diagonal of the Gram matrix.", low=0, search=(1e-3, 0.3), log=True
    )
    weighted: bool = weighted_field(True)
    halflife: float = halflife_field(4.0, search=(0.0, 12.0))
    gain: float = real(1.0, "Width of the distribution that the random weights are drawn from.", above=0)
    effort: float = effort_field()


class RVFL(Pooled):
    """A random vector functional link network (Pao, Park & Sobajic 1994): random ReLU units and the inputs themselves.

    Only the output weights are learned, for all steps at once, by ridge regression; where the task rewards the median a
    second round weighs each window by the inverse of its absolute error (Schlossmacher 1973). The inputs are those of
    ``mlp``: the last rows in units of their own level and scale, past and static covariates, the date of the first
    step and the known covariates of all steps.
    """

    name: ClassVar[str] = "rvfl"
    hyperparameters = RVFLParams
    params: RVFLParams
    covariates: ClassVar[frozenset[str]] = frozenset({"known", "past", "static"})
    anticipates: ClassVar[bool] = True  # its units see the known covariates of all steps at once

    def _learn(self, panel: Panel, task: Task, context: Context) -> None:
        p, rng = self.params, np.random.default_rng(context.seed)
        self._task = task
        self._lookback, self._window = lookback_of(panel, task, p.lookback, self._norm, p.norm_periods)
        self._classes = classes_of(panel)
        table = WindowTable(panel, task, self._window)
        rounds = 1 if task.squared_error else 2
        units, most = self._sizes(panel, task, rounds)
        usual = usual_rows(panel, task)
        at = sample_origins(
            panel,
            task.horizon,
            max_origins=most,
            rng=rng,
            min_history=min(self._lookback, usual // 2),
            halflife=p.halflife * task.horizon or np.inf,
        )
        if len(at) == 0:
            raise ModelError("a network needs a series longer than the horizon, but none is")

        def weight(scale: Floats) -> Floats:
            found = relative_weights(panel, task, at, scale) if p.weighted else np.ones(len(at))
            return found / max(float(found.mean()), 1e-12)

        source = Windows(table, at, self._lookback, self._classes, weight)
        self._of_window, self._of_step = source.of_window, source.of_step
        self._of_panel = sum(self._classes.get(name) or 1 for name in panel.known)
        self._draw(source, units, rng)
        share = self._affordable(source, context, rounds)
        least = min(_WINDOWS_PER_UNIT * units / len(source), 1.0)
        if share < least:
            # Work grows with the windows and the square of the units: fewer of both, in proportion.
            units = max(int(units * (share / least) ** (1 / 3)), _MIN_UNITS)
            share = min(_WINDOWS_PER_UNIT * units / len(source), 1.0)
            self._draw(source, units, np.random.default_rng(context.seed))
        self._rows = np.arange(len(source))
        if share < 1.0:
            chosen = np.random.default_rng(context.seed).choice(len(source), int(share * len(source)), replace=False)
            self._rows = np.sort(chosen)
        self.progress = share
        self._output = self._solve(source, context)
        for _ in range(rounds - 1):
            self._output = self._solve(source, context, robust=True)
        self._calibrate(source, table, at)

    def max_training_rows(self, horizon: int) -> float:
        """See Forecaster."""
        return float(min(self._allowed(self.params.units, rounds=2), _MAX_WINDOWS))

    def _allowed(self, units: int, rounds: int) -> float:
        """Return the windows that the work allows."""
        return float(self.params.effort * _WORK / (rounds * units**2 / 2))

    def _sizes(self, panel: Panel, task: Task, rounds: int) -> tuple[int, int]:
        """Return the units, and the windows that the work allows."""
        windows = int(np.maximum(panel.lengths - task.horizon, 0).sum())
        units = int(np.clip(min(windows, _MAX_WINDOWS) // _WINDOWS_PER_UNIT, _MIN_UNITS, self.params.units))
        return units, int(np.clip(int(self._allowed(units, rounds)), 4 * units, _MAX_WINDOWS))

    def _draw(self, source: Windows, units: int, rng: np.random.Generator) -> None:
        """Draw the random layer, in units of how long the windows' inputs are."""
        some = np.linspace(0, len(source) - 1, min(len(source), _CHUNK)).astype(int)
        x = self._inputs(*_parts(source(some)))
        length = float(np.sqrt((x.astype(np.float64) ** 2).sum(axis=1).mean())) or 1.0
        gain = self.params.gain
        self._weights = (rng.standard_normal((x.shape[1], units)) * (gain / length)).astype(np.float32)
        self._bias = (rng.uniform(-1.0, 1.0, units) * gain).astype(np.float32)

    def _inputs(self, x: Columns, known: Columns) -> Columns:
        """Return (W, I): the window, the date of the first step, and what the user knows of each step."""
        dates = known.shape[2] - self._of_panel
        each = known[:, :, dates:]
        kept = each[:, : max(_MAX_KNOWN // max(each.shape[2], 1), 1)]
        return np.concatenate([x, known[:, 0, :dates], kept.reshape(len(x), -1)], axis=1, dtype=np.float32)

    def _features(self, inputs: _Inputs) -> _Inputs:
        """Return (W, F), in the precision of the (W, I) inputs."""
        random = np.maximum(inputs @ self._weights + self._bias, np.float32(0.0))
        return np.concatenate([random, inputs, np.ones((len(inputs), 1), dtype=np.float32)], axis=1)

    def _affordable(self, source: Windows, context: Context, rounds: int) -> float:
        """Return the share of the windows that the time left suffices for.

        Raises:
            BudgetError: The time is over.
        """
        if context.deadline is None:
            return 1.0
        if context.deadline.remaining <= 0:
            raise BudgetError("the trial's time is over before the windows were seen", "allow more time")
        some = np.arange(min(_CHUNK // 4, len(source)))
        begin = 0.0
        for _ in range(2):  # the first one may warm up what it runs
            begin = context.deadline.elapsed
            features = self._features(self._inputs(*_parts(source(some))))
            features.T @ features  # what a round makes of every chunk
        seconds = (context.deadline.elapsed - begin) * len(source) / len(some) * (rounds + 1.0)
        return float(min(_HEADROOM * max(context.deadline.remaining, 0.0) / max(seconds, 1e-9), 1.0))

    def _chunks(self, source: Windows) -> Iterator[tuple[Examples, Columns]]:
        for begin in range(0, len(self._rows), _CHUNK):
            rows = self._rows[begin : begin + _CHUNK]
            examples = source(rows)
            yield examples, self._features(self._inputs(*_parts(examples)))

    def _solve(self, source: Windows, context: Context, *, robust: bool = False) -> Floats:
        """Return the (F, H) output weights; the errors of the last ones decide on the weights of a robust round."""
        import scipy.linalg

        low, high = self._target_range(source)
        count = self._weights.shape[1] + self._weights.shape[0] + 1
        gram, moment = np.zeros((count, count)), np.zeros((count, self._task.horizon))
        floor = self._floor_of_errors(source) if robust else 0.0
        for examples, features in self._chunks(source):
            # A window that lacks a target would need a matrix of its own.
            weight = examples.weight * np.isfinite(examples.target).all(axis=1)
            target = np.clip(np.nan_to_num(examples.target), low, high)
            if robust:
                error = np.abs(target - features @ self._output.astype(np.float32)).mean(axis=1) * weight
                weight = weight / np.sqrt(np.maximum(error, floor))
            scaled = features * weight[:, None].astype(np.float32)
            gram += scaled.T @ scaled
            moment += scaled.T @ (target * weight[:, None]).astype(np.float32)
        mean = float(np.trace(gram)) / count
        if not mean > 0:
            raise ModelError("a network needs windows with all their targets, but got none")
        gram[np.diag_indices_from(gram)] += self.params.ridge * mean
        return np.asarray(scipy.linalg.solve(gram, moment, assume_a="pos", overwrite_a=True))

    def _target_range(self, source: Windows) -> tuple[float, float]:
        some = np.linspace(0, len(source) - 1, min(len(source), 4 * _CHUNK)).astype(int)
        target = source(some).target
        target = target[np.isfinite(target)]
        if len(target) == 0:
            raise ModelError("a network needs windows with a target, but got none")
        low, high = np.quantile(target, [_TAIL, 1.0 - _TAIL])
        return float(low), float(high)

    def _floor_of_errors(self, source: Windows) -> float:
        """Return the error below which windows weigh no more than at it."""
        examples, features = next(self._chunks(source))
        error = np.abs(np.nan_to_num(examples.target) - features @ self._output.astype(np.float32)).mean(axis=1)
        return max(float(np.quantile(error * examples.weight, 0.2)), 1e-9)

    def _calibrate(self, source: Windows, table: WindowTable, at: ForecastOrigins) -> None:
        """Learn the errors' quantiles; the weight of a window moves its steps together, not each to its median."""
        parts = [examples.target - features @ self._output for examples, features in self._chunks(source)]
        errors, steps = np.concatenate(parts), np.arange(1.0, self._task.horizon + 1)
        if not self._task.squared_error:
            seen = np.asarray(np.isfinite(errors).any(axis=0))
            shift = np.zeros(self._task.horizon)
            shift[seen] = np.nanmedian(errors[:, seen], axis=0)
            self._output[-1] += shift  # of the constant
            errors = errors - shift
        unit = (table.scale(at)[1] / table.noise(at))[self._rows]
        where = np.tile(steps, len(errors))
        self._offsets = residual_quantiles(
            (errors * unit[:, None]).ravel(), where, self._task.levels, self._task.horizon
        )

    def _forecast(self, history: Panel, future: Future) -> Forecast:
        table = WindowTable(history, self._task, self._window)
        at = final_origins(history)
        level, scale = table.scale(at)
        point = np.empty((len(at), self._task.horizon))
        for begin in range(0, len(at), _CHUNK):
            chunk = slice(begin, begin + _CHUNK)
            some = ForecastOrigins(at.series[chunk], at.row[chunk])
            x = window_columns(table, some, self._lookback, (level[chunk], scale[chunk]), self._classes)
            known = self._of_step(step_columns(table, some, future, self._classes))
            # In double precision: a product in single precision tells how many series were forecast beside one.
            inputs = self._inputs(self._of_window(x), known).astype(np.float64)
            point[chunk] = self._features(inputs) @ self._output
        low, high = bounds(history)
        point = np.clip(point * scale[:, None] + level[:, None], low[:, None], high[:, None])
        return Forecast(point, crossing_free(quantiles_around(point, table.noise(at), self._offsets)))

    def _learned(self) -> State:
        return {
            "task": self._task.to_dict(),
            "window": self._window.to_dict(),
            "lookback": self._lookback,
            "classes": dict(self._classes),
            "of_window": self._of_window.to_dict(),
            "of_step": self._of_step.to_dict(),
            "of_panel": self._of_panel,
            "weights": self._weights,
            "bias": self._bias,
            "output": self._output,
            "spread": self._offsets,
        }

    def _take(self, state: State) -> None:
        self._task, self._window = Task.from_dict(state["task"]), WindowSpec.from_dict(state["window"])
        self._lookback, self._of_panel = int(state["lookback"]), int(state["of_panel"])
        self._classes = {str(k): int(v) for k, v in state["classes"].items()}
        self._of_window, self._of_step = (
            ColumnScaler.from_dict(state["of_window"]),
            ColumnScaler.from_dict(state["of_step"]),
        )
        self._weights, self._bias = np.asarray(state["weights"]), np.asarray(state["bias"])
        self._output, self._offsets = np.asarray(state["output"]), np.asarray(state["spread"])


def _parts(examples: Examples) -> tuple[Columns, Columns]:
    return examples.x, examples.known
