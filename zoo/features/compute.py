"""The column steps over one batch: the code that training in memory, Spark and a request share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoo.features.batch import Array, Batch
from zoo.features.kernels.gaps import closed, find_gaps, forward
from zoo.features.plan import FeaturePlan, Planned
from zoo.features.steps import FittedSteps, Impute, Scale, Scales
from zoo.features.steps.scale import pool
from zoo.series.offsets import Floats, Ints, Offsets, spans

__all__ = ["compute", "fitted_of", "learn", "scaled"]

_PIECE = 1 << 18  # rows of the past that are laid out at a time


def compute(plan: FeaturePlan, batch: Batch, *, last: int | None = None) -> Batch:
    """Return a batch with the columns of all steps but ``scale``.

    Args:
        plan: The steps to take, in their order.
        batch: After the row steps.
        last: Only the last rows of each series matter.
    """
    return _run(plan, batch, 0, last)


def _run(plan: FeaturePlan, batch: Batch, first: int, last: int | None) -> Batch:
    for at in range(first, len(plan.columns)):
        planned = plan.columns[at]
        if last is not None and len(batch.offsets) == 1 and plan.is_leaf(at):
            batch = batch.with_columns(_newest(planned, batch, last))
            continue
        after = batch.with_columns(planned.step.apply(batch, planned.reads, None))
        if isinstance(planned.step, Impute) and planned.step.how == "linear":
            done = _run(plan, after, at + 1, last)
            return _as_seen(plan, at, batch, done, last)
        batch = after
    return batch


def _newest(planned: Planned, batch: Batch, last: int) -> dict[str, Array]:
    """Return what a step writes for the last rows of one series, from as many rows as they need; NaN before."""
    need = planned.step.lookback + last
    if need >= len(batch):
        return planned.step.apply(batch, planned.reads, None)
    columns = {name: batch.columns[name][-need:] for name in planned.reads}
    short = Batch(batch.ids, Offsets(np.array([0, need])), batch.times[-need:], columns, batch.names, batch.axis)
    step = planned.step
    found = step.newest(short, planned.reads) if last == 1 else step.apply(short, planned.reads, None)
    out = np.full((len(found), len(batch)), np.nan)
    for row, values in zip(out, found.values(), strict=True):
        row[-last:] = values[-last:]
    return dict(zip(found, out, strict=True))


def _as_seen(plan: FeaturePlan, at: int, before: Batch, done: Batch, last: int | None) -> Batch:
    """Replace rows inside gaps by what they look like from inside: the line through a gap needs its other end.

    Each such row gets a series of its own: its history with the gap open, and the remaining steps run over it.
    """
    planned = plan.columns[at]
    limit = planned.step.limit if isinstance(planned.step, Impute) else 0
    views: dict[str, tuple[Floats, Floats, Ints]] = {}
    inside = np.zeros(len(before), dtype=bool)
    for name in planned.reads:
        values = before.columns[name]
        gaps = find_gaps(values, before.offsets)
        if not gaps.begun.any():
            continue
        good = np.flatnonzero(gaps.begun)
        length = np.minimum(gaps.length[good], limit)
        start = np.arange(1, len(before) + 1)  # of the gap that a row lies in; behind the row where it lies in none
        rows = spans(gaps.first[good], length)
        start[rows] = np.repeat(gaps.first[good], length)
        inside[rows] = True
        views[name] = (closed(values, gaps, limit), forward(values, gaps, limit), start)
    if last is not None:
        inside &= np.arange(len(before)) >= before.offsets.repeat(before.offsets.ends - last)
    rows = np.flatnonzero(inside)
    if not len(rows):
        return done
    later = plan.columns[at + 1 :]
    written = dict.fromkeys([*planned.writes, *(name for p in later for name in p.writes)])
    columns = {name: done.columns[name].copy() for name in written}
    begin = np.maximum(rows - plan.lookback, before.offsets.indptr[before.offsets.codes[rows]])
    total = rows - begin + 1
    pieces = np.unique(np.concatenate([[0], np.flatnonzero(np.diff(np.cumsum(total) // _PIECE)) + 1, [len(rows)]]))
    for low, high in zip(pieces[:-1].tolist(), pieces[1:].tolist(), strict=True):
        piece = _opened(before, views, later, rows[low:high], begin[low:high])
        ended = _run(plan, piece, at + 1, 1)
        newest = piece.offsets.ends - 1
        for name in columns.keys() & ended.columns.keys():
            columns[name][rows[low:high]] = ended.columns[name][newest]
    return done.with_columns(columns)


def _opened(
    before: Batch,
    views: dict[str, tuple[Floats, Floats, Ints]],
    later: tuple[Planned, ...],
    rows: Ints,
    begin: Ints,
) -> Batch:
    """Return one series per row: its history as it was known when the row was the newest."""
    total = rows - begin + 1
    flat = spans(begin, total)
    needed = {name for p in later for name in p.reads} | set(views)
    columns: dict[str, Array] = {}
    for name in needed & set(before.columns):
        if name in views:
            known, held, start = views[name]
            columns[name] = np.where(flat >= np.repeat(start[rows], total), held[flat], known[flat])
        else:
            columns[name] = before.columns[name][flat]
    return replace(
        before,
        ids=np.arange(len(rows)),
        offsets=Offsets.of_lengths(total),
        times=before.times[flat],
        columns=columns,
    )


def learn(plan: FeaturePlan, batch: Batch) -> dict[int, dict[str, Floats]]:
    """Return what the ``scale`` steps learn from computed series: position -> column -> (S, 2)."""
    return {p.place: p.step.learn(batch, p.reads) for p in plan.scales if isinstance(p.step, Scale)}


def fitted_of(plan: FeaturePlan, ids: list[Array], learnt: list[dict[int, dict[str, Floats]]]) -> FittedSteps:
    """Put together what was learnt from parts of the series.

    Args:
        plan: The steps that were taken.
        ids: Of each part's series.
        learnt: What ``learn`` returned for each part.
    """
    every = [i for part in ids for i in part.tolist()]
    order = sorted(range(len(every)), key=lambda k: every[k])
    index = {every[k]: row for row, k in enumerate(order)}
    scales = {}
    for p in plan.scales:
        table = {name: np.concatenate([part[p.place][name] for part in learnt])[order] for name in p.reads}
        scales[p.place] = Scales(index, table, pool(table))
    return FittedSteps(scales)


def scaled(plan: FeaturePlan, batch: Batch, fitted: FittedSteps | None) -> Batch:
    """Return a computed batch with its scaled columns."""
    for p in plan.scales:
        scales = None if fitted is None else fitted.scales.get(p.place)
        batch = batch.with_columns(p.step.apply(batch, p.reads, scales))
    return batch
