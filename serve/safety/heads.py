"""uvicorn does not bound how long the head of a request may take, nor how many may: here it does."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from zoo.errors import ConfigError

__all__ = ["impatient_protocol"]

# Heads that are waited for at once, however many files may be open.
_MAX_HEADS = 4096


def impatient_protocol(
    seconds: float = 10.0, *, max_heads: int | None = None, max_each: int | None = None
) -> type[asyncio.Protocol]:
    """Return a protocol for ``uvicorn.Config(http=...)`` that closes connections whose request line and headers dawdle.

    A slow-loris sends a byte of a header now and then, and holds a connection for ever. uvicorn's
    ``timeout_keep_alive`` ends with the first byte. Bodies are the ``Guard``'s matter.

    Where too many heads are not there yet, the one that has waited longest gives way to the next connection, of its own
    address first: who sends a whole head at once, as a health check does, always gets in.

    Args:
        seconds: From the connection, or from a request's first byte, to the end of its headers.
        max_heads: Heads that are waited for at once; by default half of the files that the process may open, at most
            4,096.
        max_each: Of one address; a quarter less than ``max_heads`` by default, so that others have room.

    Raises:
        ConfigError: A number is not positive.
    """
    if max_heads is None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        max_heads = _MAX_HEADS if soft == resource.RLIM_INFINITY else max(16, min(_MAX_HEADS, soft // 2))
    max_each = max(1, 3 * max_heads // 4) if max_each is None else max_each
    if not seconds > 0 or max_heads < 1 or max_each < 1:
        given = (seconds, max_heads, max_each)
        raise ConfigError(f"time and numbers of heads must be positive, but got {given!r}", "10 s is the default")
    return _impatient(seconds, _WaitingHeads(max_heads, max_each))


def _impatient(seconds: float, waiting: _WaitingHeads) -> type[asyncio.Protocol]:
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
            for late in waiting.add(self, str((self.client or ("",))[0])):
                late.transport.close()

        def _stop(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
                waiting.remove(self)

    return Impatient


class _WaitingHeads:
    """Connections whose head is not there yet, the oldest first.

    Args:
        max_heads: Of all addresses together.
        max_each: Heads of one address alone.
    """

    def __init__(self, max_heads: int, max_each: int) -> None:
        self._max_heads, self._max_each = max_heads, max_each
        self._all: dict[Any, str] = {}
        self._of: dict[str, dict[Any, None]] = {}

    def add(self, one: Any, address: str) -> list[Any]:
        """Take one in, and return those that must give way to it."""
        own = self._of.setdefault(address, {})
        late = []
        if len(own) >= self._max_each:
            late.append(next(iter(own)))
        elif len(self._all) >= self._max_heads:
            # Of the address that has most of them: a fair share is never taken away.
            fullest = max(self._of, key=lambda name: len(self._of[name]))
            late.append(next(iter(self._of[fullest])))
        self._all[one] = address
        own[one] = None
        for other in late:
            self.remove(other)
        return late

    def remove(self, one: Any) -> None:
        """Forget one: its head is there, or it has gone."""
        address = self._all.pop(one, None)
        if address is not None:
            own = self._of[address]
            own.pop(one, None)
            if not own:
                del self._of[address]
