"""Raw rows of a request -> the panel of a pipeline that makes its columns itself: the way of ``predict(data=rows)``."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from autots.api import Pipeline
from autots.panel import Floats, Future, Panel
from serve.protocol.errors import RequestError
from serve.protocol.iso import iso_moments
from serve.protocol.mlflow import TableColumns
from serve.protocol.request import Series
from serve.runtime.clock import SeriesClock
from serve.runtime.history import SeriesHistory
from serve.runtime.read import Ready, joined
from zoo.errors import ZooError
from zoo.features.steps import Resample

__all__ = ["RawReader"]


class RawReader:
    """Reads requests for a pipeline with features in front: ``y`` and ``past`` are columns of the user's raw table.

    Every row has its ``time``; ``start`` will do where the pipeline does not resample. What the features look back to
    must be among the rows: missing history is missing values, as in ``predict``.

    Args:
        pipeline: A pipeline that makes its columns itself.
        history: Series without rows of their own are forecast from here.
        clock: Of the grid that the features end on.
    """

    def __init__(self, pipeline: Pipeline, history: SeriesHistory, clock: SeriesClock) -> None:
        assert pipeline.features is not None
        self._pipeline, self.features, self._history, self._clock = pipeline, pipeline.features, history, clock
        source = self.features.pipeline.spec.source
        self._id, self._time, self._target = self.features.id, source.time, source.target
        self.columns = tuple(c for c in self.features.raw.columns if c not in (source.id, self._time, self._target))
        self._resamples = any(isinstance(step, Resample) for step in self.features.pipeline.steps)
        # Plans are remembered inside the features; requests are read in threads.
        self._turn = Lock()

    @property
    def names(self) -> TableColumns:
        """The columns of the raw table."""
        return TableColumns(self._id, self._time, self._target, past=tuple(map(str, self.columns)))

    def read(self, series: Sequence[Series]) -> Ready:
        """Read all series that can be read."""
        with self._turn:
            return self._read(series)

    def _read(self, series: Sequence[Series]) -> Ready:
        errors: dict[int, RequestError] = {}
        frames: dict[int, pd.DataFrame] = {}
        panels: dict[int, tuple[Panel, Future]] = {}
        for i, one in enumerate(series):
            try:
                if one.y is None:
                    panels[i] = self._of_state(one)
                else:
                    frames[i] = self._frame(one)
            except RequestError as error:
                errors[i] = error
        if frames:
            try:
                panels |= self._together(series, frames)
            except ZooError:
                # One series must not spoil the others: each by itself.
                for i, frame in frames.items():
                    try:
                        panels |= self._together(series, {i: frame})
                    except ZooError as error:
                        errors[i] = RequestError(error.message, error.hint)
        placed = {
            i: RequestError(e.message, e.hint, f"series[{i}].{e.where}" if e.where else f"series[{i}]", e.status)
            for i, e in sorted(errors.items())
        }
        rows = sorted(panels)
        stored = any(one.y is None for one in series)
        if not rows:
            return Ready(None, Future(), rows, placed, stored)
        panel, future = joined([panels[i][0] for i in rows], [panels[i][1] for i in rows])
        return Ready(panel, future, rows, placed, stored)

    def _together(self, series: Sequence[Series], frames: dict[int, pd.DataFrame]) -> dict[int, tuple[Panel, Future]]:
        table = self.features.table(pd.concat(frames.values(), ignore_index=True))
        panel = self._pipeline.schema.read_more(table).panel
        future = self.future(panel)
        where = {str(id_): row for row, id_ in enumerate(panel.ids)}
        panels: dict[int, tuple[Panel, Future]] = {}
        for i in frames:
            row = 0 if self._id is None else where.get(self._name(series[i]))
            if row is None:
                raise RequestError("a series must have a value, but none is left after the features", "send more rows")
            at = np.array([row])
            panels[i] = panel.select(at), future.select(at)
        return panels

    def probe(self, y: Floats) -> Series:
        """See ``Served.probe``: a value per step of the grid."""
        times = self._clock.typed(self._clock.grid(int(self._pipeline.panel.times[:1].view(np.int64)[0]), len(y)))
        last = self.features.raw.iloc[-1]
        past = {name: [None if pd.isna(last[name]) else last[name]] * len(y) for name in self.columns}
        integer = self._clock.freq.is_integer
        texts = times.tolist() if integer else [str(text) for text in np.datetime_as_string(times)]
        return Series("" if self._id is None else "probe", y, time=texts, past=past)

    def future(self, panel: Panel) -> Future:
        """Return the columns that the clock alone decides, over the horizon of each series."""
        pipeline = self._pipeline
        ahead = self.features.future(pipeline.schema, panel, pipeline.horizon)
        return pipeline.schema.read_future(ahead, panel, pipeline.horizon)

    def _of_state(self, one: Series) -> tuple[Panel, Future]:
        if one.time is not None or one.start is not None or one.past or one.known:
            raise RequestError("time, start and columns must come with y, but y is missing", "leave them out", "y")
        id_, panel = self._name(one), self._pipeline.panel
        self._history.stored(id_)  # or says that there is none
        found = panel.select(np.flatnonzero(panel.ids.astype(str) == id_))
        return found, self.future(found)

    def _name(self, one: Series) -> str:
        return one.id or self._history.single or ""

    def _frame(self, one: Series) -> pd.DataFrame:
        """Return the rows of one series as the user's raw table has them."""
        y: Floats = np.asarray(one.y, dtype=np.float64)
        if not len(y):
            raise RequestError("a series must have a value, but y is empty", "leave y out to use the stored state", "y")
        if one.known or one.static:
            raise RequestError(
                "this model makes its columns from raw rows, and takes no known or static covariates",
                f"send the table's own columns in past: {', '.join(self.columns) or 'it has none'}",
                "known" if one.known else "static",
            )
        unknown = sorted(set(one.past) - set(self.columns))
        if unknown:
            raise RequestError(
                f"columns must be those of the raw table, but {unknown} are not",
                f"it has {', '.join(self.columns) or 'none besides id, time and target'}",
                "past",
            )
        for name, values in one.past.items():
            if len(values) != len(y):
                raise RequestError(f"columns must be as long as y ({len(y)}), but {name!r} has {len(values)}", "",
                                   f"past.{name}")  # fmt: skip
        columns: dict[str, Any] = {} if self._id is None else {self._id: [self._name(one)] * len(y)}
        columns |= {self._time: self._times(one, len(y)), self._target: y}
        columns |= {name: one.past.get(name, [None] * len(y)) for name in self.columns}
        return pd.DataFrame(columns)

    def _times(self, one: Series, length: int) -> Any:
        like = self.features.raw[self._time].dtype
        if one.time is None:
            if self._resamples or one.start is None:
                raise RequestError("raw rows must have a time each, but time is missing", "send time beside y", "time")
            return self._clock.typed(self._clock.grid(self._clock.first(one.start), length))
        if len(one.time) != length:
            raise RequestError(f"time must be as long as y ({length}), but has {len(one.time)}", "", "time")
        if pd.api.types.is_integer_dtype(like):
            if all(isinstance(moment, int | np.integer) for moment in one.time):
                return list(one.time)
            raise RequestError("times of this model must be whole numbers, but one is not", "its clock counts", "time")
        moments = pd.Series(self._read_times(one.time))
        try:
            return moments.astype(like) if isinstance(like, np.dtype) and like.kind == "M" else moments
        except (ValueError, TypeError, OverflowError) as error:
            raise RequestError(f"times must be dates, but {error}", "write ISO 8601", "time") from None

    @staticmethod
    def _read_times(times: Any) -> pd.DatetimeIndex:
        if isinstance(times, pd.DatetimeIndex) or (isinstance(times, np.ndarray) and times.dtype.kind == "M"):
            index = pd.DatetimeIndex(times)
            if not index.hasnans:
                return index
            raise RequestError("every value must have a time, but one is null", "leave the row out", "time")
        if not all(isinstance(moment, str) for moment in times):
            raise RequestError("times must be dates, but some are not text", "write ISO 8601", "time")
        return iso_moments(times)
