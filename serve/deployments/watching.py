"""Who notices that a client has gone: our own guard, so Ray Serve need not, which saves two tasks per request."""

from __future__ import annotations

from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Unwatched", "middlewares"]

# Ray's own header of a request that Ray shall not watch.
_UNWATCHED = (b"x-request-disconnect-disabled", b"?1")


class Unwatched:
    """Tells the replica behind it not to watch for the client's going.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], _UNWATCHED]
        await self._app(scope, receive, send)


def middlewares() -> list[Any]:
    """Return what Ray Serve puts before a replica (``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH``)."""
    return [Middleware(Unwatched)]
