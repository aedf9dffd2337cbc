"""What answers each route: reads the request by its protocol, asks the engine, writes the answer by the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serve.engines import Engine
from serve.http.requests import asker_of, body_of, model_of
from serve.identity import Identity
from serve.metrics import CONTENT_TYPE as PROMETHEUS
from serve.metrics import ServerMetrics
from serve.page import FILES, HEADERS, asset
from serve.parsing import BodyParser
from serve.protocol import arrow, mlflow, openinference, sagemaker
from serve.protocol.answer import Answer, dumps
from serve.protocol.errors import RequestError
from serve.protocol.invocations import Invocation, OtherModel, parse_invocation
from serve.protocol.iso import shown
from serve.protocol.request import parse_forecast, parse_observe, whole_number
from serve.runtime.model import Served
from serve.safety import Access

__all__ = ["Handlers", "json_response"]

# Series of an answer that are written in the event loop; more would hold up the others.
_INLINE_SERIES = 200
# Actuals are parsed in a thread at most: taking in a million of them from another process holds Python's lock as long.
_THREAD_BYTES = 1_000_000
# Values of a series that /v1/history gives at most, and where nobody says how many.
_MAX_HISTORY, _HISTORY = 2000, 200


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a body of JSON as an answer."""
    return Response(body, status, headers, media_type="application/json")


class Handlers:
    """The handlers of one application. Each may raise any ``ZooError``; ``serve.http.dispatch`` answers it.

    Args:
        engine: Who forecasts and observes.
        metrics: What ``/metrics`` tells, and where actuals are counted.
        access: Who may ask, which ``/v1/endpoint`` tells the owner.
        identity: Who the endpoint is.
        parser: Where large bodies are parsed.
        description: Returns ``/openapi.json`` below a prefix of all paths.
        documentation: Returns the page at ``/docs``.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        metrics: ServerMetrics,
        access: Access,
        identity: Identity,
        parser: BodyParser,
        description: Callable[[str], dict[str, Any]],
        documentation: Callable[[], bytes],
    ) -> None:
        self._engine, self._metrics, self._access, self._identity = engine, metrics, access, identity
        self._parser, self._description, self._documentation = parser, description, documentation

    async def forecast(self, request: Request, request_id: str) -> Response:
        """Native JSON and Arrow, told apart by ``Content-Type``; ``Accept`` chooses between the two for the answer."""
        limits = self._engine.limits
        body = await body_of(request, limits.body)
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        as_arrow = kind == arrow.CONTENT_TYPE
        if as_arrow:
            asked = await asyncio.to_thread(arrow.parse, body, dict(request.query_params), limits)
        else:
            asked = await self._parser.call(len(body), parse_forecast, body, limits)
        answer = await self._engine.forecast(asked, asker_of(request, request_id))
        accepts = request.headers.get("accept", "*/*")
        if arrow.CONTENT_TYPE in accepts or (as_arrow and "json" not in accepts):
            return Response(await asyncio.to_thread(arrow.write, answer, request_id), media_type=arrow.CONTENT_TYPE)
        if len(answer.forecasts[0].ids) > _INLINE_SERIES:
            return json_response(await asyncio.to_thread(answer.to_json, request_id))
        return json_response(answer.to_json(request_id))

    async def observe(self, request: Request, request_id: str) -> Response:
        """Take in actuals; that duplicates say something else is told in a header."""
        body = await body_of(request, self._engine.limits.body)
        told = await self._parser.call(min(len(body), _THREAD_BYTES), parse_observe, body)
        sender = self._access.name_of(request.headers.get("authorization", ""))
        counts = await self._engine.observe(told, asker_of(request, request_id, name=sender))
        self._metrics.observed(counts.accepted, counts.duplicates, counts.late)
        headers = {"x-duplicates-differing": str(counts.differing)} if counts.differing else None
        return json_response(dumps({**counts.to_dict(), "request_id": request_id}), 200, headers)

    async def models(self, request: Request, request_id: str) -> Response:
        """What is deployed."""
        store = self._engine.store
        return json_response(dumps({"default": store.default, "models": store.described(), "refused": store.refused}))

    async def history(self, request: Request, request_id: str) -> Response:
        """The last values of a series, actuals included."""
        asked = request.query_params
        last = whole_number(asked.get("last", str(_HISTORY)), "last", max_value=_MAX_HISTORY)
        served = await self._served(asked.get("model"))
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
        return json_response(dumps(told))

    async def routes(self, request: Request, request_id: str) -> Response:
        """Who decides for which name, and what was learned."""
        return json_response(dumps(await self._engine.routes() | {"request_id": request_id}))

    async def endpoint(self, request: Request, request_id: str) -> Response:
        """Who answers here; to the one who keeps the endpoint also what is served, and by which tokens."""
        store = self._engine.store
        told: dict[str, Any] = self._identity.public() | {"ready": store.ready}
        if self._access.is_owner(request.headers.get("authorization", "")):
            versions = {name: store.current(name) for name in store.names}
            told |= {"versions": versions, "refused": store.refused, "tokens": self._access.described()}
        return json_response(dumps(told))

    async def metrics(self, request: Request, request_id: str) -> Response:
        """All numbers, as Prometheus reads them."""
        return Response(self._metrics.text(self._engine.store), media_type=PROMETHEUS)

    async def ready(self, request: Request, request_id: str) -> Response:
        """Whether there is something to answer with."""
        ready = self._engine.store.ready
        return json_response(dumps({"ready": ready}), 200 if ready else 503)

    async def live(self, request: Request, request_id: str) -> Response:
        """That the process answers."""
        return json_response(dumps({"live": True}))

    async def v2_server(self, request: Request, request_id: str) -> Response:
        """What the server is, in the Open Inference Protocol."""
        return json_response(dumps(openinference.SERVER))

    async def v2_model(self, request: Request, request_id: str) -> Response:
        """What a model takes and gives, in the Open Inference Protocol."""
        store = self._engine.store
        name, _ = store.resolve(model_of(request))
        served = await self._served(model_of(request))
        return json_response(dumps(openinference.metadata(name, store.versions(name), served.levels, served.horizon)))

    async def v2_model_ready(self, request: Request, request_id: str) -> Response:
        """Whether a model is deployed, in the Open Inference Protocol."""
        name, _ = self._engine.store.resolve(model_of(request))
        return json_response(dumps({"name": name, "ready": True}))

    async def v2_infer(self, request: Request, request_id: str) -> Response:
        """Tensors in, tensors out: the Open Inference Protocol, with Triton's binary tensors."""
        where = "inference-header-content-length"
        length = request.headers.get(where)
        header = None if length is None else whole_number(length, where, min_value=0, status=400)
        body = await body_of(request, self._engine.limits.body)
        served = await self._served(model_of(request))
        asked = await self._parser.call(
            len(body),
            openinference.parse,
            body,
            model_of(request),
            self._engine.limits,
            header=header,
            covariates=served.covariates_by_role,
        )
        answer = await self._engine.forecast(asked.request, asker_of(request, request_id))
        body, head = openinference.write(answer, asked)
        if head is None:
            return json_response(body)
        return Response(body, headers={where: str(head)}, media_type="application/octet-stream")

    async def invocations(self, request: Request, request_id: str) -> Response:
        """SageMaker's and MLflow's way share a path; the fields tell which is meant."""
        body = await body_of(request, self._engine.limits.body)
        asked = await self._invoked(body)
        answer: Answer = await self._engine.forecast(asked.request, asker_of(request, request_id))
        return json_response(sagemaker.write(answer) if asked.columns is None else mlflow.write(answer, asked.columns))

    async def _invoked(self, body: bytes) -> Invocation:
        """Read a body once: the columns of its table are those of a model that the body itself names."""
        store, limits = self._engine.store, self._engine.limits
        known = {text: served.reading for text, served in store.by_text().items()}
        asked = await self._parser.call(len(body), parse_invocation, body, known, limits)
        if isinstance(asked, OtherModel):
            # Not in memory, or not there at all: it is loaded, and the body is read by what it wants.
            served = await self._served(asked.name)
            asked = await self._parser.call(len(body), parse_invocation, body, {asked.name: served.reading}, limits)
            assert isinstance(asked, Invocation)
        return asked

    async def description(self, request: Request, request_id: str) -> Response:
        """What each route takes and gives, as OpenAPI."""
        return json_response(dumps(self._description(request.scope.get("root_path", "").rstrip("/"))))

    async def documentation(self, request: Request, request_id: str) -> Response:
        """The same for people."""
        return Response(self._documentation(), media_type="text/html; charset=utf-8", headers=dict(HEADERS))

    async def page(self, request: Request, request_id: str) -> Response:
        """The page of forecasts, and the files that it is made of."""
        # Behind a proxy the prefix of all paths is no part of the name.
        path = request.url.path.removeprefix(request.scope.get("root_path", "")) or "/"
        if path not in FILES:
            raise RequestError(f"a path must be one of the API's, but {shown(path)} is not", "see /docs", "", 404)
        content, kind = asset(path)
        return Response(content, media_type=kind, headers=dict(HEADERS))

    async def _served(self, model: str | None) -> Served:
        store = self._engine.store
        return (await store.get(store.resolve(model))).served
