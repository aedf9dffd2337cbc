"""The pipeline: one description, computed in memory, in Spark and for one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.errors import ConfigError, DataError
from zoo.features.batch import Array, Batch, frame_of
from zoo.features.compute import compute, scaled
from zoo.features.engines import pandas as memory
from zoo.features.plan import FeaturePlan, StepError
from zoo.features.spec import Engine, FeatureSource, FeatureSpec, Sink, make_step, pipeline_hash, read_spec, step_item
from zoo.features.steps import FittedSteps, Scope, Step
from zoo.spec import Lines
from zoo.tables.source import read

__all__ = ["FeaturePipeline"]


class FeaturePipeline:
    """From raw rows to features.

    Args:
        steps: Steps, as objects or as a file has them: ``{"lags": [1, 24]}``.
        time: Column of the clock.
        target: Column that features are made of.
        id: Column that tells series apart; None for a single one.
        zone: Where the clocks hang that the calendar means, for times with a zone.
        source: Path from which ``run`` reads; None if rows are always given.
        sink: Folder into which ``run`` writes; None to compute only.
        engine: What ``run`` computes with.

    Raises:
        ConfigError: A step is wrong.

    >>> table = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=4), "sold": [3.0, 1.0, 4.0, 1.0]})
    >>> pipeline = FeaturePipeline([{"lags": [1]}, {"calendar": ["weekday"]}], time="day", target="sold")
    >>> pipeline.fit_transform(table).tail(2)
             day  sold  sold_lag_1  weekday
    2 2024-01-03   4.0         1.0      2.0
    3 2024-01-04   1.0         4.0      3.0
    """

    def __init__(
        self,
        steps: Sequence[Step | Mapping[str, Any]],
        *,
        time: str,
        target: str,
        id: str | None = None,
        zone: str | None = None,
        source: str | None = None,
        sink: str | None = None,
        engine: Engine = "auto",
    ) -> None:
        built = tuple(step if isinstance(step, Step) else _step_of(step) for step in steps)
        where = FeatureSource(path=source, id=id, time=time, target=target, zone=zone)
        to = None if sink is None else Sink(path=sink)
        self._begin(FeatureSpec(source=where, steps=built, sink=to, engine=engine))

    def _begin(self, spec: FeatureSpec, lines: Lines | None = None, folder: Path | None = None) -> None:
        self.spec = spec
        self.folder = folder or Path()
        self._lines = lines
        #: What steps have learnt; None before ``fit``.
        self.fitted: FittedSteps | None = None
        self._plans: dict[Scope, FeaturePlan] = {}

    @classmethod
    def from_yaml(cls, path: str | Path) -> FeaturePipeline:
        """Return the pipeline of a file.

        Raises:
            ConfigError: A field is wrong: the message names file, line and field.
        """
        spec, lines = read_spec(path)
        return cls.of(spec, lines=lines, folder=Path(path).resolve().parent)

    @classmethod
    def of(cls, spec: FeatureSpec, *, lines: Lines | None = None, folder: Path | None = None) -> FeaturePipeline:
        """Return the pipeline of a checked description."""
        out = cls.__new__(cls)
        out._begin(spec, lines, folder)
        return out

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps."""
        return self.spec.steps

    @property
    def hash(self) -> str:
        """A name for what is computed: equal for equal steps and roles, wherever the data lie."""
        return pipeline_hash(self.spec.source, self.steps)

    def items(self) -> list[dict[str, Any]]:
        """Return the steps as a file has them."""
        return [step_item(step) for step in self.steps]

    def prepare(self, table: Any, *, look: Callable[[Batch], None] | None = None) -> memory.Prepared:
        """Return a table after the row steps, with the plan of what remains.

        Args:
            table: Raw rows, in any form that ``zoo.tables.source.read`` takes.
            look: Shown the rows before any step.

        Raises:
            DataError: The table cannot be used.
            ConfigError: A step does not fit it.
        """
        source = self.spec.source
        frame = read(table, text=[source.id] if source.id else [])
        if isinstance(frame, pd.Series):
            raise DataError("a table must have columns, but got a pandas Series", "give a frame with the time column")
        try:
            return memory.prepare(frame, self.steps, source.names, zone=source.zone, plans=self._plans, look=look)
        except StepError as error:
            raise self.said(error) from error

    def said(self, error: StepError) -> ConfigError:
        """Return an error of a step with its place in the file."""
        kind = self.steps[error.index].kind
        if self._lines is None:
            return ConfigError(f"step {error.index} ({kind}): {error.message}", error.hint)
        return ConfigError(self._lines.say(("steps", error.index, kind), error.message), error.hint)

    def fit(self, table: Any) -> FeaturePipeline:
        """Learn what the steps need to know (``scale``), and return the pipeline."""
        self.fitted = memory.fit(self.prepare(table))
        return self

    def fit_transform(self, table: Any) -> pd.DataFrame:
        """Learn, and return the features of the same table.

        Returns:
            Id, time, the table's columns and the features, sorted by id and time; NaN where history is too short.
        """
        prepared = self.prepare(table)
        done, self.fitted = memory.whole(prepared, None, learning=True)
        return self.frame(prepared, done, table)

    def transform(self, table: Any) -> pd.DataFrame:
        """Return the features of a table with what was learnt before."""
        prepared = self.prepare(table)
        return self.frame(prepared, self.transform_of(prepared), table)

    def transform_of(self, prepared: memory.Prepared) -> Batch:
        """Return the features of a table as arrays, with what was learnt before."""
        return memory.whole(prepared, self._known(prepared.plan))[0]

    def last(self, table: Any, *, rows: int = 1) -> pd.DataFrame:
        """Return the features of the newest rows of each series: what a server asks for.

        Args:
            table: The newest history: ``lookback`` rows before the first wanted one are enough (rows of the grid, where
                the pipeline resamples), and give the bits of a whole history.
            rows: How many rows per series.
        """
        prepared = self.prepare(table)
        return self.frame(prepared, self.last_of(prepared, rows=rows), table)

    def newest(self, table: Any, *, rows: int = 1) -> dict[str, Array]:
        """Return the features of the newest rows as arrays, column by column: ``last`` for programs in a hurry."""
        prepared = self.prepare(table)
        done = self.last_of(prepared, rows=rows)
        return {name: done.columns[name] for name in prepared.plan.outputs}

    def last_of(self, prepared: memory.Prepared, *, rows: int = 1) -> Batch:
        """Return the features of the newest rows as arrays."""
        plan = prepared.plan
        needed = plan.lookback + rows
        batch = prepared.batch
        if int(batch.offsets.lengths.max()) > needed:
            batch = batch.tail(needed)
        fitted = self._known(plan)
        done = compute(plan, batch, last=rows)
        return scaled(plan, done if len(done) <= rows else done.tail(rows), fitted)

    def _known(self, plan: FeaturePlan) -> FittedSteps | None:
        if plan.scales and self.fitted is None:
            raise ConfigError("a pipeline with `scale` must be fitted first, but fit was not called", "call fit(table)")
        return self.fitted

    def frame(self, prepared: memory.Prepared, done: Batch, table: Any) -> pd.DataFrame:
        """Return computed arrays as a frame with the time type of ``table``."""
        columns: dict[str, Array] = {name: done.columns[name] for name in prepared.plan.outputs}
        like = None
        if isinstance(table, pd.DataFrame) and self.spec.source.time in table.columns:
            dtype = table[self.spec.source.time].dtype
            like = dtype if isinstance(dtype, np.dtype) and dtype.kind == "M" else None
        return frame_of(replace(done, columns=columns), like=like)


def _step_of(item: Mapping[str, Any]) -> Step:
    if len(item) != 1:
        raise ConfigError(f"a step must have one name, but got {list(item)}", "for example {'lags': [1, 24]}")
    ((kind, options),) = item.items()
    return make_step(kind, options)
