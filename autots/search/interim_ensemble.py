"""The ensemble that the candidates of a search would make now: it decides where the budget flows, and when to end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autots.ensembles import ensemble_weights
from autots.panel import Floats
from autots.search.budget import BudgetPolicy
from autots.search.leaderboard import Candidate, Leaderboard

__all__ = ["InterimEnsemble"]


class InterimEnsemble:
    """Weights on a part of the targets, found anew after each trial.

    Args:
        policy: Rounds and targets of the weighing, and which gain counts.

    Attributes:
        weights: By the selection windows, by the number of the candidate.
        final_weights: By all windows: what would be delivered now, about, and so what needs a final fit.
        best_loss: The least loss of the selection windows so far, as sums of the metric have it.
        trials_without_gain: How many trials ended since then.
        weighing_seconds: What a round of weighing all complete candidates takes for each target.
    """

    def __init__(self, policy: BudgetPolicy) -> None:
        self._policy = policy
        self.weights: Mapping[int, float] = {}
        self.final_weights: Mapping[int, float] = {}
        self.best_loss = np.inf
        self.trials_without_gain = 0
        self.weighing_seconds = 0.0

    def weigh(self, leaderboard: Leaderboard) -> None:
        """Find the weights of all complete candidates anew, and remember whether the ensemble became better."""
        begin = time.perf_counter()
        objective, done = leaderboard.objective, leaderboard.complete
        backtests = [c.forecasts for c in done]
        alike: dict[str, Any] = {"kinds": [c.kind for c in done], "families": [c.family for c in done]}
        rounds, enough = self._policy.interim_rounds, self._policy.interim_targets
        weights = ensemble_weights(objective, backtests, rounds=rounds, enough=enough, **alike)
        self.weights = _positive(done, weights)
        members, loss = objective.stack(backtests, "selection", enough)
        value = loss(np.sum([w * m for w, m in zip(weights, members, strict=True)], axis=0))
        self.final_weights = self.weights
        if objective.has_final:
            every = ensemble_weights(objective, backtests, part="all", rounds=rounds, enough=enough, **alike)
            self.final_weights = _positive(done, every)
        targets = min(objective.targets.actual.size, enough)
        self.weighing_seconds = (time.perf_counter() - begin) / (rounds * max(targets, 1))
        if value < self.best_loss * (1 - self._policy.min_gain_ratio):
            self.best_loss, self.trials_without_gain = value, 0
        else:
            self.trials_without_gain += 1


def _positive(candidates: Sequence[Candidate], weights: Floats) -> dict[int, float]:
    return {c.number: float(w) for c, w in zip(candidates, weights, strict=True) if w > 0}
