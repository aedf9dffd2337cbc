"""What every worker process does first, and how the memory of one piece of its work is bounded."""

from __future__ import annotations

import os
import resource
import signal
import sys

__all__ = ["MemoryLimit", "begin_process", "is_memory_fault"]

# What numerical libraries read when they are loaded.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# How libraries report an exhausted memory when they do not raise MemoryError: C++ through bindings, torch's allocators,
# XLA.
_MEMORY_WORDS = (
    "bad_alloc",
    "Cannot allocate memory",
    "DefaultCPUAllocator",
    "not enough memory",
    "CUDA out of memory",
    "RESOURCE_EXHAUSTED",
)


def begin_process(paths: list[str], threads: int) -> None:
    """Make this process a worker: bounded threads, the driver's modules, deaf to Ctrl-C, silent on stdout.

    Args:
        paths: The driver's ``sys.path``: code beside its script is found here too, where the directories exist.
        threads: How many threads numerical libraries may use in this process.
    """
    _limit_threads(threads)
    # Ctrl-C goes to the whole foreground process group; only the driver decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not come out of the driver's stdout, which Ray would feed it to in a session that
    # the user opened with log_to_driver. It goes to the worker's log beside the errors.
    os.dup2(2, 1)
    here = {os.path.realpath(path) for path in sys.path}
    sys.path += [path for path in paths if os.path.realpath(path) not in here and os.path.exists(path)]


def _limit_threads(threads: int) -> None:
    # Here and not in Ray's `runtime_env`: that would cost a new process for each worker, seconds instead of one.
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    if "numpy" in sys.modules:  # it has read them already
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)


def is_memory_fault(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    return isinstance(error, MemoryError) or any(word in str(error) for word in _MEMORY_WORDS)


class MemoryLimit:
    """Bounds the private memory of this process while a piece of work runs.

    RLIMIT_DATA counts private writable mappings, so allocations beyond it fail at once (numpy raises MemoryError, C++
    bad_alloc), while Ray's shared object store does not count. RLIMIT_AS would count it, and Ray maps gigabytes of it.

    Args:
        limit: Bytes that may be allocated beyond what the process holds at the beginning; None for no bound.
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
