"""``zoo bench portfolio``: measure the table, and say what its order is worth on sets left out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
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
    out: Annotated[Path | None, typer.Option(help="File that the table of all measured sets is written to.")] = None,
) -> Outcome:
    """Measure what is missing, then print one JSON line per set that was left out, and their summary."""
    from benchmarks.portfolio.sets import SETS

    names = [n for n in only.split(",") if n] or list(SETS)
    if unknown := set(names) - set(SETS):
        raise ConfigError(f"a set must be one of {list(SETS)}, but got {sorted(unknown)}", "see --only")
    records = []
    measuring = _measured(data, folder, names, limit=limit, minutes=minutes, seed=seed)
    for record in chain(measuring, _left_out(data, folder, names, out)):
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
                said = {"set": name, **asdict(one), "rows": len(one.rows or ())}
                print(json.dumps(said), file=sys.stderr, flush=True)
                if time.process_time() > 60 * minutes:
                    return
            yield {"set": name, "measured": done, "processor_seconds": round(time.process_time() - began, 1)}


def _left_out(data: Path, folder: Path, names: list[str], out: Path | None) -> Iterator[dict[str, Any]]:
    """Yield one record per measured set, and one for all; write the table."""
    from autots.recipes.candidates import CANDIDATES
    from autots.recipes.order import OrderPolicy
    from autots.recipes.table import PortfolioTable
    from benchmarks.portfolio.measure import NOMINAL_SECONDS, SetData, read
    from benchmarks.portfolio.tabulate import row_of
    from benchmarks.portfolio.validate import Replay, left_out, summary
    from zoo.files import write_file

    sets = [SetData.of(data, name) for name in names if any((folder / name).glob("*.json"))]
    replays = [Replay(one, read(one, folder)) for one in sets]
    table = PortfolioTable(CANDIDATES, tuple(row_of(r.one, r.found) for r in replays), NOMINAL_SECONDS)
    if out is not None:
        write_file(out, table.to_json())
    records = list[dict[str, Any]]()
    if len(sets) > 1:
        for record in left_out(table, replays, policy=OrderPolicy()):
            records.append(record)
            yield record
        yield summary(records)
