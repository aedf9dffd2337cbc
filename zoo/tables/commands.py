"""``zoo table log | show | diff | lineage``: the history of a versioned table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from zoo.commands import Outcome
from zoo.page.wording import in_columns
from zoo.tables.commits import Commit
from zoo.tables.compare import TableDifference, diff
from zoo.tables.lineage import Origin, lineage
from zoo.tables.versioned import VersionedTable

__all__ = ["diff_table", "lineage_of_table", "log_table", "show_table"]

_Path = Annotated[str, typer.Argument(help="The table's folder.")]
_AsOf = Annotated[str | None, typer.Option(help="A version, or a time (UTC) such as 2026-11-23T18:00.")]
_SHOWN = 12  # characters of a hash


def log_table(table: _Path, limit: Annotated[int, typer.Option(min=1, help="Commits to show.")] = 20) -> Outcome:
    """List the commits, newest first."""
    commits = VersionedTable.open(table).log(limit=limit)
    rows = [("version", "time", "operation", "rows", "pipeline", "sources"), *map(_row, commits)]
    return Outcome({"table": table, "commits": [_commit(commit) for commit in commits]}, in_columns(rows))


def show_table(table: _Path, as_of: _AsOf = None) -> Outcome:
    """Show columns and size of a version, and what its writer told."""
    opened = VersionedTable.open(table)
    version = opened.version if as_of is None else opened.resolve(as_of)
    commit = next(each for each in opened.log() if each.version == version)
    columns = {each.name: str(each.type) for each in opened.schema(as_of=version)}
    rows = opened.count(as_of=version)
    data = {"table": table, **_commit(commit), "rows": rows, "columns": columns}
    lines = [
        ("table", table),
        ("version", f"{version} of {_time(commit)}, {commit.operation}"),
        ("rows", f"{rows:,}"),
        *((("key", ", ".join(commit.key)),) if commit.key else ()),
        *((str(name), str(value)) for name, value in commit.info.items()),
        ("columns", ""),
        *((f"  {name}", kind) for name, kind in columns.items()),
    ]
    return Outcome(data, in_columns(lines))


def diff_table(
    table: _Path,
    before: Annotated[str, typer.Argument(help="A version or a time.")],
    after: Annotated[str, typer.Argument(help="Another one.")],
    key: Annotated[str, typer.Option(help="Columns that tell rows apart, a,b; by default the writer's.")] = "",
) -> Outcome:
    """Compare two versions."""
    found = diff(
        VersionedTable.open(table), before, after, key=[name.strip() for name in key.split(",") if name.strip()]
    )
    return Outcome({"table": table, **asdict(found)}, "\n".join(_told(found)))


def lineage_of_table(table: _Path, as_of: _AsOf = None) -> Outcome:
    """Show what a version was made of."""
    found = lineage(VersionedTable.open(table), as_of=as_of)
    return Outcome(asdict(found), "\n".join(_tree(found)))


def _told(found: TableDifference) -> list[str]:
    lines = [f"rows: {found.before:,} -> {found.after:,}"]
    lines += [f"column {name}: added" for name in found.columns_added]
    lines += [f"column {name}: removed" for name in found.columns_removed]
    lines += [f"column {name}: {old} -> {new}" for name, (old, new) in found.retyped.items()]
    if not found.key:
        return [*lines, "no key is known: give --key to compare the rows"]
    lines.append(f"by {', '.join(found.key)}: {found.rows_added:,} added, {found.rows_removed:,} removed")
    lines += [f"column {name}: changed in {count:,} rows" for name, count in found.changed.items()]
    if not (found.rows_added or found.rows_removed or found.changed):
        lines.append("the rows are equal")
    return lines


def _tree(origin: Origin, indent: str = "") -> list[str]:
    version = "" if origin.version is None else f" @ {origin.version}"
    by = f"  by {', '.join(name[:_SHOWN] for name in origin.pipelines)}" if origin.pipelines else ""
    lines = [f"{indent}{origin.path}{version}{by}"]
    for source in origin.sources:
        lines += _tree(source, indent + "  ")
    return lines


def _commit(commit: Commit) -> Mapping[str, Any]:
    return {**asdict(commit), "time": _time(commit)}


def _row(commit: Commit) -> tuple[str, ...]:
    sources = dict(commit.info.get("sources") or {})
    return (
        str(commit.version),
        _time(commit),
        commit.operation,
        "" if commit.added is None else f"{commit.added:,}",
        str(commit.info.get("pipeline") or "")[:_SHOWN],
        ", ".join(f"{path}@{version}" for path, version in sources.items()),
    )


def _time(commit: Commit) -> str:
    return commit.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
