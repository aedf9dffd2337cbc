"""A study's journal: one writer, whole transactions, and no trace of a write that was cut short.

The lines are those of Optuna's own journal file (``optuna.storages.journal.JournalFileBackend`` reads them), except
that each line of a transaction but the last carries ``"more": true``. A tail of such lines, or half a line, is what a
killed writer leaves behind: it is cut off on opening. Optuna's file backend is not used for writing: its lock is a file
that outlives ``kill -9`` and then stalls the next write for 30 seconds, and it reads the file again after every line.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from zoo.errors import StudyError

__all__ = ["JournalFile", "StudyLock"]


class StudyLock:
    """The right to write a study, held until ``release`` or the death of the process, however it dies.

    Raises:
        StudyError: Another process (or another object of this one) holds it.
    """

    def __init__(self, path: Path) -> None:
        # A file beside the journal that is never removed: removing it would let two processes lock two files.
        self._fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise StudyError(
                f"a study must have one driver at a time, but process {holder} has {path} open",
                "wait until it ends, end it, or choose another path",
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode("ascii"), 0)

    def release(self) -> None:
        """Let others open the study."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class JournalFile(BaseJournalBackend):  # type: ignore[misc]  # optuna is not followed by mypy
    """The lines of one journal, in memory and on disk; the caller holds the ``StudyLock``.

    Raises:
        StudyError: The file is no journal, or it is damaged elsewhere than at its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines, size = _whole_transactions(path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(self._fd, size)
        self._size = size
        self._written = len(self._lines)
        self._depth = 0
        self._broken = ""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the operations from a number on (Optuna's contract)."""
        for line in self._lines[log_number_from:]:
            yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add operations, on disk at the end of the transaction around it, or at once (Optuna's contract)."""
        with self.transaction():
            self._lines.extend(json.dumps(log, separators=(",", ":")) for log in logs)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or none of the operations inside are there after a crash.

        Without ``durable`` a killed process still loses nothing, but a power cut may take the last transactions.

        An exception does not undo them: Optuna's memory already holds them, and the file must say the same.
        """
        if self._broken:
            raise StudyError(self._broken, "free space or fix the disk, then open the study again")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0 and self._written < len(self._lines):
                self._write(durable=durable)

    def _write(self, *, durable: bool) -> None:
        *rest, last = self._lines[self._written :]
        data = "".join(f'{line[:-1]},"more":true}}\n' for line in rest) + last + "\n"
        encoded = data.encode("utf-8")
        try:
            # One write for the whole transaction; a short one (full disk) is completed or fails.
            position = self._size
            while encoded:
                count = os.pwrite(self._fd, encoded, position)
                position, encoded = position + count, encoded[count:]
            if durable:
                os.fdatasync(self._fd)
        except OSError as error:
            self._broken = f"a study must be able to write its journal, but {self._path} failed: {error}"
            os.ftruncate(self._fd, self._size)
            raise StudyError(self._broken, "free space or fix the disk, then open the study again") from error
        self._size, self._written = position, len(self._lines)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._broken = f"a study must be open, but {self._path} is closed"


def _whole_transactions(path: Path) -> tuple[list[str], int]:
    """Return the lines of all whole transactions of a journal, and their size in bytes."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    kept: list[str] = []
    pending: list[str] = []
    size = position = 0
    for number, raw in enumerate(data.splitlines(keepends=True), start=1):
        position += len(raw)
        try:
            if not raw.endswith(b"\n"):
                raise ValueError("the line has no end")
            operation = json.loads(raw)
            if not isinstance(operation, dict) or "op_code" not in operation:
                raise ValueError("it is no operation of a journal")
        except ValueError as error:
            if position < len(data) or (number == 1 and not raw.startswith(b'{"op_code"'[: len(raw)])):
                raise StudyError(
                    f"a study must be an Optuna journal, but {path} is damaged in line {number}: {error}",
                    "restore the file from a copy, or choose another path",
                ) from error
            break  # torn: the writer died in the middle of its last line
        pending.append(raw[:-1].decode("utf-8"))
        if not operation.get("more", False):
            kept += pending
            pending = []
            size = position
    return kept, size
