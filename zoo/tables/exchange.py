"""The hand-over: a Spark table becomes a Ray dataset, by the way that suits its size, and is then held once.

Three ways, one result (the same rows, columns and types):

- ``arrow``: through the driver's memory. Nothing to set up, so the fastest as long as the driver can hold it.
- ``from_spark``: each Ray task fetches a partition from its executor. The executors hold a second copy until all have
  been fetched; it is released here.
- ``parquet``: Spark writes files, Ray reads them. Needs a folder that all nodes see, and no memory at all.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from zoo.cluster.fence import memory_bytes
from zoo.cluster.session import alive_nodes, is_connected
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from ray.data import Dataset

__all__ = ["HandOver", "Way", "choose", "node_count", "to_ray"]

Way: TypeAlias = Literal["auto", "arrow", "from_spark", "parquet"]
_WAYS = ("auto", "arrow", "from_spark", "parquet")
_UNKNOWN = 2**60  # Spark's own estimate where it has none is about 2^63
_BLOCK = 128 * 2**20  # bytes; Ray's own target for a block


@dataclass(frozen=True)
class HandOver:
    """What ``via="auto"`` would take.

    Args:
        via: The way that the rows take.
        reason: Why this way is taken, in words.
        estimate: Bytes of the table as Spark's planner estimates them, or None if it cannot.
    """

    via: Literal["arrow", "from_spark", "parquet"]
    reason: str
    estimate: int | None


def to_ray(df: DataFrame, via: Way = "auto", *, folder: str | Path | None = None) -> Dataset:
    """Hand a Spark table over to Ray.

    The table is evaluated once, and completely: the dataset stays when Spark has stopped.

    Args:
        df: A table of the session that ``zoo.cluster.spark()`` gave.
        via: The way; ``"auto"`` takes what ``choose`` says.
        folder: For ``"parquet"`` on several nodes: a folder that all of them see. A folder inside is made and removed.

    Raises:
        ConfigError: No such way, or it cannot be gone here.
        DataError: Spark cannot compute the table, or it is too large for the way.

    Example:
        with spark() as session:
            dataset = to_ray(session.read.parquet("meters"))
        dataset.count()
    """
    if via not in _WAYS:
        raise ConfigError(f"`via` must be one of {', '.join(_WAYS)}, but got {via!r}", "leave it out")
    _check(df, via)
    chosen = choose(df, folder=folder).via if via == "auto" else via
    if chosen == "parquet" and folder is None and node_count() > 1:
        raise ConfigError(
            f"files for the hand-over must be in a folder that all {node_count()} nodes see, but none was given",
            "give folder=, or use via='from_spark'",
        )
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        if chosen == "arrow":
            return _by_arrow(df)
        if chosen == "from_spark":
            return _by_fetching(df)
        return _by_parquet(df, folder)
    except (Py4JJavaError, PySparkException) as error:
        raise _failed(chosen, error) from error


def choose(df: DataFrame, *, folder: str | Path | None = None) -> HandOver:
    """Return what ``to_ray`` would do with this table, without computing it.

    The driver's limit is a third of its heap, or ``spark.driver.maxResultSize`` if that is less.
    """
    estimate = _estimate(df)
    limit = _driver_limit(df)
    if estimate is not None and estimate <= limit:
        return HandOver("arrow", f"about {_mib(estimate)}, the driver holds {_mib(limit)}", estimate)
    size = "of unknown size" if estimate is None else f"about {_mib(estimate)}, the driver holds only {_mib(limit)}"
    if folder is not None or node_count() == 1:
        return HandOver("parquet", f"{size}; all nodes see one folder", estimate)
    return HandOver("from_spark", f"{size}; several nodes and no folder that all see", estimate)


def _by_arrow(df: DataFrame) -> Dataset:
    import pyarrow as pa
    import ray

    batches = df._collect_as_arrow(split_batches=True)
    table = pa.Table.from_batches(batches, schema=_schema(df)) if batches else _schema(df).empty_table()
    del batches
    blocks = max(1, -(-table.nbytes // _BLOCK))
    rows = max(1, -(-table.num_rows // blocks))
    parts = [ray.put(table.slice(at, rows)) for at in range(0, max(1, table.num_rows), rows)]
    return ray.data.from_arrow_refs(parts)


def _by_fetching(df: DataFrame) -> Dataset:
    import ray
    from raydp.spark import release_spark_recoverable

    try:
        # Materialised, since the executors' copies go now.
        return _held(ray.data.from_spark(df), _schema(df))
    finally:
        release_spark_recoverable(df)


def _by_parquet(df: DataFrame, folder: str | Path | None) -> Dataset:
    import ray

    place = Path(tempfile.mkdtemp(prefix="zoo-handover-", dir=folder))
    try:
        df.write.parquet(f"file://{place.resolve()}/table", compression="lz4raw")
        found = ray.data.read_parquet(str(place / "table"), file_extensions=["parquet"])
        return _held(found, _schema(df))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _held(dataset: Dataset, schema: Any) -> Dataset:
    """Compute a dataset, with the types that Spark's Arrow has: ways differ in time units and nullability."""
    import ray

    found = dataset.schema()
    if found is None or not found.base_schema.equals(schema):
        dataset = dataset.map_batches(_cast, batch_format="pyarrow", batch_size=None, fn_kwargs={"schema": schema})
    dataset = dataset.materialize()
    # Ray forgets the columns of a table without rows.
    return dataset if dataset.count() else ray.data.from_arrow(schema.empty_table())


def _cast(table: Any, schema: Any) -> Any:
    return table.select(schema.names).cast(schema)


def _schema(df: DataFrame) -> Any:
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(df.schema)


def _check(df: Any, via: str) -> None:
    if not hasattr(df, "_jdf"):
        raise DataError(
            f"the hand-over must get a Spark DataFrame, but got {type(df).__name__}",
            "pandas and Arrow tables go to Ray by ray.data.from_pandas and from_arrow",
        )
    context = df.sparkSession.sparkContext
    if via == "from_spark" and not context.master.startswith("ray://"):
        raise ConfigError(
            f"via='from_spark' must have a Spark inside Ray, but this session's master is {context.master}",
            "start it by zoo.cluster.spark(), or use via='arrow'",
        )


def _estimate(df: DataFrame) -> int | None:
    size = int(df._jdf.queryExecution().optimizedPlan().stats().sizeInBytes())
    return None if size >= _UNKNOWN else size


def _driver_limit(df: DataFrame) -> int:
    conf = df.sparkSession.sparkContext.getConf()
    heap = memory_bytes(conf.get("spark.driver.memory", "1g") or "1g") // 3
    most = conf.get("spark.driver.maxResultSize", "1g") or "1g"
    return heap if most.strip() == "0" else min(heap, memory_bytes(most))


def node_count() -> int:
    """Return how many nodes the connected cluster has; 1 without one."""
    return len(alive_nodes()) if is_connected() else 1


def _failed(via: str, error: BaseException) -> DataError:
    text = _causes(error)[-1]
    message = (text.strip().splitlines() or [type(error).__name__])[0]
    everything = " ".join(_causes(error))
    large = "maxResultSize" in everything or "OutOfMemoryError" in everything
    hint = "use via='parquet', or give Spark a larger memory=" if large else "the message is Spark's; check the query"
    return DataError(f"Spark must be able to compute the table (via {via}), but it failed: {message}", hint)


def _causes(error: BaseException) -> list[str]:
    """Return what each exception of Java's chain says; the last one is the cause."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    out = []
    while cause is not None and hasattr(cause, "getCause"):
        out.append(str(cause.getMessage() or cause.toString()))
        cause = cause.getCause()
    return out or [str(error)]


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
