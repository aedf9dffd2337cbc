"""``zoo features run | explain``: pipelines from files."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import Outcome

__all__ = ["explain_features", "run_features"]

_File = Annotated[Path, typer.Argument(help="The pipeline's YAML file.")]


def run_features(
    pipeline: _File,
    engine: Annotated[str | None, typer.Option(help="auto, pandas or spark, instead of the file's.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Version or time of a versioned source.")] = None,
    append: Annotated[bool, typer.Option(help="Only compute what new rows change.")] = False,
) -> Outcome:
    """Read, compute, write."""
    from zoo.errors import ConfigError
    from zoo.features.pipeline import FeaturePipeline
    from zoo.features.run import run

    if engine not in (None, "auto", "pandas", "spark"):
        raise ConfigError(f"an engine must be auto, pandas or spark, but got {engine!r}", "see --engine")
    report = run(
        FeaturePipeline.from_yaml(pipeline),
        engine=engine,
        as_of=as_of,
        appending=append,
        say=lambda text: print(text, file=sys.stderr),
    )
    version = "" if report.version is None else f", version {report.version}"
    lines = [
        f"engine    {report.engine}: {report.why}",
        f"rows      {report.rows_in:,} in, {report.rows_out:,} out, {len(report.columns)} columns",
        f"checksum  {report.checksum}",
        f"sink      {report.sink or 'none'}{version}",
        f"seconds   {report.seconds:.2f}",
        *(f"note      {note}" for note in report.notes),
    ]
    return Outcome(asdict(report), "\n".join(lines))


def explain_features(pipeline: _File) -> Outcome:
    """Show the plan."""
    from zoo.features.explain import explain
    from zoo.features.pipeline import FeaturePipeline

    found = explain(FeaturePipeline.from_yaml(pipeline))
    return Outcome({k: v for k, v in found.items() if k != "text"}, found["text"])
