"""Sources as Spark reads them, with the types that the engine in memory would see."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, DataError, first_line
from zoo.features.spec import FeatureSource
from zoo.tables.source import PARQUET_SUFFIXES, files_at

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["frame_in_spark", "parquet_files", "parquet_in_spark", "parquet_schema"]

_INDEX = re.compile(r"__index_level_\d+__$")


def frame_in_spark(
    session: SparkSession, source: FeatureSource, path: str | None, version: int | None
) -> tuple[DataFrame, str | None, bool]:
    """Return a source as a Spark table, the zone of its calendar, and whether its times are plain nanoseconds.

    Args:
        session: The session that reads.
        source: What is read, and its columns' roles.
        path: Where it is, for files and versioned tables.
        version: Of a versioned table.

    Raises:
        DataError: There are no files, or they do not fit together.
        ConfigError: The query is no SQL, or names tables that are not there.
    """
    if path is None:
        return _queried(session, source)
    files = _files(path) if version is None else []
    if version is not None or Path(files[0]).suffix.lower() in PARQUET_SUFFIXES:
        frame, zone, nanoseconds = parquet_in_spark(session, path, source.time, version=version)
        return frame, zone and (source.zone or zone), nanoseconds
    frame = _csv(session, files, source)
    return frame, _zone_of_kind(frame, source), False


def parquet_in_spark(
    session: SparkSession, path: str, time: str, *, version: int | None = None
) -> tuple[DataFrame, str | None, bool]:
    """Return Parquet files as a Spark table, the zone of their times, and whether these are plain nanoseconds.

    Args:
        session: The session that reads.
        path: A file, a folder, a pattern or a versioned table.
        time: The column of the clock.
        version: Of a versioned table; the newest by default.

    Raises:
        DataError: There are no files, or they do not fit together.
    """
    from zoo.tables.versioned import VersionedTable, is_table

    if is_table(path):
        table = VersionedTable.open(path)
        version = table.version if version is None else version
        schema, files = table.schema(as_of=version), table.files(as_of=version)
    else:
        files = _files(path)
        schema = parquet_schema(files)
    kinds = {field.name: str(field.type) for field in schema}
    # Other columns of nanoseconds would pass for numbers, and pandas' own index for a column.
    hidden = [n for n, kind in kinds.items() if (n != time and kind.startswith("timestamp[ns")) or _INDEX.match(n)]
    zone = getattr(schema.field(time).type, "tz", None) if time in kinds else None
    nanoseconds = kinds.get(time, "").startswith("timestamp[ns")
    frame = session.read.parquet(*files)
    return (frame.drop(*hidden) if hidden else frame), zone, nanoseconds


def parquet_files(path: str) -> list[str] | None:
    """Return the Parquet files that a path stands for; None if it stands for others, or for none."""
    from zoo.tables.versioned import VersionedTable, is_table

    if is_table(path):
        return [str(file) for file in VersionedTable.open(path).files()]
    try:
        files = _files(path)
    except DataError:
        return None  # whoever reads it says what is wrong
    return files if all(Path(file).suffix.lower() in PARQUET_SUFFIXES for file in files) else None


def _queried(session: SparkSession, source: FeatureSource) -> tuple[DataFrame, str | None, bool]:
    from pyspark.errors import PySparkException

    try:
        frame = session.sql(str(source.query))
    except PySparkException as error:
        raise ConfigError(
            f"the query must be Spark SQL on tables that exist, but {first_line(error)}", "correct it"
        ) from error
    return frame, _zone_of_kind(frame, source), False


def _zone_of_kind(frame: DataFrame, source: FeatureSource) -> str | None:
    """Return the zone of the calendar where the times have one: Spark's own type keeps moments, not zones."""
    from pyspark.sql import types as T

    kind = frame.schema[source.time].dataType if source.time in frame.columns else None
    return (source.zone or "UTC") if isinstance(kind, T.TimestampType) else None


def _files(path: str) -> list[str]:
    found = files_at(path)
    if not found:
        raise DataError(f"a source must lead to files, but {path!r} leads to none", "check the spelling")
    return sorted(str(f.resolve()) for f in found)


def parquet_schema(files: list[str]) -> Any:
    """Return the schema of Parquet files that have one: Spark would take that of any file, and lose columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = None
    for file in files:
        try:
            schema = pq.read_schema(file)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{file} must be a whole Parquet file, but {first_line(error)}", "write it again"
            ) from error
        plain = {f.name: str(f.type) for f in schema}
        if first is None:
            first, said = schema, plain
        elif plain != said:
            differing = sorted({*(plain.items() - said.items()), *(said.items() - plain.items())})
            raise DataError(
                f"files read together must have the same columns and types, but {Path(files[0]).name} and "
                f"{Path(file).name} differ in {differing[:6]}",
                "write them with one schema, or read only those that belong together",
            )
    return first


def _csv(session: SparkSession, files: list[str], source: FeatureSource) -> DataFrame:
    from pyspark.sql import functions as F

    with open(files[0], encoding="utf-8-sig", errors="replace") as stream:
        head = stream.readline()
    sign = next((sign for sign in ",\t;|" if sign in head), ",") if not files[0].endswith(".gz") else ","
    frame = session.read.csv(files, header=True, inferSchema=True, sep=sign, enforceSchema=False)
    if source.id is None or source.id not in frame.columns:
        return frame
    # An id keeps its leading zeros: it is read as text, and is a number only if all are written as numbers print.
    texts = session.read.csv(files, header=True, inferSchema=False, sep=sign, enforceSchema=False)
    kinds = {f.name: f.dataType for f in frame.schema.fields}
    column = F.col(f"`{source.id}`")
    odd = texts.where(~column.rlike(r"^(0|-?[1-9][0-9]{0,17})$")).limit(1).count()
    return texts.select(
        *[
            F.col(f"`{n}`") if n == source.id and odd else
            F.col(f"`{n}`").cast("bigint") if n == source.id else F.col(f"`{n}`").cast(kind).alias(n)
            for n, kind in kinds.items()
        ]
    )  # fmt: skip
