"""Charts of a study: history, learning curves, Pareto front, one parameter against the objective, who worked when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoo.page.axes import Axis, marks, seconds_marks
from zoo.page.markup import escape, tag
from zoo.page.svg import ChartFrame, drawing, polyline
from zoo.page.wording import cut, duration, number, params_text, percent
from zoo.search.insight.timeline import Timeline
from zoo.search.insight.view import View
from zoo.search.metrics import Metric
from zoo.search.space import Categorical, Float, Int, Ordinal
from zoo.search.trial import TrialRecord

__all__ = [
    "ended",
    "history_chart",
    "learning_chart",
    "pareto_chart",
    "slice_chart",
    "thinned",
    "timeline_chart",
    "trial_text",
    "usual",
]

#: Marks of one chart: more cannot be told apart, and would make the page heavy.
_MAX_DOTS = 1500
_MAX_SLICE_DOTS = 500
_MAX_CURVES = 250
_MAX_POINTS = 120  # of one curve
_MAX_RUN_TEXTS = 1000  # runs whose parameters are told
_CHART = ChartFrame()
_SLICE = ChartFrame(width=320.0, height=220.0)  # pixels
_WIDE = 1000.0  # pixels of the timeline


def ended(record: TrialRecord) -> float:
    """Return the study time at which a trial was worked on last."""
    return record.runs[-1][1] if record.runs else record.started or 0.0


def trial_text(view: View, record: TrialRecord) -> str:
    """Return a trial in a line, for tooltips."""
    values = ", ".join(
        f"{m.name} {number(record.metrics.get(m.name))}" for m in view.metrics if m.name in record.metrics
    )
    return f"trial {record.number}, {record.state}: {values or 'no value'}\n{params_text(record.params)}"


def usual(values: Sequence[float], *, lower_is_better: bool) -> list[float]:
    """Return the values without the worst ones that would flatten a chart: those far beyond the better three quarters.

    >>> usual([1.0, 1.2, 1.1, 1.3, 900.0], lower_is_better=True)
    [1.0, 1.1, 1.2, 1.3]
    """
    sign = 1.0 if lower_is_better else -1.0
    order = sorted((value for value in values if math.isfinite(value)), key=lambda value: sign * value)
    if len(order) < 4:
        return order
    good = order[: max(2, math.ceil(0.75 * len(order)))]
    reach = 3 * abs(good[-1] - good[0])
    return [value for value in order if sign * (value - good[-1]) <= reach]


def thinned(records: Sequence[TrialRecord], max_count: int) -> list[TrialRecord]:
    """Return at most ``max_count`` of the records, evenly from beginning to end."""
    return list(records[:: max(1, -(-len(records) // max_count))])


def _tooltip(view: View, record: TrialRecord) -> str:
    return tag("title", escape(trial_text(view, record), 600))


def _dot(view: View, record: TrialRecord, at: tuple[float, float], y: Axis, value: float, **style: Any) -> str:
    """Return a trial's dot; a triangle at the edge where its value lies beyond the axis."""
    inside = _tooltip(view, record)
    if y.low <= value <= y.high:
        return tag("circle", inside, cx=at[0], cy=at[1], **style)
    reach = 5.0 if value < y.low else -5.0
    shape = f"M{at[0] - 3.5:.1f},{at[1]:.1f}h7l-3.5,{reach:.1f}Z"
    return tag("path", inside, d=shape, class_="beyond" + str(style["class_"]).removeprefix("dot"))


def _framed(metric: Metric, values: Sequence[float], frame: ChartFrame = _CHART) -> tuple[ChartFrame, Axis]:
    """Return a vertical axis for a metric's values, and the frame with room for its labels."""
    y = frame.y_around(usual(values, lower_is_better=metric.direction == "minimize"))
    return frame.beside(y, named=True), y


def history_chart(view: View, metric: Metric, ident: str) -> str:
    """Draw an objective of complete trials against study time, with the best so far; failures below as ticks."""
    lower = metric.direction == "minimize"
    done = sorted((r for r in view.records if r.state == "complete"), key=lambda r: (ended(r), r.number))
    failed = [r for r in view.records if r.failure is not None]
    last = max([view.elapsed, *(ended(r) for r in done)], default=1.0) or 1.0
    shown = usual([r.metrics[metric.name] for r in done], lower_is_better=lower)
    y = _CHART.y_around([*shown, *(v for v in metric.limit.describe().values() if shown and _near(v, shown))])
    frame = _CHART.beside(y, named=True)
    x = frame.x(0.0, last)
    layers = [frame.grid(x, y, names=("study time", metric.name), below=seconds_marks(x))]
    for bound in metric.limit.describe().values():
        if y.low < bound < y.high:
            layers.append(tag("line", x1=x.first, x2=x.last, y1=y(bound), y2=y(bound), class_="limit"))
    dots, steps = [], []
    shown_numbers = {record.number for record in thinned(done, _MAX_DOTS)}
    best: float | None = None
    for record in done:
        value = record.metrics[metric.name]
        at = x(ended(record)), y(value)
        kind = "dot" if record.feasible else "dot hollow"
        improves = record.feasible and (best is None or (value < best if lower else value > best))
        if improves or record.number in shown_numbers:
            dots.append(_dot(view, record, at, y, value, r=3, class_=kind))
        if improves:
            if best is not None:
                steps.append((at[0], y(best)))
            best = value
            steps.append(at)
    if best is not None:
        steps.append((x.last, y(best)))
    for record in thinned(failed, _MAX_DOTS):
        at_x = x(ended(record))
        inside = _tooltip(view, record)
        layers.append(tag("line", inside, x1=at_x, x2=at_x, y1=y.first - 7, y2=y.first, class_="failure"))
    text = f"{len(done)} complete trials in {duration(last)}, the best with {metric.name} {number(best)}."
    layers += [*dots, polyline(steps, "best")]
    return drawing(ident, (frame.width, frame.height), f"History of {metric.name}", text, layers)


def _near(value: float, values: Sequence[float]) -> bool:
    span = max(values) - min(values)
    return min(values) - span <= value <= max(values) + span


def learning_chart(view: View, ident: str) -> str:
    """Draw what trials reported, the best one on top."""
    metric = view.metrics.first
    with_reports = [r for r in view.records if r.reports]
    best = view.best
    drawn = [r for r in with_reports if best is None or r.number != best.number]
    drawn = thinned(drawn, _MAX_CURVES)
    if best is not None and best.reports:
        drawn.append(best)
    frame, y = _framed(metric, [value for r in drawn for value in r.reports.values()])
    x = frame.x_around([float(step) for r in drawn for step in r.reports], log=False)
    layers = [frame.grid(x, y, names=("step", metric.name), below=marks(x, whole=True))]
    for record in drawn:
        steps = sorted(record.reports)
        chosen = {*steps[:: max(1, len(steps) // _MAX_POINTS)], steps[-1]}
        points = [(x(step), y(record.reports[step])) for step in sorted(chosen)]
        kind = "best" if best is not None and record.number == best.number else f"curve {record.state}"
        layers.append(polyline(points, kind, trial_text(view, record)))
        if record.state in ("stopped", "failed") and kind != "best":
            layers.append(tag("circle", cx=points[-1][0], cy=points[-1][1], r=1.8, class_=f"stub {record.state}"))
    text = f"Reports of {len(with_reports)} trials."
    return drawing(ident, (frame.width, frame.height), "Learning curves", text, layers)


def pareto_chart(view: View, first: Metric, second: Metric, ident: str) -> str:
    """Draw all complete trials in two objectives, those of the front joined where there are only two."""
    done = [r for r in view.records if r.state == "complete"]
    ahead = {record.number for record in view.pareto}
    ranges = [
        usual([r.metrics[m.name] for r in done], lower_is_better=m.direction == "minimize")
        + [r.metrics[m.name] for r in view.pareto]
        for m in (first, second)
    ]
    y = _CHART.y_around(ranges[1])
    frame = _CHART.beside(y, named=True)
    x = frame.x_around(ranges[0])
    layers = [frame.grid(x, y, names=(first.name, second.name))]
    points = sorted((x(r.metrics[first.name]), y(r.metrics[second.name])) for r in view.pareto)
    if len(view.metrics.objectives) == 2:
        layers.append(polyline(points, "front"))
    behind = thinned([r for r in done if r.number not in ahead], _MAX_DOTS)
    for record in [*behind, *view.pareto]:
        kind = "dot front" if record.number in ahead else "dot faint" if record.feasible else "dot hollow"
        at = x(record.metrics[first.name]), y(record.metrics[second.name])
        size = 4 if record.number in ahead else 3
        layers.append(_dot(view, record, at, y, record.metrics[second.name], r=size, class_=kind))
    text = f"{len(ahead)} of {len(done)} complete trials are surpassed by no other one."
    return drawing(ident, (frame.width, frame.height), f"{second.name} against {first.name}", text, layers)


def slice_chart(view: View, name: str, ident: str) -> str:
    """Draw the first objective against one parameter, later trials darker; those without a final value below."""
    metric, domain = view.metrics.first, view.space[name]
    tried = [r for r in view.records if name in r.params and r.state not in ("queued", "running")]
    tried = thinned(tried, _MAX_SLICE_DOTS)
    done = [r for r in tried if r.state == "complete"]
    frame, y = _framed(metric, [r.metrics[metric.name] for r in done], _SLICE)
    if isinstance(domain, Float | Int):
        x = frame.x(domain.low, domain.high, log=domain.log)
        below = marks(x, whole=isinstance(domain, Int))
        places = [float(r.params[name]) for r in tried]
    else:
        assert isinstance(domain, Categorical | Ordinal)
        x = frame.x(-0.5, len(domain.choices) - 0.5)
        below = [(float(i), cut(str(choice), 12)) for i, choice in enumerate(domain.choices)]
        # Trials of one choice side by side in their order, or they would hide each other.
        shifts = [0.5 * (i / max(len(tried) - 1, 1) - 0.5) for i in range(len(tried))]
        cells = [float(domain.choices.index(domain.nearest(name, r.params[name]))) for r in tried]
        places = [cell + shift for cell, shift in zip(cells, shifts, strict=True)]
    layers = [frame.grid(x, y, names=(name, metric.name), below=below)]
    for index, (place, record) in enumerate(zip(places, tried, strict=True)):
        if record.state != "complete":
            kind = "failure" if record.state == "failed" else "early"
            layers.append(
                tag("line", _tooltip(view, record), x1=x(place), x2=x(place), y1=y.first - 5, y2=y.first, class_=kind)
            )
            continue
        opacity = f"{0.25 + 0.7 * index / max(len(tried) - 1, 1):.2f}"
        kind = "dot" if record.feasible else "dot hollow"
        at = x(place), y(record.metrics[metric.name])
        layers.append(_dot(view, record, at, y, record.metrics[metric.name], r=2.6, class_=kind, opacity=opacity))
    text = f"{len(done)} complete trials; later ones are darker."
    return drawing(ident, (frame.width, frame.height), f"{metric.name} against {name}", text, layers)


def timeline_chart(view: View, found: Timeline, ident: str) -> str:
    """Draw a row per lane with the runs of trials."""
    lanes = max(found.lanes, 1)
    row = 22.0 if lanes <= 16 else max(4.0, 352.0 / lanes)
    height = lanes * row
    x = Axis(found.start, found.end, 34.0, _WIDE - 14)
    records = {record.number: record for record in view.records}
    layers = []
    for at, text in seconds_marks(x, 8):
        anchor = "end" if x(at) > _WIDE - 30 else "middle"
        layers.append(tag("line", x1=x(at), x2=x(at), y1=0.0, y2=height, class_="grid"))
        layers.append(tag("text", escape(text), x=x(at), y=height + 18, text_anchor=anchor))
    step = 1 if row >= 14 else 10
    for lane in range(0, lanes, step):
        layers.append(tag("text", str(lane + 1), x=24.0, y=(lane + 0.5) * row + 4, text_anchor="end"))
    pad = 2.0 if row >= 14 else 0.5
    for run in found.runs:
        who = trial_text(view, records[run.number]) if len(found.runs) <= _MAX_RUN_TEXTS else f"trial {run.number}"
        said = f"{who}\nfrom {duration(run.start)} to {duration(run.end)}"
        # A hair between neighbours, and never nothing.
        width = max(x(run.end) - x(run.start) - 0.6, 0.6)
        place = {"x": x(run.start), "y": run.lane * row + pad, "width": width, "height": row - 2 * pad}
        layers.append(tag("rect", tag("title", escape(said, 600)), **place, class_=f"run {run.state}"))
        if width > 7.5 * len(str(run.number)) + 6 and row >= 14:
            at = x(run.start) + width / 2
            y = (run.lane + 0.5) * row + 4
            layers.append(tag("text", str(run.number), x=at, y=y, text_anchor="middle", class_="on"))
    text = f"{len(found.runs)} runs in {lanes} lanes; idle share {percent(found.idle, 1)}."
    return drawing(ident, (_WIDE, height + 26), "Who worked when", text, layers)
