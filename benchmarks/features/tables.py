"""Generated tables and the pipeline that figures are measured on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["HOWS", "LAGS", "PARTS", "WINDOWS", "request_steps", "steps", "table"]

LAGS = [1, 2, 3, 24, 168]
WINDOWS = [24, 168]
HOWS = ["mean", "std", "min", "max"]
PARTS = ["hour", "weekday", "month"]


def table(rows: int, *, length: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return hourly series of ``length`` rows, sorted, with whole numbers as ids."""
    series = max(rows // length, 1)
    rng = np.random.default_rng(seed)
    hours = pd.date_range("2023-01-01", periods=length, freq="1h").to_numpy()
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(series), length),
            "ds": np.tile(hours, series),
            "y": rng.normal(50.0, 5.0, series * length),
        }
    )


def steps() -> list[dict[str, Any]]:
    """Return 5 lags, 8 windows and 3 parts of the calendar."""
    return [{"lags": LAGS}, {"rolling": {"windows": WINDOWS, "how": HOWS}}, {"calendar": PARTS}]


def request_steps() -> list[dict[str, Any]]:
    """Return steps with 40 features and a lookback of less than 400 rows."""
    return [
        {"resample": {"every": "1h"}},
        {"impute": {"how": "linear", "limit": 6}},
        {"outliers": {"how": "iqr", "action": "mark", "window": 168}},
        {"calendar": ["hour", "weekday", "is_weekend", "day", "month", "holiday:DE"]},
        {"lags": [1, 2, 3, 4, 5, 6, 24, 48, 168]},
        {"rolling": {"windows": [6, 24, 168], "how": ["mean", "std", "min", "max", "quantile:0.9"]}},
        {"ewm": {"halflife": [3, 12]}},
        {"fourier": {"period": 168, "order": 3}},
        {"difference": {"lag": 24}},
        {"scale": {"how": "robust", "per": "id"}},
    ]
