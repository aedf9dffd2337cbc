"""Figures of the hand-over: the same Spark table by each way, and whether ``auto`` takes a good one."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands import Outcome
from zoo.tables.exchange import Way, choose, to_ray

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["bench_handover", "handover", "handover_table"]

_WAYS: tuple[Way, ...] = ("arrow", "from_spark", "parquet")


def bench_handover(
    rows: Annotated[int, typer.Option(min=1, help="Rows of the table of 8 columns.")] = 5_000_000,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds that count.")] = 3,
    memory: Annotated[str, typer.Option(help="Heap of Spark's executor and driver.")] = "2g",
) -> Outcome:
    """Print one JSON line per way, then one about the way that auto takes."""
    from zoo.cluster import connect, spark

    records = []
    with connect(workers=2), spark(executors=1, cores=1, memory=memory) as session:
        for record in handover(session, rows=rows, repeats=repeats):
            records.append(record)
            print(json.dumps(record), file=sys.stderr, flush=True)
    return Outcome({"records": records}, "\n".join(json.dumps(record) for record in records))


def handover_table(session: SparkSession, rows: int) -> DataFrame:
    """Return the table of figure 4: 8 columns, generated where it is needed, in as many partitions as CPUs times 4."""
    parts = 4 * max(1, session.sparkContext.defaultParallelism)
    return session.range(0, rows, 1, parts).selectExpr(
        "cast(id % 1000 as int) AS meter",
        "timestamp_seconds(id) AS ts",
        *(f"rand({seed}) AS x{seed}" for seed in range(5)),
        "cast(id AS string) AS note",
    )


def handover(session: SparkSession, *, rows: int = 5_000_000, repeats: int = 3) -> Iterator[dict[str, Any]]:
    """Yield the median seconds of each way, then what ``auto`` takes and how far it is from the best.

    The ways take turns, after a round with a tenth of the rows, in which the JVMs and Ray's workers warm up.

    Args:
        session: A session that ``zoo.cluster.spark()`` started.
        rows: Number of rows of the table that is handed over.
        repeats: Rounds whose median counts, after the warm-up.
    """
    import ray

    table = handover_table(session, rows)
    ray.data.DataContext.get_current().enable_progress_bars = False
    for way in _WAYS:
        to_ray(handover_table(session, max(1, rows // 10)), way).count()
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    for _ in range(repeats):
        for way in _WAYS:
            began = time.perf_counter()
            found = to_ray(table, way)
            got = found.count()
            seconds[way].append(time.perf_counter() - began)
            assert got == rows, (way, got)
            del found
    median = {way: statistics.median(values) for way, values in seconds.items()}
    for way in _WAYS:
        yield {
            "figure": "handover",
            "way": way,
            "rows": rows,
            "columns": 8,
            "seconds": round(median[way], 2),
            "all": [round(value, 2) for value in seconds[way]],
        }
    choice = choose(table)
    best = min(median.values())
    yield {
        "figure": "handover",
        "way": f"auto: {choice.via}",
        "reason": choice.reason,
        "seconds": round(median[choice.via], 2),
        "over_best": round(median[choice.via] / best - 1, 3),
        "asked": "over_best <= 0.2",
        "held": median[choice.via] <= 1.2 * best,
    }
