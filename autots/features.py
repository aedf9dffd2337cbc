"""A feature pipeline in front of a forecaster: raw rows in, the columns of the fit out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from autots.panel.panel import Panel
from autots.reading.schema import Schema
from zoo.errors import ConfigError, DataError
from zoo.features.append import tail
from zoo.features.artifact import load, save
from zoo.features.batch import clock_of
from zoo.features.pipeline import FeaturePipeline
from zoo.features.run import located
from zoo.features.steps import ColumnStep, Resample
from zoo.files import checksums, verify
from zoo.tables.source import read

__all__ = ["Features"]

_RAW = "rows.parquet"


class Features:
    """A feature pipeline and the raw rows that it has seen.

    What is a function of the clock alone (``calendar``, ``fourier``) is a known covariate, whose future is computed
    here; all other columns are past covariates.

    Args:
        pipeline: With what it learnt.
        raw: Of the rows seen so far those on which later ones depend.
        id: Column that names the series after all steps; None for a single one.
        known: Columns that are functions of the clock.
    """

    def __init__(self, pipeline: FeaturePipeline, raw: pd.DataFrame, *, id: str | None, known: tuple[str, ...]) -> None:
        self.pipeline, self.raw, self.id, self.known = pipeline, raw, id, known

    @classmethod
    def of(cls, features: str | Path | FeaturePipeline, data: Any) -> tuple[Self, pd.DataFrame]:
        """Learn what the pipeline learns from raw rows, and return their features, too.

        Args:
            features: A pipeline, or the path of its file.
            data: Raw rows, whatever ``zoo.tables.source.read`` takes; None for the pipeline's own source.

        Raises:
            ConfigError: There are no rows, or the target would be scaled.
            DataError: The table cannot be used.
        """
        # A copy: what it learns here must not change the caller's.
        given = features if isinstance(features, FeaturePipeline) else FeaturePipeline.from_yaml(features)
        pipeline = FeaturePipeline.of(given.spec, folder=given.folder)
        raw = _rows(pipeline, _source(pipeline) if data is None else data)
        plan = pipeline.prepare(raw).plan
        target = plan.scope.names.target
        scaled = {name for planned in plan.scales for name in planned.writes}
        if target in scaled:
            raise ConfigError(
                f"a forecast must be in the units of the target, but scale changes {target!r}",
                "name other columns: scale: {columns: [...]}",
            )
        table = pipeline.fit_transform(raw)
        clock = [p for p in plan.columns if p.step.clock_only]
        others = scaled | {n for p in plan.columns if not p.step.clock_only for n in p.writes}
        known = tuple(name for p in clock for name in p.writes if name not in others)
        # Not a view of the caller's table, nor its index.
        kept = tail(pipeline, raw).reset_index(drop=True)
        return cls(pipeline, kept, id=plan.scope.names.id, known=known), table

    @property
    def roles(self) -> dict[str, Any]:
        """The columns as ``read_panel`` wants them."""
        source = self.pipeline.spec.source
        return {"id_col": self.id, "time_col": source.time, "target_col": source.target, "known": self.known}

    def table(self, raw: Any) -> pd.DataFrame:
        """Return the features of raw rows that have their own history."""
        return self.pipeline.transform(self._timed(_rows(self.pipeline, raw)))

    def continued(self, rows: Any) -> tuple[Self, pd.DataFrame]:
        """Return what has seen more raw rows, and the features of these.

        Args:
            rows: Rows after those seen; columns that are missing are missing values.

        Returns:
            Both; among the features are some of rows seen before, whose own history is not kept: they are not wanted.
        """
        more = self._timed(_rows(self.pipeline, rows))
        seen = pd.concat([self.raw, more[[c for c in self.raw.columns if c in more.columns]]], ignore_index=True)
        # A feed that delivers at least once may repeat itself.
        seen = seen.drop_duplicates(ignore_index=True)
        kept = tail(self.pipeline, seen).reset_index(drop=True)
        return type(self)(self.pipeline, kept, id=self.id, known=self.known), self.pipeline.transform(seen)

    def _timed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows with times of the type that the history has: its zone says where days begin, not an offset."""
        time = self.pipeline.spec.source.time
        like = self.raw[time].dtype
        if time not in rows.columns or rows[time].dtype == like or not pd.api.types.is_datetime64_any_dtype(like):
            return rows
        times, axis = clock_of(rows[time])
        zone = like.tz if isinstance(like, pd.DatetimeTZDtype) else None
        if (axis.zone is None) != (zone is None) or axis.integer:
            raise DataError(
                f"times must be as those of the fit ({like}), but {time!r} holds {rows[time].dtype}"
                f"{'' if axis.zone is None else ' with a zone'}",
                "use frame.dt.tz_localize(ZONE), or the time on the wall: frame.dt.tz_localize(None)",
            )
        moments = pd.DatetimeIndex(times.view("datetime64[us]"))
        written = moments if zone is None else moments.tz_localize("UTC").tz_convert(zone)
        return rows.assign(**{time: written.astype(like)})

    def future(self, schema: Schema, panel: Panel, horizon: int) -> pd.DataFrame | None:
        """Return the known columns over the horizon of each series; None if there are none."""
        if not self.known:
            return None
        source = self.pipeline.spec.source
        times = panel.future_times(horizon)
        rows: dict[str, Any] = (
            {} if self.id is None else {self.id: schema.ids.columns(np.repeat(panel.ids, horizon))[0]}
        )
        rows |= {source.time: schema.clock.write(times.ravel()), source.target: np.nan}
        steps = [step for step in self.pipeline.steps if isinstance(step, ColumnStep) and step.clock_only]
        grid = [step for step in self.pipeline.steps if isinstance(step, Resample)][-1:]
        on_grid = [{"resample": {"every": step.every}} for step in grid]
        clock = FeaturePipeline(
            [*on_grid, *steps], id=self.id, time=source.time, target=source.target, zone=source.zone
        )  # fmt: skip
        return clock.transform(pd.DataFrame(rows)).drop(columns=source.target)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write everything into a folder, and return what ``load`` needs to find it unchanged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        save(self.pipeline, folder)
        pq.write_table(pa.Table.from_pandas(self.raw, preserve_index=False), folder / _RAW)
        files = checksums(folder, sorted(file.name for file in folder.iterdir()))
        return {"files": files, "id": self.id, "known": list(self.known)}

    @classmethod
    def load(cls, folder: Path, said: Mapping[str, Any]) -> Self:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: A file is missing or was changed.
        """
        import pyarrow.parquet as pq

        verify(folder, said["files"], hint="save the pipeline again; a saved folder must not be edited")
        raw = pq.read_table(folder / _RAW).to_pandas()
        return cls(load(folder), raw, id=said["id"], known=tuple(said["known"]))


def _source(pipeline: FeaturePipeline) -> Any:
    path = pipeline.spec.source.path
    if path is None:
        raise ConfigError(
            "a fit must have rows, but there is no table and the pipeline names no file",
            "give fit a table, or the pipeline `source: {path: ...}`",
        )
    return located(pipeline, path)


def _rows(pipeline: FeaturePipeline, data: Any) -> pd.DataFrame:
    id_ = pipeline.spec.source.id
    found = read(data, text=[id_] if id_ else [])
    frame = found.to_frame() if isinstance(found, pd.Series) else found
    return pd.DataFrame(frame).reset_index(drop=True)
