"""New rows: only what they can change is computed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from zoo.errors import DataError
from zoo.features.batch import Batch, batch_of, clock_of
from zoo.features.engines.pandas import scope_of
from zoo.features.pipeline import FeaturePipeline
from zoo.features.plan import FeaturePlan, aggregated, make_plan
from zoo.features.steps import Resample
from zoo.series.offsets import Ints
from zoo.tables.source import read
from zoo.tables.texts import coded, looked_up

__all__ = ["Update", "append", "needed", "tail"]


@dataclass(frozen=True)
class Update:
    """Features that replace those of a table.

    Args:
        rows: The new features, sorted by id and time.
        since: Id -> the time from which on its old rows are void.
        read: Rows of the history that were needed.
    """

    rows: pd.DataFrame
    since: dict[Any, Any]
    read: int

    def applied(self, old: pd.DataFrame, *, id: str | None, time: str) -> pd.DataFrame:
        """Return a table of features with the update in it.

        Args:
            old: What was computed before.
            id: Its id column; None for a single series.
            time: The column with its clock.
        """
        if id is None:
            kept: pd.DataFrame = old[old[time] < self.since["all"]]
        else:
            kept = old[~(old[time] >= looked_up(old[id], self.since).astype(old[time].dtype))]
        out = pd.concat([kept, self.rows[list(old.columns)]], ignore_index=True)
        if id is None:
            return out.sort_values([time], kind="stable", ignore_index=True)
        by_time = out[time].argsort(kind="stable").to_numpy()
        by_id = np.argsort(coded(out[id], sort=True)[0][by_time], kind="stable")
        return out.take(by_time[by_id]).reset_index(drop=True)


def append(pipeline: FeaturePipeline, history: Any, new: Any) -> Update:
    """Return what changes when rows are appended to a table.

    Equal to the last bit to computing everything again (with what ``scale`` has learnt before).

    Args:
        pipeline: FittedSteps, if it has to be.
        history: The rows so far; ``needed`` says which of them are enough.
        new: The new rows; they may also be older than the newest ones of the history.
    """
    source = pipeline.spec.source
    text = [source.id] if source.id else []
    old_rows, new_rows = read(history, text=text), read(new, text=text)
    assert isinstance(old_rows, pd.DataFrame) and isinstance(new_rows, pd.DataFrame)
    if set(old_rows.columns) != set(new_rows.columns):
        differing = sorted(set(map(str, old_rows.columns)) ^ set(map(str, new_rows.columns)))
        raise DataError(f"new rows must have the table's columns, but differ in {differing}", "write all columns")
    arriving = batch_of(new_rows, source.names, zone=source.zone)
    plan = make_plan(pipeline.steps, scope_of(batch_of(old_rows.iloc[:1], source.names, zone=source.zone)))
    seen = batch_of(old_rows, source.names, zone=source.zone)
    first = _first_changed(plan, arriving, seen)
    kept = needed(plan, seen, first)
    rows = _rows_of(old_rows, pipeline, first, kept)
    table = pd.concat([rows, new_rows[rows.columns]], ignore_index=True)
    prepared = pipeline.prepare(table)
    done = pipeline.transform_of(prepared)
    limits = _limits(done, first, aggregated(plan))
    changed = done.take(done.times >= done.offsets.repeat(limits))
    frame = pipeline.frame(prepared, changed, new_rows)
    stamp = frame[source.time]
    since = dict(zip(changed.ids.tolist(), stamp.iloc[changed.offsets.starts].tolist(), strict=True))
    return Update(frame, since, len(rows))


def tail(pipeline: FeaturePipeline, rows: pd.DataFrame) -> pd.DataFrame:
    """Return those of some raw rows on which the features of later rows can depend.

    The newest row of each series is computed from them with the bits that all rows would give it. Where rows are
    filtered all are kept: how many of them will pass is not known.

    Args:
        pipeline: Whose steps say how far they look back.
        rows: All raw rows so far.
    """
    source = pipeline.spec.source
    history = batch_of(rows, source.names, zone=source.zone)
    plan = make_plan(pipeline.steps, scope_of(history))
    if _thins(plan):
        return rows
    newest = history.times[history.offsets.ends - 1]
    newest = plan.step_of(newest, history.axis.zone)
    first = dict(zip(history.ids.tolist(), newest.tolist(), strict=True))
    return _rows_of(rows, pipeline, first, needed(plan, history, first))


def _first_changed(plan: FeaturePlan, arriving: Batch, seen: Batch) -> dict[Any, int]:
    """Return id -> the first row of the grid that new rows can change or bring, those of a gap before them too."""
    begin = plan.step_of(arriving.times[arriving.offsets.starts], arriving.axis.zone)
    first: dict[Any, int] = dict(zip(arriving.ids.tolist(), begin.tolist(), strict=True))
    if plan.every is None:
        return first
    after = _after(plan, seen)
    if aggregated(plan):
        # A group ends no earlier than a member; which group a new member joins, or a filter leaves, is not looked up.
        everywhere = _thins(plan) or any(key not in after for key in first)
        ends = after.values() if everywhere else [after[key] for key in first]
        return dict.fromkeys(first, min([*first.values(), *ends]))
    return {key: min(time, after.get(key, time)) for key, time in first.items()}


def _after(plan: FeaturePlan, seen: Batch) -> dict[Any, int]:
    """Return id -> the row of the grid that follows the last one that there is."""
    zone = seen.axis.zone
    if _thins(plan):  # what is filtered out ends no series
        last = max(i for i, step in enumerate(plan.rows) if isinstance(step, Resample))
        for step in plan.rows[:last]:
            seen = step.apply(seen) if len(seen) else seen
    ends = plan.step_of(seen.times[seen.offsets.ends - 1], zone)
    return dict(zip(seen.ids.tolist(), (ends + (plan.every or 1)).tolist(), strict=True))


def needed(plan: FeaturePlan, history: Batch, first: dict[Any, int]) -> dict[Any, int]:
    """Return id -> the time from which on its rows are needed.

    Args:
        plan: What the pipeline does with this table.
        history: The rows so far.
        first: Id -> the first time that changes. Where series are put together, the earliest counts for all.
    """
    if aggregated(plan):
        low = min(first.values())
        first = dict.fromkeys([*history.ids.tolist(), *first], low)
    out: dict[Any, int] = {}
    for i, key in enumerate(history.ids.tolist()):
        if key not in first:
            continue
        begin, end = int(history.offsets.indptr[i]), int(history.offsets.indptr[i + 1])
        times = history.times[begin:end]
        out[key] = _reach(times, first[key], plan, history.axis.zone)
    return out


def _reach(times: Ints, first: int, plan: FeaturePlan, zone: str | None) -> int:
    """Return the time of the row with which a sufficient history begins."""
    if plan.every is None:
        # Rows are counted, and each time may have several before they are thinned out.
        distinct = np.unique(times)
        at = max(int(np.searchsorted(distinct, first)) - plan.lookback * (1 if not _thins(plan) else 4), 0)
        return int(distinct[at]) if len(distinct) and at < len(distinct) else first
    edge = first - plan.lookback * plan.every
    # It begins with a row: steps before it would not be there, and a step that is not there is not a missing value.
    at = int(np.searchsorted(times, edge, side="right")) - 1
    return int(plan.step_of(times[max(at, 0)], zone)) if len(times) else edge


def _thins(plan: FeaturePlan) -> bool:
    return any(step.kind == "filter" for step in plan.rows)


def _rows_of(old: pd.DataFrame, pipeline: FeaturePipeline, first: dict[Any, int], kept: dict[Any, int]) -> pd.DataFrame:
    source = pipeline.spec.source
    times, _ = clock_of(old[source.time])
    if source.id is None:
        return old[times >= kept.get("all", np.iinfo(np.int64).max)]
    never = np.iinfo(np.int64).max
    ids = old[source.id]
    plain = ids if pd.api.types.is_integer_dtype(ids.dtype) else ids.astype(str)
    limit = looked_up(plain, kept)
    since = pd.to_numeric(limit).fillna(0).to_numpy(np.int64)
    since[limit.isna().to_numpy()] = never
    return old[times >= since]


def _limits(done: Batch, first: dict[Any, int], together: bool) -> Ints:
    if together:
        return np.full(len(done.ids), min(first.values()), dtype=np.int64)
    return np.array([first.get(key, np.iinfo(np.int64).max) for key in done.ids.tolist()], dtype=np.int64)
