"""What a pipeline will do, as a tree: columns, lookbacks, engines."""

from __future__ import annotations

from typing import Any

from zoo.features.batch import batch_of
from zoo.features.engines.choice import choose
from zoo.features.engines.joining import place, sampled
from zoo.features.engines.pandas import scope_of
from zoo.features.pipeline import FeaturePipeline
from zoo.features.plan import FeaturePlan, StepError, make_plan
from zoo.features.run import located
from zoo.features.steps import ColumnStep, Join, Resample, Step
from zoo.tables.source import read

__all__ = ["explain"]

_SHOWN = 6  # columns that a line of the plan names


def explain(pipeline: FeaturePipeline) -> dict[str, Any]:
    """Return what a pipeline will do with its source, and the same as a tree under ``text``.

    Raises:
        DataError: The source cannot be read.
        ConfigError: A step does not fit it.
    """
    source = pipeline.spec.source
    path = None if source.path is None else located(pipeline, source.path)
    chosen = choose(pipeline.spec, path)
    if path is None:
        steps = [{"step": step.kind, "options": step.options} for step in pipeline.steps]
        return {"hash": pipeline.hash, "engine": chosen.engine, "why": chosen.why, "steps": steps, "text": "a query"}
    # Spark does not read a large joined table here: neither does this.
    joins = {i: step for i, step in enumerate(pipeline.steps) if isinstance(step, Join) and chosen.engine == "spark"}
    found = {i: place(step) for i, step in joins.items()}
    planned = list(pipeline.steps)
    for i, step in joins.items():
        planned[i] = sampled(step) if found[i].spark else step
    places = {i: one.why for i, one in found.items()}
    frame = read(path, text=[source.id] if source.id else [])
    rows = len(frame)
    try:
        plan = make_plan(planned, scope_of(batch_of(frame.head(1000), source.names, zone=source.zone)))  # type: ignore[arg-type]  # one column is refused by batch_of
    except StepError as error:
        raise pipeline.said(error) from error
    steps = [_step(step, i, plan) | ({"place": places[i]} if i in places else {}) for i, step in enumerate(planned)]
    data = {
        "hash": pipeline.hash,
        "engine": chosen.engine,
        "why": chosen.why,
        "rows": rows,
        "lookback": plan.lookback,
        "columns": list(plan.outputs),
        "steps": steps,
    }
    return data | {"text": _tree(pipeline, plan, data, places)}


def _step(step: Step, place: int, plan: FeaturePlan) -> dict[str, Any]:
    planned = next((p for p in (*plan.columns, *plan.scales) if p.place == place), None)
    out: dict[str, Any] = {"step": step.kind, "options": {k: v for k, v in step.options.items() if k != "table"}}
    if planned is not None:
        out |= {"reads": list(planned.reads), "writes": list(planned.writes), "lookback": planned.step.lookback}
    elif isinstance(step, Join):
        out |= {"writes": list(step.brings().values())}
    return out


def _tree(pipeline: FeaturePipeline, plan: FeaturePlan, data: dict[str, Any], places: dict[int, str]) -> str:
    source, sink = pipeline.spec.source, pipeline.spec.sink
    lines = [f"pipeline {data['hash']}, engine {data['engine']}: {data['why']}"]
    lines.append(f"├─ source {source.path}: {data['rows']:,} rows, {len(plan.before.numbers)} columns of numbers")
    lines.append("├─ rows (pandas, or Spark SQL)")
    rows = [(i, step) for i, step in enumerate(pipeline.steps) if not isinstance(step, ColumnStep)]
    lines += [f"│  ├─ {_said(step)}{f': {places[i]}' if i in places else ''}" for i, step in rows] or [
        "│  ├─ as they are"
    ]
    lines.append("├─ columns (the same kernels in pandas, Spark and a request)")
    for planned in (*plan.columns, *plan.scales):
        depth = max((plan.depth.get(name, 0) for name in planned.writes), default=0)
        back = f" ← {depth} rows back" if depth else ""
        lines.append(f"│  ├─ {_said(planned.step)} → {_some(planned.writes)}{back}")
    every = next((step.every for step in reversed(pipeline.steps) if isinstance(step, Resample)), None)
    lines.append(f"├─ a request needs {plan.lookback} rows before{f' ({plan.lookback} x {every})' if every else ''}")
    target = "nowhere" if sink is None else f"table {sink.table}" if sink.table else f"folder {sink.path}"
    lines.append(f"└─ sink {target}: {len(plan.outputs)} columns")
    return "\n".join(lines)


def _said(step: Step) -> str:
    options = ", ".join(f"{k}={v}" for k, v in step.options.items() if not hasattr(v, "columns"))
    return f"{step.kind}({options})"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
