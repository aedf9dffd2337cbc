"""Versioned tables: whole commits, every version readable, and refusals that leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from zoo.errors import ConfigError, ConflictError, DataError
from zoo.tables.commands import diff_table, lineage_of_table, log_table, show_table
from zoo.tables.compare import compare, diff
from zoo.tables.lineage import lineage
from zoo.tables.source import read
from zoo.tables.versioned import VersionedTable

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def table(tmp_path: Path) -> VersionedTable:
    return VersionedTable.open(tmp_path / "meters")


def _rows(ids: list[str], values: list[float], **more: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "y": values, **more})


def _sorted(found: pa.Table) -> dict[str, list[Any]]:
    return dict(found.sort_by("id").to_pydict())


def test_each_write_is_a_version_that_stays_readable(table: VersionedTable) -> None:
    table.write(_rows(["a"], [1.0]))
    table.write(_rows(["b"], [2.0]))
    table.write(_rows(["c"], [3.0]), "overwrite")
    assert [_sorted(table.read(as_of=v))["id"] for v in range(3)] == [["a"], ["a", "b"], ["c"]]
    assert [commit.version for commit in table.log()] == [2, 1, 0]
    assert [table.count(as_of=v) for v in range(3)] == [1, 2, 1]


def test_a_moment_reads_the_version_that_was_current(table: VersionedTable) -> None:
    first = table.write(_rows(["a"], [1.0]))
    time.sleep(0.01)
    table.write(_rows(["b"], [2.0]))
    assert table.resolve(first.time) == 0
    assert table.resolve(first.time.isoformat()) == 0
    assert table.resolve(datetime.now(UTC) + timedelta(days=1)) == 1
    assert table.read(as_of=first.time).num_rows == 1
    with pytest.raises(DataError, match=r"must exist at 2020"):  # Delta itself would silently answer version 0
        table.read(as_of="2020-01-01")


@pytest.mark.parametrize("as_of", [2, -1, "17"])
def test_a_version_that_is_not_there_is_refused(table: VersionedTable, as_of: Any) -> None:
    table.write(_rows(["a"], [1.0]))
    with pytest.raises(DataError, match="it has 0 to 0"):
        table.read(as_of=as_of)


@pytest.mark.parametrize("as_of", ["yesterday", 1.5, True])
def test_what_is_no_version_and_no_time_is_refused(table: VersionedTable, as_of: Any) -> None:
    table.write(_rows(["a"], [1.0]))
    with pytest.raises(ConfigError, match="a version or a time"):
        table.read(as_of=as_of)


def test_a_merge_replaces_and_adds(table: VersionedTable) -> None:
    table.write(_rows(["a", "b"], [1.0, 2.0]))
    commit = table.write(_rows(["b", "c"], [5.0, 6.0]), "merge", key=["id"])
    assert _sorted(table.read()) == {"id": ["a", "b", "c"], "y": [1.0, 5.0, 6.0]}
    assert (commit.operation, commit.added, commit.key) == ("MERGE", 2, ("id",))


def test_the_first_write_may_be_a_merge(table: VersionedTable) -> None:
    assert table.write(_rows(["a"], [1.0]), "merge", key=["id"]).version == 0


@pytest.mark.parametrize(
    ("rows", "key", "error", "text"),
    [
        (_rows(["a", "a"], [1.0, 2.0]), ["id"], DataError, r"unique.*1 are there more than once.*'a'"),
        (_rows(["a", None], [1.0, 2.0]), ["id"], DataError, "id has 1 missing"),  # type: ignore[list-item]
        (_rows(["a"], [1.0]), ["who"], DataError, r"\['who'\] are not"),
        (_rows(["a"], [1.0]), [], ConfigError, "must have a key"),
    ],
)
def test_a_merge_needs_keys_that_tell_rows_apart(
    table: VersionedTable, rows: pd.DataFrame, key: list[str], error: type[Exception], text: str
) -> None:
    table.write(_rows(["z"], [0.0]))
    with pytest.raises(error, match=text):
        table.write(rows, "merge", key=key)
    assert table.version == 0


@pytest.mark.parametrize("mode", ["append", "overwrite"])
@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (pd.DataFrame({"id": ["a"], "y": ["text"]}), "y: double there, string here"),
        (_rows(["a"], [1.0], z=[1]), "z: only here"),
        (pd.DataFrame({"id": ["a"]}), "y: only there"),
    ],
)
def test_another_schema_is_refused_and_nothing_is_written(
    table: VersionedTable, rows: pd.DataFrame, text: str, mode: Any
) -> None:
    table.write(_rows(["a"], [1.0]))
    before = sorted(Path(table.path).rglob("*"))
    with pytest.raises(DataError, match=text) as caught:
        table.write(rows, mode)
    assert caught.value.hint and "nothing was written" in caught.value.message
    assert sorted(Path(table.path).rglob("*")) == before


def test_a_schema_evolves_when_asked(table: VersionedTable) -> None:
    table.write(_rows(["a"], [1.0]))
    table.write(_rows(["b"], [2.0], z=[7]), evolve=True)
    assert _sorted(table.read())["z"] == [None, 7]
    table.write(pd.DataFrame({"id": [1], "w": ["x"]}), "overwrite", evolve=True)
    assert table.read().to_pydict() == {"id": [1], "w": ["x"]}
    with pytest.raises(DataError, match="w: string there, double here"):
        table.write(pd.DataFrame({"id": [1], "w": [1.0]}), evolve=True)


def test_types_that_delta_does_not_know_are_kept_by_value(table: VersionedTable) -> None:
    moment = pd.Timestamp("2024-01-01 12:00:00.000001")
    rows = pa.table(
        {
            "id": pa.array(["a"]).dictionary_encode(),
            "u": pa.array([65535], pa.uint16()),
            "t": pa.array([moment.value], pa.timestamp("ns")),
            "z": pa.array([moment.value // 1000], pa.timestamp("us", "Europe/Berlin")),
            "l": pa.array(["x"], pa.large_string()),
        }
    )
    table.write(rows)
    table.write(rows)
    found = table.read()
    assert found.column("u").to_pylist() == [65535] * 2 and found.column("t").to_pylist() == [moment] * 2
    assert found.schema.field("z").type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (pa.table({"t": pa.array([1], pa.timestamp("ns"))}), "fit the types that Delta keeps"),
        (pa.table({"u": pa.array([2**64 - 1], pa.uint64())}), "fit the types that Delta keeps"),
        (pa.table({"n": pa.nulls(2)}), "n has no type"),
        (pa.table({"d": pa.array([1], pa.duration("s"))}), "d has the type duration"),
        (pa.table({"a": [1], "A": [2]}), "more than case"),
        (pd.DataFrame({"m": [1, "x"]}), "values of one type"),
        ([1, 2], "must be in a table, but got list"),
    ],
)
def test_values_that_would_change_are_refused_and_no_table_appears(table: VersionedTable, rows: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        table.write(rows)
    assert not table.exists


def test_an_error_in_mid_stream_leaves_the_version_as_it_was(table: VersionedTable) -> None:
    table.write(_rows(["a"], [1.0]))
    schema = pa.schema([("id", pa.string()), ("y", pa.float64())])

    def batches() -> Any:
        yield pa.record_batch({"id": ["b"], "y": [2.0]})
        raise DataError("the source must be whole, but it is not", "mend it")

    with pytest.raises(DataError, match="whole"):
        table.write(pa.RecordBatchReader.from_batches(schema, batches()))
    assert table.version == 0 and table.read().num_rows == 1


def test_a_folder_with_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        VersionedTable.open(tmp_path).write(_rows(["a"], [1.0]))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_first_write_that_was_killed_is_no_table_and_in_nobodys_way(table: VersionedTable) -> None:
    log = Path(table.path) / "_delta_log"
    log.mkdir(parents=True)
    (log / "_commit_5f.json.tmp").write_text("{")
    (Path(table.path) / "part-00000.snappy.parquet").write_bytes(b"half")
    assert not table.exists
    assert table.write(_rows(["a"], [1.0])).version == 0 and table.read().num_rows == 1


def test_a_table_that_is_not_there_says_so(table: VersionedTable) -> None:
    for look in (table.read, table.log, lambda: table.version, table.vacuum):
        with pytest.raises(DataError, match="there is none"):
            look()


def test_a_note_must_be_json(table: VersionedTable) -> None:
    with pytest.raises(ConfigError, match="JSON"):
        table.write(_rows(["a"], [1.0]), info={"made by": object()})
    with pytest.raises(ConfigError, match="mode"):
        table.write(_rows(["a"], [1.0]), "upsert")  # type: ignore[arg-type]


def test_two_overwrites_at_once_do_not_hide_each_other(table: VersionedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    import deltalake

    table.write(_rows(["a"], [1.0]))
    stale = deltalake.DeltaTable(table.path)
    table.write(_rows(["b"], [2.0]), "overwrite")
    original = deltalake.write_deltalake
    monkeypatch.setattr(deltalake, "write_deltalake", lambda _, *rest, **named: original(stale, *rest, **named))
    with pytest.raises(ConflictError, match="no other writer"):
        table.write(_rows(["c"], [3.0]), "overwrite")
    assert table.read().to_pydict()["id"] == ["b"] and ConflictError.retryable


def test_the_change_feed_tells_what_came_and_what_went(table: VersionedTable) -> None:
    table.write(_rows(["a", "b"], [1.0, 2.0]))
    table.write(_rows(["b", "c"], [5.0, 6.0]), "merge", key=["id"])
    feed = table.changes(0).to_pandas().sort_values(["id", "_change_type"])
    assert list(zip(feed["id"], feed["_change_type"], feed["y"], strict=True)) == [
        ("b", "update_postimage", 5.0),
        ("b", "update_preimage", 2.0),
        ("c", "insert", 6.0),
    ]
    assert table.changes(1).num_rows == 0


def test_vacuum_removes_what_no_recent_version_needs(table: VersionedTable) -> None:
    table.write(_rows(["a"], [1.0]))
    table.write(_rows(["b"], [2.0]), "overwrite")
    assert table.vacuum() == [] and len(table.vacuum(keep=timedelta(0))) == 1
    assert table.read(as_of=0).num_rows == 1  # a dry run by default
    orphan = Path(table.path) / "part-00000-killed.snappy.parquet"
    orphan.write_bytes(b"half")
    table.vacuum(keep=timedelta(0), dry_run=False)
    assert not orphan.exists()
    assert table.read().to_pydict()["id"] == ["b"]
    with pytest.raises(DataError, match="whole Delta table") as caught:
        table.read(as_of=0)
    assert "vacuum" in caught.value.hint


@pytest.mark.parametrize("keep", [timedelta(seconds=1), timedelta(minutes=59), timedelta(hours=1)])
def test_vacuum_keeps_at_least_what_it_was_told(table: VersionedTable, keep: timedelta) -> None:
    for count in range(3):
        table.write(_rows(["a"], [float(count)]), "overwrite")
    orphan = Path(table.path) / "part-00000-of-a-writer.snappy.parquet"
    orphan.write_bytes(b"half")
    assert table.vacuum(keep=keep, dry_run=False) == [] and orphan.exists()
    assert [table.read(as_of=version).to_pydict()["y"] for version in range(3)] == [[0.0], [1.0], [2.0]]
    with pytest.raises(ConfigError, match="keep >= 0"):
        table.vacuum(keep=timedelta(seconds=-1))


def test_vacuum_leaves_what_a_running_writer_or_reader_needs(table: VersionedTable) -> None:
    table.write(pa.table({"id": ["a"] * 10, "y": np.arange(10.0)}))
    schema = table.schema()

    def others() -> None:
        VersionedTable.open(table.path).write(_rows(["b"], [1.0]))
        # The writer's first file is there, the commit is not.
        (Path(table.path) / "part-00000-uncommitted.snappy.parquet").write_bytes(b"half")
        table.vacuum(keep=timedelta(0), dry_run=False)
        assert (Path(table.path) / "part-00000-uncommitted.snappy.parquet").exists()

    rows = table.read().to_batches()

    def slow() -> Iterator[pa.RecordBatch]:
        yield from rows
        thread = threading.Thread(target=others)
        thread.start()
        thread.join()

    table.write(pa.RecordBatchReader.from_batches(schema, slow()), "append")
    assert table.read().num_rows == 21
    batches = table.batches()
    first = next(iter(batches))
    table.write(_rows(["c"], [1.0]), "overwrite")
    table.vacuum(keep=timedelta(0), dry_run=False)
    assert first.num_rows + sum(batch.num_rows for batch in batches) == 21
    table.vacuum(keep=timedelta(0), dry_run=False)  # nobody is at work any more
    with pytest.raises(DataError, match="whole Delta table"):
        table.read(as_of=0)


def test_a_versioned_table_is_a_source(table: VersionedTable) -> None:
    table.write(_rows(["a"], [1.0]))
    table.write(_rows(["b"], [2.0]))
    assert len(read(table.path)) == 2 and list(read(table.path, as_of=0)["id"]) == ["a"]
    with pytest.raises(ConfigError, match="no versions"):
        read(_rows(["a"], [1.0]), as_of=0)


def test_a_diff_counts_rows_and_values_by_the_writers_key(table: VersionedTable) -> None:
    table.write(_rows(["a", "b", "c"], [1.0, np.nan, 3.0]), key=["id"])
    table.write(_rows(["b", "c", "d"], [np.nan, 4.0, 5.0], z=[1, 1, 1]), "overwrite", evolve=True)
    found = diff(table, 0, 1)
    assert (found.rows_added, found.rows_removed, dict(found.changed)) == (1, 1, {"y": 1})
    assert found.columns_added == ("z",) and found.key == ("id",)


def test_a_diff_without_a_key_says_so_and_one_that_is_not_unique_is_refused() -> None:
    rows = pa.table({"id": [1, 1], "y": [1, 2]})
    assert compare(rows, rows).rows_added is None
    with pytest.raises(DataError, match="must be unique"):
        compare(rows, rows, key=["id"])


def test_lineage_goes_through_tables_and_forgets_what_was_overwritten(tmp_path: Path) -> None:
    raw, old, made = (VersionedTable.open(tmp_path / name) for name in ("raw", "old", "made"))
    raw.write(_rows(["a"], [1.0]), info={"sources": {"upload.csv": "sha256:1f"}})
    old.write(_rows(["a"], [1.0]))
    made.write(_rows(["a"], [1.0]), info={"sources": {old.path: 0}, "pipeline": "p0"})
    made.write(_rows(["a"], [2.0]), "overwrite", info={"sources": {raw.path: 0}, "pipeline": "p1"})
    made.write(_rows(["b"], [3.0]), info={"sources": {raw.path: 0}, "pipeline": "p2"})
    found = lineage(made)
    assert (found.version, found.pipelines) == (2, ("p2", "p1"))
    assert [(source.path, source.version) for source in found.sources] == [(raw.path, 0)]
    assert [(s.path, s.version) for s in found.sources[0].sources] == [("upload.csv", "sha256:1f")]
    assert lineage(made, as_of=0).pipelines == ("p0",)


def test_the_commands_tell_the_history(table: VersionedTable) -> None:
    table.write(_rows(["a", "b"], [1.0, 2.0]), key=["id"], info={"sources": {"x.csv": "sha"}, "pipeline": "abc"})
    table.write(_rows(["b"], [5.0]), "merge", key=["id"])
    listed = log_table(table.path)
    assert [commit["version"] for commit in listed.data["commits"]] == [1, 0] and "x.csv@sha" in listed.text
    shown = show_table(table.path, as_of="0")
    assert shown.data["rows"] == 2 and shown.data["columns"] == {"id": "string", "y": "double"}
    assert "column y: changed in 1 rows" in diff_table(table.path, "0", "1").text
    assert "by abc" in lineage_of_table(table.path).text


_WRITER = """
import sys
import numpy as np, pyarrow as pa
from zoo.tables.versioned import VersionedTable
table = VersionedTable.open(sys.argv[1])
print("up", flush=True)
for version in range(10_000):
    rows = pa.table({"id": np.arange(20_000), "v": np.full(20_000, version)})
    table.write(rows, "overwrite" if version % 2 else "merge", key=["id"])
"""


def _kill_in_mid_commit(folder: Path, after: float) -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder)], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    time.sleep(after)
    process.kill()
    process.communicate()
    table = VersionedTable.open(folder)
    newest = table.version if table.exists else -1  # killed before the first commit
    for version in range(newest + 1):
        found = table.read(as_of=version)
        assert found.num_rows == 20_000 and set(found.column("v").unique().to_pylist()) == {version}
    table.write(pa.table({"id": np.arange(3), "v": np.full(3, -1)}), "overwrite")
    assert table.version == newest + 1 and table.count() == 3
    return newest


@pytest.mark.parametrize("after", [0.31, 0.52, 0.76])
def test_a_killed_writer_leaves_the_old_or_the_new_version(tmp_path: Path, after: float) -> None:
    _kill_in_mid_commit(tmp_path / "t", after)


@pytest.mark.slow
def test_many_killed_writers_leave_the_old_or_the_new_version(tmp_path: Path) -> None:
    moments = np.random.default_rng(0).uniform(0.2, 1.5, 20)
    assert max(_kill_in_mid_commit(tmp_path / str(i), after) for i, after in enumerate(moments)) > 3


def test_columns_are_matched_by_name_not_by_place(table: VersionedTable) -> None:
    table.write(pa.table({"a": [1.0], "b": [2.0]}))
    table.write(pa.table({"b": [20.0], "a": [10.0]}))
    assert table.read().sort_by("a").to_pydict() == {"a": [1.0, 10.0], "b": [2.0, 20.0]}


@pytest.mark.parametrize("name", ["Meter No", "MeterNo", "größe", 'so "called"', "it's", "a.b", "select"])
def test_keys_may_have_any_name(table: VersionedTable, name: str) -> None:
    table.write(pa.table({name: ["x", "y"], "v": [1, 2]}), key=[name])
    table.write(pa.table({name: ["y", "z"], "v": [5, 6]}), "merge", key=[name])
    assert table.read().sort_by("v").to_pydict() == {name: ["x", "y", "z"], "v": [1, 5, 6]}
    assert dict(diff(table, 0, 1).changed) == {"v": 1}
