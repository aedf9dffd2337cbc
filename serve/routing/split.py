"""Shares of the traffic, by key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from serve.routing.base import FixedRouter, RoutingChoice, RoutingRequest, check_weights, uniforms

__all__ = ["Split"]


@dataclass(frozen=True)
class Split(FixedRouter):
    """Each key belongs to one model, in proportion to the weights.

    Weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005): every model
    draws a score for the key, ``-ln(u) / weight``, and the smallest wins. When one weight grows, or a model is
    added, keys move to it and nowhere else.

    Args:
        weights: Model -> share, in any unit.
        salt: Another text gives another, independent assignment of the keys.

    Raises:
        ConfigError: A weight is negative, or none is positive.

    >>> router = Split({"demand@1": 90, "demand@2": 10})
    >>> {router.choose(RoutingRequest(f"r{i}", "H1", "demand")).model for i in range(9)}
    {'demand@1'}
    """

    weights: Mapping[str, float]
    salt: str = ""
    kind: Literal["split"] = "split"

    def __post_init__(self) -> None:
        check_weights(self.weights)

    @property
    def models(self) -> tuple[str, ...]:
        """All, also those of weight 0."""
        return tuple(self.weights)

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Return the model of the request's key."""
        best, least = "", math.inf
        for model, weight in self.weights.items():
            if weight > 0.0:
                # Models draw by their names, so that another order of them changes nothing.
                score = -math.log1p(-uniforms(seed, f"{self.salt}\x1f{model}", request.key)[0]) / weight
                if score < least:
                    best, least = model, score
        return RoutingChoice(best, "split")
