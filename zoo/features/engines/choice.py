"""Which engine a run takes, and why."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import psutil

from zoo.cluster import java
from zoo.features.spec import FeatureSpec
from zoo.tables.source import files_at

__all__ = ["MEASURED", "EngineChoice", "Pace", "choose", "estimate", "said_size"]

#: A table of text or compressed columns becomes so many times as large in memory.
_GROWS = {".parquet": 4.0, ".pq": 4.0, ".gz": 8.0}
#: Peak of the engine in memory over the size of the table (`zoo bench features`, figure 2).
PEAK = 3.0
#: Share of the free memory that a run may take.
_SHARE = 0.6


@dataclass(frozen=True)
class Pace:
    """How quick the engines are, for bytes of the table in memory.

    Args:
        start: Seconds until Spark has started and runs its first job.
        spark: Bytes a second of each core of Spark.
        pandas: Bytes a second of the engine in memory.
    """

    start: float
    spark: float
    pandas: float

    def seconds(self, size: float, cores: int) -> tuple[float, float]:
        """Return the seconds that a table takes in memory, and on so many cores of Spark."""
        return size / self.pandas, self.start + size / (self.spark * cores)

    def break_even(self, cores: int) -> float | None:
        """Return from how many bytes on Spark is quicker; None if it never is.

        >>> Pace(start=30.0, spark=2e6, pandas=20e6).break_even(20)
        1200000000.0
        >>> Pace(start=30.0, spark=2e6, pandas=20e6).break_even(2) is None
        True
        """
        gain = 1 / self.pandas - 1 / (self.spark * cores)
        return self.start / gain if gain > 0 else None


#: `zoo bench features --only even` on the machine of the README's figures.
MEASURED = Pace(start=33.0, spark=4.3e6, pandas=14e6)


@dataclass(frozen=True)
class EngineChoice:
    """What was chosen.

    Args:
        engine: The engine's name, pandas or spark.
        why: The reason, for a person to read.
    """

    engine: str
    why: str


def estimate(path: str) -> int | None:
    """Return how many bytes a table will take in memory; None if nobody knows."""
    sizes = [f.stat().st_size * _GROWS.get(f.suffix.lower(), 1.5) for f in files_at(path)]
    return int(sum(sizes)) if sizes else None


def choose(
    spec: FeatureSpec, path: str | None, *, asked: str | None = None, free: int | None = None, cores: int | None = None
) -> EngineChoice:
    """Return the engine of a run.

    Memory decides first, then time, by what `zoo bench features` measured (figure 3): on the cores of one machine the
    engine in memory is quicker at every size that fits, on a large cluster Spark is from its break-even on.

    Args:
        spec: The pipeline as it is written.
        path: The table, if it is in files.
        asked: An engine instead of the pipeline's.
        free: Bytes of memory, instead of what the machine has.
        cores: That Spark would get, instead of all but a quarter of the connected cluster's, or of this machine's.
    """
    engine = asked or spec.engine
    if engine != "auto":
        return EngineChoice(engine, "asked for")
    if spec.source.query is not None:
        return EngineChoice("spark", "the source is a query")
    bytes_ = estimate(path) if path is not None else None
    if bytes_ is None:
        return EngineChoice("pandas", "the size of the source is not known")
    free = psutil.virtual_memory().available if free is None else free
    need, limit = PEAK * bytes_, _SHARE * free
    said = f"about {said_size(bytes_)} in memory, {said_size(need)} at the peak; {said_size(free)} are free"
    if need <= limit:
        return _quicker(bytes_, said, _cores() if cores is None else cores)
    if java.find() is None:
        return EngineChoice("pandas", f"{said}: too large, but there is no Java for Spark: {java.INSTALL}")
    return EngineChoice("spark", f"{said}: too large for one process")


def _quicker(bytes_: int, said: str, cores: int) -> EngineChoice:
    """Return the engine that will be done first with a table that fits."""
    here, there = MEASURED.seconds(bytes_, cores)
    even = MEASURED.break_even(cores)
    beyond = "never quicker" if even is None else f"quicker from {said_size(even)} on"
    said += f"; about {here:.0f} s here, {there:.0f} s on Spark with {cores} core{'s' * (cores > 1)} ({beyond})"
    if there < here and java.find() is not None:
        return EngineChoice("spark", said)
    return EngineChoice("pandas", said)


def _cores() -> int:
    """Return what Spark would get: three quarters of the cluster that this process is connected to."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        have = int(ray.cluster_resources().get("CPU", 1))
    else:
        have = os.cpu_count() or 1
    return max(have - max(have // 4, 1), 1)


def said_size(count: float) -> str:
    """Return a number of bytes in words.

    >>> said_size(2.5e8)
    '250 MB'
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
