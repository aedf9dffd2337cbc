"""Requests answered one after the other in the process itself, without a cluster."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping

from zoo.errors import ClusterError, ConfigError
from zoo.workers.base import Event, Handler, Workers, import_setup
from zoo.workers.process import is_memory_fault

__all__ = ["Inline"]


class Inline(Workers):
    """The contract in the process itself, without any other.

    A request cannot be interrupted: one that took longer than its timeout ends late, as the same event. A request that
    kills its process kills the process that asks.

    Args:
        setup: ``"module:function"``, given the payload, returns the handler.
        payload: What the set-up is given, by name.
    """

    def __init__(self, setup: str, *, payload: Mapping[str, object] | None = None) -> None:
        self._setup = setup
        self._payload = dict(payload or {})
        self._handler: Handler | None = None
        self._queue: dict[str, tuple[object, float | None]] = {}

    def submit(self, key: str, request: object, *, timeout: float | None = None) -> None:
        """Queue a request."""
        if key in self._queue:
            raise ConfigError(f"a key must be outstanding once, but {key!r} is already", "use another key")
        self._queue[key] = (request, timeout)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Run the oldest request and return its event; ``timeout`` cannot interrupt it."""
        if not self._queue:
            return []
        handler = self._ready()
        key = next(iter(self._queue))
        request, limit = self._queue[key]
        start = time.monotonic()
        try:
            result = handler(request)
        except KeyboardInterrupt:
            raise  # still queued: the user stopped the run, not the request
        except BaseException as error:
            event = Event(
                key,
                "memory" if is_memory_fault(error) else "failed",
                error=f"{type(error).__name__}: {error}",
                traceback=traceback.format_exc(),
                seconds=time.monotonic() - start,
            )
        else:
            event = Event(key, "done", result, seconds=time.monotonic() - start)
        del self._queue[key]
        if limit is not None and event.seconds > limit:
            event = Event(key, "timeout", error=f"TimeoutError: more than {limit:g} s", seconds=event.seconds)
        return [event]

    def _ready(self) -> Handler:
        if self._handler is None:
            try:
                self._handler = import_setup(self._setup)(self._payload)
            except Exception as error:
                raise ClusterError(
                    f"the worker must be able to start, but its set-up failed: {type(error).__name__}: {error}",
                    "see the cause above",
                ) from error
        return self._handler

    def cancel(self, key: str) -> None:
        """Forget a request."""
        self._queue.pop(key, None)

    def close(self) -> None:
        """Forget everything."""
        self._queue.clear()
        self._handler = None

    @property
    def running(self) -> tuple[str, ...]:
        """Keys that are outstanding, in the order of submission."""
        return tuple(self._queue)

    @property
    def workers(self) -> int:
        """One."""
        return 1
