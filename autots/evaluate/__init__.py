"""Rolling-origin evaluation on cutoffs that every candidate shares."""

from autots.evaluate.backtest import Backtest, Targets, backtest, checked, targets_of
from autots.evaluate.cutoffs import MOST_FITS, Plan, plan_cutoffs
from autots.evaluate.holes import Seen
from autots.evaluate.objective import Objective, Part

__all__ = [
    "MOST_FITS",
    "Backtest",
    "Objective",
    "Part",
    "Plan",
    "Seen",
    "Targets",
    "backtest",
    "checked",
    "plan_cutoffs",
    "targets_of",
]
