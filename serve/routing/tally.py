"""Running means that can be looked at after every observation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from serve.routing.base import RoutingOutcome
from zoo.errors import ConfigError

__all__ = ["METRICS", "ModelTallies", "Tally", "check_alpha", "radius"]

#: What is counted of each model; in all of them less is better.
METRICS = ("failures", "latency_ms", "loss", "misses")
# Observations at which the bounds of ``radius`` are tightest.
_TIGHT_AT = 200


@dataclass(frozen=True, slots=True)
class Tally:
    """Count, mean and sum of squared deviations of what was added (Welford), the older the less where asked.

    >>> Tally().add(1.0).add(3.0)
    Tally(count=2.0, mean=2.0, squares=2.0)
    """

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float, *, keep: float = 1.0) -> Tally:
        """Return the tally after ``value``; what came before counts ``keep`` times as much as until now."""
        count = keep * self.count + 1.0
        away = value - self.mean
        mean = self.mean + away / count
        return Tally(count, mean, keep * self.squares + away * (value - mean))

    @property
    def variance(self) -> float:
        """Of one observation; 0 before the second."""
        return self.squares / (self.count - 1.0) if self.count > 1.0 else 0.0


@dataclass(frozen=True, slots=True)
class ModelTallies:
    """The tallies of one model, by the names of ``METRICS``."""

    failures: Tally = field(default_factory=Tally)
    latency_ms: Tally = field(default_factory=Tally)
    loss: Tally = field(default_factory=Tally)
    misses: Tally = field(default_factory=Tally)

    def of(self, metric: str) -> Tally:
        """Return the tally of a metric."""
        tally: Tally = getattr(self, metric)
        return tally

    def after(self, outcome: RoutingOutcome, *, keep: float = 1.0) -> ModelTallies:
        """Return the record with an outcome; numbers that are not finite are left out."""
        return ModelTallies(
            _after(self.failures, outcome.failed, keep),
            _after(self.latency_ms, outcome.latency_ms, keep),
            _after(self.loss, outcome.loss, keep),
            _after(self.misses, outcome.missed, keep),
        )


def _after(tally: Tally, value: float | None, keep: float) -> Tally:
    return tally if value is None or not math.isfinite(value) else tally.add(float(value), keep=keep)


def radius(tally: Tally, alpha: float) -> float:
    """Return half the width of a confidence interval of the mean that holds at all times at once.

    A canary is looked at after every request: an ordinary interval would be left by mere chance sooner or later. This
    is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021), "Time-uniform
    central limit theory": the truth leaves it ever with a probability of about ``alpha``.

    >>> round(radius(Tally(100, 0.0, 99.0), 0.05), 3)
    0.308
    """
    if tally.count < 2.0:
        return math.inf
    peak = -2.0 * math.log(alpha)
    rho2 = (peak + math.log(peak + 1.0)) / _TIGHT_AT
    n = tally.count
    wide = n * rho2 + 1.0
    return math.sqrt(tally.variance * 2.0 * wide / (n * n * rho2) * math.log(math.sqrt(wide) / alpha))


def check_alpha(alpha: float) -> None:
    """Raise unless a probability of error lies in (0, 0.5]."""
    if not 0.0 < alpha <= 0.5:
        raise ConfigError(f"alpha must lie in (0, 0.5], but got {alpha!r}", "0.01 is one false alarm in a hundred")
