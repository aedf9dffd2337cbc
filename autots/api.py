"""The three names that most users need: AutoTS, Pipeline, load."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autots.metrics import metric as known_metric
from autots.models.base import DEFAULT_LEVELS
from autots.panel.build import read_panel
from autots.panel.schema import id_columns
from autots.pipeline import Pipeline
from autots.report.terminal import Live, Progress, Silent
from autots.search.fit import Run, Settings, fit
from autots.search.folder import PIPELINE, check_writable, write_run
from autots.search.interrupt import Interrupt
from zoo.clock import Deadline, parse_duration
from zoo.errors import ArtifactError, ConfigError
from zoo.places import local_path
from zoo.tables.source import read as read_table

__all__ = ["AutoTS", "Pipeline", "load"]

# Seconds to write the run and to stop Ray, which needs up to two.
_TAIL = 1.5


class AutoTS:
    """Finds a calibrated forecaster for a table within a wall-clock budget.

    Args:
        horizon: Steps to forecast.
        budget: Seconds, or a text like ``"5min"``; includes everything from reading the table to the final fit.
        metric: ``mase`` (default), ``mae``, ``mse``, ``rmse``, ``smape``, ``wape``, ``wql``, ``sql`` or ``owa``.
        quantiles: Levels of the forecast's quantile columns.
        seed: Of everything random.
        freq: pandas offset alias, or the step of an integer clock; found in the table if None.
        season: Season length(s) in rows; found if None.
        known: Columns whose future is known when forecasting.
        static: Columns, or a table (or its path) with one row per series.
        id_col: Column that names the series.
        time_col: Column of the clock.
        target_col: Column to forecast.
        folds: Backtest windows that choose; decided by the length of the series if None.
        workers: Worker processes; all CPUs of the machine or cluster if None.
        out: Run directory (study, out-of-fold forecasts, pipeline, report); a temporary one if None.
        resume: Go on with the run in ``out``.
        address: Of a Ray cluster; ``RAY_ADDRESS`` or an embedded Ray if None.
        features: A feature pipeline (``zoo.features.Pipeline``, or the path of its file): ``fit`` and everything after
            it then take raw rows. It names the columns, so no other argument may.
        strict: Whether columns that must not be used (see ``autots.eligibility``) stop the fit; else the report names
            them.
        progress: A progress display; a live one on a terminal if None.
        already_spent: Seconds of the budget that are gone already.

    Raises:
        ConfigError: An argument is invalid.

    Example:
        >>> AutoTS(horizon=12, budget="1min").budget
        60.0
    """

    def __init__(
        self,
        horizon: int,
        *,
        budget: float | str = "5min",
        metric: str = "mase",
        quantiles: Sequence[float] = DEFAULT_LEVELS,
        seed: int = 0,
        freq: str | int | None = None,
        season: int | Sequence[int] | None = None,
        known: Sequence[str] = (),
        static: Any = None,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
        folds: int | None = None,
        workers: int | None = None,
        out: str | Path | None = None,
        resume: bool = False,
        address: str | None = None,
        features: Any = None,
        strict: bool = False,
        progress: Progress | None = None,
        already_spent: float = 0.0,
    ) -> None:
        self.budget = parse_duration(budget)
        known_metric(metric)
        self.settings = Settings(
            horizon=_whole("horizon", horizon),
            budget=self.budget,
            metric=metric,
            levels=_levels(quantiles),
            seed=_whole("seed", seed, least=0),
            seasons=_seasons(season),
            folds=None if folds is None else _whole("folds", folds),
            workers=None if workers is None else _whole("workers", workers),
            address=address,
        )
        if isinstance(known, str):
            raise ConfigError(
                f"known must be a list of columns, but got the text {known!r}", f"write known=[{known!r}]"
            )
        self._columns = {
            "freq": freq,
            "id_col": id_col,
            "time_col": time_col,
            "target_col": target_col,
            "known": tuple(known),
            "static": static,
        }
        names = [name for name, given in self._columns.items() if name not in ("freq", "known") and given is not None]
        given = [*names, *(["known"] if known else [])]
        if features is not None and given:
            raise ConfigError(
                f"a feature pipeline must be the only one to name columns, but {given[0]} is given, too",
                "say it in the pipeline's source",
            )
        self.features = features
        self.out = None if out is None else local_path(out, "a run's folder")
        self.resume = resume
        if resume and self.out is None:
            raise ConfigError("resume needs the run directory, but out is not given", "give out=...")
        self.strict = strict
        self._progress = progress
        self._already_spent = already_spent

    def fit(self, data: Any = None, *, title: str | None = None, strict: bool | None = None) -> Pipeline:
        """Search, combine, calibrate and fit.

        Args:
            data: A pandas or Arrow table, a Ray Dataset, a Spark DataFrame, or the path of CSV or Parquet files, in any
                usual layout (see ``autots.panel``). With a feature pipeline: raw rows, or None for its own source.
            title: What is forecast, for the report.
            strict: Instead of what the constructor was given.

        Raises:
            DataError: The table cannot be used, or ``strict`` and a column is ineligible; nothing was started.
            ConfigError: The run directory is taken, or an argument contradicts the table.
            ClusterError: Ray cannot be started or reached.
            KeyboardInterrupt: Ctrl-C before anything was found, or a second one; the first one later ends the search.
        """
        tail = min(_TAIL, 0.1 * self.budget)
        deadline = Deadline.after(self.budget - tail, already_spent=self._already_spent)
        # Imported here: a forecaster that is loaded needs neither, and a first forecast is waited for.
        from autots.eligibility import earlier_version, examine
        from autots.features import Features

        progress = self._progress if self._progress is not None else _display()
        progress.started(self.budget)
        try:
            progress.stage("reading the table")
            table: Any
            made, columns = None, self._columns
            if self.features is not None:
                made, table = Features.of(self.features, data)
                columns = columns | made.roles
            else:
                table = read_table(data, text=id_columns(columns["id_col"]))
            read = read_panel(table, horizon=self.settings.horizon, **columns)
            progress.stage("checking the columns")
            found = examine(
                table, read, horizon=self.settings.horizon, before=None if made is not None else earlier_version(data)
            )
            if self.strict if strict is None else strict:
                found.refuse()
            read = replace(read, report=found.noted(read.report))
            named = title or (Path(data).stem if isinstance(data, str | Path) else "forecast")
            with _RunFolder(self.out) as folder, Interrupt() as interrupt:
                pipeline = fit(read, self.settings, Run(folder, deadline, progress, named, self.resume, interrupt))
                pipeline.features = made
                if self.out is not None:
                    progress.stage("writing the run")
                    write_run(pipeline, folder)
                return pipeline
        finally:
            progress.finished()


def load(path: str | Path, *, mapped: bool = False) -> Pipeline:
    """Read a saved pipeline: the folder that ``Pipeline.save`` wrote, or a run directory with one inside.

    Args:
        path: The folder.
        mapped: Leave its arrays in their files, as memory that all processes of a machine share. The files must not be
            changed in place while the pipeline is used; saving another one there is fine.

    Raises:
        ArtifactError: The folder is missing, foreign, damaged or tampered with.
    """
    path = Path(path)
    inside = path / PIPELINE
    if inside.is_dir():
        return Pipeline.load(inside, mapped=mapped)
    if (path / "run.json").is_file():
        raise ArtifactError(
            f"a run must have ended to be used, but {path} has no pipeline yet",
            "wait for its fit, or go on with it: add --resume to the same fit (resume=True in Python)",
        )
    if path.is_dir() and not (path / "manifest.json").is_file():
        raise ArtifactError(
            f"a folder must be a run or a saved pipeline to be used, but {path} is neither",
            "give the directory that `zoo fit` made (--out), or that Pipeline.save wrote",
        )
    return Pipeline.load(path, mapped=mapped)


class _RunFolder:
    """The user's run directory, or a temporary one that goes with the fit."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> Path:
        if self._path is None:
            self._folder = Path(tempfile.mkdtemp(prefix="autots-"))
            return self._folder
        check_writable(self._path)
        return self._path

    def __exit__(self, *error: object) -> None:
        if self._path is None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _display() -> Progress:
    import sys

    return Live() if sys.stderr.isatty() else Silent()


def _whole(name: str, value: Any, *, least: int = 1) -> int:
    number = None if isinstance(value, bool | str) else _number(value)
    if number is None or number != int(number) or number < least:
        raise ConfigError(
            f"{name} must be a whole number of at least {least}, but got {value!r}", f"for example {name}=12"
        )
    return int(number)


def _number(value: Any) -> float | None:
    """Return a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _seasons(value: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    several = [value] if isinstance(value, int) else list(value)
    return tuple(sorted({_whole("season", m) for m in several})) or None


def _levels(values: Sequence[float]) -> tuple[float, ...]:
    numbers = [_number(q) for q in values]
    levels = tuple(sorted({round(q, 6) for q in numbers if q is not None and 0 < round(q, 6) < 1}))
    if not levels or not all(q is not None and 0 < round(q, 6) < 1 for q in numbers):
        raise ConfigError(f"quantiles must lie between 0 and 1, but got {list(values)}", "for example (0.1, 0.5, 0.9)")
    return levels
