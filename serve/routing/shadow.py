"""Models that answer beside the one whose answer is returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from serve.routing.base import RoutingChoice, RoutingOutcome, RoutingRequest, check_share, uniforms
from serve.routing.tally import ModelTallies
from zoo.errors import ConfigError

__all__ = ["Shadow"]


@dataclass(frozen=True)
class Shadow:
    """One model answers; others are asked the same, and what they say is only compared.

    Args:
        primary: Whose answer is returned.
        shadows: Who is asked, too.
        share: Of the requests that are shadowed; the rest costs nothing.
        records: What was seen of each so far.

    Raises:
        ConfigError: The primary is among the shadows, or the share is outside of [0, 1].

    >>> Shadow("demand@1", ("demand@2",)).choose(RoutingRequest("r1", "H1", "demand"))
    RoutingChoice(model='demand@1', reason='shadow', shadows=('demand@2',))
    """

    primary: str
    shadows: tuple[str, ...]
    share: float = 1.0
    records: Mapping[str, ModelTallies] = field(default_factory=dict)
    kind: Literal["shadow"] = "shadow"

    def __post_init__(self) -> None:
        check_share("share", self.share)
        if not self.shadows or self.primary in self.shadows or len(set(self.shadows)) < len(self.shadows):
            raise ConfigError(
                f"shadows must be other models than {self.primary!r}, each once, but got {list(self.shadows)}",
                "for example Shadow('demand@1', ('demand@2',))",
            )

    @property
    def models(self) -> tuple[str, ...]:
        """The primary first."""
        return (self.primary, *self.shadows)

    @property
    def learns(self) -> bool:
        """It compares."""
        return True

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Return the primary, with the shadows for a share of the requests."""
        if self.share < 1.0 and uniforms(seed, "shadow", request.id)[0] >= self.share:
            return RoutingChoice(self.primary, "shadow")
        return RoutingChoice(self.primary, "shadow", self.shadows)

    def learn(self, outcome: RoutingOutcome) -> Self:
        """Return it with the outcome counted."""
        if outcome.model not in self.models:
            return self
        record = self.records.get(outcome.model, ModelTallies()).after(outcome)
        return replace(self, records={**self.records, outcome.model: record})
