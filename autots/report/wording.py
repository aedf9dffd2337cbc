"""Numbers, times and results in words: one wording for the page and the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from autots.report.facts import Facts

__all__ = [
    "against_naive",
    "aligned",
    "as_float",
    "count",
    "defined",
    "duration",
    "headline",
    "is_ensemble",
    "members",
    "moment",
    "number",
    "percent",
    "plural",
    "skill_of",
]

NOTHING = "–"
UNDEFINED = "undefined"
_LEVEL = 0.005  # a skill smaller than this is no difference


def number(value: Any) -> str:
    """Return a number with four significant digits and thousands separators; a dash for NaN and None.

    >>> number(0.123456), number(1234567.8), number(float("nan"))
    ('0.1235', '1,234,568', '–')
    """
    x = as_float(value)
    if math.isnan(x):
        return NOTHING
    if math.isinf(x):
        return "∞" if x > 0 else "-∞"
    size = abs(x)
    if size and not 1e-4 <= size < 1e15:
        return f"{x:.3e}"
    if size >= 1000:
        return f"{x:,.0f}"
    text = f"{x:.4g}"
    return "0" if text == "-0" else text


def defined(score: Any) -> str:
    """Return a score that was asked for; "undefined" where the targets leave it without a meaning.

    >>> defined(0.5), defined(float("nan"))
    ('0.5', 'undefined')
    """
    text = number(score)
    return UNDEFINED if text == NOTHING else text


def aligned(values: Iterable[Any]) -> list[str]:
    """Return the numbers of a column with equal decimals, four significant digits for the one in the middle.

    >>> aligned([0.712, 0.7412, 1.41])
    ['0.7120', '0.7412', '1.4100']
    """
    column = [as_float(v) for v in values]
    sizes = sorted(abs(x) for x in column if math.isfinite(x) and x)
    # Over several orders of magnitude equal decimals would hide the small numbers.
    if not sizes or sizes[-1] / sizes[0] > 1e4 or not 1e-4 <= sizes[0] <= sizes[-1] < 1e15:
        return [number(x) for x in column]
    digits = max(0, 3 - math.floor(math.log10(sizes[len(sizes) // 2])))
    return [f"{x + 0.0:,.{digits}f}" if math.isfinite(x) else number(x) for x in column]


def percent(share: Any, digits: int = 0) -> str:
    """Return a share in percent; a dash for NaN and None.

    >>> percent(0.2149), percent(0.033, 1)
    ('21 %', '3.3 %')
    """
    x = as_float(share)
    if not math.isfinite(x):
        return NOTHING
    # Rounding -0.001 must not print a minus.
    return f"{round(100 * x, digits) + 0.0:,.{digits}f} %"


def count(value: Any) -> str:
    """Return a whole number with thousands separators.

    >>> count(12345)
    '12,345'
    """
    x = as_float(value)
    return f"{x:,.0f}" if math.isfinite(x) else NOTHING


def plural(n: int, one: str, many: str = "") -> str:
    """Return ``n`` with its noun.

    >>> plural(1, "model"), plural(3, "model"), plural(2, "series", "series")
    ('1 model', '3 models', '2 series')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: Any) -> str:
    """Return seconds as people say them.

    >>> duration(0.0123), duration(4.2), duration(75), duration(7260)
    ('12 ms', '4.2 s', '1 min 15 s', '2 h 1 min')
    """
    x = as_float(seconds)
    if not math.isfinite(x):
        return NOTHING
    if x < 0.9995:
        return f"{1000 * x:.0f} ms"
    if x < 9.95:
        return f"{x:.1f} s"
    whole = round(x)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(round(x / 60), 60)
    return f"{hours:,} h" + (f" {minutes} min" if minutes else "")


def moment(value: Any) -> str:
    """Return a point on a clock, without the midnight that daily data do not mean.

    >>> moment("2020-01-01T00:00:00"), moment(np.datetime64("2020-01-01T13:30")), moment(17)
    ('2020-01-01', '2020-01-01 13:30', '17')
    """
    if isinstance(value, np.datetime64 | pd.Timestamp):
        stamp = pd.Timestamp(value)
        text = stamp.isoformat() if stamp == stamp else NOTHING
    elif isinstance(value, int | float | np.number):
        return number(value) if isinstance(value, float) else str(value)
    else:
        text = str(value)
    return text.removesuffix("T00:00:00").replace("T", " ", 1).removesuffix(":00")


def as_float(value: Any) -> float:
    """Return a float; NaN for what is none."""
    try:
        return float("nan") if value is None or value is pd.NA else float(value)
    except (TypeError, ValueError):
        return float("nan")


def skill_of(score: Any, naive: Any) -> float:
    """Return ``1 - score / naive``; NaN where that says nothing."""
    x, base = as_float(score), as_float(naive)
    return 1 - x / base if math.isfinite(x) and math.isfinite(base) and base > 0 else float("nan")


def against_naive(skill: Any) -> str:
    """Return a skill in words, or "" where it is unknown.

    >>> against_naive(0.21), against_naive(-0.04), against_naive(0.001)
    ('21 % better than seasonal naive', '4 % worse than seasonal naive', 'level with seasonal naive')
    """
    x = as_float(skill)
    if not math.isfinite(x):
        return ""
    if abs(x) < _LEVEL:
        return "level with seasonal naive"
    return f"{percent(abs(x))} {'better' if x > 0 else 'worse'} than seasonal naive"


def is_ensemble(leaderboard: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of a leaderboard are the ensemble and not a candidate."""
    found = pd.Series(False, index=leaderboard.index)
    for column in ("model", "family"):
        if column in leaderboard:
            found |= leaderboard[column].astype(str).str.lower().eq("ensemble")
    return found


def members(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates that the ensemble uses, heaviest first."""
    if "weight" not in leaderboard:
        return leaderboard.iloc[:0]
    weight = pd.to_numeric(leaderboard["weight"], errors="coerce").fillna(0.0)
    chosen = leaderboard[~is_ensemble(leaderboard) & (weight > 0)]
    return chosen.assign(weight=weight[chosen.index]).sort_values("weight", ascending=False, kind="stable")


def headline(facts: Facts) -> str:
    """Return the result of a fit in one sentence.

    It never claims more than was measured: without windows that no choice saw it says that the score is from the
    windows that chose the models.
    """
    used = members(facts.leaderboard)
    if len(used) == 1:
        subject = f"One model, {used['model'].iloc[0]}"
    elif len(used):
        subject = f"An ensemble of {plural(len(used), 'model')}"
    else:
        subject = "The forecaster"
    metric = str(facts.settings.get("metric", "score"))
    score = as_float(facts.final.get("ensemble", {}).get(metric))
    if math.isfinite(score):
        skill = skill_of(score, facts.final.get("seasonal_naive", {}).get(metric))
        parts = [f"{subject}: {metric.upper()} {number(score)} on unseen windows", against_naive(skill)]
        return ", ".join(part for part in parts if part) + _covered(facts) + "."
    if metric in facts.final.get("ensemble", {}):
        return f"{subject}: {metric.upper()} is {UNDEFINED} on the unseen windows{_covered(facts)}."
    rows = facts.leaderboard[is_ensemble(facts.leaderboard)]
    if not len(rows):
        rows = used
    score = as_float(rows["score"].iloc[0]) if len(rows) and "score" in rows else float("nan")
    if math.isfinite(score):
        text = f"{subject}: {metric.upper()} {number(score)} on the windows that chose it"
        return f"{text}; no window was left to confirm it{_covered(facts)}."
    return f"{subject}: no backtest could be made, so nothing is known about its error."


def _covered(facts: Facts) -> str:
    """Return what the interval nearest to 80 % covered, as the end of a sentence."""
    pairs = [(as_float(k), as_float(v)) for k, v in facts.coverage.items()]
    pairs = [(k, v) for k, v in pairs if math.isfinite(k) and math.isfinite(v)]
    if not pairs:
        return ""
    nominal, observed = min(pairs, key=lambda pair: abs(pair[0] - 0.8))
    return f"; the {percent(nominal)} interval covered {percent(observed)}"
