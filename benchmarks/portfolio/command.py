"""``zoo bench portfolio``: measure the table, and say what its order is worth on sets left out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["bench_portfolio"]


def bench_portfolio(
    data: Annotated[Path, typer.Option(help="Folder with a folder per set.")],
    folder: Annotated[Path, typer.Option(help="Scratch folder of the measurements; what is in it is not repeated.")],
    only: Annotated[str, typer.Option(help="Names of sets, separated by commas; all by default.")] = "",
    limit: Annotated[float, typer.Option(help="Processor seconds of a candidate at a fidelity.")] = 8.0,
    minutes: Annotated[float, typer.Option(help="Processor minutes of all that is measured now; 0 for none.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Of the backtests.")] = 0,
) -> Outcome:
    """Measure what is missing, and print one JSON line per set."""
    from benchmarks.portfolio.sets import SETS

    names = [n for n in only.split(",") if n] or list(SETS)
    if unknown := set(names) - set(SETS):
        raise ConfigError(f"a set must be one of {list(SETS)}, but got {sorted(unknown)}", "see --only")
    records = []
    for record in _measured(data, folder, names, limit=limit, minutes=minutes, seed=seed):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def _measured(
    data: Path, folder: Path, names: list[str], *, limit: float, minutes: float, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield one record per set whose measurements were completed."""
    from threadpoolctl import threadpool_limits

    from benchmarks.portfolio.measure import SetData, measured, warm_up

    if minutes <= 0:
        return
    with threadpool_limits(1):
        warm_up()
        for name in names:
            began, done = time.process_time(), 0
            for one in measured(SetData.of(data, name), folder, limit=limit, seed=seed):
                done += 1
                print(
                    json.dumps({"set": name, **asdict(one), "rows": len(one.rows or ())}), file=sys.stderr, flush=True
                )
                if time.process_time() > 60 * minutes:
                    return
            yield {"set": name, "measured": done, "processor_seconds": round(time.process_time() - began, 1)}
