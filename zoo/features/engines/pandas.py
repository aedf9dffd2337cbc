"""The engine in memory: row steps over the whole table, column steps over chunks of series."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from zoo.errors import DataError
from zoo.features.batch import Array, Batch, FeatureRoles, batch_of
from zoo.features.compute import compute, fitted_of, learn, scaled
from zoo.features.plan import FeaturePlan, make_plan
from zoo.features.steps import FittedSteps, Scope, Step

__all__ = ["Prepared", "chunks", "computed", "fit", "prepare", "scope_of", "whole"]

_CHUNK = 1 << 16  # rows: larger ones fetch new memory for every column, and were slower


@dataclass(frozen=True)
class Prepared:
    """A table after the row steps.

    Args:
        batch: The series, sorted by id and time.
        plan: What remains to be done.
        raw: Number of rows that came in.
    """

    batch: Batch
    plan: FeaturePlan
    raw: int


def scope_of(batch: Batch) -> Scope:
    """Return the columns of a batch."""
    texts = tuple(name for name, values in batch.columns.items() if values.dtype == object)
    return Scope(batch.names, tuple(name for name in batch.columns if name not in texts), texts)


def prepare(
    frame: pd.DataFrame,
    steps: tuple[Step, ...],
    names: FeatureRoles,
    *,
    zone: str | None,
    plans: dict[Scope, FeaturePlan] | None = None,
    look: Callable[[Batch], None] | None = None,
) -> Prepared:
    """Return a table after the row steps.

    Args:
        frame: The rows before any step.
        steps: All steps of the pipeline, in order.
        names: Which columns hold id, time and target.
        zone: Zone of the calendar.
        plans: Plans of earlier tables with the same columns, and of this one afterwards.
        look: Shown the rows before any step.

    Raises:
        DataError: The table cannot be used, or no row is left.
        StepError: A step does not fit the table.
    """
    batch = batch_of(frame, names, zone=zone)
    scope = scope_of(batch)
    plan = (plans or {}).get(scope) or make_plan(steps, scope)
    if plans is not None:
        plans[scope] = plan
    raw = len(batch)
    if look is not None:
        look(batch)
    for step in plan.rows:
        batch = step.apply(batch)
        if not len(batch):
            raise DataError(f"a step must leave rows, but {step.kind} leaves none of {raw}", "check its options")
    return Prepared(batch, plan, raw)


def chunks(batch: Batch, rows: int = _CHUNK) -> list[Batch]:
    """Return the series in parts of about so many rows."""
    return [batch.series(part.start, part.stop) for part in batch.offsets.chunks(rows)]


def _each(parts: list[Batch], work: Callable[[Batch], Any]) -> Iterator[Any]:
    """Yield what ``work`` makes of each part, in order, with two or three parts at hand."""
    threads = min(len(parts), os.cpu_count() or 1, 8)
    if threads < 2:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(work, part) for part in parts[: threads + 1]]
        for i in range(len(parts)):
            yield waiting[i].result()
            waiting[i] = None  # type: ignore[call-overload]  # its arrays can go
            if i + threads + 1 < len(parts):
                waiting.append(pool.submit(work, parts[i + threads + 1]))


def fit(prepared: Prepared) -> FittedSteps:
    """Return what the steps learn from a table."""
    if not prepared.plan.scales:
        return FittedSteps({})
    plan = prepared.plan
    parts = chunks(prepared.batch)
    return fitted_of(plan, [part.ids for part in parts], list(_each(parts, lambda b: learn(plan, compute(plan, b)))))


def computed(prepared: Prepared, fitted: FittedSteps | None) -> Iterator[Batch]:
    """Yield the finished series, part by part in the order of their ids."""
    plan = prepared.plan
    yield from _each(chunks(prepared.batch), lambda b: scaled(plan, compute(plan, b), fitted))


def whole(
    prepared: Prepared, fitted: FittedSteps | None, *, learning: bool = False
) -> tuple[Batch, FittedSteps | None]:
    """Return all finished series in one batch, and what was learnt.

    Args:
        prepared: The table after the row steps.
        fitted: What the steps know.
        learning: Find it out, in the same pass.
    """
    plan, batch = prepared.plan, prepared.batch
    written = {name: np.empty(len(batch)) for name in plan.written}
    learnt, ids = [], []
    parts = chunks(batch)
    if len(parts) == 1:
        done = compute(plan, batch)
        fitted = fitted_of(plan, [batch.ids], [learn(plan, done)]) if learning else fitted
        return scaled(plan, done, fitted), fitted

    def work(part: Batch) -> dict[int, dict[str, Array]]:
        done = compute(plan, part)
        begin = int(begins[id(part)])
        for name in plan.written:
            written[name][begin : begin + len(part)] = done.columns[name]
        return learn(plan, done) if learning else {}

    starts = np.cumsum([0, *[len(part) for part in parts]])
    begins = {id(part): start for part, start in zip(parts, starts[:-1].tolist(), strict=True)}
    for part, found in zip(parts, _each(parts, work), strict=True):
        learnt.append(found)
        ids.append(part.ids)
    out = batch.with_columns(written)
    if learning:
        fitted = fitted_of(plan, ids, learnt)
    return scaled(plan, out, fitted), fitted
