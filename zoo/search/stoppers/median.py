"""The median rule (Golovin et al. 2017): stop what is worse than half of the others were at the same step."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from zoo.errors import ConfigError
from zoo.search.stoppers.base import Curve, Decision, Stopper

__all__ = ["Median"]


class Median(Stopper):
    """Stops a trial whose best value so far is worse than the median of the others' running averages.

    Args:
        min_step: Nobody is stopped before.
        min_trials: Others that must have come as far, before anybody is judged.
    """

    def __init__(self, *, min_step: int = 1, min_trials: int = 5) -> None:
        if min_step < 0 or min_trials < 1:
            raise ConfigError(
                f"`min_step >= 0` and `min_trials >= 1` must hold, but got min_step={min_step}, "
                f"min_trials={min_trials}",
                "leave them out for the defaults",
            )
        self.min_step, self.min_trials = min_step, min_trials

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Compare with the others that have come as far."""
        if step < self.min_step:
            return "continue"
        mine = next(curve for curve in curves if curve.number == number)
        averages = []
        for curve in curves:
            if curve.number != number and curve.state != "failed" and max(curve.values, default=-1) >= step:
                until = [value for at, value in curve.values.items() if at <= step]
                averages.append(sum(until) / len(until) if until else min(curve.values.values()))
        if len(averages) < self.min_trials:
            return "continue"
        return "stop" if min(mine.values.values()) > median(averages) else "continue"

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Promote nobody: nobody pauses."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {"type": "median", "min_step": self.min_step, "min_trials": self.min_trials}
