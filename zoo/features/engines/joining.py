"""The other table of a join in Spark: a small one is sent by the driver, a large one is read where it is joined.

Both ways give the same rows to one and the same join (``sql``). What Spark would read otherwise than pandas (CSV files,
decimals, truth values, nested columns, times written as text, ``name=value`` folders) is read by the driver, whatever
its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from zoo.errors import DataError
from zoo.features.batch import TimeAxis
from zoo.features.engines.choice import estimate, said_size
from zoo.features.engines.columns import moments, quoted, values
from zoo.features.engines.reading import parquet_files, parquet_in_spark, parquet_schema
from zoo.features.steps import Join, Side, Step

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["SMALL", "Far", "JoinPlace", "copied", "other_rows", "place", "placed", "sampled"]

#: Bytes in memory up to which the driver reads a joined table: it holds it twice, as a frame and as Arrow.
SMALL = 200e6


@dataclass(frozen=True)
class JoinPlace:
    """Who reads a joined table.

    Args:
        spark: Spark, part by part; otherwise the driver.
        why: The reason, for a person to read.
    """

    spark: bool
    why: str


@dataclass(frozen=True)
class Far(Side):
    """A joined table that stays where it is.

    Args:
        frame: ``__key``, ``__time`` in microseconds, and the columns under their own names.
    """

    frame: DataFrame


def place(step: Join) -> JoinPlace:
    """Return who reads a joined table when Spark computes."""
    if not isinstance(step.table, str):
        return JoinPlace(False, "a frame in memory, sent to Spark by the driver")
    files = parquet_files(step.path)
    size = estimate(step.path) if files is None else sum(estimate(file) or 0 for file in files)
    said = f"about {said_size(size or 0)} in memory"
    if not size or size <= SMALL:
        return JoinPlace(False, f"{said}, sent to Spark by the driver")
    odd = "it is not in Parquet files" if files is None else _odd(files, step)
    if odd is not None:
        return JoinPlace(False, f"{said}, but {odd}: read by the driver, which must hold it")
    return JoinPlace(True, f"{said}, more than {said_size(SMALL)}: read, sorted and joined by Spark")


def placed(session: SparkSession, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps with large joined tables bound to Spark; each of them is read once, to check it.

    Raises:
        DataError: A table cannot be joined.
    """
    return tuple(
        step.with_side(_far(session, step)) if isinstance(step, Join) and place(step).spark else step for step in steps
    )


def sampled(step: Join) -> Join:
    """Return a join that knows the columns of a large table from its first rows: enough to plan, and cheap."""
    import pyarrow.dataset as ds

    files = parquet_files(step.path)
    head = ds.dataset(files, format="parquet").head(1000).to_pandas(date_as_object=False)
    keys = [name for name in (step.on, step.asof) if name in head.columns]
    return step.with_side(step.model_copy(update={"table": head.drop_duplicates(keys)}).side)


def copied(step: Join, file: Path) -> bool:
    """Copy a joined table into one Parquet file if it is too large for this process, and return whether it was.

    Args:
        step: The join that reads the table.
        file: The Parquet file that is written.
    """
    if step.is_read or not place(step).spark:
        return False
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    rows = ds.dataset(parquet_files(step.path), format="parquet")
    with pq.ParquetWriter(file, rows.schema) as writer:
        for batch in rows.to_batches():
            if batch.num_rows:
                writer.write_batch(batch)
    return True


def other_rows(session: SparkSession, step: Join) -> DataFrame:
    """Return the other table of a join: ``__key``, ``__time``, and what is brought as ``__b0``, ``__b1``, ..."""
    from pyspark.sql import functions as F

    side = step.side
    brings = enumerate(step.brings())
    if isinstance(side, Far):
        return side.frame.select("__key", "__time", *[F.col(quoted(old)).alias(f"__b{i}") for i, old in brings])
    known = step.known().batch
    rows: dict[str, Any] = {"__key": known.ids[known.offsets.codes], "__time": known.times}
    kinds = [f"__key {'string' if side.text_key else 'bigint'}", "__time bigint"]
    chosen: list[Column] = []
    for i, old in brings:
        name = f"__b{i}"
        rows[name] = known.columns[old]
        kinds.append(f"{name} {'string' if side.texts[old] else 'double'}")
        chosen.append(F.col(name) if side.texts[old] else F.when(~F.isnan(name), F.col(name)).alias(name))
    return session.createDataFrame(pd.DataFrame(rows), ", ".join(kinds)).select("__key", "__time", *chosen)


def _odd(files: list[str], step: Join) -> str | None:
    """Return why Spark would not read some files as pandas does; None if it would."""
    import pyarrow as pa

    if any("=" in part for file in files for part in Path(file).parent.parts):
        return "its folders hold values of a column"
    wanted = None if step.columns is None else {*step.columns, step.asof, step.on}
    for field in parquet_schema(files):
        if wanted is not None and field.name not in wanted:
            continue
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        plain = pa.types.is_integer(kind) and not pa.types.is_uint64(kind)
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        moment = pa.types.is_timestamp(kind) or pa.types.is_date32(kind)
        # No truth values: pandas takes them for text where one is missing.
        if not (plain or text or moment or pa.types.is_float32(kind) or pa.types.is_float64(kind)):
            return f"{field.name!r} is {field.type}"
        if field.name == step.asof and not (plain or moment):
            return f"its times are {field.type}"
        if field.name == step.on and not (plain or text):
            return f"its keys are {field.type}"
    return None


def _far(session: SparkSession, step: Join) -> Far:
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    said = str(step.table)
    frame, zone, nanoseconds = parquet_in_spark(session, step.path, step.asof)
    step.check_columns(frame.columns, said)
    kinds = {field.name: field.dataType for field in frame.schema.fields}
    text_key = step.on is None or not isinstance(kinds[step.on], T.IntegralType)
    key = F.lit("all") if step.on is None else F.col(quoted(step.on)).cast("string" if text_key else "bigint")
    time, integer = moments(F.col(quoted(step.asof)), kinds[step.asof], step.asof, nanoseconds=nanoseconds)
    columns, texts = values(frame, beside=(step.on, step.asof))
    rows = frame.select(key.alias("__key"), time.alias("__time"), *columns)
    axis = TimeAxis(integer, zone)
    empty = _checked(rows, step, axis, [name for name, text in texts.items() if text])
    # pandas cannot tell a column without any text from one without any number, and takes it for the latter.
    rows = rows.withColumns({name: F.lit(None).cast("double") for name in empty}) if empty else rows
    return Far({name: text and name not in empty for name, text in texts.items()}, axis, text_key, rows)


def _checked(rows: DataFrame, step: Join, axis: TimeAxis, texts: list[str]) -> list[str]:
    """Read the table once for what the engine in memory would refuse, and return text columns without any text."""
    from pyspark.sql import functions as F

    key, time, count = F.col("__key"), F.col("__time"), F.col("__n")
    known = [F.count(F.col(quoted(name))).alias(f"__c{i}") for i, name in enumerate(texts)]
    per = rows.groupBy(key, time).agg(F.count(F.lit(1)).alias("__n"), *known)
    found = per.agg(
        F.sum(count), F.sum(F.when(time.isNull(), count)), F.sum(F.when(key.isNull(), count)),
        F.sum(count - 1), F.min(F.when(count > 1, F.struct(key, time))),
        *[F.sum(f"__c{i}") for i in range(len(texts))],
    ).first()  # fmt: skip
    assert found is not None
    total, untimed, orphans, doubles = (found[i] or 0 for i in range(4))
    said = str(step.table)
    if not total:
        raise DataError(f"a table must hold rows, but {said} has none", "check how it was written")
    for number, name, what in ((untimed, step.asof, "a time"), (orphans, step.on, "a key")):
        if number:
            raise DataError(
                f"every row must have {what}, but {number} rows of {said} have no {name!r}", "drop or repair them first"
            )
    if doubles:
        raise step.doubles(said, found[4][0], int(found[4][1]), axis, int(doubles))
    return [name for i, name in enumerate(texts) if not found[5 + i]]
