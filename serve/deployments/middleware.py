"""What Ray Serve puts before an application, in its replicas and in its own proxy."""

from __future__ import annotations

import os
import re
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.identity import ASKED, HEADER, unavailable

__all__ = ["Own", "Unwatched", "middlewares"]

# Ray's own header of a request that Ray shall not watch.
_UNWATCHED = (b"x-request-disconnect-disabled", b"?1")
# What Ray's proxy says of a path that no application has.
_LOST = re.compile(rb"Path '.*' not found. Ping ", re.DOTALL)
_NOBODY = unavailable("the endpoint is starting or stopping").encode()


class Unwatched:
    """Tells the replica behind it not to watch for the client's going: our own guard does, which saves two tasks.

    Args:
        app: The ASGI application that answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], _UNWATCHED]
        await self._app(scope, receive, send)


class Own:
    """Answers requests for this endpoint alone, says so in each answer, and 503 where Ray's proxy has no route.

    Ray's proxy has none while an application starts or stops. To a client its 404 would be "no such series".

    Args:
        app: The ASGI application that answers.
        instance: Of the endpoint; the environment's if left out.
    """

    def __init__(self, app: ASGIApp, instance: str | None = None) -> None:
        self._app = app
        self._instance = (os.environ.get("ZOO_SERVE_INSTANCE", "") if instance is None else instance).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = next((value for name, value in scope["headers"] if name == _ASKED), self._instance)
        if asked != self._instance:
            await _unavailable(send)
            return
        held: Message | None = None
        refused = False

        async def checked(message: Message) -> None:
            nonlocal held, refused
            if message["type"] == "http.response.start" and all(name != _HEADER for name, _ in message["headers"]):
                # Not our application: another one of the cluster, or Ray itself.
                message = {**message, "headers": [*message["headers"], (_HEADER, b"-/" + self._instance)]}
                if message["status"] == 404:
                    held = message
                    return
            if held is not None:
                start, held = held, None
                refused = bool(_LOST.match(message.get("body", b"")))
                await (_unavailable(send) if refused else send(start))
            if not refused:
                await send(message)

        await self._app(scope, receive, checked)


_ASKED, _HEADER = ASKED.encode(), HEADER.encode()


async def _unavailable(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_NOBODY)).encode())]
    headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _NOBODY})


def middlewares() -> list[Any]:
    """Return what Ray Serve puts before a replica (``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH``)."""
    own: list[Any] = [Middleware(Own)]
    # Ray's own proxy does watch, and is the only one who can where it stands between a client and the guard.
    return [*own, Middleware(Unwatched)] if os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1" else own
