"""Where the rows of a versioned table come from, as its writers told it, through all versioned tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.tables.commits import AsOf, Commit
from zoo.tables.versioned import VersionedTable, is_table

__all__ = ["Origin", "lineage"]

_MAX_DEPTH = 20  # tables that are made of tables that are made of ...


@dataclass(frozen=True)
class Origin:
    """Where the rows of a version come from.

    Args:
        path: The table, or what else was named as a source.
        version: Its version; text if the source is not a versioned table here.
        pipelines: The hashes of what made its rows, newest first.
        sources: Where the rows come from that those pipelines read.
    """

    path: str
    version: int | str | None
    pipelines: tuple[str, ...] = ()
    sources: tuple[Origin, ...] = ()


def lineage(table: VersionedTable, *, as_of: AsOf | None = None) -> Origin:
    """Return what a version was made of, as its writers told it, through versioned tables as far as they are here."""
    return _origin(table, table.version if as_of is None else table.resolve(as_of), 0)


def _origin(table: VersionedTable, version: int, depth: int) -> Origin:
    commits = _contributing(table.log(), version)
    told: dict[str, Any] = {}
    for commit in commits:
        for path, read in dict(commit.info.get("sources") or {}).items():
            told.setdefault(str(path), read)  # the newest commit's
    sources = []
    for path, read in told.items():
        whole = isinstance(read, int) and not isinstance(read, bool)
        if whole and depth < _MAX_DEPTH and is_table(path) and 0 <= read <= VersionedTable.open(path).version:
            sources.append(_origin(VersionedTable.open(path), read, depth + 1))
        else:
            sources.append(Origin(path, read if whole else str(read)))
    pipelines = dict.fromkeys(str(c.info["pipeline"]) for c in commits if c.info.get("pipeline"))
    return Origin(str(Path(table.path)), version, tuple(pipelines), tuple(sources))


def _contributing(log: Sequence[Commit], version: int) -> list[Commit]:
    """Return the commits whose rows are in a version, newest first: an overwrite hides what was before."""
    out: list[Commit] = []
    for commit in log:
        if commit.version > version:
            continue
        out.append(commit)
        if commit.operation == "WRITE overwrite":
            break
    return out
