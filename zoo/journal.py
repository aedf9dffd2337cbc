"""Append-only files of lines that several processes write and read: studies, routers, actuals.

One rule for each thing that can happen to such a file, whatever its lines hold (a ``Codec`` says that):

- **Writers take turns**, by a lock on the file itself, and first take in what the others wrote: so all hold the same.
- **A transaction is there as a whole or not at all.** It is one write. A tail without its end, which a killed writer
  left, counts as never written; the next writer cuts it off.
- **A line that is whole and cannot be read was damaged by something else. It is never skipped and never silent.** An
  error says file, line, byte and how it begins; ``zoo journal mend FILE`` sets it aside into ``FILE.damaged``. Who has
  the journal open keeps what was read before, and goes on by itself once the file was mended.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from zoo.errors import ArtifactError, ZooError
from zoo.files import replacing
from zoo.locks import is_named, lock, unlock

__all__ = [
    "UNREADABLE",
    "Codec",
    "Damage",
    "Journal",
    "Line",
    "Parsed",
    "damage_of",
    "json_line",
    "parse",
    "read",
    "read_lines",
    "refusal",
]

Entry = TypeVar("Entry")
_SHOWN_BYTES = 40  # of a line that cannot be read
#: What reading an entry or applying it raises where its bytes are not what was written.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Damage:
    """A line that is whole and cannot be read.

    Args:
        path: The journal.
        line: Its number in the file, from 1.
        byte: Where it begins in the file.
        why: What is wrong with it, in words.
        begins: Its first bytes.
    """

    path: Path
    line: int
    byte: int
    why: str
    begins: bytes

    def __str__(self) -> str:
        return f"damaged in line {self.line} (byte {self.byte}): {self.why}; it begins with {self.begins!r}"


@dataclass
class Line(Generic[Entry]):
    """What stands between two ends of lines.

    Args:
        begin: Where it begins.
        end: Where the next one begins.
        raw: Its bytes, with the end of the line if it has one.
        entry: What it says; None if it cannot be read.
        why: Why it cannot be read.
        glued: Whether the line of another program follows without an end of line between them.
    """

    begin: int
    end: int
    raw: bytes
    entry: Entry | None
    why: str = ""
    glued: bool = False


class Codec(ABC, Generic[Entry]):
    """What the lines of one kind of journal hold."""

    #: What messages call such a file, such as "a study", and what it must be, such as "an Optuna journal".
    what: str
    form: str
    #: With what its first line begins, as far as a killed writer wrote it: any other file is left alone.
    begins: bytes
    #: The class of the errors about it.
    error: type[ZooError] = ArtifactError
    #: Whether its writers begin the file anew now and then, so that another file may get its name.
    begins_anew: bool = False

    @abstractmethod
    def decode(self, line: bytes) -> Entry:
        """Return what a line says.

        Raises:
            ValueError: It says nothing that an entry could; LookupError, TypeError and the like count as well.
        """

    def check_first(self, entry: Entry) -> None:
        """Raise ValueError if this cannot be the first entry of a journal."""

    def goes_on(self, entry: Entry) -> bool:
        """Whether the next line belongs to the same transaction."""
        return False

    def is_foreign(self, entry: Entry) -> bool:
        """Whether another program wrote it, which knows nothing of transactions and torn tails."""
        return False

    def split(self, raw: bytes) -> int:
        """Return where the line of another program begins that was appended to a torn one; 0 if there is none."""
        return 0

    def alone(self, path: Path) -> AbstractContextManager[object]:
        """Return a context in which nobody else writes the file, for those who mend it."""
        return _alone(path)

    def instead(self, lines: Sequence[Line[Entry]]) -> Mapping[int, tuple[bytes, str]]:
        """Say which lines are set aside, what takes the place of each so that the others mean the same, and why.

        By default those that cannot be read, and what stands before them of the same transaction, without anything
        instead.

        Args:
            lines: All lines of the file.

        Returns:
            The place of a line in the list -> the bytes instead of it (empty for nothing), and the reason in words.

        Raises:
            ZooError: The others mean nothing without one that cannot be read.
        """
        found: dict[int, tuple[bytes, str]] = {}
        pending: list[int] = []
        for place, line in enumerate(lines):
            if line.entry is None and not line.glued:
                found |= dict.fromkeys(pending, (b"", "its transaction is not whole"))
                found[place] = (b"", line.why)
            pending = [*pending, place] if line.entry is not None and self.goes_on(line.entry) else []
        return found


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        lock(fd)
        yield
    finally:
        os.close(fd)


def json_line(value: object) -> bytes:
    """Return a line that holds a JSON value."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def read_lines(data: bytes, codec: Codec[Entry], *, start: int = 0) -> tuple[list[Line[Entry]], int]:
    """Return the lines of a piece of a journal, and where a tail without an end begins.

    Args:
        data: The bytes, from the beginning of a line.
        codec: What the lines hold.
        start: Where the bytes begin in the file.
    """
    lines: list[Line[Entry]] = []
    begin = 0
    while (end := data.find(b"\n", begin) + 1) > 0:
        raw = data[begin:end]
        at = codec.split(raw)
        for piece, where in ((raw[:at], begin), (raw[at:], begin + at)) if at else ((raw, begin),):
            line = Line[Entry](start + where, start + where + len(piece), piece, None, glued=where + len(piece) < end)
            try:
                line.entry = codec.decode(piece)
                if line.begin == 0:
                    codec.check_first(line.entry)
            except UNREADABLE as error:
                line.entry, line.why = None, f"{error}" if isinstance(error, ValueError) else repr(error)
                if line.begin == 0 and not piece.startswith(codec.begins):
                    line.why = _foreign(codec)
            lines.append(line)
        begin = end
    return lines, start + begin


def _foreign(codec: Codec[Any]) -> str:
    return f"the file must begin with {codec.begins.decode()}"


@dataclass
class Parsed(Generic[Entry]):
    """What a piece of a journal comes to.

    Args:
        whole: The lines of all whole transactions before the damage, if there is one.
        size: Where they end in the file.
        damage: The first line that is whole and cannot be read.
        blanks: From where to where a killed writer left something to which another program has appended.
        splits: Where a line lacks its end only.
    """

    whole: list[Line[Entry]] = field(default_factory=list)
    size: int = 0
    damage: Line[Entry] | None = None
    blanks: list[tuple[int, int]] = field(default_factory=list)
    splits: list[int] = field(default_factory=list)


def parse(data: bytes, codec: Codec[Entry], *, start: int = 0) -> Parsed[Entry]:
    """Return what a piece of a journal comes to.

    Args:
        data: The bytes, from the beginning of a line.
        codec: What the lines hold.
        start: Where the bytes begin in the file.
    """
    lines, tail = read_lines(data, codec, start=start)
    found = Parsed[Entry](size=start)
    pending: list[Line[Entry]] = []
    for line in lines:
        if line.entry is None and line.glued:
            found.blanks.append((pending[0].begin if pending else line.begin, line.end))
            pending = []
            continue
        if line.entry is None:
            found.damage = line
            return found
        if pending and codec.is_foreign(line.entry):
            # Transactions are written at once: another program's line comes after a torn one.
            found.blanks.append((pending[0].begin, line.begin))
            pending = []
        pending.append(line)
        if not codec.goes_on(line.entry):
            found.splits += [line.end] if line.glued else []
            found.whole += pending
            found.size, pending = line.end, []
    rest = data[tail - start :]
    if tail == 0 and not rest.startswith(codec.begins[: len(rest)]):
        found.damage = Line(0, len(rest), rest, None, _foreign(codec))
    # A tail that was cut off has nothing to be blanked.
    found.blanks = [blank for blank in found.blanks if blank[0] < found.size]
    return found


class Journal(Generic[Entry]):
    """One open journal; each instance has its own place of reading. One thread at a time may use it.

    Args:
        path: The file, which is made if it is not there.
        codec: What its lines hold.
        fd: The file, open for reading and appending, if the caller has it and closes it; by default it is opened here.
        turn: What a writer holds while it writes; by default the lock of the file.
        mode: The access rights of a new file, of which the process's umask takes away.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        codec: Codec[Entry],
        *,
        fd: int | None = None,
        turn: AbstractContextManager[object] | None = None,
        mode: int = 0o666,
    ) -> None:
        self.path, self.codec, self._mode = path, codec, mode
        self._turn, self._borrowed = turn, fd is not None
        self.fd = self._opened() if fd is None else fd
        #: Up to where the file was taken in.
        self.position = 0
        #: How many entries were taken in or written since the beginning of the file.
        self.count = 0
        #: The first line that could not be read, while it stands there.
        self.damage: Damage | None = None
        self._damaged_as: tuple[int, int] | None = None
        self._held = False

    def _opened(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, self._mode)

    def close(self) -> None:
        """Give the file back."""
        if self.fd >= 0 and not self._borrowed:
            os.close(self.fd)
        self.fd = -1

    def behind(self) -> bool:
        """Whether there is something to take in; it costs a look at the file's entry."""
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        if self.damage is not None:
            return self._damaged_as != (now.st_size, now.st_mtime_ns)
        return now.st_size != self.position or now.st_ino != os.fstat(self.fd).st_ino

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all other writers out.

        Raises:
            OSError: The file cannot be locked, or not be opened again after another process exchanged it.
        """
        if self._turn is None:
            lock(self.fd)
            while not is_named(self.fd, self.path):
                self._follow()
                lock(self.fd)
        with self._turn or _NOTHING:
            self._held = True
            try:
                yield
            finally:
                self._held = False
                if self._turn is None:
                    unlock(self.fd)

    def _follow(self) -> None:
        """Open the file that has the name now, if this is one that is begun anew."""
        if not self.codec.begins_anew or self._turn is not None:
            raise self._removed()
        os.close(self.fd)
        self.fd = self._opened()
        self.position = self.count = 0

    def _removed(self) -> ZooError:
        return self.codec.error(
            f"{self.codec.what} must stay as it is while it is open, but {self.path} was removed or replaced",
            "leave the file alone; what was told is in the file that was moved away",
        )

    def take(self, apply: Callable[[Entry], object]) -> None:
        """Hand over each entry that was written since, in the order of the file.

        Inside of ``held`` what a killed writer left is removed, too.

        Args:
            apply: Told each entry. What it raises where an entry has not the form that was written is damage.

        Raises:
            ZooError: Of the codec's class: a line cannot be read; those before it were handed over. Or the file was
                removed, replaced or cut.
            OSError: It cannot be read or mended.
        """
        if not is_named(self.fd, self.path):
            self._follow()
        now = os.fstat(self.fd)
        if now.st_size < self.position:
            raise self._removed()
        if self.damage is not None and self._damaged_as == (now.st_size, now.st_mtime_ns):
            raise refusal(self.codec, self.damage)
        self.damage = None
        if now.st_size == self.position:
            return
        found = parse(self._bytes(self.position, now.st_size), self.codec, start=self.position)
        if self._held and found.damage is None:
            self._mend(found, now.st_size)
        failed = _hand_over(found, self.codec.error, apply, self._taken)
        if failed is not None:
            self.position = min(self.position, failed[0].begin)
            raise self._found(*failed)
        self.position = found.size + (len(found.splits) if self._held else 0)

    def _taken(self, line: Line[Entry]) -> None:
        self.position, self.count = line.end, self.count + 1

    def again(self) -> Iterator[Entry]:
        """Yield once more what was taken in and written so far.

        Raises:
            ZooError: Of the codec's class: a line cannot be read any more.
        """
        lines, _ = read_lines(self._bytes(0, self.position), self.codec)
        for line in lines:
            if line.entry is None:
                raise self._found(line, line.why)
            yield line.entry

    def write(self, *lines: bytes) -> None:
        """Append the lines of one transaction; the caller is inside of ``held`` and has taken in everything.

        Args:
            lines: Each with the end of its line.

        Raises:
            OSError: The disk is full, or gone; what was written of the lines is taken back.
            ZooError: Of the codec's class: somebody has written without taking turns.
        """
        rest = memoryview(b"".join(lines))
        end = self.position + len(rest)
        try:
            # One write as a rule; a short one (full disk) is completed or fails. It appends, so that it would not
            # overwrite the line of a program that takes no turns.
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except OSError:
            os.ftruncate(self.fd, self.position)
            raise
        if os.fstat(self.fd).st_size != end:
            # Both are in the file, but not in the order in which they were taken in here.
            raise self.codec.error(
                f"all writers of {self.path} must take turns, but one did not", "open it again: nothing is lost"
            )
        self.position, self.count = end, self.count + len(lines)

    def replace(self, *lines: bytes) -> None:
        """Begin the file anew, at one moment; the caller is inside of ``held`` and has taken in everything.

        Others that wait for their turn find the new file when they get it.

        Raises:
            OSError: It cannot be written; the file is as it was.
        """
        fd = -1
        try:
            with replacing(self.path, mode=self._mode) as part:
                fd = os.open(part, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
                lock(fd)  # before it has the name: so the lock is never free in between
                rest = memoryview(b"".join(lines))
                while rest:
                    rest = rest[os.write(fd, rest) :]
        except BaseException:
            if fd >= 0:
                os.close(fd)
            raise
        os.close(self.fd)
        self.fd, self.position, self.count = fd, os.fstat(fd).st_size, len(lines)

    def _bytes(self, begin: int, end: int) -> bytes:
        parts, at = [], begin
        while at < end and (part := os.pread(self.fd, end - at, at)):  # one call reads at most 2 GiB
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def _mend(self, found: Parsed[Entry], size: int) -> None:
        """Remove what killed writers left: cut off a tail; what others appended to becomes spaces, so nothing moves.

        Other programs that read the file stop at the first line that is no JSON; spaces before a value are.
        """
        if found.size < size:
            os.ftruncate(self.fd, found.size)
        if not found.blanks and not found.splits:
            return
        with open(self.path, "r+b", buffering=0) as file:
            for begin, end in found.blanks:
                os.pwrite(file.fileno(), b" " * (end - begin), begin)
            for at in reversed(found.splits):
                rest = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, at)
                os.pwrite(file.fileno(), b"\n" + rest, at)

    def _found(self, line: Line[Entry], why: str) -> ZooError:
        now = os.fstat(self.fd)
        self._damaged_as = (now.st_size, now.st_mtime_ns)
        self.damage = damage_of(self.path, self._bytes(0, line.begin), line, why)
        return refusal(self.codec, self.damage)


def read(path: Path, codec: Codec[Entry], apply: Callable[[Entry], object]) -> None:
    """Hand over the entries of all whole transactions of a journal that others may have open; nothing is changed.

    Args:
        path: The file; one that is not there holds nothing.
        codec: What its lines hold.
        apply: Told each entry; see ``Journal.take``.

    Raises:
        ZooError: Of the codec's class: a line cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    failed = _hand_over(parse(data, codec), codec.error, apply, lambda line: None)
    if failed is not None:
        raise refusal(codec, damage_of(path, data, *failed))


def _hand_over(
    found: Parsed[Entry],
    error_of: type[ZooError],
    apply: Callable[[Entry], object],
    taken: Callable[[Line[Entry]], object],
) -> tuple[Line[Entry], str] | None:
    """Apply the entries; return the line at which this ends, and why, if one cannot be read or applied."""
    for line in found.whole:
        assert line.entry is not None
        taken(line)  # first: who applies it may read everything again, with this line
        try:
            apply(line.entry)
        except error_of as error:
            return line, f"it does not fit those before it: {error.message}"
        except UNREADABLE as error:
            return line, f"it cannot be applied: {error!r}"
    return None if found.damage is None else (found.damage, found.damage.why)


def damage_of(path: Path, before: bytes, line: Line[Any], why: str) -> Damage:
    """Return what is said about a line.

    Args:
        path: The journal.
        before: What stands in the file before the line, at least.
        line: The line that cannot be read.
        why: What is wrong with it.
    """
    return Damage(path, before[: line.begin].count(b"\n") + 1, line.begin, why, line.raw[:_SHOWN_BYTES])


def refusal(codec: Codec[Any], damage: Damage) -> ZooError:
    """Return the error about a line that cannot be read."""
    path = damage.path
    return codec.error(
        f"{codec.what} must be {codec.form}, but {path} is {damage}",
        f"`zoo journal mend {path}` sets such lines aside into {path.name}.damaged and says which; or restore the file "
        "from a copy, or choose another path",
    )


class _Nothing(AbstractContextManager[None]):
    def __exit__(self, *error: object) -> None:
        return None


_NOTHING = _Nothing()
