"""Who is at work on a versioned table: vacuum must not take away what a running writer or reader needs.

A shared ``flock`` on the folder of the log, which needs no file and no right to write. Object stores have no locks, and
neither have folders on most network file systems: there vacuum takes it that somebody is at work.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo.locks import lock

__all__ = ["alone", "while_working", "working"]


@contextmanager
def working(path: str) -> Iterator[None]:
    """While a table is written or read; waits for a vacuum that runs."""
    fd = _opened(path)
    try:
        if fd is not None:
            with suppress(OSError):  # no locks here: vacuum cannot have one either
                lock(fd, shared=True)
        yield
    finally:
        if fd is not None:
            os.close(fd)


def while_working(path: str, batches: Iterable[Any]) -> Iterator[Any]:
    """Yield what is read lazily."""
    with working(path):
        yield from batches


@contextmanager
def alone(path: str) -> Iterator[bool]:
    """Yield whether nobody is at work; nobody begins inside, if so."""
    fd = _opened(path)
    try:
        free = False
        if fd is not None:
            with suppress(OSError):
                free = lock(fd, wait=False)
        yield free
    finally:
        if fd is not None:
            os.close(fd)


def _opened(path: str) -> int | None:
    if "://" in path:
        return None
    try:
        return os.open(Path(path) / "_delta_log", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
