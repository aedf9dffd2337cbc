"""``zoo journal check | mend``: damaged lines of a journal are found, and set aside into a file beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import GROUP, JOURNALS, Outcome
from zoo.errors import ConfigError
from zoo.files import replacing, synchronise
from zoo.journal.codec import Codec, Damage, Line, damage_of, refusal
from zoo.journal.parsing import parse, read_lines
from zoo.places import local_path

__all__ = ["Mended", "check_journal", "codec_of", "damages", "mend", "mend_journal"]

_Path = Annotated[str, typer.Argument(help="A study, or a routing journal or actuals of an endpoint.")]


@dataclass(frozen=True)
class Mended:
    """What ``mend`` has done.

    Args:
        path: The journal that was mended.
        aside: Where the lines are that were set aside.
        lines: What each of them was.
    """

    path: Path
    aside: Path
    lines: tuple[Damage, ...] = ()


def check_journal(file: _Path) -> Outcome:
    """Read every line and change nothing."""
    path = _existing(file)
    codec = codec_of(path)
    data = path.read_bytes()
    lines, _ = read_lines(data, codec)
    found, torn = damages(path, codec, data, lines), len(data) - parse(data, codec).size
    text = [f"{path}: {codec.what}, {len(lines):,} lines"]
    text += [f"  {one}" for one in found]
    if found:
        text.append(refusal(codec, found[0]).hint)
    elif torn:
        text.append(f"  the last {torn} bytes are what a killed writer left; the next one cuts them off")
    told = [{"line": one.line, "byte": one.byte, "why": one.why} for one in found]
    data_of = {"file": str(path), "kind": codec.what, "lines": len(lines), "damaged": told}
    return Outcome(data_of, "\n".join(text), code=1 if found else 0)


def mend_journal(file: _Path) -> Outcome:
    """Set the damaged lines aside and say which."""
    path = _existing(file)
    done = mend(path, codec_of(path))
    told = [{"line": one.line, "byte": one.byte, "why": one.why} for one in done.lines]
    if not told:
        return Outcome({"file": str(path), "set_aside": []}, f"{path}: every line can be read; nothing was changed")
    text = [f"{path}: {len(told)} lines were set aside into {done.aside}"]
    text += [f"  line {one.line} (byte {one.byte}): {one.why}" for one in done.lines]
    return Outcome({"file": str(path), "aside": str(done.aside), "set_aside": told}, "\n".join(text))


def _existing(file: str) -> Path:
    path = local_path(file, "a journal")
    if not path.is_file():
        raise ConfigError(f"a journal must be a file, but there is none at {path}", "check the path")
    return path


def codec_of(path: Path) -> Codec[Any]:
    """Return what the lines of a file hold: of all known kinds of journals the one that reads most of them.

    Raises:
        ConfigError: None reads any.
    """
    data = path.read_bytes()
    found: list[tuple[int, Codec[Any]]] = []
    for target in _known().values():
        module, _, name = target.partition(":")
        codec: Codec[Any] = getattr(import_module(module), name)()
        lines, _ = read_lines(data, codec)
        found.append((sum(line.entry is not None for line in lines), codec))
    most, best = max(found, key=lambda one: one[0])
    if not most:
        kinds = ", ".join(codec.what for _, codec in found)
        raise ConfigError(f"a journal must be one of {kinds}, but no line of {path} is of any", "check the path")
    return best


def _known() -> Mapping[str, str]:
    """Return the journals of the platform and of its tenants, which name theirs beside their commands."""
    found = dict(JOURNALS)
    for entry in entry_points(group=GROUP):
        found |= getattr(import_module(entry.module), "JOURNALS", {})
    return found


def damages(path: Path, codec: Codec[Any], data: bytes, lines: Sequence[Line[Any]]) -> list[Damage]:
    """Return what is said about each line that would be set aside; every damaged one where the others mean nothing."""
    try:
        chosen = {place: why for place, (_, why) in codec.instead(lines).items()}
    except codec.error:
        chosen = {i: line.why for i, line in enumerate(lines) if line.entry is None and not line.glued}
    return [damage_of(path, data, lines[place], why) for place, why in sorted(chosen.items())]


def mend(path: Path, codec: Codec[Any]) -> Mended:
    """Set the lines of a journal aside that cannot be read, and what means nothing without them.

    They are in ``NAME.damaged``, on the disk, before the journal changes: one JSON object each with ``line`` and
    ``byte`` (where it was), ``why``, and ``text`` (its bytes; such as are no UTF-8 are escaped as Python does it).
    Where nothing takes their place they become spaces, so that those who have the journal open find the rest where it
    was.

    Args:
        path: The journal that is mended.
        codec: What its lines hold.

    Raises:
        ZooError: Of the codec's class: the others mean nothing without such a line, or somebody has the file alone.
    """
    aside = path.with_name(f"{path.name}.damaged")
    with codec.alone(path):
        data = path.read_bytes()
        lines, _ = read_lines(data, codec)
        chosen = codec.instead(lines)
        done = {place: damage_of(path, data, lines[place], why) for place, (_, why) in sorted(chosen.items())}
        if not done:
            return Mended(path, aside)
        _note(aside, [(damage, lines[place].raw) for place, damage in done.items()])
        if any(instead for instead, _ in chosen.values()):
            with replacing(path) as part:
                pieces = (chosen[i][0] if i in chosen else line.raw for i, line in enumerate(lines))
                part.write_bytes(b"".join(pieces))
                part.chmod(path.stat().st_mode & 0o777)
        else:
            _blank(path, lines, set(chosen))
    return Mended(path, aside, tuple(done.values()))


def _note(aside: Path, found: Sequence[tuple[Damage, bytes]]) -> None:
    """Append what is set aside, unless it stands there already: the one who did it was killed before he went on."""
    known = set(aside.read_bytes().splitlines()) if aside.exists() else set()
    with open(aside, "ab") as file:
        for damage, raw in found:
            text = raw.rstrip(b"\n").decode("utf-8", "surrogateescape")
            said = {"line": damage.line, "byte": damage.byte, "why": damage.why, "text": text}
            line = json.dumps(said).encode()
            if line not in known:
                file.write(line + b"\n")
    synchronise(aside)


def _blank(path: Path, lines: Sequence[Line[Any]], chosen: set[int]) -> None:
    kept = max((line.end for i, line in enumerate(lines) if i not in chosen), default=0)
    with open(path, "r+b", buffering=0) as file:
        for i in sorted(chosen):
            line = lines[i]
            if line.begin < kept:
                os.pwrite(file.fileno(), b" " * (line.end - line.begin), line.begin)
        if any(lines[i].begin >= kept for i in chosen):
            file.truncate(kept)
    synchronise(path)
