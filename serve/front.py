"""The application as it faces the world: the guard before it, the router inside of it, the page at ``/``."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from serve.app import ServingApp, observed
from serve.identity import HEADER, PATH, Identity
from serve.page import FILES
from serve.protocol.answer import Answer, dumps
from serve.protocol.errors import RequestError
from serve.protocol.request import ForecastRequest, ObserveBody, whole_number
from serve.routing import Choice, LiveRouting, Promise, Request, history_scale, router_from_dict, time_key
from serve.runtime.config import ServingConfig
from serve.runtime.model import Served
from serve.runtime.store import Plan
from serve.safety import Guard, Limits, Origins, Token, TokenFile, recognise
from zoo.errors import ConfigError
from zoo.files import digest

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


def _kept_tokens(path: str) -> Path | None:
    """Return where the replicas of an endpoint keep what they last read of a file of tokens."""
    folder = os.environ.get("ZOO_SERVE_DIR", "")
    if not folder or not Path(folder).is_dir():
        return None
    return Path(folder) / f"tokens-{digest(path)[:16]}.json"


class FrontApp(ServingApp):
    """Adds routes between versions, ``/v1/history``, ``/v1/routes`` and the page; ``asgi`` is what faces the world.

    Args:
        config: As for ``ServingApp``.
        echo_id: See ``Guard``.
        identity: Who answers; a nameless one if left out.
    """

    def __init__(
        self, config: ServingConfig | None = None, *, echo_id: bool = True, identity: Identity | None = None
    ) -> None:
        self.identity = identity or Identity()
        self._tokens: TokenFile | None = None
        self._prepared: tuple[ServingConfig, TokenFile | None] | None = None
        self._owner = () if not self.identity.owner else (Token("owner", self.identity.owner),)
        self.routing = LiveRouting()
        self._learner = ThreadPoolExecutor(1, thread_name_prefix="routing")
        self._shadows: set[asyncio.Task[None]] = set()
        self._refreshed = 0.0
        self._journal: Path | None = None
        super().__init__(config)
        signature = (HEADER.encode(), self.identity.header.encode("latin-1"))
        self.guard = Guard(
            self, limits=self._limits(config), echo_id=echo_id, signature=signature, before=self._look_at_tokens
        )
        self.asgi = Origins(self.guard)
        self._guard(config)

    def prepare(self, config: ServingConfig) -> Plan:
        """Return what ``commit`` takes; all that can fail fails here, in a thread beside the requests.

        Raises:
            ZooError: Nothing has changed.
        """
        check_routes(config)
        plan = self.store.plan(config)
        # A token file that is broken now does not count; where the same one was read before, that goes on.
        before = self._tokens
        if config.tokens is None:
            tokens = None
        elif before is not None and before.path == Path(config.tokens):
            tokens = before
        else:
            tokens = TokenFile(config.tokens, kept=_kept_tokens(config.tokens))
        self._prepared = config, tokens
        return plan

    def reload(self, config: ServingConfig) -> None:
        """Serve something else from now on, without a failed request; see ``Store.plan``."""
        self.commit(self.prepare(config))

    def refuse(self, why: str) -> None:
        """Say, where versions are listed, that a whole configuration was refused."""
        self.store.refused = {**self.store.refused, "configuration": why}

    def commit(self, plan: Plan) -> None:
        """Serve what is ready, and route as the configuration says."""
        check_routes(plan.config)
        if self._prepared is None or self._prepared[0] != plan.config:
            self.prepare(plan.config)
        assert self._prepared is not None
        self._tokens = self._prepared[1]
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
            if self._tokens is not None:
                self._tokens.look(now=True)
            self.guard.change(limits=self._limits(config), tokens=self._who())
            self.asgi.change(config.origins)

    def _who(self) -> tuple[Token, ...] | None:
        return None if self._tokens is None else (*self._tokens.tokens, *self._owner)

    def _look_at_tokens(self, *, now: bool = False) -> None:
        if self._tokens is not None and self._tokens.look(now=now):
            self.guard.change(limits=self.guard.limits, tokens=self._who())

    @staticmethod
    def _limits(config: ServingConfig | None) -> Limits:
        body = Limits.body if config is None else config.limits.body
        bodies = {} if config is None else {"/v1/observe": config.limits.observe}
        paths = (*Limits.open_paths, *FILES, PATH)
        return Limits(body=body, bodies=bodies, running=_RUNNING, waiting=_WAITING, hold=_HOLD, open_paths=paths)

    def _routes(self) -> None:
        super()._routes()
        self.route("GET", PATH, self._endpoint)
        self.route("GET", "/v1/history", self._history)
        self.route("GET", "/v1/routes", self._table)

    async def _endpoint(self, request: HttpRequest, request_id: str) -> Response:
        """Who answers here; to the one who keeps the endpoint also what is served, and by which tokens."""
        told: dict[str, Any] = self.identity.public() | {"ready": self.store.ready}
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and recognise(text.strip(), self._owner) is not None:
            self._look_at_tokens(now=True)
            tokens = None if self._tokens is None else {"digest": self._tokens.digest, "error": self._tokens.error}
            versions = {name: self.store.current(name) for name in self.store.names}
            told |= {"versions": versions, "refused": self.store.refused, "tokens": tokens}
        return Response(dumps(told), media_type="application/json")

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
        if self.routing.damaged:
            told["damaged"] = self.routing.damaged
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
        body = await self._observed(request)
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
