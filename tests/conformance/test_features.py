"""Every step of the catalog against the laws of features."""

import pandas as pd
import pytest

from zoo.features.steps import STEPS
from zoo.testing.features import StepConformance, raw_table

ALL_HOWS = ["mean", "std", "min", "max", "sum", "quantile:0.9"]
BOTH = ["kwh", "temperature"]
HOURLY = [{"deduplicate": {}}, {"resample": {"every": "1h"}}]


def weather() -> pd.DataFrame:
    other = raw_table(9, series=2)[["station", "ts", "temperature"]].drop_duplicates(["station", "ts"])
    return other.rename(columns={"temperature": "outside"}).assign(ts=lambda t: t["ts"] - pd.Timedelta("17min"))


CASES = {
    "filter": [{"filter": 'kwh > 2 and station in ("s0", "s1") or kwh is None'}],
    "deduplicate": [{"deduplicate": {"keep": "last", "by": "temperature"}}],
    "resample": [{"resample": {"every": "2h", "how": "sum", "columns": {"temperature": "last"}}}],
    "aggregate": [*HOURLY, {"aggregate": {"by": "station", "how": "mean"}}, {"lags": [1]}],
    "join": [*HOURLY, {"join": {"table": weather(), "on": "station", "asof": "ts", "tolerance": "2h"}}],
    "impute": [*HOURLY, {"impute": {"how": "linear", "limit": 3}}, {"lags": [1, 2, 5]}, {"rolling": {"windows": [4]}}],
    "impute previous": [*HOURLY, {"impute": {"how": "previous", "limit": 2}}, {"lags": [1, 2]}],
    "impute value": [*HOURLY, {"impute": {"how": "value", "value": -1.0}}, {"lags": [1, 2]}],
    "impute several": [*HOURLY, {"impute": {"columns": BOTH}}, {"lags": {"rows": [1, 3], "columns": BOTH}}],
    "outliers": [*HOURLY, {"outliers": {"how": "iqr", "action": "clip", "window": 48}}, {"lags": [1]}],
    "outliers sigma": [*HOURLY, {"outliers": {"how": "sigma", "action": "missing", "window": 48}}, {"impute": {}}],
    "calendar": [{"calendar": ["minute", "hour", "weekday", "is_weekend", "day", "week", "month", "holiday:DE-BY"]}],
    "lags": [*HOURLY, {"lags": [1, 24, 168]}],
    "lags of rows as they come": [{"deduplicate": {}}, {"lags": [1, 7]}],
    "rolling": [*HOURLY, {"rolling": {"windows": [3, 24, 100], "how": ALL_HOWS}}],
    "rolling with holes": [*HOURLY, {"rolling": {"windows": [5, 24], "how": ALL_HOWS, "least": 3}}],
    "ewm": [*HOURLY, {"ewm": {"halflife": [2, 12.5]}}],
    "fourier": [*HOURLY, {"fourier": {"period": 24, "order": 3}}],
    "difference": [*HOURLY, {"difference": {"lag": 24}}],
    "scale": [*HOURLY, {"lags": [1]}, {"scale": {"how": "robust", "per": "id"}}],
    "scale all": [*HOURLY, {"lags": [1]}, {"scale": {"how": "standard", "per": "all", "columns": ["kwh_lag_1"]}}],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
class TestStep(StepConformance):
    case: str

    @pytest.fixture(autouse=True)
    def _chosen(self, case: str) -> None:
        self.case = case

    def steps(self):
        return CASES[self.case]


def test_every_step_of_the_catalog_is_tested():
    assert {next(iter(step)) for case in CASES.values() for step in case} == set(STEPS)
