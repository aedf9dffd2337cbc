"""What a network sees: the scaled window before an origin, and what is known about each step after it.

Axes: W origins, L rows of lookback, I inputs, H steps, K covariates of a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from autots.models.windows import Origins, Table
from autots.panel import Floats, Future, Panel

__all__ = ["Encoding", "classes_of", "step_columns", "window_columns"]

# Parts of the calendar that go round, and after how many units; only the first one of a year's is used.
_ROUND = {"minute_of_day": 1440.0, "hour": 24.0, "weekday": 7.0}
_YEAR = {"day_of_year": 365.25, "week": 52.18, "month": 12.0}
_FLAGS = ("is_weekend", "year_end", "new_year", "christmas")
_HARMONICS = 2
_MOST_CLASSES = 12  # categories that get a column each
_FAR = 15.0  # standard deviations after which inputs are cut


@dataclass(frozen=True)
class Encoding:
    """Means and deviations by which columns are standardised; missing values are then zero, the mean.

    Args:
        mean: (K,) of each column.
        deviation: (K,) of each column, 1 for a constant one.
    """

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, columns: Floats) -> Self:
        """Measure (..., K) columns."""
        flat = columns.reshape(int(np.prod(columns.shape[:-1])), columns.shape[-1])
        seen = ~np.isnan(flat)
        count = np.maximum(seen.sum(axis=0), 1)
        mean = np.where(seen, flat, 0.0).sum(axis=0) / count
        deviation = np.sqrt(np.where(seen, (flat - mean) ** 2, 0.0).sum(axis=0) / count)
        return cls(mean, np.where(deviation > 1e-9, deviation, 1.0))

    def __call__(self, columns: Floats) -> npt.NDArray[np.float32]:
        """Return (..., K) standardised columns."""
        z = np.nan_to_num((columns - self.mean) / self.deviation)
        return np.asarray(np.clip(z, -_FAR, _FAR), dtype=np.float32)

    def without(self, count: int) -> Self:
        """Return the encoding that leaves the first columns as they are."""
        first = np.arange(len(self.mean)) < count
        return type(self)(np.where(first, 0.0, self.mean), np.where(first, 1.0, self.deviation))

    def to_dict(self) -> dict[str, Any]:
        """Return arrays."""
        return {"mean": self.mean, "deviation": self.deviation}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` wrote."""
        return cls(np.asarray(values["mean"]), np.asarray(values["deviation"]))


def classes_of(panel: Panel) -> dict[str, int]:
    """Return how many categories the categorical covariates of a panel have, for those that have few."""
    out: dict[str, int] = {}
    for name in sorted(panel.categorical):
        values = next(group[name] for group in (panel.known, panel.past, panel.static) if name in group)
        seen = values[~np.isnan(np.asarray(values, dtype=np.float64))]
        count = int(seen.max()) + 1 if len(seen) else 0
        if 0 < count <= _MOST_CLASSES:
            out[name] = count
    return out


def window_columns(
    table: Table, at: Origins, lookback: int, scale: tuple[Floats, Floats], classes: Mapping[str, int]
) -> Floats:
    """Return the (W, I) inputs of some origins.

    The last ``lookback`` targets in units of the window (zero before the start of a series, and the share of such
    rows), then past covariates at the origin and static ones.

    Args:
        table: Of the panel.
        at: W origins.
        lookback: L.
        scale: (W,) level and (W,) scale, of ``table.scale``.
        classes: Category counts, of ``classes_of`` the panel that was learned from.
    """
    panel, (level, size) = table.panel, scale
    first = panel.indptr[at.series][:, None]
    row = at.row[:, None] - np.arange(lookback)[::-1]
    missing = row < first
    lags = (table.y[np.maximum(row, first)] - level[:, None]) / size[:, None]
    lags = np.clip(np.where(missing, 0.0, lags), -_FAR, _FAR)
    columns = [lags, missing.mean(axis=1)[:, None]]
    columns += [_spread_out(values[at.row], classes.get(name)) for name, values in sorted(panel.past.items())]
    columns += [_spread_out(values[at.series], classes.get(name)) for name, values in sorted(panel.static.items())]
    return np.concatenate(columns, axis=1)


def step_columns(table: Table, at: Origins, future: Future | None, classes: Mapping[str, int]) -> Floats:
    """Return the (W, H, K) covariates of each step: parts of its date, and what the user knows of it.

    Args:
        table: Of the panel.
        at: W origins.
        future: Covariates behind the end of the panel's series, where origins reach beyond it.
        classes: Category counts, of ``classes_of`` the panel that was learned from.
    """
    panel, horizon = table.panel, table.task.horizon
    each = Origins(np.repeat(at.series, horizon), np.repeat(at.row, horizon))
    steps = np.tile(np.arange(1, horizon + 1), len(at))
    columns = [np.zeros((len(each), 0)), *_cycles(table.calendar(each, steps))]
    row, ends = each.row + steps, panel.indptr[each.series + 1]
    beyond = row >= ends
    for name, values in sorted(panel.known.items()):
        out = np.asarray(values[np.minimum(row, ends - 1)], dtype=np.float64)
        if future is not None and name in future.known and beyond.any():
            out[beyond] = future.known[name][each.series[beyond], (row - ends)[beyond]]
        columns.append(_spread_out(out, classes.get(name)))
    return np.concatenate(columns, axis=1).reshape(len(at), horizon, -1)


def _cycles(parts: Mapping[str, npt.NDArray[np.float32]]) -> list[Floats]:
    """Return the parts of the calendar as waves, so that the end of a cycle is near its beginning."""
    year = next(((name, _YEAR[name]) for name in _YEAR if name in parts), None)
    periods = _ROUND | ({year[0]: year[1]} if year else {})
    columns: list[Floats] = []
    for name, values in parts.items():
        period = float(name.removeprefix("phase_")) if name.startswith("phase_") else periods.get(name)
        if period is not None:
            angle = 2 * np.pi * np.asarray(values, dtype=np.float64)[:, None] / period
            columns += [wave(k * angle) for k in range(1, _HARMONICS + 1) for wave in (np.sin, np.cos)]
        elif name in _FLAGS:
            columns.append(np.asarray(values, dtype=np.float64)[:, None])
    return columns


def _spread_out(values: Floats, classes: int | None) -> Floats:
    """Return (R, 1) numbers, or a column per category; one that was never seen has none."""
    values = np.asarray(values, dtype=np.float64)[:, None]
    return values if classes is None else np.asarray(values == np.arange(classes), dtype=np.float64)
