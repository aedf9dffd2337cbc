"""What a network sees: the scaled window before an origin, and what is known about each step after it.

Axes: W origins, L rows of lookback, I inputs, H steps, K covariates of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from autots.models.base import Task
from autots.models.neural.training import Examples
from autots.models.origins import ForecastOrigins
from autots.models.windows import WindowSpec, WindowTable, norm_window, seasons_within, usual_rows
from autots.panel import Floats, Future, Ints, Panel
from zoo.errors import ModelError

__all__ = ["ColumnScaler", "Windows", "classes_of", "lookback_of", "step_columns", "window_columns"]

# Parts of the calendar that go round, and after how many units; only the first one of a year's is used.
_ROUND = {"minute_of_day": 1440.0, "hour": 24.0, "weekday": 7.0}
_YEAR = {"day_of_year": 365.25, "week": 52.18, "month": 12.0}
_FLAGS = ("is_weekend", "year_end", "new_year", "christmas")
_HARMONICS = 2
_MAX_CLASSES = 12  # categories that get a column each
_FAR, _FARTHEST = 15.0, 20.0  # standard deviations after which inputs and targets are cut
_MEASURED = 5_000  # windows that means and deviations are taken from


@dataclass(frozen=True)
class ColumnScaler:
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


def lookback_of(panel: Panel, task: Task, lookback: float, norm: str, norm_periods: int) -> tuple[int, WindowSpec]:
    """Return the rows L that enter, and how they are normalised.

    Args:
        panel: The series that the network learns from.
        task: Its horizon and seasons are what the lookback is measured in.
        lookback: In units of the longest of two horizons, two short seasons and one long season.
        norm: Kind of a ``scaling.Normaliser``.
        norm_periods: Seasons to normalise over, as for ``norm_window``.
    """
    usual = usual_rows(panel, task)
    seasons, _ = seasons_within(task, usual, (1, 1))
    base = max(2 * task.horizon, 2 * min(seasons, default=1), max(seasons, default=1))
    rows = int(np.clip(lookback * base, min(8, usual), max(min(usual // 2, 400), 1)))
    return rows, WindowSpec(rows, (), (), True, norm, norm_window(task, seasons, norm_periods, usual))


def classes_of(panel: Panel) -> dict[str, int]:
    """Return how many categories the categorical covariates of a panel have, for those that have few."""
    out: dict[str, int] = {}
    for name in sorted(panel.categorical):
        values = next(group[name] for group in (panel.known, panel.past, panel.static) if name in group)
        seen = values[~np.isnan(np.asarray(values, dtype=np.float64))]
        count = int(seen.max()) + 1 if len(seen) else 0
        if 0 < count <= _MAX_CLASSES:
            out[name] = count
    return out


def window_columns(
    table: WindowTable, at: ForecastOrigins, lookback: int, scale: tuple[Floats, Floats], classes: Mapping[str, int]
) -> Floats:
    """Return the (W, I) inputs of some origins.

    The last ``lookback`` targets in units of the window (zero before the start of a series, and the share of such
    rows), then past covariates at the origin and static ones.

    Args:
        table: Looks values up in the panel.
        at: The W origins whose windows are wanted.
        lookback: Rows L before and at the origin.
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
    columns += [_one_hot(values[at.row], classes.get(name)) for name, values in sorted(panel.past.items())]
    columns += [_one_hot(values[at.series], classes.get(name)) for name, values in sorted(panel.static.items())]
    return np.concatenate(columns, axis=1)


def step_columns(table: WindowTable, at: ForecastOrigins, future: Future | None, classes: Mapping[str, int]) -> Floats:
    """Return the (W, H, K) covariates of each step: parts of its date, and what the user knows of it.

    Args:
        table: Looks values up in the panel.
        at: The W origins whose steps are wanted.
        future: Covariates behind the end of the panel's series, where origins reach beyond it.
        classes: Category counts, of ``classes_of`` the panel that was learned from.
    """
    horizon = table.task.horizon
    each = ForecastOrigins(np.repeat(at.series, horizon), np.repeat(at.row, horizon))
    steps = np.tile(np.arange(1, horizon + 1), len(at))
    return _of_rows(table, each, steps, future, classes).reshape(len(at), horizon, -1)


def _of_rows(
    table: WindowTable, at: ForecastOrigins, steps: Ints, future: Future | None, classes: Mapping[str, int]
) -> npt.NDArray[np.float32]:
    """Return the (R, K) covariates of single rows, each so many steps after an origin."""
    panel = table.panel
    columns = [np.zeros((len(at), 0)), *_cycles(table.calendar(at, steps))]
    row, ends = at.row + steps, panel.indptr[at.series + 1]
    beyond = row >= ends
    for name, values in sorted(panel.known.items()):
        out = np.asarray(values[np.minimum(row, ends - 1)], dtype=np.float64)
        if future is not None and name in future.known and beyond.any():
            out[beyond] = future.known[name][at.series[beyond], (row - ends)[beyond]]
        columns.append(_one_hot(out, classes.get(name)))
    return np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")


class Windows:
    """The examples of a fit, made when they are asked for: all of them at once would not fit into memory.

    Args:
        table: Looks values up in the panel.
        at: W origins with a whole horizon behind them.
        lookback: Rows L before and at the origin.
        classes: Category counts, of ``classes_of`` the panel.
        weight: Returns (W,) weights, given the (W,) scales of the windows.

    Raises:
        ModelError: There is nothing to learn from.
    """

    def __init__(
        self,
        table: WindowTable,
        at: ForecastOrigins,
        lookback: int,
        classes: Mapping[str, int],
        weight: Callable[[Floats], Floats],
    ) -> None:
        self._table, self._at, self._lookback, self._classes = table, at, lookback, classes
        self._level, self._scale = table.scale(at)
        self._weight = weight(self._scale)
        panel, self._ahead = table.panel, np.arange(1, table.task.horizon + 1)
        heavy = at.row[self._weight > 0]
        if not any(np.isfinite(panel.y[heavy + step]).any() for step in self._ahead):
            raise ModelError("a network needs windows with a target, but got none")
        # The covariates of each row that is a target of some window, once.
        wanted = np.zeros(panel.n_rows, dtype=bool)
        for step in self._ahead:
            wanted[at.row + step] = True
        rows = np.flatnonzero(wanted)
        self._place = np.cumsum(wanted, dtype=np.int64) - 1
        owner = np.searchsorted(panel.indptr, rows, side="right") - 1
        columns = _of_rows(table, ForecastOrigins(owner, rows), np.zeros(len(rows), dtype=np.int64), None, classes)
        self.of_step = ColumnScaler.of(columns)
        self._known = self.of_step(columns)
        some = np.linspace(0, len(at) - 1, min(len(at), _MEASURED)).astype(int)
        # Lags are in units of their window already; their columns must keep one scale.
        self.of_window = ColumnScaler.of(self._inputs(some)).without(lookback + 1)

    def __len__(self) -> int:
        return len(self._at)

    @property
    def sizes(self) -> tuple[int, int]:
        """The inputs I of a window and the covariates K of a step."""
        return len(self.of_window.mean), len(self.of_step.mean)

    def _inputs(self, rows: Ints) -> Floats:
        at = ForecastOrigins(self._at.series[rows], self._at.row[rows])
        return window_columns(self._table, at, self._lookback, (self._level[rows], self._scale[rows]), self._classes)

    def __call__(self, rows: Ints) -> Examples:
        """Return some examples by position."""
        inside = self._at.row[rows, None] + self._ahead
        target = (self._table.panel.y[inside] - self._level[rows, None]) / self._scale[rows, None]
        return Examples(
            self.of_window(self._inputs(rows)),
            self._known[self._place[inside]],
            np.clip(target, -_FARTHEST, _FARTHEST).astype(np.float32),
            self._weight[rows].astype(np.float32),
        )


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


def _one_hot(values: Floats, classes: int | None) -> Floats:
    """Return (R, 1) numbers, or a column per category; one that was never seen has none."""
    values = np.asarray(values, dtype=np.float64)[:, None]
    return values if classes is None else np.asarray(values == np.arange(classes), dtype=np.float64)
