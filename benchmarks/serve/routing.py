"""Figures of the routers: what a choice costs, and what Thompson sampling saves against fixed A/B, in simulation."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from serve.routing import AnyRouter, RoutingOutcome, RoutingRequest, Split, Thompson

__all__ = ["Simulation", "choice_microseconds", "regret", "routing_figures"]

_Means: TypeAlias = tuple[float, ...]


@dataclass(frozen=True)
class Simulation:
    """Traffic whose best model changes once, with losses that are known late.

    Args:
        before: Mean loss of each model at first.
        after: Mean loss of each model after ``change`` of the requests.
        change: Share of the requests.
        requests: How many requests are routed.
        delay: Requests between a forecast and its loss.
    """

    before: _Means = (1.0, 0.9, 1.1)
    after: _Means = (0.85, 1.0, 1.1)
    change: float = 0.5
    requests: int = 20_000
    delay: int = 500

    def means(self, i: int) -> _Means:
        """Return the mean losses at request ``i``."""
        return self.before if i < self.change * self.requests else self.after


class _FixedTest:
    """A/B as it is done by hand: equal shares for a while, then the winner for good."""

    def __init__(self, models: tuple[str, ...], until: int) -> None:
        self._split, self._until, self._asked = Split(dict.fromkeys(models, 1.0)), until, 0
        self._sums = {model: [0.0, 0.0] for model in models}
        self._winner = ""

    def choose(self, request: RoutingRequest) -> str:
        self._asked += 1
        if self._asked <= self._until:
            return self._split.choose(RoutingRequest(request.id, request.id, request.model)).model
        if not self._winner:
            self._winner = min(self._sums, key=lambda m: self._sums[m][0] / max(self._sums[m][1], 1.0))
        return self._winner

    def learn(self, outcome: RoutingOutcome) -> None:
        if outcome.loss is not None:
            self._sums[outcome.model][0] += outcome.loss
            self._sums[outcome.model][1] += 1.0


class _Learning:
    """A router that is replaced by what it learns."""

    def __init__(self, router: AnyRouter) -> None:
        self._router = router

    def choose(self, request: RoutingRequest) -> str:
        return self._router.choose(request).model

    def learn(self, outcome: RoutingOutcome) -> None:
        self._router = self._router.learn(outcome)


def regret(policy: _FixedTest | _Learning, simulation: Simulation, seed: int) -> float:
    """Return the mean loss above that of the best model of each moment, per request.

    Losses of one request are exponential around the model's mean: as noisy as errors of forecasts are.
    """
    chance = random.Random(seed)  # noqa: S311  # no secret
    models = tuple(f"m@{i}" for i in range(len(simulation.before)))
    late: deque[RoutingOutcome] = deque()
    total = 0.0
    for i in range(simulation.requests):
        means = simulation.means(i)
        model = policy.choose(RoutingRequest(f"{seed}-{i}", f"{seed}-{i}", "m"))
        mean = means[models.index(model)]
        total += mean - min(means)
        late.append(RoutingOutcome(model, loss=chance.expovariate(1.0) * mean))
        if len(late) > simulation.delay:
            policy.learn(late.popleft())
    return total / simulation.requests


def choice_microseconds(router: AnyRouter, count: int = 5000) -> float:
    """Return the median time of a choice."""
    asked = [RoutingRequest(f"r{i}", f"series {i}", "m") for i in range(count)]
    took = []
    for request in asked:
        began = time.perf_counter_ns()
        router.choose(request)
        took.append(time.perf_counter_ns() - began)
    return sorted(took)[count // 2] / 1000


def routing_figures(seeds: int = 5, simulation: Simulation | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records: regret of each policy, and the time of a choice."""
    traffic = simulation or Simulation()
    models = tuple(f"m@{i}" for i in range(len(traffic.before)))
    policies: dict[str, Callable[[], _FixedTest | _Learning]] = {
        "thompson": lambda: _Learning(Thompson(models, guardrails=())),
        "fixed A/B for ever": lambda: _FixedTest(models, traffic.requests),
        "A/B on a tenth, then the winner": lambda: _FixedTest(models, traffic.requests // 10),
        "A/B on half, then the winner": lambda: _FixedTest(models, traffic.requests // 2),
        "the control only": lambda: _Learning(Split({models[0]: 1.0})),
    }
    found = {
        name: round(sum(regret(make(), traffic, seed) for seed in range(seeds)) / seeds, 5)
        for name, make in policies.items()
    }
    yield {
        "what": "simulated regret per request (the best model changes half way; losses come late)",
        "regret": found,
        "delay": traffic.delay,
        "requests": traffic.requests,
        "asked": "thompson below fixed A/B",
        "reached": found["thompson"] < min(v for name, v in found.items() if "A/B" in name),
    }
    router: AnyRouter = Thompson(models)
    for i in range(3000):
        router = router.learn(RoutingOutcome(models[i % len(models)], loss=1.0 + i % 7, failed=False, latency_ms=1.0))
    took = round(choice_microseconds(router), 1)
    yield {
        "what": "microseconds of a Thompson choice, 3 models",
        "measured": took,
        "asked": 50,
        "reached": took <= 50,
    }
