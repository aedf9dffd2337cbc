"""What runs inside a worker process of the pool."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from zoo.search.drivers.base import Handler, import_setup, is_memory_fault

__all__ = ["Answer", "Limit", "Worker", "limit_threads", "thread_environment"]

#: status, result, error, traceback, seconds
Answer = tuple[str, Any, str, str, float]


def thread_environment(threads: int) -> dict[str, str]:
    """Return the variables that numerical libraries read when they are loaded."""
    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
    return dict.fromkeys(names, str(threads))


def limit_threads(threads: int) -> None:
    """Bound the threads of numerical libraries in this process.

    Here and not in Ray's ``runtime_env``: that would cost a new process for each worker, seconds instead of one.
    """
    os.environ.update(thread_environment(threads))
    if "numpy" in sys.modules:  # it has read them already
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)


class Worker:
    """One process: set up once, then asked again and again.

    Args:
        paths: The driver's ``sys.path``: code beside its script is found here too, where the directories exist.
        threads: Of numerical libraries.
        memory_limit: Bytes that one request may allocate beyond what the process holds when the request starts.
    """

    def __init__(self, paths: list[str], threads: int, memory_limit: int | None) -> None:
        limit_threads(threads)
        # Ctrl-C goes to the whole foreground process group; only the driver decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # What a library prints must not come out of the driver's stdout, which Ray would feed it to in a session that
        # the user opened with log_to_driver. It goes to the worker's log beside the errors.
        os.dup2(2, 1)
        here = {os.path.realpath(path) for path in sys.path}
        sys.path += [path for path in paths if os.path.realpath(path) not in here and os.path.exists(path)]
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
            with Limit(self._limit):
                result = self._handler(request)
            return "done", result, "", "", time.monotonic() - start
        except BaseException as error:
            status = "memory" if is_memory_fault(error) else "failed"
            text = "".join(traceback.format_exception(error))
            return status, None, f"{type(error).__name__}: {error}", text, time.monotonic() - start


class Limit:
    """Bounds the private memory of this process while a request runs.

    RLIMIT_DATA counts private writable mappings, so allocations beyond it fail at once (numpy raises MemoryError, C++
    bad_alloc), while Ray's shared object store does not count. RLIMIT_AS would count it, and Ray maps gigabytes of it.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._before: tuple[int, int] | None = None

    def __enter__(self) -> None:
        if self._limit is not None and sys.platform == "linux":
            self._before = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (_private_bytes() + self._limit, self._before[1]))

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            resource.setrlimit(resource.RLIMIT_DATA, self._before)


def _private_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * resource.getpagesize()
