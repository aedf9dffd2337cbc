"""From a table of routes to an ASGI application: finds the handler, answers errors in one shape, counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.http.handlers import Handlers, json_response
from serve.http.requests import request_id_of
from serve.http.routes import Route
from serve.metrics import ServerMetrics
from serve.protocol.answer import dumps
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown
from zoo.errors import DataError, ModelError, ZooError

__all__ = ["Dispatcher"]

_log = logging.getLogger(__name__)
_Answering = Callable[[Request, str], Awaitable[Response]]


class Dispatcher:
    """An ASGI application of some routes.

    Paths without parameters go straight to their handlers, which answer every error themselves: the framework's layers
    of middleware and routing would take longer than most forecasts. Everything else is Starlette's.

    Args:
        routes: The table: what is not in it is a 404, or a 405 where another method is.
        handlers: On which the handlers of the table are called.
        metrics: Where every answer is counted, by the path of its route.
    """

    def __init__(self, routes: Sequence[Route], handlers: Handlers, metrics: ServerMetrics) -> None:
        self._exact: dict[tuple[str, str], ASGIApp] = {}
        self._rest = Starlette(exception_handlers={HTTPException: _unrouted})
        for route in routes:
            answer = partial(_measured, partial(route.handler, handlers), route.path, metrics)
            self._rest.add_route(route.path, answer, methods=[route.method])
            if "{" not in route.path:
                self._exact[route.method, route.path] = partial(_direct, answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        found = self._exact.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (found or self._rest)(scope, receive, send)


async def _direct(answer: Callable[[Request], Awaitable[Response]], scope: Scope, receive: Receive, send: Send) -> None:
    response = await answer(Request(scope, receive, send))
    await response(scope, receive, send)


async def _measured(handler: _Answering, path: str, metrics: ServerMetrics, request: Request) -> Response:
    """Answer one request, whatever its handler raises, and count the answer."""
    begin = time.perf_counter()
    request_id = request_id_of(request)
    try:
        response = await handler(request, request_id)
    except Exception as error:
        response = _failed(_told(error, request_id), request_id, path)
    response.headers["x-request-id"] = request_id
    metrics.request(path, response.status_code, time.perf_counter() - begin)
    return response


def _told(error: Exception, request_id: str) -> RequestError:
    """Return what the client is told of an error."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, DataError | ModelError):
        return RequestError(error.message, error.hint)
    if isinstance(error, ZooError):
        return RequestError(error.message, error.hint, "", 500)
    if isinstance(error, ClientDisconnect):
        return RequestError("the client has gone", "", "", 499)
    _log.error("request %s failed", request_id, exc_info=error)
    return RequestError(f"this is a bug: {type(error).__name__}", "the server's log has more", "", 500)


def _failed(failed: RequestError, request_id: str, path: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error in the shape of all errors; below ``/v2`` in the Open Inference Protocol's."""
    if failed.status >= 500:
        _log.error("request %s: %s", request_id, failed.message)
    of_v2 = path == "/v2" or path.startswith("/v2/")
    body = {"error": failed.message} if of_v2 else failed.to_dict() | {"request_id": request_id}
    if failed.status in (429, 503):
        headers = {**(headers or {}), "retry-after": "1"}
    return json_response(dumps(body), failed.status, headers)


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer what no route takes."""
    assert isinstance(error, HTTPException)
    request_id = request_id_of(request)
    method, path, headers = request.method, request.url.path, dict(error.headers or {})
    if error.status_code == 405:
        allowed = headers.get("Allow", "another method")
        failed = RequestError(f"{shown(path)} must be asked with {allowed}, but got {method}", "see /docs", "", 405)
    else:
        failed = RequestError(f"a path must be one of the API's, but {shown(path)} is not", "see /docs", "", 404)
    return _failed(failed, request_id, path, {**headers, "x-request-id": request_id})
