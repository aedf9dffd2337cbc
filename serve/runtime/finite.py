"""Answers are numbers: series whose forecasts are not finite are told as errors, never as nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autots.panel import Floats, Panel
from serve.protocol.errors import RequestError
from serve.runtime.model import ForecastBlock
from serve.runtime.read import Ready

__all__ = ["checked", "overflowed"]

# Beyond these sizes squares leave single precision, which networks and trees count in.
_LARGE, _SMALL = 1e18, 1e-18


def checked(ready: Ready, blocks: Sequence[ForecastBlock], names: Sequence[str]) -> tuple[Ready, list[ForecastBlock]]:
    """Return what can be answered, and its forecasts; the other series are among the errors.

    Args:
        ready: The series that were forecast, as they were read.
        blocks: By each model, of the same series.
        names: The names of the models, for messages.
    """
    assert ready.panel is not None
    if all(np.isfinite(block.mean).all() and np.isfinite(block.quantiles).all() for block in blocks):
        return ready, list(blocks)
    good = np.ones(len(ready.rows), dtype=bool)
    errors = dict(ready.errors)
    for block, name in zip(blocks, names, strict=True):
        fine = np.isfinite(block.mean).all(axis=1) & np.isfinite(block.quantiles).all(axis=(1, 2))
        for i in np.flatnonzero(good & ~fine):
            errors[ready.rows[i]] = _error(ready, int(i), name)
        good &= fine
    at = np.flatnonzero(good)
    rows = [ready.rows[i] for i in at]
    errors = dict(sorted(errors.items()))
    if not rows:
        return replace(ready, panel=None, rows=rows, errors=errors), []
    left = replace(ready, panel=ready.panel.select(at), future=ready.future.select(at), rows=rows, errors=errors)
    return left, [replace(block, mean=block.mean[at], quantiles=block.quantiles[at]) for block in blocks]


def overflowed(error: RequestError, ready: Ready) -> RequestError:
    """Return an error of the model's, or what the client did, where values that large or small explain it."""
    panel = ready.panel
    if error.status != 500 or panel is None or not any(_extreme(_values(panel, i)) for i in range(panel.n_series)):
        return error
    at = next(i for i in range(panel.n_series) if _extreme(_values(panel, i)))
    return _error(ready, at, "the model")


def _error(ready: Ready, at: int, name: str) -> RequestError:
    assert ready.panel is not None
    panel, where = ready.panel, f"series[{ready.rows[at]}]"
    values = _values(panel, at)
    told = f"a forecast must be finite, but {name} has none for {str(panel.ids[at])!r}"
    if not _extreme(values):
        return RequestError(told, "the model fails on these values: the server's log may have more", where, 500)
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    hint = f"its values reach from {sizes.min():g} to {sizes.max():g} in size: scale them"
    if ready.stored:
        hint += "; a wrong actual can be corrected or withdrawn through /v1/observe"
    return RequestError(told, hint, f"{where}.y")


def _values(panel: Panel, at: int) -> Floats:
    return np.asarray(panel.y[int(panel.indptr[at]) : int(panel.indptr[at + 1])])


def _extreme(values: Floats) -> bool:
    sizes = np.abs(values[~np.isnan(values) & (values != 0)])
    return bool(len(sizes)) and bool(sizes.max() > _LARGE or sizes.max() < _SMALL)
