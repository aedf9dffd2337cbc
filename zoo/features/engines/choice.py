"""Which engine a run takes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from zoo.cluster import java
from zoo.features.spec import Spec

__all__ = ["Choice", "choose", "estimate"]

#: A table of text or compressed columns becomes so many times as large in memory.
_GROWS = {".parquet": 4.0, ".pq": 4.0, ".gz": 8.0}
#: Peak of the engine in memory over the size of the table (`zoo bench features`, figure 2).
PEAK = 3.0
#: Share of the free memory that a run may take.
_SHARE = 0.6


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Args:
        engine: pandas or spark.
        why: In words.
    """

    engine: str
    why: str


def estimate(path: str) -> int | None:
    """Return how many bytes a table will take in memory; None if nobody knows."""
    at = Path(path)
    if any(sign in path for sign in "*?["):
        files = [f for f in Path(at.anchor or ".").glob(str(at.relative_to(at.anchor)) if at.anchor else path)]
    else:
        files = [f for f in at.rglob("*")] if at.is_dir() else [at]
    sizes = [f.stat().st_size * _GROWS.get(f.suffix.lower(), 1.5) for f in files if f.is_file()]
    return int(sum(sizes)) if sizes else None


def choose(spec: Spec, path: str | None, *, asked: str | None = None, free: int | None = None) -> Choice:
    """Return the engine of a run.

    Memory decides, not time: on one machine the engine in memory was faster at every size that fits (`zoo bench
    features`, figure 3), so Spark is for tables that do not.

    Args:
        spec: The pipeline.
        path: The table, if it is in files.
        asked: An engine instead of the pipeline's.
        free: Bytes of memory, instead of what the machine has.
    """
    engine = asked or spec.engine
    if engine != "auto":
        return Choice(engine, "asked for")
    if spec.source.query is not None:
        return Choice("spark", "the source is a query")
    bytes_ = estimate(path) if path is not None else None
    if bytes_ is None:
        return Choice("pandas", "the size of the source is not known")
    free = psutil.virtual_memory().available if free is None else free
    need, limit = PEAK * bytes_, _SHARE * free
    said = f"about {_size(bytes_)} in memory, {_size(need)} at the peak; {_size(free)} are free"
    if need <= limit:
        return Choice("pandas", said)
    if java.find() is None:
        return Choice("pandas", f"{said}: too large, but there is no Java for Spark: {java.INSTALL}")
    return Choice("spark", f"{said}: too large for one process")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
