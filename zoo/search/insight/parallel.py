"""Parallel coordinates: a line per trial through its parameters to its value."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.page.axes import Axis, marks, tick_labels
from zoo.page.markup import escape, tag
from zoo.page.svg import drawing, polyline
from zoo.search.insight.charts import thinned, trial_text, usual
from zoo.search.insight.view import View
from zoo.search.space import Domain, Float, Int
from zoo.search.trial import TrialRecord

__all__ = ["parallel_chart"]

_MAX_LINES = 300  # of each kind: more cannot be told apart
_BEST_SHARE = 0.1  # of the trials, drawn strongly
_WIDTH = 1000.0  # pixels, as the next three
_TOP, _BOTTOM, _ABSENT = 44.0, 300.0, 326.0  # where axes begin and end, and where what does not exist is passed
_GAP = 22  # pixels between two labels of an axis that can both be read


def parallel_chart(view: View, names: Sequence[str], ident: str) -> str:
    """Draw a line per trial through its parameters to the first objective; the best tenth strongly.

    A parameter that does not exist is passed below its axis; trials without a final value end there.
    """
    metric = view.metrics.first
    done = [r for r in view.records if r.state == "complete"]
    failed = [r for r in view.records if r.failure is not None and r.failure.teaches]
    done.sort(key=lambda r: view.metrics.sign * r.metrics[metric.name], reverse=True)
    strong = {r.number for r in view.ranked[: max(1, round(_BEST_SHARE * len(done)))]}
    gap = (_WIDTH - 150) / max(len(names), 1)
    columns = [70 + gap * i for i in range(len(names) + 1)]
    axes = [_axis(view.space[name]) for name in names]
    lower = metric.direction == "minimize"
    last = Axis.around(usual([r.metrics[metric.name] for r in done], lower_is_better=lower), _BOTTOM, _TOP)
    # On top of the lines, or they could not be read.
    labels = [_column(columns[i], name, _marks(view.space[name], axes[i])) for i, name in enumerate(names)]
    labels.append(_column(columns[-1], metric.name, [(last(value), text) for value, text in marks(last)], right=True))
    early = [r for r in view.records if r.state in ("stopped", "paused")]
    if failed or early or any(name not in r.params for r in done for name in names):
        labels.append(tag("text", "absent", x=2.0, y=_ABSENT + 4, class_="axis"))
    layers = []
    drawn = [
        *thinned(early, _MAX_LINES),
        *thinned(failed, _MAX_LINES),
        *thinned([r for r in done if r.number not in strong], _MAX_LINES),
    ]
    drawn += thinned([r for r in done if r.number in strong], _MAX_LINES)
    for record in drawn:
        points = [(columns[i], _place(view.space[n], axes[i], record, n)) for i, n in enumerate(names)]
        value = record.metrics.get(metric.name) if record.state == "complete" else None
        points.append((columns[-1], _ABSENT if value is None else last(value)))
        if value is None:
            kind = "failed" if record.state == "failed" else "early"
        else:
            kind = "strong" if record.number in strong else "weak"
        layers.append(polyline(points, f"way {kind}", trial_text(view, record)))
    text = f"{len(done)} complete and {len(failed)} failed trials over {len(names)} parameters."
    return drawing(ident, (_WIDTH, _ABSENT + 14), "Parallel coordinates", text, [*layers, *labels])


def _axis(domain: Domain) -> Axis:
    if isinstance(domain, Float | Int):
        return Axis(domain.low, domain.high, _BOTTOM, _TOP, domain.log)
    return Axis(-0.5, len(domain.choices) - 0.5, _BOTTOM, _TOP)  # type: ignore[attr-defined]  # the listed kinds


def _marks(domain: Domain, axis: Axis) -> list[tuple[float, str]]:
    if not isinstance(domain, Float | Int):
        return [(axis(float(i)), str(c)) for i, c in enumerate(domain.choices)]  # type: ignore[attr-defined]
    # The bounds, and round numbers that lie far enough from them to be read.
    bounds = [(axis(bound), tick_labels([bound])[0]) for bound in (domain.low, domain.high)]
    inner = [(axis(value), text) for value, text in marks(axis, whole=isinstance(domain, Int))]
    return bounds + [(at, text) for at, text in inner if all(abs(at - bound) > _GAP for bound, _ in bounds)]


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
