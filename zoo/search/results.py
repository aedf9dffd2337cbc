"""What is known of a study: its trials, the best of them, tables, charts and notes. Nothing here changes anything."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import StudyError
from zoo.search.ledger import TrialLedger
from zoo.search.metrics import Limit
from zoo.search.rules import StudyRules
from zoo.search.states import Move
from zoo.search.study_settings import StudySettings
from zoo.search.trial import FailureKind, TrialRecord

if TYPE_CHECKING:
    import pandas as pd

    from zoo.search.insight.importance import Importance
    from zoo.search.insight.view import View

__all__ = ["StudyResults"]


class StudyResults:
    """The part of a study that only reads; its methods may be called from several threads.

    Args:
        settings: What the study was opened with.
        ledger: Where its trials stand.
        rules: What its rules say about them.
        path: The journal; None in memory.
    """

    def __init__(self, settings: StudySettings, ledger: TrialLedger, rules: StudyRules, path: Path | None) -> None:
        self.settings = settings
        self.space = settings.space
        self.metrics = settings.metrics
        self.path = path
        self.checkpoints = ledger.checkpoints
        self._ledger = ledger
        self._rules = rules
        self._lock = threading.RLock()
        #: The ledger's position at which it was computed, and the importance then.
        self._importance: tuple[int, Importance] | None = None

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number."""
        with self._lock:
            return self._ledger.records

    @property
    def best(self) -> TrialRecord | None:
        """The feasible complete trial with the best value, the earliest of equal ones; None before the first.

        Raises:
            StudyError: The study has several objectives.
        """
        if len(self.metrics.objectives) > 1:
            names = ", ".join(metric.name for metric in self.metrics.objectives)
            raise StudyError(f"only one objective has a best trial, but the study has {names}", "use study.pareto")
        done = [record for record in self.trials if record.value is not None and record.feasible]
        return min(done, key=lambda record: self.metrics.sign * float(record.value or 0.0), default=None)

    @property
    def pareto(self) -> list[TrialRecord]:
        """The feasible complete trials that no other one surpasses in all objectives."""
        from zoo.search.pareto import front

        return front(self.trials, self.metrics.objectives)

    @property
    def set_aside(self) -> list[TrialRecord]:
        """The trials that the machine lost too often."""
        return [record for record in self.trials if record.failure is FailureKind.LOST]

    @property
    def running(self) -> tuple[int, ...]:
        """Numbers of the trials that are out now."""
        with self._lock:
            return tuple(self._ledger.timers)

    def worked(self, number: int) -> float:
        """Return the seconds that a running trial was trained until it was last heard of."""
        return self._ledger.out(number, Move.REPORT).worked

    def checkpoint(self, number: int) -> Path | None:
        """Return the directory of a trial's last checkpoint, or None if none is kept."""
        return self._ledger.checkpoint(number)

    @property
    def thresholds(self) -> dict[str, Limit]:
        """The thresholds as they are now."""
        return self._ledger.attributes.limits

    @property
    def notes(self) -> dict[str, Any]:
        """What was kept with ``note``."""
        return self._ledger.attributes.notes

    # how far it is

    @property
    def elapsed(self) -> float:
        """Study time: seconds that it has been open, over all its drivers."""
        return self._ledger.time.now()

    @property
    def time_left(self) -> float:
        """Seconds until the budget of time ends; negative afterwards."""
        return self._rules.time_left

    @property
    def cost(self) -> float:
        """What the trials that ended have cost, in the units of the budget."""
        return self._ledger.cost

    @property
    def converged(self) -> bool:
        """Whether it stagnates, by the rule of ``StudyOptions.converge``."""
        with self._lock:
            return self._rules.converged

    @property
    def exhausted(self) -> bool:
        """Whether all configurations of a finite space were tried: the study ends, as there is nothing new to learn.

        Never where a trial has told a standard error, as a second look at the same configuration then says more, nor
        where the sampler is one that goes on from checkpoints ("population") or was made by somebody else.
        """
        with self._lock:
            return self._rules.exhausted

    # to look at

    def view(self) -> View:
        """Return what the study knows at this moment, for tables, charts and reports."""
        from zoo.search.insight.view import View

        with self._lock:
            since = {number: timer.started for number, timer in self._ledger.timers.items()}
            return View.over(self.path, self._ledger.storage, self.space, self.elapsed, since)

    def frame(self) -> pd.DataFrame:
        """Return one row per trial; the columns are those of ``zoo.search.insight.frame``."""
        from zoo.search.insight.frame import frame

        return frame(self.view())

    @property
    def importance(self) -> Importance:
        """Share of importance per parameter, for the first objective; empty with a ``reason`` for few trials."""
        from zoo.search.insight.importance import importance

        with self._lock:
            seen, view = self._ledger.position, self.view()
        if self._importance is None or self._importance[0] != seen:
            self._importance = seen, importance(view)
        return self._importance[1]

    def write_page(self, path: str | Path) -> Path:
        """Write the study as one HTML file without scripts, and return where: history, parameters, workers, failures.

        Args:
            path: The file, such as "study.html"; folders on the way are made.

        Raises:
            ConfigError: The path is that of the journal.
        """
        from zoo.search.insight.page import write_page

        return write_page(self.view(), path)
