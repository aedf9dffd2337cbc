"""``zoo bench calibration``: intervals against what came, over many origins of all sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.accuracy import SETS
from benchmarks.calibration.judge import Judged, judged, of_set, summary
from benchmarks.calibration.rolling import origins_of
from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["bench_calibration", "run"]


def bench_calibration(
    data: Annotated[Path, typer.Option(help="Folder with a folder per set.")],
    folder: Annotated[Path, typer.Option(help="Where forecasts are kept between runs.")],
    only: Annotated[str, typer.Option(help="Names of sets, separated by commas.")] = "",
    first: Annotated[int, typer.Option(min=1, help="Newest origin, in horizons before the end of the test.")] = 1,
    last: Annotated[int, typer.Option(min=1, help="Oldest origin.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the fits.")] = 0,
) -> Outcome:
    """Print one JSON line per set, then one for all of them together."""
    records = []
    for record in run(data, folder, [n for n in only.split(",") if n], origins=range(first, last + 1), seed=seed):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def run(
    data: Path, folder: Path, only: Sequence[str], *, origins: Sequence[int], seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield one record per set, then one for all.

    Args:
        data: The folder of the sets.
        folder: Where forecasts are kept, so that another calibration is judged in seconds.
        only: Names of sets; empty for all.
        origins: How many horizons before the end of each set's test; 1 is the test window.
        seed: Source of chance of the fits.

    Raises:
        ConfigError: A name is none of a set.
    """
    unknown = sorted(set(only) - set(SETS))
    if unknown:
        raise ConfigError(f"a set must be one of {list(SETS)}, but got {unknown}", "see --only")
    sets: dict[str, list[Judged]] = {}
    for name in only or SETS:
        found = origins_of(data, folder, name, origins=origins, seed=seed)
        sets[name] = [one for one in map(judged, found.values()) if len(one.covered)]
        if sets[name]:
            yield of_set(name, sets[name])
    if len(sets) > 1:
        yield summary(sets)
