"""What runs inside a worker process of the pool."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping
from typing import Any

from zoo.workers.base import Handler, import_setup
from zoo.workers.process import MemoryLimit, begin_process, is_memory_fault

__all__ = ["Answer", "RequestWorker"]

#: status, result, error, traceback, seconds
Answer = tuple[str, Any, str, str, float]


class RequestWorker:
    """One process: set up once, then asked again and again.

    Args:
        paths: The driver's ``sys.path``, see ``begin_process``.
        threads: How many threads numerical libraries may use.
        memory_limit: Bytes that one request may allocate beyond what the process holds when the request starts.
    """

    def __init__(self, paths: list[str], threads: int, memory_limit: int | None) -> None:
        begin_process(paths, threads)
        self._limit = memory_limit
        self._handler: Handler | None = None

    def ping(self) -> int:
        """Return the process id: the worker has been scheduled."""
        return os.getpid()

    def prepare(self, setup: str, names: list[str], *values: Any) -> tuple[str, str]:
        """Run the set-up; return "" or what went wrong, and the traceback.

        ``values`` come as separate arguments: Ray hands each over from shared memory without a copy.
        """
        try:
            payload: Mapping[str, Any] = dict(zip(names, values, strict=True))
            self._handler = import_setup(setup)(payload)
        except BaseException as error:
            return f"{type(error).__name__}: {error}", traceback.format_exc()
        return "", ""

    def run(self, request: Any) -> Answer:
        """Answer a request; nothing is raised."""
        assert self._handler is not None, "prepare comes first"
        start = time.monotonic()
        try:
            with MemoryLimit(self._limit):
                result = self._handler(request)
            return "done", result, "", "", time.monotonic() - start
        except BaseException as error:
            status = "memory" if is_memory_fault(error) else "failed"
            text = "".join(traceback.format_exception(error))
            return status, None, f"{type(error).__name__}: {error}", text, time.monotonic() - start
