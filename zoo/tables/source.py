"""Whatever holds a table -> a pandas frame.

Text stays text. A CSV file says nothing about types, so a column is read as numbers only when that loses nothing:
columns named in ``text`` (the caller's identifiers), and columns whose first rows hold numbers with leading zeros,
are read as text, and become integers again only if every value is written as an integer would print itself. So
``"007"`` and ``"1.10"`` survive, and ``1, 2, 3`` are integers.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

import pandas as pd

from zoo.errors import ConfigError, DataError, first_line
from zoo.places import location, scheme_of
from zoo.tables.commits import AsOf
from zoo.tables.delimited import Decisions, read_delimited
from zoo.tables.versioned import STORES, VersionedTable, is_table

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = [
    "CSV_SUFFIXES",
    "PARQUET_SUFFIXES",
    "Table",
    "decisions",
    "files_at",
    "folder_keys",
    "opened_parquet",
    "partitions",
    "read",
]

#: What pandas users hold: many columns, or one.
Table: TypeAlias = "pd.DataFrame | pd.Series[Any]"

#: How names of CSV files end.
CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")
#: How names of Parquet files end.
PARQUET_SUFFIXES = (".parquet", ".pq")
_EXCEL = (".xls", ".xlsx", ".xlsm", ".xlsb", ".ods")
_ACCEPTED = (
    "give a pandas frame or series, a pyarrow table, a polars frame, a Ray dataset, a Spark frame, or the path of a "
    "CSV or Parquet file, of a folder of them, of a versioned table, or a pattern such as 'data/*.parquet'"
)
_DECISIONS, _PARTITIONS = "zoo.tables.source", "zoo.tables.source.partitions"  # in a frame's attrs
_NULL = "__HIVE_DEFAULT_PARTITION__"


def read(source: Any, *, text: Collection[str] = (), as_of: AsOf | None = None) -> Table:
    """Read a table from memory, from files or from a cluster.

    Args:
        source: A pandas DataFrame or Series (returned as it is), a pyarrow Table, anything with ``to_pandas`` (polars,
            Ray datasets), a Spark frame, or a path: CSV (``.csv``, ``.tsv``, also ``.gz``), Parquet, a folder (searched
            with its subfolders; ``name=value`` folders become columns), a glob pattern, or a versioned (Delta) table.
        text: Columns of CSV files, in any case, that are identifiers: see the top of this module.
        as_of: The version or time of a versioned table; the newest if None.

    Raises:
        ConfigError: ``as_of`` is given for what has no versions.
        DataError: The source is missing, empty, damaged, of an unknown kind, or its files do not fit together.
    """
    if isinstance(source, str | Path):
        source = location(source, "a source", schemes=STORES)
    if isinstance(source, str) and is_table(source):
        return _from_arrow(VersionedTable.open(source).read(as_of=as_of))
    if as_of is not None:
        raise ConfigError("`as_of` must be of a versioned table, but the source has no versions", "leave it out")
    if isinstance(source, pd.DataFrame | pd.Series):
        return source
    if isinstance(source, str):
        if scheme_of(source):
            raise DataError(
                f"a source at a URL must be a versioned (Delta) table, but at this {scheme_of(source)}:// is none",
                "copy its files here, or write it with zoo.tables.versioned.VersionedTable",
            )
        return _read_path(str(source), frozenset(name.lower() for name in text))
    package = type(source).__module__.split(".")[0]
    if package == "pyspark":
        return _from_spark(source)
    if package == "pyarrow" and hasattr(source, "read_all"):
        source = source.read_all()
    if hasattr(source, "to_pandas"):
        table = _from_arrow(source) if package == "pyarrow" else source.to_pandas()
        if isinstance(table, pd.DataFrame | pd.Series):
            return table
    raise DataError(f"a source must be a table or a path, but got {type(source).__name__}", _ACCEPTED)


def decisions(table: Table) -> tuple[tuple[str, str], ...]:
    """Return what was decided when files became this table, such as their encoding: what, and how."""
    return tuple((str(what), str(how)) for what, how in table.attrs.get(_DECISIONS, ()))


def partitions(table: Table) -> tuple[str, ...]:
    """Return the columns of this table that stand in the names of folders."""
    return tuple(table.attrs.get(_PARTITIONS, ()))


def _from_spark(frame: Any) -> pd.DataFrame:
    """Collect a Spark frame through Arrow, and leave the session's settings as they were."""
    if not hasattr(frame, "toPandas"):
        raise DataError(f"a source must be a table, but got Spark's {type(frame).__name__}", "give a Spark DataFrame")
    conf = frame.sparkSession.conf
    key = "spark.sql.execution.arrow.pyspark.enabled"
    before = conf.get(key, "false")
    conf.set(key, "true")
    try:
        return pd.DataFrame(frame.toPandas())
    finally:
        conf.set(key, before)


def _from_arrow(table: Any) -> pd.DataFrame:
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            # Some writers know no text; what is none stays bytes, and no column that is needed.
            with contextlib.suppress(pa.ArrowInvalid):
                table = table.set_column(i, field.name, table.column(i).cast(pa.string()))
    # Dates as datetime64, or each would become a Python object.
    return pd.DataFrame(table.to_pandas(date_as_object=False, split_blocks=True))


def _read_path(path: str, text: frozenset[str]) -> pd.DataFrame:
    files = _files(path)
    if len(files) == 1 and Path(path).expanduser().is_file():
        table, said = _read_file(files[0], text)
    else:
        table, said = _read_many(files, text)
    if table.num_rows == 0:
        raise DataError(
            f"{path} must hold rows, but it has only a header: {table.column_names}", "check how it was written"
        )
    frame = _from_arrow(table)
    partitions = tuple(dict.fromkeys(key for file in files for key, _ in folder_keys(file) if key in frame.columns))
    if said:
        frame.attrs[_DECISIONS] = said
    if partitions and not Path(path).expanduser().is_file():
        frame.attrs[_PARTITIONS] = partitions
    return frame


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return next((end for end in (*CSV_SUFFIXES, *PARQUET_SUFFIXES) if name.endswith(end)), "")


def files_at(path: str) -> list[Path]:
    """Return the files that a path, folder or pattern stands for, in the order of their names; none if it has none."""
    at = Path(path).expanduser()
    if at.is_dir():
        found = [f for f in at.rglob("*") if not _hidden(f.relative_to(at))]
    elif not at.is_file() and _is_pattern(path):
        root = Path(at.anchor) if at.is_absolute() else Path()
        found = [*root.glob(str(at.relative_to(at.anchor) if at.is_absolute() else at))]
    else:
        found = [at]
    return sorted(f for f in found if f.is_file())


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _files(path: str) -> list[Path]:
    """Return the files that are read, which are of one kind.

    Raises:
        DataError: There is none, or some are CSV and others Parquet.
    """
    at = Path(path).expanduser()
    if at.is_file():
        return [at]
    if not at.exists() and not _is_pattern(path):
        raise DataError(f"a path must lead to a file or folder, but {path!r} does not exist", "check the spelling")
    files = [f for f in files_at(path) if _suffix(f)]
    if not files:
        raise DataError(
            f"{path!r} must hold CSV or Parquet files, but none was found",
            f"file names must end with one of {', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}",
        )
    kinds = {_suffix(f) in PARQUET_SUFFIXES: f for f in files}
    if len(kinds) > 1:
        raise DataError(
            f"{path!r} must hold one kind of file, but got {kinds[True].name} and {kinds[False].name}",
            "give a pattern, such as 'folder/*.parquet'",
        )
    return files


def _hidden(file: Path) -> bool:
    # Spark and others leave _SUCCESS markers and .crc files beside their data.
    return any(part.startswith((".", "_")) for part in file.parts)


def _read_file(file: Path, text: frozenset[str]) -> tuple[Any, Decisions]:
    if file.stat().st_size == 0:
        raise DataError(f"{file} must hold a table, but the file is empty (0 bytes)", "check how it was written")
    suffix = _suffix(file)
    if suffix in PARQUET_SUFFIXES:
        with opened_parquet(file) as opened:
            return opened.read(), ()
    if suffix in CSV_SUFFIXES:
        return read_delimited(file, text)
    excel = "read it with pandas.read_excel, or save it as CSV; " if file.suffix.lower() in _EXCEL else ""
    raise DataError(
        f"the kind of a file must be known from its name, but got {file.name!r}",
        f"{excel}file names must end with one of {', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}",
    )


@contextlib.contextmanager
def opened_parquet(file: Path) -> Iterator[pq.ParquetFile]:
    """Yield a Parquet file that is open for reading.

    Raises:
        DataError: The file, or what is read of it inside, is damaged or no Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            yield opened
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} must be a whole Parquet file, but reading it failed: {first_line(error)}",
            "the file is truncated or is not Parquet: write or copy it again",
        ) from error


def _read_many(files: Sequence[Path], text: frozenset[str]) -> tuple[Any, Decisions]:
    import pyarrow as pa

    read_all = [_read_file(file, text) for file in files]
    said = tuple(dict.fromkeys(pair for _, decisions in read_all for pair in decisions))
    tables = _with_partitions([table for table, _ in read_all], files)
    first = tables[0]
    for file, table in zip(files[1:], tables[1:], strict=True):
        differing = sorted(set(first.column_names) ^ set(table.column_names))
        if differing:
            raise DataError(
                f"files read together must have the same columns, but {files[0].name} and {file.name} differ in "
                f"{differing}",
                "read only the files that belong together, for example with a pattern",
            )
    tables = _one_type([table.select(first.column_names) for table in tables], text)
    try:
        # The pandas note of one file (its index, say) does not describe all of them.
        return pa.concat_tables(tables, promote_options="permissive"), said
    except pa.ArrowException as error:
        for file, table in zip(files[1:], tables[1:], strict=True):
            clash = [
                f"{name}: {first.schema.field(name).type} and {table.schema.field(name).type}"
                for name in first.column_names
                if first.schema.field(name).type != table.schema.field(name).type
            ]
            if clash:
                raise DataError(
                    f"files read together must have the same types, but {files[0].name} and {file.name} differ in "
                    f"{'; '.join(clash)}",
                    "write the column with one type in all files",
                ) from error
        raise DataError(f"files must fit together, but {first_line(error)}", "write them with one schema") from error


def _one_type(tables: list[Any], text: frozenset[str]) -> list[Any]:
    """Agree on what each file had to guess: "A7" there, 12 here; midnights alone here, hours too there."""
    import pyarrow as pa

    for i, name in enumerate(tables[0].column_names):
        types = [table.schema.field(name).type for table in tables]
        mixed = any(pa.types.is_string(t) for t in types) and any(pa.types.is_integer(t) for t in types)
        if mixed and name.lower() in text:
            tables = [table.set_column(i, name, table.column(name).cast(pa.string())) for table in tables]
        if any(pa.types.is_date(t) for t in types) and any(pa.types.is_timestamp(t) for t in types):
            moment = next(t for t in types if pa.types.is_timestamp(t))
            naive = pa.timestamp(moment.unit)
            tables = [
                table.set_column(i, name, table.column(name).cast(naive)) if pa.types.is_date(t) else table
                for table, t in zip(tables, types, strict=True)
            ]
    return tables


def folder_keys(file: Path) -> list[tuple[str, str]]:
    """Return the keys and values of the ``name=value`` folders right above a file, unquoted."""
    found = []
    for part in reversed(file.parent.parts):
        key, sign, value = part.partition("=")
        if not sign or not key:
            break
        found.append((unquote(key), unquote(value)))
    return found[::-1]


def _with_partitions(tables: Sequence[Any], files: Sequence[Path]) -> list[Any]:
    """Return tables with the columns that stand in the names of their folders, typed by all values of each."""
    import pyarrow as pa

    given = [dict(folder_keys(file)) for file in files]
    out = list(tables)
    for key in dict.fromkeys(key for one in given for key in one):
        values = [None if one.get(key) in (None, _NULL) else one[key] for one in given]
        whole = all(v is None or re.fullmatch(r"0|-?[1-9]\d{0,17}", v) for v in values) and any(values)
        kind = pa.int64() if whole else pa.string()
        for i, (table, value) in enumerate(zip(out, values, strict=True)):
            if key not in table.column_names and key in given[i]:
                cell = int(value) if whole and value is not None else value
                out[i] = table.append_column(key, pa.array([cell] * table.num_rows, kind))
    return out
