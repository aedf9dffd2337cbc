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

__all__ = ["Candidate", "Portfolio", "baselines", "portfolio"]

# Share of zeros from which demand counts as intermittent (Syntetos & Boylan's cut is an interval of 1.32, a quarter).
_INTERMITTENT = 0.25


@dataclass(frozen=True)
class Candidate:
    """A family with hyper-parameters."""

    family: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Portfolio:
    """What a search begins with.

    Args:
        candidates: In the order in which they are tried.
        searched: Families that the Bayesian search goes on with.
        fixed: Family -> hyper-parameters that the size of the panel and the budget decide, under those of a candidate.
    """

    candidates: tuple[Candidate, ...]
    searched: tuple[str, ...]
    fixed: Mapping[str, Mapping[str, Any]]


def zero_share(panel: Panel) -> float:
    """Return the share of zeros among the known targets."""
    known = panel.y[~np.isnan(panel.y)]
    return float((known == 0).mean()) if len(known) else 0.0


def baselines(panel: Panel, task: Task) -> tuple[Candidate, ...]:
    """Return the trivial forecasters that belong into every search; seasonal naive comes first."""
    usual = int(np.median(panel.lengths))
    out = [Candidate("seasonal_naive")]
    out += [Candidate("seasonal_naive", {"season": m}) for m in task.seasons[1:] if 2 * m <= usual]
    out += [Candidate("naive"), Candidate("drift"), Candidate("mean"), Candidate("zero")]
    if task.season > 1:
        out.append(Candidate("seasonal_mean"))
    if zero_share(panel) > _INTERMITTENT:
        out.append(Candidate("empirical"))
    return tuple(out)


def portfolio(panel: Panel, task: Task, *, seconds: float) -> Portfolio:
    """Return the configurations to begin with.

    Args:
        panel: The series.
        task: Horizon and seasons.
        seconds: The budget; it decides on the sizes of the learners.
    """
    usual = int(np.median(panel.lengths))
    fixed = _fixed(panel, task, seconds)
    size = _tree_size(panel.n_rows)
    learned = usual > task.horizon + 3
    trees = {
        "mean": Candidate("trees_direct", {"norm": "mean", **size}),
        "hybrid": Candidate("trees_direct", {"norm": "standard", "linear": True, **size}),
        "last": Candidate("trees_direct", {"norm": "last", **size}),
        "standard": Candidate("trees_direct", {"norm": "standard", **size}),
        "weighted": Candidate("trees_direct", {"norm": "mean", "weighted": True, **size}),
        "weighted_standard": Candidate("trees_direct", {"norm": "standard", "weighted": True, **size}),
        "recursive": Candidate("trees_recursive", {"norm": "mean"}),
        "recursive_standard": Candidate("trees_recursive", {"norm": "standard"}),
    }
    linear = {
        "standard": Candidate("linear_direct", {"norm": "standard"}),
        "last": Candidate("linear_direct", {"norm": "last", "weighted": False}),
        "mean": Candidate("linear_direct", {"norm": "mean"}),
    }
    theta, ets, arima, ces = (Candidate(f) for f in ("auto_theta", "auto_ets", "auto_arima", "auto_ces"))
    if zero_share(panel) > _INTERMITTENT:
        order = [trees["weighted"], trees["mean"], trees["recursive"]]
        order += [Candidate("tsb"), Candidate("croston"), Candidate("adida"), linear["mean"], Candidate("imapa")]
        order += [Candidate("empirical", {"window": 12}), trees["last"], Candidate("croston", {"variant": "optimized"})]
    elif panel.n_rows >= 100_000 and task.season > 1:
        order = [linear["standard"], trees["mean"], trees["standard"], trees["weighted_standard"], trees["hybrid"]]
        order += [linear["last"], trees["recursive"], trees["weighted"], trees["last"], theta, Candidate("mstl")]
        order += [linear["mean"], trees["recursive_standard"], ces, ets, arima]
    else:
        order = [linear["last"], trees["recursive"], theta, linear["standard"], trees["hybrid"]]
        order += [Candidate("sarimax")] if panel.known and panel.n_series <= 20 else []
        order += [linear["mean"], ces, trees["weighted"], ets, trees["last"], trees["mean"], arima]
        order += [trees["recursive_standard"], trees["standard"], trees["weighted_standard"]]
        order += [Candidate("mstl")] if task.season > 1 else []
    if not learned:
        order = [c for c in order if not c.family.startswith(("trees", "linear"))]
    searched = ("trees_direct", "trees_recursive", "linear_direct") if learned else ()
    return Portfolio(tuple(order), searched, fixed)


def _tree_size(rows: int) -> dict[str, Any]:
    """Return the size of boosted trees that so many rows can bear."""
    if rows < 20_000:
        return {"rounds": 120, "learning_rate": 0.05, "leaves": 15, "min_leaf": 20}
    if rows < 100_000:
        return {"rounds": 150, "learning_rate": 0.06, "leaves": 31, "min_leaf": 30}
    return {"rounds": 200, "learning_rate": 0.08, "leaves": 95, "min_leaf": 20}


def _fixed(panel: Panel, task: Task, seconds: float) -> dict[str, dict[str, Any]]:
    season = max(m for m in task.seasons)
    # Local models gain little from the distant past, and pay for every row of it.
    memory = int(np.clip(10 * season, 120, 500)) if season <= 60 else 4 * task.season + 200
    rows = int(np.clip(2000 * seconds, 40_000, 400_000))
    local = {"max_history": memory}
    return {
        "trees_direct": {"max_rows": rows},
        "trees_recursive": {"max_rows": rows},
        "linear_direct": {"max_windows": int(np.clip(rows // 8, 5_000, 30_000))},
        "auto_ets": local,
        "auto_theta": local,
        "auto_arima": {"max_history": min(memory, 250)},
        "auto_ces": local,
        "mstl": {"max_history": max(memory, 3 * season)},
    }
