"""One open journal: whose turn it is, what is new, and what is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Generic, TypeVar

from zoo.errors import ZooError
from zoo.files import replacing
from zoo.journal.codec import Codec, Damage, Line, damage_of, refusal
from zoo.journal.parsing import Parsed, hand_over, parse, read_lines
from zoo.locks import is_named, lock, unlock

__all__ = ["Journal"]

Entry = TypeVar("Entry")


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
        with self._turn or nullcontext():
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
        failed = hand_over(found, self.codec.error, apply, self._taken)
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
