"""Tables with a memory: each write is one commit, whole or not at all, and every version can be read again.

Delta Lake, by the embedded ``deltalake`` library: a folder with Parquet files and a log that names them. No server, and
any tool that knows Delta reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from zoo.errors import ConfigError, ConflictError, DataError, first_line
from zoo.places import location, scheme_of
from zoo.tables.arrow import cast, fitting, stream
from zoo.tables.commits import NOTE, AsOf, Commit, commit_of, note_of, parse_as_of
from zoo.tables.in_use import alone, while_working, working
from zoo.tables.keys import check_key, keyed_rows, same_key

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STORES", "Mode", "VersionedTable", "is_table"]

#: Object stores that ``deltalake`` reads and writes; credentials come from the environment.
STORES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
Mode: TypeAlias = Literal["append", "overwrite", "merge"]
_MODES = ("append", "overwrite", "merge")
_LOG = "_delta_log"
_BUSY_HOURS = 24  # of history that vacuum leaves beside somebody at work


def is_table(path: str | Path) -> bool:
    """Whether a versioned table is at this path."""
    path = location(path, "a versioned table", schemes=STORES)
    if not scheme_of(path):
        # The folder of the log alone is what a writer leaves that was killed before its first commit.
        return any((Path(path).expanduser() / _LOG).glob("*.json"))
    from deltalake import DeltaTable

    with _translated(path):
        return bool(DeltaTable.is_deltatable(path))


class VersionedTable:
    """A versioned table; opening reads nothing, and the first write makes it.

    Args:
        path: A folder, or a URI of an object store that ``deltalake`` knows.

    Example:
        >>> import pandas as pd, tempfile
        >>> table = VersionedTable.open(tempfile.mkdtemp() + "/meters")
        >>> table.write(pd.DataFrame({"id": ["a", "b"], "y": [1.0, 2.0]})).version
        0
        >>> table.write(pd.DataFrame({"id": ["b", "c"], "y": [5.0, 6.0]}), "merge", key=["id"]).version
        1
        >>> table.read().sort_by("id").to_pydict(), table.read(as_of=0).num_rows
        ({'id': ['a', 'b', 'c'], 'y': [1.0, 5.0, 6.0]}, 2)
    """

    def __init__(self, path: str | Path) -> None:
        place = location(path, "a versioned table", schemes=STORES)
        self._path = place if scheme_of(place) else str(Path(place).expanduser())

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Return the table at a path, whether it exists or not."""
        return cls(path)

    @property
    def path(self) -> str:
        """Where it is."""
        return self._path

    @property
    def exists(self) -> bool:
        """Whether it has a version."""
        return is_table(self._path)

    @property
    def version(self) -> int:
        """The newest version."""
        return int(self._open().version())

    def schema(self, *, as_of: AsOf | None = None) -> pa.Schema:
        """Return the columns and types of a version; types are as Delta keeps them."""
        import pyarrow as pa

        return pa.schema(self._open(as_of).schema().to_arrow())

    def count(self, *, as_of: AsOf | None = None) -> int:
        """Return the rows of a version, from the log alone."""
        return int(self._open(as_of).count())

    def write(
        self,
        data: Any,
        mode: Mode = "append",
        *,
        key: Sequence[str] = (),
        evolve: bool = False,
        info: Mapping[str, Any] | None = None,
    ) -> Commit:
        """Commit rows as one new version; if that fails or the process dies, the table is what it was.

        Dictionary columns become plain, unsigned integers signed, times microseconds: Delta knows no others. A value
        that would change by it is refused.

        Args:
            data: A pandas frame, a pyarrow table or reader, a Ray dataset, a Spark frame. Readers, datasets and Spark
                frames are streamed, except by ``"merge"``.
            mode: ``"append"``; ``"overwrite"`` (earlier versions stay readable); ``"merge"``: rows whose key is there
                replace the old ones, others are added.
            key: Columns that tell rows apart; ``"merge"`` needs them, ``diff`` uses them later.
            evolve: Whether columns may differ from the table's: new ones are added (null in old rows), with
                ``"overwrite"`` the schema is replaced.
            info: JSON values to keep with the commit. ``sources`` (path -> version) is what ``lineage`` follows,
                ``pipeline`` what made the rows.

        Raises:
            ConfigError: No such mode, or a merge without a key.
            DataError: The columns are not the table's, something else is at the path, or the keys are not unique.
            ConflictError: Another writer committed meanwhile what this write did not know.
        """
        if mode not in _MODES:
            raise ConfigError(f"`mode` must be one of {', '.join(_MODES)}, but got {mode!r}", "append is the default")
        if mode == "merge" and not key:
            raise ConfigError("a merge must have a key, but got none", "give key=, the columns that tell rows apart")
        note = note_of(info or {}, key)
        self._refuse_other_files()
        with stream(data) as rows:
            there = self.exists
            schema = fitting(rows.schema)
            check_key(key, schema)
            if there:
                self._check_schema(schema, mode, evolve)
            else:
                self._claim()
            with working(self._path), _translated(self._path):
                if mode == "merge" and there:
                    self._merge(keyed_rows(rows, schema, key), key, evolve, note)
                else:
                    self._put(keyed_rows(rows, schema, key) if mode == "merge" else rows, schema, mode, evolve, note)
        return next(iter(self.log(limit=1)))

    def claim(self) -> None:
        """Make the folder a table's, still without a version, so that what belongs to one can be put beside its rows.

        Raises:
            DataError: Something else is at the path.
        """
        self._refuse_other_files()
        self._claim()

    def read(self, *, as_of: AsOf | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of a version; their order means nothing.

        Raises:
            DataError: There is no such table, version, moment or column.
        """
        table = self._open(as_of)
        if columns is not None:
            unknown = sorted(set(columns) - set(self.schema(as_of=as_of).names))
            if unknown:
                raise DataError(
                    f"columns must be in the table, but {unknown} are not", "see `zoo table show` for its columns"
                )
        with working(self._path), _translated(self._path):
            return table.to_pyarrow_table(columns=None if columns is None else list(columns))

    def batches(self, *, as_of: AsOf | None = None) -> pa.RecordBatchReader:
        """Return a version as a stream, for tables larger than memory."""
        import pyarrow as pa

        with _translated(self._path):
            reader = self._open(as_of).to_pyarrow_dataset().scanner().to_reader()
        return pa.RecordBatchReader.from_batches(reader.schema, while_working(self._path, reader))

    def files(self, *, as_of: AsOf | None = None) -> list[str]:
        """Return where the Parquet files of a version are, for engines that read files."""
        with _translated(self._path):
            return [str(uri) for uri in self._open(as_of).file_uris()]

    def log(self, *, limit: int | None = None) -> list[Commit]:
        """Return the commits, newest first."""
        return [commit_of(entry) for entry in self._open().history(limit)]

    def changes(self, since: AsOf, until: AsOf | None = None) -> pa.Table:
        """Return the rows that changed after one version up to another: the change feed.

        ``_change_type`` is ``insert``, ``delete``, ``update_preimage`` or ``update_postimage``; ``_commit_version`` and
        ``_commit_timestamp`` say when.
        """
        import pyarrow as pa

        first, last = self.resolve(since), self.version if until is None else self.resolve(until)
        if first > last:
            raise ConfigError(f"`since <= until` must hold, but got versions {first} and {last}", "swap them")
        with working(self._path), _translated(self._path):
            if first == last:
                return pa.table(self._open(last).load_cdf(last, last)).slice(0, 0)
            return pa.table(self._open(last).load_cdf(first + 1, last))

    def vacuum(self, *, keep: timedelta = timedelta(days=7), dry_run: bool = True) -> list[str]:
        """Remove the files that no version of the last ``keep`` needs; return their names.

        Versions older than that can no longer be read. Older files of killed writers go too, unless somebody writes or
        reads the table at this moment: then the files of the last day stay, and whatever no commit names.

        Args:
            keep: Rounded up to whole hours. Zero keeps the newest version alone, where nobody is at work; programs
                other than this one are not seen, so leave them the hours that their longest write takes.
            dry_run: Only say what would be removed.

        Raises:
            ConfigError: It is negative.
        """
        if keep < timedelta(0):
            raise ConfigError(f"`keep >= 0` must hold, but got {keep}", "such as timedelta(days=7)")
        hours = -(-keep // timedelta(hours=1))
        table = self._open()
        with alone(self._path) as undisturbed, _translated(self._path):
            if not undisturbed:
                hours = max(hours, _BUSY_HOURS)
            removed = table.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False, full=undisturbed)
        return [str(name) for name in removed]

    def resolve(self, as_of: AsOf) -> int:
        """Return the version that was current at a moment, or that a number or text names.

        Raises:
            DataError: The table is younger, or has no such version.
            ConfigError: The text is neither a number nor a time.
        """
        moment = parse_as_of(as_of)
        newest = self.version
        if isinstance(moment, int):
            if not 0 <= moment <= newest:
                raise DataError(f"{self._path} must have version {moment}, but it has 0 to {newest}", "see the log")
            return moment
        for commit in self.log():
            if commit.time <= moment:
                return commit.version
        first = self.log()[-1]
        raise DataError(
            f"{self._path} must exist at {moment.isoformat()}, but its first version known is {first.version} of "
            f"{first.time.isoformat()}",
            "ask for a later time",
        )

    def _open(self, as_of: AsOf | None = None) -> Any:
        from deltalake import DeltaTable

        if not self.exists:
            raise DataError(f"a versioned table must be at {self._path}, but there is none", "check the path")
        with _translated(self._path):
            return DeltaTable(self._path, version=None if as_of is None else self.resolve(as_of))

    def _refuse_other_files(self) -> None:
        if "://" in self._path or (Path(self._path) / _LOG).is_dir():
            return
        at = Path(self._path)
        if at.exists() and (at.is_file() or any(at.iterdir())):
            raise DataError(
                f"a new table must have a folder of its own, but {self._path} holds other files", "choose another path"
            )

    def _claim(self) -> None:
        """Make the folder of the log before any file: so the leavings of a killed first write are known as ours."""
        if "://" not in self._path:
            (Path(self._path) / _LOG).mkdir(parents=True, exist_ok=True)

    def _check_schema(self, schema: pa.Schema, mode: Mode, evolve: bool) -> None:
        mine = self.schema()
        retyped = [
            f"{name}: {_kind(mine.field(name).type)} there, {_kind(schema.field(name).type)} here"
            for name in schema.names
            if name in mine.names and _kind(mine.field(name).type) != _kind(schema.field(name).type)
        ]
        new = [name for name in schema.names if name not in mine.names]
        absent = [name for name in mine.names if name not in schema.names]
        if evolve and (mode == "overwrite" or not retyped):
            return
        differing = [*retyped, *(f"{name}: only here" for name in new), *(f"{name}: only there" for name in absent)]
        if differing:
            allow = "give evolve=True (in a pipeline's sink `evolve: true`), or use another table"
            hint = "use another table, or cast the columns" if retyped else allow
            raise DataError(
                f"rows must have the columns of {self._path}, but they differ in {'; '.join(differing)}; nothing was "
                "written",
                hint,
            )

    def _put(self, rows: Any, schema: pa.Schema, mode: Mode, evolve: bool, note: str) -> None:
        from deltalake import CommitProperties, write_deltalake

        schema_mode: Any = {"append": "merge", "overwrite": "overwrite"}.get(mode) if evolve else None
        write_deltalake(
            self._path,
            rows if rows.schema.equals(schema) else cast(rows, schema),
            mode="overwrite" if mode == "overwrite" else "append",
            schema_mode=schema_mode if self.exists else None,
            configuration=None if self.exists else {"delta.enableChangeDataFeed": "true"},
            commit_properties=CommitProperties(custom_metadata={NOTE: note}),
        )

    def _merge(self, rows: pa.Table, key: Sequence[str], evolve: bool, note: str) -> None:
        from deltalake import CommitProperties, DeltaTable

        DeltaTable(self._path).merge(
            rows,
            predicate=same_key(key),
            source_alias="new",
            target_alias="mine",
            merge_schema=evolve,
            commit_properties=CommitProperties(custom_metadata={NOTE: note}),
        ).when_matched_update_all().when_not_matched_insert_all().execute()


def _kind(of: Any) -> str:
    """Return a type's name, the same for large and small strings, which Delta does not tell apart."""
    return str(of).replace("large_", "").replace("string_view", "string")


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn Delta's errors into ours."""
    from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError

    try:
        yield
    except CommitFailedError as error:
        raise ConflictError(
            f"no other writer must change {path} meanwhile, but one did: {first_line(error)}", "write again"
        ) from error
    except SchemaMismatchError as error:
        raise DataError(f"rows must fit {path}, but {first_line(error)}", "see `zoo table show`") from error
    except (DeltaError, OSError) as error:
        raise DataError(
            f"{path} must be a whole Delta table that can be reached, but {first_line(error)}",
            "a version whose files were removed by vacuum cannot be read; otherwise check the disk and the rights",
        ) from error
