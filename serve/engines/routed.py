"""The engine with routes between versions: it wraps another engine, chooses who answers, and learns how that went."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from serve.engines.base import Asker, Engine, ReloadPlan
from serve.protocol.answer import Answer
from serve.protocol.errors import RequestError
from serve.protocol.request import ForecastRequest, ObserveBody, RequestLimits
from serve.routing import (
    LiveRouting,
    Promise,
    RoutingChoice,
    RoutingRequest,
    history_scale,
    router_from_dict,
    time_key,
)
from serve.runtime.config import ServingConfig
from serve.runtime.history import Counts
from serve.runtime.model import Served
from serve.runtime.store import ModelStore
from zoo.errors import ConfigError

__all__ = ["RoutedEngine", "check_routes"]

#: Series of one answer whose errors a router learns from; the rest would tell little more.
_MAX_PROMISES = 50
#: Seconds between two looks at what other replicas have learned.
_REFRESH = 0.2
_NOBODY = Asker()


def check_routes(config: ServingConfig) -> None:
    """Raise if a route names a model that is not served.

    Raises:
        ConfigError: A route is of an unknown model, or a router names an unknown version; the message has the name.
    """
    have = {(m.name, m.versioned()) for m in config.models} if config.routes else set()
    names = {name for name, _ in have}
    for route, values in config.routes.items():
        if route not in names:
            raise ConfigError(f"a route must be of a model that is served, but {route!r} is not", f"served: {names}")
        for model in router_from_dict(values).models:
            name, _, version = model.partition("@")
            if name not in names or (version and (name, version) not in have):
                listed = ", ".join(sorted(f"{n}@{v}" for n, v in have))
                raise ConfigError(
                    f"route {route!r} must name served versions, but {model!r} is none", f"have: {listed}"
                )


class RoutedEngine:
    """Asks the version that a router chooses, and lets the router learn from what becomes of the answer.

    Requests for a version (``name@version``), for several models, or for a name without a route are passed on as they
    are. What is learned is learned in a thread beside the answers.

    Args:
        engine: Who answers when it is clear which version is meant.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.routing = LiveRouting()
        self._journal: Path | None = None
        self._learner = ThreadPoolExecutor(1, thread_name_prefix="routing")
        self._shadows: set[asyncio.Task[None]] = set()
        self._refreshed = 0.0  # seconds of the monotonic clock

    @property
    def store(self) -> ModelStore:
        """The models of the engine inside."""
        return self.engine.store

    @property
    def limits(self) -> RequestLimits:
        """The limits of the engine inside."""
        return self.engine.limits

    def prepare(self, config: ServingConfig) -> ReloadPlan:
        """Load and verify what a configuration asks for, and check that its routes lead to it.

        Raises:
            ZooError: It cannot be served, or a route leads nowhere; nothing has changed.
        """
        check_routes(config)
        return self.engine.prepare(config)

    def commit(self, plan: ReloadPlan) -> None:
        """Answer by a plan, and route as its configuration says."""
        journal = plan.config.folder() / "routing.journal"
        if journal != self._journal and (plan.config.routes or journal.exists()):
            self.routing.close()
            self.routing, self._journal = LiveRouting(journal), journal
        self.engine.commit(plan)
        self.routing.configure(plan.config.routes)

    async def routes(self) -> dict[str, Any]:
        """Return who decides for which name, what was learned, and how many forecasts wait for their actuals."""
        await asyncio.get_running_loop().run_in_executor(self._learner, self.routing.refresh)
        told = self.routing.table.to_dict() | {"waiting": self.routing.waiting}
        return told | ({"damaged": self.routing.damaged} if self.routing.damaged else {})

    async def settled(self) -> None:
        """Return when shadows have answered, and what happened until now is learned."""
        await asyncio.gather(*self._shadows)
        await asyncio.get_running_loop().run_in_executor(self._learner, lambda: None)

    async def forecast(self, request: ForecastRequest, asker: Asker = _NOBODY) -> Answer:
        """Answer with the version that the router chooses."""
        name = request.model or (self.store.default if self.store.ready else "")
        plain = request.models is None and request.combine == "ensemble"
        if not plain or name not in self.routing.table.routes:
            return await self.engine.forecast(request, asker)
        self._refresh()
        key = asker.key or request.series[0].id or asker.request_id
        choice = self.routing.choose(RoutingRequest(asker.request_id, key, name))
        for shadow in choice.shadows:
            task = asyncio.ensure_future(self._shadow(name, replace(request, model=shadow), asker))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return await self._tried(name, choice, request, asker)

    async def _tried(self, name: str, choice: RoutingChoice, request: ForecastRequest, asker: Asker) -> Answer:
        """Ask one version, and let the router learn how that went."""
        began = time.perf_counter()
        try:
            answer = await self.engine.forecast(replace(request, model=choice.model), asker)
        except RequestError as error:
            if error.status >= 500:  # what the client did wrong says nothing about the model
                self._learn(name, choice.model, None, None, None)
            raise
        except Exception:
            self._learn(name, choice.model, None, None, None)
            raise
        self._learn(name, choice.model, 1000 * (time.perf_counter() - began), answer, request)
        return answer

    async def _shadow(self, name: str, request: ForecastRequest, asker: Asker) -> None:
        """Ask a version whose answer nobody sees."""
        try:
            await self._tried(name, RoutingChoice(request.model or "", "shadow"), request, asker)
        except Exception:
            return  # it was counted

    def _learn(
        self, name: str, model: str, latency: float | None, answer: Answer | None, request: ForecastRequest | None
    ) -> None:
        if self.routing.learns(name):
            self._learner.submit(self._learned, name, model, latency, answer, request)

    def _learned(
        self, name: str, model: str, latency: float | None, answer: Answer | None, request: ForecastRequest | None
    ) -> None:
        """Count an answer, and keep its forecasts until their actuals come; runs in the learner's thread."""
        self.routing.answered(name, model, failed=answer is None, latency_ms=latency)
        if answer is None or request is None:
            return
        loaded = self.store.loaded(self.store.resolve(model))
        forecasts, given = answer.forecasts[0], {one.id: one.y for one in request.series}
        promises = []
        for i, id_ in enumerate(forecasts.ids[:_MAX_PROMISES]):
            y = given.get(id_)
            if y is None and loaded is not None and id_ in loaded.served.history:
                y = loaded.served.history.stored(id_).y
            quantiles = forecasts.quantiles[i]
            ends = (quantiles[:, 0], quantiles[:, -1]) if len(answer.levels) > 1 else ((), ())
            low, high = (tuple(float(v) for v in end) for end in ends)
            # One text for one moment, so that an actual finds its forecast.
            times = tuple(time_key(t) for t in forecasts.times[i])
            scale = history_scale([] if y is None else y)
            mean = tuple(forecasts.mean[i].tolist())
            promises.append(Promise(name, model, f"{name}/{id_}", times, mean, low, high, scale))
        self.routing.promise(promises)

    async def observe(self, body: ObserveBody, asker: Asker = _NOBODY) -> Counts:
        """Take in actuals, and reward the versions that forecast them."""
        counts = await self.engine.observe(body, asker)
        key = self.store.resolve(body.model)
        if self.routing.learns(key[0]):
            served = (await self.store.get(key)).served
            self._learner.submit(self._rewarded, key[0], served, body)
        return counts

    def _rewarded(self, name: str, served: Served, body: ObserveBody) -> None:
        """Settle the forecasts of what came: the reward of a router, h steps after its choice."""
        for one in body.observations:
            id_ = str(one.id) if one.id is not None else served.history.single
            # A forecast is settled once: what is corrected later does not reach the routers any more.
            if one.y is not None and not one.correct:
                self.routing.observe(f"{name}/{id_}", served.clock.write(served.clock.moment(one.time)), one.y)

    def _refresh(self) -> None:
        """Now and then take in what other replicas have learned."""
        now = time.monotonic()
        if self._journal is not None and now - self._refreshed > _REFRESH:
            self._refreshed = now
            self._learner.submit(self.routing.refresh)
