"""Study time and the stop-watches of trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.clock import Clock

__all__ = ["StudyTime", "Watch"]


class StudyTime:
    """Seconds that a study has been open, over all its drivers; the time between them does not count.

    Args:
        clock: This process' clock.
        before: What the journal says of earlier drivers.
    """

    def __init__(self, clock: Clock, before: float) -> None:
        self._clock = clock
        self._offset = before - clock.now()

    def now(self) -> float:
        """Return the seconds so far."""
        return self._clock.now() + self._offset

    @staticmethod
    def of(attributes: Iterable[Mapping[str, Any]]) -> float:
        """Return the last moment that the trials' attributes tell of."""
        latest = 0.0
        for attrs in attributes:
            moments = [attrs.get("started", 0.0), attrs.get("ended", 0.0)]
            moments += [end for _, end in attrs.get("runs", ())]
            # A training that ran when its driver died: it began at `started`, and reported last so much later.
            moments.append(attrs.get("started", 0.0) + max(attrs.get("clock", {}).values(), default=0.0))
            latest = max(latest, *moments)
        return latest


@dataclass
class Watch:
    """How long a trial that is out has been worked on.

    Args:
        started: Study time at which this run of it began.
        worked: Seconds of training until ``since``, without pauses and lost work.
        since: Study time from which on the clock measures.
        runs: (start, end) of earlier runs.
        step: The last step that was reported in this or an earlier run.
    """

    started: float
    worked: float
    since: float
    runs: list[tuple[float, float]] = field(default_factory=list)
    step: int = 0

    def lap(self, now: float, seconds: float | None) -> float:
        """Return the seconds worked until now; ``seconds`` is what a training says of the time since the last lap."""
        self.worked += max(now - self.since, 0.0) if seconds is None else seconds
        self.since = now
        return self.worked

    def all_runs(self, now: float) -> list[tuple[float, float]]:
        """Return the earlier runs and this one, which ends now."""
        return [*self.runs, (self.started, now)]
