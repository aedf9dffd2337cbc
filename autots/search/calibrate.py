"""Weights of single series, and calibrated quantiles, of an ensemble that was chosen on windows of the past."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from autots.ensembles import Weight, fit_series_weights
from autots.evaluate import Backtest, Objective, Part
from autots.intervals import Conformal, fit_conformal
from autots.panel import Floats, Ints, Panel
from autots.search.budget import BudgetPolicy
from autots.search.leaderboard import Candidate, Leaderboard

__all__ = ["calibrated", "combined", "rehearse", "unseen_forecasts"]


def combined(
    objective: Objective,
    by_number: Mapping[int, Candidate],
    weights: Mapping[int, Weight],
    part: Part,
    *,
    series: Ints | None = None,
) -> tuple[dict[int, Floats] | None, Backtest]:
    """Return the (S,) factors of each member's weights, or None, and the ensemble's out-of-fold forecasts.

    Args:
        objective: What decides how far single series depart from the common weights.
        by_number: The complete candidates by their numbers.
        weights: Those of the members, common to all series.
        part: The windows that the factors are learned from.
        series: Those whose forecasts are returned; all of them if None.
    """
    members = [by_number[n].forecasts for n in weights]
    factors, together = fit_series_weights(objective, members, list(weights.values()), part, series=series)
    return None if factors is None else dict(zip(weights, factors, strict=True)), together


def calibrated(
    objective: Objective,
    by_number: Mapping[int, Candidate],
    weights: Mapping[int, Weight],
    *,
    non_negative: bool,
    enough: int,
) -> tuple[dict[int, Floats] | None, Conformal]:
    """Return the factors of the members' weights by series, or None, and the calibration, learned on all windows.

    Args:
        objective: What scores, with its windows and targets.
        by_number: The complete candidates by their numbers.
        weights: Those of the members, common to all series.
        non_negative: Whether the targets cannot be negative.
        enough: Targets that the calibration is learned from.
    """
    targets, levels = objective.targets, objective.task.levels
    some = _thinned(targets.actual, enough)
    factors, together = combined(objective, by_number, weights, "all", series=some)
    actual, scale = (a if some is None else a[:, some] for a in (targets.actual, targets.scale))
    quantiles = objective.whole(together.quantiles, rows=some)
    return factors, fit_conformal(actual, quantiles, scale, levels, non_negative=non_negative)


def unseen_forecasts(objective: Objective, together: Backtest, *, non_negative: bool, enough: int) -> Backtest:
    """Return the calibrated forecasts of the windows that nothing was chosen or calibrated on.

    Args:
        objective: What scores, with its windows and targets.
        together: The out-of-fold forecasts of the ensemble that the selection windows chose.
        non_negative: Whether the targets cannot be negative.
        enough: Targets that the calibration is learned from.
    """
    selection = objective.windows("selection")
    targets = objective.targets
    actual, raw, scale = targets.actual[selection], together.quantiles[selection], targets.scale[selection]
    some = _thinned(actual, enough)
    if some is not None:
        actual, raw, scale = actual[:, some], raw[:, some], scale[:, some]
    quantiles = objective.whole(raw, selection, some)
    conformal = fit_conformal(actual, quantiles, scale, objective.task.levels, non_negative=non_negative)
    part = objective.windows("final") if objective.has_final else selection
    pairs = zip(objective.whole(together.quantiles[part], part), targets.scale[part], strict=True)
    found = np.stack([conformal.apply(q, s) for q, s in pairs]) - targets.above(part)[..., None]
    return Backtest(together.mean[part], found.astype(np.float32), together.fit_seconds, together.predict_seconds)


def rehearse(leaderboard: Leaderboard, weights: Mapping[int, Weight], panel: Panel, policy: BudgetPolicy) -> float:
    """Return the seconds that calibrating an ensemble takes on this machine as it is now.

    Args:
        leaderboard: The candidates, of which some have weights.
        weights: Those of the ensemble as it would be now, by candidate number.
        panel: The series, with all rows that the fit looks at.
        policy: How many targets a calibration is learned from.
    """
    begin = time.perf_counter()
    objective, by_number = leaderboard.objective, {c.number: c for c in leaderboard.complete}
    non_negative, enough = bool(np.nanmin(panel.y) >= 0), policy.calibration_targets
    together = combined(objective, by_number, weights, "selection")[1]
    unseen_forecasts(objective, together, non_negative=non_negative, enough=enough)
    calibrated(objective, by_number, weights, non_negative=non_negative, enough=enough)
    return time.perf_counter() - begin


def _thinned(actual: Floats, enough: int) -> Ints | None:
    """Return evenly spaced series with about ``enough`` of the (K, S, H) targets; None for all."""
    step = actual.size // enough
    return np.arange(0, actual.shape[1], step) if step > 1 else None
