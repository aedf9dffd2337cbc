"""What a figure needs to know of the machine: how fast it is, and how to make it slower."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["half_busy", "million_additions_per_second"]

# Additions that are timed: a fifth of a second or less.
_ADDITIONS = 5_000_000
_SPIN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def million_additions_per_second() -> float:
    """Return how many additions Python makes here in a second, in millions: the best of three tries."""
    best = float("inf")
    for _ in range(3):
        begin, count = time.perf_counter(), 0
        while count < _ADDITIONS:
            count += 1
        best = min(best, time.perf_counter() - begin)
    return _ADDITIONS / best / 1e6


@contextmanager
def half_busy() -> Iterator[None]:
    """Keep one process spinning on every core that this one may use, so that all others get half of it."""
    cores = sorted(os.sched_getaffinity(0))
    spinning = [subprocess.Popen([sys.executable, "-c", _SPIN, str(core)]) for core in cores]  # noqa: S603  # our own
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()
