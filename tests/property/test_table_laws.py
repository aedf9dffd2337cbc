"""A versioned table against a model in memory: whatever is written, merged, broken off and vacuumed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zoo.errors import DataError
from zoo.tables.versioned import VersionedTable

_Rows = list[tuple[str, float]]
_ROWS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9).map(float)), min_size=1, max_size=4)


def _frame(rows: _Rows) -> pd.DataFrame:
    return pd.DataFrame({"id": [row[0] for row in rows], "y": [row[1] for row in rows]})


def _found(table: pa.Table) -> _Rows:
    return sorted(zip(table.column("id").to_pylist(), table.column("y").to_pylist(), strict=True))


class TableMachine(RuleBasedStateMachine):
    """Two programs that have the same table; the model is what each version holds."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "t"
        self.tables = [VersionedTable.open(path) for _ in range(2)]
        self.path, self.now = path, list[tuple[str, float]]()
        self.versions: dict[int, _Rows] = {}
        self.vacuumed = -1  # the last version whose files may be gone

    def teardown(self) -> None:
        self.folder.cleanup()

    def _committed(self, version: int, rows: _Rows) -> None:
        assert version == max(self.versions, default=-1) + 1, "a write is one version"
        self.now = sorted(rows)
        self.versions[version] = self.now

    @rule(who=st.integers(0, 1), rows=_ROWS)
    def append(self, who: int, rows: _Rows) -> None:
        self._committed(self.tables[who].write(_frame(rows)).version, self.now + rows)

    @rule(who=st.integers(0, 1), rows=_ROWS)
    def overwrite(self, who: int, rows: _Rows) -> None:
        self._committed(self.tables[who].write(_frame(rows), "overwrite").version, rows)

    @rule(who=st.integers(0, 1), rows=_ROWS)
    def merge(self, who: int, rows: _Rows) -> None:
        new = dict(rows)
        if len(new) < len(rows):
            with pytest.raises(DataError, match="must be unique"):
                self.tables[who].write(_frame(rows), "merge", key=["id"])
            return
        kept = [(id_, new.get(id_, y)) for id_, y in self.now]
        added = [(id_, y) for id_, y in rows if id_ not in {row[0] for row in self.now}]
        self._committed(self.tables[who].write(_frame(rows), "merge", key=["id"]).version, kept + added)

    @rule(who=st.integers(0, 1), rows=_ROWS, mode=st.sampled_from(["append", "overwrite"]))
    def break_off(self, who: int, rows: _Rows, mode: str) -> None:
        """What is written comes from somewhere that fails in the middle."""
        schema = pa.schema([("id", pa.string()), ("y", pa.float64())])

        def batches() -> Iterator[pa.RecordBatch]:
            yield pa.RecordBatch.from_pandas(_frame(rows), schema=schema)
            raise RuntimeError("the source has gone")

        with pytest.raises((DataError, RuntimeError)):
            self.tables[who].write(pa.RecordBatchReader.from_batches(schema, batches()), mode)

    @rule(name=st.uuids())
    def a_killed_writer_leaves_files(self, name: object) -> None:
        if self.path.exists():
            (self.path / f"part-00000-{name}.parquet").write_bytes(b"half a file")
            (self.path / "_delta_log" / f"_commit_{name}.json.tmp").write_text("{")

    @precondition(lambda self: self.versions)
    @rule(who=st.integers(0, 1), rows=_ROWS)
    def another_schema_is_refused(self, who: int, rows: _Rows) -> None:
        with pytest.raises(DataError, match="must have the columns"):
            self.tables[who].write(_frame(rows).assign(more=1.0))

    @precondition(lambda self: self.versions)
    @rule(who=st.integers(0, 1))
    def vacuum(self, who: int) -> None:
        self.tables[who].vacuum(keep=timedelta(0), dry_run=False)
        # It is a commit (or two) itself, of the same rows.
        for version in range(max(self.versions) + 1, self.tables[who].version + 1):
            self.versions[version] = self.now
        self.vacuumed = max(self.versions) - 1

    @precondition(lambda self: self.versions)
    @rule(who=st.integers(0, 1), data=st.data())
    def travel(self, who: int, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.versions)))
        try:
            assert _found(self.tables[who].read(as_of=version)) == self.versions[version]
        except DataError:
            assert version <= self.vacuumed, "a version that no vacuum has touched cannot be read"

    @invariant()
    def both_read_the_newest_version(self) -> None:
        for table in self.tables:
            assert table.exists == bool(self.versions)
            if self.versions:
                assert table.version == max(self.versions)
                assert _found(table.read()) == self.now
                assert table.count() == len(self.now)


TestTable = TableMachine.TestCase
TestTable.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
