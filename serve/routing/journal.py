"""The router's memory on disk, so that a restart goes on where a ``kill -9`` ended it: a snapshot and lines."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from zoo.errors import ArtifactError, ConfigError

__all__ = ["Journal"]

_FORMAT = "zoo-autots/routing/1"


class Journal:
    """One file of JSON lines, the first of them a snapshot. One process writes it.

    A line is written whole to the operating system before ``append`` returns: a killed process loses nothing, a power
    cut perhaps the last moments. A last line that was cut is dropped. ``replace`` writes a new snapshot beside the
    file and moves it there, so the file is always whole.

    Args:
        path: The file; made if it is not there.

    Raises:
        ConfigError: Another process writes it, or the folder cannot be written to.
        ArtifactError: It is another kind of file, or a line in its middle cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.lines = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self._locked()
        except OSError as error:
            raise ConfigError(
                f"a routing journal must be writable, but {path} is not: {error.strerror or error}",
                "choose another path",
            ) from error
        self._file: IO[bytes] | None = None

    def read(self) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """Return the snapshot, or None in a new file, and the lines after it; then it is open for writing."""
        if not self.path.is_file() or not self.path.stat().st_size:
            self._file = open(self.path, "ab", buffering=0)
            return None, []
        found: list[dict[str, Any]] = []
        whole = 0
        with open(self.path, "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                found.append(self._parsed(line, len(found) + 1))
                whole += len(line)
        if not found or found[0].get("format") != _FORMAT:
            raise ArtifactError(
                f"a routing journal must begin with {_FORMAT}, but {self.path} does not", "choose another"
            )
        self._file = open(self.path, "ab", buffering=0)
        self._file.truncate(whole)
        self.lines = len(found) - 1
        return found[0]["state"], found[1:]

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line."""
        assert self._file is not None, "read comes first"
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self.lines += 1

    def replace(self, state: Mapping[str, Any]) -> None:
        """Begin anew with a snapshot."""
        part = self.path.with_name(f".{self.path.name}.part")
        with open(part, "wb") as file:
            file.write(json.dumps({"format": _FORMAT, "state": state}, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self.path)
        if self._file is not None:
            self._file.close()
        self._file = open(self.path, "ab", buffering=0)
        self.lines = 0

    def close(self) -> None:
        """Let another process write it."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.close()

    def _locked(self) -> IO[bytes]:
        import fcntl

        # A file of its own: the journal itself is exchanged by ``replace``.
        lock = open(self.path.with_name(f"{self.path.name}.lock"), "ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise ConfigError(
                f"a routing journal must have one writer, but another process writes {self.path}",
                "stop the other server, or give this one another folder",
            ) from error
        return lock

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            value = json.loads(line)
            if isinstance(value, dict):
                return value
        except ValueError:
            pass
        raise ArtifactError(
            f"every line of a routing journal must be a JSON object, but line {number} of {self.path} is none",
            "restore the file, or move it away to begin anew",
        )
