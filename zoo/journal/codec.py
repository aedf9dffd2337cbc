"""What the lines of one kind of journal hold, and what is said about one that cannot be read."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from zoo.errors import ArtifactError, ZooError
from zoo.locks import is_named, lock

__all__ = ["UNREADABLE", "Codec", "Damage", "Line", "damage_of", "json_line", "refusal"]

Entry = TypeVar("Entry")
_SHOWN_BYTES = 40  # of a line that cannot be read
#: What reading an entry or applying it raises where its bytes are not what was written.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Damage:
    """A line that is whole and cannot be read.

    Args:
        path: The journal that the line is in.
        line: Its number in the file, from 1.
        byte: Where it begins in the file.
        why: What is wrong with it, in words.
        begins: The first bytes of the line.
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
        begin: Where it begins in the file.
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
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            lock(fd)
            if is_named(fd, path):
                yield
                return
        finally:
            os.close(fd)  # a writer has begun the file anew: once more, with the new one


def json_line(value: object) -> bytes:
    """Return a line that holds a JSON value."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def damage_of(path: Path, before: bytes, line: Line[Any], why: str) -> Damage:
    """Return what is said about a line.

    Args:
        path: The journal that the line is in.
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
