"""A new version that must earn its traffic, step by step, and loses it at the first proof against it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, Self

from serve.routing.base import RoutingChoice, RoutingOutcome, RoutingRequest, check_share, uniforms
from serve.routing.guardrails import Guardrail, broken
from serve.routing.tally import ModelTallies
from zoo.errors import ConfigError

__all__ = ["Canary"]

_RAILS = (
    Guardrail("failures", worse_by=0.0),
    Guardrail("loss", worse_by=0.02),
    Guardrail("latency_ms", worse_by=2.0, least=100),
)


@dataclass(frozen=True)
class Canary:
    """A share of the keys goes to the candidate; the share grows with what it has shown.

    A key that was the candidate's at 5 % is still the candidate's at 20 %. Tallies begin anew at each step. A step is
    passed when ``least`` outcomes of either have come and the candidate's mean ``judge`` is at most ``tolerance`` above
    the stable one's; after the last step the candidate is promoted. It is rolled back when a guardrail is broken, or
    when ``most`` outcomes did not suffice. Either is final, until somebody writes another route.

    Args:
        stable: The version that serves.
        candidate: The one that wants to.
        steps: Shares of the keys that go to the candidate, one after the other, growing.
        least: Outcomes of either version before a step is judged.
        most: Outcomes per step before the candidate is given up.
        judge: ``loss`` waits for actuals, which come H steps later; ``failures`` needs none.
        tolerance: How much worse, as a share, passes for equal.
        guardrails: What rolls back at once; the control is the stable version.
        step: The position among ``steps`` where it stands.
        state: ``running``, ``promoted`` or ``rolled back``.
        why: What the last decision was made by.
        stable_record: What was seen in this step.
        candidate_record: What was seen in this step.

    Raises:
        ConfigError: The shares do not grow in (0, 1), or the two versions are one.
    """

    stable: str
    candidate: str
    steps: tuple[float, ...] = (0.01, 0.05, 0.2, 0.5)
    least: int = 100
    most: int = 10_000
    judge: Literal["loss", "failures"] = "loss"
    tolerance: float = 0.01
    guardrails: tuple[Guardrail, ...] = _RAILS
    step: int = 0
    state: Literal["running", "promoted", "rolled back"] = "running"
    why: str = ""
    stable_record: ModelTallies = field(default_factory=ModelTallies)
    candidate_record: ModelTallies = field(default_factory=ModelTallies)
    kind: Literal["canary"] = "canary"

    def __post_init__(self) -> None:
        for share in self.steps:
            check_share("a step", share)
        if (
            not self.steps
            or list(self.steps) != sorted(set(self.steps))
            or self.steps[0] == 0.0
            or self.steps[-1] == 1.0
        ):
            raise ConfigError(
                f"steps must be growing shares between 0 and 1, but got {list(self.steps)}", "(0.01, 0.1, 0.5)"
            )
        if self.stable == self.candidate:
            raise ConfigError(f"the candidate must be another version, but both are {self.stable!r}", "name another")
        if not 2 <= self.least <= self.most:
            raise ConfigError(f"2 <= least <= most must hold, but got ({self.least}, {self.most})", "(100, 10000)")
        if self.tolerance < 0 or not 0 <= self.step < len(self.steps):
            raise ConfigError(f"tolerance and step must be at least 0, but got {self}", "leave them out")

    @property
    def models(self) -> tuple[str, ...]:
        """The stable one first."""
        return (self.stable, self.candidate)

    @property
    def learns(self) -> bool:
        """Until it is decided."""
        return self.state == "running"

    @property
    def share(self) -> float:
        """Of the keys that go to the candidate now."""
        return {"promoted": 1.0, "rolled back": 0.0}.get(self.state, self.steps[self.step])

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Return the version of the request's key."""
        if uniforms(seed, f"canary\x1f{self.candidate}", request.key)[0] < self.share:
            return RoutingChoice(self.candidate, f"canary: {self.share:g}")
        return RoutingChoice(self.stable, "stable")

    def learn(self, outcome: RoutingOutcome) -> Self:
        """Return it with the outcome counted, a step further, promoted or rolled back."""
        if self.state != "running" or outcome.model not in self.models:
            return self
        if outcome.model == self.stable:
            return replace(self, stable_record=self.stable_record.after(outcome))
        record = self.candidate_record.after(outcome)
        breach = broken(self.guardrails, record, self.stable_record)
        if breach:
            return replace(self, candidate_record=record, state="rolled back", why=breach)
        return replace(self, candidate_record=record)._judged()

    def _judged(self) -> Self:
        mine, theirs = self.candidate_record.of(self.judge), self.stable_record.of(self.judge)
        if min(mine.count, theirs.count) < self.least:
            return self
        if mine.mean <= theirs.mean * (1.0 + self.tolerance):
            why = f"{self.judge} {mine.mean:.4g} over {mine.count:.0f}, the stable one's {theirs.mean:.4g}"
            if self.step + 1 == len(self.steps):
                return replace(self, state="promoted", why=why)
            return replace(
                self, step=self.step + 1, stable_record=ModelTallies(), candidate_record=ModelTallies(), why=why
            )
        if mine.count >= self.most:
            why = f"{self.judge} {mine.mean:.4g} over {mine.count:.0f} did not come down to {theirs.mean:.4g}"
            return replace(self, state="rolled back", why=why)
        return self
