"""The two charts that need the page's whole width: parallel coordinates, and who worked when."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.search.insight.charts import said_of, thinned, usual
from zoo.search.insight.svg import Axis, drawing, escape, label, polyline, seconds_ticks, tag, ticks
from zoo.search.insight.timeline import Timeline
from zoo.search.insight.view import View
from zoo.search.insight.wording import duration, percent
from zoo.search.space import Domain, Float, Int
from zoo.search.trial import TrialRecord

__all__ = ["parallel_chart", "timeline_chart"]

_WIDTH = 1000.0
_MOST_LINES = 300
_MOST_SAID = 1000  # runs whose parameters are told
_BEST = 0.1  # share of trials that are drawn strongly
_TOP, _BOTTOM, _ABSENT = 44.0, 300.0, 326.0


def parallel_chart(view: View, names: Sequence[str], ident: str) -> str:
    """Draw a line per trial through its parameters to the first objective; the best tenth strongly.

    A parameter that does not exist is passed below its axis; trials without a final value end there.
    """
    metric = view.metrics.first
    done = [r for r in view.records if r.state == "complete"]
    failed = [r for r in view.records if r.failure is not None and r.failure.teaches]
    done.sort(key=lambda r: view.metrics.sign * r.metrics[metric.name], reverse=True)
    strong = {r.number for r in view.ranked[: max(1, round(_BEST * len(done)))]}
    gap = (_WIDTH - 150) / max(len(names), 1)
    columns = [70 + gap * i for i in range(len(names) + 1)]
    axes = [_axis(view.space[name]) for name in names]
    lower = metric.direction == "minimize"
    last = Axis.around(usual([r.metrics[metric.name] for r in done], lower_is_better=lower), _BOTTOM, _TOP)
    # On top of the lines, or they could not be read.
    labels = [_column(columns[i], name, _marks(view.space[name], axes[i])) for i, name in enumerate(names)]
    labels.append(_column(columns[-1], metric.name, [(last(v), label(v)) for v in ticks(last)], right=True))
    early = [r for r in view.records if r.state in ("stopped", "paused")]
    if failed or early or any(name not in r.params for r in done for name in names):
        labels.append(tag("text", "absent", x=2.0, y=_ABSENT + 4, class_="axis"))
    layers = []
    drawn = [
        *thinned(early, _MOST_LINES),
        *thinned(failed, _MOST_LINES),
        *thinned([r for r in done if r.number not in strong], _MOST_LINES),
    ]
    drawn += thinned([r for r in done if r.number in strong], _MOST_LINES)
    for record in drawn:
        points = [(columns[i], _place(view.space[n], axes[i], record, n)) for i, n in enumerate(names)]
        value = record.metrics.get(metric.name) if record.state == "complete" else None
        points.append((columns[-1], _ABSENT if value is None else last(value)))
        if value is None:
            kind = "failed" if record.state == "failed" else "early"
        else:
            kind = "strong" if record.number in strong else "weak"
        layers.append(polyline(points, f"way {kind}", said_of(view, record)))
    text = f"{len(done)} complete and {len(failed)} failed trials over {len(names)} parameters."
    return drawing(ident, (_WIDTH, _ABSENT + 14), "Parallel coordinates", text, [*layers, *labels])


def _axis(domain: Domain) -> Axis:
    if isinstance(domain, Float | Int):
        return Axis(domain.low, domain.high, _BOTTOM, _TOP, domain.log)
    return Axis(-0.5, len(domain.choices) - 0.5, _BOTTOM, _TOP)  # type: ignore[attr-defined]  # the listed kinds


def _marks(domain: Domain, axis: Axis) -> list[tuple[float, str]]:
    if not isinstance(domain, Float | Int):
        return [(axis(float(i)), str(c)) for i, c in enumerate(domain.choices)]  # type: ignore[attr-defined]
    inner = [v for v in ticks(axis, 5) if not isinstance(domain, Int) or v == int(v)]
    # The bounds, and round numbers that lie far enough from them to be read.
    ends = [(axis(domain.low), label(domain.low)), (axis(domain.high), label(domain.high))]
    return ends + [(axis(v), label(v)) for v in inner if all(abs(axis(v) - at) > 22 for at, _ in ends)]


def _place(domain: Domain, axis: Axis, record: TrialRecord, name: str) -> float:
    if name not in record.params:
        return _ABSENT
    value = record.params[name]
    if isinstance(domain, Float | Int):
        return axis(float(value))
    return axis(float(domain.choices.index(domain.nearest(name, value))))  # type: ignore[attr-defined]


def _column(x: float, name: str, marks: Sequence[tuple[float, str]], *, right: bool = False) -> str:
    parts = [
        tag("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="tick"),
        tag("text", escape(name, 18), x=x, y=20.0, text_anchor="middle", class_="name"),
    ]
    for y, text in marks:
        side = x + 8 if right else x - 8
        parts.append(tag("line", x1=x - 3, x2=x + 3, y1=y, y2=y, class_="tick"))
        anchor = "start" if right else "end"
        parts.append(tag("text", escape(text, 12), x=side, y=y + 4, text_anchor=anchor, class_="mark"))
    return "".join(parts)


def timeline_chart(view: View, found: Timeline, ident: str) -> str:
    """Draw a row per lane with the runs of trials."""
    lanes = max(found.lanes, 1)
    row = 22.0 if lanes <= 16 else max(4.0, 352.0 / lanes)
    height = lanes * row
    x = Axis(found.start, found.end, 34.0, _WIDTH - 14)
    records = {record.number: record for record in view.records}
    layers = []
    for at, text in seconds_ticks(x, 8):
        anchor = "end" if x(at) > _WIDTH - 30 else "middle"
        layers.append(tag("line", x1=x(at), x2=x(at), y1=0.0, y2=height, class_="grid"))
        layers.append(tag("text", escape(text), x=x(at), y=height + 18, text_anchor=anchor))
    step = 1 if row >= 14 else 10
    for lane in range(0, lanes, step):
        layers.append(tag("text", str(lane + 1), x=24.0, y=(lane + 0.5) * row + 4, text_anchor="end"))
    pad = 2.0 if row >= 14 else 0.5
    for run in found.runs:
        who = said_of(view, records[run.number]) if len(found.runs) <= _MOST_SAID else f"trial {run.number}"
        said = f"{who}\nfrom {duration(run.start)} to {duration(run.end)}"
        # A hair between neighbours, and never nothing.
        width = max(x(run.end) - x(run.start) - 0.6, 0.6)
        layers.append(
            tag(
                "rect",
                tag("title", escape(said, 600)),
                x=x(run.start),
                y=run.lane * row + pad,
                width=width,
                height=row - 2 * pad,
                class_=f"run {run.state}",
            )
        )
        if width > 7.5 * len(str(run.number)) + 6 and row >= 14:
            at = x(run.start) + width / 2
            number = tag("text", str(run.number), x=at, y=(run.lane + 0.5) * row + 4, text_anchor="middle", class_="on")
            layers.append(number)
    text = f"{len(found.runs)} runs in {lanes} lanes; idle share {percent(found.idle, 1)}."
    return drawing(ident, (_WIDTH, height + 26), "Who worked when", text, layers)
