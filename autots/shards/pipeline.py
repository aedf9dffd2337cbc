"""What a sharded fit returns: a folder of pipelines, one for each shard, that share models, weights and calibration."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from autots.ensembles.rolling_scores import rolling_scores
from autots.pipeline import Pipeline
from autots.shards.crew import answers, workers_for
from autots.shards.layout import ShardFolder, ShardManifest
from autots.shards.source import head_of, pieces_of
from autots.shards.split import key_hashes, read_shard, shard_of, split_piece
from autots.shards.work import EvaluateShard, ForecastShard, Request, UpdateShard
from zoo.errors import ArtifactError, ConfigError, DataError
from zoo.places import local_path

__all__ = ["ShardedPipeline"]


class ShardedPipeline:
    """Forecasts a panel shard by shard, on workers; no process holds more than a shard.

    Args:
        path: The folder of a sharded fit, which all workers reach.
        workers: How many work on shards; all CPUs if None, this process alone if 1.
        address: Of a Ray cluster; ``RAY_ADDRESS`` or an embedded Ray if None.

    Raises:
        ArtifactError: The folder is none of a sharded fit, or its fit has not ended.
    """

    def __init__(self, path: str | Path, *, workers: int | None = None, address: str | None = None) -> None:
        self._folder = ShardFolder(Path(path))
        self._manifest = ShardManifest.read(self._folder)
        self._workers, self._address = workers, address
        if not self._manifest.done:
            raise ArtifactError(
                f"a sharded fit must have ended to be used, but {path} has not", "go on with it: resume=True"
            )
        self._search = Pipeline.load(self._folder.search_pipeline)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.root

    @property
    def horizon(self) -> int:
        """Steps H of a forecast."""
        return self._search.horizon

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels of a forecast's columns."""
        return self._search.levels

    @property
    def metric_name(self) -> str:
        """The name of what was minimised."""
        return self._search.metric_name

    @property
    def known(self) -> tuple[str, ...]:
        """The covariates whose future ``predict`` needs."""
        return self._search.known

    @property
    def n_series(self) -> int:
        """Number of series S of all shards, at the end of the fit."""
        return self._manifest.series

    @property
    def n_rows(self) -> int:
        """Number of rows of all shards, at the end of the fit."""
        return self._manifest.rows

    @property
    def messages(self) -> tuple[str, ...]:
        """What is to be said of the fit of all shards; the report has what is to be said of the search."""
        return self._manifest.messages

    @property
    def seconds(self) -> dict[str, float]:
        """Wall-clock seconds of the fit by phase."""
        return dict(self._manifest.seconds)

    @property
    def search(self) -> Pipeline:
        """The pipeline of the series that the search saw, with what the fit has to tell of it."""
        return self._search

    def leaderboard(self) -> pd.DataFrame:
        """Return one row per candidate of the search, the ensemble first; lower scores are better."""
        return self._search.leaderboard()

    def report(self, path: str | Path | None = None) -> str:
        """Return the report of the search as one HTML page, and write it to ``path`` if given."""
        return self._search.report(path)

    def shard_of(self, series: Any) -> int:
        """Return the shard that a series is in, or would be.

        Args:
            series: Its id; of a key of several columns a list of their values.
        """
        values = list(series) if isinstance(series, list | tuple) else [series]
        if len(values) != len(self._manifest.key):
            raise ConfigError(
                f"a series is named by {list(self._manifest.key)}, but got {values}", "give a value for each"
            )
        return int(shard_of(key_hashes([values]), self._manifest.shards)[0])

    def shard(self, number: int) -> Pipeline:
        """Return the pipeline of one shard: an ordinary one, that also a server takes.

        Raises:
            ArtifactError: There is no such shard, or it has no series.
        """
        return Pipeline.load(self._folder.shard(number))

    def predict(self, future: Any = None, *, out: str | Path | None = None) -> pd.DataFrame:
        """Forecast the horizon after the last row of every series.

        Args:
            future: The covariates known in the future, as ``Pipeline.predict`` takes them: the path of a table, or a
                frame.
            out: A folder that gets a Parquet file for each shard; the frame returned is then empty but for its
                columns. By default the frame has all forecasts.

        Raises:
            DataError: A known covariate or a row of it is missing.
            ConfigError: ``out`` holds something.
        """
        if self.known and future is None:
            raise DataError(
                f"the known covariates {list(self.known)} must be given over the horizon, but nothing was",
                "give a table with the id, the time and these columns, for every step of the horizon",
            )
        target = None if out is None else _empty_folder(out)
        with tempfile.TemporaryDirectory(dir=self._folder.root, prefix=".forecast-") as made:
            at = Path(made) if target is None else target
            table = _future_file(future, Path(made))
            files = {s: at / f"forecast-{s:05d}.parquet" for s in self._manifest.filled}
            self._each({f"shard {s}": ForecastShard(s, str(f.absolute()), table) for s, f in files.items()})
            frames = [pd.read_parquet(f) for f in (files.values() if target is None else list(files.values())[:1])]
        whole = pd.concat(frames, ignore_index=True)
        return whole if target is None else whole.iloc[:0]

    def update(self, new_rows: Any) -> Self:
        """Take in rows that came after the history, shard by shard: the state moves on, nothing is refitted.

        Args:
            new_rows: A table with the same columns, or its path. Rows already seen are ignored.

        Returns:
            This pipeline.
        """
        with self._split(new_rows) as parts:
            new = [s for s in range(self._manifest.shards) if s not in self._manifest.filled]
            if any(read_shard(Path(parts), s).num_rows for s in new):
                raise DataError(
                    "rows of an update must be of series that some shard can take in, but some shards had none at the "
                    "fit",
                    "fit anew with these series, or leave them out",
                )
            self._each({f"shard {s}": UpdateShard(s, parts) for s in self._manifest.filled})
        return self

    def evaluate(self, test: Any, *, learning: bool = True) -> dict[str, Any]:
        """Forecast a table that follows the history and compare, as ``Pipeline.evaluate`` does.

        Args:
            test: Rows after the history, or their path, known covariates among the columns.
            learning: False to leave weights and intervals as they are.

        Raises:
            DataError: No row of the test follows the history.
        """
        with self._split(test) as parts:
            done = self._each({f"shard {s}": EvaluateShard(s, parts, learning) for s in self._manifest.filled})
        outcomes, scales, before, new = [], [], 0, 0
        for one in done:
            if one.rolled is None:
                continue
            found, scale, unknown = one.rolled
            new += unknown
            outcomes += [replace(o, series=o.series + before) for o in found]
            scales.append(scale)
            before += len(scale)
        if not outcomes:
            raise DataError("rows of a test must follow the history, but no series of it is there", "check the ids")
        import numpy as np

        levels = self._search.task.levels
        scores = rolling_scores(outcomes, np.concatenate(scales), levels, asked=self.levels)
        return {"series": before, "new_series": new, **scores}

    def _split(self, data: Any) -> _Parts:
        return _Parts(self._folder, self._manifest, data)

    def _each(self, requests: dict[str, Request]) -> Sequence[Any]:
        """Return the answers to requests, in their order."""
        with workers_for(self._folder, self._workers, self._address) as pool:
            found = {key: answer for key, answer, _ in answers(pool, requests)}
        return [found[key] for key in requests]


class _Parts:
    """A later table, split as the first one was, as long as it is needed."""

    def __init__(self, folder: ShardFolder, manifest: ShardManifest, data: Any) -> None:
        self._folder, self._manifest, self._data = folder, manifest, data

    def __enter__(self) -> str:
        self._at = Path(tempfile.mkdtemp(dir=self._folder.root, prefix=".rows-"))
        try:
            pieces = pieces_of(self._data, self._at / "source")
            names = head_of(pieces, 1).column_names
            columns = [*names, *(k for k in self._manifest.key if k not in names)]
            for i, piece in enumerate(pieces):
                split_piece(piece, columns, self._manifest.key, self._manifest.shards, self._at, f"{i:05d}")
        except BaseException:
            self.__exit__()
            raise
        return str(self._at.absolute())

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._at, ignore_errors=True)


def _empty_folder(out: str | Path) -> Path:
    folder = local_path(out, "a folder of forecasts")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"forecasts must go into a new folder, but {folder} holds something", "choose another")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _future_file(future: Any, folder: Path) -> str | None:
    """Return the path of the known covariates, where workers read them."""
    if future is None or isinstance(future, str | Path):
        return None if future is None else str(Path(future).absolute())
    if not isinstance(future, pd.DataFrame):
        raise ConfigError(f"known covariates must be a frame or a path, but got {type(future).__name__}", "")
    future.to_parquet(folder / "future.parquet")
    return str((folder / "future.parquet").absolute())
