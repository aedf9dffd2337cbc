"""``zoo report``: the page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="A run directory, or a saved pipeline.")],
    out: Annotated[Path | None, typer.Option(help="Where to; report.html in the run directory by default.")] = None,
) -> Outcome:
    """Write the report."""
    if out is not None and out.is_dir():
        raise ConfigError(f"--out must be a file, but {out} is a folder", f"for example --out {out / 'report.html'}")
    from autots.api import load
    from autots.search.folder import PIPELINE, REPORT, write_whole

    pipeline = load(run)
    # A saved pipeline's own folder must hold nothing that it did not write.
    path = out or (run / REPORT if (run / PIPELINE).is_dir() else run.with_name(f"{run.name}.html"))
    write_whole(path, pipeline.report)
    return Outcome({"out": str(path), "bytes": path.stat().st_size}, f"report in {path}")
