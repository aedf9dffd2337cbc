"""The HTTP application: every protocol on one engine. It knows no Ray: uvicorn runs it as it is, and so do tests."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve import openapi
from serve.metrics import CONTENT_TYPE as PROMETHEUS
from serve.metrics import Metrics
from serve.page import FILES, HEADERS, asset
from serve.parsing import Elsewhere
from serve.protocol import arrow, mlflow, openinference, sagemaker
from serve.protocol.answer import Answer, dumps
from serve.protocol.encoding import unpacked
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown
from serve.protocol.loose import mapping
from serve.protocol.request import (
    ForecastRequest,
    Limits,
    ObserveBody,
    parse_forecast,
    parse_observe,
    whole_number,
)
from serve.runtime.clock import SeriesClock
from serve.runtime.config import ServingConfig
from serve.runtime.engine import Engine
from serve.runtime.history import Counts
from serve.runtime.store import Plan, Store
from zoo.errors import DataError, ModelError, ZooError

__all__ = ["Handler", "ServingApp", "observed"]

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
#: A request and its id -> the answer.
Handler = Callable[[Request, str], Awaitable[Response]]


class ServingApp:
    """An engine and its ASGI application, ``api``.

    Args:
        config: What to serve: models are loaded, warmed up and verified before this returns. None for nothing yet.

    Raises:
        ZooError: A model cannot be served.
    """

    def __init__(self, config: ServingConfig | None = None) -> None:
        self.metrics = Metrics()
        self.store = Store(self.metrics.batch)
        self.engine = Engine(self.store, Limits())
        self.parsing = Elsewhere()
        if config is not None:
            self.reload(config)
        self._exact: dict[tuple[str, str], ASGIApp] = {}
        # Its own pages of documentation load scripts from elsewhere, beside the page that holds a token.
        self.api = FastAPI(
            title="zoo-autots",
            version="1",
            summary="Forecasts with calibrated quantiles.",
            docs_url=None,
            redoc_url=None,
        )
        self.api.add_exception_handler(HTTPException, _unrouted)
        self.api.openapi = lambda: openapi.document(self.api)  # type: ignore[method-assign]
        self._routes()

    def reload(self, config: ServingConfig) -> None:
        """Serve something else from now on, without a failed request; see ``Store.plan``."""
        self.commit(self.store.plan(config))

    def commit(self, plan: Plan) -> None:
        """Serve what is ready."""
        self.store.commit(plan)
        self.engine.limits = plan.config.limits.limits()

    def _routes(self) -> None:
        self.route("POST", "/v1/forecast", self._forecast)
        self.route("POST", "/v1/observe", self._observe)
        self.route("GET", "/v1/models", self._models)
        self.route("GET", "/metrics", self._metrics)
        self.route("GET", "/v2", self._v2_server)
        self.route("GET", "/v2/health/live", self._v2_live)
        self.route("GET", "/v2/health/ready", self._v2_ready)
        for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            self.route("GET", path, self._v2_model)
            self.route("GET", f"{path}/ready", self._v2_model_ready)
            self.route("POST", f"{path}/infer", self._v2_infer)
        self.route("POST", "/invocations", self._invocations)
        self.route("GET", "/ping", self._v2_ready)
        self.route("GET", "/health", self._v2_ready)
        for path in FILES:
            self.route("GET", path, self._page)

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Answer a path. The handler may raise any ``ZooError``."""
        metrics, by_v2 = self.metrics, path.startswith("/v2")

        async def guarded(request: Request) -> Response:
            begin = time.perf_counter()
            given = request.headers.get("x-request-id", "")
            request_id = given if _NAME.fullmatch(given) else uuid.uuid4().hex
            response = await _answered(handler, request, request_id, by_v2=by_v2)
            response.headers["x-request-id"] = request_id
            metrics.request(path, response.status_code, time.perf_counter() - begin)
            return response

        self.api.add_route(path, guarded, methods=[method], include_in_schema=False)
        if "{" not in path:

            async def direct(scope: Scope, receive: Receive, send: Send) -> None:
                request = Request(scope, receive, send)
                await (await guarded(request))(scope, receive, send)

            self._exact[method, path] = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application.

        Paths without parameters go straight to their handlers, which answer every error themselves: the framework's
        layers of middleware and routing would take longer than most forecasts.
        """
        found = self._exact.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (found or self.api)(scope, receive, send)

    async def body(self, request: Request) -> bytes:
        """Return the whole body.

        Raises:
            RequestError: It is longer than allowed (413), or packed in a way that is not known (415).
        """
        most = self.engine.limits.body
        length = request.headers.get("content-length", "")
        # A length beyond all bounds has more digits than int should be given.
        if length.isdecimal() and (len(length) > 18 or int(length) > most):
            raise _too_long(most)
        whole = bytearray()
        async for chunk in request.stream():
            whole += chunk
            if len(whole) > most:
                raise _too_long(most)
        encoding = request.headers.get("content-encoding", "")
        if not encoding:
            return bytes(whole)
        return await asyncio.to_thread(unpacked, bytes(whole), encoding, most)

    async def forecast(self, asked: ForecastRequest, request: Request) -> Answer:
        """Answer a request of any protocol within its deadline."""
        return await self.engine.forecast(asked, timeout=_timeout(request))

    async def _forecast(self, request: Request, request_id: str) -> Response:
        body = await self.body(request)
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        as_arrow = kind == arrow.CONTENT_TYPE
        if as_arrow:
            asked = await asyncio.to_thread(arrow.parse, body, dict(request.query_params), self.engine.limits)
        else:
            asked = await self.parsing.call(len(body), parse_forecast, body, self.engine.limits)
        answer = await self.forecast(asked, request)
        accepts = request.headers.get("accept", "*/*")
        if arrow.CONTENT_TYPE in accepts or (as_arrow and "json" not in accepts):
            return Response(await asyncio.to_thread(arrow.write, answer, request_id), media_type=arrow.CONTENT_TYPE)
        if len(answer.forecasts[0].ids) > _MANY:
            return _json(await asyncio.to_thread(answer.to_json, request_id))
        return _json(answer.to_json(request_id))

    async def _observe(self, request: Request, request_id: str) -> Response:
        counts = await self.engine.observe(await self._observed(request))
        self.metrics.observed(counts.accepted, counts.duplicates, counts.late)
        return observed(counts, request_id)

    async def _page(self, request: Request, request_id: str) -> Response:
        content, kind = asset(request.url.path if request.url.path in FILES else "/")
        return Response(content, media_type=kind, headers=dict(HEADERS))

    async def _observed(self, request: Request) -> ObserveBody:
        body = await self.body(request)
        return await self.parsing.call(min(len(body), _OBSERVED), parse_observe, body)

    async def _models(self, request: Request, request_id: str) -> Response:
        told = {"default": self.store.default, "models": self.store.described(), "refused": self.store.refused}
        return _json(dumps(told))

    async def _metrics(self, request: Request, request_id: str) -> Response:
        return Response(self.metrics.text(self.store), media_type=PROMETHEUS)

    async def _v2_server(self, request: Request, request_id: str) -> Response:
        return _json(dumps(openinference.SERVER))

    async def _v2_live(self, request: Request, request_id: str) -> Response:
        return _json(dumps({"live": True}))

    async def _v2_ready(self, request: Request, request_id: str) -> Response:
        return _json(dumps({"ready": self.store.ready}), 200 if self.store.ready else 503)

    async def _v2_model(self, request: Request, request_id: str) -> Response:
        key = self.store.resolve(_named(request))
        served = (await self.store.get(key)).served
        return _json(dumps(openinference.metadata(key[0], self.store.versions(key[0]), served.levels, served.horizon)))

    async def _v2_model_ready(self, request: Request, request_id: str) -> Response:
        key = self.store.resolve(_named(request))
        return _json(dumps({"name": key[0], "ready": True}))

    async def _v2_infer(self, request: Request, request_id: str) -> Response:
        length = request.headers.get("inference-header-content-length")
        where = "inference-header-content-length"
        header = None if length is None else whole_number(length, where, least=0, status=400)
        body = await self.body(request)
        served = (await self.store.get(self.store.resolve(_named(request)))).served
        asked = await self.parsing.call(
            len(body),
            openinference.parse,
            body,
            _named(request),
            self.engine.limits,
            header=header,
            covariates=served.covariates_by_role,
        )
        body, head = openinference.write(await self.forecast(asked.request, request), asked)
        if head is None:
            return _json(body)
        headers = {"inference-header-content-length": str(head)}
        return Response(body, headers=headers, media_type="application/octet-stream")

    async def _invocations(self, request: Request, request_id: str) -> Response:
        """SageMaker's and MLflow's way share a path; the fields tell which is meant."""
        body = await self.body(request)
        model = await self.parsing.call(len(body), invoked_model, body)
        served = (await self.store.get(self.store.resolve(model))).served
        as_sagemaker, asked = await self.parsing.call(
            len(body), parse_invocation, body, served.names, served.clock, self.engine.limits
        )
        answer = await self.forecast(asked, request)
        return _json(sagemaker.write(answer) if as_sagemaker else mlflow.write(answer, served.names))


def invoked_model(body: bytes) -> str | None:
    """Return the model that MLflow's body names; None for the default one, which is SageMaker's only.

    Raises:
        RequestError: 400 for what is no JSON.
    """
    fields = mapping(body)
    return None if sagemaker.meant(fields) else mlflow.model_of(fields)


def parse_invocation(
    body: bytes, names: mlflow.Names, clock: SeriesClock, limits: Limits
) -> tuple[bool, ForecastRequest]:
    """Read SageMaker's or MLflow's body: whether it is SageMaker's, and what is asked.

    Raises:
        RequestError: 400 for what is no JSON; else as for ``parse_forecast``.
    """
    fields = mapping(body)
    if sagemaker.meant(fields):
        spacing = None if clock.freq.is_integer else clock.freq.spacing
        return True, sagemaker.parse(fields, limits, spacing)
    return False, mlflow.parse(fields, names, limits, clock)


#: Series of an answer that are written in the event loop.
_MANY = 200
#: Actuals are parsed in a thread at most: taking in a million of them from another process holds Python's lock as long.
_OBSERVED = 1_000_000


async def _answered(handler: Handler, request: Request, request_id: str, *, by_v2: bool) -> Response:
    try:
        return await handler(request, request_id)
    except RequestError as error:
        failed = error
    except DataError as error:
        failed = RequestError(error.message, error.hint)
    except ModelError as error:
        failed = RequestError(error.message, error.hint)
    except ZooError as error:
        failed = RequestError(error.message, error.hint, "", 500)
    except ClientDisconnect:
        failed = RequestError("the client has gone", "", "", 499)
    except Exception as error:
        _log.exception("request %s failed", request_id)
        failed = RequestError(f"this is a bug: {type(error).__name__}", "the server's log has more", "", 500)
    if failed.status >= 500:
        _log.error("request %s: %s", request_id, failed.message)
    body = failed.to_dict() | {"request_id": request_id}
    headers = {"retry-after": "1"} if failed.status in (429, 503) else None
    return _json(dumps({"error": failed.message} if by_v2 else body), failed.status, headers)


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer what no route takes in the shape of all errors; of the Open Inference Protocol in the protocol's."""
    assert isinstance(error, HTTPException)
    given = request.headers.get("x-request-id", "")
    request_id = given if _NAME.fullmatch(given) else uuid.uuid4().hex
    method, path = request.method, request.url.path
    if error.status_code == 405:
        allowed = dict(error.headers or {}).get("Allow", "another method")
        failed = RequestError(f"{shown(path)} must be asked with {allowed}, but got {method}", "see /docs", "", 405)
    else:
        failed = RequestError(f"a path must be one of the API's, but {shown(path)} is not", "see /docs", "", 404)
    v2 = path == "/v2" or path.startswith("/v2/")
    body = {"error": failed.message} if v2 else failed.to_dict() | {"request_id": request_id}
    return _json(dumps(body), failed.status, {**(error.headers or {}), "x-request-id": request_id})


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def observed(counts: Counts, request_id: str) -> Response:
    """Answer what became of actuals; that duplicates say something else is told in a header."""
    headers = {"x-duplicates-differing": str(counts.differing)} if counts.differing else None
    return _json(dumps({**counts.to_dict(), "request_id": request_id}), 200, headers)


def _too_long(most: int) -> RequestError:
    return RequestError(f"a body must have at most {most} bytes", "send several requests, or Arrow", "", 413)


def _named(request: Request) -> str:
    version = request.path_params.get("version")
    return str(request.path_params["model"]) + (f"@{version}" if version else "")


def _timeout(request: Request) -> float | None:
    """Return the seconds that a client is willing to wait, from ``X-Request-Timeout-Ms``."""
    text = request.headers.get("x-request-timeout-ms")
    if text is None:
        return None
    try:
        seconds = float(text) / 1000
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise RequestError(
            f"a deadline must be milliseconds above 0, but got {text!r}", "", "x-request-timeout-ms", 400
        )
    return seconds
