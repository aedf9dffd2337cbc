"""Figures 1 and 3: both engines on public sets, and Spark on a table that outgrows its executors."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.features.tables import steps, table
from zoo.errors import DataError
from zoo.features.engines.choice import MEASURED, Pace
from zoo.features.pipeline import FeaturePipeline
from zoo.features.run import FeatureReport, run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["SETS", "agreement", "break_even", "large", "session"]

#: Set -> season in rows.
SETS = {"gefcom2012_load": 24, "bike_sharing": 24, "vic_electricity": 48}
_LENGTH = 5000  # rows of a generated series
_CORES = 2


@contextmanager
def session() -> Iterator[tuple[SparkSession, float]]:
    """Yield Spark on two executors of one core and 1.5 GB, in a Ray cluster of this process, and what it took."""
    from zoo.cluster import spark

    began = time.monotonic()
    with spark(executors=_CORES, cores=1, memory="1500m", keep_free=0) as started:
        yield started, time.monotonic() - began


def agreement(data: Path, spark: SparkSession) -> Iterator[dict[str, Any]]:
    """Yield, per public set, whether both engines give the same bits.

    Args:
        data: Folder of the sets.
        spark: The Spark session that computes.

    Raises:
        DataError: A set is not there.
    """
    for name, season in SETS.items():
        file = data / name / "train.parquet"
        if not file.is_file():
            raise DataError(f"the sets must be in --data, but there is no {file}", "see `zoo bench features --help`")
        frame = pd.read_parquet(file)
        id, when, target = list(frame.columns[:3])
        pipeline = FeaturePipeline(_full(season), id=id, time=when, target=target, source=str(file))
        found = [run(pipeline, engine=engine, session=spark) for engine in ("pandas", "spark")]
        yield {
            "figure": f"1 engines agree on {name}",
            "rows": found[0].rows_out,
            "columns": len(found[0].columns),
            "checksums": [report.checksum for report in found],
            "seconds": {report.engine: report.seconds for report in found},
            "asked": "kernels bit-equal, aggregates within 1e-12",
            "reached": found[0].checksum == found[1].checksum,
        }


def _full(season: int) -> list[dict[str, Any]]:
    return [
        {"deduplicate": {}},
        {"resample": {"every": "1h", "how": "mean"}},
        {"impute": {"how": "linear", "limit": 6}},
        {"outliers": {"how": "iqr", "window": 7 * season}},
        {"calendar": ["hour", "weekday", "month", "holiday:US"]},
        {"lags": [1, season, 7 * season]},
        {"rolling": {"windows": [season, 7 * season], "how": ["mean", "std", "min", "max", "quantile:0.9"]}},
        {"ewm": {"halflife": [12]}},
        {"fourier": {"period": season, "order": 3}},
        {"difference": {"lag": season}},
        {"scale": {"how": "robust", "per": "id"}},
    ]


def large(rows: int, spark: SparkSession) -> dict[str, Any]:
    """Return what a generated table costs: 5 lags, 8 windows and 3 parts of the calendar, Parquet to Parquet."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        _generated(Path(folder) / "in", rows, spark)
        report = _run(Path(folder), "spark", spark)
        size = sum(f.stat().st_size for f in (Path(folder) / "in").glob("*.parquet"))
    return {
        "figure": f"3 Spark, 2 executors of 1 core and 1.5 GB, {rows:,} generated rows",
        "seconds": report.seconds,
        "rows_per_second": round(report.rows_out / report.seconds),
        "input_mb": round(size / 1e6),
        "rows_out": report.rows_out,
        "asked": "finishes",
        "reached": report.rows_out == rows // _LENGTH * _LENGTH,
    }


def break_even(sizes: tuple[int, ...], spark: SparkSession, starting: float) -> dict[str, Any]:
    """Return the seconds of both engines at several sizes, and from which size on Spark is faster.

    Args:
        sizes: Rows, at least two sizes.
        spark: The Spark session that computes.
        starting: Seconds that its start took.
    """
    found: dict[int, dict[str, float]] = {}
    bytes_: list[int] = []
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            at = Path(folder) / "in"
            at.mkdir()
            frame = table(rows)
            bytes_.append(int(frame.memory_usage(index=False).sum()))
            frame.to_parquet(at / "t.parquet")
            del frame
            _run(Path(folder), "spark", spark)  # its first jobs of a kind compile code
            found[rows] = {engine: _run(Path(folder), engine, spark).seconds for engine in ("pandas", "spark")}
    paces = {engine: _pace(bytes_, [took[engine] for took in found.values()]) for engine in ("pandas", "spark")}
    measured = Pace(start=starting + paces["spark"][0], spark=paces["spark"][1] / _CORES, pandas=paces["pandas"][1])
    return {
        "figure": "3 seconds by rows and engine",
        "seconds": {f"{rows:,}": took for rows, took in found.items()},
        "spark_start_seconds": round(measured.start, 1),
        "spark_mb_per_second_and_core": round(measured.spark / 1e6, 2),
        "pandas_mb_per_second": round(measured.pandas / 1e6, 2),
        "break_even_mb": {f"{cores} cores": _said(measured.break_even(cores)) for cores in (_CORES, 8, 16, 32, 64)},
        "used_by_auto": {
            "spark_start_seconds": MEASURED.start,
            "spark_mb_per_second_and_core": MEASURED.spark / 1e6,
            "pandas_mb_per_second": MEASURED.pandas / 1e6,
        },
        "asked": "printed",
    }


def _pace(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """Return the seconds before the first byte, and bytes a second, from the smallest and the largest table."""
    pace = (sizes[-1] - sizes[0]) / max(seconds[-1] - seconds[0], 1e-3)
    return max(seconds[0] - sizes[0] / pace, 0.0), pace


def _said(even: float | None) -> str:
    return "never" if even is None else f"{even / 1e6:,.0f}"


def _run(folder: Path, engine: str, spark: SparkSession) -> FeatureReport:
    pipeline = FeaturePipeline(
        steps(), id="unique_id", time="ds", target="y", source=str(folder / "in"), sink=str(folder / engine)
    )
    began = time.monotonic()
    report = run(pipeline, engine=engine, session=spark)
    assert report.seconds <= time.monotonic() - began + 1
    return report


def _generated(folder: Path, rows: int, spark: SparkSession) -> None:
    """Let Spark write hourly series."""
    from pyspark.sql import functions as F

    frame = spark.range(0, rows // _LENGTH * _LENGTH, numPartitions=16)
    hours = (F.col("id") % _LENGTH) * 3600
    frame.select(
        F.floor(F.col("id") / _LENGTH).alias("unique_id"),
        F.timestamp_seconds(hours + 1_672_531_200).cast("timestamp_ntz").alias("ds"),
        (50 + 5 * F.randn(seed=0)).alias("y"),
    ).write.parquet(str(folder))
