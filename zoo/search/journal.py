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
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, StudyError

__all__ = ["JournalFile", "StudyLock", "json_of", "read_journal"]

# How long a dying driver is waited for.
_DYING_SECONDS = 10.0


class StudyLock:
    """The right to write a study, held until ``release`` or the death of the process, however it dies.

    Raises:
        StudyError: Another process (or another object of this one) holds it.
    """

    def __init__(self, path: Path) -> None:
        # A file beside the journal that is never removed: removing it would let two processes lock two files.
        self._fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        end = time.monotonic() + _DYING_SECONDS
        while not self._taken():
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            # A killed process lets go of its locks when it is gone, which takes a moment on a busy machine.
            if not _dies(holder) or time.monotonic() > end:
                os.close(self._fd)
                raise StudyError(
                    f"a study must have one driver at a time, but process {holder} has {path} open",
                    "wait until it ends, end it, or choose another path",
                )
            time.sleep(0.05)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode("ascii"), 0)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Let others open the study."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _dies(holder: str) -> bool:
    """Whether a process is as good as dead: gone, or with a SIGKILL that it has not noticed yet."""
    if not holder.isdigit():
        return False
    try:
        with open(f"/proc/{holder}/status", encoding="ascii", errors="replace") as file:
            said = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except FileNotFoundError:
        return os.path.isdir("/proc/self")
    except OSError:
        return False
    pending = int(said.get("SigPnd", "0"), 16) | int(said.get("ShdPnd", "0"), 16)
    return said.get("State", "")[:1] in ("Z", "X") or bool(pending & (1 << (signal.SIGKILL - 1)))


class JournalFile:
    """The lines of one journal on disk; the caller holds the ``StudyLock``.

    Attributes:
        operations: Those that the file had when it was opened; whoever applies them may empty the list.

    Raises:
        StudyError: The file is no journal, or it is damaged elsewhere than at its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.operations, size = read_journal(path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(self._fd, size)
        self._size = size
        self._pending: list[str] = []
        self._depth = 0
        self._broken = ""
        self._unsynced = threading.Event()
        self._syncing: threading.Thread | None = None

    def append(self, operation: Mapping[str, Any]) -> None:
        """Add an operation, on disk at the end of the transaction around it, or at once."""
        if self._broken:
            raise StudyError(self._broken, "free space or fix the disk, then open the study again")
        # Before anything else: what cannot be written must not be applied either.
        self._pending.append(json.dumps(operation, separators=(",", ":")))
        if self._depth == 0:
            self._write(durable=True)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or none of the operations inside are there after a crash.

        A killed process loses none of them. A power cut may take the last moments, and with them the transactions
        without ``durable`` since the last one with it: nobody waits for their synchronisation.

        An exception does not undo them: the memory already holds them, and the file must say the same.
        """
        if self._broken:
            raise StudyError(self._broken, "free space or fix the disk, then open the study again")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0 and self._pending:
                self._write(durable=durable)

    def _write(self, *, durable: bool) -> None:
        *rest, last = self._pending
        data = "".join(f'{line[:-1]},"more":true}}\n' for line in rest) + last + "\n"
        encoded = data.encode("utf-8")
        try:
            # One write for the whole transaction; a short one (full disk) is completed or fails.
            position = self._size
            while encoded:
                count = os.pwrite(self._fd, encoded, position)
                position, encoded = position + count, encoded[count:]
        except OSError as error:
            self._broken = f"a study must be able to write its journal, but {self._path} failed: {error}"
            os.ftruncate(self._fd, self._size)
            raise StudyError(self._broken, "free space or fix the disk, then open the study again") from error
        self._size, self._pending = position, []
        if durable:
            if self._syncing is None:
                self._syncing = threading.Thread(target=self._synchronise, name="journal", daemon=True)
                self._syncing.start()
            self._unsynced.set()

    def _synchronise(self) -> None:
        """Bring what was written onto the disk, in a thread: results of many trials share one synchronisation.

        One takes milliseconds, and a trial may take less. What a process has written survives its ``kill -9`` anyway.
        """
        while True:
            self._unsynced.wait()
            self._unsynced.clear()
            if self._fd < 0:
                return
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                self._broken = f"a study must be able to write its journal, but {self._path} failed: {error}"
                return

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            descriptor, self._fd = self._fd, -1
            if self._syncing is not None:
                self._unsynced.set()
                self._syncing.join()
            try:
                if not self._broken:
                    os.fdatasync(descriptor)
            except OSError as error:
                raise StudyError(
                    f"a study must be able to write its journal, but {self._path} failed: {error}", "check the disk"
                ) from error
            finally:
                os.close(descriptor)
                self._broken = f"a study must be open, but {self._path} is closed"


def read_journal(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the operations of all whole transactions of a journal, and their size in bytes.

    Raises:
        StudyError: The file is no journal, or it is damaged elsewhere than at its end.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    kept: list[dict[str, Any]] = []
    pending: list[dict[str, Any]] = []
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
        pending.append(operation)
        if not operation.get("more", False):
            kept += pending
            pending = []
            size = position
    return kept, size


def json_of(values: dict[str, Any], what: str) -> dict[str, Any]:
    """Return ``values`` as a journal gives them back.

    Raises:
        ConfigError: They are no JSON values.
    """
    try:
        copied: dict[str, Any] = json.loads(json.dumps(values))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} must be JSON values, but {error}", "convert arrays and objects first") from error
    return copied
