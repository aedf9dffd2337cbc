"""The members' fits on all rows: given to workers, collected until the time is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autots.ensembles import Member, Weight
from autots.models.base import Forecaster
from autots.models.catalog import create, fit_here
from autots.panel import Panel
from autots.search.budget import BudgetPolicy
from autots.search.leaderboard import Candidate, Leaderboard
from autots.search.member_costs import normalised, refit_seconds
from autots.search.trial import FinalFit, WorkRequest
from zoo.clock import Deadline
from zoo.workers import Workers

__all__ = ["FinalFits"]

# Seconds between two looks at the clock while workers fit, at least and at most.
_MIN_WAIT, _MAX_WAIT = 0.1, 0.5


@dataclass
class FinalFits:
    """Fits members of the ensemble on all rows, as many as come back in time.

    Args:
        leaderboard: Has the members' candidates.
        panel: The series, with all rows that the fit looks at.
        pool: Runs the fits; None to run them in this process.
        deadline: When the whole fit must be done.
        seed: Source of chance of the fits.
        policy: When nobody waits any longer.

    Attributes:
        useful_seconds: Worker seconds of the fits that came back.
    """

    leaderboard: Leaderboard
    panel: Panel
    pool: Workers | None
    deadline: Deadline
    seed: int
    policy: BudgetPolicy
    useful_seconds: float = field(default=0.0, init=False)

    def submit(self, number: int, seconds: float) -> None:
        """Give a searched member to the workers, with a deadline; the trivial ones are fitted here."""
        if number < 0 or self.pool is None:
            return
        candidate = self._by_number[number]
        left = max(seconds, self.policy.trial_min_seconds)
        request = WorkRequest("fit", candidate.family, candidate.params, self.seed, left)
        self.pool.submit(f"fit {number}", request, timeout=left + self.policy.final_fit_return_seconds)

    def collect(self, weights: Mapping[int, Weight], spare: list[int]) -> dict[int, Forecaster]:
        """Return what comes back in time, and the trivial members, which are fitted here.

        Args:
            weights: The members that are waited for, by number.
            spare: More members, best first, for workers that are idle before the end.
        """
        policy, deadline, pool = self.policy, self.deadline, self.pool
        fitted = {n: self.fit_here(n) for n in weights if n < 0 or pool is None}
        while pool is not None:
            while pool.idle > 0 and spare:
                number, left = spare.pop(0), deadline.remaining - policy.spare_fit_seconds
                if self._refit_seconds(number) < left:
                    self.submit(number, left)
            if not pool.running:
                break
            for event in pool.wait(min(max(deadline.remaining, _MIN_WAIT), _MAX_WAIT)):
                if event.status == "done" and isinstance(event.result, FinalFit):
                    self.useful_seconds += event.seconds
                    number = int(event.key.removeprefix("fit "))
                    candidate = self._by_number[number]
                    fitted[number] = create(candidate.family, **candidate.params).restore(event.result.state)
            if not fitted and deadline.remaining < policy.last_call_seconds:
                fitted = self._rescue(weights)
            everyone = fitted.keys() >= weights.keys()
            if deadline.remaining < (policy.spare_fit_seconds if everyone else policy.give_up_seconds):
                for key in pool.running:
                    pool.cancel(key)
        return fitted

    def fit_here(self, number: int) -> Forecaster:
        """Fit a member in this process, whatever the time."""
        candidate = self._by_number[number]
        return fit_here(candidate.family, candidate.params, self.panel, self.leaderboard.objective.task, self.seed)

    def members(self, weights: Mapping[int, Weight], fitted: Mapping[int, Forecaster]) -> dict[int, Member]:
        """Return the fitted members by number, heaviest first; the best trivial forecaster where there is none."""
        if not fitted:
            trivial = self.leaderboard.best_trivial
            assert trivial is not None
            fitted = {trivial.number: self.fit_here(trivial.number)}
            weights = {trivial.number: (1.0, 1.0)}
        # Fits end in any order; sums of floats in that order would differ in their last bit from run to run.
        shares = normalised({n: weights[n] for n in sorted(fitted)})
        heaviest = sorted(shares, key=lambda n: (-max(shares[n]), n))
        return {n: Member(self._by_number[n].family, fitted[n], shares[n]) for n in heaviest}

    @property
    def _by_number(self) -> dict[int, Candidate]:
        return {c.number: c for c in self.leaderboard.complete}

    def _refit_seconds(self, number: int) -> float:
        if number < 0:
            return 0.0
        plan = self.leaderboard.objective.plan
        return refit_seconds(self._by_number[number], plan, self.panel.lengths, self.policy)

    def _rescue(self, weights: Mapping[int, Weight]) -> dict[int, Forecaster]:
        """Fit the heaviest member that takes no time in this process: the workers were killed and are not back yet."""
        quick = [n for n in weights if self._refit_seconds(n) < self.policy.last_call_seconds / 2]
        if not quick:
            return {}
        number = max(quick, key=lambda n: max(weights[n]))
        return {number: self.fit_here(number)}
