"""What the user asked of a fit, and what surrounds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autots.metrics import metric
from autots.models.base import DEFAULT_LEVELS, Task
from autots.panel import Panel
from autots.panel.season import detect_seasons
from autots.report.terminal import FitProgress
from autots.search.budget import BudgetPolicy
from autots.search.cluster_start import ClusterStart
from zoo.clock import Deadline
from zoo.interrupt import Interrupt

__all__ = ["FitSettings", "RunContext"]


@dataclass(frozen=True)
class FitSettings:
    """What the user asked for.

    Args:
        horizon: Steps that are forecast.
        budget: Seconds of wall clock.
        metric: The name of what is minimised; ``mase`` by default.
        levels: Quantile levels of the forecast's columns.
        seed: Source of everything random; 0 by default.
        seasons: Season lengths in rows, or None to find them.
        folds: Selection windows, or None to choose.
        workers: Processes, or None for all CPUs of the cluster.
        address: Of a Ray cluster, see ``zoo.cluster.connect``.
        local_fit_seconds: Seconds that fits of models of single series may take together, for each series; no bound by
            default. A panel in shards has many more series than its search sees.
        max_trials: Bound on the number of candidates, for tests; None for no bound.
    """

    horizon: int
    budget: float
    metric: str = "mase"
    levels: tuple[float, ...] = DEFAULT_LEVELS
    seed: int = 0
    seasons: tuple[int, ...] | None = None
    folds: int | None = None
    workers: int | None = None
    address: str | None = None
    local_fit_seconds: float = float("inf")
    max_trials: int | None = field(default=None, repr=False)

    def task(self, panel: Panel) -> Task:
        """Return what is forecast: the usual levels are always computed, beside those that were asked for.

        The calibration needs the outer ones, the point forecast the middle one.
        """
        levels = tuple(sorted({*DEFAULT_LEVELS, *self.levels}))
        return Task(self.horizon, self.seasons or detect_seasons(panel), levels, metric(self.metric).squared)

    def described(self, panel: Panel, task: Task) -> Mapping[str, Any]:
        """Return the settings as the report lists them."""
        return {
            "horizon": self.horizon,
            "metric": self.metric,
            "levels": list(task.levels),
            "seasons": list(task.seasons),
            "freq": panel.freq.alias or f"integer, step {panel.freq.step}",
            "budget_seconds": self.budget,
            "seed": self.seed,
            "workers": self.workers or "all",
        }


@dataclass(frozen=True)
class RunContext:
    """What surrounds one fit.

    Args:
        folder: The run directory, existing.
        deadline: When the fit must be done.
        progress: A display that is told how far it is.
        title: What is forecast, for people.
        resume: Whether a study in the folder is continued.
        interrupt: Ctrl-C, which is armed as soon as there is something to return.
        policy: How the budget is spent.
        slowdown: Seconds that work takes for each second of processor time; 1 by default.
        cluster: Ray, where it was started beside the reading; by default it is not.
    """

    folder: Path
    deadline: Deadline
    progress: FitProgress
    title: str
    resume: bool
    interrupt: Interrupt
    policy: BudgetPolicy = field(default_factory=BudgetPolicy)
    slowdown: float = 1.0
    cluster: ClusterStart = field(default_factory=ClusterStart)

    def said(self, message: str) -> list[str]:
        """Return a message for the report, if there is one, and show it now: it is long until the end of the fit."""
        if message:
            self.progress.message(message)
        return [message] if message else []
