"""Figures of the queue: records per second from one end to the other."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serve.queue import InputQueue, OutputQueue, QueueOptions, QueueWorker, WorkerOptions, open_queue
from serve.testing.redis import RedisServer

__all__ = ["last_values", "queue_figures", "records_per_second"]

_WORKER = """
import sys, threading
from benchmarks.serve.queue import last_values
from serve.queue import QueueOptions, QueueWorker, open_queue
QueueWorker(open_queue(sys.argv[1], QueueOptions("bench")), last_values).run(threading.Event())
"""


def last_values(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
    """Forecast 24 steps of each series by its last value: a model that costs nothing, so that the queue is measured."""
    return [
        {
            "model": "last",
            "forecasts": [{"id": s["id"], "mean": [s["y"][-1]] * request["horizon"]} for s in request["series"]],
        }
        for request in requests
    ]


def records_per_second(url: str, *, records: int = 20_000, points: int = 200, apart: bool = True) -> float:
    """Send records, let them be forecast and read all answers, all at the same time.

    Args:
        url: Address of the queue, as of ``open_queue``.
        records: How many records are sent and answered.
        points: Values of each series.
        apart: Whether the worker is a process of its own, as it is in earnest; else it is a thread of this one.
    """
    import threading

    options = QueueOptions("bench")
    queue = open_queue(url, options)
    stop = threading.Event()
    worker = subprocess.Popen([sys.executable, "-c", _WORKER, url]) if apart else None  # noqa: S603
    if not apart:
        threading.Thread(target=QueueWorker(queue, last_values, WorkerOptions()).run, args=[stop], daemon=True).start()
    values = [round(0.1 * i, 1) for i in range(points)]
    sender, reader = InputQueue(queue), OutputQueue(queue)
    try:
        # The first answer says that the worker is there.
        sender.enqueue({"series": [{"id": "first", "y": values}], "horizon": 24}, id="first")
        while not reader.dequeue(1):
            time.sleep(0.01)
        began, got, sent = time.perf_counter(), 0, 0
        while got < records:
            if sent < records and sent - got < 5000:
                batch = [{"series": [{"id": str(i), "y": values}], "horizon": 24} for i in range(sent, sent + 200)]
                sender.enqueue_many(batch)
                sent += 200
            got += len(reader.dequeue(1000))
        return records / (time.perf_counter() - began)
    finally:
        stop.set()
        if worker is not None:
            worker.kill()
            worker.wait()
        queue.close()


def queue_figures(records: int = 20_000) -> Iterator[dict[str, Any]]:
    """Yield the records: through a real Redis with an append-only file, and through the embedded queue."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, RedisServer(folder) as server:
        found["redis, worker in its own process"] = round(records_per_second(server.url, records=records))
    found["memory, worker in a thread"] = round(records_per_second("memory:", records=records, apart=False))
    measured = found["redis, worker in its own process"]
    yield from [
        {
            "what": "records per second through the queue (200 points in, 24 steps out, a model of no cost)",
            "measured": found,
            "asked": 2000,
            "reached": measured >= 2000,
        }
    ]
