"""A pipeline in a file: what ``zoo features run`` reads, checked field by field.

::

    source: {path: meters/*.parquet, id: meter, time: ts, target: kwh}
    steps:
      - deduplicate: {keep: last}
      - resample: {every: 1h, how: mean}
      - lags: [1, 24, 168]
    sink: {path: features/meters}
    engine: auto
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zoo.errors import ConfigError
from zoo.features.batch import FeatureRoles
from zoo.features.steps import STEPS, Join, Step
from zoo.files import json_digest
from zoo.spec import Lines, first_mistake, read_fields

__all__ = [
    "Engine",
    "FeatureSource",
    "FeatureSpec",
    "Sink",
    "make_step",
    "pipeline_hash",
    "read_spec",
    "spec_of",
    "step_item",
]

Engine = Literal["auto", "pandas", "spark"]
_HINT = "`zoo features run --help` shows a file"


class _SpecPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FeatureSource(_SpecPart):
    """Where rows come from, and what they are called.

    Args:
        path: CSV, Parquet, a folder of them, a pattern, or a versioned table; relative to the file.
        query: SQL that Spark runs; needs the Spark engine.
        id: Column that tells series apart; left out for a single one.
        time: Column of the clock.
        target: Column that features are made of.
        zone: Where the clocks hang that the calendar means, such as Europe/Berlin; for times with a zone.
        as_of: Version or time of a versioned table.
    """

    path: str | None = None
    query: str | None = None
    id: str | None = None
    time: str
    target: str
    zone: str | None = None
    as_of: int | str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> FeatureSource:
        if self.path is not None and self.query is not None:
            raise ConfigError("a source must have a path or a query, but got both", _HINT)
        if len({self.id, self.time, self.target}) < 3:
            raise ConfigError(
                f"id, time and target must be three columns, but got {[self.id, self.time, self.target]}", _HINT
            )
        return self

    @property
    def names(self) -> FeatureRoles:
        """The columns' roles."""
        return FeatureRoles(self.id, self.time, self.target)


class Sink(_SpecPart):
    """Where features go.

    Args:
        path: A folder of Parquet files; relative to the file.
        table: A versioned table; relative to the file.
        evolve: Whether the columns of a versioned table may change; a folder keeps its own.
    """

    path: str | None = None
    table: str | None = None
    evolve: bool = False

    @model_validator(mode="after")
    def _one(self) -> Sink:
        if (self.path is None) == (self.table is None):
            raise ConfigError("a sink must have a path or a table, and not both", _HINT)
        if self.evolve and self.table is None:
            raise ConfigError("a sink must be a versioned table to evolve, but it is a folder", "sink: {table: ...}")
        return self


class _PipelineFile(_SpecPart):
    source: FeatureSource
    steps: list[dict[str, Any]] = Field(min_length=1)
    sink: Sink | None = None
    engine: Engine = "auto"


class FeatureSpec(_SpecPart):
    """A pipeline as it is written.

    Args:
        source: Where rows come from.
        steps: What is done with the rows, in order.
        sink: Where features go; None to compute only.
        engine: What computes; ``auto`` decides by the table's size.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    source: FeatureSource
    steps: tuple[Step, ...]
    sink: Sink | None = None
    engine: Engine = "auto"


def read_spec(path: str | Path) -> tuple[FeatureSpec, Lines]:
    """Return the pipeline of a file, and where its parts are.

    Raises:
        ConfigError: The file cannot be read, or a field is wrong: the message names file, line and field.
    """
    file = Path(path)
    said, lines = read_fields(file, "a pipeline file", hint=_HINT)
    return spec_of(said, lines, folder=file.resolve().parent), lines


def spec_of(said: Mapping[str, Any], lines: Lines, *, folder: Path) -> FeatureSpec:
    """Return the pipeline of some fields.

    Args:
        said: The fields as YAML has them.
        lines: On which line of the file each is.
        folder: Where relative paths begin.

    Raises:
        ConfigError: A field is wrong.
    """
    try:
        file = _PipelineFile.model_validate(dict(said))
    except ValidationError as error:
        raise ConfigError(first_mistake(error, said, lines), _HINT) from error
    except ConfigError as error:
        place = ("sink",) if "sink" in error.message else ("source",)
        raise ConfigError(lines.say(place, error.message), error.hint) from error
    steps = tuple(_step(item, i, lines, folder) for i, item in enumerate(file.steps))
    return FeatureSpec(source=file.source, steps=steps, sink=file.sink, engine=file.engine)


def _step(item: Mapping[str, Any], index: int, lines: Lines, folder: Path) -> Step:
    place = ("steps", index)
    if len(item) != 1:
        raise ConfigError(lines.say(place, f"a step must have one name, but got {list(item)}"), _HINT)
    (kind,) = item
    if kind not in STEPS:
        raise ConfigError(
            lines.say((*place, kind), f"a step must be one of {', '.join(STEPS)}, but got {kind!r}"), _HINT
        )
    step = STEPS[kind]
    options = _options(step, item[kind])
    said = {"steps": [*[{}] * index, {kind: options}]}
    try:
        built = step.model_validate(options)
    except ValidationError as error:
        inner = ValidationError.from_exception_data(
            error.title,
            [{**_raw(e), "loc": (*place, kind, *e["loc"])} for e in error.errors(include_url=False)],  # type: ignore[typeddict-item]
        )
        raise ConfigError(first_mistake(inner, said, lines), _HINT) from error
    except ConfigError as error:
        raise ConfigError(lines.say((*place, kind), error.message), error.hint) from error
    return built.beside(folder) if isinstance(built, Join) else built


def _raw(error: Any) -> dict[str, Any]:
    out = {"type": error["type"], "loc": error["loc"], "input": error["input"]}
    if "ctx" in error:
        out["ctx"] = error["ctx"]
    return out


def _options(step: type[Step], said: Any) -> dict[str, Any]:
    """Return the options of a step: ``lags: [1, 24]`` names its main one, ``impute:`` takes them as they are."""
    if said is None:
        return {}
    if isinstance(said, Mapping):
        return dict(said)
    if step.short is None:
        return {"": said}
    field = step.model_fields[step.short]
    listed = "list" in str(field.annotation)
    return {step.short: [said] if listed and not isinstance(said, list) else said}


def make_step(kind: str, said: Any = None, *, folder: Path | None = None) -> Step:
    """Return a step from Python: ``make_step("lags", [1, 24])``.

    Args:
        kind: Its name in files.
        said: Its options, as a file has them.
        folder: Where relative paths begin.

    Raises:
        ConfigError: There is no such step, or an option is wrong.

    >>> make_step("lags", [1, 24]).lookback
    24
    """
    return _step({kind: said}, 0, Lines("step", {}), folder or Path())


def step_item(step: Step) -> dict[str, Any]:
    """Return a step as a file has it.

    >>> step_item(make_step("resample", {"every": "1h"}))
    {'resample': {'every': '1h'}}
    """
    options = step.options
    if isinstance(options.get("table"), pd.DataFrame):
        options["table"] = "<frame>"
    return {step.kind: options}


def pipeline_hash(source: FeatureSource, steps: tuple[Step, ...]) -> str:
    """Return a name for what is computed: the roles of the columns and all options of all steps, not where data lie."""
    roles = source.model_dump(include={"id", "time", "target", "zone"})
    said = [{step.kind: {k: v for k, v in step.model_dump().items() if k != "table"}} for step in steps]
    return json_digest([roles, said])[:16]
