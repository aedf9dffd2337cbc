"""The three names that most users need: AutoTS, Pipeline, load."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autots.metrics import metric as known_metric
from autots.models.base import DEFAULT_LEVELS
from autots.pipeline import Pipeline
from autots.reading.read import read_panel
from autots.reading.schema import id_columns
from autots.report.terminal import Live, Progress, Silent
from autots.search.fit import Run, Settings, fit
from autots.search.folder import PIPELINE, check_writable, write_run
from autots.search.interrupt import Interrupt
from zoo.chance import untouched_chance
from zoo.clock import Deadline, parse_duration
from zoo.errors import ArtifactError, ConfigError
from zoo.places import local_path
from zoo.tables.source import read as read_table

__all__ = ["AutoTS", "Pipeline", "load"]

# Seconds to write the run and to stop Ray, which needs up to two; and what each row and each series adds to that.
_TAIL = 1.5
_WRITE_ROW, _WRITE_SERIES = 3e-7, 5e-6
# Important findings that are told before the search.
_TOLD = 5
# Share of the budget that those additions may take.
_MOST_TAIL = 0.2


class AutoTS:
    """Finds a calibrated forecaster for a table within a wall-clock budget.

    Args:
        horizon: Steps to forecast.
        budget: Seconds, or a text like ``"5min"``; includes everything from reading the table to the final fit.
        metric: ``mase`` (default), ``mae``, ``mse``, ``rmse``, ``smape``, ``wape``, ``wql``, ``sql`` or ``owa``.
        quantiles: Levels of the forecast's quantile columns.
        seed: Of everything random.
        freq: pandas offset alias, opening hours or days of the month (``"h[MON-SAT 10:00-20:00]"``, ``"MD-15"``), or
            the step of an integer clock; found in the table if None; ``"count"`` numbers the rows of each series.
        date_format: strptime format of times that are texts, such as ``"%d/%m/%Y"``; found in the table if None.
        season: Season length(s) in rows; found if None.
        known: Columns whose future is known when forecasting.
        static: Columns, or a table (or its path) with one row per series.
        id_col: Column that names the series, or a list of columns that only together do (``["store", "item"]``).
        time_col: Column of the clock.
        target_col: Column to forecast.
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
        listed = _listed("known", known)
        self._columns = {
            "freq": freq.item() if isinstance(freq, np.integer) else freq,
            "date_format": date_format,
            "id_col": _key("id_col", id_col),
            "time_col": _one_name("time_col", time_col),
            "target_col": _one_name("target_col", target_col),
            "known": listed,
            "static": _listed("static", static) if _is_list(static) else static,
            "zone": zone,
        }
        free = ("freq", "known", "zone")
        names = [name for name, given in self._columns.items() if name not in free and given is not None]
        given = [*names, *(["known"] if listed else [])]
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
        tail = min(_TAIL, 0.1 * self.budget)
        deadline = Deadline.after(self.budget - tail, already_spent=self._already_spent)
        # Imported here: a forecaster that is loaded needs neither, and a first forecast is waited for.
        from autots.eligibility import earlier_version, examine
        from autots.features import Features
        from autots.report.found import found_in

        progress = self._progress if self._progress is not None else _display()
        progress.started(self.budget)
        pace = _Pace()
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
            read.schema.refuse_names(self.settings.levels)
            progress.stage("checking the columns")
            found = examine(
                read.schema.inside(table)[0],
                read,
                horizon=self.settings.horizon,
                before=None if made is not None else earlier_version(data),
            )
            if self.strict if strict is None else strict:
                found.refuse()
            read = replace(read, report=found.noted(read.report))
            for one in found_in(read.report.to_dict())[:_TOLD]:
                if one.important:
                    # Before the search, which a mistake would be a waste of.
                    progress.message(one.sentence)
            named = title or (Path(data).stem if isinstance(data, str | Path) else "forecast")
            writing = 0.0
            if self.out is not None:
                writing = _WRITE_ROW * read.panel.n_rows + _WRITE_SERIES * read.panel.n_series
            slower = pace.slower
            kept = slower * (tail + writing) - tail
            deadline = replace(deadline, budget=deadline.budget - min(kept, _MOST_TAIL * self.budget))
            with _RunFolder(self.out) as folder, Interrupt() as interrupt:
                pipeline = fit(
                    read, self.settings, Run(folder, deadline, progress, named, self.resume, interrupt, slower)
                )
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


class _Pace:
    """How much longer work takes here than its own processor time: other programs on the cores make all of it wait."""

    _MOST = 4.0
    _LEAST_SECONDS = 0.5  # less says nothing

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    @property
    def slower(self) -> float:
        """The factor, from 1 to 4, since this was made."""
        took, worked = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        return 1.0 if took < self._LEAST_SECONDS else min(max(took / max(worked, 1e-3), 1.0), self._MOST)


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


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset | np.ndarray | pd.Index)


def _listed(name: str, value: Any) -> tuple[Any, ...]:
    """Return the names in a list, an array or an index of them."""
    if not _is_list(value) and not isinstance(value, pd.Series):
        example = [value] if isinstance(value, str) else ["price", "holiday"]
        said = f"the text {value!r}" if isinstance(value, str) else repr(value)[:60]
        raise ConfigError(f"{name} must be a list of columns, but got {said}", f"write {name}={example}")
    names = value.tolist() if isinstance(value, np.ndarray | pd.Index | pd.Series) else list(value)
    wrong = next((one for one in names if not isinstance(one, Hashable)), None)
    if wrong is not None:
        raise ConfigError(f"{name} must list columns, but one is {wrong!r}", f"write {name}=['price', 'holiday']")
    return tuple(names)


def _key(name: str, value: Any) -> Any:
    """Return one name, or a list of several; a tuple may be either, which the table decides."""
    if isinstance(value, tuple):
        return value
    return list(_listed(name, value)) if _is_list(value) or isinstance(value, pd.Series) else _one_name(name, value)


def _one_name(name: str, value: Any) -> Any:
    if not isinstance(value, Hashable):
        raise ConfigError(f"{name} must name one column, but got {type(value).__name__}", f"for example {name}='date'")
    return value.item() if isinstance(value, np.generic) else value


def _several(value: Any) -> list[Any]:
    """Return the values in a list, an array, a set; of anything else itself alone."""
    if isinstance(value, np.ndarray | np.generic | pd.Index | pd.Series):
        return list(np.atleast_1d(np.asarray(value)).ravel())
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _seasons(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        raise ConfigError(f"season must be a whole number or several, but got {value!r}", "for example season=12")
    several = _several(value)
    return tuple(sorted({_whole("season", m) for m in several})) or None


def _levels(values: Any) -> tuple[float, ...]:
    several = _several(values)
    numbers = [_number(q) for q in several]
    levels = tuple(sorted({round(q, 6) for q in numbers if q is not None and 0 < round(q, 6) < 1}))
    if not levels or not all(q is not None and 0 < round(q, 6) < 1 for q in numbers):
        raise ConfigError(f"quantiles must lie between 0 and 1, but got {several}", "for example (0.1, 0.5, 0.9)")
    return levels
