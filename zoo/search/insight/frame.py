"""The trials of a study as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.search.insight.view import View
from zoo.search.space import Float, Int
from zoo.search.trial import TrialRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame", "record_data"]

_ENDED = ("complete", "stopped", "failed")


def frame(view: View) -> pd.DataFrame:
    """Return one row per trial, by number.

    Columns: ``number``, ``state``, ``tag``, ``value`` (the first objective of a complete trial), ``metrics_…`` (all
    metrics; of a trial that is not complete what it reported last), ``stderr_…`` where there are any, ``params_…``
    (missing where a parameter does not exist), ``feasible``, ``step`` (the last one reported), ``seconds`` (of
    training, without pauses), ``cost``, ``started`` and ``ended`` (study time), ``losses``, ``failure`` (its kind) and
    ``message``.
    """
    import pandas as pd

    records = view.records
    columns: dict[str, pd.Series[Any]] = {}
    columns["number"] = pd.Series([r.number for r in records], dtype="int64")
    for name in ("state", "tag"):
        columns[name] = pd.Series([getattr(r, name) for r in records], dtype="object")
    columns["value"] = pd.Series([r.value for r in records], dtype="float64")
    for metric in view.metrics:
        columns[f"metrics_{metric.name}"] = pd.Series([_metric(view, r, metric.name) for r in records], dtype="float64")
    for metric in view.metrics:
        errors = pd.Series([r.stderr.get(metric.name) for r in records], dtype="float64")
        if errors.notna().any():
            columns[f"stderr_{metric.name}"] = errors
    for name in view.space:
        domain = view.space[name]
        # A whole number stays one beside missing ones; a queued point may hold a number of the other kind.
        kind = "float64" if isinstance(domain, Float) else "Int64" if isinstance(domain, Int) else "object"
        columns[f"params_{name}"] = pd.Series([r.params.get(name) for r in records], dtype=kind)
    columns["feasible"] = pd.Series([r.feasible for r in records], dtype="bool")
    columns["step"] = pd.Series([r.step for r in records], dtype="int64")
    for name in ("seconds", "cost", "started"):
        columns[name] = pd.Series([getattr(r, name) for r in records], dtype="float64")
    columns["ended"] = pd.Series([_ended(r) for r in records], dtype="float64")
    columns["losses"] = pd.Series([r.losses for r in records], dtype="int64")
    columns["failure"] = pd.Series([None if r.failure is None else r.failure.value for r in records], dtype="object")
    columns["message"] = pd.Series([r.message for r in records], dtype="object")
    return pd.DataFrame(columns)


def record_data(view: View, record: TrialRecord) -> dict[str, Any]:
    """Return all that is known about one trial as JSON values."""
    return {
        "number": record.number,
        "state": record.state,
        "tag": record.tag,
        "params": dict(record.params),
        "value": record.value,
        "metrics": {m.name: v for m in view.metrics if (v := _metric(view, record, m.name)) is not None},
        "stderr": dict(record.stderr),
        "feasible": record.feasible,
        "reports": {str(step): value for step, value in record.reports.items()},
        "clock": {str(step): seconds for step, seconds in record.clock.items()},
        "step": record.step,
        "seconds": record.seconds,
        "cost": record.cost,
        "started": record.started,
        "ended": _ended(record),
        "runs": [list(run) for run in record.runs],
        "losses": record.losses,
        "failure": None if record.failure is None else record.failure.value,
        "message": record.message,
        "attrs": dict(record.attrs),
        "checkpoint": record.checkpoint or None,
    }


def _metric(view: View, record: TrialRecord, name: str) -> float | None:
    if name in record.metrics:
        return float(record.metrics[name])
    if name == view.metrics.first.name and record.reports:
        return float(record.reports[record.step])
    return None


def _ended(record: TrialRecord) -> float | None:
    return record.runs[-1][1] if record.runs and record.state in _ENDED else None
