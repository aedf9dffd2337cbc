"""What a figure needs to know of the machine: how fast it is, how to make it slower, and what became of its time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["half_busy", "million_additions_per_second", "useful_share"]

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


def useful_share(run: Path, budget: float, workers: int) -> float:
    """Return the share of all worker seconds of a budget that ended in forecasts which the ensemble could choose.

    Args:
        run: The run directory of a fit.
        budget: Seconds that the fit was given.
        workers: How many trials could run at the same time.
    """
    from zoo.search.insight.view import View

    journal = run / "study.journal"
    if not journal.exists():
        return 0.0
    records = View.read(journal).records
    useful = (record for record in records if record.state == "complete" or record.reports)
    seconds = sum(record.seconds or max(record.clock.values(), default=0.0) for record in useful)
    return seconds / (budget * workers)
