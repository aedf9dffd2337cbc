"""``zoo report``: the page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autots.commands.opened import opened
from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="A run directory, a saved pipeline, or a sharded fit.")],
    out: Annotated[Path | None, typer.Option(help="Where to; report.html in the run directory by default.")] = None,
) -> Outcome:
    """Write the report."""
    if out is not None and out.is_dir():
        raise ConfigError(f"--out must be a file, but {out} is a folder", f"for example --out {out / 'report.html'}")
    from autots.search.folder import REPORT, write_whole

    pipeline = opened(run)
    # A saved pipeline's own folder must hold nothing that it did not write.
    saved = (run / "manifest.json").is_file()
    path = out or (run.with_name(f"{run.name}.html") if saved else run / REPORT)
    write_whole(path, pipeline.report)
    return Outcome({"out": str(path), "bytes": path.stat().st_size}, f"report in {path}")
