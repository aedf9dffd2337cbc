"""``zoo evaluate``: forecasts against what came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autots.commands.opened import opened
from autots.commands.screen import on_screen
from zoo.commands import Outcome

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["evaluate"]

_SHOWN = ("mase", "smape", "mae", "rmse", "mse", "wape", "wql", "sql")


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory, a saved pipeline, or a sharded fit.")],
    data: Annotated[str, typer.Option(help="Table with rows after the history.")],
) -> Outcome:
    """Score the forecasts of a test table."""
    found = opened(run).evaluate(data)
    return Outcome(found, on_screen(lambda console: _draw(found, console)))


def _draw(found: dict[str, Any], console: Console) -> None:
    from rich.table import Table

    from autots.report.headline import defined
    from zoo.page.wording import percent, plural

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("metric")
    table.add_column("score", justify="right")
    table.add_column("better than seasonal naive by", justify="right")
    for name in _SHOWN:
        table.add_row(name, defined(found[name]), percent(found["skill"].get(name, float("nan"))))
    console.print(table)
    for nominal, observed in found["coverage"].items():
        console.print(f"{percent(float(nominal))} interval: covered {percent(observed, 1)}")
    console.print(f"{plural(found['rows'], 'row')} of {plural(found['series'], 'series', 'series')}")
