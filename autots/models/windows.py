"""Features seen from forecast origins, shared by the models that learn over all series.

Everything is computed from rows at or before the origin, plus what is known about the target's time. Axes: W origins,
R rows (an origin and a step ahead), F features, H steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.metrics import season_scale
from autots.models.base import Task
from autots.models.origins import ForecastOrigins
from autots.models.scaling import Normaliser, Running
from autots.panel import Floats, Future, Ints, Panel
from autots.panel.season import usual_length

__all__ = [
    "FURTHEST",
    "WindowSpec",
    "WindowTable",
    "bounds",
    "norm_window",
    "reach",
    "relative_weights",
    "seasons_within",
    "usual_rows",
]


#: A forecast further than so many ranges of the history away from it is the fault of an exploding model.
FURTHEST = 10.0

# Values that are looked up at once.
_TOGETHER = 100_000
# Past periods in which a step is followed from its origin.
_FOLLOWED = 4


@dataclass(frozen=True)
class WindowSpec:
    """Which features a row has.

    Args:
        lags: Last values before the origin.
        seasonal_lags: Values at the target's phase in each of the last so many periods, per season.
        rolling: Windows of means, deviations and slopes at the origin.
        calendar: Whether parts of the target's date enter.
        norm: How windows are brought to one scale: ``scaling.Normaliser.kind``.
        norm_window: Rows that give that scale: ``scaling.Normaliser.window``.
    """

    lags: int = 8
    seasonal_lags: tuple[int, ...] = ()
    rolling: tuple[int, ...] = ()
    calendar: bool = True
    norm: str = "mean"
    norm_window: int = 48

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WindowSpec:
        """Read what ``to_dict`` wrote."""
        tuples = {k: tuple(int(v) for v in values[k]) for k in ("seasonal_lags", "rolling")}
        return cls(**{**values, **tuples})


def usual_rows(panel: Panel, task: Task) -> int:
    """Return the rows of the usual series; of the long ones where the median one does not hold the seasons."""
    return usual_length(panel.lengths, 2 * max(task.seasons))


def seasons_within(task: Task, usual: int, periods: tuple[int, int]) -> tuple[list[int], tuple[int, ...]]:
    """Return the seasons that fit twice into ``usual`` rows, and how many periods to look back for each of the task's.

    Args:
        task: Its seasons count, shortest first.
        usual: Rows of the usual series.
        periods: Periods to look back in the shortest season, and in longer ones.
    """
    fits = [m for m in task.seasons if m > 1 and 2 * m <= usual]
    back = [max(1, min(periods[i > 0], usual // m - 1)) for i, m in enumerate(fits)]
    return fits, tuple(back) + (0,) * (len(task.seasons) - len(back))


def bounds(panel: Panel, *, ranges: float = 1.0) -> tuple[Floats, Floats]:
    """Return (S,) limits that no forecast should leave: the series' range, one range (or level) wider on each side.

    With ``ranges``, so many times wider. Scaled targets times a scale can explode where a window is unlike all others;
    a series that never was negative stays so.
    """
    y = panel.filled()
    low, high = np.minimum.reduceat(y, panel.indptr[:-1]), np.maximum.reduceat(y, panel.indptr[:-1])
    width = ranges * np.maximum(high - low, 0.5 * np.maximum(np.abs(low), np.abs(high)))
    return np.where(low >= 0, np.maximum(low - width, 0.0), low - width), high + width


def relative_weights(panel: Panel, task: Task, at: ForecastOrigins, scale: Floats) -> Floats:
    """Return (W,) weights that turn errors in units of ``scale`` into errors in units of the series' seasonal scale.

    Series without a seasonal scale weigh nothing, unless all are such.
    """
    unit = season_scale(panel, task.season)[at.series]
    good = np.isfinite(unit) & (unit > 0)
    if not good.any():
        return np.ones(len(at))
    weight = np.where(good, scale / np.where(good, unit, 1.0), 0.0)
    return np.asarray(np.minimum(weight, np.quantile(weight[good], 0.97)))


def reach(task: Task, spec: WindowSpec) -> int:
    """Return the rows at the end of a history that the features of its last row depend on."""
    seen = [spec.lags, Normaliser(spec.norm, spec.norm_window).reach, _oldest(task) + 1, *(2 * w for w in spec.rolling)]
    seen += [m * (k + 1) + 1 for m, k in zip(task.seasons, spec.seasonal_lags, strict=True)]
    return max(seen)


def _oldest(task: Task) -> int:
    """Return the age, in rows, from which series count as old."""
    return 4 * max(task.seasons) + 100


def _mean_of(stack: npt.NDArray[np.float32], *, whole: bool) -> npt.NDArray[np.float32]:
    """Return the mean along the first axis of what is not missing (``whole`` if nothing is); NaN where all is."""
    if whole or (seen := ~np.isnan(stack)).all():
        return np.asarray((np.add.reduce(stack, axis=0, dtype=np.float64) / len(stack)).astype(np.float32))
    count = seen.sum(axis=0)
    total = np.where(seen, stack, 0.0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def norm_window(task: Task, seasons: list[int], periods: int, usual: int) -> int:
    """Return the rows that a window is normalised over.

    Args:
        task: Its horizon in rows counts, nothing else.
        seasons: Seasons that fit, shortest first.
        periods: Whole seasons (or fours of rows, without one); 0 for as many as hold two horizons, the length that did
            best on average on backtests of hourly to yearly series.
        usual: Rows of the usual series; half of them at most are used.
    """
    base = seasons[0] if seasons else 4
    periods = periods or -(-2 * task.horizon // base)
    return max(2, min(base * periods, usual // 2))


class WindowTable:
    """Turns origins and steps of one panel into a feature matrix.

    Args:
        panel: The series that features are made of.
        task: Its horizon and its seasons count.
        spec: Which features a row has.
        future: Covariates behind the end of the panel's series, where origins reach beyond it.
        y: (N,) values without NaN to look at instead of the panel's own; ``put`` writes into them.
    """

    def __init__(
        self, panel: Panel, task: Task, spec: WindowSpec, future: Future | None = None, *, y: Floats | None = None
    ) -> None:
        self.panel, self.task, self.spec, self.future = panel, task, spec, future
        self.y = panel.filled() if y is None else y
        self.normaliser = Normaliser(spec.norm, spec.norm_window)
        self._last: tuple[ForecastOrigins, tuple[Floats, Floats]] | None = None
        self._placed: tuple[Ints, list[npt.NDArray[np.int64]]] | None = None

    @cached_property
    def _running(self) -> Running:
        return Running(self.y, self.panel)

    def seen_through(self, spec: WindowSpec) -> WindowTable:
        """Return a table of the same rows with other features, which shares the running sums."""
        if spec == self.spec:
            return self
        other = WindowTable(self.panel, self.task, spec, self.future, y=self.y)
        other.__dict__["_running"] = self._running
        return other

    def put(self, at: ForecastOrigins, values: Floats) -> None:
        """Fill in the next row of some series, given the row: nothing behind it has been looked at."""
        self._last = None
        self.y[at.row] = values
        self._running.put(at.series, at.row, values)

    def scale(self, at: ForecastOrigins) -> tuple[Floats, Floats]:
        """Return (W,) level and (W,) scale of each origin."""
        # A forecast asks twice for the same origins: for its points, and for their spread.
        if self._last is None or self._last[0] is not at:
            self._last = at, self.normaliser(self._running, self.y[at.row], at.series, at.row)
        return self._last[1]

    def noise(self, at: ForecastOrigins) -> Floats:
        """Return the (W,) standard deviation of each origin's window: the unit in which residuals are kept."""
        if self.spec.norm in ("standard", "last"):
            return self.scale(at)[1]
        standard = Normaliser("standard", self.spec.norm_window)
        return standard(self._running, self.y[at.row], at.series, at.row)[1]

    def targets(self, at: ForecastOrigins, steps: Ints) -> Floats:
        """Return the (W,) observed targets ``steps`` rows after the origins; NaN where missing."""
        return np.asarray(self.panel.y[at.row + steps])

    def features(
        self,
        at: ForecastOrigins,
        steps: Ints,
        level: Floats,
        scale: Floats,
        *,
        calendar: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> tuple[npt.NDArray[np.float32], list[str], list[str]]:
        """Return the matrix of (origin, step) rows.

        Args:
            at: (R,) origins, one for each row.
            steps: (R,) steps ahead, from 1.
            level: (R,) levels that ``scale`` returned for the origins.
            scale: (R,) scales that ``scale`` returned for the origins.
            calendar: What ``calendar`` returns for these rows, if it is known already.

        Returns:
            The (R, F) float32 matrix, its column names, and the names of the categorical columns.
        """
        values, whole = self._values(at, steps, level, scale)
        columns = {"step": steps.astype(np.float32)}
        columns.update((f"lag_{k}", values[k]) for k in range(self.spec.lags))
        begin = self.spec.lags
        for season, many in self._phases:
            part = values[begin : begin + many + min(many, _FOLLOWED) + 2]
            self._phase(columns, season, many, part, values[0], whole=whole)
            begin += len(part)
        self._rolling(columns, at, level, scale)
        if self.spec.calendar:
            columns.update(self.calendar(at, steps) if calendar is None else calendar)
        categorical = self._known(columns, at, steps)
        return np.concatenate(list(columns.values())).reshape(len(columns), -1).T, list(columns), categorical

    @cached_property
    def _phases(self) -> list[tuple[int, int]]:
        """Seasons, and how many periods of each are looked back."""
        every = zip(self.task.seasons, self.spec.seasonal_lags, strict=True)
        return [(season, many) for season, many in every if many and season > 1]

    def _values(
        self, at: ForecastOrigins, steps: Ints, level: Floats, scale: Floats
    ) -> tuple[npt.NDArray[np.float32], bool]:
        """Return the (K, R) normalised values at all ``_places``, NaN before a series begins, and whether none is."""
        if self._placed is None or self._placed[0] is not steps:
            self._placed = steps, self._places(steps)
        places = self._placed[1]
        count, whole = sum(map(len, places)), True
        # Few rows are looked up at once: what a server asks for is bound by calls, not by numbers.
        together = max(1, _TOGETHER // max(len(at), 1))
        if count <= together:
            places = [np.concatenate(places)]
        first = self.panel.indptr[at.series]
        out = np.empty((count, len(at)), dtype=np.float32)
        done = 0
        for place in places:
            for begin in range(0, len(place), together):
                row = at.row + place[begin : begin + together]
                begun = row >= first
                if here := bool(begun.all()):
                    z = (self.y[row] - level) / scale
                else:
                    z = np.where(begun, (self.y[np.maximum(row, first)] - level) / scale, np.nan)
                out[done : done + len(z)] = z
                done, whole = done + len(z), whole and here
        return out, whole

    def _places(self, steps: Ints) -> list[npt.NDArray[np.int64]]:
        """Return where the values lie that are looked up, in rows from the origin: (k, R), or (k, 1) if steps are one.

        First the lags; then of each season the target's phase in the periods before, the origins of the first of them,
        and the rows after the last origin and before the target's phase.
        """
        if len(steps) and (steps == steps[0]).all():
            steps = steps[:1]
        places = [-np.arange(self.spec.lags)[:, None]]
        for season, many in self._phases:
            phase = steps - season * -(-steps // season)
            same = phase - season * np.arange(many)[:, None]
            places += [same, same[:_FOLLOWED] - steps, np.stack([phase - season + 1, phase - 1])]
        return [np.broadcast_to(place, (len(place), len(steps))) for place in places]

    def _phase(
        self,
        columns: dict[str, npt.NDArray[np.float32]],
        season: int,
        many: int,
        values: npt.NDArray[np.float32],
        now: npt.NDArray[np.float32],
        *,
        whole: bool,
    ) -> None:
        """Add the columns of one season, given its part of ``_values`` and the values at the origins."""
        same, origin = values[:many], values[many:-2]
        for k in range(many):
            columns[f"season_{season}_{k}"] = same[k]
        # The same step as it went one, two, ... periods ago, and how far the origin is from those periods.
        went = same[: len(origin)] - origin
        columns[f"season_{season}_step"] = went[0]
        columns[f"season_{season}_steps"] = _mean_of(went, whole=whole)
        columns[f"season_{season}_gap"] = now - _mean_of(origin, whole=whole)
        columns[f"season_{season}_next"], columns[f"season_{season}_previous"] = values[-2:]
        if many > 2:
            mean = _mean_of(same, whole=whole)
            columns[f"season_{season}_mean"] = mean
            columns[f"season_{season}_std"] = np.sqrt(_mean_of((same - mean) ** 2, whole=whole))

    def _rolling(
        self, columns: dict[str, npt.NDArray[np.float32]], at: ForecastOrigins, level: Floats, scale: Floats
    ) -> None:
        first, end = self.panel.indptr[at.series], at.row + 1
        spans = np.array(self.spec.rolling, dtype=np.int64)[:, None]
        starts = np.maximum(first, end - spans)
        before = np.maximum(first, starts - spans)
        mean = self._running.between(at.series, starts, end)
        change = (mean - self._running.between(at.series, before, starts)) / scale
        change = np.where(starts > before, change, np.nan)
        mean = (mean - level) / scale
        for k, window in enumerate(self.spec.rolling):
            columns[f"mean_{window}"] = mean[k].astype(np.float32)
            columns[f"change_{window}"] = change[k].astype(np.float32)
        columns["age"] = np.minimum(at.row - first, _oldest(self.task)).astype(np.float32)

    def _known(self, columns: dict[str, npt.NDArray[np.float32]], at: ForecastOrigins, steps: Ints) -> list[str]:
        panel, categorical = self.panel, []
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

    def calendar(self, at: ForecastOrigins, steps: Ints) -> Mapping[str, npt.NDArray[np.float32]]:
        """Return (R,) parts of the targets' dates, or phases of an integer clock, by name."""
        panel = self.panel
        if panel.freq.is_integer:
            # An integer clock has no date, but its count modulo the season is a phase if all series share it.
            last = panel.times[at.row] + panel.freq.step * steps
            return {
                f"phase_{m}": ((last // panel.freq.step) % m).astype(np.float32) for m in self.task.seasons if m > 1
            }
        if panel.freq.is_fixed:
            times = panel.times[at.row] + (steps * panel.freq.spacing).astype("timedelta64[ns]")
            return {k: v.astype(np.float32) for k, v in panel.freq.calendar(times).items()}
        times = np.empty(len(at), dtype=panel.times.dtype)
        for step in np.unique(steps):
            rows = steps == step
            times[rows] = panel.freq.advance(panel.times[at.row[rows]], int(step))
        return {k: v.astype(np.float32) for k, v in panel.freq.calendar(times).items()}
