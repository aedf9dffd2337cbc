"""The contract of a stopper: given what was reported, who goes on.

An implementer guarantees:

1. A decision depends on the curves alone: no clock, no chance, no memory between calls.
2. The best curve so far is never stopped.
3. Curves never hold a NaN or an infinite value: the study fails such a trial itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["Curve", "CurveState", "Decision", "Stopper"]

Decision: TypeAlias = Literal["continue", "stop", "pause"]
CurveState: TypeAlias = Literal["running", "paused", "complete", "stopped", "failed"]


@dataclass(frozen=True)
class Curve:
    """What one trial has reported.

    Args:
        number: The number of the trial.
        values: Step -> value of the first objective, oriented: less is better.
        state: Where the trial stands.
    """

    number: int
    values: Mapping[int, float]
    state: CurveState


class Stopper(ABC):
    """Decides on reported values only; see the contract at the top of this module."""

    #: Whether it only pauses, and the sampler decides which paused trial goes on.
    leaves_choice: bool = False
    #: Steps of a whole training, where that is known.
    max_step: int | None = None

    @abstractmethod
    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Return what becomes of trial ``number``, whose report of ``step`` was just added to the curves."""

    @abstractmethod
    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Return a paused trial that shall go on now, before a new one is asked, or None."""

    def last(self, curves: Sequence[Curve]) -> int | None:
        """Return a paused trial that shall go on now that no new one may begin any more, or None."""
        return self.promote(curves)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the rule as JSON values: a part of the study's identity."""
