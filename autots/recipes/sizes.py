"""How large learners are: functions of the rows of a panel and the seconds of a budget, without a step."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from autots.models.base import Task

__all__ = ["fixed_sizes", "tree_size"]

# Rows up to which trees are smallest, and seconds at which the exponents below hold.
_SMALLEST_ROWS, _USUAL_SECONDS = 10_000, 60.0
# Exponents of the rows, what three times the budget adds to them, and their least and greatest: large panels got
# 63 leaves in a minute and 127 in three where the sizes were tuned, those of 50,000 rows 31.
_LEAVES = (0.45, 0.20, 0.25, 0.65)
_ROUNDS = (0.126, 0.13, 0.05, 0.26)
_RATE = (0.13, -0.08, 0.05, 0.13)
# Leaves of the largest trees, and of the largest that forecast step by step.
_MOST_LEAVES, _MOST_RECURSIVE_LEAVES = 127, 31


def tree_size(family: str, rows: int, seconds: float, *, large: bool = False) -> dict[str, Any]:
    """Return the size of boosted trees that so many rows can bear, and the budget a dozen times.

    Args:
        family: The family of trees; those that forecast step by step stay smaller.
        rows: Rows of all series together.
        seconds: Seconds of the whole budget.
        large: Whether they have twice the leaves and half more rounds; False by default.

    >>> tree_size("trees_direct", 5_000, 60.0)
    {'rounds': 120, 'learning_rate': 0.05, 'leaves': 15, 'min_leaf': 20}
    """
    times = max(rows / _SMALLEST_ROWS, 1.0)
    budget = log(seconds / _USUAL_SECONDS) / log(3)

    def grown(base: float, usual: float, more: float, least: float, most: float) -> float:
        return float(base * times ** np.clip(usual + more * budget, least, most))

    rounds, leaves = grown(120, *_ROUNDS) * (1.5 if large else 1.0), grown(15, *_LEAVES) * (2 if large else 1)
    return {
        "rounds": int(np.clip(rounds, 60, 500)),
        "learning_rate": round(float(np.clip(grown(0.05, *_RATE), 0.02, 0.1)), 4),
        "leaves": int(min(leaves, _MOST_RECURSIVE_LEAVES if family == "trees_recursive" else _MOST_LEAVES)),
        "min_leaf": 20,
    }


def fixed_sizes(task: Task, seconds: float) -> dict[str, dict[str, Any]]:
    """Return what the seasons and the budget decide of each family: rows, windows and work of a fit.

    Args:
        task: Its seasons bound the history of local models.
        seconds: Seconds of the whole budget.
    """
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
