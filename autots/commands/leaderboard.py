"""``zoo leaderboard``: what a fit tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from autots.commands.opened import opened
from autots.commands.screen import on_screen
from zoo.commands import Outcome

__all__ = ["leaderboard"]


def leaderboard(
    run: Annotated[Path, typer.Argument(help="A run directory, a saved pipeline, or a sharded fit.")],
    limit: Annotated[int, typer.Option(min=1, help="Rows to show; --json has all.")] = 30,
) -> Outcome:
    """Show the candidates, best first."""
    from autots.report.terminal import print_leaderboard

    pipeline = opened(run)
    frame = pipeline.leaderboard()
    rows = frame.to_dict("records")
    for row in rows:
        row["params"] = json.loads(row["params"])
    found = {"run": str(run), "metric": pipeline.metric_name, "leaderboard": rows}
    return Outcome(found, on_screen(lambda console: print_leaderboard(frame, console, limit=limit)))
