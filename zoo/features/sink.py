"""Where features go: a folder that is there whole or not at all, or a versioned table."""

from __future__ import annotations

import glob
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

from zoo.errors import DataError
from zoo.features import artifact
from zoo.features.append import Update
from zoo.features.arrow import schema_text
from zoo.features.pipeline import FeaturePipeline
from zoo.features.spec import Sink
from zoo.files import digest, put_back, remove_leftovers, replacing_folder, write_manifest
from zoo.locks import Hold
from zoo.places import local_path
from zoo.tables.texts import looked_up
from zoo.tables.versioned import Mode, VersionedTable

__all__ = ["Folder", "FolderOutput", "Output", "TableOutput", "output"]

_MANIFEST = "_manifest.json"
_KEPT = "_pipelines"  # beside a versioned table's rows


class Folder:
    """A folder of Parquet files that is replaced as a whole; see ``zoo.files.replacing_folder``.

    Args:
        path: The folder of the rows; a link to one stays a link.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(os.path.realpath(path))
        self.hold = Hold(self.path, "a sink")
        if not self.path.exists() and any(self.path.parent.glob(f".{glob.escape(self.path.name)}.old*")):
            with self.hold:
                put_back(self.path)

    @property
    def manifest(self) -> dict[str, Any] | None:
        """What was written about the rows; None if there are none."""
        file = self.path / _MANIFEST
        if not file.is_file():
            return None
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def check(self, schema: Any) -> None:
        """Raise where the folder holds something else.

        Args:
            schema: Arrow schema of the new rows.

        Raises:
            DataError: It holds rows of another schema, or files that are not ours.
        """
        if not self.path.exists():
            return
        manifest = self.manifest
        if manifest is None:
            if self.path.is_dir() and not any(self.path.iterdir()):
                return
            raise DataError(
                f"a sink must be a new folder or one with features, but {self.path} holds something else",
                "name another folder",
            )
        there, new = [tuple(f) for f in manifest["schema"]], [tuple(f) for f in schema_text(schema)]
        if there != new:
            differing = sorted({f"{name} ({kind})" for name, kind in set(there) ^ set(new)})
            raise DataError(
                f"a sink must keep its schema, but {self.path} differs in {differing[:6] or 'the order of columns'}",
                "name another sink, or remove this one if nobody reads it",
            )

    @contextmanager
    def replacing(self) -> Iterator[Path]:
        """Yield an empty folder that takes this one's place at the end; whoever calls it has the ``hold``."""
        remove_leftovers(self.path)
        with replacing_folder(self.path) as fresh:
            yield fresh

    def tables(self) -> Iterator[Any]:
        """Yield the rows in pieces of bounded size."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for file in sorted(self.path.glob("*.parquet")):
            with pq.ParquetFile(file) as opened:
                for piece in opened.iter_batches(batch_size=1 << 18):
                    yield pa.Table.from_batches([piece])


class Output(ABC):
    """Where a run writes."""

    name: str

    def held(self) -> AbstractContextManager[object]:
        """While a run reads what is there, and replaces it: nobody else may.

        Raises:
            ConflictError: Somebody else does; the message names him.
        """
        return nullcontext()  # a versioned table settles it at the commit

    @property
    @abstractmethod
    def info(self) -> dict[str, Any] | None:
        """What the last run wrote down; None if there was none."""

    @property
    @abstractmethod
    def pipeline(self) -> Path:
        """Where the pipeline is kept that made the rows."""

    @abstractmethod
    def write(self, parts: Iterable[Any], *, info: dict[str, Any], pipeline: FeaturePipeline) -> int | None:
        """Replace all rows by Arrow tables; return the version, if there are versions."""

    @abstractmethod
    def write_spark(self, frame: Any, *, info: dict[str, Any], pipeline: FeaturePipeline, schema: Any) -> int | None:
        """Replace all rows by those of a Spark table."""

    @abstractmethod
    def update(self, update: Update, *, info: dict[str, Any], pipeline: FeaturePipeline) -> int | None:
        """Replace the rows that an update makes void."""

    @abstractmethod
    def tables(self) -> Iterator[Any]:
        """Yield the rows in pieces."""


def output(sink: Sink | None, folder: Path) -> Output | None:
    """Return where a pipeline writes.

    Args:
        sink: What the pipeline says.
        folder: Where relative paths begin.
    """
    if sink is None:
        return None
    if sink.path is not None:
        return FolderOutput(folder / local_path(sink.path, "a sink"))
    assert sink.table is not None
    # The pipeline is kept beside the rows, in a folder: an object store has none.
    return TableOutput(folder / local_path(sink.table, "a sink"), evolve=sink.evolve)


class FolderOutput(Output):
    """A folder of Parquet files.

    Args:
        path: Where the folder is or shall be.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._folder = Folder(path)

    def held(self) -> AbstractContextManager[object]:
        """One run at a time."""
        return self._folder.hold

    @property
    def info(self) -> dict[str, Any] | None:
        """The manifest's note."""
        manifest = self._folder.manifest
        return None if manifest is None else manifest["info"]

    @property
    def pipeline(self) -> Path:
        """Beside the rows."""
        return self._folder.path / "_pipeline"

    def write(self, parts: Iterable[Any], *, info: dict[str, Any], pipeline: FeaturePipeline) -> int | None:
        """Write one file with a row group per part."""
        with self.held():
            self._write(parts, info, pipeline)
        return None

    def _write(self, parts: Iterable[Any], info: dict[str, Any], pipeline: FeaturePipeline) -> None:
        import pyarrow.parquet as pq

        with self._folder.replacing() as at:
            writer = None
            for part in parts:
                if writer is None:
                    self._folder.check(part.schema)
                    writer = pq.ParquetWriter(at / "part-00000.parquet", part.schema)
                writer.write_table(part)
            if writer is None:
                raise DataError("a run must write rows, but there are none", "check the source")
            writer.close()
            _note(at, writer.schema, info, pipeline)

    def write_spark(self, frame: Any, *, info: dict[str, Any], pipeline: FeaturePipeline, schema: Any) -> int | None:
        """Let the executors write: they must see this folder."""
        with self.held():
            self._folder.check(schema)
            with self._folder.replacing() as at:
                frame.write.mode("overwrite").parquet(str(at.resolve()))
                for file in [*at.glob("_SUCCESS"), *at.glob(".*.crc")]:
                    file.unlink()
                _note(at, schema, info, pipeline)
        return None

    def update(self, update: Update, *, info: dict[str, Any], pipeline: FeaturePipeline) -> int | None:
        """Copy the rows that stay, and add the new ones."""
        source = pipeline.spec.source
        new = _as(update.rows, next(self.tables()).schema)

        def parts() -> Iterator[Any]:
            for part in self.tables():
                yield _without(part, update, None if source.id is None else new.column_names[0], source.time)
            yield new

        return self.write(parts(), info=info, pipeline=pipeline)

    def tables(self) -> Iterator[Any]:
        """Yield the rows in pieces."""
        return self._folder.tables()


def _note(folder: Path, schema: Any, info: dict[str, Any], pipeline: FeaturePipeline) -> None:
    artifact.save(pipeline, folder / "_pipeline")
    write_manifest(folder / _MANIFEST, {"schema": schema_text(schema), "info": info}, signed=False)


class TableOutput(Output):
    """A versioned table: each run is a commit that names its sources and its pipeline.

    Args:
        path: The folder or URI of the versioned table.
        evolve: Whether columns of new rows may differ from the table's.
    """

    def __init__(self, path: str | Path, *, evolve: bool = False) -> None:
        self.name, self._evolve = str(path), evolve
        self._table = VersionedTable.open(path)

    @property
    def info(self) -> dict[str, Any] | None:
        """The note of the last commit that has one."""
        if not self._table.exists:
            return None
        return next((dict(commit.info) for commit in self._table.log() if "pipeline" in commit.info), None)

    @property
    def pipeline(self) -> Path:
        """In the table's folder, where Delta does not look; the commit says where."""
        named = (self.info or {}).get("artifact")
        return Path(self.name) / ("_pipeline" if named is None else str(named))

    def write(self, parts: Iterable[Any], *, info: dict[str, Any], pipeline: FeaturePipeline) -> int | None:
        """Commit the rows as they come."""
        import pyarrow as pa

        stream = iter(parts)
        first = next(stream)
        rows = pa.RecordBatchReader.from_batches(
            first.schema, (batch for part in chain([first], stream) for batch in part.to_batches())
        )
        return self._committed(rows, "overwrite", info, pipeline)

    def write_spark(self, frame: Any, *, info: dict[str, Any], pipeline: FeaturePipeline, schema: Any) -> int | None:
        """Commit the rows of a Spark table."""
        return self._committed(frame, "overwrite", info, pipeline)

    def update(self, update: Update, *, info: dict[str, Any], pipeline: FeaturePipeline) -> int | None:
        """Merge the new rows."""
        return self._committed(_as(update.rows, self._table.schema()), "merge", info, pipeline)

    def tables(self) -> Iterator[Any]:
        """Yield the rows in pieces."""
        import pyarrow as pa

        for batch in self._table.batches():
            yield pa.Table.from_batches([batch])

    def _committed(self, rows: Any, mode: Mode, info: dict[str, Any], pipeline: FeaturePipeline) -> int:
        source = pipeline.spec.source
        key = [name for name in (info.get("id"), source.time) if name]
        self._table.claim()
        kept, new = self._kept(pipeline)
        try:
            named = info | {"artifact": f"{_KEPT}/{kept.name}"}
            return self._table.write(rows, mode, key=key, evolve=self._evolve, info=named).version
        except BaseException:
            if new:
                shutil.rmtree(kept)
            raise

    def _kept(self, pipeline: FeaturePipeline) -> tuple[Path, bool]:
        """Write the pipeline before the commit that names it: no version is ever without its own.

        Returns:
            A folder that is called after what is in it, and whether it is new. A run that is killed before its commit
            leaves a folder that nobody names; the same run finds it again.
        """
        part = Path(self.name) / _KEPT / f".{uuid4().hex}"
        try:
            artifact.save(pipeline, part)
            kept = part.with_name(digest(part / "pipeline.json")[:16])
            if kept.is_dir():
                shutil.rmtree(part)
                return kept, False
            part.rename(kept)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return kept, True


def _as(frame: pd.DataFrame, schema: Any) -> Any:
    """Return a frame as Arrow with the types of a table: NaN is null."""
    import pyarrow as pa

    return pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False, safe=False)


def _without(part: Any, update: Update, id: str | None, time: str) -> Any:
    """Return the rows that an update leaves."""
    import pyarrow as pa

    times = part.column(time).to_pandas()
    if id is None:
        void = times >= update.since["all"]
    else:
        limit = looked_up(part.column(id).to_pandas(), update.since)
        void = limit.notna() & (times >= limit.astype(times.dtype))
    return part.filter(pa.array(~void.to_numpy()))
