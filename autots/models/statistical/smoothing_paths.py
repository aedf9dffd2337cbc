"""Exponential smoothing of many series by many parameters at once: the grid, the recursion, its forecasts.

Every series runs through each point of a fixed grid, all paths together in numpy. The recursions are those of ETS with
an additive error (Hyndman et al. 2008, table 2.2); errors relative to the forecast compete with absolute ones in the
likelihood. States at the first row are found by running backwards from the last (backcasting, Box & Jenkins 1976).

Axes: T rows, S series, P paths (a series with one point of the grid), H steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.metrics import unresolved
from autots.models.level_removal import levels_of, without
from autots.models.statistical import adjust
from autots.models.statistical.base import SHORTEST
from autots.panel import Floats, Ints, Panel

__all__ = ["AlignedSeries", "GridPoints", "PathForecasts", "PathGroups", "forecast_paths", "parameter_grid"]

# The grid: weights of the level, those of the slope relative to it, damping, those of the season relative to 1 - level.
_LEVELS = (0.02, 0.07, 0.15, 0.3, 0.5, 0.75, 0.95)
_SLOPES = (0.03, 0.15, 0.4)
_DAMPING = (1.0, 0.95, 0.85)
_SEASONS = (0.05, 0.2)
_KINDS = (adjust.NONE, adjust.ADDITIVE, adjust.MULTIPLICATIVE)
# Rows of the longest season that has states of its own; longer ones are not modelled.
_MAX_SEASON = 60
# A path whose forecast is so many ranges away from the history does not count.
_FURTHEST = 3.0
# Squared errors below this are none.
_TINY = 1e-300


@dataclass(frozen=True)
class GridPoints:
    """Points of the grid, or those that P paths have.

    Args:
        kind: Of season, see ``adjust``.
        level: Weight of an error in the level.
        slope: Weight of an error in the slope.
        damping: Of the slope, per row; 0 for none at all.
        season: Weight of an error in the season.
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

    def take(self, rows: Any) -> GridPoints:
        """Return some of them."""
        return GridPoints(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.kind)


@cache
def parameter_grid(damped: bool) -> GridPoints:
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
    return GridPoints(*(np.array(column) for column in zip(*rows, strict=True)))


@dataclass(frozen=True)
class AlignedSeries:
    """Histories in one matrix, their ends together.

    Args:
        y: (T, S) values, NaN before a series begins.
        begin: (S,) first row of each.
        low: (S,) least value of each.
        high: (S,) greatest value of each.
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
    def of(cls, panel: Panel, season: int, max_rows: int, *, level: Floats | None = None) -> AlignedSeries:
        """Lay out the last rows of a panel; where a ``level`` is NaN, it is chosen."""
        panel = panel.tail(max_rows)
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
        return cls(y, begin, low, high, season if season <= _MAX_SEASON else 1, order, level)

    def only(self, rows: Ints) -> AlignedSeries:
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


class PathGroups:
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

    def of_paths(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (..., P) values of (..., S) ones."""
        return np.repeat(values, self._many, axis=-1)

    def sums(self, values: Floats) -> Floats:
        """Return the (S, ...) sums of (P, ...) values."""
        return np.asarray(np.add.reduceat(values, self._first, axis=0))


@dataclass(frozen=True)
class PathForecasts:
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


def forecast_paths(series: AlignedSeries, of: Ints, points: GridPoints, horizon: int) -> PathForecasts:
    """Filter P paths and forecast from their ends.

    Args:
        series: The histories that are filtered.
        of: (P,) which of them each path sees, those that begin first in front.
        points: The P points of the grid that the paths have.
        horizon: Steps H to forecast from the ends.
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
    return PathForecasts(mean, variance, deviance, count, rows, good)


def _of_kind(
    series: AlignedSeries, of: Ints, points: GridPoints, kind: int, horizon: int
) -> tuple[Floats, Floats, Floats]:
    """Return (P, H) means and variances and (P,) deviances of paths with one kind of season."""
    paths, total, m = PathGroups(of), len(series.y), series.season if kind else 1
    begin, y = series.begin[of], series.y[:, paths.series]
    active, rows = np.searchsorted(begin, np.arange(total), side="right"), total - begin
    level, season = (paths.of_paths(part) for part in _ends(series, paths.series, kind, m))
    # Of the line through all rows: half of it is Theta's drift, all of it where a slope never fades.
    slope = -series.line[of] * np.where(points.drift == 1, 0.5, (points.slope > 0) & (points.damping == 1))
    states = (level, slope, season)
    _run(series.y, of, points, kind, active, states, range(total - 1, -1, -1), None)
    slope *= -1.0
    errors = np.zeros((2, len(of)))
    _run(series.y, of, points, kind, active, states, range(total), errors)
    low, high = series.low[of], series.high[of]
    logs = paths.of_paths(np.log(np.where(y > 0, y, 1.0)).sum(axis=0))
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


def _ends(series: AlignedSeries, rows: Ints, kind: int, m: int) -> tuple[Floats, Floats]:
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
    points: GridPoints,
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
