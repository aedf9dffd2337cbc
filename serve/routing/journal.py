"""The router's memory on disk, so that a restart goes on where a ``kill -9`` ended it: a snapshot and lines."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from zoo.errors import ArtifactError, ConfigError

__all__ = ["Journal", "News"]

_FORMAT = "zoo-autots/routing/1"

#: A snapshot to begin anew with, if there is one, and the lines after it that this process has not seen.
News = tuple[dict[str, Any] | None, list[dict[str, Any]]]


class Journal:
    """One file of JSON lines, the first of them a snapshot. Several processes of one machine write and read it.

    Whoever writes holds the file's lock and first reads what the others wrote, so all fold the same lines in the same
    order and come to the same state. A line is with the operating system before the lock is free: a killed process
    loses nothing, a power cut perhaps the last moments. A last line that was cut is dropped. A new snapshot is written
    beside the file and moved there, so the file is always whole.

    Args:
        path: The file; made if it is not there.

    Raises:
        ConfigError: It cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.lines = 0
        self._file: IO[bytes] | None = None
        self._seen = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A file of its own: the journal itself is exchanged by ``replace``.
            self._lock = open(self.path.with_name(f"{self.path.name}.lock"), "ab")
        except OSError as error:
            raise ConfigError(
                f"a routing journal must be writable, but {path} is not: {error.strerror or error}",
                "choose another path",
            ) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the others out."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def changed(self) -> bool:
        """Whether the others have written something; one look at the file's entry, without the lock."""
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        return self._file is None or now.st_ino != os.fstat(self._file.fileno()).st_ino or now.st_size != self._seen

    def news(self) -> News:
        """Return what the others wrote; the lock must be held.

        Raises:
            ArtifactError: It is another kind of file, or a line in its middle cannot be read.
        """
        if not self.path.is_file() or not self.path.stat().st_size:
            return None, []
        state = None
        if self._file is None or os.stat(self.path).st_ino != os.fstat(self._file.fileno()).st_ino:
            self.close_file()
            self._file, self._seen, self.lines = open(self.path, "r+b", buffering=0), 0, 0
        self._file.seek(self._seen)
        rest = self._file.read()
        whole = rest.rfind(b"\n") + 1
        if whole < len(rest):
            self._file.truncate(self._seen + whole)  # its writer was killed: nobody else writes now
        found = [self._parsed(line) for line in rest[:whole].splitlines()]
        if self._seen == 0:
            if not found or found[0].get("format") != _FORMAT:
                self.close_file()
                raise ArtifactError(
                    f"a routing journal must begin with {_FORMAT}, but {self.path} does not", "choose another"
                )
            state, found = found[0]["state"], found[1:]
        self._seen += whole
        self.lines += len(found)
        return state, found

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line; the lock must be held, and the news read."""
        assert self._file is not None, "a journal begins with a snapshot"
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._file.seek(self._seen)
        self._file.write(text)
        self._seen += len(text)
        self.lines += 1

    def replace(self, state: Mapping[str, Any]) -> None:
        """Begin anew with a snapshot; the lock must be held, and the news read."""
        part = self.path.with_name(f".{self.path.name}.part")
        text = json.dumps({"format": _FORMAT, "state": state}, separators=(",", ":")).encode() + b"\n"
        with open(part, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self.path)
        self.close_file()
        self._file, self._seen, self.lines = open(self.path, "r+b", buffering=0), len(text), 0

    def close_file(self) -> None:
        """Let go of the file, and not of the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Let go of all."""
        self.close_file()
        self._lock.close()

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            value = json.loads(line)
            if isinstance(value, dict):
                return value
        except ValueError:
            pass
        raise ArtifactError(
            f"every line of a routing journal must be a JSON object, but {line[:40]!r} of {self.path} is none",
            "restore the file, or move it away to begin anew",
        )
