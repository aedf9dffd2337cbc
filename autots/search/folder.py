"""The run directory: what a fit leaves for people and programs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ArtifactError, ConfigError
from zoo.files import replacing

if TYPE_CHECKING:
    from autots.pipeline import Pipeline

__all__ = ["FORECASTS", "LEADERBOARD", "PIPELINE", "REPORT", "check_writable", "write_run", "write_whole"]

PIPELINE = "pipeline"
LEADERBOARD = "leaderboard.csv"
FORECASTS = "forecasts.parquet"
REPORT = "report.html"


def write_run(pipeline: Pipeline, folder: Path) -> None:
    """Write the pipeline, the leaderboard, the forecasts and the report into a run directory.

    The pipeline goes first and each file is whole or absent, so that an interruption leaves a valid run. Forecasts that
    need the future of known covariates are not written: nobody has given it yet.

    Args:
        pipeline: What the fit has returned.
        folder: The run directory, which exists.

    Raises:
        ArtifactError: A file cannot be written.
    """
    pipeline.save(folder / PIPELINE)
    write_whole(folder / LEADERBOARD, lambda path: pipeline.leaderboard().to_csv(path, index=False))
    forecasts = folder / FORECASTS
    if pipeline.known:
        forecasts.unlink(missing_ok=True)  # of an earlier fit
    else:
        frame = pipeline.predict().rename(columns=str)
        write_whole(forecasts, lambda path: frame.to_parquet(path))
    write_whole(folder / REPORT, pipeline.report)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path`` and move it there when it is whole; parent folders are made.

    Raises:
        ArtifactError: The file system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            write(part)
    except OSError as error:
        raise ArtifactError(
            f"{path} must be writable, but {error.strerror or error}", "choose another path, or free space"
        ) from error


def check_writable(folder: Path) -> None:
    """Make a folder and write a file into it, so that a mistake shows before the search and not after it.

    Raises:
        ConfigError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"a run directory must be a folder that can be written to, but {folder} cannot: {error.strerror or error}",
            "choose another one with --out (out= in Python)",
        ) from error
