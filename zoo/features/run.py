"""A run: from a source through a pipeline to a sink, on the engine that fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo.errors import ConfigError, DataError
from zoo.features import artifact
from zoo.features.append import append
from zoo.features.arrow import arrow_of, checksum
from zoo.features.batch import Batch, TimeAxis, batch_of, clock_of
from zoo.features.digest import Digest, added, changed, digest
from zoo.features.engines import joining
from zoo.features.engines import pandas as memory
from zoo.features.engines.choice import EngineChoice, choose
from zoo.features.pipeline import FeaturePipeline
from zoo.features.plan import StepError
from zoo.features.sink import Output, output
from zoo.features.steps import Join
from zoo.places import location, scheme_of
from zoo.tables.source import read
from zoo.tables.versioned import STORES, VersionedTable, is_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["FeatureReport", "run"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class FeatureReport:
    """What a run did.

    Args:
        engine: What computed, pandas or spark.
        why: Why this engine was taken.
        pipeline: Hash of what was computed.
        rows_in: Raw rows that were read.
        rows_out: Rows that were written.
        columns: Columns that were written.
        checksum: Of the rows of the sink, or of those written, whatever their order: equal for equal bits.
        seconds: What it took by the wall clock, to the millisecond.
        sink: Where they went; None if nowhere.
        version: Of the sink, if it has versions.
        sources: Path -> version, for versioned sources.
        notes: What was changed on reading.
    """

    engine: str
    why: str
    pipeline: str
    rows_in: int
    rows_out: int
    columns: tuple[str, ...]
    checksum: str
    seconds: float
    sink: str | None = None
    version: int | None = None
    sources: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def run(
    pipeline: FeaturePipeline,
    *,
    engine: str | None = None,
    as_of: int | str | None = None,
    appending: bool = False,
    session: SparkSession | None = None,
    say: Say = lambda text: None,
) -> FeatureReport:
    """Read the pipeline's source, compute, and write its sink: whole, or not at all.

    Args:
        pipeline: With a source; without a sink the features are only computed and their checksum returned.
        engine: pandas, spark or auto, instead of the pipeline's.
        as_of: Version or time of a versioned source.
        appending: Only compute what rows newer than the sink's change; the sink must be this pipeline's.
        session: A Spark session; by default one is started in Ray, and stopped.
        say: Told what was chosen and why.

    Raises:
        ConfigError: The pipeline has no source, or a step does not fit the table.
        DataError: The table cannot be used, or the sink holds something else.
        ConflictError: Another run writes the sink at this moment.
    """
    began = time.monotonic()
    source = pipeline.spec.source
    path = None if source.path is None else located(pipeline, source.path)
    if path is None and source.query is None:
        raise ConfigError("a run must have a source, but the pipeline has none", "give source: {path: ...}")
    as_of = source.as_of if as_of is None else as_of
    chosen = choose(pipeline.spec, path, asked=engine)
    say(f"engine: {chosen.engine} ({chosen.why})")
    sources: dict[str, int] = {}
    if path is not None and is_table(path):
        table = VersionedTable.open(path)
        sources[path] = table.version if as_of is None else table.resolve(as_of)
    elif as_of is not None:
        raise ConfigError(f"as_of needs a versioned table, but {path or 'a query'} has no versions", "leave it out")
    sink = output(pipeline.spec.sink, pipeline.folder)
    with nullcontext() if sink is None else sink.held():
        if appending:
            return _appended(pipeline, path, sink, sources, chosen, began)
        if chosen.engine == "spark":
            done = _on_spark(pipeline, path, sink, sources, session)
        else:
            done = _in_memory(pipeline, path, sink, sources)
        return _report(pipeline, chosen, done, sink, sources, began)


def located(pipeline: FeaturePipeline, path: str) -> str:
    """Return a path of a pipeline's file; relative ones begin where the file is."""
    path = location(path, "a source", schemes=STORES)
    return path if Path(path).is_absolute() or scheme_of(path) else str(pipeline.folder / path)


@dataclass(frozen=True)
class _Done:
    rows_in: int
    rows_out: int
    columns: tuple[str, ...]
    checksum: str
    version: int | None = None
    notes: tuple[str, ...] = ()


def _report(
    pipeline: FeaturePipeline,
    chosen: EngineChoice,
    done: _Done,
    sink: Output | None,
    sources: dict[str, int],
    began: float,
) -> FeatureReport:
    return FeatureReport(
        chosen.engine, chosen.why, pipeline.hash, done.rows_in, done.rows_out, done.columns, done.checksum,
        round(time.monotonic() - began, 3), None if sink is None else sink.name, done.version, sources, done.notes,
    )  # fmt: skip


def _frame(path: str | None, pipeline: FeaturePipeline, sources: dict[str, int]) -> pd.DataFrame:
    if path is None:
        raise ConfigError("a query needs the Spark engine, but the engine is pandas", "engine: spark")
    if path in sources:
        return pd.DataFrame(VersionedTable.open(path).read(as_of=sources[path]).to_pandas(date_as_object=False))
    found = read(path, text=[pipeline.spec.source.id] if pipeline.spec.source.id else [])
    return found if isinstance(found, pd.DataFrame) else found.to_frame()


def _info(
    pipeline: FeaturePipeline,
    sources: dict[str, int],
    raw: int,
    until: int | str,
    id: str | None,
    *,
    rows: Mapping[str, str],
    joined: Mapping[str, Digest],
) -> dict[str, Any]:
    """Return what a sink is told: what made the rows, of what, up to which time, and what the rows were."""
    return {
        "rows": dict(rows),
        "joined": dict(joined),
        "pipeline": pipeline.hash,
        "sources": sources,
        "rows_in": raw,
        "until": until,
        "id": id,
        "steps": [step.kind for step in pipeline.steps],
    }


def _joined(pipeline: FeaturePipeline, until: int) -> dict[str, Digest]:
    """Return what joined tables were up to a time: later rows of them change no older feature."""
    return {
        str(place): digest(step.known().batch, until=until)
        for place, step in enumerate(pipeline.steps)
        if isinstance(step, Join) and not joining.place(step).spark
    }


def _in_memory(pipeline: FeaturePipeline, path: str | None, sink: Output | None, sources: dict[str, int]) -> _Done:
    frame = _frame(path, pipeline, sources)
    seen: list[tuple[Digest, int]] = []

    def look(raw: Batch) -> None:
        seen.append((digest(raw), int(raw.times.max())))

    prepared = pipeline.prepare(frame, look=None if sink is None else look)
    until = _until(frame[pipeline.spec.source.time])
    del frame
    fitted = memory.fit(prepared)
    pipeline.fitted = fitted
    outputs = prepared.plan.outputs
    sums = _RunningChecksum()
    parts = sums.over(arrow_of(batch, outputs) for batch in memory.computed(prepared, fitted))
    version = None
    if sink is None:
        for _ in parts:
            pass
    else:
        ((rows, last),) = seen
        info = _info(
            pipeline, sources, prepared.raw, until, prepared.plan.scope.names.id,
            rows=rows, joined=_joined(pipeline, last),
        )  # fmt: skip
        version = sink.write(parts, info=info, pipeline=pipeline)
    notes = prepared.batch.notes
    return _Done(prepared.raw, sums.rows, tuple(sums.columns), sums.text, version, notes)


def _until(times: pd.Series[Any]) -> int | str:
    """Return the newest time of a table, as JSON has it: UTC where there is a zone."""
    moments, axis = clock_of(times)
    return _moment(int(moments.max()), axis)


def _moment(until: int, axis: TimeAxis) -> int | str:
    return until if axis.integer else str(pd.Timestamp(until, unit="us"))


class _RunningChecksum:
    """Counts and sums up what passes."""

    def __init__(self) -> None:
        self.rows = 0
        self.columns: list[str] = []
        self._total = 0

    def over(self, tables: Iterable[Any]) -> Iterator[Any]:
        for table in tables:
            self.add(table)
            yield table

    def add(self, table: Any) -> None:
        part, _, rows = checksum([table]).partition("-")
        self._total = (self._total + int(part, 16)) % 2**64
        self.rows += int(rows)
        self.columns = list(table.column_names)

    @property
    def text(self) -> str:
        return f"{self._total:016x}-{self.rows}"


def _on_spark(
    pipeline: FeaturePipeline,
    path: str | None,
    sink: Output | None,
    sources: dict[str, int],
    session: SparkSession | None,
) -> _Done:
    from zoo.features.engines import spark as distributed
    from zoo.features.engines.reading import frame_in_spark

    with ExitStack() as stack:
        if session is None:
            from zoo.cluster import spark

            session = stack.enter_context(spark())
        stack.enter_context(distributed.settings(session))
        frame, zone, nanoseconds = frame_in_spark(session, pipeline.spec.source, path, sources.get(path or ""))
        source = pipeline.spec.source
        try:
            table = distributed.prepare(frame, pipeline.steps, source.names, zone=zone, nanoseconds=nanoseconds)
        except StepError as error:
            raise pipeline.said(error) from error
        fitted = distributed.fit(table)
        pipeline.fitted = fitted
        features = distributed.finished(table, fitted)
        sums = _RunningChecksum()
        if sink is None:
            for part in distributed.collected(features):
                sums.add(part)
            return _Done(table.raw, sums.rows, tuple(sums.columns), sums.text)
        info = _info(
            pipeline, sources, table.raw, _moment(table.until, table.axis), table.plan.scope.names.id,
            rows=distributed.digest(table, source.names), joined=_joined(pipeline, table.until),
        )  # fmt: skip
        version = sink.write_spark(
            features,
            info=info,
            pipeline=pipeline,
            schema=distributed.arrow_schema(table),
        )
        for part in sink.tables():
            sums.add(part)
        return _Done(table.raw, sums.rows, tuple(sums.columns), sums.text, version)


def _appended(
    pipeline: FeaturePipeline,
    path: str | None,
    sink: Output | None,
    sources: dict[str, int],
    chosen: EngineChoice,
    began: float,
) -> FeatureReport:
    """Compute what rows newer than the last run's change; what ``scale`` learnt then stays."""
    if sink is None:
        raise ConfigError("--append needs a sink, but the pipeline has none", "give sink: {path: ...}")
    info = sink.info
    if info is None or info.get("pipeline") != pipeline.hash:
        raise DataError(
            f"--append needs a sink of this pipeline ({pipeline.hash}), but {sink.name} has "
            f"{'nothing' if info is None else info.get('pipeline')}",
            "run it once without --append",
        )
    frame = _frame(path, pipeline, sources)
    seen = int(info["rows_in"])
    if len(frame) < seen:
        raise DataError(
            f"a table that grew must have {seen} rows or more, but has {len(frame)}", "run without --append"
        )
    pipeline.fitted = artifact.load(sink.pipeline).fitted
    old, new = _split(frame, pipeline, info)
    if len(old) != seen:
        raise DataError(
            f"rows up to {info['until']} must be as they were, but there are {len(old)} instead of {seen}",
            "rows came late, or were removed: run without --append",
        )
    source = pipeline.spec.source
    raw = batch_of(old, source.names, zone=source.zone)
    rows = digest(raw)
    _refuse_changes(pipeline, info, rows, int(raw.times.max()))
    del raw
    sums = _RunningChecksum()
    version = None
    if len(new):
        update = append(pipeline, old, new)
        until = _until(frame[pipeline.spec.source.time])
        arrived = batch_of(new, source.names, zone=source.zone)
        noted = _info(
            pipeline, sources, len(frame), until, info.get("id"),
            rows=added([rows, digest(arrived)]), joined=_joined(pipeline, int(arrived.times.max())),
        )  # fmt: skip
        version = sink.update(update, info=noted, pipeline=pipeline)
        why = f"{len(new)} new rows; {update.read} older ones were needed, {len(update.rows)} rows computed"
    else:
        why = "no new rows"
    if "rows" not in info:
        why += "; a former version wrote the sink: whether older rows changed could only be told by their number"
    for part in sink.tables():
        sums.add(part)
    done = _Done(len(frame), sums.rows, tuple(sums.columns), sums.text, version)
    return _report(pipeline, EngineChoice("pandas", why), done, sink, sources, began)


def _refuse_changes(pipeline: FeaturePipeline, info: Mapping[str, Any], rows: Digest, until: int) -> None:
    """Raise where rows of which there are features are not what they were."""
    hint = "run without --append: all features are computed again"
    differing = changed(info.get("rows", {}), rows)
    if differing:
        raise DataError(
            f"rows up to {info['until']} must be as they were, but values, times or ids of {differing} have changed",
            hint,
        )
    now = _joined(pipeline, until) if info.get("joined") else {}
    for place, then in info.get("joined", {}).items():
        differing = changed(then, now.get(place, then))
        if differing:
            raise DataError(
                f"rows of a joined table up to {info['until']} must be as they were, but in the table of step {place} "
                f"{differing} have changed",
                hint,
            )


def _split(frame: pd.DataFrame, pipeline: FeaturePipeline, info: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the last run and the newer ones, told apart by the time up to which it went."""
    times, axis = clock_of(frame[pipeline.spec.source.time])
    until = int(info["until"]) if axis.integer else int(np.datetime64(info["until"], "us").astype(np.int64))
    old = times <= until
    return frame[old], frame[~old]
