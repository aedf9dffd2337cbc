"""uvicorn does not bound how long the head of a request may take: here it does."""

from __future__ import annotations

import asyncio
from typing import Any

from zoo.errors import ConfigError

__all__ = ["impatient_protocol"]


def impatient_protocol(seconds: float = 10.0) -> type[asyncio.Protocol]:
    """Return a protocol for ``uvicorn.Config(http=...)`` that closes connections whose request line and headers dawdle.

    A slow-loris sends a byte of a header now and then, and holds a connection for ever. uvicorn's
    ``timeout_keep_alive`` ends with the first byte. Bodies are the ``Guard``'s matter.

    Args:
        seconds: From the connection, or from a request's first byte, to the end of its headers.

    Raises:
        ConfigError: The time is not positive.
    """
    if not seconds > 0:
        raise ConfigError(f"the time for a head must be positive, but got {seconds!r}", "10 is the default")
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Impatient(HttpToolsProtocol):
        _patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._wait()

        def on_headers_complete(self) -> None:
            self._stop()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._stop()
            self._patience = self.loop.call_later(seconds, self.transport.close)

        def _stop(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

    return Impatient
