"""Actuals on disk: one append-only file that all replicas of a model write and read.

A line is what one ``/v1/observe`` brought, when, and by whom; a correction or a withdrawal is a line more, so what was
said first stays readable. Writers take a lock, readers follow the end of the file, which costs a ``fstat``. A line
without its end (the writer was killed) counts as never written and is cut off by the next writer. So every replica,
also one started later or after a crash, holds the same state, and nothing is counted twice.

A whole line that cannot be read was damaged by something else. It stays where it is, the others count, and it is said:
in the log, and in ``Journal.damaged``, which ``/v1/models`` shows.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["CORRECT", "WITHDRAW", "Journal", "Row"]

_log = logging.getLogger(__name__)
#: id, moment, target (None where withdrawn), known and past covariates by name; and for a change of an actual that was
#: told before: CORRECT or WITHDRAW.
Row: TypeAlias = tuple[Any, ...]
CORRECT, WITHDRAW = "correct", "withdraw"
_MOST_MOMENT = 2**63 - 1
#: Damaged lines that are named one by one.
_MOST_NAMED = 20


class Journal:
    """The file; each instance has its own place of reading.

    Args:
        path: Made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path = path
        self._read = self._line = 0
        #: What could not be read: "line 12: why".
        self.damaged: list[str] = []

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
        data = self._bytes(self._read, size)
        whole = data.rfind(b"\n") + 1
        self._read += whole
        # Not splitlines, which also cuts at bytes that damage may have left.
        for line in data[:whole].split(b"\n")[:-1]:
            self._line += 1
            try:
                yield _parsed(line)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                self._tell(f"line {self._line}: {type(error).__name__}: {error}")

    def again(self) -> Iterator[tuple[str | None, list[Row]]]:
        """Yield once more what was read so far."""
        for line in self._bytes(0, self._read).split(b"\n")[:-1]:
            try:
                yield _parsed(line)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # it was told when it was read first

    def _bytes(self, begin: int, end: int) -> bytes:
        parts, at = [], begin
        while at < end:  # one call reads at most 2 GiB
            part = os.pread(self._fd, end - at, at)
            if not part:
                break
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def _tell(self, what: str) -> None:
        if len(self.damaged) < _MOST_NAMED:
            self.damaged.append(what)
        _log.error("%s: actuals that cannot be read are left out (the others count): %s", self._path, what)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other writers out."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def write(self, observation_id: str | None, rows: list[Row], *, at: str = "", by: str = "") -> None:
        """Append a line; the caller holds the lock and has read everything before.

        Args:
            observation_id: The sender's.
            rows: Actuals, and changes of those told before.
            at: When it came.
            by: Who sent it.

        Raises:
            OSError: The disk is full, or gone; what was written of the line is taken back.
        """
        if os.fstat(self._fd).st_size > self._read:
            os.ftruncate(self._fd, self._read)
        told: dict[str, Any] = {"id": observation_id, "rows": [row for row in rows if len(row) == 5]}
        # Apart from the rows: a version that knows no changes reads those alone.
        changes = [row for row in rows if len(row) == 6]
        told |= ({"changes": changes} if changes else {}) | ({"at": at} if at else {}) | ({"by": by} if by else {})
        line = json.dumps(told, separators=(",", ":")).encode() + b"\n"
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, self._read)
            raise
        self._read += len(line)
        self._line += 1


def _parsed(line: bytes) -> tuple[str | None, list[Row]]:
    known = json.loads(line)
    name = known["id"]
    if name is not None and not isinstance(name, str):
        raise ValueError("its id is no text")
    rows = [_row(row, 5) for row in known["rows"]]
    rows += [_row(row, 6) for row in known.get("changes", ())]
    return name, rows


def _row(row: Any, length: int) -> Row:
    """Return a row of the file, if it is one.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(row, list) or len(row) != length:
        raise ValueError(f"a row must have {length} parts")
    id_, moment, value, known, past = row[:5]
    whole = isinstance(moment, int) and not isinstance(moment, bool) and abs(moment) <= _MOST_MOMENT
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    gone = length == 6 and row[5] == WITHDRAW and value is None
    if not (isinstance(id_, str) and whole and (number or gone) and isinstance(known, dict) and isinstance(past, dict)):
        raise ValueError(f"no row of id, moment and value: {str(row)[:80]}")
    if length == 6 and row[5] not in (CORRECT, WITHDRAW):
        raise ValueError(f"a change must be {CORRECT} or {WITHDRAW}, but is {row[5]!r}")
    return tuple(row)
