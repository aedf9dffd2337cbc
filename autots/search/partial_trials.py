"""What trials in parts have reached, and what is left of them: where a sample is drawn, who goes on, what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from autots.evaluate import Backtest
from autots.panel import Ints
from autots.search.prospects import PausedCandidate, Prospects

__all__ = ["PartialTrials"]


@dataclass
class PartialTrials:
    """Trials that reached a part of their work.

    Args:
        prospects: What the search could do next, with the leaderboard and the policy of the budget.
        budget: Seconds of the whole fit.

    Attributes:
        reached: What the parts of a trial reached so far, by its number; whole ones are not among them.
        fits: How often a model of single series is fitted in its backtest, by the number of its trial.
    """

    prospects: Prospects
    budget: float
    reached: dict[int, Backtest] = field(default_factory=dict)
    fits: dict[int, int] = field(default_factory=dict)

    @cached_property
    def sample(self) -> Ints:
        """The series that a model of single series is tried on first, spread over those with targets in the windows."""
        leaderboard = self.prospects.leaderboard
        actual = leaderboard.objective.targets.actual[leaderboard.objective.windows("selection")]
        count = self.prospects.policy.sample_size(actual.shape[1])
        if count is None:
            return np.arange(actual.shape[1])
        found = np.flatnonzero(np.isfinite(actual).any(axis=(0, 2)))
        useful = found if len(found) else np.arange(actual.shape[1])
        return np.asarray(useful[np.linspace(0, len(useful) - 1, min(count, len(useful))).astype(int)])

    def rest(self, number: int, family: str, backtest: Backtest, gain: float | None = None) -> PausedCandidate:
        """Return what is left to do of a trial, and what it promises.

        Args:
            number: Its number in the study.
            family: The name of its class in the catalog of models.
            backtest: What it has reached so far.
            gain: The ensemble's gain by it, where that was measured already.
        """
        share = max(backtest.progress, 1e-3)
        if backtest.rows is None:
            return PausedCandidate(family, share, (backtest.fit_seconds + backtest.predict_seconds) / share)
        fits = self.fits.get(number, backtest.fits)
        rest = (backtest.fit_seconds / backtest.fits * fits + backtest.predict_seconds) / share * (1.0 - share)
        gain = self.prospects.measured_gain(backtest) if gain is None else gain
        return PausedCandidate(family, share, rest, gain, self._ratio(backtest), len(backtest.rows))

    def affordable_fits(self, sample: Backtest) -> int:
        """Return how often a model of single series is fitted in its backtest, as its sample tells."""
        if sample.rows is None:
            return sample.fits
        more = 1.0 / max(sample.progress, 1e-9)
        fit, predict = sample.fit_seconds / sample.fits * more, sample.predict_seconds * more
        return self.prospects.policy.backtest_fits(fit, predict, sample.fits, self.budget)

    def behind(self, backtest: Backtest) -> str:
        """Return why a model of single series does not go on after its first part; "" where it may."""
        assert backtest.rows is not None
        ratio = self._ratio(backtest)
        if not np.isfinite(ratio):
            return "its score on a sample is not a number"
        far = ratio > self.prospects.policy.rival_ratio
        return f"on {len(backtest.rows)} series it was far behind the best" if far else ""

    def _ratio(self, backtest: Backtest) -> float:
        """Return the score of the series that were reached, as a ratio of the best candidate's there."""
        rows, best = backtest.rows, self.prospects.leaderboard.best
        if rows is None or best is None:
            return 1.0
        objective = self.prospects.leaderboard.objective
        score = objective.value(backtest.of_series(rows), rows=rows)
        rival = objective.value(best.forecasts.of_series(rows), rows=rows)
        if rival > 0:
            return score / rival
        return 1.0 if np.isfinite(score) else score
