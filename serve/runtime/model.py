"""One version of one model, loaded and ready: requests in, arrays of forecasts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autots.api import Pipeline, load
from autots.models.wall_clock import predict_local
from autots.panel import Floats, Future, Panel
from serve.protocol.errors import RequestError
from serve.protocol.invocations import TableReading
from serve.protocol.mlflow import TableColumns
from serve.protocol.request import Series, label_of
from serve.runtime.clock import SeriesClock
from serve.runtime.foreign import declared, foreign_pipeline
from serve.runtime.history import SeriesHistory
from serve.runtime.read import Reader, Ready
from serve.runtime.version import version_of
from zoo.errors import ZooError

if TYPE_CHECKING:
    from serve.runtime.raw import RawReader

__all__ = ["ForecastBlock", "Served", "at_levels", "version_of"]


@dataclass(frozen=True)
class ForecastBlock:
    """Forecasts of S series.

    Args:
        mean: (S, H) point forecasts.
        quantiles: (S, H, Q) at ``levels``.
        levels: The Q quantile levels, ascending.
    """

    mean: Floats
    quantiles: Floats
    levels: tuple[float, ...]

    def empty(self, series: int) -> ForecastBlock:
        """Return as many forecasts that are no numbers."""
        shape = (series, *self.quantiles.shape[1:])
        return replace(self, mean=np.full(shape[:2], np.nan), quantiles=np.full(shape, np.nan))

    def rows(self, at: slice) -> ForecastBlock:
        """Return some of the series."""
        return replace(self, mean=self.mean[at], quantiles=self.quantiles[at])

    def cut(self, horizon: int, levels: tuple[float, ...]) -> ForecastBlock:
        """Return the first steps, at other levels."""
        forecast = at_levels(self.quantiles[:, :horizon], self.levels, levels)
        return ForecastBlock(self.mean[:, :horizon], forecast, levels)


# Beyond it squares, and single precision, have no numbers any more.
_MOST_VALUE = 1e38


def _longer(values: Mapping[str, Floats]) -> dict[str, Floats]:
    """Repeat the last value of each column."""
    return {name: np.append(column, column[-1]) for name, column in values.items()}


class Served:
    """A pipeline behind the wire.

    Args:
        name: What requests call the model.
        version: The version of this pipeline among others of the name.
        pipeline: It belongs to this object from now on.
        journal: Where actuals are kept, see SeriesHistory.
        gap: Steps that a series may miss before its next actual; see SeriesHistory.
    """

    def __init__(
        self, name: str, version: str, pipeline: Pipeline, *, journal: Path | None = None, gap: int | None = None
    ) -> None:
        self.name, self.version, self.pipeline = name, version, pipeline
        self.clock = SeriesClock(pipeline.schema)
        self.history = SeriesHistory(pipeline, self.clock, journal, gap=gap)
        self._reader = Reader(pipeline.schema, pipeline.horizon, self.history, self.clock)
        self._raw: RawReader | None = None
        if pipeline.features is not None:
            from serve.runtime.raw import RawReader  # and the features, which most models do without

            self._raw = RawReader(pipeline, self.history, self.clock)
        self.horizon, self.levels = pipeline.horizon, pipeline.levels
        self.all_levels = tuple(pipeline.task.levels)
        # A family that comes again is numbered: auto_ets, auto_ets#2.
        before = [sum(m.family == n.family for n in pipeline.members[:i]) for i, m in enumerate(pipeline.members)]
        names = [m.family + (f"#{n + 1}" if n else "") for m, n in zip(pipeline.members, before, strict=True)]
        self._members = dict(zip(names, (m.model for m in pipeline.members), strict=True))
        shares = [m.weight[0] for m in pipeline.members]
        self.weights = dict(zip(self._members, shares, strict=True))

    @classmethod
    def load(
        cls,
        name: str,
        path: str | Path,
        *,
        version: str | None = None,
        journal: Path | None = None,
        gap: int | None = None,
    ) -> Served:
        """Read a run directory, a saved pipeline or a foreign model's folder.

        Raises:
            ArtifactError: It cannot be used.
        """
        if declared(path) is not None:
            return cls(name, version or version_of(path), foreign_pipeline(path), journal=journal, gap=gap)
        # Weights and panel are one copy for all replicas of a machine.
        return cls(name, version or version_of(path), load(path, mapped=True), journal=journal, gap=gap)

    def import_libraries(self) -> None:
        """Import what forecasts of series may need which the model has not seen: there it has to learn."""
        for member in self._members.values():
            member.import_libraries()

    @property
    def members(self) -> tuple[str, ...]:
        """The parts of the ensemble, as requests name them."""
        return tuple(self._members)

    @property
    def names(self) -> TableColumns:
        """The columns of the user's own table."""
        if self._raw is not None:
            return self._raw.names
        columns = self.pipeline.schema.layout.columns
        return TableColumns(
            columns.id,
            columns.time,
            columns.target,
            tuple(columns.known),
            tuple(columns.past),
            tuple(columns.static),
            columns.key,
        )

    @property
    def reading(self) -> TableReading:
        """What tables of the user's own are read by."""
        freq = self.clock.freq
        return TableReading(self.names, self.clock, None if freq.is_integer else freq.spacing)

    @property
    def covariates_by_role(self) -> dict[str, tuple[str, ...]]:
        """What requests may bring beside the target: of a pipeline with features, the raw table's other columns."""
        if self._raw is not None:
            return {"past": tuple(map(str, self._raw.columns))}
        columns = self.pipeline.schema.layout.columns
        # What is known ahead has a history, too, which comes either way.
        both = (*columns.known, *columns.past)
        return {"known": both, "past": both, "static": (*columns.static, *self.pipeline.schema.static)}

    def read(self, series: Sequence[Series]) -> Ready:
        """Read a request's series, see ``Reader``, and ``RawReader`` for a pipeline with features."""
        if any(one.key is not None for one in series):
            series = [
                one if one.key is None else replace(one, id=self.label(one.key, f"series[{i}].id"))
                for i, one in enumerate(series)
            ]
        return self._reader.read(series) if self._raw is None else self._raw.read(series)

    def label(self, id_: Any, where: str) -> str:
        """Return the name that a series has inside: of a key the parts, joined in the order of the model's columns.

        Raises:
            RequestError: The parts are not those of the model's key.
        """
        key = self.pipeline.schema.layout.columns.ids
        if isinstance(id_, dict) and set(id_) == set(key):
            id_ = [id_[name] for name in key]
        if isinstance(id_, dict) or (isinstance(id_, list) and len(id_) != len(key)):
            given = list(id_) if isinstance(id_, dict) else id_
            raise RequestError(f"an id must have the parts {list(key)}, but got {given}"[:300], "see /v1/models", where)
        return str(id_[0]) if isinstance(id_, list) and len(id_) == 1 else label_of(id_)

    @property
    def raw(self) -> bool:
        """Whether requests bring raw rows, which take milliseconds to become features."""
        return self._raw is not None

    def probe(self, y: Floats) -> Series:
        """Return a series of these values under a name that nobody knows, other columns as the history ends."""
        if self._raw is None:
            first = self.pipeline.panel.times[0]
            start: str | int = int(first) if self.clock.freq.is_integer else self.clock.write(int(first.view("int64")))
            panel = self.pipeline.panel.select([0])
            steps = np.ones(len(y) + self.horizon)
            known = {name: (float(v[-1]) * steps).tolist() for name, v in panel.known.items()}
            past = {name: (float(v[-1]) * steps[: len(y)]).tolist() for name, v in panel.past.items()}
            return Series("probe", y, start, known=known, past=past)
        return self._raw.probe(y)

    def ahead(self, panel: Panel) -> Future:
        """Return what is known over the horizon of the model's own history.

        A feature pipeline computes it; other covariates repeat the last ones: values that the model has seen.
        """
        if self._raw is not None:
            return self._raw.future(panel)
        ends = panel.indptr[1:] - 1
        return Future({n: np.repeat(v[ends][:, None], self.horizon, axis=1) for n, v in panel.known.items()})

    def covariates(self, given: Mapping[str, Any], where: str) -> dict[str, float]:
        """Read one row's covariates; those that the model does not have are refused.

        Raises:
            RequestError: A name or value does not fit.
        """
        return self._reader.row(given, where)

    def forecast(self, panel: Panel, future: Future, member: str | None = None) -> ForecastBlock:
        """Forecast from the end of a panel: the whole pipeline, or one member without calibration."""
        # What overflows is no number afterwards, and is told as an error of its series (see finite.py).
        with np.errstate(all="ignore"):
            if member is None:
                return ForecastBlock(*self.pipeline.forecast(panel, future), self.all_levels)
            own = predict_local(self._members[member], panel, future, self.horizon)
        return ForecastBlock(own.mean, own.quantiles, self.all_levels)

    def bears(self, id_: str, value: float) -> bool:
        """Whether the forecasts of a series stay finite when a value follows it."""
        if not abs(value) < _MOST_VALUE:
            return False
        history = self.history
        if id_ in history:
            stored = history.stored(id_)
            y, known, past = np.append(stored.y, value), _longer(stored.known), _longer(stored.past)
            panel = self._reader.panel_of([replace(stored, y=y, known=known, past=past)])
        else:
            panel = self.pipeline.panel.select([0])
            panel = replace(panel, y=np.where(np.arange(len(panel.y)) == len(panel.y) - 1, value, panel.y))
        try:
            block = self.forecast(panel, self.ahead(panel))
        except (ArithmeticError, ValueError, RuntimeError, ZooError):
            return False
        return bool(np.isfinite(block.mean).all() and np.isfinite(block.quantiles).all())

    def check(self, horizon: int | None, levels: tuple[float, ...] | None) -> tuple[int, tuple[float, ...]]:
        """Return the steps and levels that are meant.

        Raises:
            RequestError: The model does not reach so far, or has no such quantiles.
        """
        if horizon is not None and horizon > self.horizon:
            raise RequestError(
                f"the horizon must be at most {self.horizon}, but got {horizon}",
                "this model was fitted for so many steps",
                "horizon",
            )
        if levels and len({f"{level:g}" for level in levels}) < len(levels):
            raise RequestError(
                f"quantiles must differ in their first six digits, which name them, but got {list(levels)}",
                "leave one out",
                "quantiles",
            )
        low, high = self.all_levels[0], self.all_levels[-1]
        if levels and (levels[0] < low or levels[-1] > high):
            raise RequestError(
                f"quantiles must lie between {low:g} and {high:g}, but got {list(levels)}",
                "fit with quantiles= further outside",
                "quantiles",
            )
        return horizon or self.horizon, self.levels if levels is None else levels


def at_levels(quantiles: Floats, have: tuple[float, ...], want: tuple[float, ...]) -> Floats:
    """Return (..., Q') quantiles at other levels; between two that were computed the line through them counts.

    >>> at_levels(np.array([[0.0, 4.0]]), (0.25, 0.75), (0.25, 0.5)).tolist()
    [[0.0, 2.0]]
    """
    if want == have:
        return quantiles
    if all(level in have for level in want):
        return quantiles[..., [have.index(level) for level in want]]
    out = []
    for level in want:
        right = int(np.searchsorted(have, level))
        if have[right] == level:
            out.append(quantiles[..., right])
            continue
        share = (level - have[right - 1]) / (have[right] - have[right - 1])
        out.append(quantiles[..., right - 1] + share * (quantiles[..., right] - quantiles[..., right - 1]))
    return np.stack(out, axis=-1)
