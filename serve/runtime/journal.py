"""Actuals on disk: one append-only file that all replicas of a model write and read.

A line is what one ``/v1/observe`` brought. Writers take a lock, readers follow the end of the file, which costs a
``fstat``. A line without its end (the writer was killed) counts as never written and is cut off by the next writer.
So every replica, also one started later or after a crash, holds the same state, and nothing is counted twice.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Journal", "Row"]

#: id, moment, target, known and past covariates by name.
Row: TypeAlias = tuple[str, int, float, dict[str, Any], dict[str, Any]]


class Journal:
    """The file; each instance has its own place of reading.

    Args:
        path: Made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._read = 0

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)

    def behind(self) -> bool:
        """Whether lines were written that this instance has not read."""
        return os.fstat(self._fd).st_size > self._read

    def news(self) -> Iterator[tuple[str | None, list[Row]]]:
        """Yield the observation id and the rows of each line not read yet."""
        size = os.fstat(self._fd).st_size
        if size <= self._read:
            return
        data = os.pread(self._fd, size - self._read, self._read)
        whole = data.rfind(b"\n") + 1
        self._read += whole
        for line in data[:whole].splitlines():
            try:
                known = json.loads(line)
                yield known["id"], [tuple(row) for row in known["rows"]]
            except (ValueError, KeyError, TypeError):
                continue  # the torn line of a killed writer, ended by the next one's cut

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other writers out."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def write(self, observation_id: str | None, rows: list[Row]) -> None:
        """Append a line; the caller holds the lock and has read everything before."""
        if os.fstat(self._fd).st_size > self._read:
            os.ftruncate(self._fd, self._read)
        line = json.dumps({"id": observation_id, "rows": rows}, separators=(",", ":")).encode() + b"\n"
        view = memoryview(line)
        while view:
            view = view[os.write(self._fd, view) :]
        self._read += len(line)
