"""What a versioned table tells of its versions: the commits of its log, and how one of them is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from zoo.errors import ConfigError

__all__ = ["NOTE", "AsOf", "Commit", "commit_of", "note_of", "parse_as_of"]

#: A version, a moment (naive: UTC), or either as text.
AsOf: TypeAlias = "int | datetime | str"
#: The key of our own record in a commit.
NOTE = "zoo"


@dataclass(frozen=True)
class Commit:
    """One version of a table.

    Args:
        version: 0, 1, 2, ...
        time: When it was committed, UTC.
        operation: ``"WRITE append"``, ``"MERGE"``, ``"VACUUM END"``, ...
        added: Rows that it wrote, or None if the writer did not say.
        info: What the writer told: ``sources`` (path -> version), ``pipeline`` (hash), and whatever else.
        key: The columns that tell rows apart, if the writer said so.
    """

    version: int
    time: datetime
    operation: str
    added: int | None
    info: Mapping[str, Any] = field(default_factory=dict)
    key: tuple[str, ...] = ()


def note_of(info: Mapping[str, Any], key: Sequence[str]) -> str:
    """Return our record in a commit, as text.

    Args:
        info: What the writer tells, as JSON values.
        key: The columns that tell rows apart, or none.

    Raises:
        ConfigError: A value is none that JSON knows.
    """
    try:
        return json.dumps({"info": dict(info), "key": list(key)}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`info` must hold JSON values only, but {error}", "turn others into text") from error


def commit_of(entry: Mapping[str, Any]) -> Commit:
    """Return a commit as Delta's history tells it."""
    try:
        note = json.loads(entry.get(NOTE) or "{}")
    except ValueError:
        note = {}  # another writer's key of the same name
    metrics = entry.get("operationMetrics") or {}
    mode = str((entry.get("operationParameters") or {}).get("mode", "")).lower()
    merged = int(metrics.get("num_target_rows_inserted", 0)) + int(metrics.get("num_target_rows_updated", 0))
    added = metrics.get("num_added_rows", merged if "num_target_rows_inserted" in metrics else None)
    return Commit(
        version=int(entry["version"]),
        time=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        operation=f"{entry.get('operation', 'unknown')} {mode}".strip(),
        added=None if added is None else int(added),
        info=note.get("info", {}) if isinstance(note, dict) else {},
        key=tuple(note.get("key", ())) if isinstance(note, dict) else (),
    )


def parse_as_of(as_of: AsOf) -> int | datetime:
    """Return the version or the moment that is meant; a moment has a time zone.

    Raises:
        ConfigError: The text is neither a number nor a time.
    """
    if isinstance(as_of, bool) or not isinstance(as_of, int | datetime | str):
        raise ConfigError(f"`as_of` must be a version or a time, but got {as_of!r}", "such as 3 or 2026-11-23T18:00")
    if isinstance(as_of, str):
        if re.fullmatch(r"\s*\d+\s*", as_of):
            return int(as_of)
        try:
            as_of = datetime.fromisoformat(as_of.strip())
        except ValueError as error:
            raise ConfigError(
                f"`as_of` must be a version or a time, but got {as_of!r}", "such as 3 or 2026-11-23T18:00"
            ) from error
    if isinstance(as_of, int):
        return as_of
    return as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of
