"""What a search found, as facts for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from autots.evaluate import Backtest, Objective, Part
from autots.panel import Floats, Panel
from autots.reading.report import DataReport
from autots.report import BacktestWindow, Facts
from autots.search.assemble import Assembly
from autots.search.leaderboard import Leaderboard

__all__ = ["facts_of", "trivial_facts"]

_TYPICAL, _WORST = 4, 4
_SCORED_SERIES = 2000


def facts_of(
    leaderboard: Leaderboard,
    assembly: Assembly,
    panel: Panel,
    report: DataReport,
    *,
    title: str,
    settings: Mapping[str, Any],
    seconds: Mapping[str, float],
    messages: tuple[str, ...],
) -> Facts:
    """Return the facts of a fit that was backtested."""
    objective = leaderboard.objective
    part: Part = "final" if objective.has_final else "selection"
    unseen = assembly.unseen
    name = objective.metric.name
    final = {"ensemble": objective.scores(unseen.mean, unseen.quantiles, part)}
    final["ensemble"][name] = objective.score(objective.metric, unseen.mean, unseen.quantiles, part)
    at = objective.windows(part)
    naive = leaderboard.seasonal_naive
    base = None if naive is None else naive.backtest
    if base is not None:
        final["seasonal_naive"] = objective.scores(base.mean[at], base.quantiles[at], part)
        final["seasonal_naive"][name] = objective.score(objective.metric, base.mean[at], base.quantiles[at], part)
    if not np.isfinite(final["ensemble"][name]):
        messages = (*messages, f"{name} is not defined on the windows that no choice saw, so nothing is said of it")
    if objective.metric.scaled and (without := _without_scale(objective)):
        messages = (
            *messages,
            f"{without} of {panel.n_series} series do not count in {name}: constant, or too short",
        )
    actual = objective.targets.actual[at]
    worst = _per_series(objective, unseen, base, panel, part)
    return Facts(
        title=title,
        # The metric that chose: another one than was asked for where that is not defined on the table.
        settings={**settings, "metric": name},
        seconds=seconds,
        data=report.to_dict(),
        leaderboard=_table(leaderboard, assembly, final),
        final=final,
        coverage=objective.covered(unseen.quantiles, part),
        calibration=_calibration(actual, objective.whole(unseen.quantiles, at), objective.task.levels),
        windows=_windows(objective, unseen, panel, worst, part),
        worst=worst.head(50).reset_index(drop=True),
        messages=messages,
    )


def _without_scale(objective: Objective) -> int:
    """Return how many series with targets have no scale in any window; 0 where none has one."""
    scale = objective.targets.scale
    there = np.isfinite(objective.targets.actual).any(axis=(0, 2))
    scaled = (np.isfinite(scale) & (scale > 0)).any(axis=0)
    return int((there & ~scaled).sum()) if scaled.any() else 0


def trivial_facts(
    panel: Panel,
    report: DataReport,
    family: str,
    *,
    title: str,
    settings: Mapping[str, Any],
    seconds: Mapping[str, float],
    messages: tuple[str, ...],
) -> Facts:
    """Return the facts of a fit where nothing could be backtested; the first message says why."""
    table = pd.DataFrame(
        [
            {
                "model": family,
                "family": family,
                "score": np.nan,
                "skill": np.nan,
                "final_score": np.nan,
                "weight": 1.0,
                "fit_seconds": 0.0,
                "predict_seconds": 0.0,
                "status": "complete",
                "note": messages[0],
                "params": "{}",
            }
        ]
    )
    empty = pd.DataFrame({"series": [], "score": [], "skill": [], "length": []})
    return Facts(title, settings, seconds, report.to_dict(), table, {}, {}, (), (), empty, messages)


def _table(leaderboard: Leaderboard, assembly: Assembly, final: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Return a row for the ensemble and for each candidate, the complete ones best first."""
    objective = leaderboard.objective
    members = [c for c in leaderboard.complete if c.number in assembly.unseen_weights]
    together = objective.value(assembly.together)
    rows = [
        {
            "model": f"ensemble of {len(assembly.ensemble.members)}",
            "family": "ensemble",
            "score": together,
            "skill": leaderboard.skill(together),
            "final_score": final["ensemble"].get(objective.metric.name, np.nan) if objective.has_final else np.nan,
            "weight": 1.0,
            "fit_seconds": sum(c.fit_seconds for c in members),
            "predict_seconds": sum(c.predict_seconds for c in members),
            "status": "complete",
            "note": "",
            "params": "{}",
        }
    ]
    rest = [c for c in leaderboard.candidates if c.status != "complete"]
    for candidate in [*leaderboard.complete, *rest]:
        seen = candidate.backtest is not None and objective.has_final
        rows.append(
            {
                "model": candidate.model,
                "family": candidate.family,
                "score": candidate.score,
                "skill": leaderboard.skill(candidate.score) if candidate.status in ("complete", "partial") else np.nan,
                "final_score": objective.value(candidate.forecasts, "final") if seen else np.nan,
                "weight": assembly.weights.get(candidate.number, (0.0, 0.0))[0],
                "fit_seconds": candidate.fit_seconds,
                "predict_seconds": candidate.predict_seconds,
                "status": candidate.status,
                "note": candidate.note,
                "params": json.dumps(dict(candidate.params), default=str),
            }
        )
    return pd.DataFrame(rows)


def _calibration(actual: Floats, quantiles: Floats, levels: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    seen = ~np.isnan(actual)
    if not seen.any():
        return ()
    below = [float((actual <= quantiles[..., i])[seen].mean()) for i in range(len(levels))]
    return tuple(zip(levels, below, strict=True))


def _per_series(
    objective: Objective, unseen: Backtest, base: Backtest | None, panel: Panel, part: Part
) -> pd.DataFrame:
    at = objective.windows(part)
    chosen = np.unique(np.linspace(0, panel.n_series - 1, min(panel.n_series, _SCORED_SERIES)).astype(np.intp))
    scores, skills = [], []
    for i in chosen:
        row = np.array([i])
        score = objective.score(objective.metric, unseen.mean[:, row], unseen.quantiles[:, row], part, row)
        skill = np.nan
        if base is not None:
            naive = objective.score(objective.metric, base.mean[at][:, row], base.quantiles[at][:, row], part, row)
            skill = 1 - score / naive if naive > 0 else np.nan
        scores.append(score)
        skills.append(skill)
    frame = pd.DataFrame(
        {"series": panel.ids[chosen], "score": scores, "skill": skills, "length": panel.lengths[chosen], "row": chosen}
    )
    return frame.sort_values("score", ascending=False, na_position="last", kind="stable")


def _windows(
    objective: Objective, unseen: Backtest, panel: Panel, worst: pd.DataFrame, part: Part
) -> tuple[BacktestWindow, ...]:
    scored = worst[worst["score"].notna()]
    if scored.empty:
        return ()
    middle = np.linspace(0.25, 0.75, min(_TYPICAL, len(scored)))
    typical = [scored.iloc[round(q * (len(scored) - 1))] for q in middle]
    rows = dict.fromkeys(int(r["row"]) for r in typical)
    rows |= dict.fromkeys(int(r) for r in scored["row"].head(_WORST))
    at = objective.windows(part)
    cutoffs = objective.plan.cutoffs[at]
    out = []
    for i in rows:
        k = len(cutoffs) - 1
        start, end = panel.indptr[i], panel.indptr[i + 1] - cutoffs[k]
        h = objective.plan.horizon
        if end <= start:
            continue
        recent = max(start, end - max(4 * h, 2 * objective.task.season, 40))
        above = np.broadcast_to(objective.targets.above(at), (len(cutoffs), panel.n_series, 1))[k, i]
        quantiles = np.asarray(unseen.quantiles[k, i], dtype=np.float64) + above
        point = objective.point(np.asarray(unseen.mean[k, i], dtype=np.float64) + above, quantiles)
        score = float(scored.loc[scored["row"] == i, "score"].iloc[0])
        times = panel.times[end : end + h]
        out.append(
            BacktestWindow(
                str(panel.ids[i]),
                panel.times[recent:end],
                panel.y[recent:end],
                times,
                panel.y[end : end + h],
                quantiles,
                point,
                score,
            )
        )
    return tuple(out)
