"""One model for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from serve.routing.base import FixedRouter, RoutingChoice, RoutingRequest

__all__ = ["Pin"]


@dataclass(frozen=True)
class Pin(FixedRouter):
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

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Return the one."""
        return RoutingChoice(self.model, "pin")
