"""A versioned table against a list of dictionaries: any writes in any order, and every version stays what it was."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zoo.errors import ConfigError, DataError
from zoo.tables.versioned import VersionedTable

Row = tuple[str, float | None]
IDS = st.sampled_from(["a", "b", "c", "d", "é x"])
ROWS = st.lists(st.tuples(IDS, st.none() | st.floats(-5, 5)), min_size=1, max_size=4)
SCHEMA = pa.schema([("id", pa.string()), ("y", pa.float64())])


def frame(rows: list[Row]) -> pa.Table:
    return pa.table({"id": [row[0] for row in rows], "y": [row[1] for row in rows]}, schema=SCHEMA)


def rows_of(table: pa.Table) -> Counter[Row]:
    told = table.to_pydict()
    return Counter(zip(told["id"], told["y"], strict=True))


class TableMachine(RuleBasedStateMachine):
    """One table; the model is the list of its versions, each a bag of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.table = VersionedTable.open(f"{self.folder}/t")
        self.model: list[Counter[Row]] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def now(self) -> Counter[Row]:
        return self.model[-1] if self.model else Counter()

    def committed(self, commit: Any, rows: Counter[Row]) -> None:
        self.model.append(rows)
        assert commit.version == len(self.model) - 1

    @rule(rows=ROWS)
    def append(self, rows: list[Row]) -> None:
        commit = self.table.write(frame(rows), info={"n": len(rows)})
        assert (commit.added, commit.info) == (len(rows), {"n": len(rows)})
        self.committed(commit, self.now + Counter(rows))

    @rule(rows=ROWS)
    def overwrite(self, rows: list[Row]) -> None:
        self.committed(self.table.write(frame(rows), "overwrite"), Counter(rows))

    @rule(rows=ROWS)
    def merge(self, rows: list[Row]) -> None:
        new = dict(rows)
        if len(new) < len(rows):
            with pytest.raises(DataError):
                self.table.write(frame(rows), "merge", key=["id"])
            return
        if self.model and max(Counter(id_ for id_, _ in self.now.elements()).values(), default=0) > 1:
            return  # rows that the key does not tell apart were appended: not this law's matter
        kept = Counter({row: n for row, n in self.now.items() if row[0] not in new})
        commit = self.table.write(frame(rows), "merge", key=["id"])
        assert commit.key == ("id",)
        self.committed(commit, kept + Counter(rows))

    @rule(rows=ROWS, mode=st.sampled_from(["append", "overwrite", "upsert"]), odd=st.sampled_from(["type", "more"]))
    def refused_write_changes_nothing(self, rows: list[Row], mode: Any, odd: str) -> None:
        other = frame(rows)
        if odd == "type":
            other = other.set_column(1, "y", pa.array(["text"] * len(rows)))
        else:
            other = other.append_column("z", pa.array([1.0] * len(rows)))
        if mode == "upsert":
            with pytest.raises(ConfigError, match="`mode` must be one of"):
                self.table.write(other, mode)
        elif self.model:
            with pytest.raises(DataError, match="nothing was written"):
                self.table.write(other, mode)

    @invariant()
    def the_newest_version_is_the_models(self) -> None:
        assert self.table.exists == bool(self.model)
        if self.model:
            assert self.table.version == len(self.model) - 1
            assert rows_of(self.table.read()) == self.now
            assert self.table.count() == self.now.total()

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        if not self.model:
            return
        then = data.draw(st.integers(0, len(self.model) - 1))
        assert rows_of(self.table.read(as_of=then)) == self.model[then]
        assert rows_of(self.table.batches(as_of=str(then)).read_all()) == self.model[then]
        assert [commit.version for commit in self.table.log()] == list(range(len(self.model)))[::-1]
        with pytest.raises(DataError, match=f"must have version {len(self.model)}"):
            self.table.read(as_of=len(self.model))

    @rule(data=st.data())
    def changes_lead_from_one_version_to_another(self, data: st.DataObject) -> None:
        if not self.model:
            return
        last = data.draw(st.integers(0, len(self.model) - 1))
        first = data.draw(st.integers(0, last))
        told = self.table.changes(first, last).to_pylist()
        rows = Counter(self.model[first])
        for one in told:
            assert first < one["_commit_version"] <= last
            gone = one["_change_type"] in ("delete", "update_preimage")
            rows[one["id"], one["y"]] += -1 if gone else 1
        assert +rows == self.model[last]
        assert min(rows.values(), default=0) >= 0


TestVersionedTable = TableMachine.TestCase
TestVersionedTable.settings = settings(
    max_examples=8, stateful_step_count=9, deadline=None, suppress_health_check=list(HealthCheck)
)
