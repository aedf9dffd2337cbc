"""The two ends of a queue: where requests go in, and where forecasts come out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from serve.queue.base import Backend, QueueFullError, QueueOptions, QueueRecord
from zoo.errors import ClusterError, ConfigError, DataError

__all__ = ["InputQueue", "OutputQueue", "open_queue"]

_MOST_BYTES = 64 * 1024 * 1024
#: Records of one call: a script of Redis takes some thousand arguments at once.
_CHUNK = 1000


def open_queue(url: str = "memory:", options: QueueOptions | None = None) -> Backend:
    """Return the keeper of a queue.

    Args:
        url: ``redis://host:port/0``; ``sqlite:PATH`` for a file of this machine; ``memory:`` for this process.
        options: The name and the limits of the queue.

    Raises:
        ConfigError: The URL is none of these.
        ClusterError: It cannot be reached.
    """
    kind, _, rest = url.partition(":")
    if kind in ("redis", "rediss", "unix"):
        from serve.queue.streams import RedisBackend

        return RedisBackend(url, options)
    if url == "memory:" or (kind == "sqlite" and rest):
        from serve.queue.embedded import EmbeddedBackend

        return EmbeddedBackend(rest or None, options)
    raise ConfigError(f"a queue's URL must begin with redis:// or sqlite:, or be memory:, but got {url!r}", "memory:")


class InputQueue:
    """Where requests go in.

    Args:
        queue: The keeper, or its URL.

    >>> queue = open_queue("memory:")
    >>> InputQueue(queue).enqueue({"series": [{"id": "H1", "y": [1, 2, 3]}], "horizon": 2}, id="first")
    'first'
    >>> OutputQueue(queue).query("first") is None
    True
    """

    def __init__(self, queue: Backend | str) -> None:
        self.backend = open_queue(queue) if isinstance(queue, str) else queue

    def enqueue(self, request: Mapping[str, Any], *, id: str | None = None, wait: float = 0.0) -> str:
        """Send one request, in the form of ``POST /v1/forecast``.

        Args:
            request: A request in the form of ``POST /v1/forecast``.
            id: To ask for the result with; sent twice it is worked on once. Made up if not given.
            wait: Seconds to wait while the queue is full.

        Returns:
            The id.

        Raises:
            QueueFullError: The queue takes no more.
            ClusterError: It cannot be reached.
            DataError: The request is no JSON object.
        """
        return self.enqueue_many([request], ids=None if id is None else [id], wait=wait)[0]

    def enqueue_many(
        self, requests: Sequence[Mapping[str, Any]], *, ids: Sequence[str] | None = None, wait: float = 0.0
    ) -> list[str]:
        """Send many requests; up to 1,000 go in whole or not at all."""
        names = [uuid.uuid4().hex for _ in requests] if ids is None else list(ids)
        if len(names) != len(requests) or not all(isinstance(n, str) and 0 < len(n) <= 500 for n in names):
            raise DataError("ids must be as many texts as requests, of 1 to 500 characters", "or leave them out")
        records = [QueueRecord(name, _written(request)) for name, request in zip(names, requests, strict=True)]
        until = time.monotonic() + wait
        for begin in range(0, len(records), _CHUNK):
            pause = 0.01
            while True:
                try:
                    self.backend.put(records[begin : begin + _CHUNK])
                    break
                except QueueFullError:
                    if time.monotonic() + pause > until:
                        raise
                    time.sleep(pause)
                    pause = min(2 * pause, 0.5)
        return names

    def __len__(self) -> int:
        return self.backend.waiting()


class OutputQueue:
    """Where forecasts come out.

    Args:
        queue: The keeper, or its URL.
        reader: Readers of one name share the results between them.
    """

    def __init__(self, queue: Backend | str, *, reader: str = "reader") -> None:
        self.backend, self._reader = (open_queue(queue) if isinstance(queue, str) else queue), reader
        self._open: list[str] = []

    def query(self, id: str, *, wait: float = 0.0) -> dict[str, Any] | None:
        """Return the answer to a request, in the form of ``POST /v1/forecast``; it stays until it is dequeued.

        Args:
            id: The id that ``enqueue`` returned.
            wait: Seconds to wait for it.

        Returns:
            The answer; ``{"error", "hint", "where"}`` if it failed; None if it is not there yet.
        """
        until, pause = time.monotonic() + wait, 0.002
        while True:
            found = self.backend.result(id)
            if found is not None:
                return _read(found)
            if time.monotonic() + pause > until:
                return None
            time.sleep(pause)
            pause = min(1.5 * pause, 0.1)

    def dequeue(self, count: int = 100) -> dict[str, dict[str, Any]]:
        """Return answers that were not dequeued yet, and forget those of the call before.

        An answer is forgotten when the next call (or ``confirm``) says that it has arrived, so none is lost on its way;
        after a crash the last ones may come again.
        """
        self.confirm()
        found = self.backend.fetch(self._reader, count)
        self._open = [id_ for id_, _ in found]
        return {id_: _readable(body) for id_, body in found}

    def confirm(self) -> None:
        """Say that the answers of the last ``dequeue`` have arrived."""
        if self._open:
            self.backend.fetched(self._reader, self._open)
            self._open = []


def _written(request: Mapping[str, Any]) -> bytes:
    try:
        body = json.dumps(dict(request), separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"a request must be a JSON object, but {error}", "write a missing value as None") from error
    if len(body) > _MOST_BYTES:
        raise DataError(f"a request must have at most {_MOST_BYTES} bytes, but has {len(body)}", "send several")
    return body


def _readable(body: bytes) -> dict[str, Any]:
    """Return an answer; one that is none must not keep the others from their reader."""
    try:
        return _read(body)
    except ClusterError as error:
        return {"error": error.message, "hint": error.hint, "where": ""}


def _read(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ClusterError("an answer must be JSON, but this one is not", "another program writes the queue") from error
    return value if isinstance(value, dict) else {"value": value}
