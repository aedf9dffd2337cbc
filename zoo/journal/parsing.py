"""What the bytes of a journal come to: lines, whole transactions, and the first line that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from zoo.errors import ZooError
from zoo.journal.codec import UNREADABLE, Codec, Line, damage_of, refusal

__all__ = ["Parsed", "hand_over", "parse", "read", "read_lines"]

Entry = TypeVar("Entry")


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
    failed = hand_over(parse(data, codec), codec.error, apply, lambda line: None)
    if failed is not None:
        raise refusal(codec, damage_of(path, data, *failed))


def hand_over(
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
