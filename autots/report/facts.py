"""What a fit has to tell: plain values that the page and the terminal draw, and nothing else reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from autots.panel import Floats, Times

__all__ = ["Facts", "Window"]


@dataclass(frozen=True)
class Window:
    """One backtest window of one series, to be drawn.

    Args:
        series: Its id; empty for a single series without one.
        history_times: (T,) clock before the cutoff (the recent part).
        history: (T,) values, NaN where missing.
        times: (H,) clock of the horizon.
        actual: (H,) what came, NaN where missing.
        quantiles: (H, Q) calibrated forecasts.
        point: (H,) point forecasts.
        score: The window's score in the fit's metric.
    """

    series: str
    history_times: Times
    history: Floats
    times: Times
    actual: Floats
    quantiles: Floats
    point: Floats
    score: float


@dataclass(frozen=True)
class Facts:
    """A finished fit.

    Args:
        title: What was forecast (file or data set name).
        settings: horizon, metric, levels, seasons, freq, budget_seconds, seed, workers, windows: as given or detected.
        seconds: Wall time by stage ("start", "search", "ensemble", "refit", "total").
        data: DataReport.to_dict(): findings and statistics of the table.
        leaderboard: One row per candidate and one for the ensemble (first), best first: columns ``model`` (short name),
            ``family``, ``score`` (selection windows), ``skill`` (1 - score / seasonal naive's), ``final_score`` (the
            windows that no choice saw), ``weight``, ``fit_seconds``, ``predict_seconds``, ``status`` ("complete",
            "sample", "failed", "pruned"), ``note`` (failure message or ""), ``params`` (JSON text).
        final: The ensemble's scores on the windows that no choice saw: metric name -> value, and the same for
            "seasonal_naive".
        coverage: Nominal -> observed coverage on those windows.
        calibration: (level, observed share of targets below it) pairs on those windows.
        windows: Examples to draw: typical series first, then the worst.
        worst: Per-series scores, worst first: columns ``series``, ``score``, ``skill``, ``length``; at most 50 rows.
        messages: Sentences that the user should read (what was refused, fell back, ran out of time).
    """

    title: str
    settings: Mapping[str, Any]
    seconds: Mapping[str, float]
    data: Mapping[str, Any]
    leaderboard: pd.DataFrame
    final: Mapping[str, Mapping[str, float]]
    coverage: Mapping[str, float]
    calibration: tuple[tuple[float, float], ...]
    windows: tuple[Window, ...]
    worst: pd.DataFrame
    messages: tuple[str, ...] = field(default=())
