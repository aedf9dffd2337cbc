"""Made-up fits of every shape, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autots.report import BacktestWindow, Facts

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SPREAD = np.array([-1.2816, -0.6745, 0.0, 0.6745, 1.2816])


def make_window(
    series: str = "H1",
    *,
    clock: str = "datetime",
    horizon: int = 48,
    past: int = 168,
    score: float = 0.71,
    seed: int = 0,
) -> BacktestWindow:
    """Return a daily cycle with noise, forecast well."""
    rng = np.random.default_rng(seed)
    steps = np.arange(past + horizon)
    truth = 100 + 20 * np.sin(2 * np.pi * steps / 24) + 6 * np.sin(2 * np.pi * steps / 168) + 0.05 * steps
    y = truth + np.cumsum(rng.normal(0, 0.4, len(steps))) + rng.normal(0, 2, len(steps))
    times: Any = steps if clock == "int" else np.datetime64("2024-03-01T00", "ns") + steps * np.timedelta64(1, "h")
    point = truth[past:] + (y[past - 24 : past] - truth[past - 24 : past]).mean()
    spread = 2.5 * np.sqrt(1 + np.arange(horizon) / 12)
    quantiles = point[:, None] + spread[:, None] * SPREAD
    return BacktestWindow(series, times[:past], y[:past], times[past:], y[past:], quantiles, point, score)


def make_leaderboard() -> pd.DataFrame:
    """Return an ensemble, ten candidates and a failure."""
    rows: list[dict[str, Any]] = [
        {"model": "ensemble", "family": "ensemble", "score": 0.712, "final_score": 0.7412, "weight": 1.0}
    ]
    names = ("direct_trees", "auto_ets", "dynamic_theta", "ridge_lags", "mstl_ets", "recursive_trees", "auto_arima")
    weights = (0.45, 0.25, 0.18, 0.08, 0.04, 0.0, 0.0)
    for i, (name, weight) in enumerate(zip(names, weights, strict=True)):
        params = '{"learning_rate": 0.05, "num_leaves": 31, "lags": [1, 24, 168]}' if "trees" in name else "{}"
        rows.append(
            {
                "model": name,
                "family": "tabular" if "trees" in name else "statistical",
                "score": 0.744 + 0.021 * i,
                "final_score": 0.771 + 0.019 * i if weight else np.nan,
                "weight": weight,
                "params": params,
            }
        )
    rows.append({"model": "seasonal_naive", "family": "baseline", "score": 0.932, "final_score": 0.938, "weight": 0.0})
    rows.append({"model": "naive", "family": "baseline", "score": 1.41, "final_score": np.nan, "weight": 0.0})
    rows.append({"model": "sarimax", "family": "statistical", "score": np.nan, "status": "failed"})
    frame = pd.DataFrame(rows)
    frame["skill"] = 1 - frame["score"] / 0.932
    frame["fit_seconds"] = [np.nan, 6.21, 2.2, 0.81, 0.04, 3.9, 8.8, 14.1, 0.002, 0.001, np.nan]
    frame["predict_seconds"] = [0.31, 0.12, 0.02, 0.02, 0.003, 0.05, 0.4, 0.1, 0.001, 0.001, np.nan]
    frame["status"] = frame["status"].fillna("complete")
    frame["note"] = ""
    frame.loc[frame["status"] == "failed", "note"] = "ModelError: the optimiser left the stationary region on 3 series"
    frame["params"] = frame["params"].fillna("")
    return frame


def make_data() -> dict[str, Any]:
    """Return what a report of a table says after two repairs."""
    finding = {"kind": "gaps", "count": 31, "series": ("H3", "H7"), "message": "31 steps have no row"}
    return {
        "findings": (
            finding | {"action": "added, with a missing target"},
            {
                "kind": "duplicates",
                "count": 2,
                "series": ("H9",),
                "message": "2 rows repeat the time of another row of their series",
                "action": "merged: numbers by their mean",
            },
        ),
        "series": 12,
        "rows": 11231,
        "freq": "h",
        "start": "2024-02-01T00:00:00",
        "end": "2024-03-11T23:00:00",
        "seasons": (24, 168),
        "missing": 0.0028,
        "zero": 0.0,
        "lengths": (702, 944.0, 960),
    }


def make_facts(**changes: Any) -> Facts:
    """Return the facts of an ordinary fit of twelve hourly series; ``changes`` replace parts of it."""
    rng = np.random.default_rng(1)
    windows = tuple(
        make_window(f"H{i}", seed=i, score=s) for i, s in enumerate((0.61, 0.68, 0.71, 0.75, 1.21, 1.48), start=1)
    )
    worst = pd.DataFrame(
        {
            "series": [f"H{i}" for i in range(12, 0, -1)],
            "score": np.sort(rng.gamma(8, 0.1, 12))[::-1],
            "skill": np.linspace(-0.18, 0.41, 12),
            "length": rng.integers(700, 961, 12),
        }
    )
    values: dict[str, Any] = {
        "title": "electricity.csv",
        "settings": {
            "horizon": 48,
            "metric": "mase",
            "levels": LEVELS,
            "seasons": (24, 168),
            "freq": "h",
            "budget_seconds": 300.0,
            "seed": 0,
            "workers": 2,
            "windows": 5,
        },
        "seconds": {"start": 4.1, "search": 221.0, "ensemble": 6.3, "refit": 48.2, "total": 279.6},
        "data": make_data(),
        "leaderboard": make_leaderboard(),
        "final": {
            "ensemble": {"mase": 0.7412, "wql": 0.0412, "smape": 0.0733, "rmse": 4.812},
            "seasonal_naive": {"mase": 0.9381, "wql": 0.0609, "smape": 0.0941, "rmse": 6.77},
        },
        "coverage": {"0.5": 0.47, "0.8": 0.7912},
        "calibration": ((0.1, 0.112), (0.25, 0.261), (0.5, 0.507), (0.75, 0.731), (0.9, 0.9032)),
        "windows": windows,
        "worst": worst,
        "messages": ("The search ended after 83 % of the budget: every family had been tried.",),
    }
    return Facts(**(values | changes))


@pytest.fixture
def facts() -> Facts:
    return make_facts()


@pytest.fixture
def facts_with() -> Callable[..., Facts]:
    return make_facts


@pytest.fixture
def window() -> Callable[..., BacktestWindow]:
    return make_window
