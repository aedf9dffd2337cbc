"""Pause at every report: the sampler compares all trainings each time that one has something to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.search.stoppers.base import Curve, Decision, Stopper

__all__ = ["EveryReport"]


class EveryReport(Stopper):
    """Pauses every training at every report, and leaves it to the sampler who goes on.

    For trainings whose parts are long beside a decision, and for samplers that weigh trials by what they do together
    (an ensemble): what one of them is worth changes with each result of the others, so none goes on by itself.
    """

    #: The sampler decides who goes on.
    leaves_choice = True

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Pause."""
        return "pause"

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Promote nobody: the sampler does."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {"type": "every_report"}
