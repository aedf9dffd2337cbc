"""Every step of the catalog in use, on the rows of ``zoo.testing.features.raw_table``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from zoo.testing.features import raw_table

__all__ = ["CASES", "weather"]

_ALL_HOWS = ["mean", "std", "min", "max", "sum", "quantile:0.9"]
_BOTH = ["kwh", "temperature"]
_HOURLY: list[dict[str, Any]] = [{"deduplicate": {}}, {"resample": {"every": "1h"}}]


def weather() -> pd.DataFrame:
    """Return hourly values of two stations, never at the full hour."""
    other = raw_table(9, series=2)[["station", "ts", "temperature"]].drop_duplicates(["station", "ts"])
    return other.rename(columns={"temperature": "outside"}).assign(ts=lambda t: t["ts"] - pd.Timedelta("17min"))


CASES: Mapping[str, Sequence[dict[str, Any]]] = {
    "filter": [{"filter": 'kwh > 2 and station in ("s0", "s1") or kwh is None'}],
    "deduplicate": [{"deduplicate": {"keep": "last", "by": "temperature"}}],
    "resample": [{"resample": {"every": "2h", "how": "sum", "columns": {"temperature": "last"}}}],
    "aggregate": [*_HOURLY, {"aggregate": {"by": "station", "how": "mean"}}, {"lags": [1]}],
    "join": [*_HOURLY, {"join": {"table": weather(), "on": "station", "asof": "ts", "tolerance": "2h"}}],
    "impute": [*_HOURLY, {"impute": {"how": "linear", "limit": 3}}, {"lags": [1, 2, 5]}, {"rolling": {"windows": [4]}}],
    "impute previous": [*_HOURLY, {"impute": {"how": "previous", "limit": 2}}, {"lags": [1, 2]}],
    "impute value": [*_HOURLY, {"impute": {"how": "value", "value": -1.0}}, {"lags": [1, 2]}],
    "impute several": [*_HOURLY, {"impute": {"columns": _BOTH}}, {"lags": {"rows": [1, 3], "columns": _BOTH}}],
    "outliers": [*_HOURLY, {"outliers": {"how": "iqr", "action": "clip", "window": 48}}, {"lags": [1]}],
    "outliers sigma": [*_HOURLY, {"outliers": {"how": "sigma", "action": "missing", "window": 48}}, {"impute": {}}],
    "calendar": [{"calendar": ["minute", "hour", "weekday", "is_weekend", "day", "week", "month", "holiday:DE-BY"]}],
    "lags": [*_HOURLY, {"lags": [1, 24, 168]}],
    "lags of rows as they come": [{"deduplicate": {}}, {"lags": [1, 7]}],
    "rolling": [*_HOURLY, {"rolling": {"windows": [3, 24, 100], "how": _ALL_HOWS}}],
    "rolling with holes": [*_HOURLY, {"rolling": {"windows": [5, 24], "how": _ALL_HOWS, "least": 3}}],
    "ewm": [*_HOURLY, {"ewm": {"halflife": [2, 12.5]}}],
    "fourier": [*_HOURLY, {"fourier": {"period": 24, "order": 3}}],
    "difference": [*_HOURLY, {"difference": {"lag": 24}}],
    "scale": [*_HOURLY, {"lags": [1]}, {"scale": {"how": "robust", "per": "id"}}],
    "scale all": [*_HOURLY, {"lags": [1]}, {"scale": {"how": "standard", "per": "all", "columns": ["kwh_lag_1"]}}],
}  # fmt: skip
