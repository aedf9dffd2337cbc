"""``zoo bench serve``: the figures of the endpoint, measured on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["bench_serve"]


def bench_serve(
    only: Annotated[str, typer.Option(help="Names of figures, separated by commas.")] = "",
) -> Outcome:
    """Print one JSON line per figure as it is measured."""
    from benchmarks.serve import figures

    names = tuple(name for name in only.split(",") if name)
    unknown = sorted(set(names) - set(figures.FIGURES))
    if unknown:
        raise ConfigError(f"a figure must be one of {list(figures.FIGURES)}, but got {unknown}", "see --only")
    records = []
    for record in figures.run(names):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})
