"""The trivial forecasters of every search: something to return whatever happens, and to compare with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from autots.evaluate import Backtest, BacktestPlan, Objective, targets_of
from autots.metrics import metric
from autots.metrics.metrics import Owa
from autots.models.base import Task
from autots.panel import Panel
from autots.recipes import Configuration, baselines
from autots.search.budget import BudgetPolicy
from autots.search.leaderboard import SEASONAL_NAIVE, Candidate, Leaderboard
from autots.search.trial import WorkRequest, answer
from zoo.clock import Deadline
from zoo.errors import ZooError

__all__ = ["backtest_trivial", "first_leaderboard"]


def first_leaderboard(
    panel: Panel,
    plan: BacktestPlan,
    task: Task,
    *,
    metric_name: str,
    seed: int,
    policy: BudgetPolicy,
    deadline: Deadline,
    messages: list[str],
) -> Leaderboard:
    """Return a leaderboard with the trivial forecasters, whose scores the metric may need.

    Args:
        panel: The series, with all rows that the fit looks at.
        plan: The windows that all candidates share.
        task: Horizon, seasons and quantile levels.
        metric_name: What is minimised; where it is not defined on the table, mae is.
        seed: Source of chance of the backtests.
        policy: What the trivial forecasters may take.
        deadline: When the whole fit must be done.
        messages: What is said in the report; this adds to it.
    """
    objective = Objective(metric(metric_name), plan, targets_of(panel, plan, task.season), task)
    leaderboard = Leaderboard(objective)
    left_out = backtest_trivial(baselines(panel, task), panel, leaderboard, seed=seed, policy=policy, deadline=deadline)
    if left_out:
        messages.append(f"trivial forecasters left out, as the budget leaves no time for them: {', '.join(left_out)}")
    defined = _defined(leaderboard, messages)
    return leaderboard if defined is objective else leaderboard.rescored(defined)


def backtest_trivial(
    configurations: Sequence[Configuration],
    panel: Panel,
    leaderboard: Leaderboard,
    *,
    seed: int,
    policy: BudgetPolicy,
    deadline: Deadline | None = None,
) -> tuple[str, ...]:
    """Backtest the trivial forecasters in this process.

    The first one, seasonal naive, is made whatever the time; the others only as long as all of them keep within their
    share of the budget.

    Args:
        configurations: The trivial forecasters, seasonal naive first.
        panel: The series, with all rows that the fit looks at.
        leaderboard: Where they go, under the numbers -1, -2, ...
        seed: Source of chance of the backtests.
        policy: What they may take.
        deadline: When the whole fit must be done; None for no bound.

    Returns:
        The names of those that were left out.
    """
    objective = leaderboard.objective
    begin, longest = time.perf_counter(), 0.0
    left_out = []
    for i, one in enumerate(configurations):
        candidate = Candidate(SEASONAL_NAIVE - i, one.family, dict(one.params))
        spent = time.perf_counter() - begin
        if i and deadline is not None:
            time_left = {"budget": deadline.budget, "remaining": deadline.remaining}
            if not policy.trivial_fits(longest, spent=spent, **time_left):
                left_out.append(candidate.model)
                continue
        request = WorkRequest("backtest", one.family, dict(one.params), seed, policy.trivial_seconds)
        try:
            backtest = answer(request, panel, objective.plan, objective.task, 1)
        except ZooError as error:
            candidate.status, candidate.note = "failed", error.message
        else:
            assert isinstance(backtest, Backtest)
            candidate = Candidate.of(candidate.number, candidate.family, candidate.params, backtest)
        leaderboard.add(candidate)
        longest = max(longest, time.perf_counter() - begin - spent)
    return tuple(left_out)


def _defined(leaderboard: Leaderboard, messages: list[str]) -> Objective:
    """Return the objective with what it needs from the trivial forecasters, or with a metric that is defined."""
    objective, naive = leaderboard.objective, leaderboard.seasonal_naive
    if isinstance(objective.metric, Owa) and naive is not None:
        at = objective.windows("selection")
        found = objective.scores(naive.forecasts.mean[at], naive.forecasts.quantiles[at], "selection")
        return replace(objective, metric=objective.metric.against(found["smape"], found["mase"]))
    if leaderboard.best is None:
        messages.append(
            f"{objective.metric.name} is not defined on this table (constant or missing targets); mae chose instead"
        )
        return replace(objective, metric=metric("mae"))
    return objective
