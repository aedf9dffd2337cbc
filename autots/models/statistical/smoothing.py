"""Exponential smoothing of all series at once, averaged over a grid of parameters.

Where an automatic ETS optimises each of thirty models and keeps one, this runs every series through a fixed grid of
them, all paths together in numpy, and averages their forecasts by Akaike weights (Kolassa 2011): no optimiser, no
choice that a few more values would turn over, and a tenth of the time. The recursions are those of ETS with an additive
error (Hyndman et al. 2008, table 2.2); errors relative to the forecast compete with absolute ones in the likelihood.
States at the first row are found by running backwards from the last (backcasting, Box & Jenkins 1976).

Axes: T rows, S series, P paths (a series with one point of the grid), H steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from autots.metrics import unresolved
from autots.models.base import Context, Forecast, Forecaster, State, Task
from autots.models.hyperparameters import Hyperparameters, choice, optional_whole, real, whole
from autots.models.levels import levels_of, without
from autots.models.statistical import adjust
from autots.models.statistical.base import SHORTEST, finished, normal_quantiles
from autots.panel import Floats, Future, Ints, Panel
from zoo.errors import BudgetError, ModelError

__all__ = ["Smoothing", "SmoothingParams"]

# The grid: weights of the level, those of the slope relative to it, damping, those of the season relative to 1 - level.
_LEVELS = (0.02, 0.07, 0.15, 0.3, 0.5, 0.75, 0.95)
_SLOPES = (0.03, 0.15, 0.4)
_DAMPING = (1.0, 0.95, 0.85)
_SEASONS = (0.05, 0.2)
_KINDS = (adjust.NONE, adjust.ADDITIVE, adjust.MULTIPLICATIVE)
# Longest season that has states of its own; longer ones are not modelled.
_LONGEST = 60
# Points of the grid that a series keeps, and the least weight of one relative to its best.
_KEPT = 8
_LEAST = 0.02
# Akaike weights trust one-step errors too much where the model is only nearly right; they are tempered.
_TEMPER = 2.0
# A path whose forecast is so many ranges away from the history does not count.
_FURTHEST = 3.0
# Squared errors below this are none.
_TINY = 1e-300
# Paths that are filtered at once: their states then stay in the processor's cache.
_TOGETHER = 6_000


@dataclass(frozen=True)
class _Points:
    """Points of the grid, or those that P paths have.

    Args:
        kind: Of season, see ``adjust``.
        level: Weight of an error in the level.
        slope: In the slope.
        damping: Of the slope, per row; 0 for none at all.
        season: In the season.
        drift: Whether the slope starts at half of the line through the series, as that of Theta does.
    """

    kind: Ints
    level: Floats
    slope: Floats
    damping: Floats
    season: Floats
    drift: Ints

    @property
    def count(self) -> Ints:
        """Parameters, for Akaike's criterion, without seasonal states."""
        moving = np.where(self.slope > 0, 2 + (self.damping < 1), self.drift)
        return np.asarray(2 + moving + (self.kind > 0))

    def take(self, rows: Any) -> _Points:
        """Return some of them."""
        return _Points(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.kind)


@cache
def _grid(damped: bool) -> _Points:
    """Return the grid, kinds one after the other; with slopes that go on for ever, or only damped ones and drifts."""
    rows = []
    for kind in _KINDS:
        for season in _SEASONS if kind else (0.0,):
            for level in _LEVELS:
                moves = season * (1 - level)
                rows.append((kind, level, 0.0, 0.0, moves, 0))
                rows.append((kind, level, 0.0, 1.0, moves, 1))
                for damping in _DAMPING[damped:]:
                    for slope in _SLOPES:
                        rows.append((kind, level, level * slope, damping, moves, 0))
    return _Points(*(np.array(column) for column in zip(*rows, strict=True)))


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
            BudgetError: The deadline has passed.
        """
        self._task = None
        series = _Series.of(panel, self.params.season or task.season, self.params.max_history)
        self._keep(panel.ids, *self._weighed(series, task.horizon, context), series.level)
        self._task = task
        return self

    def _keep(self, ids: Any, points: _Points, weight: Floats, level: Floats) -> None:
        self._ids, self._points, self._weight, self._level = np.array(ids, dtype=object), points, weight, level
        # The last one where ids repeat, as it is the one fitted on most.
        self._where = {str(id_): i for i, id_ in enumerate(self._ids)}

    def _weighed(self, series: _Series, horizon: int, context: Context) -> tuple[_Points, Floats]:
        """Return the points that every series keeps, (S x _KEPT) of them, and their (S, _KEPT) weights."""
        grid = _grid(self.params.trend == "damped")
        kept, weights = np.zeros((len(series), _KEPT), dtype=np.intp), np.zeros((len(series), _KEPT))
        size = max(1, _TOGETHER // len(grid))
        for begin in range(0, len(series.order), size):
            if context.deadline is not None and context.deadline.remaining < 0:
                raise BudgetError(
                    f"{self.name} must be fitted within its budget, but had {begin} of {len(series)} series",
                    "allow more time, fewer series or a smaller max_history",
                )
            rows = series.order[begin : begin + size]
            of, points = np.repeat(rows, len(grid)), grid.take(np.tile(np.arange(len(grid)), len(rows)))
            with np.errstate(all="ignore"):
                made = _forecast(series, of, points, horizon)
                criterion = made.criterion(self.params.penalty).reshape(len(rows), -1)
            best = np.argsort(criterion, axis=1, kind="stable")[:, :_KEPT]
            least = np.take_along_axis(criterion, best, axis=1)
            good = np.isfinite(least)
            # A row without a single good path keeps no weight.
            surplus = np.where(good, least - np.where(good[:, :1], least[:, :1], 0.0), np.inf)
            weight = np.exp(-0.5 * surplus / _TEMPER)
            weight[weight < _LEAST] = 0.0
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
        series = _Series.of(history, self.params.season or task.season, self.params.max_history, level=level)
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

    def _mixed(self, series: _Series, points: _Points, weight: Floats, horizon: int) -> tuple[Floats, Floats]:
        """Return (S, H) means and deviations of the weighted paths; NaN where there is none."""
        shape = (len(series), horizon)
        mean, square = np.full(shape, np.nan), np.full(shape, np.nan)
        used = series.order[weight[series.order].sum(axis=1) > 0]
        size = max(1, _TOGETHER // _KEPT)
        for begin in range(0, len(used), size):
            rows = used[begin : begin + size]
            of, at = np.repeat(rows, _KEPT), _flat(rows)
            w = weight[rows].ravel()
            of, at, w = of[w > 0], at[w > 0], w[w > 0]
            with np.errstate(all="ignore"):
                made = _forecast(series, of, points.take(at), horizon)
                paths, good = _Paths(of), made.good[:, None]
                share, point = np.where(good, w[:, None], 0.0), np.where(good, made.mean, 0.0)
                total = paths.sums(share)
                mean[rows] = paths.sums(share * point) / total
                square[rows] = paths.sums(share * np.where(good, made.variance + point**2, 0.0)) / total
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
        points = _Points(**{name: np.asarray(state["points"][name]) for name in _Points.__dataclass_fields__})
        level = np.asarray(state.get("level", np.zeros(len(state["ids"]))))
        self._keep(state["ids"], points, np.asarray(state["weight"]), level)
        return self


def _flat(rows: Ints) -> Ints:
    """Return the places of all points that some series keep."""
    return np.asarray((rows[:, None] * _KEPT + np.arange(_KEPT)).ravel())


@dataclass(frozen=True)
class _Series:
    """Histories in one matrix, their ends together.

    Args:
        y: (T, S) values, NaN before a series begins.
        begin: (S,) first row of each.
        low: (S,) least value.
        high: (S,) greatest value.
        season: Rows of a season, 1 for none.
        order: Series that can be filtered, longest first.
        level: (S,) levels that were taken off.
    """

    y: Floats
    begin: Ints
    low: Floats
    high: Floats
    season: int
    order: Ints
    level: Floats

    @classmethod
    def of(cls, panel: Panel, season: int, most: int, *, level: Floats | None = None) -> _Series:
        """Lay out the last rows of a panel; where a ``level`` is NaN, it is chosen."""
        panel = panel.tail(most)
        own = levels_of(panel)
        level = own if level is None else np.where(np.isnan(level), own, level)
        size = np.maximum.reduceat(np.abs(panel.filled()), panel.indptr[:-1])
        lengths, filled = panel.lengths, without(panel.filled(), panel, level)
        rows = int(lengths.max())
        y, begin = np.full((rows, panel.n_series), np.nan), rows - lengths
        of = np.repeat(np.arange(panel.n_series), lengths)
        y[begin[of] + np.arange(len(filled)) - panel.indptr[of], of] = filled
        observed = np.add.reduceat(np.isfinite(panel.y).astype(np.int64), panel.indptr[:-1])
        low, high = (f.reduceat(filled, panel.indptr[:-1]) for f in (np.minimum, np.maximum))
        flat = ~(high - low > unresolved(size))
        order = np.argsort(begin, kind="stable")
        order = order[~(flat | (observed < SHORTEST))[order]]
        return cls(y, begin, low, high, season if season <= _LONGEST else 1, order, level)

    def only(self, rows: Ints) -> _Series:
        """Return the same matrix of which only some series are filtered."""
        return replace(self, order=self.order[np.isin(self.order, rows)])

    def values(self, row: int) -> Floats:
        """Return the values of one series."""
        return np.ascontiguousarray(self.y[self.begin[row] :, row])

    @cached_property
    def line(self) -> Floats:
        """(S,) slopes of the lines through the series that can be filtered."""
        slope = np.full(len(self), np.nan)
        for row in self.order.tolist():
            y = self.values(row)
            t = np.arange(len(y)) - (len(y) - 1) / 2
            slope[row] = (t * y).sum() / (t * t).sum()
        return slope

    def __len__(self) -> int:
        return len(self.begin)


class _Paths:
    """P paths, those of one series after each other.

    Args:
        of: (P,) the series that each path sees, those that begin first in front.
    """

    def __init__(self, of: Ints) -> None:
        self.of = of
        self._first = np.flatnonzero(np.r_[True, of[1:] != of[:-1]])
        self._many = np.diff(np.r_[self._first, len(of)])

    @property
    def series(self) -> Ints:
        """Each series once."""
        return self.of[self._first]

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (..., P) values of (..., S) ones."""
        return np.repeat(values, self._many, axis=-1)

    def sums(self, values: Floats) -> Floats:
        """Return the (S, ...) sums of (P, ...) values."""
        return np.asarray(np.add.reduceat(values, self._first, axis=0))


@dataclass(frozen=True)
class _Made:
    """What P paths gave: (P, H) means and variances, (P,) -2 log likelihoods, numbers of parameters and of values."""

    mean: Floats
    variance: Floats
    deviance: Floats
    count: Ints
    rows: Ints
    good: Any

    def criterion(self, penalty: float) -> Floats:
        """Return (P,) corrected Akaike criteria, infinite for paths that came to nothing."""
        k, n = self.count, self.rows
        paid = 2 * k + 2 * k * (k + 1) / np.maximum(n - k - 1, 1)
        return np.where(self.good & np.isfinite(self.deviance), self.deviance + penalty * paid, np.inf)


def _forecast(series: _Series, of: Ints, points: _Points, horizon: int) -> _Made:
    """Filter P paths and forecast from their ends.

    Args:
        series: The histories.
        of: (P,) which of them each path sees, those that begin first in front.
        points: P of them.
        horizon: Steps H.
    """
    rows = len(series.y) - series.begin[of]
    seasonal = (series.season > 1) & (rows >= 2 * series.season + 2)
    possible = {adjust.NONE: True, adjust.ADDITIVE: seasonal, adjust.MULTIPLICATIVE: seasonal & (series.low[of] > 0)}
    mean, variance = np.full((len(of), horizon), np.nan), np.full((len(of), horizon), np.nan)
    deviance = np.full(len(of), np.inf)
    for kind in _KINDS:
        at = np.flatnonzero((points.kind == kind) & possible[kind])
        if len(at):
            mean[at], variance[at], deviance[at] = _of_kind(series, of[at], points.take(at), kind, horizon)
    good = np.isfinite(mean).all(axis=1) & np.isfinite(variance).all(axis=1)
    count = points.count + np.where(points.kind > 0, series.season, 0) + 1
    return _Made(mean, variance, deviance, count, rows, good)


def _of_kind(series: _Series, of: Ints, points: _Points, kind: int, horizon: int) -> tuple[Floats, Floats, Floats]:
    """Return (P, H) means and variances and (P,) deviances of paths with one kind of season."""
    paths, total, m = _Paths(of), len(series.y), series.season if kind else 1
    begin, y = series.begin[of], series.y[:, paths.series]
    active, rows = np.searchsorted(begin, np.arange(total), side="right"), total - begin
    level, season = (paths.spread(part) for part in _ends(series, paths.series, kind, m))
    # Of the line through all rows: half of it is Theta's drift, all of it where a slope never fades.
    slope = -series.line[of] * np.where(points.drift == 1, 0.5, (points.slope > 0) & (points.damping == 1))
    states = (level, slope, season)
    _run(series.y, of, points, kind, active, states, range(total - 1, -1, -1), None)
    slope *= -1.0
    errors = np.zeros((2, len(of)))
    _run(series.y, of, points, kind, active, states, range(total), errors)
    low, high = series.low[of], series.high[of]
    logs = paths.spread(np.log(np.where(y > 0, y, 1.0)).sum(axis=0))
    mean_square, relative = errors / rows
    deviance = rows * np.log(np.maximum(mean_square, _TINY))
    # Errors in proportion to the forecast compete with those of one size.
    other = np.where(low > 0, rows * np.log(np.maximum(relative, _TINY)) + 2 * logs, np.inf)
    proportional = other < deviance
    mean, variance = np.empty((len(of), horizon)), np.empty((len(of), horizon))
    spread = np.where(proportional, relative, mean_square) * rows / np.maximum(rows - 3, 1)
    # Class 1 of Hyndman et al. (2008, table 6.2): the variance grows with the weight of past errors in a later value.
    grown, summed = np.ones(len(of)), np.zeros(len(of))
    for step in range(horizon):
        slope = points.damping * slope
        level = level + slope
        point = _seasoned(level, season[(total + step) % m], kind)
        mean[:, step] = point
        variance[:, step] = spread * grown * np.where(proportional, point**2, 1.0)
        summed = points.damping * (summed + 1.0)
        weight = points.level + points.slope * summed + (points.season if kind and (step + 1) % m == 0 else 0.0)
        grown = grown + weight**2
    width = _FURTHEST * np.maximum(high - low, 0.5 * np.maximum(np.abs(low), np.abs(high)))
    far = (mean < (low - width)[:, None]) | (mean > (high + width)[:, None])
    mean[far.any(axis=1)] = np.nan
    return mean, variance, np.where(proportional, other, deviance)


def _seasoned(level: Floats, season: Floats, kind: int) -> Floats:
    if kind == adjust.NONE:
        return level
    return level + season if kind == adjust.ADDITIVE else level * season


def _ends(series: _Series, rows: Ints, kind: int, m: int) -> tuple[Floats, Floats]:
    """Return (S,) levels and (m, S) seasons from which the run backwards begins."""
    level, season = np.empty(len(rows)), np.zeros((m, len(rows)))
    for i, row in enumerate(rows.tolist()):
        y = series.values(row)
        level[i] = y[-max(1, min(m if m > 1 else 4, len(y) // 2)) :].mean()
        if kind:
            season[:, i] = adjust.seasonal_factors(y, m, kind)[(np.arange(m) - series.begin[row]) % m]
    return level, season


def _run(
    y: Floats,
    of: Ints,
    points: _Points,
    kind: int,
    active: Ints,
    states: tuple[Floats, Floats, Floats],
    columns: Iterable[int],
    errors: Floats | None,
) -> None:
    """Let the states of P paths go through some rows, in place.

    Args:
        y: (T, S) values.
        of: (P,) series of each path, those that begin first in front.
        points: P of them.
        kind: Of season.
        active: (T,) paths that have begun at each row.
        states: (P,) levels, (P,) slopes, (m, P) seasons.
        columns: The rows, in the order in which they are seen.
        errors: (2, P) sums of squared errors, absolute and relative, that are added to.
    """
    level, slope, season = states
    for t in columns:
        n = active[t]
        moves = points.damping[:n] * slope[:n]
        base, phase = level[:n] + moves, season[t % len(season), :n]
        made = _seasoned(base, phase, kind)
        error = y[t][of[:n]] - made
        shift = error
        if kind == adjust.ADDITIVE:
            phase += points.season[:n] * error
        elif kind == adjust.MULTIPLICATIVE:
            shift = error / phase
            phase += points.season[:n] * error / base
        level[:n] = base + points.level[:n] * shift
        slope[:n] = moves + points.slope[:n] * shift
        if errors is not None:
            errors[0, :n] += error * error
            errors[1, :n] += (error / made) ** 2
