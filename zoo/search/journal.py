"""A study's journal: ``zoo.journal`` with the lines of Optuna's own journal file, beside Optuna's own writers.

``optuna.storages.journal.JournalFileBackend`` reads them; each line of a transaction but the last carries
``"more": true``. Optuna's writers know nothing of transactions, and append to what a killed writer left: that becomes
blank. Optuna's file backend is not used for writing: it synchronises each line, and reads the file again after it.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from zoo.errors import ConfigError, StudyError
from zoo.journal import UNREADABLE, Codec, Journal, Line, json_line, read
from zoo.search.locks import StudyLock, Turn
from zoo.search.study_attributes import StudyAttributes
from zoo.search.trial_attributes import TrialAttributes

__all__ = ["WRITER", "StudyCodec", "StudyJournal", "StudyLine", "json_of", "read_journal"]

#: What our lines call their writer; Optuna's have a number there.
WRITER = "zoo"
#: One line: Optuna's ``op_code``, the ``worker_id``, and what the operation needs.
StudyLine: TypeAlias = dict[str, Any]
_HINT = "free space or fix the disk, then open the study again"
_BEGINS = b'{"op_code"'
_STUDY_ATTR, _CREATE_TRIAL, _FAILED = 2, 4, 3  # Optuna's numbers
_NUMBER = (int, float)
#: What our operations need at least: Optuna's number -> member -> type.
_MEMBERS: Mapping[int, Mapping[str, type | tuple[type, ...]]] = {
    0: {"study_name": str, "directions": list},
    1: {"study_id": int},
    2: {"study_id": int, "user_attr": dict},
    3: {"study_id": int, "system_attr": dict},
    4: {"study_id": int},
    5: {"trial_id": int, "param_name": str, "param_value_internal": _NUMBER, "distribution": str},
    6: {"trial_id": int, "state": int},
    7: {"trial_id": int, "step": int, "intermediate_value": _NUMBER},
    8: {"trial_id": int, "user_attr": dict},
    9: {"trial_id": int, "system_attr": dict},
}
# What is left of a damaged line tells whether it began a trial: the members that only such lines have, and the others.
_BEGAN = re.compile(rb'"distributions":|"intermediate_values":|"system_attrs":')
_CHANGED = re.compile(
    rb'"(trial_id|user_attr|system_attr|study_name|param_name|intermediate_value|datetime_complete'
    rb'|sampling|result|seconds|cost|runs|ended|clock|paused)":'
)


class StudyCodec(Codec[StudyLine]):
    """The lines of a study: operations on its trials, in Optuna's words."""

    what = "a study"
    form = "an Optuna journal"
    begins = _BEGINS
    error = StudyError

    def decode(self, line: bytes) -> StudyLine:
        """Return an operation; ours must be complete, those of other programs are judged when they are applied."""
        operation = json.loads(line)
        if not isinstance(operation, dict) or "op_code" not in operation:
            raise ValueError("it is no operation of a journal")
        if not self.is_foreign(operation):
            for name, kind in _MEMBERS[operation["op_code"]].items():
                if not isinstance(operation[name], kind):
                    raise ValueError(f"its {name} is {operation[name]!r}")
        return operation

    def goes_on(self, entry: StudyLine) -> bool:
        """Whether the next line belongs to the same transaction."""
        return bool(entry.get("more", False))

    def is_foreign(self, entry: StudyLine) -> bool:
        """Whether another program wrote it."""
        return bool(entry.get("worker_id", WRITER) != WRITER)

    def split(self, raw: bytes) -> int:
        """Return where another program's operation begins that was appended to what a killed writer left."""
        # Within a JSON string the quotes would be escaped: where this is, an operation begins.
        at = raw.rfind(_BEGINS)
        if at > 0 and raw[:at].strip():
            try:
                return at if self.is_foreign(self.decode(raw[at:])) else 0
            except UNREADABLE:
                pass
        return 0

    @contextmanager
    def alone(self, path: Path) -> Iterator[None]:
        """Be the study's only driver, and keep Optuna's writers out."""
        lock = StudyLock(path)
        try:
            with Turn(path):
                yield
        finally:
            lock.release()

    def instead(self, lines: Sequence[Line[StudyLine]]) -> Mapping[int, tuple[bytes, str]]:
        """Say which lines are set aside so that all other trials keep their numbers, and all lines their places.

        A line becomes a note in the study. One that began a trial becomes a failed trial, and what was told of that is
        set aside with it.

        Raises:
            StudyError: The beginning of the study is damaged, or nobody can tell whether a line began a trial.
        """
        return _Mending(self, lines).found


class _Mending:
    """Tries out what a study is without its damaged lines."""

    def __init__(self, codec: StudyCodec, lines: Sequence[Line[StudyLine]]) -> None:
        from zoo.search.storage import StudyStorage  # which knows this module

        self._codec, self._lines = codec, lines
        self._storage = StudyStorage()
        self._began = 0  # trials so far, of all studies in the file: what Optuna's ids count
        self.found: dict[int, tuple[bytes, str]] = {}
        for place, line in enumerate(lines):
            if line.entry is None:
                if not line.glued:
                    self._set_aside(place, line)
            elif not self._applied(line.entry):
                why = "it does not fit what was told before it, such as a trial whose beginning is damaged"
                self.found[place] = (json_line(self._note(place, why)), why)
        if self.found and (self._storage.empty or not StudyAttributes(self._storage.study).begun):
            raise StudyError(
                "a study must have a beginning that says what is searched, but that is damaged in line "
                f"{min(self.found) + 1}",
                "restore the file from a copy: its trials mean nothing without it",
            )

    def _applied(self, operation: StudyLine) -> bool:
        try:
            self._storage.apply(operation)
        except (*UNREADABLE, StudyError):
            return False
        self._began += operation["op_code"] == _CREATE_TRIAL
        return True

    def _set_aside(self, place: int, line: Line[StudyLine]) -> None:
        kept: list[bytes] = []
        # Where an end of line is damaged, two operations are in one line.
        for piece in filter(None, re.split(rb'(?=\{"op_code")', line.raw.rstrip(b"\n"))):
            whole = _whole(piece, self._codec)
            if whole is None or not self._applied(whole):
                whole = self._trial(place) if self._begins_trial(place, piece) else self._note(place, line.why)
                self._applied(whole)
            kept.append(json_line(whole))
        if not kept:
            kept.append(json_line(self._note(place, line.why)))
        self.found[place] = (b"".join(kept), line.why)

    def _begins_trial(self, place: int, piece: bytes) -> bool:
        """Whether a damaged operation began a trial: by the names of its members, or by what follows.

        Raises:
            StudyError: Nobody can tell, and the numbers of other trials depend on it.
        """
        began, changed = _BEGAN.search(piece) is not None, _CHANGED.search(piece) is not None
        if began != changed:
            return began
        later = [line.entry for line in self._lines[place + 1 :] if line.entry is not None]
        count, needed, numbered = self._began, False, False
        for operation in later:
            count += operation["op_code"] == _CREATE_TRIAL
            at = operation.get("trial_id", -1)
            needed |= at >= count
            numbered |= at >= self._began
        if needed or not numbered:
            return needed
        raise StudyError(
            f"the numbers of a study's trials must be known, but nobody can tell whether line {place + 1} began one",
            "restore the file from a copy",
        )

    def _note(self, place: int, why: str) -> StudyLine:
        said = {f"set aside: line {place + 1}": why}
        return {"op_code": _STUDY_ATTR, "worker_id": WRITER, "study_id": 0, "user_attr": said}

    def _trial(self, place: int) -> StudyLine:
        lost = TrialAttributes.of_lost_beginning(f"its beginning in line {place + 1} is damaged and was set aside")
        return {
            "op_code": _CREATE_TRIAL, "worker_id": WRITER, "study_id": 0, "datetime_start": None, "state": _FAILED,
            "value": None, "values": None, "params": {}, "distributions": {}, "system_attrs": {},
            "user_attrs": lost, "intermediate_values": {},
        }  # fmt: skip


def _whole(piece: bytes, codec: StudyCodec) -> StudyLine | None:
    """Return the operation with which a piece of a line begins, if it can be read."""
    try:
        _, end = json.JSONDecoder().raw_decode(piece.decode())
        return codec.decode(piece.decode()[:end].encode())
    except UNREADABLE:
        return None


class StudyJournal:
    """The lines of one study on disk; the caller holds the ``StudyLock``.

    Each transaction takes its ``Turn`` among all writers, and first takes in what others have appended.

    Args:
        path: The file of the study.
        lock: The right to write it, held for as long as the journal is open.
    """

    def __init__(self, path: Path, lock: StudyLock) -> None:
        self._path = path
        self._journal = Journal(path, StudyCodec(), fd=lock.fd, turn=Turn(path))
        self._apply: Callable[[StudyLine], object] = lambda operation: None
        self._lock, self._closed = lock, False
        self._pending: list[bytes] = []
        self._depth = 0
        self._broken = ""
        self._unsynced = threading.Event()
        self._syncing: threading.Thread | None = None

    def open(self, apply: Callable[[StudyLine], object]) -> None:
        """Hand over the operations of the file, and from then on at each transaction those that others have appended.

        Args:
            apply: Called with each operation.

        Raises:
            StudyError: The file is no journal, or a line of it is damaged.
        """
        self._apply = apply
        with self._journal.held():
            self._take_in()

    def append(self, operation: Mapping[str, Any]) -> None:
        """Add an operation, on disk at the end of the transaction around it, or at once."""
        if self._depth == 0:
            with self.transaction():
                self.append(operation)
            return
        if self._broken:
            raise StudyError(self._broken, _HINT)
        # Before anything else: what cannot be written must not be applied either.
        self._pending.append(json_line(operation))

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
        with self._journal.held():
            self._take_in()
            self._depth = 1
            try:
                yield
            finally:
                self._depth = 0
                if self._pending:
                    self._write(durable=durable)

    def _take_in(self) -> None:
        try:
            self._journal.take(self._apply)
        except StudyError as error:
            self._broken = error.message
            raise
        except OSError as error:
            raise self._failed(error) from error

    def _write(self, *, durable: bool) -> None:
        *rest, last = self._pending
        try:
            self._journal.write(*(line[:-2] + b',"more":true}\n' for line in rest), last)
        except StudyError as error:
            self._broken = error.message
            raise
        except OSError as error:
            raise self._failed(error) from error
        self._pending = []
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


def read_journal(path: Path, apply: Callable[[StudyLine], object]) -> None:
    """Hand over the operations of all whole transactions of a study that another process may have open.

    Args:
        path: The file of the study; one that is not there has none.
        apply: Called with each operation.

    Raises:
        StudyError: The file is no journal, or a line of it is damaged.
    """
    read(path, StudyCodec(), apply)


def json_of(values: dict[str, Any], what: str) -> dict[str, Any]:
    """Return ``values`` as a journal gives them back.

    Args:
        values: Names and what shall be written under them.
        what: What messages call them, such as "parameters".

    Raises:
        ConfigError: They are no JSON values.
    """
    try:
        copied: dict[str, Any] = json.loads(json.dumps(values))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} must be JSON values, but {error}", "convert arrays and objects first") from error
    return copied
