"""What a study's rules say about its trials: what is wrong with values, who goes on, and whether it is over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from zoo.search.ledger import TrialLedger
from zoo.search.pareto import front
from zoo.search.stoppers import Decision
from zoo.search.stoppers.stagnation import stagnated
from zoo.search.study_settings import StudySettings
from zoo.search.trial import FailureKind

__all__ = ["StudyRules"]

#: With several objectives a study stagnates if none of the last so many trials per parameter is on the front.
_STAGNANT = 5


class StudyRules:
    """The rules of one study; they read the ledger and change nothing.

    Args:
        settings: What the study was opened with.
        ledger: Where its trials stand.
        sampler: Who chooses; some may suggest the same configuration again.
    """

    def __init__(self, settings: StudySettings, ledger: TrialLedger, sampler: Any) -> None:
        self._settings, self._ledger = settings, ledger
        self._repeats = bool(getattr(sampler, "repeats", True))
        #: The ledger's changes at which it was computed, and whether the study stagnated then.
        self._stagnates: tuple[int, bool] = (-1, False)
        #: How many configurations the space has, once somebody wants to know.
        self._size: float | None = None

    @property
    def time_left(self) -> float:
        """Seconds until the budget of time ends; negative afterwards."""
        bound = self._settings.budget.time
        return math.inf if bound is None else bound - self._ledger.time.now()

    @property
    def full(self) -> bool:
        """Whether as many trials are out as may be at the same time."""
        parallel = self._settings.parallel
        return parallel is not None and len(self._ledger.timers) >= parallel

    @property
    def spent(self) -> bool:
        """Whether no further configuration may be tried."""
        budget, ledger = self._settings.budget, self._ledger
        if self._settings.options.converge and self.converged:
            return True
        if self.exhausted and ledger.queue.first is None:
            return True
        return (budget.trials is not None and ledger.asked >= budget.trials) or (
            budget.cost is not None and ledger.cost >= budget.cost
        )

    @property
    def resumes(self) -> bool:
        """Whether it is the sampler that says which paused trial goes on."""
        return self._settings.stopper is not None and self._settings.stopper.leaves_choice

    def promoted(self, *, last: bool = False) -> int | None:
        """Return the paused trial that the stopper wants to go on now; ``last``: no new one may begin any more."""
        stopper, curves = self._settings.stopper, list(self._ledger.curves.values())
        if stopper is None:
            return None
        return stopper.last(curves) if last else stopper.promote(curves)

    def decision(self, number: int, step: int) -> Decision:
        """Return what becomes of a trial whose report of ``step`` was just taken in."""
        if self.time_left <= 0:
            return "pause"
        if self._settings.stopper is None:
            return "continue"
        return self._settings.stopper.decide(list(self._ledger.curves.values()), number, step)

    def fault(self, values: Mapping[str, float]) -> tuple[FailureKind, str] | None:
        """Return what is wrong with objectives and constraints, if anything."""
        metrics = self._settings.metrics
        for name, value in values.items():
            if metrics[name].role == "stored":
                continue
            if math.isnan(value):
                return FailureKind.NAN, f"{name} is {value}"
            if math.isinf(value):
                return FailureKind.INFINITE, f"{name} is {value}"
        bound, first = self._settings.options.diverged_at, values[metrics.first.name]
        if bound is not None and metrics.sign * (first - bound) > 0:
            return FailureKind.DIVERGENCE, f"{metrics.first.name} is {first:g}, beyond {bound:g}"
        return None

    @property
    def converged(self) -> bool:
        """Whether the last complete trials brought nothing."""
        if self._stagnates[0] != self._ledger.changes:
            self._stagnates = self._ledger.changes, self._stagnant()
        return self._stagnates[1]

    def _stagnant(self) -> bool:
        metrics, dimension = self._settings.metrics, len(self._settings.space)
        done = [record for record in self._ledger.records if record.value is not None and record.feasible]
        # In the order in which they came: that of asking says nothing under asynchrony.
        done.sort(key=lambda record: (record.runs[-1][1] if record.runs else 0.0, record.number))
        if len(metrics.objectives) == 1:
            return stagnated([metrics.sign * float(record.value or 0.0) for record in done], dimension)
        best = {record.number for record in front(self._ledger.records, metrics.objectives)}
        last = done[-_STAGNANT * dimension :]
        return len(done) > len(last) and not any(record.number in best for record in last)

    @property
    def exhausted(self) -> bool:
        """Whether every configuration of a finite space was tried, and no trial says that its value is noise."""
        if self._repeats:
            return False
        if self._size is None:
            listed = self._settings.space.configurations()
            self._size = math.inf if listed is None else len(listed)
        if self._ledger.asked < self._size:
            return False
        from zoo.search.samplers.encoding import Encoding
        from zoo.search.samplers.untried import Tried, tells_noise

        trials = self._ledger.storage.trials
        tried = Tried(Encoding(self._settings.space))
        tried.update(trials, skip=-1)
        return not tells_noise(trials) and not len(tried.left())
