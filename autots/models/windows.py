"""Forecast origins of a panel and the features seen from them, shared by the models that learn over all series.

Everything is computed from rows at or before the origin, plus what is known about the target's time. Axes: W origins,
R rows (an origin and a step ahead), F features, H steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.models.base import Task
from autots.panel import Floats, Future, Ints, Panel
from autots.panel import calendar as clock_parts

__all__ = ["Normaliser", "Origins", "Table", "WindowSpec", "final_origins", "sample_origins", "seasons_within"]

Norm = str


@dataclass(frozen=True)
class Origins:
    """W forecast origins.

    Args:
        series: (W,) series of each origin.
        row: (W,) flat row of the last known value.
    """

    series: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.row)


def final_origins(panel: Panel) -> Origins:
    """Return the origin at the end of every series."""
    return Origins(np.arange(panel.n_series), panel.indptr[1:] - 1)


def sample_origins(
    panel: Panel, horizon: int, *, most: int, rng: np.random.Generator, min_history: int, halflife: float = np.inf
) -> Origins:
    """Draw at most ``most`` distinct origins with a whole horizon behind them, in flat order.

    Args:
        panel: The series.
        horizon: Rows that must follow an origin.
        most: Upper bound on W.
        rng: Source of chance.
        min_history: Rows that an origin must have seen, itself included; short series give what they have.
        halflife: Rows after which an origin is half as likely as a recent one.
    """
    lengths = panel.lengths
    first = np.minimum(min_history, np.maximum(lengths - horizon, 1)) - 1
    counts = np.maximum(lengths - horizon - first, 0)
    series = np.repeat(np.arange(panel.n_series), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    row = panel.indptr[series] + first[series] + within
    if len(row) > most:
        if np.isfinite(halflife):
            age = (counts[series] - 1 - within) / halflife
            # Efraimidis & Spirakis (2006): a weighted sample without replacement by keys log(u) / w.
            keys = np.log(rng.random(len(row))) * np.exp2(age)
            chosen = np.argpartition(-keys, most)[:most]
        else:
            chosen = rng.choice(len(row), size=most, replace=False)
        chosen.sort()
        series, row = series[chosen], row[chosen]
    return Origins(series.astype(np.int64), row.astype(np.int64))


@dataclass(frozen=True)
class Normaliser:
    """Brings windows of different size to one scale: z = (y - level) / scale.

    Args:
        kind: ``mean`` divides by the mean absolute value of the window, ``standard`` subtracts its mean and divides
            by its standard deviation, ``last`` subtracts the last value and divides by the mean absolute step (or
            the seasonal step), ``none`` leaves the values.
        window: Rows that it looks at.
    """

    kind: Norm
    window: int

    def __call__(self, y: Floats, panel: Panel, at: Origins) -> tuple[Floats, Floats]:
        """Return (W,) levels and (W,) scales of the windows that end at the origins."""
        if self.kind == "none":
            return np.zeros(len(at)), np.ones(len(at))
        starts = np.maximum(panel.indptr[at.series], at.row - self.window + 1)
        n = (at.row - starts + 1).astype(np.float64)
        if self.kind == "mean":
            total = np.concatenate([[0.0], np.cumsum(np.abs(y))])
            scale = (total[at.row + 1] - total[starts]) / n
            level = np.zeros(len(at))
        else:
            # Centred on each series, or sums of squares of large numbers lose their digits.
            centre = np.repeat(np.add.reduceat(y, panel.indptr[:-1]) / np.maximum(panel.lengths, 1), panel.lengths)
            z = y - centre
            one = np.concatenate([[0.0], np.cumsum(z)])
            two = np.concatenate([[0.0], np.cumsum(z * z)])
            mean = (one[at.row + 1] - one[starts]) / n
            std = np.sqrt(np.maximum((two[at.row + 1] - two[starts]) / n - mean**2, 0.0))
            level = mean + centre[at.row] if self.kind == "standard" else y[at.row]
            scale = std
        size = np.abs(y[at.row]) + np.abs(level)
        return level, np.where(scale > 1e-9 * np.maximum(size, 1e-12), scale, np.maximum(size, 1.0))


@dataclass(frozen=True)
class WindowSpec:
    """Which features a row has.

    Args:
        lags: Last values before the origin.
        seasonal_lags: Values at the target's phase in each of the last so many periods, per season.
        rolling: Windows of means, deviations and slopes at the origin.
        calendar: Whether parts of the target's date enter.
        norm: See Normaliser.
        norm_window: See Normaliser.
    """

    lags: int = 8
    seasonal_lags: tuple[int, ...] = ()
    rolling: tuple[int, ...] = ()
    calendar: bool = True
    norm: Norm = "mean"
    norm_window: int = 48

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WindowSpec:
        """Read what ``to_dict`` wrote."""
        tuples = {k: tuple(int(v) for v in values[k]) for k in ("seasonal_lags", "rolling")}
        return cls(**{**values, **tuples})


def seasons_within(task: Task, usual: int, periods: tuple[int, int]) -> tuple[list[int], tuple[int, ...]]:
    """Return the seasons that fit twice into ``usual`` rows, and how many periods to look back for each of the task's.

    Args:
        task: Seasons, shortest first.
        usual: Rows of the usual series.
        periods: Periods to look back in the shortest season, and in longer ones.
    """
    fits = [m for m in task.seasons if m > 1 and 2 * m <= usual]
    back = [max(1, min(periods[i > 0], usual // m - 1)) for i, m in enumerate(fits)]
    return fits, tuple(back) + (0,) * (len(task.seasons) - len(back))


class Table:
    """Turns origins and steps of one panel into a feature matrix.

    Args:
        panel: The series.
        task: Horizon and seasons.
        spec: The features.
        future: Covariates behind the end of the panel's series, where origins reach beyond it.
    """

    def __init__(self, panel: Panel, task: Task, spec: WindowSpec, future: Future | None = None) -> None:
        self.panel, self.task, self.spec, self.future = panel, task, spec, future
        self.y = panel.filled()
        self.normaliser = Normaliser(spec.norm, spec.norm_window)

    def scale(self, at: Origins) -> tuple[Floats, Floats]:
        """Return (W,) level and (W,) scale of each origin."""
        return self.normaliser(self.y, self.panel, at)

    def targets(self, at: Origins, steps: Ints) -> Floats:
        """Return the (W,) observed targets ``steps`` rows after the origins; NaN where missing."""
        return np.asarray(self.panel.y[at.row + steps])

    def features(
        self, at: Origins, steps: Ints, level: Floats, scale: Floats
    ) -> tuple[npt.NDArray[np.float32], list[str], list[str]]:
        """Return the matrix of (origin, step) rows.

        Args:
            at: (R,) origins.
            steps: (R,) steps ahead, from 1.
            level: (R,) from ``scale``.
            scale: (R,) from ``scale``.

        Returns:
            The (R, F) float32 matrix, its column names, and the names of the categorical columns.
        """
        columns: dict[str, npt.NDArray[np.float32]] = {"step": steps.astype(np.float32)}
        first = self.panel.indptr[at.series]

        def value(row: Ints) -> npt.NDArray[np.float32]:
            z = (self.y[np.maximum(row, first)] - level) / scale
            z[row < first] = np.nan
            return z.astype(np.float32)

        for lag in range(self.spec.lags):
            columns[f"lag_{lag}"] = value(at.row - lag)
        for season, many in zip(self.task.seasons, self.spec.seasonal_lags, strict=True):
            if many and season > 1:
                self._phase(columns, season, many, at.row + steps - season * -(-steps // season), value)
        self._rolling(columns, at, level, scale)
        categorical = self._known(columns, at, steps, level, scale)
        return np.stack(list(columns.values()), axis=1), list(columns), categorical

    def _phase(
        self,
        columns: dict[str, npt.NDArray[np.float32]],
        season: int,
        many: int,
        base: Ints,
        value: Callable[[Ints], npt.NDArray[np.float32]],
    ) -> None:
        same = []
        for k in range(many):
            columns[f"season_{season}_{k}"] = value(base - season * k)
            same.append(columns[f"season_{season}_{k}"])
        columns[f"season_{season}_next"] = value(base - season + 1)
        columns[f"season_{season}_previous"] = value(base - 1)
        if many > 2:
            stack = np.stack(same)
            count = np.maximum((~np.isnan(stack)).sum(axis=0), 1)
            mean = np.nansum(stack, axis=0) / count
            columns[f"season_{season}_mean"] = mean
            columns[f"season_{season}_std"] = np.sqrt(np.nansum((stack - mean) ** 2, axis=0) / count)

    def _rolling(self, columns: dict[str, npt.NDArray[np.float32]], at: Origins, level: Floats, scale: Floats) -> None:
        total = np.concatenate([[0.0], np.cumsum(self.y)])
        first = self.panel.indptr[at.series]
        for window in self.spec.rolling:
            starts = np.maximum(first, at.row - window + 1)
            mean = (total[at.row + 1] - total[starts]) / (at.row - starts + 1)
            columns[f"mean_{window}"] = ((mean - level) / scale).astype(np.float32)
            before = np.maximum(first, starts - window)
            previous = (total[starts] - total[before]) / np.maximum(starts - before, 1)
            change = np.where(starts > before, (mean - previous) / scale, np.nan)
            columns[f"change_{window}"] = change.astype(np.float32)
        columns["age"] = np.minimum(at.row - first, 4 * max(self.task.seasons) + 100).astype(np.float32)

    def _known(
        self,
        columns: dict[str, npt.NDArray[np.float32]],
        at: Origins,
        steps: Ints,
        level: Floats,
        scale: Floats,
    ) -> list[str]:
        panel, categorical = self.panel, []
        if self.spec.calendar:
            columns.update(self._calendar(at, steps))
        ends = panel.indptr[at.series + 1]
        row = at.row + steps
        inside = row < ends
        for name, values in panel.known.items():
            out = values[np.minimum(row, ends - 1)].astype(np.float32)
            if self.future is not None and name in self.future.known and not inside.all():
                beyond = ~inside
                out[beyond] = self.future.known[name][at.series[beyond], (row - ends)[beyond]]
            columns[f"known_{name}"] = out
            if name in panel.categorical:
                categorical.append(f"known_{name}")
            else:
                columns[f"known_{name}_change"] = out - values[at.row].astype(np.float32)
        for name, values in panel.past.items():
            columns[f"past_{name}"] = values[at.row].astype(np.float32)
            if name in panel.categorical:
                categorical.append(f"past_{name}")
        for name, values in panel.static.items():
            columns[f"static_{name}"] = values[at.series].astype(np.float32)
            if name in panel.categorical:
                categorical.append(f"static_{name}")
        return categorical

    def _calendar(self, at: Origins, steps: Ints) -> Mapping[str, npt.NDArray[np.float32]]:
        panel = self.panel
        if panel.freq.is_integer:
            # An integer clock has no date, but its count modulo the season is a phase if all series share it.
            last = panel.times[at.row] + panel.freq.step * steps
            return {
                f"phase_{m}": ((last // panel.freq.step) % m).astype(np.float32) for m in self.task.seasons if m > 1
            }
        times = np.empty(len(at), dtype=panel.times.dtype)
        for step in np.unique(steps):
            rows = steps == step
            times[rows] = panel.freq.advance(panel.times[at.row[rows]], int(step))
        return {k: v.astype(np.float32) for k, v in clock_parts.features(times, panel.freq).items()}
