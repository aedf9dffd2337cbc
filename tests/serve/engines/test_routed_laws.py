"""The routed engine around a double: any traffic is answered by whom the router says, and learned from exactly once."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from serve.engines import Asker, ReloadPlan, RoutedEngine
from serve.protocol.answer import Answer, ModelForecasts
from serve.protocol.errors import RequestError
from serve.protocol.request import ForecastRequest, ObservationBody, ObserveBody, RequestLimits, Series
from serve.routing import AnyRouter, Canary, Pin, Shadow, Split, Thompson
from serve.runtime.config import ServingConfig
from serve.runtime.history import Counts
from serve.testing.routers import within_binomial

ARMS = ("demand@1", "demand@2")
HORIZON = 3


class Clock:
    def moment(self, time: Any) -> int:
        return int(time)

    def write(self, moment: int) -> int:
        return moment


class NothingStored:
    single = None

    def __contains__(self, id_: str) -> bool:
        return False


class Served:
    clock, history = Clock(), NothingStored()


class Loaded:
    served = Served()


class DoubleStore:
    """One model of two versions."""

    ready, default = True, "demand"

    def resolve(self, text: str | None) -> tuple[str, str]:
        name, _, version = (text or "demand").partition("@")
        return name, version or "2"

    def loaded(self, key: tuple[str, str]) -> Any:
        return Loaded()

    async def get(self, key: tuple[str, str]) -> Any:
        return Loaded()


class DoubleEngine:
    """Writes down what it is asked, forecasts the number of its version, and fails on demand."""

    def __init__(self) -> None:
        self.store: Any = DoubleStore()
        self.limits = RequestLimits()
        self.asked: list[tuple[str, str]] = []
        self.failing: dict[str, Exception] = {}
        self.now = 0

    async def forecast(self, request: ForecastRequest, asker: Asker = Asker()) -> Answer:  # noqa: B008  # frozen
        await asyncio.sleep(0)
        model = request.model or ""
        self.asked.append((asker.request_id, model))
        if model in self.failing:
            raise self.failing[model]
        name, version = self.store.resolve(model)
        ids = [one.id for one in request.series]
        mean = np.full((len(ids), HORIZON), float(version))
        times = [[self.now + h + 1 for h in range(HORIZON)]] * len(ids)
        quantiles = np.stack([mean - 0.5, mean, mean + 0.5], axis=2)
        return Answer((0.1, 0.5, 0.9), [ModelForecasts(name, version, ids, times, mean, quantiles)])

    async def observe(self, body: ObserveBody, asker: Asker = Asker()) -> Counts:  # noqa: B008  # frozen
        return Counts(accepted=len(body.observations))

    async def routes(self) -> dict[str, Any]:
        return {}

    def prepare(self, config: ServingConfig) -> ReloadPlan:
        raise NotImplementedError

    def commit(self, plan: ReloadPlan) -> None:
        raise NotImplementedError


def asking(id_: str, model: str | None = "demand") -> ForecastRequest:
    return ForecastRequest([Series(id_, np.array([1.0, 2.0, 4.0]))], model=model)


def routed(router: AnyRouter | None = None) -> tuple[RoutedEngine, DoubleEngine]:
    inner = DoubleEngine()
    engine = RoutedEngine(inner)
    if router is not None:
        engine.routing.put("demand", router)
    return engine, inner


async def answered(engine: RoutedEngine, count: int, *, key: str = "") -> list[str]:
    found = [await engine.forecast(asking(f"s{i}"), Asker(f"r{i}", key and f"{key}{i % 7}")) for i in range(count)]
    return [one.version for one in found]


@pytest.mark.parametrize(("weights", "share"), [((9, 1), 0.1), ((1, 1), 0.5), ((1, 3), 0.75)])
def test_weights_are_honoured_within_the_binomial_bounds(weights: tuple[float, float], share: float):
    engine, _ = routed(Split(dict(zip(ARMS, weights, strict=True))))
    versions = asyncio.run(answered(engine, 3000))
    assert within_binomial(versions.count("2"), 3000, share)


def test_sticky_keys_stay_when_a_weight_grows_and_move_only_to_it():
    keys = [Asker("r", f"client {i}") for i in range(400)]

    async def versions(router: AnyRouter) -> list[str]:
        engine, _ = routed(router)
        return [(await engine.forecast(asking(f"s{i}"), asker)).version for i, asker in enumerate(keys)]

    before = asyncio.run(versions(Split({"demand@1": 9, "demand@2": 1})))
    assert asyncio.run(versions(Split({"demand@1": 9, "demand@2": 1}))) == before
    after = asyncio.run(versions(Split({"demand@1": 9, "demand@2": 3})))
    moved = {(a, b) for a, b in zip(before, after, strict=True) if a != b}
    assert moved == {("1", "2")}


def test_what_names_a_version_or_several_models_passes_unchanged():
    engine, inner = routed(Pin("demand@1"))
    several = replace(asking("s"), models="all")

    async def ask() -> None:
        await engine.forecast(asking("s", "demand@2"), Asker("named"))
        await engine.forecast(several, Asker("several"))
        await engine.forecast(asking("s", None), Asker("default"))

    asyncio.run(ask())
    assert inner.asked == [("named", "demand@2"), ("several", "demand"), ("default", "demand@1")]


class Machine(RuleBasedStateMachine):
    """Forecasts, failures and actuals in any order, beside a ledger of what must have been learned."""

    router: AnyRouter = Thompson(ARMS, guardrails=(), keep=1.0)

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.engine, self.inner = routed(self.router)
        self.requests = 0
        self.outcomes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.losses: dict[str, list[float]] = {arm: [] for arm in ARMS}
        self.open: dict[str, list[tuple[str, dict[int, float]]]] = {}

    def teardown(self) -> None:
        self.loop.close()

    def run(self, what: Any) -> Any:
        try:
            return self.loop.run_until_complete(what)
        finally:
            self.loop.run_until_complete(self.engine.settled())

    @rule(series=st.integers(0, 3), key=st.sampled_from(["", "a", "b"]))
    def forecast(self, series: int, key: str) -> None:
        self.requests += 1
        before = len(self.inner.asked)
        id_ = f"H{series}"
        try:
            answer = self.run(self.engine.forecast(asking(id_), Asker(f"r{self.requests}", key)))
        except (RequestError, ValueError) as error:
            answer = None
            clients = isinstance(error, RequestError) and error.status < 500
        asked = [model for _, model in self.inner.asked[before:]]
        assert len(asked) == len(set(asked)), "nobody is asked twice"
        assert set(asked) <= set(self.router.models)
        for model in asked:
            error_of = self.inner.failing.get(model)
            if isinstance(error_of, RequestError) and error_of.status < 500:
                continue  # what the client did wrong says nothing of the model
            self.outcomes[model] += 1
            self.failures[model] += error_of is not None
            if error_of is None:
                steps = {self.inner.now + h + 1: float(model.partition("@")[2]) for h in range(HORIZON)}
                waiting = self.open.setdefault(id_, [])
                waiting.append((model, steps))
                del waiting[:-8]  # of each series the eight newest forecasts wait
        if answer is None:
            assert clients or any(model in self.inner.failing for model in asked)
        else:
            assert answer.version in {model.partition("@")[2] for model in asked}

    @rule(series=st.integers(0, 3), ahead=st.integers(-1, HORIZON + 1), times=st.integers(1, 2))
    def observe(self, series: int, ahead: int, times: int) -> None:
        moment, y, id_ = self.inner.now + ahead, 2.25, f"H{series}"
        for _ in range(times):  # an actual that comes twice teaches once
            one = ObservationBody(id=id_, time=moment, y=y)
            self.run(self.engine.observe(ObserveBody(observations=[one], model="demand")))
        scale = 1.5  # the mean absolute step of 1, 2, 4
        for model, steps in self.open.get(id_, ()):
            forecast = steps.pop(moment, None)
            if forecast is not None:
                self.losses[model].append(min(abs(y - forecast) / scale, 10.0))

    @rule(series=st.integers(0, 3), kind=st.sampled_from(["correct", "withdraw"]))
    def change(self, series: int, kind: str) -> None:
        """A correction settles nothing: what was learned stays."""
        value = {"y": 9.0} if kind == "correct" else {}
        one = ObservationBody.model_validate({"id": f"H{series}", "time": self.inner.now + 1, kind: True, **value})
        self.run(self.engine.observe(ObserveBody(observations=[one], model="demand")))

    @rule(steps=st.integers(1, 2))
    def time_passes(self, steps: int) -> None:
        self.inner.now += steps

    @rule(arm=st.sampled_from(ARMS), status=st.sampled_from([422, 500, 0]))
    def fails(self, arm: str, status: int) -> None:
        self.inner.failing[arm] = RequestError("it fails", "", "", status) if status else ValueError("a bug")

    @precondition(lambda self: self.inner.failing)
    @rule()
    def recovers(self) -> None:
        self.inner.failing.clear()

    @invariant()
    def each_outcome_is_learned_exactly_once(self) -> None:
        records = getattr(self.engine.routing.table.routes["demand"], "records", None)
        if records is None:
            return
        for arm in ARMS:
            found = records.get(arm)
            assert (0 if found is None else found.failures.count) == self.outcomes[arm]
            if found is not None:
                assert math.isclose(found.failures.mean * found.failures.count, self.failures[arm], abs_tol=1e-9)
                assert found.loss.count == len(self.losses[arm])
                assert math.isclose(found.loss.mean * found.loss.count, sum(self.losses[arm]), abs_tol=1e-6)


@pytest.mark.parametrize(
    "router",
    [
        Machine.router,
        Shadow("demand@1", ("demand@2",)),
        Split(dict.fromkeys(ARMS, 1.0)),
        Canary(*ARMS, least=5, most=50),
    ],
    ids=lambda router: router.kind,
)
def test_any_traffic(router: AnyRouter):
    kind = type("OfOneRouter", (Machine,), {"router": router})
    how = settings(max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(kind, settings=how)
