"""A study's journal: whole transactions, and no trace of a write that was cut short.

The lines are those of Optuna's own journal file (``optuna.storages.journal.JournalFileBackend`` reads them), except
that each line of a transaction but the last carries ``"more": true``. A tail of such lines, or half a line, is what a
killed writer leaves behind: it is cut off, or becomes blank where another program has appended a line to it. Optuna's
file backend is not used for writing: it synchronises each line, and reads the file again after it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, StudyError
from zoo.search.locks import StudyLock, Turn

__all__ = ["WRITER", "JournalFile", "json_of", "read_journal"]

#: What our lines call their writer; Optuna's have a number there.
WRITER = "zoo"
_HINT = "free space or fix the disk, then open the study again"


class JournalFile:
    """The lines of one journal on disk; the caller holds the ``StudyLock``.

    Each transaction takes its ``Turn`` among all writers, and first takes in what others have appended.

    Args:
        path: The journal.
        lock: Held for as long as the journal is open.

    Attributes:
        operations: Those that the file had when it was opened; whoever applies them may empty the list.
        others: Told each operation that another program has appended since.

    Raises:
        StudyError: The file is no journal, or it is damaged elsewhere than where a writer died.
    """

    def __init__(self, path: Path, lock: StudyLock) -> None:
        self._path = path
        self._turn = Turn(path)
        self.others: Callable[[dict[str, Any]], None] = lambda operation: None
        self._lock, self._size, self._closed = lock, 0, False
        self._pending: list[str] = []
        self._depth = 0
        self._broken = ""
        self._unsynced = threading.Event()
        self._syncing: threading.Thread | None = None
        with self._turn:
            self.operations = self._take_in()

    def append(self, operation: Mapping[str, Any]) -> None:
        """Add an operation, on disk at the end of the transaction around it, or at once."""
        if self._depth == 0:
            with self.transaction():
                self.append(operation)
            return
        if self._broken:
            raise StudyError(self._broken, _HINT)
        # Before anything else: what cannot be written must not be applied either.
        self._pending.append(json.dumps(operation, separators=(",", ":")))

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or none of the operations inside are there after a crash.

        A killed process loses none of them. A power cut may take the last moments, and with them the transactions
        without ``durable`` since the last one with it: nobody waits for their synchronisation.

        An exception does not undo them: the memory already holds them, and the file must say the same.
        """
        if self._lock.fd < 0 and not self._broken:
            self._broken = (
                f"a study must be written by the process that opened it, but {self._path} was opened by another"
            )
        if self._broken:
            raise StudyError(self._broken, _HINT)
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        with self._turn:
            for operation in self._take_in():
                self.others(operation)
            self._depth = 1
            try:
                yield
            finally:
                self._depth = 0
                if self._pending:
                    self._write(durable=durable)

    def _take_in(self) -> list[dict[str, Any]]:
        """Return what was appended since, and mend what a writer left that died in the middle of it."""
        try:
            here, there = os.fstat(self._lock.fd), os.stat(self._path)
        except FileNotFoundError:
            here, there = os.fstat(self._lock.fd), None
        if there is None or (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino) or here.st_size < self._size:
            self._broken = f"a journal must stay while its study is open, but {self._path} was removed or replaced"
            raise StudyError(self._broken, "leave the file alone; what was told is in the file that was moved away")
        if here.st_size == self._size:
            return []
        found = parse(os.pread(self._lock.fd, here.st_size - self._size, self._size), self._path, first=self._size == 0)
        size = self._size + found.size
        try:
            if size < here.st_size:
                os.ftruncate(self._lock.fd, size)
            found.mend(self._path, self._size)
        except OSError as error:
            raise self._failed(error) from error
        self._size = size + len(found.splits)
        return found.operations

    def _write(self, *, durable: bool) -> None:
        *rest, last = self._pending
        data = "".join(f'{line[:-1]},"more":true}}\n' for line in rest) + last + "\n"
        encoded = data.encode("utf-8")
        try:
            # One write for the whole transaction; a short one (full disk) is completed or fails. It appends, so that
            # it would not overwrite the line of a program that takes no turns.
            position = self._size
            while encoded:
                count = os.pwrite(self._lock.fd, encoded, position)
                position, encoded = position + count, encoded[count:]
        except OSError as error:
            failed = self._failed(error)
            os.ftruncate(self._lock.fd, self._size)
            raise failed from error
        self._pending = []
        if os.fstat(self._lock.fd).st_size != position:
            # Both are in the file, but not in the order in which they were taken in here.
            self._broken = f"all writers of {self._path} must wait for Optuna's lock, but one did not"
            raise StudyError(self._broken, "open the study again: nothing is lost")
        self._size = position
        if durable:
            if self._syncing is None:
                self._syncing = threading.Thread(target=self._synchronise, name="journal", daemon=True)
                self._syncing.start()
            self._unsynced.set()

    def _failed(self, error: OSError) -> StudyError:
        self._broken = f"a study must be able to write its journal, but {self._path} failed: {error}"
        return StudyError(self._broken, _HINT)

    def _synchronise(self) -> None:
        """Bring what was written onto the disk, in a thread: results of many trials share one synchronisation.

        One takes milliseconds, and a trial may take less. What a process has written survives its ``kill -9`` anyway.
        """
        while True:
            self._unsynced.wait()
            self._unsynced.clear()
            if self._closed:
                return
            try:
                os.fdatasync(self._lock.fd)
            except OSError as error:
                self._failed(error)
                return

    def close(self) -> None:
        """Write no more; the file is closed with the lock."""
        if self._closed:
            return
        self._closed = True
        if self._syncing is not None:
            self._unsynced.set()
            self._syncing.join()
        try:
            if not self._broken and self._lock.fd >= 0:
                os.fdatasync(self._lock.fd)
        except OSError as error:
            raise StudyError(
                f"a study must be able to write its journal, but {self._path} failed: {error}", "check the disk"
            ) from error
        finally:
            self._broken = f"a study must be open, but {self._path} is closed"


@dataclass
class Parsed:
    """What some bytes of a journal hold.

    Args:
        operations: Of all whole transactions.
        size: Of what is to be kept; the rest is the tail that a dying writer left.
        blanks: From where to where a dying writer left something that others have appended to.
        splits: Where a line lacks its end only.
    """

    operations: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0
    blanks: list[tuple[int, int]] = field(default_factory=list)
    splits: list[int] = field(default_factory=list)

    def mend(self, path: Path, start: int) -> None:
        """Make the file readable for Optuna, which stops at the first line that is none.

        What a dying writer left becomes spaces before the next line: JSON allows them, and nothing moves.
        """
        if not self.blanks and not self.splits:
            return
        with open(path, "r+b", buffering=0) as file:
            for begin, end in self.blanks:
                if begin >= self.size:
                    break  # it was cut off
                os.pwrite(file.fileno(), b" " * (end - begin), start + begin)
            for at in reversed(self.splits):
                rest = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, start + at)
                os.pwrite(file.fileno(), b"\n" + rest, start + at)


def parse(data: bytes, path: Path, *, first: bool) -> Parsed:
    """Return what bytes of a journal hold.

    Args:
        data: From the beginning of a line.
        path: For messages.
        first: Whether they begin with the file's first line.

    Raises:
        StudyError: They are no lines of a journal, or damaged elsewhere than where a writer died.
    """
    found = Parsed()
    pending: list[dict[str, Any]] = []
    began = position = 0
    for number, raw in enumerate(data.splitlines(keepends=True), start=1):
        begin, position = position, position + len(raw)
        for line, at in _glued(raw, begin):
            try:
                if not line.endswith(b"\n") and at + len(line) == len(data):
                    raise ValueError("the line has no end")
                operation = _operation(line)
            except ValueError as error:
                foreign = at == begin and len(line) < len(raw)
                if foreign:  # the half line of a dead writer, and another program's whole one after it
                    began = began if pending else at
                    found.blanks.append((began, at + len(line)))
                    pending = []
                    continue
                strange = first and number == 1 and not raw.startswith(b'{"op_code"'[: len(raw)])
                if position < len(data) or strange:
                    where = f"in line {number}" if first else "in what was appended while it was open"
                    raise StudyError(
                        f"a study must be an Optuna journal, but {path} is damaged {where}: {error}",
                        "restore the file from a copy, remove the line, or choose another path",
                    ) from error
                return found  # torn: the writer died in the middle of its last line
            if pending and operation.get("worker_id", WRITER) != WRITER:
                # Transactions are written at once: another program's line comes after a torn one.
                found.blanks.append((began, at))
                pending = []
            if operation.get("more", False):
                began = began if pending else at
                pending.append(operation)
                continue
            if at + len(line) < position:
                found.splits.append(at + len(line))
            found.operations += [*pending, operation]
            pending, found.size = [], at + len(line)
    return found


def _glued(raw: bytes, begin: int) -> list[tuple[bytes, int]]:
    """Return a line, or what a dead writer left and the line that another program appended to it, with their places."""
    # Within a JSON string the quotes would be escaped: where this is, an operation begins.
    at = raw.rfind(b'{"op_code"')
    if at > 0 and raw[:at].strip():
        try:
            foreign = _operation(raw[at:])["worker_id"] != WRITER
        except (ValueError, KeyError):
            foreign = False
        if foreign:
            return [(raw[:at], begin), (raw[at:], begin + at)]
    return [(raw, begin)]


def _operation(line: bytes) -> dict[str, Any]:
    operation = json.loads(line)
    if not isinstance(operation, dict) or "op_code" not in operation:
        raise ValueError("it is no operation of a journal")
    return operation


def read_journal(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the operations of all whole transactions of a journal, and their size in bytes.

    Raises:
        StudyError: The file is no journal, or it is damaged elsewhere than at its end.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    found = parse(data, path, first=True)
    return found.operations, found.size


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
