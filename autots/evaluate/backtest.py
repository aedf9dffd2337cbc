"""One candidate on the shared cutoffs: out-of-fold forecasts, kept for everything that follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autots.evaluate.cutoffs import BacktestPlan
from autots.evaluate.offsets import offsets_of
from autots.metrics import season_scale
from autots.models.base import Context, Forecast, Forecaster, State, Task
from autots.models.constant_series import ConstantSeries
from autots.models.wall_clock import fit_local, predict_local
from autots.panel import Floats, Future, Ints, Panel
from zoo.errors import BudgetError, ModelError

__all__ = ["Backtest", "Targets", "backtest", "targets_of"]

# Rows of history that are forecast from at once.
_BATCH_ROWS = 2_000_000
# Windows from which on a local model forecasts the first of them alone.
_MANY_WINDOWS = 10

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Backtest:
    """Out-of-fold forecasts of one candidate: K windows, S series, H steps, Q quantiles; NaN where a series was absent.

    Args:
        mean: (K, S, H) less the offsets of the targets, so that little memory keeps many digits.
        quantiles: (K, S, H, Q), likewise.
        fit_seconds: Seconds that all fits took together.
        predict_seconds: All windows together; processor time where that is less, as a busy machine makes others wait.
        state: What the last fit learned, if it was asked for.
        fits: How often it was fitted.
    """

    mean: Float32s
    quantiles: Float32s
    fit_seconds: float
    predict_seconds: float
    state: State | None = None
    fits: int = 1

    def of_series(self, rows: Ints) -> Backtest:
        """Return the forecasts of some series by their positions, without the state."""
        return Backtest(self.mean[:, rows], self.quantiles[:, rows], self.fit_seconds, self.predict_seconds)


@dataclass(frozen=True)
class Targets:
    """What came after the cutoffs.

    Args:
        actual: (K, S, H), NaN where missing or absent.
        scale: (K, S) in-sample seasonal differences before each cutoff, that MASE divides by.
        offset: (K, S) what the forecasts of backtests are kept relative to; 0 for all if None.
    """

    actual: Floats
    scale: Floats
    offset: Floats | None = None

    def above(self, at: slice, rows: npt.NDArray[np.intp] | slice = slice(None)) -> Floats:
        """Return the (K', S', 1) offsets of some windows and series."""
        if self.offset is None:
            return np.zeros((1, 1, 1))
        return np.asarray(self.offset[at][:, rows, None])


def targets_of(panel: Panel, plan: BacktestPlan, season: int) -> Targets:
    """Return the targets and scales of every window of a plan."""
    shape = (len(plan.cutoffs), panel.n_series)
    actual, scale = np.full((*shape, plan.horizon), np.nan), np.full(shape, np.nan)
    # The scale moves little from window to window: with many windows the oldest that has one stands for the rest.
    every = len(plan.cutoffs) <= 10
    for k, cutoff in enumerate(plan.cutoffs):
        rows = np.flatnonzero(panel.lengths > cutoff)
        actual[k, rows] = panel.y[panel.indptr[rows + 1, None] - cutoff + np.arange(plan.horizon)]
        if k > 0 and not every:
            scale[k] = scale[k - 1]
        due = rows[np.isnan(scale[k, rows])]
        if len(due):
            history, _, _ = panel.select(due).cutoff(cutoff, plan.horizon)
            scale[k, due] = season_scale(history, season)
    offset = offsets_of(panel, plan.cutoffs)
    return Targets(actual, scale, offset if offset.any() else None)


def backtest(
    create: Callable[[], Forecaster],
    panel: Panel,
    plan: BacktestPlan,
    task: Task,
    context: Context,
    *,
    progress: Callable[[int], None] | None = None,
    keep_state: bool = False,
    overrun_ratio: float = float("inf"),
) -> Backtest:
    """Fit and forecast a candidate on every window of the plan.

    Args:
        create: Makes a fresh, unfitted forecaster.
        panel: All rows; nothing behind a cutoff reaches the candidate.
        plan: The cutoffs that all candidates share.
        task: Horizon, seasons and levels.
        context: Chance, time and cores.
        progress: Called with the number of windows done.
        keep_state: Whether the result has the state of the last fit.
        overrun_ratio: Times the time left at which a local model is given up after its first window of many; never by
            default.

    Raises:
        ModelError: A forecast is not finite or has the wrong shape.
        BudgetError: The deadline passed.
    """
    shape = (len(plan.cutoffs), panel.n_series, plan.horizon)
    mean = np.full(shape, np.nan, dtype=np.float32)
    quantiles = np.full((*shape, len(task.levels)), np.nan, dtype=np.float32)
    offset, middle = offsets_of(panel, plan.cutoffs), task.levels.index(0.5)
    fit_seconds = predict_seconds = 0.0
    done = 0
    for fit_at, windows in plan.groups:
        history, _, _ = panel.cutoff(fit_at, plan.horizon)
        started = time.perf_counter()
        model = fit_local(create(), history, task, context)
        fit_seconds += time.perf_counter() - started
        for batch in _batches(panel, windows, first=1 if model.local and len(windows) > _MANY_WINDOWS else None):
            _check_time(context)
            rows, at, known, future = _histories(panel, batch, plan.horizon)
            started, used = time.perf_counter(), time.process_time()
            forecast = predict_local(model, known, future, plan.horizon)
            took = time.perf_counter() - started
            # On a busy machine a forecast waits for its core: that must not make a good member look slow.
            predict_seconds += min(took, time.process_time() - used)
            if model.local:
                # Series by series, the first window tells what all of them will cost.
                expected = took / len(batch) * (len(plan.cutoffs) - done - len(batch))
                _check_time(context, expected, overrun_ratio)
            where = np.searchsorted(-np.asarray(plan.cutoffs), -np.asarray(batch))[at]
            made = ConstantSeries.of(known, task).apply(*checked(forecast, len(rows), task), middle)
            above = offset[where, rows][:, None]
            mean[where, rows], quantiles[where, rows] = made[0] - above, made[1] - above[..., None]
            done += len(batch)
            if progress is not None:
                progress(done)
    state = model.state() if keep_state else None
    return Backtest(mean, quantiles, fit_seconds, predict_seconds, state, len(plan.fits))


def _check_time(context: Context, expected: float = 0.0, overrun_ratio: float = 1.0) -> None:
    """Raise a BudgetError where the time is over, or ``expected`` seconds more are too many times what is left."""
    if context.deadline is None:
        return
    remaining = context.deadline.remaining
    if expected > 0 and expected > overrun_ratio * remaining:
        raise BudgetError(f"its forecasts of all windows would take about {expected:.0f} s")
    if expected == 0 and remaining <= 0:
        raise BudgetError("the trial's time is over")


def _batches(panel: Panel, windows: Sequence[int], *, first: int | None = None) -> list[tuple[int, ...]]:
    """Return the cutoffs in batches that are forecast at once: many short windows would pay for each call."""
    size = max(1, _BATCH_ROWS // max(panel.n_rows, 1))
    head = min(first or size, size)
    return [tuple(windows[:head]), *(tuple(windows[i : i + size]) for i in range(head, len(windows), size))]


def _histories(
    panel: Panel, cutoffs: Sequence[int], horizon: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Panel, Future]:
    """Return the series and cutoff (its position) of each history, the histories, and their known covariates."""
    present = [np.flatnonzero(panel.lengths > cutoff) for cutoff in cutoffs]
    rows = np.concatenate(present)
    at = np.repeat(np.arange(len(cutoffs)), [len(p) for p in present])
    ends = panel.indptr[rows + 1] - np.asarray(cutoffs)[at]
    ahead = ends[:, None] + np.arange(horizon)
    future = Future({name: values[ahead] for name, values in panel.known.items()})
    return rows, at, panel.windows(rows, ends), future


def checked(forecast: Forecast, n_series: int, task: Task) -> tuple[Floats, Floats]:
    """Return mean and quantiles of a forecast that keeps the contract.

    Raises:
        ModelError: It does not.
    """
    want = (n_series, task.horizon)
    if forecast.mean.shape != want or forecast.quantiles.shape != (*want, len(task.levels)):
        raise ModelError(f"a forecast must be {want}, but got {forecast.mean.shape} and {forecast.quantiles.shape}")
    if not (np.isfinite(forecast.mean).all() and np.isfinite(forecast.quantiles).all()):
        raise ModelError("a forecast must be finite, but it has NaN or infinite values")
    return forecast.mean, forecast.quantiles
