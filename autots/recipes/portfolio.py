"""Configurations that are known to be good, cheap before dear, for the kind of panel at hand.

The lists were chosen on backtest windows of public sets of several frequencies, never on their test windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autots.models.base import Task
from autots.panel import Panel
from autots.panel.season import usual_length

__all__ = ["Configuration", "Portfolio", "baselines", "portfolio"]

# Share of zeros from which demand counts as intermittent (Syntetos & Boylan's cut is an interval of 1.32, a quarter).
_INTERMITTENT = 0.25
# Families that learn over all series, and so can learn more with more hyper-parameters.
_LEARNERS = ("trees_direct", "trees_recursive", "linear_direct", "mlp", "rvfl")
# Long series that are so few are forecast well step by step; many shorter ones are not (M4 hourly: .89 against .70).
_FEW = 100
# Rows from which a seasonal panel is long, and below which (the second) a panel is small for trees.
_MANY_ROWS, _SMALL_TREES_ROWS = 100_000, 20_000
# Series up to which SARIMAX is worth its seconds.
_FEW_SARIMAX = 20
# Seconds from which a large panel gets large trees.
_LONG_BUDGET = 180.0


@dataclass(frozen=True)
class Configuration:
    """A family with hyper-parameters.

    Args:
        family: The name of its class in the catalog of models.
        params: Hyper-parameters that differ from the family's defaults; none by default.
    """

    family: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Portfolio:
    """What a search begins with.

    Args:
        configurations: In the order in which they are tried.
        searched: Families that the Bayesian search goes on with.
        fixed: Family -> hyper-parameters that the size of the panel and the budget decide; those of a configuration go
            before them.
    """

    configurations: tuple[Configuration, ...]
    searched: tuple[str, ...]
    fixed: Mapping[str, Mapping[str, Any]]


def zero_share(panel: Panel) -> float:
    """Return the share of zeros among the known targets."""
    known = panel.y[~np.isnan(panel.y)]
    return float((known == 0).mean()) if len(known) else 0.0


def baselines(panel: Panel, task: Task) -> tuple[Configuration, ...]:
    """Return the trivial forecasters that belong into every search; seasonal naive comes first."""
    usual = usual_length(panel.lengths, 2 * max(task.seasons))
    out = [Configuration("seasonal_naive")]
    out += [Configuration("seasonal_naive", {"season": m}) for m in task.seasons[1:] if 2 * m <= usual]
    out += [Configuration("naive"), Configuration("drift"), Configuration("mean"), Configuration("zero")]
    if task.season > 1:
        out.append(Configuration("seasonal_mean"))
    if zero_share(panel) > _INTERMITTENT:
        out.append(Configuration("empirical"))
    return tuple(out)


def portfolio(panel: Panel, task: Task, *, seconds: float) -> Portfolio:
    """Return the configurations to begin with.

    Args:
        panel: The series, with all rows that the fit looks at.
        task: Horizon, seasons and quantile levels.
        seconds: The budget; it decides on the sizes of the learners.
    """
    learned = usual_length(panel.lengths, 2 * max(task.seasons)) > task.horizon + 3
    variants = _Variants(panel, _tree_size(panel.n_rows, seconds))
    if zero_share(panel) > _INTERMITTENT:
        order = _intermittent(variants)
    elif panel.n_rows >= _MANY_ROWS and task.season > 1:
        order = _long_seasonal(variants, few=panel.n_series <= _FEW)
    else:
        order = _ordinary(variants, seasonal=task.season > 1, few=bool(panel.known) and panel.n_series <= _FEW_SARIMAX)
    if not learned:
        order = [c for c in order if c.family not in _LEARNERS]
    # Without positive targets a configuration and its logarithmic twin are one.
    different = tuple(c for i, c in enumerate(order) if c not in order[:i])
    return Portfolio(different, _LEARNERS if learned else (), _fixed(panel, task, seconds))


class _Variants:
    """The learners' configurations, by how targets are normed; logarithms only where all targets are positive."""

    def __init__(self, panel: Panel, size: Mapping[str, Any]) -> None:
        self._size = size
        self._recursive_size = {} if panel.n_rows >= _SMALL_TREES_ROWS else size
        self._positive = bool((panel.y[~np.isnan(panel.y)] > 0).all())

    def trees(self, norm: str, *, linear: bool = True, weighted: bool = False, log: bool = False) -> Configuration:
        chosen = {"norm": norm, "linear": linear, "weighted": weighted, "log": log and self._positive}
        return Configuration("trees_direct", {**chosen, **self._size})

    def recursive(self, norm: str) -> Configuration:
        return Configuration("trees_recursive", {"norm": norm, **self._recursive_size})

    def linear(self, norm: str, *, weighted: bool = True, log: bool = False) -> Configuration:
        return Configuration("linear_direct", {"norm": norm, "weighted": weighted, "log": log and self._positive})

    def network(self, norm: str, *, log: bool = True) -> Configuration:
        return Configuration("mlp", {"norm": norm, "log": log and self._positive})

    def random_features(self, norm: str, *, log: bool = False) -> Configuration:
        return Configuration("rvfl", {"norm": norm, "log": log and self._positive})


_THETA, _STANDARD_THETA = (
    Configuration("auto_theta", {"method": "DOTM"}),
    Configuration("auto_theta", {"method": "STM"}),
)
_ETS, _QUICK_ETS = Configuration("auto_ets", {"model": "ZZZ"}), Configuration("auto_ets", {"model": "ANZ"})
_SMOOTH, _DAMPED = Configuration("smoothing"), Configuration("smoothing", {"trend": "damped", "penalty": 1.0})
_ARIMA, _CES, _MSTL = Configuration("auto_arima"), Configuration("auto_ces"), Configuration("mstl")


def _intermittent(v: _Variants) -> list[Configuration]:
    """Return what is tried on demand with many zeros."""
    order = [v.trees("mean", linear=False, weighted=True), v.trees("mean", linear=False), v.recursive("mean")]
    order += [Configuration("tsb"), Configuration("croston"), Configuration("empirical", {"window": 12})]
    order += [v.linear("mean"), _DAMPED, Configuration("adida"), v.trees("mean", weighted=True)]
    order += [v.trees("last", linear=False), Configuration("imapa")]
    return [*order, Configuration("croston", {"variant": "optimized"}), v.recursive("standard")]


def _long_seasonal(v: _Variants, *, few: bool) -> list[Configuration]:
    """Return what is tried on long panels with a season; step by step early where the series are few."""
    order = [v.linear("standard"), v.trees("standard"), _SMOOTH, v.trees("mean", linear=False)]
    order += [v.recursive("standard")] if few else []
    order += [v.trees("last", log=True), v.network("last"), v.random_features("standard"), v.trees("mean")]
    order += [v.trees("standard", linear=False), _THETA, v.linear("standard", log=True), v.recursive("standard")]
    order += [v.trees("last"), v.network("standard", log=False)]
    order += [v.random_features("last", log=True), v.trees("standard", weighted=True), _MSTL, _CES]
    order += [v.network("standard"), v.trees("standard", log=True), v.recursive("mean")]
    order += [v.trees("last", weighted=True), v.linear("mean"), v.trees("mean", weighted=True)]
    return [*order, _QUICK_ETS, _STANDARD_THETA, _ARIMA]


def _ordinary(v: _Variants, *, seasonal: bool, few: bool) -> list[Configuration]:
    """Return what is tried on all other panels; ``few`` series with known covariates can pay for SARIMAX."""
    order = [v.linear("last", weighted=False), _SMOOTH, v.linear("standard", log=True), _DAMPED, _THETA]
    order += [v.recursive("last"), v.network("last"), v.random_features("standard"), v.trees("last", log=True)]
    order += [_MSTL] if seasonal else []
    order += [v.trees("mean"), v.network("standard"), _QUICK_ETS, v.random_features("last", log=True)]
    order += [v.trees("last"), v.network("last", log=False), _CES, _STANDARD_THETA]
    order += [Configuration("sarimax")] if few else []
    order += [_ETS, v.trees("standard"), v.recursive("standard"), v.trees("mean", linear=False, weighted=True)]
    order += [v.linear("mean"), v.trees("standard", log=True), _ARIMA, v.trees("last", weighted=True)]
    return [*order, v.trees("standard", linear=False), v.trees("mean", linear=False), v.recursive("mean")]


def _tree_size(rows: int, seconds: float) -> dict[str, Any]:
    """Return the size of boosted trees that so many rows can bear, and the budget a dozen times."""
    if rows < _SMALL_TREES_ROWS:
        return {"rounds": 120, "learning_rate": 0.05, "leaves": 15, "min_leaf": 20}
    if rows < _MANY_ROWS:
        return {"rounds": 150, "learning_rate": 0.06, "leaves": 31, "min_leaf": 30}
    if seconds >= _LONG_BUDGET:
        return {"rounds": 300, "learning_rate": 0.06, "leaves": 127, "min_leaf": 20}
    return {"rounds": 180, "learning_rate": 0.08, "leaves": 63, "min_leaf": 20}


def _fixed(panel: Panel, task: Task, seconds: float) -> dict[str, dict[str, Any]]:
    season = max(task.seasons)
    # Local models gain little from the distant past, and pay for every row of it.
    memory = max(250, 5 * season) if season <= 60 else 4 * task.season + 200
    rows = int(np.clip(1600 * seconds, 40_000, 400_000))
    local = {"max_history": memory}
    return {
        "trees_direct": {"max_rows": rows},
        "trees_recursive": {"max_rows": rows},
        "linear_direct": {"max_windows": int(np.clip(rows // 8, 5_000, 30_000))},
        "mlp": {"effort": float(np.clip(seconds / 45, 0.2, 4.0))},
        "rvfl": {"effort": float(np.clip(seconds / 60, 0.2, 2.0))},
        "auto_ets": local,
        "auto_theta": local,
        "auto_arima": {"max_history": min(memory, 250)},
        "auto_ces": local,
        "smoothing": local,
        "mstl": {"max_history": max(memory, 3 * season)},
    }
