"""How much of a table a search can look at within its budget: the newest rows of long series, or none at all."""

from __future__ import annotations

from autots.evaluate import BacktestPlan
from autots.panel import Panel
from autots.search.budget import BudgetPolicy
from zoo.clock import Deadline

__all__ = ["MORE_TIME", "comes_too_late", "recent_rows"]

#: What the user can do about a table that is read too late.
MORE_TIME = "a longer budget, Parquet instead of CSV, or fewer rows leave time for a search"


def recent_rows(panel: Panel, policy: BudgetPolicy, *, season: int, horizon: int, budget: float) -> tuple[Panel, str]:
    """Return the newest rows of long series, as many as the budget bears, and what to say about it ("" for all rows).

    Args:
        panel: The series as they were read, with all rows.
        policy: How many rows a second of the budget bears.
        season: The longest season length, in rows.
        horizon: Steps that are forecast.
        budget: Seconds of the whole fit.
    """
    most = policy.history_rows(budget, panel.n_series, season=season, horizon=horizon)
    longest = int(panel.lengths.max())
    if longest <= most:
        return panel, ""
    recent = panel.tail(most)
    if recent.n_rows > (1 - policy.history_min_saving_ratio) * panel.n_rows:
        return panel, ""
    whose = "" if panel.n_series == 1 else " of a series"
    return recent, (
        f"models look at the last {most:,} of up to {longest:,} rows{whose}, and the pipeline keeps those: more would "
        f"not fit into the budget of {budget:g} s"
    )


def comes_too_late(panel: Panel, plan: BacktestPlan, policy: BudgetPolicy, deadline: Deadline) -> str:
    """Return why nothing can be backtested any more, or "" where it can."""
    seconds = policy.backtest_seconds(len(plan.cutoffs), panel.n_series, panel.n_rows)
    if not policy.backtest_comes_too_late(seconds, deadline.remaining):
        return ""
    return (
        f"reading {panel.n_rows:,} rows took {deadline.elapsed:.0f} s of a budget of {deadline.budget:.0f} s, of which "
        f"a backtest needs about {policy.backtest_rest_ratio * seconds:.0f} s"
    )
