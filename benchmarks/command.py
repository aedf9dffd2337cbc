"""``zoo bench``: the figures of the README, measured on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["bench", "bench_eligibility", "bench_models", "bench_panels"]


def bench(
    suite: Annotated[
        str,
        typer.Argument(help="accuracy, online or speed; the others are commands of their own: `zoo bench --help`."),
    ],
    data: Annotated[Path | None, typer.Option(help="Folder of the public sets (accuracy, online).")] = None,
    only: Annotated[str, typer.Option(help="Names of sets or figures, separated by commas.")] = "",
    budget: Annotated[int | None, typer.Option(help="Seconds instead of each set's own budgets.")] = None,
    seed: Annotated[int, typer.Option(help="Of the fits.")] = 0,
    windows: Annotated[
        int, typer.Option(min=0, help="Forecast so many windows before each test window instead (accuracy).")
    ] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Fits of each set, with seeds from --seed on (accuracy).")] = 1,
    slow: Annotated[bool, typer.Option(help="Keep every core busy beside the fits (accuracy).")] = False,
) -> Outcome:
    """Print one JSON line per figure as it is measured."""
    records = []
    fits = {"seed": seed, "windows": windows, "seeds": seeds, "slow": slow}
    for record in _records(suite, data, [n for n in only.split(",") if n], budget, fits):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def bench_eligibility(data: Annotated[Path, typer.Option(help="Folder with a folder per set.")]) -> Outcome:
    """Print one JSON line per set, then what the checks cost."""
    from benchmarks import eligibility

    records = []
    for record in eligibility.run(data):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def bench_panels(
    sizes: Annotated[str, typer.Option(help="Pairs of series and rows.")] = "30490x1941,3000x200,30000x200,300000x200",
    budget: Annotated[float, typer.Option(min=1, help="Seconds of each fit.")] = 900.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that work on shards.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the data and the fits.")] = 0,
    forecasts: Annotated[bool, typer.Option(help="Forecast all series too, and compare with what came.")] = True,
) -> Outcome:
    """Print one JSON line per size of panel."""
    from benchmarks import panels

    pairs = [tuple(int(n) for n in pair.split("x")) for pair in sizes.split(",")]
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigError(f"--sizes must be pairs like 3000x200, but got {sizes!r}")
    records = []
    for record in panels.run(
        [(s, r) for s, r in pairs], budget=budget, workers=workers, seed=seed, forecasts=forecasts
    ):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def bench_models(
    data: Annotated[Path, typer.Option(help="Folder with a folder per set.")],
    only: Annotated[str, typer.Option(help="Names of families, separated by commas.")] = "",
    series: Annotated[int, typer.Option(min=1, help="Series of each set at most.")] = 60,
) -> Outcome:
    """Print one JSON line per set and family."""
    from benchmarks import models

    records = []
    for record in models.run(data, [n for n in only.split(",") if n], series=series):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def _records(
    suite: str, data: Path | None, only: list[str], budget: int | None, fits: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    if suite in ("accuracy", "online"):
        from benchmarks import accuracy, online

        sets = accuracy.SETS if suite == "accuracy" else online.SETS
        if data is None:
            raise ConfigError(f"the {suite} suite needs the public sets, but --data is not given", "give their folder")
        unknown = set(only) - set(sets)
        if unknown:
            raise ConfigError(f"a set must be one of {list(sets)}, but got {sorted(unknown)}", "see --only")
        print("forecasts of", ", ".join(only or sets), file=sys.stderr)
        if suite == "accuracy":
            yield from accuracy.run(data, only or list(sets), budget=budget, bare=True, **fits)
        else:
            yield from online.run(data, only or list(sets), budget=budget or 60, seed=fits["seed"])
    elif suite == "speed":
        from benchmarks import speed

        yield from speed.run(only)
    else:
        raise ConfigError(
            f"a suite must be accuracy, online or speed, but got {suite!r}", "for example `zoo bench speed`"
        )
