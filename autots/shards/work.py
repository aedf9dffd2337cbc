"""What a worker does: splits a piece of the table, makes the pipeline of a shard, forecasts it, takes in its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from autots.ensembles import Ensemble, Member
from autots.ensembles.fitted import ForecastOutcome
from autots.models.base import Context, Forecaster
from autots.models.catalog import create, family
from autots.models.wall_clock import fit_local
from autots.panel import Floats, Panel
from autots.pipeline import Pipeline
from autots.reading.repair import NothingNewError
from autots.search.member_costs import normalised
from autots.shards.layout import ShardFolder
from autots.shards.source import Piece
from autots.shards.split import read_shard, split_piece
from zoo.clock import Deadline
from zoo.errors import BudgetError, ModelError
from zoo.files import write_file

__all__ = ["EvaluateShard", "FitShard", "ForecastShard", "Request", "ShardDone", "SplitPiece", "UpdateShard", "setup"]

# Series that a model of single series is fitted on at once: between two of them the clock is looked at.
_BLOCK_SERIES = 500


@dataclass(frozen=True)
class SplitPiece:
    """Split a piece of the table.

    Args:
        number: The place of the piece among all.
        piece: The rows that are read.
        columns: Those that are kept.
        key: Those that name the series.
        shards: Number of shards of the whole table.
        folder: Where the parts go.
    """

    number: int
    piece: Piece
    columns: tuple[str, ...]
    key: tuple[str, ...]
    shards: int
    folder: str


@dataclass(frozen=True)
class FitShard:
    """Make the pipeline of a shard.

    Args:
        shard: The number of the shard.
        tail: Rows of each series that are kept, the newest; None for all.
        seconds: Time left for it; models of single series that do not end in it are left out.
        seed: Source of chance of the fits.
        static: Path of a table with one row per series; None for none.
    """

    shard: int
    tail: int | None
    seconds: float
    seed: int
    static: str | None = None


@dataclass(frozen=True)
class ForecastShard:
    """Forecast a shard into a Parquet file.

    Args:
        shard: The number of the shard.
        out: Path of the file, which is replaced.
        future: Path of a table with the known covariates; None for none.
    """

    shard: int
    out: str
    future: str | None = None


@dataclass(frozen=True)
class UpdateShard:
    """Take in rows that came after the history, from parts that were split as the table was.

    Args:
        shard: The number of the shard.
        parts: The folder of the parts.
    """

    shard: int
    parts: str


@dataclass(frozen=True)
class EvaluateShard:
    """Forecast rows that follow the history, from parts that were split as the table was, and compare.

    Args:
        shard: The number of the shard.
        parts: The folder of the parts.
        learning: Whether weights and intervals follow what came.
    """

    shard: int
    parts: str
    learning: bool


@dataclass(frozen=True)
class ShardDone:
    """What became of a shard.

    Args:
        shard: The number of the shard.
        series: How many series it has.
        rows: How many rows they have.
        seconds: What reading, and what fitting took.
        findings: What was found in the rows and repaired: kind, message, action -> how many rows or series.
        left_out: Members that are missing in this shard, and why.
        rolled: The outcomes of a test, the (S,) scales of its series, and how many are new; None where it has no rows.
    """

    shard: int
    series: int = 0
    rows: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)
    findings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    rolled: tuple[list[ForecastOutcome], Floats, int] | None = None


Request: TypeAlias = SplitPiece | FitShard | ForecastShard | UpdateShard | EvaluateShard


def setup(payload: Mapping[str, Any]) -> Callable[[Request], ShardDone]:
    """Return the worker's function; see ``zoo.workers.Workers``. The payload has the ``folder`` of the shards."""
    folder = ShardFolder(Path(payload["folder"]))

    def work(request: Request) -> ShardDone:
        match request:
            case SplitPiece():
                parts = Path(request.folder)
                name = f"{request.number:05d}"
                rows = split_piece(request.piece, request.columns, request.key, request.shards, parts, name)
                write_file(parts / f"{name}.done", str(rows))
                return ShardDone(-1, rows=rows)
            case FitShard():
                return _fit(folder, request)
            case ForecastShard():
                return _forecast(folder, request)
            case UpdateShard():
                return _update(folder, request)
            case EvaluateShard():
                return _evaluate(folder, request)

    return work


def _fit(folder: ShardFolder, request: FitShard) -> ShardDone:
    """Read a shard, fit what learns single series, and save its pipeline."""
    begin = time.perf_counter()
    found = Pipeline.load(folder.search_pipeline)
    table = read_shard(folder.parts, request.shard)
    if not table.num_rows:
        return ShardDone(request.shard)
    deadline = Deadline.after(request.seconds)
    read = found.schema.read_more(table, static=request.static)
    panel = read.panel if request.tail is None else read.panel.tail(request.tail)
    del table
    between = time.perf_counter()
    ensemble, left_out = _fitted(found.ensemble, panel, deadline, request.seed)
    Pipeline(
        found.schema,
        panel,
        ensemble,
        levels=found.levels,
        metric_name=found.metric_name,
        facts=replace(found.facts, windows=()),
        seed=found.seed,
    ).save(folder.shard(request.shard))
    findings = {(f.kind, f"{_without_numbers(f.message)}: {f.action}"): f.count for f in read.report.findings}
    took = between - begin, time.perf_counter() - between
    return ShardDone(request.shard, panel.n_series, panel.n_rows, took, findings, left_out)


def _fitted(ensemble: Ensemble, panel: Panel, deadline: Deadline, seed: int) -> tuple[Ensemble, tuple[str, ...]]:
    """Return the ensemble with its models of single series fitted on other ones, and which of them are missing.

    The heaviest members come first, as they must not be missing.
    """
    kept: dict[int, Member] = {}
    left_out = []
    for i, member in enumerate(ensemble.members):
        try:
            local = family(member.family).local
            kept[i] = replace(member, model=_fit_blocks(member, panel, ensemble, deadline, seed)) if local else member
        except (BudgetError, ModelError) as error:
            left_out.append(f"{member.family}: {error.message}")
    if not left_out:
        return replace(ensemble, members=tuple(kept.values())), ()
    weights = ensemble.series_weights
    if not kept:
        model = create("seasonal_naive" if ensemble.task.season > 1 else "naive")
        kept, weights = {0: Member(model.name, fit_local(model, panel, ensemble.task, Context(seed)), (1.0, 1.0))}, None
    shares = normalised({i: m.weight for i, m in kept.items()})
    members = tuple(replace(m, weight=shares[i]) for i, m in kept.items())
    if weights is not None:
        weights = replace(weights, factors=weights.factors[:, list(kept)])
    return replace(ensemble, members=members, series_weights=weights), tuple(left_out)


def _fit_blocks(member: Member, panel: Panel, ensemble: Ensemble, deadline: Deadline, seed: int) -> Forecaster:
    """Return a model of single series, fitted block after block of them.

    Raises:
        BudgetError: The time is over before all of them are.
    """
    params = member.model.params.to_dict()
    states = []
    for first in range(0, panel.n_series, _BLOCK_SERIES):
        if deadline.remaining <= 0:
            raise BudgetError(f"the time was over after {first} of {panel.n_series} series")
        block = panel.select(np.arange(first, min(first + _BLOCK_SERIES, panel.n_series)))
        model = fit_local(create(member.family, **params), block, ensemble.task, Context(seed, deadline))
        states.append(model.state())
    return create(member.family, **params).restore(family(member.family).joined(states))


def _forecast(folder: ShardFolder, request: ForecastShard) -> ShardDone:
    from autots.search.folder import write_whole

    pipeline = Pipeline.load(folder.shard(request.shard))
    frame = pipeline.predict(request.future)
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = frame.rename(columns=str)
    write_whole(Path(request.out), lambda path: frame.to_parquet(path, index=False))
    return ShardDone(request.shard, pipeline.panel.n_series, len(frame))


def _update(folder: ShardFolder, request: UpdateShard) -> ShardDone:
    table = read_shard(Path(request.parts), request.shard)
    if not table.num_rows:
        return ShardDone(request.shard)
    at = folder.shard(request.shard)
    if not at.exists():
        return ShardDone(request.shard, left_out=("no series of this shard was there at the fit",))
    pipeline = Pipeline.load(at)
    pipeline.update(table).save(at)
    return ShardDone(request.shard, pipeline.panel.n_series, pipeline.panel.n_rows)


def _evaluate(folder: ShardFolder, request: EvaluateShard) -> ShardDone:
    table = read_shard(Path(request.parts), request.shard)
    if not table.num_rows:
        return ShardDone(request.shard)
    try:
        rolled = Pipeline.load(folder.shard(request.shard)).rolled(table, learning=request.learning)
    except NothingNewError:
        return ShardDone(request.shard)
    return ShardDone(request.shard, len(rolled[1]), rolled=rolled)


def _without_numbers(message: str) -> str:
    """Return a finding's message without its counts, so that those of many shards are one."""
    return " ".join(word for word in message.split() if not word.replace(",", "").replace(".", "").isdigit())
