"""One candidate on the shared cutoffs: out-of-fold forecasts, kept for everything that follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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

__all__ = ["Backtest", "Targets", "backtest", "backtest_series", "targets_of"]

# Rows of history that are forecast from at once.
_BATCH_ROWS = 2_000_000
# Windows from which on a local model forecasts the first of them alone.
_MANY_WINDOWS = 10
# Seconds behind its deadline at which a backtest is given up in its forecasts, and times the time left that they may be
# expected to take.
_GRACE, _OVERRUN_RATIO = 1.5, 1.5
# Seconds more that the first series of a model of single series is given: it may have to compile what it runs.
_COMPILING = 6.0
# Part of the time left that a block of series is planned for.
_BLOCK_HEADROOM = 0.8

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
        progress: Share of the planned work that was done, in (0, 1]: below 1 where the time ended it. A model of single
            series then has forecasts of some series, another one has learned less than it could have.
        rows: The series that were reached, by position; None for all.
    """

    mean: Float32s
    quantiles: Float32s
    fit_seconds: float
    predict_seconds: float
    state: State | None = None
    fits: int = 1
    progress: float = 1.0
    rows: Ints | None = None

    def of_series(self, rows: Ints) -> Backtest:
        """Return the forecasts of some series by their positions, without the state."""
        return Backtest(self.mean[:, rows], self.quantiles[:, rows], self.fit_seconds, self.predict_seconds)

    def completed_by(self, other: Backtest) -> Backtest:
        """Return the same with another one's forecasts of the series that were not reached."""
        if self.rows is None:
            return self
        mean, quantiles = other.mean.copy(), other.quantiles.copy()
        mean[:, self.rows], quantiles[:, self.rows] = self.mean[:, self.rows], self.quantiles[:, self.rows]
        return replace(self, mean=mean, quantiles=quantiles)

    def with_part(self, part: Backtest, rows: Ints) -> Backtest:
        """Return this one and what another one reached of some series, which are among all by the positions ``rows``.

        Args:
            part: A backtest of ``len(rows)`` series, of which some may not have been reached.
            rows: Positions of its series among those of this one.
        """
        done = rows if part.rows is None else rows[part.rows]
        at = slice(None) if part.rows is None else part.rows
        mean, quantiles = self.mean.copy(), self.quantiles.copy()
        mean[:, done], quantiles[:, done] = part.mean[:, at], part.quantiles[:, at]
        every = self.mean.shape[1]
        before = np.arange(0) if self.rows is None else self.rows
        reached = np.union1d(before, done).astype(np.int64)
        whole = len(reached) == every
        return Backtest(
            mean,
            quantiles,
            self.fit_seconds + part.fit_seconds,
            self.predict_seconds + part.predict_seconds,
            part.state,
            part.fits,
            1.0 if whole else len(reached) / every,
            None if whole else reached,
        )

    @classmethod
    def nothing(cls, plan: BacktestPlan, n_series: int, n_levels: int) -> Backtest:
        """Return a backtest that has reached no series yet."""
        return cls(*_nothing(plan, n_series, n_levels), 0.0, 0.0, rows=np.arange(0))


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


def _nothing(plan: BacktestPlan, n_series: int, n_levels: int) -> tuple[Float32s, Float32s]:
    """Return means and quantiles that are all missing."""
    shape = (len(plan.cutoffs), n_series, plan.horizon)
    return np.full(shape, np.nan, dtype=np.float32), np.full((*shape, n_levels), np.nan, dtype=np.float32)


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
    predict_share: float = 0.25,
) -> Backtest:
    """Fit and forecast a candidate on every window of the plan.

    Each fit is given its part of the time left.

    Args:
        create: Makes a fresh, unfitted forecaster.
        panel: All rows; nothing behind a cutoff reaches the candidate.
        plan: The cutoffs that all candidates share.
        task: Horizon, seasons and levels.
        context: Chance, time and cores.
        progress: Called with the number of windows done.
        keep_state: Whether the result has the state of the last fit.
        predict_share: Part of the time left that is kept for the forecasts, from 0 to 1.

    Raises:
        ModelError: A forecast is not finite or has the wrong shape.
        BudgetError: The deadline passed long before all windows were forecast.
    """
    mean, quantiles = _nothing(plan, panel.n_series, len(task.levels))
    offset, middle = offsets_of(panel, plan.cutoffs), task.levels.index(0.5)
    fit_seconds = predict_seconds = 0.0
    shares: list[float] = []
    done = 0
    for fit_at, windows in plan.groups:
        history, _, _ = panel.cutoff(fit_at, plan.horizon)
        started = time.perf_counter()
        part = context.part((1.0 - predict_share) / (len(plan.groups) - len(shares)))
        model = fit_local(create(), history, task, replace(part, history=(fit_at, part.history)))
        fit_seconds += time.perf_counter() - started
        shares.append(model.progress)
        for batch in _batches(panel, windows, first=1 if model.local and len(windows) > _MANY_WINDOWS else None):
            _check_time(context)
            rows, at, known, future = _histories(panel, batch, plan.horizon)
            begin = time.perf_counter(), time.process_time()
            forecast = predict_local(model, known, future, plan.horizon)
            took, used = time.perf_counter() - begin[0], time.process_time() - begin[1]
            # On a busy machine a forecast waits for its core: that must not make a good member look slow.
            predict_seconds += min(took, used)
            if model.local:
                _check_time(context, took / len(batch) * (len(plan.cutoffs) - done - len(batch)))
            where = np.searchsorted(-np.asarray(plan.cutoffs), -np.asarray(batch))[at]
            made = ConstantSeries.of(known, task).apply(*checked(forecast, len(rows), task), middle)
            above = offset[where, rows][:, None]
            mean[where, rows], quantiles[where, rows] = made[0] - above, made[1] - above[..., None]
            done += len(batch)
            if progress is not None:
                progress(done)
    state, share = model.state() if keep_state else None, float(np.mean(shares))
    return Backtest(mean, quantiles, fit_seconds, predict_seconds, state, len(plan.fits), share)


def backtest_series(
    create: Callable[[], Forecaster],
    panel: Panel,
    plan: BacktestPlan,
    task: Task,
    context: Context,
    *,
    keep_state: bool = False,
) -> Backtest:
    """Backtest a model of single series, block after block of them, until the time is over.

    The series come in an order that is spread over the panel, so that what was reached is a sample of it. Blocks grow
    with what the former ones took, so that a block is never long and their number stays small.

    Args:
        create: Makes a fresh, unfitted forecaster.
        panel: All rows of the series that are wanted.
        plan: The cutoffs that all candidates share.
        task: Horizon, seasons and levels.
        context: Chance, time and cores.
        keep_state: Whether the result has the state of the last fit of the series that were reached.

    Returns:
        Forecasts that are NaN for series that were not reached; the seconds are those of the series that were.

    Raises:
        ModelError: A forecast is not finite or has the wrong shape.
        BudgetError: The deadline passed before the first series was done.
    """
    count, order = panel.n_series, _spread_order(panel.n_series)
    mean, quantiles = _nothing(plan, count, len(task.levels))
    blocks: list[Backtest] = []
    reached: list[Ints] = []
    done, size = 0, count if context.deadline is None else 1
    while done < count and size > 0:
        rows = np.sort(order[done : done + size])
        started = 0.0 if context.deadline is None else context.deadline.elapsed
        try:
            given = context if blocks else _longer(context, _COMPILING)
            one = backtest(create, panel.select(rows), plan, task, given, keep_state=keep_state)
        except BudgetError:
            if not blocks:
                raise
            break
        mean[:, rows], quantiles[:, rows] = one.mean, one.quantiles
        blocks.append(one)
        reached.append(rows)
        done += size
        if context.deadline is not None:
            took = context.deadline.elapsed - started
            affordable = int(_BLOCK_HEADROOM * context.deadline.remaining / max(took / size, 1e-9))
            # The first one's time may be that of compiling: the second one is tried all the same.
            size = min(2 * size, max(affordable, int(done == 1 and context.deadline.remaining > 0)))
    state = type(create()).joined([b.state or {} for b in blocks]) if keep_state else None
    fit, predict = sum(b.fit_seconds for b in blocks), sum(b.predict_seconds for b in blocks)
    rows_done = None if done == count else np.sort(np.concatenate(reached))
    return Backtest(mean, quantiles, fit, predict, state, len(plan.fits), done / count, rows_done)


def _longer(context: Context, seconds: float) -> Context:
    """Return a context with so many seconds more."""
    deadline = context.deadline
    return (
        context if deadline is None else replace(context, deadline=replace(deadline, budget=deadline.budget + seconds))
    )


def _spread_order(count: int) -> Ints:
    """Return 0..count-1 in an order whose every beginning is spread over all of them (van der Corput's sequence)."""
    bits = max(int(count - 1).bit_length(), 1)
    places = np.arange(2**bits)
    turned = np.zeros_like(places)
    for bit in range(bits):
        turned |= ((places >> bit) & 1) << (bits - 1 - bit)
    return turned[turned < count]


def _check_time(context: Context, expected: float = 0.0) -> None:
    """Raise a BudgetError where the time is over, or ``expected`` seconds more are far more than what is left."""
    if context.deadline is None:
        return
    # What was learned is worth a moment more: a fit that ended late would have been for nothing.
    left = context.deadline.remaining + _GRACE
    if expected > _OVERRUN_RATIO * max(left, 0.0) and expected > 0:
        raise BudgetError(f"its forecasts of all windows would take about {expected:.0f} s")
    if left <= 0:
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
