"""The laws of a router, as tests for anyone's implementation.

Derive a test class from ``RouterConformance`` and say how the router is made::

    class TestMyRouter(RouterConformance):
        def make(self):
            return MyRouter("demand@1", "demand@2")
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections import Counter

from serve.routing import AnyRouter, RoutingOutcome, RoutingRequest, RoutingTable

__all__ = ["RouterConformance", "requests", "within_binomial"]


def requests(count: int, *, name: str = "demand", first: int = 0) -> list[RoutingRequest]:
    """Return requests of different ids and keys."""
    return [RoutingRequest(f"r{i}", f"series {i}", name) for i in range(first, first + count)]


def within_binomial(hits: int, trials: int, share: float) -> bool:
    """Whether a count lies within 4.5 standard deviations of a share: chance alone fails it once in 150,000 times."""
    return abs(hits - trials * share) <= 4.5 * math.sqrt(trials * share * (1 - share)) + 1e-9


class RouterConformance(ABC):
    """Tests of the contract of ``serve.routing.base``; every method is one law."""

    @abstractmethod
    def make(self) -> AnyRouter:
        """Return a new router."""

    def outcomes(self, router: AnyRouter, count: int = 200, seed: int = 0) -> list[RoutingOutcome]:
        """Return outcomes of its models, of models it does not know, and incomplete ones, in a random order."""
        chance = random.Random(seed)  # noqa: S311  # no secret
        found = []
        for _ in range(count):
            model = chance.choice([*router.models, "stranger@1"])
            found.append(
                chance.choice(
                    [
                        RoutingOutcome(model, failed=chance.random() < 0.02, latency_ms=chance.expovariate(0.5)),
                        RoutingOutcome(model, loss=chance.expovariate(1.0), missed=chance.random() < 0.2),
                        RoutingOutcome(model, loss=float("nan")),
                        RoutingOutcome(model),
                    ]
                )
            )
        return found

    def after(self, router: AnyRouter, count: int = 200, seed: int = 0) -> AnyRouter:
        """Return the router after a number of outcomes."""
        for outcome in self.outcomes(router, count, seed):
            router = router.learn(outcome)
        return router

    def test_equal_arguments_give_equal_choices(self) -> None:
        """On any object that is equal, in any order, however often asked."""
        one, other = self.after(self.make()), self.after(self.make())
        asked = requests(100)
        first = [one.choose(request, 3) for request in asked]
        assert [other.choose(request, 3) for request in reversed(asked)] == first[::-1]
        assert [one.choose(request, 3) for request in asked] == first

    def test_every_choice_names_known_models(self) -> None:
        """Also after outcomes of all kinds."""
        for router in (self.make(), self.after(self.make(), 1000)):
            for request in requests(200):
                choice = router.choose(request)
                assert choice.reason
                assert {choice.model, *choice.shadows} <= set(router.models)
                assert choice.model not in choice.shadows

    def test_learning_leaves_the_router_as_it_was(self) -> None:
        """A router is a value."""
        router, same = self.make(), self.make()
        self.after(router)
        assert router == same

    def test_a_strangers_outcome_changes_nothing(self) -> None:
        """A model that was removed may still have forecasts on their way."""
        router = self.after(self.make(), 20)
        assert router.learn(RoutingOutcome("stranger@1", loss=1.0, failed=True)) == router

    def test_learning_goes_on_where_it_was_written_down(self) -> None:
        """Dump, load, continue = continue."""
        outcomes = self.outcomes(self.make(), 300)
        whole = table = RoutingTable().put("demand", self.make())
        for i, outcome in enumerate(outcomes):
            whole = whole.learn("demand", outcome)
            table = table.learn("demand", outcome)
            if i % 100 == 50:
                table = RoutingTable.from_dict(table.to_dict())
        assert table == whole

    def test_one_who_never_learns_says_so(self) -> None:
        """``learns`` decides whether forecasts are kept until their actuals come."""
        router = self.make()
        if not router.learns:
            assert self.after(router) is router

    def test_nobody_is_asked_twice_as_often_by_another_seed(self) -> None:
        """A seed changes who gets which model, and not how many do."""
        router = self.after(self.make(), 50)
        counts = [Counter(router.choose(r, seed).model for r in requests(2000)) for seed in (0, 1)]
        for model in router.models:
            assert abs(counts[0][model] - counts[1][model]) < 6 * 1000**0.5
