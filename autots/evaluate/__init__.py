"""Rolling-origin evaluation on cutoffs that every candidate shares."""

from autots.evaluate.backtest import Backtest, Targets, backtest, checked, targets_of
from autots.evaluate.cutoffs import Plan, plan_cutoffs
from autots.evaluate.objective import Objective, Part

__all__ = ["Backtest", "Objective", "Part", "Plan", "Targets", "backtest", "checked", "plan_cutoffs", "targets_of"]
