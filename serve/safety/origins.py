"""Pages of other origins: whether a browser may let them ask (CORS). Nobody but those that are listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.middleware.cors import CORSMiddleware

__all__ = ["AllowedOrigins"]

_HEADERS = (
    "authorization", "content-type", "content-encoding", "x-request-id", "x-request-timeout-ms", "x-routing-key",
    "inference-header-content-length",
)  # fmt: skip
_EXPOSED = ("x-request-id", "x-duplicates-differing", "retry-after", "inference-header-content-length")
Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class AllowedOrigins:
    """ASGI middleware outside of the guard: a browser asks first (``OPTIONS``), and without a token.

    Args:
        app: The ASGI application that answers.
        origins: Whose pages may ask, as ``ServingConfig`` has checked them; none by default. Cookies are never allowed:
            tokens go in a header.
    """

    def __init__(self, app: App, origins: Sequence[str] = ()) -> None:
        self._plain: Any = app
        self._app: Any = app
        self.change(origins)

    def change(self, origins: Sequence[str]) -> None:
        """Go on with other origins."""
        self._app = self._plain
        if origins:
            self._app = CORSMiddleware(
                self._plain,
                allow_origins=list(origins),
                allow_methods=["GET", "POST"],
                allow_headers=list(_HEADERS),
                expose_headers=list(_EXPOSED),
            )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)
