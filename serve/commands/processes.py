"""Endpoints of this machine by name: which process runs one, where it answers, what it was told to serve."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.files import json_digest, write_file

__all__ = [
    "EndpointRecord",
    "alive",
    "answer",
    "answered",
    "folder",
    "forget",
    "listed",
    "read",
    "tell",
    "withdraw",
    "write",
]


@dataclass(frozen=True)
class EndpointRecord:
    """A running ``zoo serve``.

    Args:
        name: Name of the endpoint, by which it is stopped.
        pid: Number of the process that keeps it.
        began: When that process began, in clock ticks since boot: a number is used again for other processes.
        url: Where it answers; empty until it does.
        proxy: What stands in front of it: HAProxy, or Ray's own.
        config: What it serves; SIGHUP makes it read this again.
        owner: The token by which its owner asks it.
        health: Where health is answered on connections of its own, if anywhere.
    """

    name: str
    pid: int
    began: int
    url: str
    proxy: str
    config: Mapping[str, Any]
    owner: str = ""
    health: str = ""


def folder() -> Path:
    """Return the private folder of the records."""
    path = Path(tempfile.gettempdir()) / f"zoo-serve-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid() or path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} must belong to this user alone, but does not", "remove it, or set TMPDIR")
    return path


def began(pid: int) -> int:
    """Return when a process began; 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def alive(record: EndpointRecord) -> bool:
    """Whether its process runs."""
    return began(record.pid) == record.began != 0


def write(record: EndpointRecord) -> None:
    """Note an endpoint, whole or not at all."""
    _whole(f"{record.name}.json", asdict(record))


def forget(name: str) -> None:
    """Remove the notes."""
    for suffix in ("json", "answer"):
        (folder() / f"{name}.{suffix}").unlink(missing_ok=True)


def answer(name: str, config: Mapping[str, Any], error: str = "") -> None:
    """Note, in the process that keeps an endpoint, that all of its replicas serve a configuration, or why not.

    It is a file of its own: the record belongs to whoever asks for the next configuration.
    """
    _whole(f"{name}.answer", {"config": json_digest(config), "error": error})


def answered(name: str, config: Mapping[str, Any]) -> str | None:
    """Return the error of the last ``answer``, empty if there was none; None while it is of another configuration."""
    try:
        told = json.loads((folder() / f"{name}.answer").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(told["error"]) if told["config"] == json_digest(config) else None


def withdraw(name: str) -> None:
    """Remove the answer, before the same configuration is asked for again."""
    (folder() / f"{name}.answer").unlink(missing_ok=True)


def _whole(file: str, values: Mapping[str, Any]) -> None:
    write_file(folder() / file, json.dumps(values), mode=0o600, durable=False)


def read(name: str) -> EndpointRecord | None:
    """Return a running endpoint, or None."""
    try:
        record = EndpointRecord(**json.loads((folder() / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if alive(record) else None


def listed() -> list[EndpointRecord]:
    """Return all running endpoints of this user and machine."""
    found = (read(path.stem) for path in sorted(folder().glob("*.json")))
    return [record for record in found if record is not None]


def tell(record: EndpointRecord, what: signal.Signals, *, patience: float = 60.0) -> None:
    """Send a signal; for SIGTERM, wait until the process has gone.

    Raises:
        ConfigError: The process still runs after ``patience`` seconds.
    """
    os.kill(record.pid, what)
    end = time.monotonic() + patience
    while what == signal.SIGTERM and alive(record):
        if time.monotonic() > end:
            raise ConfigError(f"{record.name} must stop within {patience:g} s, but {record.pid} still runs", "kill it")
        time.sleep(0.05)
