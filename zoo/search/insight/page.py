"""A study as one HTML file: no script, nothing to load, so it can be mailed and opened anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import combinations
from pathlib import Path

from zoo.files import write_file
from zoo.search.insight.charts import ended, history_chart, learning_chart, pareto_chart, slice_chart
from zoo.search.insight.importance import Importance, importance
from zoo.search.insight.svg import escape
from zoo.search.insight.timeline import Timeline, timeline
from zoo.search.insight.view import View
from zoo.search.insight.wide import parallel_chart, timeline_chart
from zoo.search.insight.wording import about, duration, number, params_text, percent, plural, value_text
from zoo.search.trial import TrialRecord

__all__ = ["render", "write_page"]

_BEST_ROWS = 15
_FAILURES = 5  # per kind
_AXES = 9  # of parallel coordinates: more cannot be read
_SLICES = 12
# No script can run and nothing can be loaded, whatever names and messages hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


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
        _header(view),
        _figures(view, found),
        _progress(view),
        _front(view),
        _best(view),
        _parameters(view, matters),
        _workers(view, found),
        _failures(view),
        _settings(view),
    )
    style = files("zoo.search.insight").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(view.name)} – study report</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(sections)}<footer>Written by zoo.search.</footer>\n</main>\n</body>\n</html>\n"
    )


def _section(title: str, lead: str, body: str) -> str:
    intro = f'<p class="lead">{escape(lead, 800)}</p>\n' if lead else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{intro}{body}</section>\n"


def _header(view: View) -> str:
    return (
        f'<header>\n<p class="kicker">Study report</p>\n<h1>{escape(view.name)}</h1>\n'
        f'<p class="result">{escape(_headline(view), 900)}</p>\n</header>\n'
    )


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
    cells = "".join(
        f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class="more">{escape(more)}</dd></div>\n'
        for name, value, more in items
    )
    return f'<dl class="figures">\n{cells}</dl>\n'


def _figure(title: str, more: str, chart: str) -> str:
    caption = f"<b>{escape(title, 80)}</b><span>{escape(more, 80)}</span>"
    return f"<figure>\n<figcaption>{caption}</figcaption>\n{chart}\n</figure>\n"


def _charts(figures: Sequence[str], kind: str = "") -> str:
    style = kind or ("single" if len(figures) == 1 else "")
    return f'<div class="charts{" " + style if style else ""}">\n{"".join(figures)}</div>\n'


def _legend(items: Iterable[tuple[str, str]]) -> str:
    """Return a legend of (shape as markup, words)."""
    shown = "".join(
        f'<li><svg viewBox="0 0 26 12" aria-hidden="true">{shape}</svg>{escape(words)}</li>' for shape, words in items
    )
    return f'<ul class="legend">{shown}</ul>\n'


_DOT = '<circle class="{}" cx="13" cy="6" r="4"/>'
_LINE = '<path class="{}" d="M1,6 25,6"/>'
_BOX = '<rect class="{}" x="2" y="1" width="22" height="10"/>'


def _progress(view: View) -> str:
    figures, legend = [], []
    if any(record.state == "complete" for record in view.records):
        for index, metric in enumerate(view.metrics.objectives):
            better = "less is better" if metric.direction == "minimize" else "more is better"
            figures.append(_figure(metric.name, better, history_chart(view, metric, f"history{index}")))
        legend = [(_DOT.format("dot"), "complete trial"), (_LINE.format("best"), "best so far")]
        if any(not record.feasible for record in view.records):
            legend.append((_DOT.format("dot hollow"), "beyond a threshold"))
    if any(record.failure is not None for record in view.records):
        legend.append(('<line class="failure" x1="13" x2="13" y1="2" y2="10"/>', "failed trial"))
    if any(record.reports for record in view.records):
        figures.append(_figure("Learning curves", f"{view.metrics.first.name} as reported", learning_chart(view, "lc")))
        stopped = [name for name in ("stopped", "paused") if name in view.states]
        legend.append((_LINE.format("curve"), "a trial's reports"))
        if stopped:
            legend.append((_LINE.format("curve stopped"), " or ".join(stopped)))
    if not figures:
        return _section("Progress", "No trial has a value yet.", "")
    lead = (
        "Trials by the moment at which they ended, in study time: the time in which no driver was there is left out. "
    )
    lead += "A triangle is a value beyond the axis, which would flatten all others."
    return _section("Progress", lead, _charts(figures) + _legend(legend))


def _front(view: View) -> str:
    if len(view.metrics.objectives) < 2 or not view.pareto:
        return ""
    figures = [
        _figure(f"{b.name} against {a.name}", "", pareto_chart(view, a, b, f"front{i}"))
        for i, (a, b) in enumerate(combinations(view.metrics.objectives, 2))
    ]
    legend = [(_DOT.format("dot front"), "on the front"), (_DOT.format("dot faint"), "surpassed")]
    if any(not record.feasible for record in view.records):
        legend.append((_DOT.format("dot hollow"), "beyond a threshold"))
    lead = "Trials that no other one surpasses: better in one objective is worse in another."
    return _section("Pareto front", lead, _charts(figures) + _legend(legend))


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]], label: str, *, first: bool = False
) -> str:
    """Return a table; cells are (markup, class), the first of a row names it."""
    body, kinds = [], [""] * len(columns)
    for index, row in enumerate(rows):
        cells = []
        for i, (markup, kind) in enumerate(row):
            kinds[i] = kind
            style = f' class="{kind}"' if kind else ""
            cells.append(f'<th scope="row"{style}>{markup}</th>' if i == 0 else f"<td{style}>{markup}</td>")
        body.append(f"<tr{' class=first' if first and index == 0 else ''}>{''.join(cells)}</tr>\n")
    head = "".join(
        f'<th scope="col"{" class=n" if kind == "n" else ""}>{escape(title, 40)}</th>'
        for title, kind in zip(columns, kinds, strict=True)
    )
    # Wide tables scroll by themselves, and the keyboard must reach what scrolls.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table><thead><tr>{head}</tr>'
        f"</thead>\n<tbody>\n{''.join(body)}</tbody></table></div>\n"
    )


def _best(view: View) -> str:
    rows = view.ranked[:_BEST_ROWS]
    if not rows:
        return ""
    metrics = [metric.name for metric in view.metrics]
    names = list(view.space)
    cells = []
    for record in rows:
        values = [(escape(_with_error(record, name)), "n") for name in metrics]
        params = [
            (escape(value_text(record.params[name]) if name in record.params else "–", 30), "n") for name in names
        ]
        took = (escape(duration(record.seconds)), "n")
        cells.append(
            [(escape(f"{record.number}{' ' + record.tag if record.tag else ''}", 30), ""), *values, *params, took]
        )
    several = len(view.metrics.objectives) > 1
    title = "The front, then the best by the first objective" if several else "Best trials"
    table = _table(("Trial", *metrics, *names, "Took"), cells, title, first=not several)
    hidden = len(view.ranked) - len(rows)
    if hidden > 0:
        table += f'<p class="note">and {hidden:,} more; `zoo study export` has all.</p>\n'
    return _section(
        "Best trials", "Complete trials within all thresholds, best first." if not several else title + ".", table
    )


def _with_error(record: TrialRecord, name: str) -> str:
    value = number(record.metrics.get(name))
    return f"{value} ± {number(record.stderr[name])}" if name in record.stderr else value


def _parameters(view: View, matters: Importance) -> str:
    names = list(matters) or list(view.space)
    shown = names[:_AXES]
    body = ""
    metric = view.metrics.first.name
    if matters:
        bars = "".join(
            f'<span>{escape(name, 60)}</span><span class="bar" aria-hidden="true"><i style="width:{100 * share:.1f}%">'
            f'</i></span><span class="share">{escape(percent(share))}</span>\n'
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
        body += "<h3>Parallel coordinates</h3>\n" + _wide("Parallel coordinates", parallel_chart(view, shown, "ways"))
        items = [(_LINE.format("way strong"), "best tenth"), (_LINE.format("way weak"), "other complete trials")]
        if any(r.state in ("stopped", "paused") for r in view.records):
            items.append((_LINE.format("way early"), "stopped or paused"))
        if any(r.failure is not None and r.failure.teaches for r in view.records):
            items.append((_LINE.format("way failed"), "failed"))
        body += _legend(items)
        slices = [
            _figure(name, percent(matters[name]) if name in matters else "", slice_chart(view, name, f"slice{i}"))
            for i, name in enumerate(names[:_SLICES])
        ]
        body += _charts(slices, "small")
        if len(names) > _AXES:
            body += f'<p class="note">{plural(len(names) - _AXES, "parameter")} of less importance left out.</p>\n'
    return _section("Parameters", lead, body)


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
    legend = _legend((_BOX.format(f"run {state}"), state) for state in kinds)
    return _section("Workers", lead, _wide("Workers", timeline_chart(view, found, "workers")) + legend)


def _wide(label: str, chart: str) -> str:
    """Return a chart that scrolls by itself on a narrow screen."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}">\n{chart}\n</div>\n'


def _failures(view: View) -> str:
    found = view.failures
    if not found:
        return _section("Failures", "None.", "")
    rows = []
    for kind, records in found.items():
        lost = sum(record.seconds or 0.0 for record in records)
        seen: dict[str, list[int]] = {}
        for record in records:
            seen.setdefault(record.message, []).append(record.number)
        for index, (message, numbers) in enumerate(sorted(seen.items(), key=lambda item: -len(item[1]))[:_FAILURES]):
            listed = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
            rows.append(
                [
                    (escape(kind.replace("_", " ")) if not index else "", "one"),
                    (f"{len(records):,}" if not index else "", "n"),
                    (escape(duration(lost)) if not index else "", "n"),
                    (f"<code>{escape(message, 300)}</code>", "text"),
                    (escape(listed, 80), "text"),
                ]
            )
    lead = "By kind, with the messages that came most often. Lost trials are the machine's fault and teach nothing."
    return _section("Failures", lead, _table(("Kind", "Trials", "Time", "Message", "Which"), rows, "Failures"))


def _settings(view: View) -> str:
    pairs = [(name, value) for name, value in view.settings.items()]
    pairs += [(metric.name, about(metric)) for metric in view.metrics]
    spec = view.notes.get("spec", {})
    pairs += [
        (name, str(spec[name])) for name in ("train", "budget", "driver", "workers") if spec.get(name) is not None
    ]
    body = "".join(f"<div><dt>{escape(k, 60)}</dt><dd>{escape(v, 200)}</dd></div>\n" for k, v in pairs)
    rows, described = [], view.space.describe()
    for name in view.space:
        conditions = described[name].get("when", {}).items()
        when = " and ".join(f"{parent} is {' or '.join(map(str, wanted))}" for parent, wanted in conditions)
        rows.append(
            [(escape(name, 60), ""), (f"<code>{escape(_range(described[name]), 300)}</code>", ""), (escape(when), "")]
        )
    table = _table(("Parameter", "Values", "Exists if"), rows, "Space")
    rules = "".join(f"<li><code>{escape(rule.text)}</code></li>" for rule in view.space.constraints)
    limits = f'<h3 class="next">Constraints</h3>\n<ul>{rules}</ul>\n' if rules else ""
    return _section("Settings", "", f'<dl class="settings">\n{body}</dl>\n{table}{limits}')


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
