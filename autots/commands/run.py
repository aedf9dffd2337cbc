"""A fit into a run directory, told to a person and to a program."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autots.commands.screen import on_screen
from zoo.commands import Outcome, seconds_since_begin

if TYPE_CHECKING:
    from autots.pipeline import Pipeline

__all__ = ["default_run", "fit_run", "sharded_run"]


def default_run(data: str) -> Path:
    """Return ``runs/<data>-<yyyymmdd-hhmmss>`` for a file, folder or pattern."""
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in Path(data).name.split(".")[0])
    return Path("runs") / f"{stem.strip('_') or 'data'}-{time.strftime('%Y%m%d-%H%M%S')}"


def fit_run(
    data: Any,
    run: Path,
    options: Mapping[str, Any],
    *,
    resume: bool = False,
    title: str | None = None,
    test: Path = Path("NEW_ROWS.csv"),
    future: Path = Path("FUTURE.csv"),
) -> Outcome:
    """Fit into ``run`` and return what was found, where it is and what can be typed next.

    Args:
        data: The table, in any form that ``AutoTS.fit`` takes.
        run: The run directory, which must be new unless a run is resumed.
        options: Arguments of ``AutoTS``, by name.
        resume: Whether to go on with the run that the directory holds; False by default.
        title: What is forecast; the name of the data by default.
        test: Table to be named in the command that evaluates.
        future: Table to be named in the command that forecasts, if there are known covariates.
    """
    from autots.api import AutoTS
    from autots.report.terminal import TerminalProgress, print_leaderboard, print_outcome

    auto = AutoTS(**options, out=run, resume=resume, progress=TerminalProgress(), already_spent=seconds_since_begin())
    pipeline = auto.fit(data, title=title)
    steps = _next_steps(pipeline, run, test, future)

    def draw(console: Any) -> None:
        print_leaderboard(pipeline.facts.leaderboard, console, limit=10)
        print_outcome(pipeline.facts, run, steps, console=console)

    return Outcome(_found(pipeline, run, steps), on_screen(draw))


def sharded_run(data: str, run: Path, options: Mapping[str, Any], *, resume: bool = False) -> Outcome:
    """Fit a table in shards into ``run``, and return what was found and what can be typed next.

    Args:
        data: The path of the table.
        run: The folder, which must be new unless a fit is resumed.
        options: Arguments of ``AutoTS``, by name.
        resume: Whether to go on with the fit that the folder holds; False by default.
    """
    from autots.report.terminal import TerminalProgress, print_leaderboard
    from autots.shards import ShardedAutoTS

    spent = seconds_since_begin()
    auto = ShardedAutoTS(**options, out=run, resume=resume, progress=TerminalProgress(), already_spent=spent)
    pipeline = auto.fit(data)
    at = shlex.quote(str(run))
    future = " --future FUTURE.parquet" if pipeline.known else ""
    steps = [
        f"zoo forecast {at}{future} --out forecasts",
        f"zoo evaluate {at} --data NEW_ROWS.parquet",
        f"zoo leaderboard {at}",
        f"zoo report {at}",
    ]

    def draw(console: Any) -> None:
        print_leaderboard(pipeline.leaderboard(), console, limit=10)
        console.print(f"{pipeline.n_series:,} series, {pipeline.n_rows:,} rows in {run}")
        for line in (*pipeline.messages, "next:", *(f"  {step}" for step in steps)):
            console.print(line, highlight=False)

    found = {
        "run": str(run),
        "series": pipeline.n_series,
        "rows": pipeline.n_rows,
        "members": [m.family for m in pipeline.search.members],
        "seconds": pipeline.seconds,
        "messages": list(pipeline.messages),
        "next": steps,
    }
    return Outcome(found, on_screen(draw))


def _next_steps(pipeline: Pipeline, run: Path, test: Path, future: Path) -> list[str]:
    """Return commands with the real paths, ready to be pasted."""
    at = shlex.quote(str(run))
    given = f" --future {shlex.quote(str(future))}" if pipeline.known else ""
    return [
        f"zoo forecast {at}{given} --out forecast.csv",
        f"zoo evaluate {at} --data {shlex.quote(str(test))}",
        f"zoo leaderboard {at}",
        f"open {shlex.quote(str(run / 'report.html'))} in a browser",
    ]


def _found(pipeline: Pipeline, run: Path, steps: list[str]) -> dict[str, Any]:
    from autots.report.found import told

    facts = pipeline.facts
    board = facts.leaderboard
    used = board[(board["weight"] > 0) & (board["family"] != "ensemble")]
    return {
        "run": str(run),
        "files": sorted(entry.name + ("/" if entry.is_dir() else "") for entry in run.iterdir()),
        "settings": dict(facts.settings),
        "score": float(board["score"].iloc[0]),
        "skill": float(board["skill"].iloc[0]),
        "final": {who: dict(scores) for who, scores in facts.final.items()},
        "coverage": dict(facts.coverage),
        "members": used[["model", "weight"]].to_dict("records"),
        "seconds": dict(facts.seconds),
        **told(facts.data),
        "messages": list(facts.messages),
        "next": steps,
    }
