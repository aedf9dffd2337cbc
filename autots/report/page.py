"""A fit as one HTML file: no script, nothing to load, so it can be mailed and opened anywhere."""

from __future__ import annotations

import math
from importlib.resources import files
from typing import Any

import pandas as pd

from autots.report.charts import calibration_chart, forecast_chart, interval_names
from autots.report.facts import BacktestWindow, Facts
from autots.report.found import Found, found_in, reading_in
from autots.report.headline import defined, headline, is_ensemble, members, observed_coverage, skill_of
from zoo.page.document import charts, document, figure, header, key_figures, legend, note, section, stroke
from zoo.page.markup import escape
from zoo.page.tables import Cell, Row, bar, definitions, number_cell, table, text_cell
from zoo.page.wording import (
    NOTHING,
    aligned,
    as_float,
    count,
    duration,
    moment,
    number,
    percent,
    plural,
    value_text,
)

__all__ = ["render"]

# What the page shows at most of each, so that ten thousand series give a small page.
_MAX_WINDOWS = 8
_MAX_CANDIDATES = 60
_MAX_WORST = 50
_MAX_FINDINGS = 40
_MAX_MESSAGES = 40


def render(facts: Facts) -> str:
    """Return the page of a fit.

    Args:
        facts: What the fit has to tell. Parts that are empty are left out, or say why there is nothing.
    """
    sections = (
        header("Forecast report", facts.title, headline(facts)),
        _figures(facts),
        _messages(facts),
        _data(facts),
        _windows(facts),
        _leaderboard(facts),
        _ensemble(facts),
        _calibration(facts),
        _worst(facts),
        _scores(facts),
        _settings(facts),
    )
    style = files("autots.report").joinpath("report.css").read_text(encoding="utf-8")
    return document(f"{facts.title} – forecast report", sections, style=style, author="zoo-autots")


def _metric(facts: Facts) -> str:
    return str(facts.settings.get("metric", "score"))


def _final(facts: Facts, who: str, metric: str) -> float:
    return as_float(facts.final.get(who, {}).get(metric))


def _figures(facts: Facts) -> str:
    """Return the handful of numbers that a reader takes away."""
    metric = _metric(facts)
    ours, naive = _final(facts, "ensemble", metric), _final(facts, "seasonal_naive", metric)
    items: list[tuple[str, str, str]] = []
    skill = skill_of(ours, naive)
    if math.isfinite(skill):
        items.append(("Skill", _minus(percent(skill)), "error saved against seasonal naive"))
    if math.isfinite(ours):
        items.append((metric.upper(), number(ours), f"seasonal naive: {number(naive)}"))
    for nominal, observed in sorted(observed_coverage(facts), key=lambda pair: abs(pair[0] - 0.8))[:1]:
        items.append((f"{percent(nominal)} interval", percent(observed), "of targets fell inside"))
    if facts.settings.get("horizon") is not None:
        freq = facts.data.get("freq", facts.settings.get("freq", ""))
        items.append(("Horizon", plural(int(facts.settings["horizon"]), "step"), f"clock: {freq}" if freq else ""))
    if "series" in facts.data:
        items.append(("Series", count(facts.data["series"]), f"{count(facts.data.get('rows'))} rows"))
    if "total" in facts.seconds:
        tried = int((~is_ensemble(facts.leaderboard)).sum())
        items.append(("Time", duration(facts.seconds["total"]), f"{plural(tried, 'model')} tried"))
    return key_figures(items)


def _messages(facts: Facts) -> str:
    if not facts.messages:
        return ""
    items = [f"<li>{escape(text, 1000)}</li>" for text in facts.messages[:_MAX_MESSAGES]]
    if len(facts.messages) > _MAX_MESSAGES:
        items.append(f"<li>and {plural(len(facts.messages) - _MAX_MESSAGES, 'more message')}</li>")
    return '<ul class="messages" aria-label="Messages">\n' + "\n".join(items) + "\n</ul>\n"


def _data(facts: Facts) -> str:
    """Return what the table holds and what was repaired in it."""
    data = facts.data
    if not data:
        return ""
    parts = []
    if "series" in data and "rows" in data:
        parts.append(f"{plural(int(data['series']), 'series', 'series')}, {plural(int(data['rows']), 'row')}")
    if data.get("start") is not None and data.get("end") is not None:
        parts.append(f"from {moment(data['start'])} to {moment(data['end'])}")
    lengths = data.get("lengths")
    if lengths:
        low, middle, high = lengths
        parts.append(f"{count(low)} to {count(high)} rows per series (median {count(middle)})" if low != high else "")
    if as_float(data.get("missing")) > 0:
        parts.append(f"{percent(data['missing'], 1)} of targets missing")
    if as_float(data.get("zero")) > 0:
        parts.append(f"{percent(data['zero'], 1)} zeros")
    lead = ", ".join(part for part in parts if part) + "." if parts else ""
    reading = definitions(reading_in(data), "reading")
    findings = found_in(data)
    if not findings:
        return section("Data", lead, reading + note("Nothing had to be repaired."))
    rows = [_finding(found) for found in findings[:_MAX_FINDINGS]]
    body = table(("Found", "Series", "What was done"), rows, caption="Repairs and remarks", kind="findings")
    if len(findings) > _MAX_FINDINGS:
        body += note(f"and {len(findings) - _MAX_FINDINGS:,} more.")
    return section("Data", lead, reading + body)


def _finding(found: Found) -> Row:
    where = ", ".join(escape(name, 40) for name in found.series[:5])
    if len(found.series) >= 5:
        where += ", …"
    cells = (text_cell(found.message), Cell(where or NOTHING), text_cell(found.action))
    return Row(cells, "grave" if found.important else "")


def _windows(facts: Facts) -> str:
    """Return backtest plots: the first ones, which are typical, and the last ones, which are the worst."""
    chosen: list[BacktestWindow] = list(facts.windows)
    if len(chosen) > _MAX_WINDOWS:
        chosen = chosen[: _MAX_WINDOWS // 2] + chosen[-_MAX_WINDOWS // 2 :]
    if not chosen:
        return section("Backtests", "No window could be held back: the series are too short.", "")
    levels = tuple(float(q) for q in facts.settings.get("levels", ()))
    figures = []
    for i, window in enumerate(chosen):
        start = f"from {moment(window.times[0])} · " if len(window.times) else ""
        more = f"{start}{_metric(facts).upper()} {number(window.score)}"
        figures.append(figure(window.series or facts.title, more, forecast_chart(window, levels, f"w{i}")))
    lead = (
        "Each forecast was made at the dotted line, by the models fitted on what came before, and is set against what "
        "came after."
    )
    if len(chosen) > 1:
        lead += " Typical series first, then those that were forecast worst."
    return section("Backtests", lead, _legend(chosen[0], levels) + charts(figures))


def _legend(window: BacktestWindow, levels: tuple[float, ...]) -> str:
    items = [(stroke("history"), "history"), (stroke("actual"), "what came"), (stroke("median"), "forecast")]
    columns = window.quantiles.shape[1] if window.quantiles.ndim == 2 else 0
    for i, name in enumerate(interval_names(levels, columns)):
        # The inner band lies on the outer one, in the legend as in the chart.
        fills = "".join(f'<path class="band b{k}" d="M0,0 26,0 26,12 0,12Z"/>' for k in range(i + 1))
        items.append((fills, name))
    return legend(items)


def _leaderboard(facts: Facts) -> str:
    """Return all candidates, best first."""
    frame = facts.leaderboard
    if not len(frame):
        return section("Leaderboard", "No model finished in time.", "")
    shown = frame.head(_MAX_CANDIDATES)
    empty = [None] * len(shown)
    scores = aligned(shown.get("score", empty)), aligned(shown.get("final_score", empty))
    own = is_ensemble(shown)
    rows = [
        _candidate(row, bool(ours), score, unseen)
        for ours, score, unseen, (_, row) in zip(own, *scores, shown.iterrows(), strict=True)
    ]
    columns = ("Model", "Score", "Skill", "Unseen", "Weight", "Fit", "Predict", "Status")
    body = table(columns, rows, caption=f"{_metric(facts).upper()}, lower is better", kind="board")
    if len(frame) > len(shown):
        body += note(f"and {plural(len(frame) - len(shown), 'more candidate')}.")
    lead = (
        "Score: on the windows that chose the models. Skill: error saved against seasonal naive on the same windows. "
        "Unseen: on the windows that no choice has seen."
    )
    return section("Leaderboard", lead, body)


def _candidate(row: pd.Series[Any], own: bool, score: str, unseen: str) -> Row:
    params, note = str(_get(row, "params", "")), str(_get(row, "note", ""))
    name = escape(_get(row, "model", ""))
    if params not in ("", "{}"):
        name = f"<details><summary>{name}</summary><code>{escape(params, 2000)}</code></details>"
    if note:
        name += f'<span class="why">{escape(note, 300)}</span>'
    weight = as_float(_get(row, "weight", 0.0))
    status = str(_get(row, "status", ""))
    cells = (
        Cell(name),
        number_cell(score),
        _skill_cell(_get(row, "skill")),
        number_cell(unseen),
        number_cell(percent(weight) if weight > 0 and not own else ""),
        number_cell(duration(_get(row, "fit_seconds"))),
        number_cell(duration(_get(row, "predict_seconds"))),
        text_cell(status),
    )
    return Row(cells, "main" if own else "failed" if status == "failed" else "")


def _skill_cell(skill: object) -> Cell:
    """Return a cell that shows a skill with its sign, green or orange."""
    x = as_float(skill)
    if not math.isfinite(x):
        return number_cell(NOTHING)
    sign, kind = ("+", "good") if x > 0 else ("", "bad" if x < 0 else "")
    return Cell(f'<span class="{kind}">{sign}{escape(_minus(percent(x)))}</span>', "n")


def _minus(text: str) -> str:
    """Return a number's text with the minus sign of typography."""
    return text.replace("-", "−")


def _get(row: pd.Series[Any], name: str, default: Any = None) -> Any:
    """Return a value of a row; the default where the column or the value is missing."""
    value = row.get(name, default)
    return default if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA else value


def _ensemble(facts: Facts) -> str:
    used = members(facts.leaderboard)
    if not len(used):
        return ""
    rows = []
    for _, row in used.head(_MAX_CANDIDATES).iterrows():
        weight = as_float(row["weight"])
        measure = Cell(bar(weight / max(float(used["weight"].max()), 1e-12)))
        share = number_cell(percent(weight))
        rows.append(Row((text_cell(_get(row, "model", "")), measure, share, _skill_cell(_get(row, "skill")))))
    body = table(("Model", "Weight", "", "Skill alone"), rows, caption="Members", kind="members")
    return section("Ensemble", "The forecast is the weighted mean of its members' quantiles.", body)


def _calibration(facts: Facts) -> str:
    """Return how often targets fell below each quantile, and inside each interval."""
    pairs = [(q, share) for q, share in facts.calibration if math.isfinite(q) and math.isfinite(share)]
    coverage = observed_coverage(facts)
    if not pairs and not coverage:
        return ""
    lead = "On the windows that no choice has seen."
    if pairs:
        level, share = max(pairs, key=lambda pair: abs(pair[1] - pair[0]))
        lead += (
            f" A calibrated forecast lies on the diagonal; the largest distance is {100 * abs(share - level):.1f} "
            f"points, at the {percent(level)} level."
        )
    chart = f"<figure>\n{calibration_chart(pairs)}\n</figure>\n" if pairs else ""
    rows = [Row((text_cell(percent(k)), number_cell(percent(v, 1)), text_cell(_verdict(k, v)))) for k, v in coverage]
    beside = table(("Interval", "Observed", "Verdict"), rows, caption="Coverage of central intervals") if rows else ""
    return section("Calibration", lead, f'<div class="pair">\n{chart}<div>{beside}</div>\n</div>\n')


def _verdict(nominal: float, observed: float) -> str:
    """Return whether an interval is too narrow or too wide; five points are no reason to worry."""
    if abs(observed - nominal) <= 0.05:
        return "as promised"
    return "too narrow" if observed < nominal else "wider than needed"


def _worst(facts: Facts) -> str:
    frame = facts.worst.head(_MAX_WORST)
    if not len(frame) or (len(frame) == 1 and not str(frame.iloc[0].get("series", ""))):
        return ""
    scores = pd.to_numeric(frame["score"], errors="coerce") if "score" in frame else pd.Series(dtype=float)
    finite = scores[scores.map(math.isfinite)]
    largest = float(finite.max()) if len(finite) else 1.0
    rows = []
    shown = aligned(frame.get("score", [None] * len(frame)))
    for written, (_, row) in zip(shown, frame.iterrows(), strict=True):
        score = as_float(row.get("score"))
        cells = (
            text_cell(_get(row, "series", "")),
            number_cell(written),
            Cell(bar(score / largest if largest > 0 else 0.0)),
            _skill_cell(row.get("skill")),
            number_cell(count(row.get("length"))),
        )
        rows.append(Row(cells))
    body = table(("Series", _metric(facts).upper(), "", "Skill", "Rows"), rows, caption="Worst first", kind="worst")
    return section("Where it is worst", "Series that deserve a second look.", body)


def _settings(facts: Facts) -> str:
    pairs = [
        (str(k).removesuffix("_seconds").replace("_", " "), _setting_text(str(k), v)) for k, v in facts.settings.items()
    ]
    body = definitions(pairs, "settings")
    stages = [(k, as_float(v)) for k, v in facts.seconds.items() if k != "total"]
    total = as_float(facts.seconds.get("total"))
    if not math.isfinite(total):
        total = sum(v for _, v in stages if math.isfinite(v))
    if stages:
        bars = [(k, duration(v), bar(v / max(total, 1e-9))) for k, v in stages]
        rows = [Row((text_cell(k), number_cell(took), Cell(drawn))) for k, took, drawn in bars]
        rows.append(Row((text_cell("total"), number_cell(duration(total)), Cell("")), "main"))
        body += "<h3>Time by stage</h3>\n" + table(("Stage", "Time", ""), rows, kind="stages")
    return section("Settings", "", body)


def _setting_text(name: str, value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("seconds"):
        return duration(value)
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_setting_text("", one) for one in value) or "none"
    return value_text(value)


def _scores(facts: Facts) -> str:
    """Return every metric on the unseen windows."""
    names = list(dict.fromkeys(name for scores in facts.final.values() for name in scores))
    rows = []
    for name in names:
        ours, naive = _final(facts, "ensemble", name), _final(facts, "seasonal_naive", name)
        cells = (
            text_cell(name.upper()),
            number_cell(defined(ours)),
            number_cell(defined(naive)),
            _skill_cell(skill_of(ours, naive)),
        )
        rows.append(Row(cells))
    if not rows:
        return ""
    columns = ("Metric", "Ensemble", "Seasonal naive", "Skill")
    return section("All metrics", "On the windows that no choice has seen; lower is better.", table(columns, rows))
