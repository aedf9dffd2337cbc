"""Rolling-origin evaluation on cutoffs that every candidate shares."""

from autots.evaluate.backtest import Backtest, backtest
from autots.evaluate.cutoffs import Plan, plan_cutoffs

__all__ = ["Backtest", "Plan", "backtest", "plan_cutoffs"]
