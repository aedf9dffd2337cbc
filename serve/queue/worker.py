"""The loop between the two ends: takes requests in batches, forecasts them, stores the answers."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from serve.queue.base import Backend, QueueTask
from zoo.errors import ClusterError, DataError, ZooError

__all__ = ["Forecast", "QueueWorker", "WorkerOptions"]

_log = logging.getLogger(__name__)
#: Requests -> an answer or an error each, in their order.
Forecast: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any] | Exception]]


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    Args:
        batch: Requests that are forecast at once, at most.
        wait: Seconds to wait for the first one; also how long it takes to stop.
    """

    batch: int = 256
    wait: float = 1.0


class QueueWorker:
    """Takes requests until it is told to stop. As many as needed can work on one queue.

    What the client did wrong (a ``ZooError`` that cannot be retried) is its answer. Anything else is tried again, up to
    the queue's number of attempts, and then put aside as a dead letter. If a whole batch fails, its requests are tried
    one by one, so that one of them does not spoil the others. A request that kills its worker is put aside, too.

    Args:
        queue: The queue that requests are taken from and answers put to.
        forecast: Called with the requests of a batch; returns an answer or an error for each.
        options: How much is taken at once, and how long is waited for it.

    >>> from serve.queue import InputQueue, OutputQueue, open_queue
    >>> queue = open_queue("memory:")
    >>> name = InputQueue(queue).enqueue({"x": 1})
    >>> QueueWorker(queue, lambda requests: [{"twice": 2 * r["x"]} for r in requests]).step()
    1
    >>> OutputQueue(queue).query(name)
    {'twice': 2}
    """

    def __init__(self, queue: Backend, forecast: Forecast, options: WorkerOptions | None = None) -> None:
        self._queue, self._forecast, self._options = queue, forecast, options or WorkerOptions()
        self.name = uuid.uuid4().hex

    def run(self, stop: threading.Event) -> int:
        """Work until ``stop`` is set; a queue that cannot be reached is waited for.

        Returns:
            How many requests were answered.
        """
        answered = 0
        while not stop.is_set():
            try:
                answered += self.step()
            except ClusterError as error:
                _log.warning("%s", error.message)
                stop.wait(0.5)
            except Exception:
                # Whatever it was: what was taken comes again, and is put aside in the end, while the others go on.
                _log.exception("a batch failed")
                stop.wait(0.5)
        return answered

    def step(self) -> int:
        """Take one batch and answer it; return how many were answered."""
        tasks = self._queue.take(self.name, self._options.batch, self._options.wait)
        most = self._queue.options.attempts
        for task in tasks:
            if task.attempt > most:
                reason = f"handed out {most} times without an answer: its workers died or took too long"
                self._queue.bury(task, reason, _told(ClusterError(reason, "see the dead letters")))
        ready, results = self._read([task for task in tasks if task.attempt <= most])
        for task, outcome in zip([t for t, _ in ready], self._answers([r for _, r in ready]), strict=True):
            written = _written(outcome)
            if isinstance(written, bytes):
                results.append((task, written))
            elif isinstance(written, ZooError) and not written.retryable:
                results.append((task, _told(written)))
            elif task.attempt >= most:
                reason = f"{type(written).__name__}: {written}"
                self._queue.bury(task, reason, _told(written))
            else:
                _log.warning("request %s, attempt %d: %s", task.id, task.attempt, written)
        self._queue.done(results)
        return len(results)

    def _read(
        self, tasks: Sequence[QueueTask]
    ) -> tuple[list[tuple[QueueTask, Mapping[str, Any]]], list[tuple[QueueTask, bytes]]]:
        """Return the requests, and answers for those that are none."""
        ready: list[tuple[QueueTask, Mapping[str, Any]]] = []
        wrong: list[tuple[QueueTask, bytes]] = []
        for task in tasks:
            try:
                request = json.loads(task.body)
                if not isinstance(request, dict):
                    raise ValueError("it is no object")
                ready.append((task, request))
            except (ValueError, RecursionError) as error:
                wrong.append(
                    (task, _told(DataError(f"a request must be a JSON object, but {error}", "send an object")))
                )
        return ready, wrong

    def _answers(self, requests: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any] | Exception]:
        if not requests:
            return []
        try:
            answers = self._forecast(requests)
            if len(answers) != len(requests):
                raise RuntimeError(f"{len(requests)} requests must have as many answers, but got {len(answers)}")
            return answers
        except Exception as error:
            if len(requests) == 1:
                return [error]
            return [self._answers([request])[0] for request in requests]


def _written(outcome: Mapping[str, Any] | Exception) -> bytes | Exception:
    """Return an answer as JSON, or why it cannot be written."""
    if not isinstance(outcome, Mapping):
        return outcome
    try:
        return json.dumps(outcome, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return error


def _told(error: Exception) -> bytes:
    if isinstance(error, ZooError):
        told = {"error": error.message, "hint": error.hint, "where": str(getattr(error, "where", ""))}
    else:
        told = {"error": f"this is a bug: {type(error).__name__}", "hint": "see the dead letters", "where": ""}
    return json.dumps(told).encode()
