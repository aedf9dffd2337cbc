"""Whatever holds rows -> a stream of Arrow batches, and the types that a Delta table keeps."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, first_line
from zoo.tables.exchange import node_count, to_ray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["cast", "fitting", "stream"]


@contextmanager
def stream(data: Any) -> Iterator[pa.RecordBatchReader]:
    """Yield rows as a reader; what was made on the way (Spark's files) is removed at the end.

    Args:
        data: A pandas frame, a pyarrow table, batch or reader, a Ray dataset, a Spark frame.

    Raises:
        DataError: It is none of these, or a column cannot be written as Arrow.
    """
    import pandas as pd
    import pyarrow as pa

    package = type(data).__module__.split(".")[0]
    if package == "pyspark":
        if node_count() > 1:
            yield _dataset(to_ray(data))  # executors elsewhere write to disks that this process does not see
            return
        with _spark_files(data) as reader:
            yield reader
        return
    if isinstance(data, pa.RecordBatchReader):
        yield data
    elif isinstance(data, pa.Table):
        yield data.to_reader()
    elif isinstance(data, pa.RecordBatch):
        yield pa.Table.from_batches([data]).to_reader()
    elif isinstance(data, pd.DataFrame):
        yield _pandas(data).to_reader()
    elif package == "ray" and hasattr(data, "iter_batches"):
        yield _dataset(data)
    else:
        raise DataError(
            f"rows must be in a table, but got {type(data).__name__}",
            "give a pandas frame, a pyarrow table or reader, a Ray dataset or a Spark frame",
        )


def fitting(schema: pa.Schema) -> pa.Schema:
    """Return the schema that Delta keeps instead of this one.

    Raises:
        DataError: A column has a type that no Delta table has, or two names differ in case only.
    """
    import pyarrow as pa

    lower: dict[str, str] = {}
    for name in schema.names:
        if name.lower() in lower:
            raise DataError(
                f"column names must differ in more than case, but got {lower[name.lower()]!r} and {name!r}",
                "rename one of them",
            )
        lower[name.lower()] = name
    # No metadata: pandas' note about an index says nothing about a version.
    return pa.schema([pa.field(field.name, _type(field.name, field.type)) for field in schema])


def cast(rows: Any, schema: pa.Schema) -> Any:
    """Return the reader with the types that Delta keeps; a value that would change is an error."""
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        for batch in rows:
            try:
                yield batch.cast(schema)
            except pa.ArrowException as error:
                raise DataError(
                    f"values must fit the types that Delta keeps, but {first_line(error)}",
                    "times have microseconds, integers 64 bits with a sign: round or cast the column",
                ) from error

    return pa.RecordBatchReader.from_batches(schema, batches())


def _type(name: str, kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _type(name, kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_unsigned_integer(kind):
        return {8: pa.int16(), 16: pa.int32()}.get(kind.bit_width, pa.int64())
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=None if kind.tz is None else "UTC")
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_null(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind) or pa.types.is_interval(kind):
        told = "no type, as all its values are missing" if pa.types.is_null(kind) else f"the type {kind}"
        raise DataError(
            f"a column must have a type that a Delta table knows, but {name} has {told}", "cast it or drop it"
        )
    return kind


def _pandas(frame: Any) -> pa.Table:
    import pyarrow as pa

    unnamed = frame.index.name is None and frame.index.nlevels == 1
    try:
        return pa.Table.from_pandas(frame if unnamed else frame.reset_index(), preserve_index=False)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(
            f"each column must hold values of one type, but {first_line(error)}", "cast the column"
        ) from error


def _dataset(dataset: Any) -> pa.RecordBatchReader:
    import pyarrow as pa

    found = dataset.schema()
    if found is None:
        raise DataError("a dataset must have columns, but this one is empty", "check what made it")
    schema = pa.schema(list(zip(found.names, found.types, strict=True)))
    batches = (
        batch
        for table in dataset.iter_batches(batch_format="pyarrow", batch_size=None)
        for batch in table.cast(schema).to_batches()
    )
    return pa.RecordBatchReader.from_batches(schema, batches)


@contextmanager
def _spark_files(frame: Any) -> Iterator[pa.RecordBatchReader]:
    """Let the executors write files, and stream them: neither the driver nor this process holds the table."""
    import pyarrow.dataset as pd
    from pyspark.sql.pandas.types import to_arrow_schema

    schema = to_arrow_schema(frame.schema)
    folder = tempfile.mkdtemp(prefix="zoo-rows-")
    try:
        frame.write.mode("overwrite").parquet(f"file://{folder}/rows", compression="lz4raw")
        yield pd.dataset(f"{folder}/rows", format="parquet", schema=schema).scanner().to_reader()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
