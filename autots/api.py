"""The three names that most users need: AutoTS, Pipeline, load."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autots.arguments import column_roles, quantile_levels, season_lengths, whole_number
from autots.metrics import metric as known_metric
from autots.models.base import DEFAULT_LEVELS
from autots.pipeline import Pipeline
from autots.reading.read import read_panel
from autots.reading.schema import Ingested, id_columns
from autots.report.terminal import FitProgress, SilentProgress, TerminalProgress
from autots.search.budget import BudgetPolicy, MeasuredSpeed
from autots.search.cluster_start import ClusterStart
from autots.search.fit import fit
from autots.search.folder import PIPELINE, check_writable, write_run
from autots.search.settings import FitSettings, RunContext
from zoo.chance import untouched_chance
from zoo.clock import parse_duration
from zoo.errors import ArtifactError, ConfigError
from zoo.interrupt import Interrupt
from zoo.places import local_path
from zoo.tables.source import read as read_table

__all__ = ["AutoTS", "Pipeline", "load"]

# Important findings that are told before the search.
_MAX_TOLD = 5
# What may be said beside a feature pipeline, which names the columns itself.
_BESIDE_FEATURES = ("freq", "zone")


class AutoTS:
    """Finds a calibrated forecaster for a table within a wall-clock budget.

    Args:
        horizon: Steps that are forecast after each series' end.
        budget: Seconds, or a text like ``"5min"``; includes everything from reading the table to the final fit.
        metric: ``mase`` (default), ``mae``, ``mse``, ``rmse``, ``smape``, ``wape``, ``wql``, ``sql`` or ``owa``.
        quantiles: Levels of the forecast's quantile columns.
        seed: Source of everything random; 0 by default.
        freq: pandas offset alias, opening hours or days of the month (``"h[MON-SAT 10:00-20:00]"``, ``"MD-15"``), or
            the step of an integer clock; found in the table if None; ``"count"`` numbers the rows of each series.
        date_format: strptime format of times that are texts, such as ``"%d/%m/%Y"``; found in the table if None.
        season: Season length(s) in rows; found if None.
        known: Columns whose future is known when forecasting.
        static: Columns, or a table (or its path) with one row per series.
        id_col: Column that names the series, or a list of columns that only together do (``["store", "item"]``).
        time_col: Column of the clock.
        target_col: Column that is to be forecast.
        zone: Time zone whose local hours and days count, where times are in another one (UTC, say) or have offsets.
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
        quantiles: float | Sequence[float] = DEFAULT_LEVELS,
        seed: int = 0,
        freq: str | int | None = None,
        date_format: str | None = None,
        season: int | Sequence[int] | None = None,
        known: Sequence[Any] = (),
        static: Any = None,
        id_col: Any = None,
        time_col: Any = None,
        target_col: Any = None,
        zone: str | None = None,
        folds: int | None = None,
        workers: int | None = None,
        out: str | Path | None = None,
        resume: bool = False,
        address: str | None = None,
        features: Any = None,
        strict: bool = False,
        progress: FitProgress | None = None,
        already_spent: float = 0.0,
    ) -> None:
        self.budget = parse_duration(budget)
        self.policy = BudgetPolicy()
        known_metric(metric)
        self.settings = FitSettings(
            horizon=whole_number("horizon", horizon),
            budget=self.budget,
            metric=metric,
            levels=quantile_levels(quantiles),
            seed=whole_number("seed", seed, at_least=0),
            seasons=season_lengths(season),
            folds=None if folds is None else whole_number("folds", folds),
            workers=None if workers is None else whole_number("workers", workers),
            address=address,
        )
        self.columns = column_roles(
            freq=freq,
            date_format=date_format,
            id_col=id_col,
            time_col=time_col,
            target_col=target_col,
            known=known,
            static=static,
            zone=zone,
        )
        self.features = self._alone(features)
        self.out = None if out is None else local_path(out, "a run's folder")
        self.resume = resume
        if resume and self.out is None:
            raise ConfigError("resume needs the run directory, but out is not given", "give out=...")
        self.strict = strict
        self.progress = progress
        self._already_spent = already_spent

    def _alone(self, features: Any) -> Any:
        """Return a feature pipeline that nothing else names columns beside."""
        given = [
            name
            for name, value in self.columns.items()
            if name not in _BESIDE_FEATURES and value is not None and (name != "known" or value)
        ]
        if features is not None and given:
            raise ConfigError(
                f"a feature pipeline must be the only one to name columns, but {given[0]} is given, too",
                "say it in the pipeline's source",
            )
        return features

    @untouched_chance()
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
        policy = self.policy
        deadline = policy.deadline(self.budget, already_spent=self._already_spent)
        progress = self.progress if self.progress is not None else _display()
        progress.started(self.budget)
        machine = _MachineLoad(policy)
        # Feature pipelines may start a cluster of their own, for Spark.
        early = (
            ClusterStart()
            if self.features is not None
            else ClusterStart.beside_reading(self.settings, policy, deadline)
        )
        try:
            read, features = self._read(data, progress, strict=self.strict if strict is None else strict)
            named = title or (Path(data).stem if isinstance(data, str | Path) else "forecast")
            rows, series = (0, 0) if self.out is None else (read.panel.n_rows, read.panel.n_series)
            slowdown = machine.slowdown
            writing = policy.writing(self.budget, rows, series, MeasuredSpeed(slowdown))
            deadline = replace(deadline, budget=deadline.budget - writing)
            with _RunFolder(self.out) as folder, Interrupt() as interrupt:
                run = RunContext(folder, deadline, progress, named, self.resume, interrupt, policy, slowdown, early)
                pipeline = fit(read, self.settings, run)
                pipeline.features = features
                if self.out is not None:
                    progress.stage("writing the run")
                    write_run(pipeline, folder)
                return pipeline
        finally:
            early.close()
            progress.finished()

    def _read(self, data: Any, progress: FitProgress, *, strict: bool) -> tuple[Ingested, Any]:
        """Return the table as a panel, with what was found in it, and what the features learned from raw rows."""
        # Imported here: a forecaster that is loaded needs neither, and a first forecast is waited for.
        from autots.eligibility import earlier_version, examine
        from autots.features import Features
        from autots.report.found import found_in

        progress.stage("reading the table")
        features, columns = None, self.columns
        table: Any
        if self.features is not None:
            features, table = Features.of(self.features, data)
            columns = columns | features.roles
        else:
            table = read_table(data, text=id_columns(columns["id_col"]))
        horizon = self.settings.horizon
        read = read_panel(table, horizon=horizon, **columns)
        read.schema.refuse_names(self.settings.levels)
        progress.stage("checking the columns")
        before = None if features is not None else earlier_version(data)
        found = examine(read.schema.inside(table)[0], read, horizon=horizon, before=before)
        if strict:
            found.refuse()
        read = replace(read, report=found.noted(read.report))
        for one in found_in(read.report.to_dict())[:_MAX_TOLD]:
            if one.important:
                # Before the search, which a mistake would be a waste of.
                progress.message(one.sentence)
        return read, features


def load(path: str | Path, *, mapped: bool = False) -> Pipeline:
    """Read a saved pipeline: the folder that ``Pipeline.save`` wrote, or a run directory with one inside.

    Args:
        path: The folder of a pipeline, or of a run.
        mapped: Leave its arrays in their files, as memory that all processes of a machine share. The files must not be
            changed in place while the pipeline is used; saving another one there is fine.

    Raises:
        ArtifactError: The folder is missing, foreign, damaged or tampered with.
    """
    path = Path(path)
    inside = path / PIPELINE
    if inside.is_dir():
        return Pipeline.load(inside, mapped=mapped)
    if (path / "shards.json").is_file():
        raise ArtifactError(
            f"a pipeline must be one, but {path} has one for each shard",
            "open it with autots.shards.ShardedPipeline(path); .shard(0) is an ordinary pipeline",
        )
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


class _MachineLoad:
    """How much longer work takes here than its own processor time: other programs on the cores make all of it wait."""

    def __init__(self, policy: BudgetPolicy) -> None:
        self._policy = policy
        self._began = time.perf_counter(), time.process_time()

    @property
    def slowdown(self) -> float:
        """The factor since this was made: 1 on idle cores."""
        wall, processor = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        return self._policy.slowdown(wall, processor)


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


def _display() -> FitProgress:
    import sys

    return TerminalProgress() if sys.stderr.isatty() else SilentProgress()
