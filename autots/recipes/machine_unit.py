"""How fast this machine is: seconds of processor time of a fixed piece of work, the unit of all costs of the table."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

__all__ = ["unit_seconds"]

# Times that the piece of work makes a unit: about one second on the two-core machine that the table was measured on.
_PIECES = 60
# Pieces that are timed; the quickest is least disturbed by others.
_TRIES = 3


def unit_seconds(clock: Callable[[], float] = time.process_time) -> float:
    """Return the seconds of processor time that one unit of cost takes on this machine.

    Args:
        clock: Tells seconds of processor time; that of this process by default.
    """
    took = []
    for _ in range(_TRIES):
        begin = clock()
        _piece()
        took.append(clock() - begin)
    return _PIECES * min(took)


def _piece() -> float:
    """Do what models do: interpreted loops, sorting, and products of small matrices."""
    total = 0
    for i in range(300_000):
        total += i
    values = np.random.default_rng(0).normal(size=150_000)
    square = np.sort(values)[:40_000].reshape(200, 200)
    for _ in range(4):
        square = square @ square.T / 200
        square /= np.abs(square).max()
    return float(total + square.sum())
