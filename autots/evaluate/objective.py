"""The score that a search minimises, on the windows that may choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from autots.evaluate.backtest import Backtest, Targets
from autots.evaluate.cutoffs import BacktestPlan
from autots.metrics import METRICS, ForecastMetric, coverage
from autots.models.base import Task
from autots.panel import Floats

__all__ = ["Objective", "Part"]

#: Which windows: those that choose, those that no choice sees, or all.
Part = Literal["selection", "final", "all"]


@dataclass(frozen=True)
class Objective:
    """Scores backtests of one plan.

    Args:
        metric: The score that is minimised.
        plan: The windows that all candidates share.
        targets: What came after each cutoff, with the scales.
        task: Horizon, seasons and quantile levels.
    """

    metric: ForecastMetric
    plan: BacktestPlan
    targets: Targets
    task: Task

    def windows(self, part: Part) -> slice:
        """Return the windows of a part; all of them choose where none could be spared."""
        n = self.plan.n_selection
        if part == "all" or n == len(self.plan.cutoffs):
            return slice(None)
        return slice(0, n) if part == "selection" else slice(n, None)

    @property
    def has_final(self) -> bool:
        """Whether there are windows that no choice sees."""
        return self.plan.n_selection < len(self.plan.cutoffs)

    def point(self, mean: Floats, quantiles: Floats) -> Floats:
        """Return the point forecast that the metric rewards: the mean, or the median."""
        return mean if self.metric.squared else quantiles[..., self.task.levels.index(0.5)]

    def value(self, backtest: Backtest, part: Part = "selection", rows: npt.NDArray[np.intp] | None = None) -> float:
        """Return the metric of a backtest (as people read it), on some series or all."""
        at = self.windows(part)
        return self.score(self.metric, backtest.mean[at], backtest.quantiles[at], part, rows)

    def score(
        self,
        metric: ForecastMetric,
        mean: Floats,
        quantiles: Floats,
        part: Part,
        rows: npt.NDArray[np.intp] | None = None,
    ) -> float:
        """Return a metric of (K', S, H) means and (K', S, H, Q) quantiles, as backtests keep them, of a part."""
        at = self.windows(part)
        actual, scale, above = self.targets.actual[at], self.targets.scale[at], self.targets.above(at)
        if rows is not None:
            actual, scale, above = actual[:, rows], scale[:, rows], self.targets.above(at, rows)
        h = actual.shape[-1]
        point = self._raised(self.point(mean, quantiles), above).reshape(-1, h)
        flat = self._raised(quantiles, above[..., None]).reshape(-1, h, quantiles.shape[-1])
        return metric.report(metric.sums(actual.reshape(-1, h), point, flat, self.task.levels, scale.reshape(-1)))

    def scores(self, mean: Floats, quantiles: Floats, part: Part) -> dict[str, float]:
        """Return all metrics by name."""
        return {name: self.score(one, mean, quantiles, part) for name, one in METRICS.items()}

    def covered(self, quantiles: Floats, part: Part) -> dict[str, float]:
        """Return nominal -> observed coverage of quantiles as backtests keep them."""
        at = self.windows(part)
        return coverage(self.targets.actual[at], self.whole(quantiles, at), self.task.levels)

    def whole(
        self,
        kept: npt.NDArray[np.floating[Any]],
        at: slice = slice(None),
        rows: npt.NDArray[np.intp] | None = None,
    ) -> Floats:
        """Return (K', S', H) points or (K', S', H, Q) quantiles with the offsets that a backtest keeps them without.

        Args:
            kept: Of some windows and series.
            at: The windows that they are of.
            rows: The series that they are of; None for all.
        """
        above = self.targets.above(at) if rows is None else self.targets.above(at, rows)
        return self._raised(kept, above if kept.ndim == 3 else above[..., None])

    def _raised(self, kept: npt.NDArray[np.floating[Any]], above: Floats) -> Floats:
        kept = np.asarray(kept, dtype=np.float64)
        return kept if self.targets.offset is None else kept + above

    @property
    def middle(self) -> int:
        """Position of the level 0.5."""
        return self.task.levels.index(0.5)

    @cached_property
    def zero_share(self) -> float:
        """Share of zeros among the known targets."""
        known = self.targets.actual[~np.isnan(self.targets.actual)]
        return float((known == 0).mean()) if len(known) else 0.0

    @cached_property
    def needs_quantiles(self) -> bool:
        """Whether the metric looks at the quantiles."""
        return self.metric.probabilistic

    def stack(
        self, backtests: list[Backtest], part: Part, enough: int
    ) -> tuple[list[Floats], Callable[[Floats], float]]:
        """Return each member's forecasts as one array, and the loss of an average of such, for ``greedy_weights``.

        They are without their offsets, which every average with weights that sum to one shares. Panels of more than
        ``enough`` targets are thinned to evenly spaced series.
        """
        at = self.windows(part)
        actual, scale = self.targets.actual[at], self.targets.scale[at]
        k, s, h = actual.shape
        step = max(1, (k * s * h) // enough)
        actual, scale = actual[:, ::step].reshape(-1, h), scale[:, ::step].reshape(-1)
        members: list[Floats] = []
        for one in backtests:
            if self.needs_quantiles:
                members.append(one.quantiles[at][:, ::step].reshape(-1, h, len(self.task.levels)).astype(np.float64))
            else:
                point = self.point(one.mean[at][:, ::step], one.quantiles[at][:, ::step])
                members.append(np.asarray(point, dtype=np.float64).reshape(-1, h))
        empty = np.empty((0,))
        above = np.broadcast_to(self.targets.above(at), (k, s, 1))[:, ::step].reshape(-1, 1)
        above = above[..., None] if self.needs_quantiles else above

        def loss(forecast: Floats) -> float:
            forecast = forecast if self.targets.offset is None else forecast + above
            quantiles = forecast if self.needs_quantiles else empty
            return self.metric.sums(actual, forecast, quantiles, self.task.levels, scale).value

        return members, loss
