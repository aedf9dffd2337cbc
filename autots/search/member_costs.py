"""What members of an ensemble cost, and which of them the time left pays for: functions of measured seconds alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from autots.ensembles import ENOUGH, ROUNDS, Weight
from autots.evaluate import BacktestPlan, Objective
from autots.models.catalog import create, family
from autots.panel import Ints
from autots.search.budget import BudgetPolicy, MeasuredSpeed
from autots.search.leaderboard import Candidate

__all__ = [
    "MemberCost",
    "affordable_members",
    "costs_of",
    "members_to_refit",
    "normalised",
    "parallel_seconds",
    "quick_members",
    "refit_seconds",
    "reserve_seconds",
    "weighs_quantiles_apart",
]

# Share of zeros among the targets from which the quantiles are weighted by themselves.
_MANY_ZEROS = 0.25


@dataclass(frozen=True)
class MemberCost:
    """What one member of the ensemble is worth, and what it takes.

    Args:
        weight: The larger one of its weights in the points and in the quantiles.
        fit_seconds: What one fit of its backtest took.
        refit_seconds: What its fit on all rows will take; 0 for the trivial forecasters.
        forecast_seconds: What the forecast of one window took.
        local: Whether it learns each series by itself, and so gains more by a fit on all rows.
    """

    weight: float
    fit_seconds: float
    refit_seconds: float
    forecast_seconds: float
    local: bool = False


def costs_of(
    weights: Mapping[int, Weight],
    by_number: Mapping[int, Candidate],
    plan: BacktestPlan,
    lengths: Ints,
    policy: BudgetPolicy,
) -> dict[int, MemberCost]:
    """Return the costs of the candidates that have a weight, by their numbers."""
    return {
        n: MemberCost(
            max(weight),
            by_number[n].seconds_per_fit,
            refit_seconds(by_number[n], plan, lengths, policy) if n >= 0 else 0.0,
            by_number[n].predict_seconds / max(len(plan.cutoffs), 1),
            family(by_number[n].family).local,
        )
        for n, weight in weights.items()
    }


def refit_seconds(candidate: Candidate, plan: BacktestPlan, lengths: Ints, policy: BudgetPolicy) -> float:
    """Return the seconds that fitting a candidate on all rows will take.

    A backtest's fits saw less: the time grows with the windows that fit before the cutoff, until the learner draws no
    more rows.
    """
    usual = float(np.median(lengths)) - plan.horizon
    all_rows, seen = (max(usual - cut, 1.0) * len(lengths) for cut in (0.0, float(np.mean(plan.fits))))
    most = create(candidate.family, **candidate.params).max_training_rows(plan.horizon)
    growth = float(np.clip(min(all_rows, most) / min(seen, most), 1.0, policy.refit_max_growth_ratio))
    return policy.refit_safety_ratio * growth * candidate.seconds_per_fit


def parallel_seconds(each: Iterable[float], workers: int) -> float:
    """Return the seconds that jobs take on some workers, the longest first, each on the next free worker."""
    ends = np.zeros(max(workers, 1))
    for seconds in sorted(each, reverse=True):
        ends[int(np.argmin(ends))] += seconds
    return float(ends.max())


def quick_members(costs: Mapping[int, MemberCost], seconds: float) -> list[int]:
    """Return the members, heaviest first, without what is slowest for its weight, until a forecast takes ``seconds``.

    The heaviest one always stays.
    """
    kept = sorted(costs, key=lambda n: -costs[n].weight)
    while len(kept) > 1 and sum(costs[n].forecast_seconds for n in kept) > seconds:
        kept.remove(max(kept[1:], key=lambda n: costs[n].forecast_seconds / costs[n].weight))
    return kept


def affordable_members(costs: Mapping[int, MemberCost], seconds: float) -> list[int]:
    """Return the members, of which those that learn single series take no longer than ``seconds`` together.

    What is slowest for its weight goes first; one member always stays.
    """
    kept = list(costs)
    while len(kept) > 1 and sum(costs[n].fit_seconds for n in kept if costs[n].local) > seconds:
        kept.remove(max((n for n in kept if costs[n].local), key=lambda n: costs[n].fit_seconds / costs[n].weight))
    return kept


def members_to_refit(costs: Mapping[int, MemberCost], workers: int, seconds: float, policy: BudgetPolicy) -> list[int]:
    """Return the members, longest fit first, whose final fits together take no longer than ``seconds``.

    The trivial forecasters cost nothing, and stay though no time is left at all.
    """

    def for_its_worth(n: int) -> float:
        one = costs[n]
        return one.fit_seconds / one.weight / (policy.local_gain_ratio if one.local else 1.0)

    kept = sorted(costs, key=lambda n: -costs[n].weight)
    while len(kept) > 1 and parallel_seconds((costs[n].refit_seconds for n in kept), workers) > max(seconds, 0.0):
        kept.remove(max(kept, key=for_its_worth))
    return sorted(kept, key=lambda n: -costs[n].fit_seconds)


def normalised(weights: Mapping[int, Weight]) -> dict[int, Weight]:
    """Return weights whose both columns sum to one, though some members may be gone."""
    point, quantile = (sum(w[i] for w in weights.values()) for i in range(2))
    even = 1 / max(len(weights), 1)
    return {n: (p / point if point else even, q / quantile if quantile else even) for n, (p, q) in weights.items()}


def weighs_quantiles_apart(objective: Objective) -> bool:
    """Return whether the quantiles have weights of their own: where zeros rule, the best point is zero itself."""
    return objective.zero_share > _MANY_ZEROS and not objective.needs_quantiles


def reserve_seconds(
    policy: BudgetPolicy,
    objective: Objective,
    by_number: Mapping[int, Candidate],
    likely: Mapping[int, float],
    speed: MeasuredSpeed,
    *,
    lengths: Ints,
    workers: int,
    budget: float,
) -> float:
    """Return the seconds to keep for the final fit, the calibration and the report.

    Args:
        policy: The constants of the budget.
        objective: What scores, with its windows and targets.
        by_number: The complete candidates by their numbers.
        likely: The weights that the ensemble would have now, by number.
        speed: What was measured on this machine.
        lengths: (S,) rows of each series.
        workers: Fits that can run at the same time.
        budget: Seconds of the whole fit.
    """
    plan = objective.plan
    costs = costs_of({n: (w, w) for n, w in likely.items()}, by_number, plan, lengths, policy)
    quick = quick_members(costs, policy.forecast_allowance(len(lengths) * plan.horizon, budget))
    shares = normalised({n: (likely[n], likely[n]) for n in quick})
    members = costs_of(shares, by_number, plan, lengths, policy)
    targets = objective.targets.actual.size
    weighing = speed.weighing_seconds * ROUNDS * min(targets, ENOUGH) * (2 if weighs_quantiles_apart(objective) else 1)
    forecasts = sum(by_number[n].predict_seconds for n in members) / max(len(plan.cutoffs), 1)
    fixed = policy.assembly_seconds(int(lengths.sum()), targets, speed) + weighing + 2 * forecasts
    if policy.can_use_old_fits(plan.fits[-1], horizon=plan.horizon, seasons=objective.task.seasons):
        # What would be used as its backtest left it needs no time; nor does the last one for longer than its share.
        most = policy.final_fit_seconds(budget)
        kept = members_to_refit(members, workers, most, policy)
        refit = min(parallel_seconds((members[n].refit_seconds for n in kept), workers), most)
    else:
        refit = parallel_seconds((one.refit_seconds for one in members.values()), workers)
    return policy.reserve(fixed + refit, budget)
