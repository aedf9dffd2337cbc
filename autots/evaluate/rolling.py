"""A test set, forecast horizon by horizon from what was known before each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autots.panel import Floats, Future, Ints, Panel

__all__ = ["RollingBatch", "rolling_windows"]


@dataclass(frozen=True)
class RollingBatch:
    """A batch of W windows.

    Args:
        series: (W,) series of each window.
        block: (W,) how many windows of its series came before.
        history: The W histories, one for each window.
        future: Their known covariates over the horizon.
        actual: (W, H) targets, NaN where missing.
    """

    series: Ints
    block: Ints
    history: Panel
    future: Future
    actual: Floats


def rolling_windows(full: Panel, lengths: Ints, horizon: int, *, max_rows: int) -> Iterator[RollingBatch]:
    """Yield batches of windows over the last ``lengths`` rows of each series.

    Window b of a series begins after the first ``b * horizon`` test rows; the last one may be shorter than the horizon,
    its missing targets are NaN and its known covariates repeat the last value.

    Args:
        full: History and test of every series.
        lengths: (S,) test rows of each series.
        horizon: Steps H of each window.
        max_rows: Rows of history per batch, about.
    """
    counts = -(-lengths // horizon)
    series = np.repeat(np.arange(full.n_series), counts)
    block = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = full.indptr[1:][series] - lengths[series] + block * horizon
    sizes = ends - full.indptr[:-1][series]
    batch = (np.cumsum(sizes) - sizes) // max(max_rows, 1)
    for b in np.unique(batch):
        rows = np.flatnonzero(batch == b)
        history = full.windows(series[rows], ends[rows])
        at = ends[rows, None] + np.arange(horizon)
        last = full.indptr[1:][series[rows], None] - 1
        inside = at <= last
        at = np.minimum(at, last)
        future = Future({name: values[at] for name, values in full.known.items()})
        yield RollingBatch(series[rows], block[rows], history, future, np.where(inside, full.y[at], np.nan))
