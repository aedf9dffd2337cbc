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
        panel: The series that are to be forecast.
        task: Its horizon and seasons decide what can be learned.
        seconds: The budget; it decides on the sizes of the learners.
    """
    usual = usual_length(panel.lengths, 2 * max(task.seasons))
    fixed = _fixed(panel, task, seconds)
    size = _tree_size(panel.n_rows, seconds)
    learned = usual > task.horizon + 3

    positive = bool((panel.y[~np.isnan(panel.y)] > 0).all())

    def trees(norm: str, *, linear: bool = True, weighted: bool = False, log: bool = False) -> Configuration:
        chosen = {"norm": norm, "linear": linear, "weighted": weighted, "log": log and positive}
        return Configuration("trees_direct", {**chosen, **size})

    def recursive(norm: str) -> Configuration:
        return Configuration("trees_recursive", {"norm": norm, **({} if panel.n_rows >= 20_000 else size)})

    def linear(norm: str, *, weighted: bool = True, log: bool = False) -> Configuration:
        return Configuration("linear_direct", {"norm": norm, "weighted": weighted, "log": log and positive})

    def network(norm: str, *, log: bool = True) -> Configuration:
        return Configuration("mlp", {"norm": norm, "log": log and positive})

    def random_features(norm: str, *, log: bool = False) -> Configuration:
        return Configuration("rvfl", {"norm": norm, "log": log and positive})

    theta, steady = Configuration("auto_theta", {"method": "DOTM"}), Configuration("auto_theta", {"method": "STM"})
    ets, quick_ets = Configuration("auto_ets", {"model": "ZZZ"}), Configuration("auto_ets", {"model": "ANZ"})
    smooth, damped = Configuration("smoothing"), Configuration("smoothing", {"trend": "damped", "penalty": 1.0})
    arima, ces, mstl = Configuration("auto_arima"), Configuration("auto_ces"), Configuration("mstl")
    decomposed = [mstl] if task.season > 1 else []
    if zero_share(panel) > _INTERMITTENT:
        order = [trees("mean", linear=False, weighted=True), trees("mean", linear=False), recursive("mean")]
        order += [
            Configuration("tsb"),
            Configuration("croston"),
            Configuration("empirical", {"window": 12}),
            linear("mean"),
        ]
        order += [damped]
        order += [
            Configuration("adida"),
            trees("mean", weighted=True),
            trees("last", linear=False),
            Configuration("imapa"),
        ]
        order += [Configuration("croston", {"variant": "optimized"}), recursive("standard")]
    elif panel.n_rows >= 100_000 and task.season > 1:
        order = [linear("standard"), trees("standard"), smooth, trees("mean", linear=False)]
        order += [recursive("standard")] if panel.n_series <= _FEW else []
        order += [trees("last", log=True), network("last"), random_features("standard"), trees("mean")]
        order += [trees("standard", linear=False), theta, linear("standard", log=True), recursive("standard")]
        order += [trees("last"), network("standard", log=False)]
        order += [random_features("last", log=True), trees("standard", weighted=True), mstl, ces, network("standard")]
        order += [trees("standard", log=True), recursive("mean"), trees("last", weighted=True)]
        order += [linear("mean"), trees("mean", weighted=True), quick_ets, steady, arima]
    else:
        order = [linear("last", weighted=False), smooth, linear("standard", log=True), damped, theta, recursive("last")]
        order += [network("last"), random_features("standard"), trees("last", log=True), *decomposed, trees("mean")]
        order += [network("standard"), quick_ets, random_features("last", log=True), trees("last")]
        order += [network("last", log=False), ces, steady]
        order += [Configuration("sarimax")] if panel.known and panel.n_series <= 20 else []
        order += [ets, trees("standard"), recursive("standard"), trees("mean", linear=False, weighted=True)]
        order += [linear("mean"), trees("standard", log=True), arima, trees("last", weighted=True)]
        order += [trees("standard", linear=False), trees("mean", linear=False), recursive("mean")]
    if not learned:
        order = [c for c in order if c.family not in _LEARNERS]
    searched = _LEARNERS if learned else ()
    # Without positive targets a candidate and its logarithmic twin are one.
    different = tuple(c for i, c in enumerate(order) if c not in order[:i])
    return Portfolio(different, searched, fixed)


def _tree_size(rows: int, seconds: float) -> dict[str, Any]:
    """Return the size of boosted trees that so many rows can bear, and the budget a dozen times."""
    if rows < 20_000:
        return {"rounds": 120, "learning_rate": 0.05, "leaves": 15, "min_leaf": 20}
    if rows < 100_000:
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
