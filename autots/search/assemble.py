"""From a finished search to members that are fitted on all rows, weighted and calibrated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from autots.ensembles import Ensemble, SeriesWeights, Weight, ensemble_weights
from autots.evaluate import Backtest, Objective, Part
from autots.metrics import metric
from autots.models.base import Forecaster
from autots.panel import Panel
from autots.search.budget import BudgetPolicy
from autots.search.calibrate import calibrated, combined, unseen_forecasts
from autots.search.final_fits import FinalFits
from autots.search.leaderboard import Candidate, Leaderboard
from autots.search.member_costs import (
    affordable_members,
    costs_of,
    members_to_refit,
    normalised,
    quick_members,
    weighs_quantiles_apart,
)
from zoo.clock import Deadline
from zoo.workers import Workers

__all__ = ["Assembly", "assemble"]

# Members, and targets that weigh them, where the quantiles have weights of their own.
_QUANTILE_MEMBERS, _QUANTILE_TARGETS = 4, 30_000


@dataclass(frozen=True)
class Assembly:
    """What a search ends with.

    Args:
        ensemble: The fitted members, whose weights (point, quantile) sum to one, and their calibration.
        weights: Those of the members by candidate number, in the members' order, as chosen on all windows.
        unseen: Calibrated forecasts on the windows that no choice saw, of the ensemble that the selection windows alone
            chose; on the selection windows where there are no others.
        together: That ensemble's forecasts of all windows, uncalibrated; on the selection windows with weights of the
            series that were learned without the window.
        unseen_weights: That ensemble's weights by candidate number.
        not_refitted: Names of members that are as their last backtest left them: a final fit did not fit into the time
            left.
        left_out: Names of members that are missing, as there was not even that.
        useful_seconds: Worker seconds of the final fits that came back in time.
    """

    ensemble: Ensemble
    weights: dict[int, Weight]
    unseen: Backtest
    together: Backtest
    unseen_weights: dict[int, Weight]
    not_refitted: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    useful_seconds: float = 0.0


def assemble(
    leaderboard: Leaderboard,
    panel: Panel,
    pool: Workers | None,
    deadline: Deadline,
    *,
    seed: int,
    policy: BudgetPolicy | None = None,
    backtested: Callable[[Candidate], Forecaster | None] = lambda _: None,
) -> Assembly:
    """Weigh, fit on all rows, calibrate.

    The reported score comes from the ensemble that the selection windows choose, on windows that they do not contain.
    The delivered ensemble is then weighted and calibrated on all windows: the same procedure with more evidence.

    Args:
        leaderboard: All candidates of the search, with their out-of-fold forecasts.
        panel: The series, with all rows that the fit looks at.
        pool: Runs the final fits; None to run them here.
        deadline: When the whole fit must be done.
        seed: Source of chance of the final fits.
        policy: How the time left is spent; the usual one by default.
        backtested: Returns a candidate as its last backtest left it, or None.
    """
    policy = policy or BudgetPolicy()
    objective = leaderboard.objective
    by_number = {c.number: c for c in leaderboard.complete}
    first, second = _chosen(leaderboard, by_number, policy, panel, deadline.budget)
    fits = FinalFits(leaderboard, panel, pool, deadline, seed, policy)
    refitted = _submitted(fits, second, by_number)
    # The workers fit while this process calibrates.
    non_negative, enough = bool(np.nanmin(panel.y) >= 0), policy.calibration_targets
    together = combined(objective, by_number, first, "selection")[1]
    unseen = unseen_forecasts(objective, together, non_negative=non_negative, enough=enough)
    factors, conformal = calibrated(objective, by_number, second, non_negative=non_negative, enough=enough)
    spare = sorted(second.keys() - refitted.keys(), key=lambda n: -max(second[n]))
    fitted = fits.collect(refitted, spare)
    old = {n: model for n in second if n not in fitted and (model := backtested(by_number[n])) is not None}
    members = fits.members(second, {**fitted, **old})
    weights = {n: member.weight for n, member in members.items()}
    if set(weights) != set(second):
        factors, conformal = calibrated(objective, by_number, weights, non_negative=non_negative, enough=enough)
    series_weights = None
    if factors is not None:
        columns = [factors[n] for n in members]
        series_weights = SeriesWeights(panel.ids, np.stack(columns, axis=1).astype(np.float32))
    return Assembly(
        Ensemble(objective.task, tuple(members.values()), conformal, series_weights),
        weights,
        unseen,
        together,
        first,
        not_refitted=tuple(by_number[n].model for n in old),
        left_out=tuple(by_number[n].model for n in second if n not in weights),
        useful_seconds=fits.useful_seconds,
    )


def _chosen(
    leaderboard: Leaderboard, by_number: Mapping[int, Candidate], policy: BudgetPolicy, panel: Panel, budget: float
) -> tuple[dict[int, Weight], dict[int, Weight]]:
    """Return the weights that the selection windows choose, and those of all windows, of members quick enough."""
    objective = leaderboard.objective
    seconds = policy.forecast_allowance(panel.n_series * objective.task.horizon, budget)

    def quick(part: Part) -> dict[int, Weight]:
        weights = _weights(objective, [c for c in leaderboard.complete if not leaderboard.too_dear(c)], part)
        costs = costs_of(weights, by_number, objective.plan, panel.lengths, policy)
        quick = {n: costs[n] for n in quick_members(costs, seconds)}
        kept = affordable_members(quick, leaderboard.max_local_fit_seconds)
        return normalised({n: weights[n] for n in kept})

    first = quick("selection")
    return first, quick("all") if objective.has_final else first


def _submitted(fits: FinalFits, weights: Mapping[int, Weight], by_number: Mapping[int, Candidate]) -> dict[int, Weight]:
    """Give the workers the members that can be fitted in time, longest first, and return their weights."""
    policy, deadline = fits.policy, fits.deadline
    costs = costs_of(weights, by_number, fits.leaderboard.objective.plan, fits.panel.lengths, policy)
    # Who is late is used as its backtest left it, as if it had not been tried: no need to be cautious.
    hoped = policy.refit_safety_ratio * (deadline.remaining - policy.final_fit_margin_seconds)
    kept = members_to_refit(costs, 1 if fits.pool is None else fits.pool.workers, hoped, policy)
    for n in kept:
        fits.submit(n, deadline.remaining - policy.final_fit_return_seconds)
    return {n: weights[n] for n in kept}


def _weights(objective: Objective, done: list[Candidate], part: Part) -> dict[int, Weight]:
    """Return each member's weight in the point forecast and in the quantiles.

    They are the same, but where many targets are zero: the best point forecast there is often zero itself, and says
    nothing about the quantiles.
    """
    backtests, kinds, families = [c.forecasts for c in done], [c.kind for c in done], [c.family for c in done]
    point = quantile = ensemble_weights(objective, backtests, part=part, kinds=kinds, families=families)
    if weighs_quantiles_apart(objective):
        quantile = ensemble_weights(
            replace(objective, metric=metric("sql")),
            backtests,
            part=part,
            kinds=kinds,
            families=families,
            max_members=_QUANTILE_MEMBERS,
            enough=_QUANTILE_TARGETS,
        )
    pairs = zip(point.tolist(), quantile.tolist(), strict=True)
    return {c.number: pair for c, pair in zip(done, pairs, strict=True) if max(pair) > 0}
