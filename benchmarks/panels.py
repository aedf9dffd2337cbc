"""Sharded fits of panels of any size, made of nothing: daily sales of products, as many as a large retailer's."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["peak_memory", "run", "write_sales"]

_HORIZON = 28  # days that are forecast, and compared with what came
_LOOK = 1.0  # seconds between two looks at the memory

_BLOCK_ROWS = 2_000_000
_START = np.datetime64("2018-01-01")


# A fit in a process of its own, whose memory is watched from outside with all that it starts.
_CHILD = """
import json, sys, time
from autots.shards import ShardedAutoTS
source, test, out, budget, workers, seed, forecasts = sys.argv[1:8]
auto = ShardedAutoTS(28, out=out, budget=float(budget), workers=int(workers), seed=int(seed))
began = time.perf_counter()
made = auto.fit(source)
fitted = time.perf_counter() - began
told = {"seconds": made.seconds, "fit": fitted, "messages": made.messages, "scores": None}
began = time.perf_counter()
if forecasts == "yes":
    made.predict(out=out + "/forecasts")
    told |= {"forecast": time.perf_counter() - began, "scores": made.evaluate(test, learning=False)}
print(json.dumps(told | {"members": [m.family for m in made.search.members]}))
"""


def run(
    sizes: Sequence[tuple[int, int]], *, budget: float, workers: int, seed: int = 0, forecasts: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield one record for each size of panel: seconds by phase, memory of all processes, and scores of what came.

    Args:
        sizes: Pairs of series and rows.
        budget: Seconds of each fit.
        workers: Processes that work on shards.
        seed: Of the data and the fits.
        forecasts: Whether all series are forecast and compared with what came, which takes as long again.
    """
    for series, rows in sizes:
        with tempfile.TemporaryDirectory(prefix="panel-") as made:
            folder = Path(made)
            write_sales(folder / "table", series=series, rows=rows, seed=seed, by_time=rows < 1000)
            test = _table(np.arange(series), np.arange(rows, rows + _HORIZON), rows, seed)
            pq.write_table(test, folder / "test.parquet")
            del test
            arguments = [str(folder / "table"), str(folder / "test.parquet"), str(folder / "out")]
            arguments += [str(budget), str(workers), str(seed), "yes" if forecasts else "no"]
            child = subprocess.Popen(  # noqa: S603 our own interpreter and text
                [sys.executable, "-c", _CHILD, *arguments], stdout=subprocess.PIPE, text=True
            )
            peak = peak_memory(child)
            assert child.stdout is not None
            lines = child.stdout.read().splitlines()
            if child.returncode or not lines:
                raise RuntimeError(f"the fit of {series} series ended with {child.returncode}")
            told = json.loads(lines[-1])
        scores = told.pop("scores")
        yield {
            "figure": "panel",
            "series": series,
            "rows": rows,
            "budget": budget,
            "peak_gib": round(peak / 2**30, 2),
            **({} if scores is None else {k: scores[k] for k in ("mase", "skill", "coverage")}),
            **told,
        }


def peak_memory(process: subprocess.Popen[str]) -> int:
    """Wait for a process, and return the most bytes that it and all that it started had together.

    What processes share counts once (proportional set size).
    """
    peak = 0
    while process.poll() is None:
        peak = max(peak, _held(process.pid))
        time.sleep(_LOOK)
    return peak


def _held(pid: int) -> int:
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for one in family:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def write_sales(folder: Path, *, series: int, rows: int, seed: int = 0, by_time: bool = False) -> list[Path]:
    """Write Parquet files of daily sales with the columns ``id``, ``date`` and ``sales``, and return them.

    Most series sell little on most days; all have a week and a year, some a trend, and a tenth begins late.

    Args:
        folder: Where the files go; it is made.
        series: Number of series S.
        rows: Days of each series but those that begin late.
        seed: Source of chance of all values.
        by_time: Whether every file has some days of all series, as daily exports do, rather than some series.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for block in _blocks(series, rows, seed, by_time=by_time):
        files.append(folder / f"part-{len(files):04d}.parquet")
        pq.write_table(block, files[-1], row_group_size=_BLOCK_ROWS // 2)
    return files


def _blocks(series: int, rows: int, seed: int, *, by_time: bool) -> Iterator[pa.Table]:
    """Yield tables of about two million rows."""
    if by_time:
        size = max(1, _BLOCK_ROWS // series)
        for first in range(0, rows, size):
            days = np.arange(first, min(first + size, rows))
            yield _table(np.arange(series), days, rows, seed)
        return
    size = max(1, _BLOCK_ROWS // rows)
    for first in range(0, series, size):
        yield _table(np.arange(first, min(first + size, series)), np.arange(rows), rows, seed)


def _table(series: np.ndarray, days: np.ndarray, rows: int, seed: int) -> pa.Table:
    """Return the sales of some series on some days; a series' level is the same in whichever block."""
    chance = np.random.default_rng([seed, int(series[0]), int(days[0])])
    # What a series is follows from its number alone.
    mixed = (series.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)) >> np.uint64(11)
    one = mixed.astype(np.float64) / 2.0**53
    two, three = (one * 7919.0) % 1.0, (one * 104729.0) % 1.0
    level = np.exp(-1.0 + 4.0 * one)[:, None]
    week = 1.0 + 0.4 * np.sin(2 * np.pi * (days[None, :] % 7) / 7 + 6 * two[:, None])
    year = 1.0 + 0.3 * np.sin(2 * np.pi * days[None, :] / 365.25 + 6 * three[:, None])
    trend = 1.0 + np.where(two < 0.3, 0.6, 0.0)[:, None] * days[None, :] / rows
    sales = chance.poisson(level * week * year * trend).astype(np.float64)
    begins = np.where(three < 0.1, (two * 0.7 * rows).astype(np.int64), 0)
    seen = days[None, :] >= begins[:, None]
    at, when = np.nonzero(seen)
    names = np.array([f"item_{i:06d}" for i in series], dtype=object)
    ids = pa.DictionaryArray.from_arrays(pa.array(at.astype(np.int32)), pa.array(names)).cast(pa.string())
    dates = pa.array((_START + days)[when].astype("datetime64[s]"))
    return pa.table({"id": ids, "date": dates, "sales": pa.array(sales[seen])})
