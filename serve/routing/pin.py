"""One model for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from serve.routing.base import RoutingChoice, RoutingOutcome, RoutingRequest

__all__ = ["Pin"]


@dataclass(frozen=True)
class Pin:
    """Every request goes to one model.

    >>> Pin("demand@3").choose(RoutingRequest("r1", "H1", "demand")).model
    'demand@3'
    """

    model: str
    kind: Literal["pin"] = "pin"

    @property
    def models(self) -> tuple[str, ...]:
        """The one."""
        return (self.model,)

    @property
    def learns(self) -> bool:
        """Never."""
        return False

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Return the one."""
        return RoutingChoice(self.model, "pin")

    def learn(self, outcome: RoutingOutcome) -> Self:
        """Return itself."""
        return self
