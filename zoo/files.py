"""Files and folders that are there whole or not at all, and digests by which they are known again."""

from __future__ import annotations

import ctypes
import errno
import functools
import glob
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from zoo.errors import ArtifactError

__all__ = [
    "checksums",
    "digest",
    "exchange",
    "fingerprint",
    "json_digest",
    "keyed_hash",
    "put_back",
    "read_manifest",
    "remove_leftovers",
    "replacing",
    "replacing_folder",
    "synchronise",
    "synchronise_folder",
    "verify",
    "write_file",
    "write_manifest",
]

# A part of a file that nobody has written to for so long was left by a killed writer.
_ABANDONED_SECONDS = 3600.0


# Digests


def digest(source: Path | bytes | str) -> str:
    """Return the SHA-256 of a file, bytes or a text (in UTF-8), hexadecimal; a file may be larger than the memory.

    >>> digest("")[:8] == digest(b"")[:8] == "e3b0c442"
    True
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    return hashlib.sha256(source.encode() if isinstance(source, str) else source).hexdigest()


def json_digest(value: object) -> str:
    """Return the digest of a JSON value; the order of its names does not matter.

    >>> json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1})
    True
    """
    return digest(json.dumps(value, sort_keys=True))


def fingerprint(parts: Iterable[Any]) -> str:
    """Return 32 hexadecimal digits for what many buffers hold (arrays, bytes), faster than ``digest`` of a copy."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()


def keyed_hash(data: bytes, *, size: int, key: bytes = b"") -> bytes:
    """Return ``size`` bytes (at most 64) that data and key decide, in a microsecond; nobody guesses them without both.

    Args:
        data: The bytes that are hashed.
        size: How many bytes are returned.
        key: At most 64 bytes; other keys give other bytes for the same data.
    """
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


# Files


@contextmanager
def replacing(path: Path, *, mode: int = 0o666, durable: bool = True) -> Iterator[Path]:
    """Yield a name beside a file to write to, and put what was written in its place when the block has ended well.

    A reader sees the old file or the new one, also after a ``kill -9`` or a power cut. Of several writers the last one
    wins.

    Args:
        path: The file; its folder must be there.
        mode: The access rights of a new file, of which the process's umask takes away; 0o600 for the owner's alone.
        durable: Whether to wait until it is on the disk. Without it a power cut may leave an empty file.

    Raises:
        OSError: The file system refuses.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                left.unlink()
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    try:
        yield part
        if durable:
            _synchronise_one(part)
        os.replace(part, path)
        if durable:
            synchronise_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: str | bytes, *, mode: int = 0o666, durable: bool = True) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file; its folder must be there.
        content: A text, written in UTF-8, or bytes.
        mode: The access rights of a new file; see ``replacing``.
        durable: Whether to wait until it is on the disk.

    Raises:
        OSError: The file system refuses; the old file is as it was.
    """
    with replacing(path, mode=mode, durable=durable) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


# Folders


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside a path, and put it in that place, synchronised, when the block has ended well.

    The old folder is there until the new one is, at one moment (see ``exchange``). A killed process leaves one of them
    in its place and the other one beside it: whoever alone writes there calls ``remove_leftovers`` first.

    Args:
        path: The folder's place; the folder around it is made if need be.

    Raises:
        OSError: The file system refuses; the old folder is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.partial-{uuid4().hex}")
    fresh.mkdir()
    try:
        yield fresh
        synchronise(fresh)
        old = exchange(fresh, path)
        synchronise_folder(path.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def exchange(fresh: Path, path: Path) -> Path | None:
    """Put a file or folder in the place of another at one moment; return where the old one is now, if there was one.

    Where the system cannot exchange names (other than Linux, some network file systems) there is a moment between two
    renames: the old one is then called ``.NAME.old-…``, until ``put_back`` finds it after a kill.

    Args:
        fresh: What is whole, on the file system of ``path``.
        path: The place that it shall have.
    """
    if not os.path.lexists(path):
        fresh.rename(path)
        return None
    if _exchanged(fresh, path):
        return fresh
    old = path.with_name(f".{path.name}.old-{uuid4().hex}")
    path.rename(old)
    fresh.rename(path)
    return old


def put_back(path: Path) -> None:
    """Give the old folder its name again where a process died between two renames; the caller alone writes there."""
    for old in _beside(path, "old"):
        if not path.exists():
            old.rename(path)


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of a folder have left beside it; the caller alone writes there."""
    put_back(path)
    for left in [*_beside(path, "partial"), *_beside(path, "old")]:
        shutil.rmtree(left)


def _beside(path: Path, kind: str) -> list[Path]:
    name = glob.escape(f".{path.name}.{kind}")
    return [*path.parent.glob(name), *path.parent.glob(f"{name}-*")]


_RENAME_EXCHANGE = 2  # linux/fs.h
_AT_FDCWD = -100  # fcntl.h: a path is relative to the working directory


def _exchanged(one: Path, other: Path) -> bool:
    function = _renameat2()
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


@functools.cache
def _renameat2() -> Any:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        function.restype = ctypes.c_int
    return function


def synchronise(path: Path) -> None:
    """Bring a file, or a folder with all that is in it, onto the disk."""
    if not path.is_dir():
        _synchronise_one(path)
        return
    for root, _, files in os.walk(path, topdown=False):
        for name in [*files, "."]:
            _synchronise_one(Path(root) / name)


def synchronise_folder(path: Path) -> None:
    """Bring a folder's list of names onto the disk, after one was made or renamed."""
    _synchronise_one(path)


def _synchronise_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Manifests


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the digest of each file of a folder, for its manifest and for ``verify``."""
    return {name: digest(folder / name) for name in names}


def verify(folder: Path, files: Mapping[str, str], *, hint: str, sizes: Mapping[str, int] | None = None) -> None:
    """Raise unless the files of a folder are what they were when ``checksums`` read them.

    Args:
        folder: The folder that holds them.
        files: The name of each file -> its digest. A name is no path: a manifest cannot point anywhere else.
        hint: What the reader of the message can do.
        sizes: The name of each file -> its bytes, if they are known, so that most damage is found without reading.

    Raises:
        ArtifactError: A file is missing, damaged or was changed; the message names the first one.
    """
    for name, known in files.items():
        file = folder / name
        if Path(name).name != name or not file.is_file():
            raise ArtifactError(f"{folder} must hold {name!r}, but it does not", hint)
        if (sizes is not None and file.stat().st_size != sizes[name]) or digest(file) != known:
            raise ArtifactError(
                f"{name} of {folder} must be as it was written, but it does not match its checksum: it was changed or "
                "damaged",
                hint,
            )


def write_manifest(file: Path, content: Mapping[str, Any], *, signed: bool = True) -> None:
    """Write what a folder holds, as a JSON file.

    Args:
        file: Where the manifest is written.
        content: JSON values; ``format`` among them is what ``read_manifest`` asks for.
        signed: Whether ``sha256`` is added: the digest of the rest, so that a change of the manifest is found, too.
    """
    whole = {**content, "sha256": json_digest(content)} if signed else content
    write_file(file, json.dumps(whole, indent=1))


def read_manifest(file: Path, what: str, kind: str, *, hint: str, signed: bool = True) -> dict[str, Any]:
    """Return what ``write_manifest`` wrote, without the signature.

    Args:
        file: Where the manifest is.
        what: What messages call the folder, such as "a saved pipeline".
        kind: The ``format`` that it must have.
        hint: What the reader of a message can do.
        signed: Whether it must have a signature.

    Raises:
        ArtifactError: It is missing, no manifest, of another format, or was changed.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = content["format"]
        claimed = content.pop("sha256") if signed else ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{what} must have a readable {file.name}, but {file.parent} has none", hint) from error
    if found != kind:
        raise ArtifactError(
            f"the format of {what} must be {kind}, but {file.parent} has {found!r}",
            "load it with the version it names",
        )
    if signed and claimed != json_digest(content):
        raise ArtifactError(f"{file.name} of {file.parent} does not match its checksum: it was changed", hint)
    return dict(content)
