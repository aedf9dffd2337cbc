"""One model for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from serve.routing.base import Choice, Outcome, Request

__all__ = ["Pin"]


@dataclass(frozen=True)
class Pin:
    """Every request goes to one model.

    >>> Pin("demand@3").choose(Request("r1", "H1", "demand")).model
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

    def choose(self, request: Request, seed: int = 0) -> Choice:
        """Return the one."""
        return Choice(self.model, "pin")

    def learn(self, outcome: Outcome) -> Self:
        """Return itself."""
        return self
