"""Thompson sampling: each model gets as much traffic as there is reason to believe that it is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from serve.routing.base import RoutingChoice, RoutingOutcome, RoutingRequest, uniforms
from serve.routing.guardrails import Guardrail, broken
from serve.routing.tally import ModelTallies, Tally
from zoo.errors import ConfigError

__all__ = ["Thompson"]

_RAILS = (Guardrail("failures", worse_by=0.0), Guardrail("latency_ms", worse_by=2.0, least=100))
_MAX_ARMS = 8  # models that one router chooses between


@dataclass(frozen=True)
class Thompson:
    """For each request a mean loss is drawn from what is known of each model, and the smallest wins.

    Thompson (1933), "On the likelihood that one unknown probability exceeds another"; the posterior of a mean is
    normal, with the variance of the losses pooled over the models and a prior worth one loss at their common mean. The
    loss of a forecast is known when its actuals arrive, H steps later. Nothing waits for that: what is on its way is
    simply not known yet, and since choices are drawn, not taken at their best, a batch of them that is blind to its
    own outcomes is spread over the models ("An empirical evaluation of Thompson sampling", Chapelle and Li, 2011:
    robust to delays where upper bounds are not).

    Args:
        arms: The models; the first one is the control, which guardrails never close.
        keep: What a loss still counts after the next one of the same model; 0.998 forgets after some 500. 1 never does.
        guardrails: What closes a model; it stays closed until somebody writes another route.
        trial: At most this share of the requests goes to models with fewer than ``least`` losses.
        least: Losses before a model is known.
        records: What was seen of each so far.
        closed: Models that get no requests any more -> why.

    Raises:
        ConfigError: Fewer than two models or more than eight, or a number is out of its range.

    >>> router = Thompson(("demand@1", "demand@2"))
    >>> for loss in (0.5, 0.7, 0.6) * 20:
    ...     router = router.learn(RoutingOutcome("demand@1", loss=loss))
    ...     router = router.learn(RoutingOutcome("demand@2", loss=loss / 2))
    >>> router.choose(RoutingRequest("r1", "H1", "demand")).model
    'demand@2'
    """

    arms: tuple[str, ...]
    keep: float = 0.998
    guardrails: tuple[Guardrail, ...] = _RAILS
    trial: float = 0.5
    least: int = 30
    records: Mapping[str, ModelTallies] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["thompson"] = "thompson"

    def __post_init__(self) -> None:
        if not 2 <= len(set(self.arms)) == len(self.arms) <= _MAX_ARMS:
            raise ConfigError(
                f"arms must be 2 to {_MAX_ARMS} different models, but got {list(self.arms)}",
                "the first one is the control",
            )
        if not 0.0 < self.keep <= 1.0:
            raise ConfigError(f"keep must lie in (0, 1], but got {self.keep!r}", "1 never forgets")
        if not 0.0 < self.trial <= 1.0:
            raise ConfigError(f"trial must lie in (0, 1], but got {self.trial!r}", "0.5 is the default")

    @property
    def models(self) -> tuple[str, ...]:
        """All, the control first."""
        return self.arms

    @property
    def learns(self) -> bool:
        """Always."""
        return True

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Return the model whose drawn mean loss is the smallest."""
        drawn = _normals(uniforms(seed, "thompson", request.id))
        best = self._best(drawn, ())
        if best != self.arms[0] and self._losses(best).count < self.least and self.trial < 1.0:
            # Another draw, so that it does not go with the first one.
            if uniforms(seed, "trial", request.id)[0] >= self.trial:
                unknown = tuple(arm for arm in self.arms[1:] if self._losses(arm).count < self.least)
                return RoutingChoice(self._best(drawn, unknown), "thompson: known")
        return RoutingChoice(best, "thompson")

    def shares(self, draws: int = 500, seed: int = 0) -> dict[str, float]:
        """Return the share of the traffic that each model gets now, by drawing."""
        found = dict.fromkeys(self.arms, 0)
        for i in range(draws):
            found[self.choose(RoutingRequest(str(i), "", ""), seed).model] += 1
        return {arm: count / draws for arm, count in found.items()}

    def learn(self, outcome: RoutingOutcome) -> Self:
        """Return it with the outcome counted, and the model closed if that breaks a guardrail."""
        arm = outcome.model
        if arm not in self.arms:
            return self
        record = self.records.get(arm, ModelTallies()).after(outcome, keep=self.keep)
        records = {**self.records, arm: record}
        if arm == self.arms[0] or arm in self.closed:
            return replace(self, records=records)
        breach = broken(self.guardrails, record, records.get(self.arms[0], ModelTallies()))
        return replace(self, records=records, closed={**self.closed, arm: breach} if breach else self.closed)

    def _losses(self, arm: str) -> Tally:
        record = self.records.get(arm)
        return record.loss if record is not None else Tally()

    def _best(self, drawn: tuple[float, ...], left_out: tuple[str, ...]) -> str:
        tallies = [self._losses(arm) for arm in self.arms]
        total = sum(t.count for t in tallies)
        center = sum(t.count * t.mean for t in tallies) / total if total else 0.0
        freedom = sum(max(t.count - 1.0, 0.0) for t in tallies)
        # One loss at the common mean with the spread of that size: enough to begin with in any unit.
        spread2 = (sum(t.squares for t in tallies) + center * center) / (freedom + 1.0) if total else 1.0
        best, least = self.arms[0], math.inf
        for arm, tally, normal in zip(self.arms, tallies, drawn, strict=False):
            if arm in self.closed or arm in left_out:
                continue
            n = tally.count + 1.0
            value = (tally.count * tally.mean + center) / n + math.sqrt(spread2 / n) * normal
            if value < least:
                best, least = arm, value
        return best


def _normals(uniform: tuple[float, ...]) -> tuple[float, ...]:
    """Return eight standard normal numbers (Box and Muller, 1958)."""
    out: list[float] = []
    for a, b in zip(uniform[::2], uniform[1::2], strict=True):
        length, angle = math.sqrt(-2.0 * math.log1p(-a)), 2.0 * math.pi * b
        out += (length * math.cos(angle), length * math.sin(angle))
    return tuple(out)
