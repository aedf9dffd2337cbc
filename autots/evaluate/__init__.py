"""Rolling-origin evaluation on cutoffs that every candidate shares."""

from autots.evaluate.backtest import Backtest, Targets, backtest, backtest_series, checked, targets_of
from autots.evaluate.cutoffs import MAX_FITS, BacktestPlan, plan_cutoffs
from autots.evaluate.objective import Objective, Part
from autots.evaluate.target_counts import TargetCounts

__all__ = [
    "MAX_FITS",
    "Backtest",
    "BacktestPlan",
    "Objective",
    "Part",
    "TargetCounts",
    "Targets",
    "backtest",
    "backtest_series",
    "checked",
    "plan_cutoffs",
    "targets_of",
]
