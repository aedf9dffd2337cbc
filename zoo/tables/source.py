"""Whatever holds a table -> a pandas frame.

Text stays text. A CSV file says nothing about types, so a column is read as numbers only when that loses nothing:
columns named in ``text`` (the caller's identifiers), and columns whose first rows hold numbers with leading zeros,
are read as text, and become integers again only if every value is written as an integer would print itself. So
``"007"`` and ``"1.10"`` survive, and ``1, 2, 3`` are integers.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from zoo.errors import ConfigError, DataError
from zoo.places import location, scheme_of
from zoo.tables.versioned import STORES, AsOf, is_table
from zoo.tables.versioned import Table as Versioned

__all__ = ["Table", "read"]

#: What pandas users hold: many columns, or one.
Table: TypeAlias = "pd.DataFrame | pd.Series[Any]"

_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")
_PARQUET = (".parquet", ".pq")
_ACCEPTED = (
    "give a pandas frame or series, a pyarrow table, a polars frame, a Ray dataset, a Spark frame, or the path of a "
    "CSV or Parquet file, of a folder of them, of a versioned table, or a pattern such as 'data/*.parquet'"
)
_PEEK = 1 << 18  # bytes of a CSV file that are looked at before it is read


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
        return _from_arrow(Versioned.open(source).read(as_of=as_of))
    if as_of is not None:
        raise ConfigError("`as_of` must be of a versioned table, but the source has no versions", "leave it out")
    if isinstance(source, pd.DataFrame | pd.Series):
        return source
    if isinstance(source, str):
        if scheme_of(source):
            raise DataError(
                f"a source at a URL must be a versioned (Delta) table, but at this {scheme_of(source)}:// is none",
                "copy its files here, or write it with zoo.tables.versioned.Table",
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
    # Dates as datetime64, or each would become a Python object.
    return pd.DataFrame(table.to_pandas(date_as_object=False, split_blocks=True))


def _read_path(path: str, text: frozenset[str]) -> pd.DataFrame:
    files = _files(path)
    if len(files) == 1:
        table = _read_file(files[0], text)
    else:
        table = _read_many(files, text)
    if table.num_rows == 0:
        raise DataError(
            f"{path} must hold rows, but it has only a header: {table.column_names}", "check how it was written"
        )
    return _from_arrow(table)


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return next((end for end in (*_CSV, *_PARQUET) if name.endswith(end)), "")


def _files(path: str) -> list[Path]:
    """Return the files that a path, folder or pattern stands for, in the order of their names."""
    at = Path(path).expanduser()
    if at.is_dir():
        found = [f for f in at.rglob("*") if f.is_file() and not _hidden(f.relative_to(at))]
    elif at.is_file():
        return [at]
    elif any(sign in path for sign in "*?["):
        root = Path(at.anchor) if at.is_absolute() else Path()
        found = [f for f in root.glob(str(at.relative_to(at.anchor) if at.is_absolute() else at)) if f.is_file()]
    else:
        raise DataError(f"a path must lead to a file or folder, but {path!r} does not exist", "check the spelling")
    files = sorted(f for f in found if _suffix(f))
    if not files:
        raise DataError(
            f"{path!r} must hold CSV or Parquet files, but none was found",
            f"file names must end with one of {', '.join((*_CSV, *_PARQUET))}",
        )
    kinds = {_suffix(f) in _PARQUET: f for f in files}
    if len(kinds) > 1:
        raise DataError(
            f"{path!r} must hold one kind of file, but got {kinds[True].name} and {kinds[False].name}",
            "give a pattern, such as 'folder/*.parquet'",
        )
    return files


def _hidden(file: Path) -> bool:
    # Spark and others leave _SUCCESS markers and .crc files beside their data.
    return any(part.startswith((".", "_")) for part in file.parts)


def _read_file(file: Path, text: frozenset[str]) -> Any:
    if file.stat().st_size == 0:
        raise DataError(f"{file} must hold a table, but the file is empty (0 bytes)", "check how it was written")
    suffix = _suffix(file)
    if suffix in _PARQUET:
        return _read_parquet(file)
    if suffix in _CSV:
        return _read_csv(file, text)
    raise DataError(
        f"the kind of a file must be known from its name, but got {file.name!r}",
        f"file names must end with one of {', '.join((*_CSV, *_PARQUET))}",
    )


def _read_parquet(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            return opened.read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} must be a whole Parquet file, but reading it failed: {_first_line(error)}",
            "the file is truncated or is not Parquet: write or copy it again",
        ) from error


def _read_many(files: Sequence[Path], text: frozenset[str]) -> Any:
    import pyarrow as pa

    tables = []
    for file in files:
        table = _read_file(file, text)
        for key, value in _partitions(file):
            if key not in table.column_names:
                table = table.append_column(key, pa.array([value] * table.num_rows, pa.string()))
        tables.append(table)
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
        return pa.concat_tables(tables, promote_options="permissive")
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
        raise DataError(f"files must fit together, but {_first_line(error)}", "write them with one schema") from error


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


def _partitions(file: Path) -> list[tuple[str, str]]:
    return [(k, v) for k, sep, v in (part.partition("=") for part in file.parent.parts) if sep and k]


def _read_csv(file: Path, text: frozenset[str]) -> Any:
    import pyarrow as pa
    import pyarrow.csv as pc

    header, delimiter, zeros = _peek(file)
    kept = [name for name in header if name.lower() in text or name in zeros]
    options = pc.ConvertOptions(column_types=dict.fromkeys(kept, pa.string()))
    try:
        with pa.input_stream(str(file), compression="detect") as stream:
            table = pc.read_csv(stream, parse_options=pc.ParseOptions(delimiter=delimiter), convert_options=options)
    except pa.ArrowInvalid as error:
        # Arrow fixes each column's type on the first block; a later "12.5" after whole numbers ends here.
        table = _read_csv_slowly(file, delimiter, kept, error)
    except OSError as error:
        raise _damaged(file, error) from error
    if not table.column_names:
        raise DataError(f"{file} must hold a table, but it has no columns", "check how it was written")
    return _whole_numbers(table, kept)


def _read_csv_slowly(file: Path, delimiter: str, kept: Sequence[str], cause: Exception) -> Any:
    import pyarrow as pa

    try:
        frame = pd.read_csv(file, sep=delimiter, dtype=dict.fromkeys(kept, str), low_memory=False)
        return pa.Table.from_pandas(frame, preserve_index=False)
    except UnicodeDecodeError as error:
        raise DataError(f"{file} must be UTF-8 text, but {_first_line(error)}", "save it as UTF-8") from error
    except (ValueError, pa.ArrowException, OSError, EOFError) as error:
        raise _damaged(file, cause) from error


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{file} must be a whole table with the same number of fields in every row, but {_first_line(error)}",
        "the file is truncated, or a field holds the delimiter without quotes",
    )


def _peek(file: Path) -> tuple[list[str], str, set[str]]:
    """Return the header, the delimiter, and the columns whose first rows hold numbers with leading zeros."""
    opener: Callable[..., Any] = gzip.open if file.name.lower().endswith(".gz") else open
    try:
        with opener(file, "rb") as stream:
            head = stream.read(_PEEK).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError) as error:
        raise _damaged(file, error) from error
    lines = head.splitlines()
    if not head.strip():
        raise DataError(f"{file} must hold a table, but the file is empty", "check how it was written")
    delimiter = next((sign for sign in ",\t;|" if sign in lines[0]), ",")
    if ".tsv" in file.name.lower():
        delimiter = "\t"
    rows = list(csv.reader(io.StringIO("\n".join(lines[: 2000 if len(lines) > 1 else 1])), delimiter=delimiter))
    header = rows[0]
    zeros = {
        name
        for i, name in enumerate(header)
        if any(len(row) > i and re.fullmatch(r"[+-]?0\d+", row[i].strip()) for row in rows[1:])
    }
    return header, delimiter, zeros


def _whole_numbers(table: Any, kept: Sequence[str]) -> Any:
    """Turn text columns into integers where every value is written as an integer prints itself."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, name in enumerate(table.column_names):
        if name in kept and pa.types.is_string(table.schema.field(name).type):
            column = table.column(name)
            plain = pc.all(pc.match_substring_regex(column, r"^(0|-?[1-9][0-9]{0,17})$")).as_py()
            if plain and column.null_count < len(column):
                table = table.set_column(i, name, column.cast(pa.int64()))
    return table


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
