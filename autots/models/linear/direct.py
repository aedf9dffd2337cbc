"""A ridge regression per step ahead, pooled over all series, on window-normalised lags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from autots.models.base import Context, Forecast, State, Task, crossing_free
from autots.models.hyperparameters import choice, real, whole
from autots.models.origins import ForecastOrigins, final_origins, sample_origins
from autots.models.pooled import Pooled, PooledParams, log_field, norm_field, norm_periods_field, weighted_field
from autots.models.residual_quantiles import quantiles_around, residual_quantiles
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
from zoo.errors import BudgetError, ModelError

__all__ = ["DirectLinear", "DirectLinearParams"]

Columns = npt.NDArray[np.float32]

# What a fit may cost: operations on Gram matrices, and rows (windows x steps) of features; some seconds of a core.
_FLOPS, _ROWS = 1e10, 250_000
# Part of the time left that the windows are thinned to where it does not suffice for all, and windows that are kept.
_HEADROOM, _FEW_WINDOWS = 0.8, 500
# Penalty from which on single precision is enough for a Gram matrix.
_SINGLE_PENALTY = 1e-6


@dataclass(frozen=True, kw_only=True)
class DirectLinearParams(PooledParams):
    """What enters the regressions of ``linear_direct``, and how they are solved."""

    lags: float = real(
        2.0, "Last values before the origin, in shortest seasons (at least 8 values).", low=0, search=(0.5, 4.0)
    )
    periods: int = whole(7, "How many periods back the target's phase is looked up.", search=(1, 14))
    norm: str = norm_field("standard")
    norm_periods: int = norm_periods_field()
    ridge: float = real(
        1e-3, "Penalty relative to the mean diagonal of the Gram matrix.", low=0, search=(1e-5, 1.0), log=True
    )
    robust: str = choice(
        "auto",
        'Whether absolute errors are minimised; "auto" does where the task rewards the median.',
        options=("auto", "yes", "no"),
    )
    weighted: bool = weighted_field(True)
    max_windows: int = whole(20_000, "Training origins that are drawn at most.")
    log: bool = log_field()


class DirectLinear(Pooled):
    """Pooled direct autoregression ("pooled regression", Montero-Manso & Hyndman 2021), least squares or robust.

    Absolute error is minimised by iteratively reweighted least squares (Schlossmacher 1973).
    """

    name: ClassVar[str] = "linear_direct"
    hyperparameters = DirectLinearParams
    params: DirectLinearParams
    covariates: ClassVar[frozenset[str]] = frozenset({"known", "past", "static"})

    def _spec(self, panel: Panel, task: Task) -> WindowSpec:
        p = self.params
        usual = usual_rows(panel, task)
        fits, seasonal = seasons_within(task, usual, (p.periods, max(2, p.periods // 2)))
        base = fits[0] if fits else 4
        lags = int(min(max(p.lags * base, 8), max(usual // 3, 1), 200))
        window = norm_window(task, fits, p.norm_periods, usual)
        return WindowSpec(lags, seasonal, (), False, self._norm, window)

    def max_training_rows(self, horizon: int) -> float:
        """See Forecaster."""
        return float(self.params.max_windows)

    def _learn(self, panel: Panel, task: Task, context: Context) -> None:
        rng = np.random.default_rng(context.seed)
        self._task, self._window = task, self._spec(panel, task)
        reach = task.horizon if panel.lengths.max() > task.horizon else 1
        history = min(max(self._window.lags, 2 * max(task.seasons)), usual_rows(panel, task) // 2)
        at = sample_origins(panel, reach, max_origins=self._most_windows(task), rng=rng, min_history=history)
        if len(at) == 0:
            raise ModelError("a linear model needs a series longer than the horizon, but none is")
        table = WindowTable(panel, task, self._window)
        self.progress = self._learn_steps(panel, table, at, context)
        if self.progress < 1.0:
            # Drawn at random: every k-th one might always be the same hour.
            some = np.random.default_rng(context.seed).choice(len(at), int(self.progress * len(at)), replace=False)
            some.sort()
            fewer = ForecastOrigins(at.series[some], at.row[some])
            self._learn_steps(panel, table, fewer, context, enough=True)

    def _learn_steps(
        self, panel: Panel, table: WindowTable, at: ForecastOrigins, context: Context, *, enough: bool = False
    ) -> float:
        """Learn the coefficients of every step from windows; return 1.

        Where the first steps show that the time does not suffice (unless it is ``enough``), nothing is learned, and the
        share of the windows that it suffices for is returned.
        """
        task = self._task
        level, scale = table.scale(at)
        unit = scale / table.noise(at)
        weight = self._weights(panel, task, at, scale)
        coefficients: list[Floats] = []
        residuals: list[Floats] = []
        begin = 0.0
        for step in range(1, task.horizon + 1):
            if context.deadline is not None and context.deadline.remaining <= 0:
                raise BudgetError(f"the trial's time is over after {step - 1} of {task.horizon} steps")
            # The first step may import and warm up what it runs, so the second one tells what all of them take.
            if step == 2 and context.deadline is not None:
                begin = context.deadline.elapsed
            if not enough and step == 3 and context.deadline is not None:
                needed = (context.deadline.elapsed - begin) * task.horizon
                affordable = _HEADROOM * context.deadline.remaining / max(needed, 1e-9)
                if affordable < 1.0 and len(at) > _FEW_WINDOWS:
                    return max(affordable, _FEW_WINDOWS / len(at))
            steps = np.full(len(at), step)
            x = _design(table, at, steps, level, scale)
            if step == 1:
                self._centre, self._std_x = _moments(x)
            inside = at.row + step < panel.indptr[at.series + 1]
            target = np.full(len(at), np.nan)
            target[inside] = (panel.y[(at.row + step)[inside]] - level[inside]) / scale[inside]
            known = np.isfinite(target) & (weight > 0)
            if known.sum() < 3:
                if not coefficients:
                    raise ModelError("a linear model needs three windows with a target, but got fewer")
                coefficients.append(coefficients[-1])
                residuals.append(residuals[-1])
                continue
            z = self._scaled(x).astype(np.float32)
            beta = self._solve(z[known], target[known], weight[known])
            coefficients.append(beta)
            residuals.append(np.where(known, (target - z @ beta.astype(np.float32)) * unit, np.nan))
        self._coefficients = np.stack(coefficients)
        where = np.repeat(np.arange(1.0, task.horizon + 1), len(at))
        self._offsets = residual_quantiles(np.concatenate(residuals), where, task.levels, task.horizon)
        return 1.0

    def _most_windows(self, task: Task) -> int:
        """Return the windows whose Gram matrices (one per step and round) stay within some seconds of one core."""
        columns = self._window.lags + sum(k + 5 for k in self._window.seasonal_lags) + 10
        affordable = min(int(_FLOPS / (4 * task.horizon * columns**2)), _ROWS // task.horizon)
        return max(min(self.params.max_windows, affordable), 20 * columns)

    def _weights(self, panel: Panel, task: Task, at: ForecastOrigins, scale: Floats) -> Floats:
        if not self.params.weighted:
            return np.ones(len(at))
        return relative_weights(panel, task, at, scale)

    def _scaled(self, x: Floats) -> Floats:
        """Return standardised columns (missing lags at their mean) and a constant."""
        z = np.nan_to_num((x - self._centre) / self._std_x)
        return np.concatenate([np.clip(z, -20, 20), np.ones((len(z), 1))], axis=1)

    def _solve(self, z: Columns, target: Floats, weight: Floats) -> Floats:
        robust = self.params.robust
        rounds = 3 if robust == "yes" or (robust == "auto" and not self._task.squared_error) else 0
        # A window far outside of the others must not draw the plane to itself.
        target = np.clip(target, *np.quantile(target, [0.001, 0.999])) if len(target) > 1000 else target
        beta = _ridge(z, target, weight**2, self.params.ridge)
        for _ in range(rounds):
            error = np.abs(target - z @ beta.astype(np.float32)) * weight
            floor = max(float(np.quantile(error, 0.2)), 1e-9)
            beta = _ridge(z, target, weight**2 / np.maximum(error, floor), self.params.ridge)
        return beta

    def points(self, seen: WindowTable, at: ForecastOrigins) -> Floats:
        """Return the (W, H) point forecasts from some origins of a table, whatever its features."""
        table, horizon = seen.seen_through(self._window), self._task.horizon
        level, scale = table.scale(at)
        point = np.empty((len(at), horizon))
        for begin in range(0, len(at), max(_ROWS // horizon, 1)):
            chunk = slice(begin, begin + max(_ROWS // horizon, 1))
            series, row = np.repeat(at.series[chunk], horizon), np.repeat(at.row[chunk], horizon)
            steps = np.tile(np.arange(1, horizon + 1), len(at.row[chunk]))
            unit = np.repeat(level[chunk], horizon), np.repeat(scale[chunk], horizon)
            x = self._scaled(_design(table, ForecastOrigins(series, row), steps, *unit))
            # Unlike a product of matrices, each sum is made the same way whatever the number of rows: a server that
            # forecasts several requests at once answers each as if it had come alone.
            point[chunk] = np.einsum("whf,hf->wh", x.reshape(-1, horizon, x.shape[1]), self._coefficients)
        return point * scale[:, None] + level[:, None]

    def points_of_rows(self, panel: Panel, rows: ForecastOrigins, steps: Ints) -> Floats:
        """Return the (R,) point forecasts of single (origin, step) rows, without looking into the future."""
        table = WindowTable(panel, self._task, self._window)
        level, scale = table.scale(rows)
        point = np.empty(len(rows))
        for step in np.unique(steps):
            chosen = np.flatnonzero(steps == step)
            some = ForecastOrigins(rows.series[chosen], rows.row[chosen])
            x = _design(table, some, steps[chosen], level[chosen], scale[chosen])
            point[chosen] = self._scaled(x) @ self._coefficients[step - 1]
        return point * scale + level

    def _forecast(self, history: Panel, future: Future) -> Forecast:
        at = final_origins(history)
        low, high = bounds(history)
        table = WindowTable(history, self._task, self._window, future)
        point = np.clip(self.points(table, at), low[:, None], high[:, None])
        noise = table.noise(at)
        return Forecast(point, crossing_free(quantiles_around(point, noise, self._offsets)))

    def _learned(self) -> State:
        return {
            "task": self._task.to_dict(),
            "window": self._window.to_dict(),
            "coefficients": self._coefficients,
            "centre": self._centre,
            "spread_x": self._std_x,
            "spread": self._offsets,
        }

    def _take(self, state: State) -> None:
        self._task, self._window = Task.from_dict(state["task"]), WindowSpec.from_dict(state["window"])
        self._coefficients, self._centre = np.asarray(state["coefficients"]), np.asarray(state["centre"])
        self._std_x, self._offsets = np.asarray(state["spread_x"]), np.asarray(state["spread"])


def _design(
    table: WindowTable, at: ForecastOrigins, steps: npt.NDArray[np.int64], level: Floats, scale: Floats
) -> Floats:
    x, names, categorical = table.features(at, steps, level, scale)
    kept = [i for i, name in enumerate(names) if name not in ("step", "age") and name not in categorical]
    return x[:, kept].astype(np.float64)


def _moments(x: Floats) -> tuple[Floats, Floats]:
    count = np.maximum((~np.isnan(x)).sum(axis=0), 1)
    centre = np.nansum(x, axis=0) / count
    std = np.sqrt(np.nansum((x - centre) ** 2, axis=0) / count)
    return centre, np.where(std > 1e-9, std, 1.0)


def _ridge(z: Columns, target: Floats, weight: Floats, penalty: float) -> Floats:
    """Return the coefficients of a weighted ridge regression.

    The columns are standardised and the penalty is far above the seventh digit, so the Gram matrix is made in single
    precision, and half of it, as it is symmetric: four times quicker, and nearly all of a fit.
    """
    import scipy.linalg
    from scipy.linalg.blas import dsyrk, ssyrk

    single = penalty >= _SINGLE_PENALTY
    root: npt.NDArray[np.floating[Any]] = np.sqrt(weight)
    root = root.astype(np.float32) if single else root
    weighted = z * root[:, None]
    # The transpose of a C array is a Fortran array: nothing is copied.
    gram = np.asarray((ssyrk if single else dsyrk)(1.0, weighted.T), dtype=np.float64)
    mean = np.trace(gram) / len(gram)
    gram[np.diag_indices_from(gram)] += penalty * mean + 1e-9 * max(mean, 1.0)
    moment = weighted.T @ (target * root).astype(root.dtype)
    return np.asarray(scipy.linalg.solve(gram, moment.astype(np.float64), assume_a="pos", lower=False))
