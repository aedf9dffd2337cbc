"""The result of a fit in words: the same sentence on the page and in the terminal."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from autots.report.facts import Facts
from zoo.page.wording import NOTHING, as_float, number, percent, plural

__all__ = ["against_naive", "defined", "headline", "is_ensemble", "members", "skill_of"]

UNDEFINED = "undefined"
_LEVEL = 0.005  # share of the naive error: a skill smaller than this is no difference


def defined(score: Any) -> str:
    """Return a score that was asked for; "undefined" where the targets leave it without a meaning.

    >>> defined(0.5), defined(float("nan"))
    ('0.5', 'undefined')
    """
    text = number(score)
    return UNDEFINED if text == NOTHING else text


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


def observed_coverage(facts: Facts) -> list[tuple[float, float]]:
    """Return the nominal and the observed coverage of each interval, the narrowest first."""
    pairs = [(as_float(k), as_float(v)) for k, v in facts.coverage.items()]
    return sorted((k, v) for k, v in pairs if math.isfinite(k) and math.isfinite(v))


def _covered(facts: Facts) -> str:
    """Return what the interval nearest to 80 % covered, as the end of a sentence."""
    pairs = observed_coverage(facts)
    if not pairs:
        return ""
    nominal, observed = min(pairs, key=lambda pair: abs(pair[0] - 0.8))
    return f"; the {percent(nominal)} interval covered {percent(observed)}"
