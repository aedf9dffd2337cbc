"""A fit of a panel that no process holds: the order of things.

1. Workers split the table into shards, by a hash of the series' names, through files that all of them reach.
2. Some series of one shard, drawn by the same hash, are searched as any panel is (``autots.AutoTS``).
3. Workers make the pipeline of each shard: pooled models as the search left them, models of single series fitted on
   the shard's own.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autots.api import AutoTS
from autots.arguments import whole_number
from autots.models.catalog import family
from autots.pipeline import Pipeline
from autots.reading.detect import detect
from autots.report.terminal import FitProgress, SilentProgress
from autots.search.cluster_start import has_cluster
from autots.search.folder import check_writable
from autots.shards.crew import answers, told, workers_for
from autots.shards.layout import ShardFolder, ShardManifest
from autots.shards.pipeline import ShardedPipeline
from autots.shards.progress import SearchProgress
from autots.shards.source import Piece, head_of, pieces_of
from autots.shards.split import hashes, read_shard
from autots.shards.work import FitShard, ShardDone, SplitPiece
from zoo.chance import untouched_chance
from zoo.clock import Deadline
from zoo.errors import ClusterError, ConfigError, DataError
from zoo.files import json_digest
from zoo.tables.source import read as read_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ShardedAutoTS"]

# Rows that are looked at to find the columns that name the series.
_HEAD_ROWS = 200_000
# Part of the time after the split that the search gets, at least, and without what reading the shards will take.
_SEARCH_SHARE, _SEARCH_MIN_SHARE = 0.5, 0.25
# Reading a shard takes so many times what splitting its rows took, and at least so long.
_READING_RATIO, _READING_SECONDS_PER_ROW = 2.5, 2e-6
# Part of the budget that must be spare after the search for it to go on, and part of that time that it then gets.
_SPARE_SHARE, _SPARE_RATIO = 0.15, 0.8
# Part of the time for models of single series that is planned for.
_FIT_HEADROOM = 0.7
# Arguments of AutoTS that a shard cannot keep.
_REFUSED = {"features": "run the pipeline first, and fit its table", "strict": "run `zoo check` on some rows first"}


class ShardedAutoTS:
    """Finds a calibrated forecaster for a panel of any size, within a wall-clock budget.

    The driver needs memory for a shard and by series, never for all rows; the folder must be reached by all nodes.

    Args:
        horizon: Steps that are forecast after each series' end.
        out: The folder of the fit.
        shard_rows: Rows of a shard, about; a worker holds one at a time.
        sample_series: Series that the search looks at, at most.
        **options: All other arguments of ``autots.AutoTS``, but ``features`` and ``strict``.

    Raises:
        ConfigError: An argument is invalid.

    Example:
        >>> ShardedAutoTS(28, out="runs/m5", budget="15min").shard_rows
        1500000
    """

    def __init__(
        self,
        horizon: int,
        *,
        out: str | Path,
        shard_rows: int = 1_500_000,
        sample_series: int = 2_000,
        **options: Any,
    ) -> None:
        for name, instead in _REFUSED.items():
            if options.get(name):
                raise ConfigError(f"a sharded fit must do without {name}, but it is given", instead)
        if options.get("freq") == "count":
            raise ConfigError("rows of shards must have times, but freq is 'count'", "number the rows in a column")
        if not isinstance(options.get("static"), str | Path | list | tuple | None):
            raise ConfigError("workers must read the static table themselves, but it is no path", "write it as Parquet")
        self._progress: FitProgress = options.pop("progress", None) or SilentProgress()
        self._already_spent = float(options.pop("already_spent", 0.0))
        self._auto = AutoTS(horizon, **options, out=ShardFolder(Path(out)).search)
        self._options = {name: value for name, value in options.items() if name not in ("resume", "workers", "address")}
        self.out, self.resume = Path(out), self._auto.resume
        self.shard_rows = whole_number("shard_rows", shard_rows)
        self.sample_series = whole_number("sample_series", sample_series)

    @untouched_chance()
    def fit(self, data: Any, *, title: str | None = None) -> ShardedPipeline:
        """Split, search, and fit every shard.

        Args:
            data: The path of Parquet or CSV files of a long table (a row per series and time), or a pandas or Arrow
                table, a Ray Dataset, a Spark DataFrame.
            title: What is forecast, for the report.

        Raises:
            DataError: The table cannot be used.
            ConfigError: The folder is taken, or an argument contradicts the table.
            ClusterError: Ray cannot be started or reached, or a worker was lost three times.
        """
        deadline = self._auto.policy.deadline(self._auto.budget, already_spent=self._already_spent)
        self._progress.started(self._auto.budget)
        try:
            check_writable(self.out)
            one = _ShardedFit(self, ShardFolder(self.out), deadline, self._progress)
            one.run(data, title or (Path(data).stem if isinstance(data, str | Path) else "forecast"))
        finally:
            self._progress.finished()
        settings = self._auto.settings
        return ShardedPipeline(self.out, workers=settings.workers, address=settings.address)

    @property
    def auto(self) -> AutoTS:
        """What searches on some of the series."""
        return self._auto

    @property
    def asked(self) -> str:
        """All that was asked for, as text: another fit of the same table is another fit."""
        return json.dumps([self._options, self.shard_rows, self.sample_series], default=repr, sort_keys=True)


@dataclass
class _ShardedFit:
    """One fit into one folder.

    Args:
        asked: What the user asked for.
        folder: Where all of it goes.
        deadline: When it must be done.
        progress: A display that is told how far it is.
    """

    asked: ShardedAutoTS
    folder: ShardFolder
    deadline: Deadline
    progress: FitProgress

    def run(self, data: Any, title: str) -> None:
        """Do what is not done yet; a mistake is told before Ray is started for it."""
        self.progress.stage("reading the table")
        pieces = pieces_of(data, self.folder.source)
        key, columns = self._columns(pieces)
        rows = sum(piece.rows for piece in pieces)
        shards = max(1, -(-rows // self.asked.shard_rows))
        manifest = self._claim(ShardManifest(shards, key, self._digest(pieces, key)))
        if not manifest.done:
            with self._cluster():
                self._run(pieces, columns, manifest, title)

    def _run(self, pieces: list[Piece], columns: tuple[str, ...], manifest: ShardManifest, title: str) -> None:
        """Split, search and fit what is not done yet, and say in the manifest that it is."""
        seconds = {"start": self.deadline.elapsed}
        split, rows = self._split(pieces, columns, manifest), sum(piece.rows for piece in pieces)
        seconds["split"] = self.deadline.elapsed - seconds["start"]
        table, series = self._sample(manifest)
        reading = max(_READING_RATIO * split, _READING_SECONDS_PER_ROW * rows / self._count)
        found, messages = self._searched(table, title, reading, series * manifest.shards)
        del table
        seconds["search"] = self.deadline.elapsed - sum(seconds.values())
        done = self._fitted(manifest, found)
        seconds["shards"] = self.deadline.elapsed - sum(seconds.values())
        seconds["total"] = self.deadline.elapsed
        replace(
            manifest,
            done=True,
            series=sum(one.series for one in done),
            rows=sum(one.rows for one in done),
            filled=tuple(sorted(one.shard for one in done if one.series)),
            messages=(*messages, *told(done)),
            seconds=tuple((name, round(took, 2)) for name, took in seconds.items()),
        ).write(self.folder)
        shutil.rmtree(self.folder.parts, ignore_errors=True)
        shutil.rmtree(self.folder.source, ignore_errors=True)

    def _columns(self, pieces: list[Piece]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the columns that name the series, and those that are kept."""
        given = self.asked.auto.columns
        head = head_of(pieces, _HEAD_ROWS)
        names = list(head.column_names)
        of_folders = [name for name, _ in pieces[0].keys if name not in names]
        named = given["id_col"] if isinstance(given["id_col"], list | tuple) else [given["id_col"]]
        named = [str(n) for n in named if n is not None]
        if named:
            lacking = [n for n in named if n not in names and n not in of_folders]
            if lacking:
                raise DataError(f"the table must have the columns {lacking}, but it has {names}", "check id_col")
            key = tuple(named)
        else:
            roles = {n: given[n] for n in ("time_col", "target_col", "known")}
            layout = detect(read_table(head), **roles)
            if layout.kind != "long":
                raise DataError(
                    "the table of a sharded fit must have a row per series and time, but no column names series",
                    "give id_col, or turn the table: a column each is `wide`",
                )
            key = tuple(str(layout.outside(name)) for name in layout.columns.ids)
        return key, (*names, *(n for n in of_folders if n in key))

    def _digest(self, pieces: list[Piece], key: tuple[str, ...]) -> str:
        """Return what tells this fit from others: files as they are now, or rows, and what was asked."""
        files = {p.file for p in pieces}
        inside = self.folder.source in {Path(f).parent for f in files}
        seen = sorted((f, 0 if inside else Path(f).stat().st_mtime_ns) for f in files)
        return json_digest([seen, [[p.rows, list(p.groups)] for p in pieces], list(key), self.asked.asked])

    def _claim(self, new: ShardManifest) -> ShardManifest:
        """Return the manifest of the folder: this fit's own one that is resumed, or the new one."""
        if self.folder.manifest.exists():
            before = ShardManifest.read(self.folder)
            if not self.asked.resume:
                raise ConfigError(
                    f"{self.folder.root} must be new, but holds a sharded fit",
                    "choose another, or go on with it by --resume (resume=True)",
                )
            if before.source != new.source or before.shards != new.shards:
                raise ConfigError(
                    f"what is resumed must be the same fit, but {self.folder.root} holds one of another table, or one "
                    "that was asked for something else",
                    "choose another folder",
                )
            return before
        new.write(self.folder)
        return new

    def _split(self, pieces: list[Piece], columns: tuple[str, ...], manifest: ShardManifest) -> float:
        """Split what is not split yet; return the seconds that it took without the start of the workers."""
        working = 0.0
        parts = self.folder.parts
        parts.mkdir(parents=True, exist_ok=True)
        due = [i for i in range(len(pieces)) if not self._marker(i).exists()]
        requests = {
            f"piece {i}": SplitPiece(i, pieces[i], columns, manifest.key, manifest.shards, str(parts.absolute()))
            for i in due
        }
        if due:
            with self._workers() as pool:
                for count, (_, _, took) in enumerate(answers(pool, requests), 1):
                    working += took / max(pool.workers, 1)
                    self.progress.stage(f"splitting the table: {count} of {len(due)} pieces")
        # A folder of one node alone would lose the rows that others wrote.
        lost = [i for i, piece in enumerate(pieces) if not self._holds(i, piece.rows)]
        if lost:
            raise ClusterError(
                f"all nodes must reach the folder of a sharded fit, but {len(lost)} of {len(pieces)} pieces that "
                f"workers wrote are not in {parts}",
                "put it on storage that the nodes share",
            )
        return working

    def _marker(self, piece: int) -> Path:
        return self.folder.parts / f"{piece:05d}.done"

    def _holds(self, piece: int, rows: int) -> bool:
        """Return whether all rows of a piece are in the folder."""
        try:
            return int(self._marker(piece).read_text(encoding="utf-8")) == rows
        except (OSError, ValueError):
            return False

    def _sample(self, manifest: ShardManifest) -> tuple[pa.Table, int]:
        """Return the rows of some series of the first shard that has any, and how many series that shard has."""
        import pyarrow as pa

        for shard in range(manifest.shards):
            table = read_shard(self.folder.parts, shard)
            if not table.num_rows:
                continue
            names = hashes(table, manifest.key)
            distinct, counts = np.unique(names, return_counts=True)
            most = max(int(np.searchsorted(np.cumsum(counts), self.asked.shard_rows, side="right")), 1)
            wanted = distinct[: min(self.asked.sample_series, most)]
            return table.filter(pa.array(np.isin(names, wanted))), len(distinct)
        raise DataError("a table must have rows, but it is empty", "check the query or file that it came from")

    def _searched(self, table: pa.Table, title: str, reading: float, series: int) -> tuple[Pipeline, tuple[str, ...]]:
        """Return the pipeline of some of about so many series.

        Args:
            table: The rows of the series that the search sees.
            title: What is forecast, for the report.
            reading: Seconds that reading all shards will take, about.
            series: How many series all shards have, about.
        """
        pipeline = self.folder.search_pipeline
        if pipeline.exists():
            return Pipeline.load(pipeline), ()
        left, budget = self.deadline.remaining, self.asked.auto.budget
        searching = max(_SEARCH_SHARE * (left - reading), _SEARCH_MIN_SHARE * left)
        each = self._count / series
        auto = copy.copy(self.asked.auto)
        auto.resume = auto.resume and (self.folder.search / "run.json").exists()
        auto.progress = SearchProgress(self.progress)
        found = self._search(auto, table, title, searching, max(left - searching - reading, 0.0) * each)
        local = self._local_seconds(found) / each
        spare = self.deadline.remaining - reading - local
        if spare > _SPARE_SHARE * budget:
            # Nobody knew which models would be members, and what was kept for theirs is free: the search goes on.
            auto.resume = True
            found = self._search(auto, table, title, _SPARE_RATIO * spare, (local + (1 - _SPARE_RATIO) * spare) * each)
        if (seen := found.panel.n_series) >= series:
            return found, ()
        message = f"the search looked at {seen:,} of about {series:,} series, drawn by chance"
        self.progress.message(message)
        return found, (message,)

    @staticmethod
    def _search(auto: AutoTS, table: pa.Table, title: str, seconds: float, each: float) -> Pipeline:
        """Search for some seconds; fits of single series may then take ``each`` worker second for a series."""
        auto.budget = seconds
        auto.settings = replace(auto.settings, budget=seconds, local_fit_seconds=_FIT_HEADROOM * each)
        return auto.fit(table, title=title)

    @staticmethod
    def _local_seconds(found: Pipeline) -> float:
        """Return the worker seconds that the members' fits of single series take for each."""
        board = found.leaderboard()
        board = board[(board["weight"] > 0) & (board["family"] != "ensemble")]
        took = sum(s for name, s in zip(board["family"], board["fit_seconds"], strict=True) if family(name).local)
        return float(took) / found.panel.n_series / _FIT_HEADROOM

    def _fitted(self, manifest: ShardManifest, found: Pipeline) -> list[ShardDone]:
        """Return what became of the shards."""
        settings = self.asked.auto.settings
        static = self.asked.auto.columns["static"]
        table = str(Path(static).absolute()) if isinstance(static, str | Path) else None
        left = max(self.deadline.remaining, 0.0)
        shown = found.facts.data
        longest = int(found.panel.lengths.max()) if found.panel.n_rows < int(shown.get("rows", 0)) else None
        done: list[ShardDone] = []
        with self._workers() as pool:
            rounds = -(-manifest.shards // max(pool.workers, 1))
            requests = {
                f"shard {s}": FitShard(s, longest, left / rounds, settings.seed, table)
                for s in range(manifest.shards)
                if not self._kept(s)
            }
            done = [self._read_back(s) for s in range(manifest.shards) if f"shard {s}" not in requests]
            for _, answer, _ in answers(pool, requests):
                done.append(answer)
                self.progress.stage(f"fitting shards: {len(done)} of {manifest.shards}")
        return done

    def _kept(self, shard: int) -> bool:
        return (self.folder.shard(shard) / "manifest.json").exists()

    def _read_back(self, shard: int) -> ShardDone:
        """Return a shard that a former process made."""
        panel = Pipeline.load(self.folder.shard(shard)).panel
        return ShardDone(shard, panel.n_series, panel.n_rows)

    @property
    def _count(self) -> int:
        import os

        return self.asked.auto.settings.workers or os.cpu_count() or 1

    @contextmanager
    def _cluster(self) -> Iterator[None]:
        """Keep one cluster for all that follows: starting one takes seconds each time."""
        settings = self.asked.auto.settings
        if settings.workers == 1 and not has_cluster(settings.address):
            yield
            return
        from zoo.cluster import connect

        with connect(workers=settings.workers, address=settings.address):
            yield

    def _workers(self) -> Any:
        settings = self.asked.auto.settings
        return workers_for(self.folder, settings.workers, settings.address)
