"""Bounds that a model must keep on live traffic, whatever else speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from serve.routing.tally import METRICS, ModelTallies, check_alpha, radius
from zoo.errors import ConfigError

__all__ = ["Guardrail", "broken"]


@dataclass(frozen=True)
class Guardrail:
    """A bound on the mean of a metric.

    Args:
        metric: ``failures`` and ``misses`` are shares, ``latency_ms`` milliseconds, ``loss`` a scaled absolute error.
        at_most: The bound itself, in the metric's own unit.
        worse_by: In place of ``at_most``: how much worse than the control's mean is borne; 0.1 is a tenth.
        least: Observations before it is judged.
        alpha: Probability that a model that keeps the bound is ever judged to break it.

    Raises:
        ConfigError: Both bounds or none are given, or a number is out of its range.

    >>> Guardrail("failures", at_most=0.01).metric
    'failures'
    """

    metric: Literal["failures", "latency_ms", "loss", "misses"]
    at_most: float | None = None
    worse_by: float | None = None
    least: int = 30
    alpha: float = 0.01

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigError(f"a metric must be one of {', '.join(METRICS)}, but got {self.metric!r}", "choose one")
        if (self.at_most is None) == (self.worse_by is None):
            raise ConfigError(
                f"a guardrail must have one of at_most and worse_by, but got {self.at_most} and {self.worse_by}",
                "at_most is a number of the metric, worse_by a share of the control's",
            )
        if not 0.0 <= (self.at_most if self.at_most is not None else self.worse_by or 0.0) < float("inf"):
            raise ConfigError(f"a guardrail's bound must be at least 0, but got {self}", "losses are never negative")
        if self.least < 2:
            raise ConfigError(f"least must be at least 2, but got {self.least}", "30 is usual")
        check_alpha(self.alpha)

    def breach(self, record: ModelTallies, control: ModelTallies) -> str:
        """Return how a model breaks the bound, or an empty text."""
        mine = record.of(self.metric)
        if mine.count < self.least:
            return ""
        if self.at_most is not None:
            low, high = mine.mean - radius(mine, self.alpha), self.at_most
        else:
            theirs = control.of(self.metric)
            if theirs.count < self.least:
                return ""
            # Each of the two means errs with half of the probability.
            low = mine.mean - radius(mine, self.alpha / 2)
            high = (theirs.mean + radius(theirs, self.alpha / 2)) * (1.0 + (self.worse_by or 0.0))
        if low <= high:
            return ""
        return f"{self.metric} {mine.mean:.4g} over {mine.count:.0f} is above {high:.4g}"


def broken(guardrails: tuple[Guardrail, ...], record: ModelTallies, control: ModelTallies) -> str:
    """Return the first breach, or an empty text."""
    return next((text for rail in guardrails if (text := rail.breach(record, control))), "")
