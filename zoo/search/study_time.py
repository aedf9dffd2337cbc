"""Study time, and how long each trial that is out has been worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.clock import Clock
from zoo.search.trial_attributes import TrialAttributes

__all__ = ["StudyTime", "TrialTimer"]


class StudyTime:
    """Seconds that a study has been open, over all its drivers; the time between them does not count.

    Args:
        clock: The clock of this process, which says how time passes.
        before: Study time in seconds at which the former drivers ended.
    """

    def __init__(self, clock: Clock, before: float) -> None:
        self._clock = clock
        self._offset = before - clock.now()

    def now(self) -> float:
        """Return the seconds so far."""
        return self._clock.now() + self._offset

    @staticmethod
    def of(trials: Sequence[Any]) -> float:
        """Return the last moment that the trials, as Optuna has them, tell of."""
        return max((TrialAttributes(trial).last_moment for trial in trials), default=0.0)


@dataclass
class TrialTimer:
    """How long a trial that is out has been worked on.

    Args:
        started: Study time in seconds at which this run of it began.
        worked: Seconds of training until ``since``, without pauses and lost work.
        since: Study time in seconds from which on the clock measures.
        runs: (start, end) of earlier runs, in seconds of study time.
        step: The last step that was reported in this or an earlier run.
    """

    started: float
    worked: float
    since: float
    runs: tuple[tuple[float, float], ...] = ()
    step: int = 0

    def lap(self, now: float, seconds: float | None) -> float:
        """Return the seconds worked until now; ``seconds`` is what a training says of the time since the last lap."""
        self.worked += max(now - self.since, 0.0) if seconds is None else seconds
        self.since = now
        return self.worked

    def all_runs(self, now: float) -> list[tuple[float, float]]:
        """Return the earlier runs and this one, which ends now."""
        return [*self.runs, (self.started, now)]
