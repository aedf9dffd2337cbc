"""What a fit has to tell: plain values that the page and the terminal draw, and nothing else reads."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from autots.panel import Floats, Times

__all__ = ["BacktestWindow", "Facts"]


@dataclass(frozen=True)
class BacktestWindow:
    """One backtest window of one series, to be drawn.

    Args:
        series: Its id; empty for a single series without one.
        history_times: (T,) clock before the cutoff (the recent part).
        history: (T,) values, NaN where missing.
        times: (H,) clock of the horizon.
        actual: (H,) what came, NaN where missing.
        quantiles: (H, Q) calibrated forecasts.
        point: (H,) point forecasts of the same steps.
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
            "partial", "sample", "failed", "pruned"), ``note`` (failure message or ""), ``params`` (JSON text).
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
    windows: tuple[BacktestWindow, ...]
    worst: pd.DataFrame
    messages: tuple[str, ...] = field(default=())

    def to_state(self) -> dict[str, Any]:
        """Return plain values and arrays; ``from_state`` reads them back."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            "plain": json.dumps(
                plain, default=lambda value: dict(value) if isinstance(value, Mapping) else float(value)
            ),
            "leaderboard": self.leaderboard.to_json(orient="split", double_precision=15),
            "worst": self.worst.to_json(orient="split", double_precision=15),
            "windows": [
                {
                    "series": w.series,
                    "dates": w.times.dtype.kind == "M",
                    **vars(w),
                    **{name: np.ascontiguousarray(getattr(w, name)).view(np.int64) for name in _CLOCKS},
                    "score": float(w.score),
                }
                for w in self.windows
            ],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Facts:
        """Read what ``to_state`` returned."""

        def table(text: str) -> pd.DataFrame:
            frame = pd.read_json(io.StringIO(text), orient="split", convert_dates=False, dtype=False)
            return frame.fillna({c: np.nan for c in frame.columns if c in _NUMBERS})

        def window(values: Mapping[str, Any]) -> BacktestWindow:
            kind = "datetime64[ns]" if values["dates"] else "int64"
            clocks = {name: np.asarray(values[name]).view(kind) for name in _CLOCKS}
            arrays = {name: np.asarray(values[name]) for name in ("history", "actual", "quantiles", "point")}
            return BacktestWindow(series=values["series"], score=float(values["score"]), **clocks, **arrays)

        plain = json.loads(state["plain"])
        plain["calibration"] = tuple((float(a), float(b)) for a, b in plain["calibration"])
        plain["messages"] = tuple(plain["messages"])
        return cls(
            **plain,
            leaderboard=table(state["leaderboard"]),
            windows=tuple(map(window, state["windows"])),
            worst=table(state["worst"]),
        )


_NUMBERS = ("score", "skill", "final_score", "weight", "fit_seconds", "predict_seconds", "length")
_PLAIN = ("title", "settings", "seconds", "data", "final", "coverage", "calibration", "messages")
_CLOCKS = ("history_times", "times")
