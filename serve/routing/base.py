"""What a router is: a frozen value that says which model answers, and that becomes another value as outcomes come in.

The contract, whose laws are in ``serve.testing.routers``:

- ``choose`` is a pure function of (request, router, seed): no clock, no generator, no state. Equal arguments give equal
  choices on every replica and after every restart, so nothing needs to be agreed upon between replicas.
- ``learn`` is a pure function, too: it returns the router after an outcome and leaves this one as it was. An outcome
  of a model that the router does not know changes nothing: it may be of a model that was removed a while ago.
- Every model that a choice names is in ``models``.
- A router is built of JSON values alone and comes back equal from them (``serve.routing.table``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from struct import unpack
from typing import Protocol, Self, runtime_checkable

from zoo.errors import ConfigError
from zoo.files import keyed_hash

__all__ = [
    "FixedRouter",
    "Router",
    "RoutingChoice",
    "RoutingOutcome",
    "RoutingRequest",
    "check_share",
    "check_weights",
    "uniforms",
]

_TWO_64 = 2.0**64  # of 8 bytes of a digest to [0, 1)


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """What a router may look at.

    Args:
        id: Of this request (``X-Request-Id``): what is drawn anew for each request depends on it.
        key: What stays with one model as long as the router does not change: the client's own key, or the series' id.
        model: The name asked for, ``"demand"``, or one version of it, ``"demand@3"``.
    """

    id: str
    key: str
    model: str


@dataclass(frozen=True, slots=True)
class RoutingChoice:
    """What a router says.

    Args:
        model: Whose answer is returned.
        reason: In a few words, for the logs and for the answer's ``X-Route`` header.
        shadows: Models that answer, too; their answers are compared and never returned.
    """

    model: str
    reason: str
    shadows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutingOutcome:
    """What became of a forecast; each part may come at another time, and then the other parts are None.

    Args:
        model: The model that answered, ``name@version``.
        failed: Whether the request failed by the model's fault.
        latency_ms: Milliseconds that the model took.
        loss: Scaled absolute error of one step, known when the actual arrives, H steps later.
        missed: Whether the actual lies outside of the forecast interval.
    """

    model: str
    failed: bool | None = None
    latency_ms: float | None = None
    loss: float | None = None
    missed: bool | None = None


@runtime_checkable
class Router(Protocol):
    """See the module's first lines."""

    @property
    def models(self) -> tuple[str, ...]:
        """All models that may be asked."""

    @property
    def learns(self) -> bool:
        """Whether outcomes change it: only then are forecasts kept until their actuals come."""

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Say who answers."""

    def learn(self, outcome: RoutingOutcome) -> Self:
        """Return the router after an outcome."""


class FixedRouter:
    """A router that no outcome changes."""

    @property
    def learns(self) -> bool:
        """Whether outcomes change it: never."""
        return False

    def learn(self, outcome: RoutingOutcome) -> Self:
        """Return the router as it is."""
        return self


@lru_cache(maxsize=256)
def _prefix(seed: int, purpose: str) -> bytes:
    return keyed_hash(f"{seed}\x1f{purpose}".encode(), size=16)


def uniforms(seed: int, purpose: str, text: str) -> tuple[float, ...]:
    """Return eight numbers in [0, 1) that depend on the arguments alone.

    A keyed hash costs a microsecond; to seed a generator costs fifteen.

    >>> uniforms(0, "split", "H1") == uniforms(0, "split", "H1")
    True
    """
    digest = keyed_hash(text.encode("utf-8", "surrogatepass"), size=64, key=_prefix(seed, purpose))
    return tuple(part / _TWO_64 for part in unpack("<8Q", digest))


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise unless the weights are finite, none is negative and one is positive."""
    wrong = {name: w for name, w in weights.items() if not 0.0 <= w < float("inf")}
    if wrong or sum(weights.values()) <= 0.0:
        raise ConfigError(
            f"weights must be numbers of at least 0, one of them positive, but got {dict(wrong or weights)}",
            "for example {'demand@1': 90, 'demand@2': 10}",
        )


def check_share(name: str, share: float) -> None:
    """Raise unless a share lies in [0, 1]."""
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"{name} must lie between 0 and 1, but got {share!r}", "0.05 is one request in twenty")
