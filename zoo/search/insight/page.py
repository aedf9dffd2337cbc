"""A study as one HTML file: no script, nothing to load, so it can be mailed and opened anywhere."""

from __future__ import annotations

from importlib.resources import files
from itertools import combinations
from pathlib import Path

from zoo.files import write_file
from zoo.page.document import charts, document, figure, header, key_figures, legend, note, section, stroke, wide
from zoo.page.markup import escape
from zoo.page.tables import Cell, Row, bar, definitions, number_cell, table, text_cell
from zoo.page.wording import NOTHING, duration, number, params_text, percent, plural, value_text
from zoo.search.insight.charts import ended, history_chart, learning_chart, pareto_chart, slice_chart, timeline_chart
from zoo.search.insight.importance import Importance, importance
from zoo.search.insight.parallel import parallel_chart
from zoo.search.insight.timeline import Timeline, timeline
from zoo.search.insight.view import View, metric_text
from zoo.search.trial import TrialRecord

__all__ = ["render", "write_page"]

_MAX_BEST = 15  # rows of the table of the best
_MAX_MESSAGES = 5  # rows per kind of failure
_MAX_AXES = 9  # of parallel coordinates: more cannot be read
_MAX_SLICES = 12  # charts of one parameter against the value


def write_page(view: View, path: str | Path) -> Path:
    """Write the page of a study and return where; a reader never sees half of it.

    Raises:
        ConfigError: It would replace the journal.
    """
    path = view.spare(Path(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, render(view), durable=False)
    return path


def render(view: View) -> str:
    """Return the page of a study; parts without anything to show are left out, or say why."""
    found, matters = timeline(view), importance(view)
    sections = (
        header("Study report", view.name, _headline(view)),
        _figures(view, found),
        _progress(view),
        _front(view),
        _best(view),
        _parameters(view, matters),
        _workers(view, found),
        _failures(view),
        _settings(view),
    )
    style = files("zoo.search.insight").joinpath("study.css").read_text(encoding="utf-8")
    return document(f"{view.name} – study report", sections, style=style, author="zoo.search")


def _headline(view: View) -> str:
    """Return what a reader takes away, in two sentences."""
    best, done = view.best, view.states.get("complete", 0)
    if best is None:
        if done:
            return f"{plural(done, 'trial')} complete, but none keeps the thresholds."
        return f"No trial is complete yet; {plural(len(view.records), 'trial')} so far."
    objectives = view.metrics.objectives
    if len(objectives) > 1:
        names = " and ".join(metric.name for metric in objectives)
        return f"{plural(len(view.pareto), 'trial')} of {done:,} complete ones: none is surpassed in {names} at once."
    metric = view.metrics.first
    text = f"Trial {best.number} has the best {metric.name}: {number(best.value)}, with {params_text(best.params)}."
    in_time = [r.value for r in view.ranked if ended(r) <= view.elapsed / 2 and r.value is not None]
    if in_time:
        half = min(in_time, key=lambda value: view.metrics.sign * value)
        if half == best.value:
            text += " Nothing better came in the second half of the time."
        else:
            text += f" After half of the time the best was {number(half)}."
    return text


def _figures(view: View, found: Timeline) -> str:
    best, states = view.best, view.states
    items: list[tuple[str, str, str]] = []
    if best is not None and len(view.metrics.objectives) == 1:
        items.append((f"Best {view.metrics.first.name}", number(best.value), f"trial {best.number}"))
    elif best is not None:
        items.append(("Pareto front", str(len(view.pareto)), "trials"))
    told = ", ".join(f"{count:,} {state}" for state, count in states.items())
    items.append(("Trials", f"{len(view.records):,}", told))
    items.append(("Study time", duration(view.elapsed), "while a driver was there"))
    if found.runs:
        items.append(("Idle", percent(found.idle, 1), f"of {plural(found.lanes, 'worker')}"))
    trained = sum(run.end - run.start for run in found.runs)
    items.append(("Training", duration(trained), f"cost {number(view.cost)}"))
    infeasible = sum(1 for record in view.records if record.state == "complete" and not record.feasible)
    if any(metric.limit.describe() for metric in view.metrics):
        items.append(("Infeasible", f"{infeasible:,}", "complete trials beyond a threshold"))
    else:
        failed = states.get("failed", 0)
        items.append(("Failed", f"{failed:,}", percent(failed / max(len(view.records), 1)) + " of all trials"))
    return key_figures(items)


_DOT = '<circle class="{}" cx="13" cy="6" r="4"/>'
_BOX = '<rect class="{}" x="2" y="1" width="22" height="10"/>'


def _progress(view: View) -> str:
    figures, shapes = [], []
    if any(record.state == "complete" for record in view.records):
        for index, metric in enumerate(view.metrics.objectives):
            better = "less is better" if metric.direction == "minimize" else "more is better"
            figures.append(figure(metric.name, better, history_chart(view, metric, f"history{index}")))
        shapes = [(_DOT.format("dot"), "complete trial"), (stroke("best"), "best so far")]
        if any(not record.feasible for record in view.records):
            shapes.append((_DOT.format("dot hollow"), "beyond a threshold"))
    if any(record.failure is not None for record in view.records):
        shapes.append(('<line class="failure" x1="13" x2="13" y1="2" y2="10"/>', "failed trial"))
    if any(record.reports for record in view.records):
        figures.append(figure("Learning curves", f"{view.metrics.first.name} as reported", learning_chart(view, "lc")))
        stopped = [name for name in ("stopped", "paused") if name in view.states]
        shapes.append((stroke("curve"), "a trial's reports"))
        if stopped:
            shapes.append((stroke("curve stopped"), " or ".join(stopped)))
    if not figures:
        return section("Progress", "No trial has a value yet.", "")
    lead = (
        "Trials by the moment at which they ended, in study time: the time in which no driver was there is left out. "
    )
    lead += "A triangle is a value beyond the axis, which would flatten all others."
    return section("Progress", lead, charts(figures) + legend(shapes))


def _front(view: View) -> str:
    if len(view.metrics.objectives) < 2 or not view.pareto:
        return ""
    figures = [
        figure(f"{b.name} against {a.name}", "", pareto_chart(view, a, b, f"front{i}"))
        for i, (a, b) in enumerate(combinations(view.metrics.objectives, 2))
    ]
    shapes = [(_DOT.format("dot front"), "on the front"), (_DOT.format("dot faint"), "surpassed")]
    if any(not record.feasible for record in view.records):
        shapes.append((_DOT.format("dot hollow"), "beyond a threshold"))
    lead = "Trials that no other one surpasses: better in one objective is worse in another."
    return section("Pareto front", lead, charts(figures) + legend(shapes))


def _best(view: View) -> str:
    rows = view.ranked[:_MAX_BEST]
    if not rows:
        return ""
    metrics = [metric.name for metric in view.metrics]
    names = list(view.space)
    several = len(view.metrics.objectives) > 1
    body = []
    for index, record in enumerate(rows):
        values = [number_cell(_with_error(record, name)) for name in metrics]
        params = [
            text_cell(value_text(record.params[name]) if name in record.params else NOTHING, "n", longest=30)
            for name in names
        ]
        trial = text_cell(f"{record.number}{' ' + record.tag if record.tag else ''}", longest=30)
        cells = (trial, *values, *params, number_cell(duration(record.seconds)))
        body.append(Row(cells, "main" if index == 0 and not several else ""))
    label = "The front, then the best by the first objective" if several else "Best trials"
    shown = table(("Trial", *metrics, *names, "Took"), body, label=label)
    hidden = len(view.ranked) - len(rows)
    if hidden > 0:
        shown += note(f"and {hidden:,} more; `zoo study export` has all.")
    lead = f"{label}." if several else "Complete trials within all thresholds, best first."
    return section("Best trials", lead, shown)


def _with_error(record: TrialRecord, name: str) -> str:
    value = number(record.metrics.get(name))
    return f"{value} ± {number(record.stderr[name])}" if name in record.stderr else value


def _parameters(view: View, matters: Importance) -> str:
    names = list(matters) or list(view.space)
    shown = names[:_MAX_AXES]
    body = ""
    metric = view.metrics.first.name
    if matters:
        bars = "".join(
            f'<span>{escape(name, 60)}</span>{bar(share)}<span class="share">{escape(percent(share))}</span>\n'
            for name, share in matters.items()
        )
        body += f'<h3>Importance for {escape(metric)}</h3>\n<div class="bars">\n{bars}</div>\n'
        lead = (
            "Importance: how much the value varies when one parameter alone is changed, anywhere in the space, as a "
            f"forest has learned it from {plural(matters.trials, 'trial')}; it explains "
            f"{percent(max(matters.explained, 0.0))} of the differences between trials that it has not seen."
        )
    else:
        lead = f"No importance yet: {matters.reason}."
    if any(record.state == "complete" for record in view.records):
        body += "<h3>Parallel coordinates</h3>\n" + wide("Parallel coordinates", parallel_chart(view, shown, "ways"))
        items = [(stroke("way strong"), "best tenth"), (stroke("way weak"), "other complete trials")]
        if any(r.state in ("stopped", "paused") for r in view.records):
            items.append((stroke("way early"), "stopped or paused"))
        if any(r.failure is not None and r.failure.teaches for r in view.records):
            items.append((stroke("way failed"), "failed"))
        body += legend(items)
        slices = [
            figure(name, percent(matters[name]) if name in matters else "", slice_chart(view, name, f"slice{i}"))
            for i, name in enumerate(names[:_MAX_SLICES])
        ]
        body += charts(slices, "small")
        if len(names) > _MAX_AXES:
            body += note(f"{plural(len(names) - _MAX_AXES, 'parameter')} of less importance left out.")
    return section("Parameters", lead, body)


def _workers(view: View, found: Timeline) -> str:
    if not found.runs:
        return ""
    lead = (
        f"{plural(found.lanes, 'worker')}, idle for {percent(found.idle, 1)} of the time between the first start and "
        "the last end; the start of a driver that goes on with the study is part of it. A row is not a machine: the "
        "journal does not say where a trial ran."
    )
    states = {run.state for run in found.runs}
    kinds = [state for state in ("complete", "stopped", "paused", "running", "failed") if state in states]
    shown = wide("Workers", timeline_chart(view, found, "workers"))
    return section("Workers", lead, shown + legend((_BOX.format(f"run {state}"), state) for state in kinds))


def _failures(view: View) -> str:
    found = view.failures
    if not found:
        return section("Failures", "None.", "")
    rows = []
    for kind, records in found.items():
        lost = sum(record.seconds or 0.0 for record in records)
        seen: dict[str, list[int]] = {}
        for record in records:
            seen.setdefault(record.message, []).append(record.number)
        for index, (message, numbers) in enumerate(
            sorted(seen.items(), key=lambda item: -len(item[1]))[:_MAX_MESSAGES]
        ):
            listed = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
            first = index == 0
            cells = (
                text_cell(kind.replace("_", " ") if first else "", "one"),
                number_cell(f"{len(records):,}" if first else ""),
                number_cell(duration(lost) if first else ""),
                Cell(f"<code>{escape(message, 300)}</code>", "text"),
                text_cell(listed, "text", longest=80),
            )
            rows.append(Row(cells))
    lead = "By kind, with the messages that came most often. Lost trials are the machine's fault and teach nothing."
    return section("Failures", lead, table(("Kind", "Trials", "Time", "Message", "Which"), rows, label="Failures"))


def _settings(view: View) -> str:
    pairs = [(name, value) for name, value in view.settings.items()]
    pairs += [(metric.name, metric_text(metric)) for metric in view.metrics]
    spec = view.notes.get("spec", {})
    pairs += [
        (name, str(spec[name])) for name in ("train", "budget", "driver", "workers") if spec.get(name) is not None
    ]
    rows, described = [], view.space.describe()
    for name in view.space:
        conditions = described[name].get("when", {}).items()
        when = " and ".join(f"{parent} is {' or '.join(map(str, wanted))}" for parent, wanted in conditions)
        values = Cell(f"<code>{escape(_range(described[name]), 300)}</code>")
        rows.append(Row((text_cell(name, longest=60), values, text_cell(when))))
    space = table(("Parameter", "Values", "Exists if"), rows, label="Space")
    rules = "".join(f"<li><code>{escape(rule.text)}</code></li>" for rule in view.space.constraints)
    limits = f"<h3>Constraints</h3>\n<ul>{rules}</ul>\n" if rules else ""
    return section("Settings", "", definitions(pairs, "settings") + space + limits)


def _range(said: dict[str, object]) -> str:
    kind = str(said["type"])
    if "choices" in said:
        values = said["choices"]
        assert isinstance(values, list)
        text = f"{kind}: {', '.join(map(str, values))}"
    else:
        low, high = said["low"], said["high"]
        text = f"{kind}: {value_text(low)} … {value_text(high)}{', log' if said['log'] else ''}"
    text += f", default {value_text(said['default'])}" if "default" in said else ""
    return text + (", with a prior" if "prior" in said or "weights" in said else "")
