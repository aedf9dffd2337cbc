"""The application as it faces the world: the guard before it, the router inside of it, the page at ``/``."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from serve.app import ServingApp, observed
from serve.page import FILES
from serve.protocol.answer import Answer, dumps
from serve.protocol.errors import RequestError
from serve.protocol.request import ForecastRequest, ObserveBody, parse_observe, whole_number
from serve.routing import Choice, LiveRouting, Promise, Request, history_scale, router_from_dict, time_key
from serve.runtime.config import ServingConfig
from serve.runtime.model import Served, version_of
from serve.runtime.store import Plan
from serve.safety import Guard, Limits, Origins, read_tokens
from zoo.errors import ConfigError

__all__ = ["FrontApp", "check_routes"]

_MOST_HISTORY = 2000
#: Series of one answer whose errors a router learns from; the rest would tell little more.
_MOST_PROMISES = 50
_REFRESH = 0.2
#: A batch wants many at once; what waits beyond is told to come back. More of either makes all late: with 192 and
#: 64 the slowest hundredth of the accepted took 39 times the usual under five times the load, with these 4 times.
_RUNNING, _WAITING = 24, 24
#: Seconds that a refusal is held back: refusing costs as much as a small forecast, and who asks again at once would
#: leave the server nothing but that. Retry-After says a second, too.
_HOLD = 1.0


def check_routes(config: ServingConfig) -> None:
    """Raise if a route names a model that is not served.

    Raises:
        ConfigError: With the name.
    """
    have = {(m.name, m.version or version_of(m.path)) for m in config.models} if config.routes else set()
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


class FrontApp(ServingApp):
    """Adds routes between versions, ``/v1/history``, ``/v1/routes`` and the page; ``asgi`` is what faces the world.

    Args:
        config: As for ``ServingApp``.
        echo_id: See ``Guard``.
    """

    def __init__(self, config: ServingConfig | None = None, *, echo_id: bool = True) -> None:
        self.routing = LiveRouting()
        self._learner = ThreadPoolExecutor(1, thread_name_prefix="routing")
        self._shadows: set[asyncio.Task[None]] = set()
        self._refreshed = 0.0
        self._journal: Path | None = None
        super().__init__(config)
        self.guard = Guard(self, limits=self._limits(config), echo_id=echo_id)
        self.asgi = Origins(self.guard)
        self._guard(config)

    def commit(self, plan: Plan) -> None:
        """Serve what is ready, and route as the configuration says."""
        check_routes(plan.config)
        journal = plan.config.folder() / "routing.journal"
        if journal != self._journal and (plan.config.routes or journal.exists()):
            self.routing.close()
            self.routing, self._journal = LiveRouting(journal), journal
        super().commit(plan)
        self.routing.configure(plan.config.routes)
        if hasattr(self, "asgi"):
            self._guard(plan.config)

    def _guard(self, config: ServingConfig | None) -> None:
        if config is not None:
            tokens = () if config.tokens is None else read_tokens(config.tokens)
            self.guard.change(limits=self._limits(config), tokens=tokens)
            self.asgi.change(config.origins)

    @staticmethod
    def _limits(config: ServingConfig | None) -> Limits:
        body = Limits.body if config is None else config.limits.body
        paths = (*Limits.open_paths, *FILES)
        return Limits(body=body, running=_RUNNING, waiting=_WAITING, hold=_HOLD, open_paths=paths)

    def _routes(self) -> None:
        super()._routes()
        self.route("GET", "/v1/history", self._history)
        self.route("GET", "/v1/routes", self._table)

    async def _history(self, request: HttpRequest, request_id: str) -> Response:
        """The last values of a series, actuals included."""
        asked = request.query_params
        last = whole_number(asked.get("last", "200"), "last", most=_MOST_HISTORY)
        served = (await self.store.get(self.store.resolve(asked.get("model")))).served
        served.history.refresh()
        stored = served.history.stored(asked.get("id", served.history.single or ""))
        y = stored.y[-last:]
        moments = served.clock.grid(stored.first, len(stored.y))[-last:]
        told = {
            "id": stored.id,
            "model": served.name,
            "model_version": served.version,
            "request_id": request_id,
            "time": [served.clock.write(int(moment)) for moment in moments],
            "y": [None if value != value else value for value in y.tolist()],
        }
        return Response(dumps(told), media_type="application/json")

    async def _table(self, request: HttpRequest, request_id: str) -> Response:
        """Who decides for which name, and what was learned."""
        await asyncio.get_running_loop().run_in_executor(self._learner, self.routing.refresh)
        told = self.routing.table.to_dict() | {"waiting": self.routing.waiting, "request_id": request_id}
        return Response(dumps(told), media_type="application/json")

    async def forecast(self, asked: ForecastRequest, request: HttpRequest) -> Answer:
        """Answer with the version that the router chooses."""
        name = asked.model or (self.store.default if self.store.ready else "")
        plain = asked.models is None and asked.combine == "ensemble"
        if not plain or name not in self.routing.table.routes:
            return await super().forecast(asked, request)
        self._look()
        request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        key = request.headers.get("x-routing-key") or asked.series[0].id or request_id
        choice = self.routing.choose(Request(request_id, key, name))
        for shadow in choice.shadows:
            task = asyncio.ensure_future(self._shadow(name, replace(asked, model=shadow), request))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return await self._tried(name, choice, asked, request)

    async def _tried(self, name: str, choice: Choice, asked: ForecastRequest, request: HttpRequest) -> Answer:
        """Ask one version, and let the router learn how that went."""
        began = time.perf_counter()
        try:
            answer = await super().forecast(replace(asked, model=choice.model), request)
        except RequestError as error:
            if error.status >= 500:  # what the client did wrong says nothing about the model
                self._learn(name, choice.model, None, None, None)
            raise
        except Exception:
            self._learn(name, choice.model, None, None, None)
            raise
        self._learn(name, choice.model, 1000 * (time.perf_counter() - began), answer, asked)
        return answer

    async def _shadow(self, name: str, asked: ForecastRequest, request: HttpRequest) -> None:
        """Ask a version whose answer nobody sees."""
        try:
            await self._tried(name, Choice(asked.model or "", "shadow"), asked, request)
        except Exception:
            return  # it was counted

    def _learn(
        self, name: str, model: str, latency: float | None, answer: Answer | None, asked: ForecastRequest | None
    ) -> None:
        if self.routing.learns(name):
            self._learner.submit(self._taught, name, model, latency, answer, asked)

    def _taught(
        self, name: str, model: str, latency: float | None, answer: Answer | None, asked: ForecastRequest | None
    ) -> None:
        self.routing.answered(name, model, failed=answer is None, latency_ms=latency)
        if answer is None or asked is None:
            return
        served = self.store.loaded(self.store.resolve(model))
        made, given = answer.forecasts[0], {one.id: one.y for one in asked.series}
        promises = []
        for i, id_ in enumerate(made.ids[:_MOST_PROMISES]):
            y = given.get(id_)
            if y is None and served is not None and id_ in served.served.history:
                y = served.served.history.stored(id_).y
            ends = (made.quantiles[i, :, 0], made.quantiles[i, :, -1]) if len(answer.levels) > 1 else ((), ())
            low, high = (tuple(float(v) for v in end) for end in ends)
            # One text for one moment, so that an actual finds its forecast.
            times = tuple(time_key(t) for t in made.times[i])
            scale = history_scale([] if y is None else y)
            series = f"{name}/{id_}"
            promises.append(Promise(name, model, series, times, tuple(made.mean[i].tolist()), low, high, scale))
        self.routing.promise(promises)

    async def _observe(self, request: HttpRequest, request_id: str) -> Response:
        body = parse_observe(await self.body(request))
        counts = await self.engine.observe(body, by=self.guard.name_of(request.headers.get("authorization", "")))
        self.metrics.observed(counts.accepted, counts.duplicates, counts.late)
        name, _ = self.store.resolve(body.model)
        if self.routing.learns(name):
            served = (await self.store.get(self.store.resolve(body.model))).served
            self._learner.submit(self._rewarded, name, served, body)
        return observed(counts, request_id)

    def _rewarded(self, name: str, served: Served, body: ObserveBody) -> None:
        """Settle the forecasts of what came: the reward of a router, h steps after its choice."""
        for one in body.observations:
            id_ = str(one.id) if one.id is not None else served.history.single
            # A forecast is settled once: what is corrected later does not reach the routers any more.
            if one.y is not None and not one.correct:
                self.routing.observe(f"{name}/{id_}", served.clock.write(served.clock.moment(one.time)), one.y)

    def _look(self) -> None:
        """Now and then take in what other replicas have learned."""
        now = time.monotonic()
        if self._journal is not None and now - self._refreshed > _REFRESH:
            self._refreshed = now
            self._learner.submit(self.routing.refresh)
