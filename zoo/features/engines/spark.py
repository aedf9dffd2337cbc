"""The engine for tables that outgrow a process: row steps as Spark SQL, column steps as our kernels through Arrow.

Everything that SQL leaves open is settled here: times are whole microseconds, missing is NULL and never NaN, ties are
broken by values, and sums are taken one after the other in the order of time and value, as the engine in memory takes
them. So both give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo.errors import DataError
from zoo.features.arrow import arrow_of
from zoo.features.batch import Array, Batch, FeatureRoles, TimeAxis
from zoo.features.compute import compute, fitted_of, learn, scaled
from zoo.features.digest import Digest, added, digest_of_rows
from zoo.features.engines.columns import moments, quoted, values
from zoo.features.engines.joining import placed
from zoo.features.engines.sql import after
from zoo.features.plan import FeaturePlan, make_plan
from zoo.features.steps import FittedSteps, Scope, Step
from zoo.series.offsets import Offsets

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Distributed", "arrow_schema", "collected", "finished", "fit", "prepare", "settings"]

_SINGLE = "__series"  # the id column of a table with one series
_ROWS = 1 << 18  # rows that are computed at a time, in whole series
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # pandas writes nanoseconds, which Spark reads as plain numbers or not at all.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
}


@contextmanager
def settings(session: SparkSession) -> Iterator[None]:
    """Set what this engine relies on, and leave the user's session as it was."""
    before = {key: session.conf.get(key, None) for key in _SETTINGS}
    try:
        for key, value in _SETTINGS.items():
            session.conf.set(key, value)
        yield
    finally:
        for key, old in before.items():
            if old is None:
                session.conf.unset(key)
            else:
                session.conf.set(key, old)


@dataclass(frozen=True)
class Distributed:
    """A table after the row steps.

    Args:
        frame: Id, time in microseconds, columns.
        plan: What remains to be done.
        names: The roles in ``frame``; the id is never None.
        axis: What the times mean.
        raw: Rows that came in.
        until: The newest of their times.
        single: Whether the table has no id column.
        text_ids: Whether ids are text.
        clean: The rows before any step: id, microseconds, doubles, texts.
    """

    frame: DataFrame
    plan: FeaturePlan
    names: FeatureRoles
    axis: TimeAxis
    raw: int
    until: int
    single: bool
    text_ids: bool
    clean: DataFrame


def prepare(
    frame: DataFrame,
    steps: tuple[Step, ...],
    names: FeatureRoles,
    *,
    zone: str | None = None,
    nanoseconds: bool = False,
) -> Distributed:
    """Return a Spark table after the row steps; nothing is computed but what tells whether it can be used.

    Args:
        frame: The rows before any step.
        steps: All steps of the pipeline, in order.
        names: Which columns hold id, time and target.
        zone: Zone of the calendar; None: the times are local as they are.
        nanoseconds: Whether whole numbers in the time column are nanoseconds since 1970.

    Raises:
        DataError: The table cannot be used.
        StepError: A step does not fit.
    """
    names.check(frame.columns)
    clean, scope, axis, text_ids = _canonical(frame, names, zone, nanoseconds)
    plan = make_plan(placed(frame.sparkSession, steps), scope)
    inner = replace(names, id=names.id or _SINGLE)
    raw, until = _check(frame, clean, inner, plan)
    state = after(clean, plan, inner, axis, text_ids)
    return Distributed(state.frame, plan, state.names, state.axis, raw, until, names.id is None, state.text_ids, clean)


def _canonical(
    frame: DataFrame, names: FeatureRoles, zone: str | None, nanoseconds: bool
) -> tuple[DataFrame, Scope, TimeAxis, bool]:
    """Return id, microseconds, doubles without NaN and texts; and what they are."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    kinds = {field.name: field.dataType for field in frame.schema.fields}
    text_ids = names.id is None or not isinstance(kinds[names.id], T.IntegralType)
    if names.id is None:
        chosen = [F.lit("all").alias(_SINGLE)]
    else:
        if isinstance(kinds[names.id], T.FractionalType):
            raise DataError(f"ids must be whole numbers or text, but {names.id!r} has fractions", "cast the column")
        chosen = [F.col(quoted(names.id)).cast("string" if text_ids else "bigint").alias(names.id)]
    time, integer = moments(F.col(quoted(names.time)), kinds[names.time], names.time, nanoseconds=nanoseconds)
    columns, is_text = values(frame, beside=(names.id, names.time))
    numbers = tuple(name for name, text in is_text.items() if not text)
    texts = tuple(name for name, text in is_text.items() if text)
    if names.target not in numbers:
        raise DataError(f"the target must be a number, but {names.target!r} is {kinds[names.target]}", "convert it")
    return (
        frame.select(*chosen, time.alias(names.time), *columns),
        Scope(names, numbers, texts),
        TimeAxis(integer, zone),
        text_ids,
    )


def _check(frame: DataFrame, clean: DataFrame, names: FeatureRoles, plan: FeaturePlan) -> tuple[int, int]:
    """Read the table once for what would otherwise fail late and in Java's words."""
    from pyspark.sql import functions as F

    from zoo.features.steps.rows import SPARSE

    time, key = F.col(quoted(names.time)), F.col(quoted(str(names.id)))
    per = clean.groupBy(key.alias("id")).agg(
        F.count(F.lit(1)).alias("rows"), F.count(time).alias("timed"), F.min(time).alias("a"), F.max(time).alias("b")
    )
    every = plan.every or 1
    found = per.agg(
        F.sum("rows"), F.sum("timed"), F.sum(F.when(F.col("id").isNull(), F.col("rows"))),
        F.sum((F.col("b") - F.col("a")) / every + 1), F.max("b"),
    ).first()  # fmt: skip
    assert found is not None
    rows, timed, orphans, grid, until = (found[i] or 0 for i in range(5))
    if not rows:
        raise DataError("a table must hold rows, but it has none", "check the source")
    if orphans:
        raise DataError(f"every row must belong to a series, but {orphans} rows have no {names.id!r}", "drop them")
    if timed < rows:
        text = _first_bad(frame, names.time)
        raise DataError(
            f"every row must have a time, but {rows - timed} rows of {names.time!r} have none{text}",
            "write times as 2024-01-31 13:00:00, or repair these rows first",
        )
    if plan.every is not None and grid > SPARSE * rows + 1000:
        raise DataError(
            f"resampling must not make more than {SPARSE} rows of one, but {rows} rows would become {int(grid)}",
            "take a longer `every`, or check the units of the time column",
        )
    return int(rows), int(until)


def _first_bad(frame: DataFrame, name: str) -> str:
    from pyspark.sql import functions as F

    column = F.col(quoted(name))
    found = frame.where(column.isNotNull() & column.cast("timestamp_ltz").isNull()).select(column).first()
    return "" if found is None else f", for example {found[0]!r}"


def fit(table: Distributed) -> FittedSteps:
    """Return what the steps learn from a table: one pass, whose results are small."""
    if not table.plan.scales:
        return FittedSteps({})
    plan = _without_rows(table.plan)
    layout = _Layout.of(table)

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in layout.series(batches):
            done = compute(plan, batch)
            for place, columns in learn(plan, done).items():
                for name, stats in columns.items():
                    yield pa.RecordBatch.from_pydict(
                        {
                            "step": pa.array([place] * len(stats), pa.int64()),
                            "column": pa.array([name] * len(stats), pa.string()),
                            "id": pa.array([str(i) for i in batch.ids.tolist()], pa.string()),
                            "centre": pa.array(stats[:, 0], pa.float64()),
                            "spread": pa.array(stats[:, 1], pa.float64()),
                        }
                    )

    schema = "step bigint, column string, id string, centre double, spread double"
    rows = _sorted(table).mapInArrow(work, schema).toPandas()
    return _gathered(table, rows)


def _gathered(table: Distributed, rows: pd.DataFrame) -> FittedSteps:
    ids: list[Array] = []
    learnt: dict[int, dict[str, Any]] = {}
    for (place, name), part in rows.groupby(["step", "column"], sort=False):
        keys = part["id"].to_numpy(object) if table.text_ids else part["id"].astype(np.int64).to_numpy()
        order = np.argsort(keys, kind="stable")
        ids = [keys[order]]
        learnt.setdefault(int(str(place)), {})[str(name)] = part[["centre", "spread"]].to_numpy(float)[order]
    return fitted_of(table.plan, ids, [learnt])


def finished(table: Distributed, fitted: FittedSteps | None) -> DataFrame:
    """Return the features as a Spark table: id, time, columns."""
    plan = _without_rows(table.plan)
    layout = _Layout.of(table)
    outputs = table.plan.outputs

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in layout.series(batches):
            done = scaled(plan, compute(plan, batch), fitted)
            yield from arrow_of(layout.outward(done), outputs).to_batches(max_chunksize=1 << 15)

    return _sorted(table).mapInArrow(work, _schema(table))


def collected(frame: DataFrame) -> Iterator[Any]:
    """Yield the rows of a finished table in this process."""
    import pyarrow as pa

    for batch in frame._collect_as_arrow():
        yield pa.Table.from_batches([batch])


def digest(table: Distributed, raw: FeatureRoles) -> Digest:
    """Return what the rows were before any step: one more pass.

    Args:
        table: What ``prepare`` returned for the rows.
        raw: The roles that its raw rows have.
    """
    id, time = raw.id, raw.time

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            rows = pa.Table.from_batches([batch])
            found = digest_of_rows(rows if id is not None else rows.drop_columns([_SINGLE]), id, time)
            yield pa.RecordBatch.from_pydict({"name": list(found), "part": list(found.values())})

    rows = table.clean.mapInArrow(work, "name string, part string").collect()
    return added({row["name"]: row["part"]} for row in rows)


def arrow_schema(table: Distributed) -> Any:
    """Return the schema of the finished table as Arrow and Parquet have it."""
    import pyarrow as pa

    fields = [] if table.single else [(str(table.names.id), pa.string() if table.text_ids else pa.int64())]
    moment = pa.timestamp("us", tz=None if table.axis.zone is None else "UTC")
    fields.append((table.names.time, pa.int64() if table.axis.integer else moment))
    texts = table.plan.scope.texts
    fields += [(name, pa.string() if name in texts else pa.float64()) for name in table.plan.outputs]
    return pa.schema(fields)


def _schema(table: Distributed) -> str:
    kinds = [] if table.single else [(str(table.names.id), "string" if table.text_ids else "bigint")]
    # Not "timestamp": with the setting above that means the one without a zone.
    time = "bigint" if table.axis.integer else "timestamp_ntz" if table.axis.zone is None else "timestamp_ltz"
    kinds.append((table.names.time, time))
    kinds += [(name, "string" if name in table.plan.scope.texts else "double") for name in table.plan.outputs]
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds)


def _without_rows(plan: FeaturePlan) -> FeaturePlan:
    """Return the plan without what the workers do not need: the joined tables above all."""
    return replace(plan, rows=())


def _sorted(table: Distributed) -> DataFrame:
    """Return the rows with each series in one partition, one after the other."""
    from pyspark.sql import functions as F

    session = table.frame.sparkSession
    parts = max(
        int(session.conf.get("spark.sql.shuffle.partitions", "8") or 8), 2 * session.sparkContext.defaultParallelism
    )
    target = table.names.target
    rest = sorted(n for n in (*table.plan.before.numbers, *table.plan.before.texts) if n in table.frame.columns)
    ties = [n for n in (target, *(n for n in rest if n != target)) if n not in (table.names.id, table.names.time)]
    order = [F.col(quoted(n)).asc_nulls_last() for n in (str(table.names.id), table.names.time, *ties)]
    wanted = [str(table.names.id), table.names.time, *table.plan.scope.numbers, *table.plan.scope.texts]
    chosen = table.frame.select(*[F.col(quoted(n)) for n in dict.fromkeys(wanted)])
    return chosen.repartition(parts, F.col(quoted(str(table.names.id)))).sortWithinPartitions(*order)


@dataclass(frozen=True)
class _Layout:
    """How the Arrow batches of a partition become series; travels to the workers."""

    names: FeatureRoles
    axis: TimeAxis
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    single: bool

    @classmethod
    def of(cls, table: Distributed) -> _Layout:
        scope = table.plan.scope
        return cls(table.names, table.axis, scope.numbers, scope.texts, table.single)

    def outward(self, batch: Batch) -> Batch:
        """Return a batch with the user's names."""
        return replace(batch, names=replace(batch.names, id=None)) if self.single else batch

    def series(self, batches: Iterator[Any]) -> Iterator[Batch]:
        """Yield whole series, many at a time; the last one of a batch may go on in the next."""
        import pyarrow as pa

        held: list[Any] = []
        rows = 0
        for batch in batches:
            if batch.num_rows == 0:
                continue
            held.append(batch)
            rows += batch.num_rows
            if rows < _ROWS:
                continue
            table = pa.Table.from_batches(held)
            ids = table.column(str(self.names.id)).combine_chunks()
            last = ids[len(ids) - 1]
            cut = _first_of_last(ids, last)
            if cut == 0:
                continue  # one long series: more of it may come
            yield self._batch(table.slice(0, cut))
            held = table.slice(cut).combine_chunks().to_batches()
            rows = len(ids) - cut
        if held:
            yield self._batch(pa.Table.from_batches(held))

    def _batch(self, table: Any) -> Batch:
        import pyarrow.compute as pc

        keys = table.column(str(self.names.id)).combine_chunks()
        encoded = keys.dictionary_encode()
        codes = encoded.indices.to_numpy().astype(np.int64)
        found = encoded.dictionary.to_pylist()
        # As objects at once: numpy's own texts lose NULs at their end.
        ids = np.array(found, dtype=object if found and isinstance(found[0], str) else np.int64)
        offsets = Offsets.of_lengths(np.bincount(codes, minlength=len(ids)))
        columns: dict[str, Array] = {
            name: pc.fill_null(table.column(name), float("nan")).to_numpy().copy() for name in self.numbers
        }
        columns |= {
            name: np.array(table.column(name).to_pylist(), dtype=object)
            for name in self.texts
            if name in table.column_names
        }
        times = table.column(self.names.time).to_numpy().copy()
        return Batch(ids, offsets, times, columns, self.names, self.axis)


def _first_of_last(ids: Any, last: Any) -> int:
    """Return where the rows of the last series begin."""
    import pyarrow.compute as pc

    return int(pc.index(ids, last).as_py())
