"""``zoo study show`` and ``zoo study best``: how a study stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome
from zoo.page.wording import cut, duration, in_columns, number, params_text, percent, plural, value_text
from zoo.search.insight.frame import record_data
from zoo.search.insight.importance import importance
from zoo.search.insight.timeline import timeline
from zoo.search.insight.view import View, metric_text
from zoo.search.trial import TrialRecord

__all__ = ["best_of_study", "show_study", "state_data", "state_text"]

_LISTED = 8  # running trials
_MAX_MESSAGE = 100  # characters
_BRIEF = ("number", "tag", "params", "value", "metrics", "stderr", "step", "seconds", "cost", "checkpoint")


def show_study(study: Annotated[Path, typer.Argument(help="The journal.")]) -> Outcome:
    """Show states, the best trial, what runs, failures and importance."""
    view = View.read(study)
    return Outcome(state_data(view, str(study)), state_text(view, str(study)))


def best_of_study(
    study: Annotated[Path, typer.Argument(help="The journal.")],
    limit: Annotated[int, typer.Option(min=1, help="Trials to show of one objective; of several the whole front.")] = 1,
) -> Outcome:
    """Show the best trials."""
    view = View.read(study)
    several = len(view.metrics.objectives) > 1
    chosen = view.pareto if several else view.ranked[:limit]
    data = {"study": str(study), "front" if several else "best": [_brief(view, record) for record in chosen]}
    if not chosen:
        return Outcome(data, "no complete trial keeps the thresholds" if view.states.get("complete") else "none yet")
    return Outcome(data, "\n\n".join(_told(view, record) for record in chosen))


def _brief(view: View, record: TrialRecord) -> dict[str, Any]:
    everything = record_data(view, record)
    return {name: everything[name] for name in _BRIEF}


def _told(view: View, record: TrialRecord) -> str:
    """Return one trial in lines, its parameters in full: they are here to be copied."""
    lines = [("trial", f"{record.number}{' (' + record.tag + ')' if record.tag else ''}, {duration(record.seconds)}")]
    for metric in view.metrics:
        if metric.name in record.metrics:
            error = f" ± {number(record.stderr[metric.name])}" if metric.name in record.stderr else ""
            lines.append((metric.name, f"{number(record.metrics[metric.name])}{error}"))
    lines += [
        (f"  {name}", repr(value) if isinstance(value, float) else str(value)) for name, value in record.params.items()
    ]
    if record.checkpoint:
        lines.append(("checkpoint", record.checkpoint))
    return in_columns(lines)


def state_data(view: View, path: str) -> dict[str, Any]:
    """Return how a study stands, as JSON values."""
    found, matters = timeline(view), importance(view)
    best = view.best if len(view.metrics.objectives) == 1 else None
    return {
        "study": path,
        "metrics": [
            {"name": metric.name, "direction": metric.direction, "role": metric.role, **metric.limit.describe()}
            for metric in view.metrics
        ],
        "trials": len(view.records),
        "states": view.states,
        "budget": view.notes.get("spec", {}).get("budget"),
        "best": None if best is None else _brief(view, best),
        "front": [_brief(view, r) for r in view.pareto] if len(view.metrics.objectives) > 1 else None,
        "running": [
            {"number": r.number, "step": r.step, "metrics": dict(r.metrics) or None, "losses": r.losses}
            for r in view.records
            if r.state == "running"
        ],
        "failures": {kind: len(records) for kind, records in view.failures.items()},
        "infeasible": sum(1 for r in view.records if r.state == "complete" and not r.feasible),
        "elapsed": view.elapsed,
        "cost": view.cost,
        "workers": found.lanes,
        "idle": found.idle,
        "importance": dict(matters),
        "importance_reason": matters.reason,
        "settings": dict(view.settings),
    }


def state_text(view: View, path: str) -> str:
    """Return how a study stands, for a person."""
    found, matters, budget = timeline(view), importance(view), view.notes.get("spec", {}).get("budget")
    lines = [("study", path), ("metrics", "; ".join(metric_text(metric) for metric in view.metrics))]
    told = ", ".join(f"{count} {state}" for state, count in view.states.items())
    of = f" of {budget}" if isinstance(budget, int) else ""
    lines.append(("trials", f"{len(view.records)}{of}{': ' + told if told else ''}"))
    took = f"{duration(view.elapsed)}{' of ' + budget if isinstance(budget, str) else ''} of study time"
    if found.runs:
        took += f", {plural(found.lanes, 'worker')}, idle {percent(found.idle, 1)}"
    lines.append(("time", f"{took}, cost {number(view.cost)}"))
    lines += _best_lines(view)
    running = [record for record in view.records if record.state == "running"]
    for record in running[:_LISTED]:
        at = (
            f" at step {record.step}, {view.metrics.first.name} {number(record.reports[record.step])}"
            if record.reports
            else ""
        )
        lines.append(("running", f"trial {record.number}{at}: {params_text(record.params)}"))
    if len(running) > _LISTED:
        lines.append(("", f"and {len(running) - _LISTED} more"))
    for kind, records in view.failures.items():
        last = cut(" ".join(records[-1].message.split()), _MAX_MESSAGE)
        lines.append(("failed", f"{len(records)} {kind.replace('_', ' ')}, the last: {last}"))
    shares = ", ".join(f"{name} {percent(share)}" for name, share in matters.items())
    lines.append(("importance", shares or f"none yet: {matters.reason}"))
    return in_columns(lines)


def _best_lines(view: View) -> list[tuple[str, str]]:
    best = view.best
    if best is None:
        done = view.states.get("complete", 0)
        return [("best", "no complete trial keeps the thresholds" if done else "no trial is complete yet")]
    several = len(view.metrics.objectives) > 1
    shown = view.pareto[:_LISTED] if several else [best]
    lines = []
    for index, record in enumerate(shown):
        values = ", ".join(
            f"{m.name} {number(record.metrics[m.name])}" for m in view.metrics if m.name in record.metrics
        )
        params = " ".join(f"{name}={value_text(value)}" for name, value in record.params.items())
        lines.append(
            ((("front" if several else "best") if not index else ""), f"trial {record.number}: {values}; {params}")
        )
    if several and len(view.pareto) > _LISTED:
        lines.append(("", f"and {len(view.pareto) - _LISTED} more"))
    return lines
