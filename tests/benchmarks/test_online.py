"""What learning after the fit is worth: the same windows with and without it."""

import pandas as pd
import pytest

from benchmarks.online import RollingCase, _split
from serve.testing.pipelines import fitted, hourly


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return hourly(3, 200)


def test_horizons_are_cut_off_at_the_end_of_each_series() -> None:
    table = pd.DataFrame({"unique_id": ["a"] * 20 + ["b"] * 15, "ds": [*range(20), *range(15)], "y": 1.0})
    train, test = _split(table, RollingCase("", 2, 3, 1))
    assert train.groupby("unique_id")["ds"].max().tolist() == [7, 2]
    assert test[test["unique_id"] == "a"]["ds"].tolist() == [8, 9, 10, 11, 12, 13]


def test_a_single_horizon_teaches_nothing(table: pd.DataFrame) -> None:
    train, test = _split(table, RollingCase("", 24, 1))
    pipeline = fitted(train, families=("naive", "seasonal_naive"))
    once, evaluated = pipeline.evaluate(test, learning=False), pipeline.evaluate(test)
    assert once["mase"] == pytest.approx(evaluated["mase"], rel=1e-9)
    assert once["wql"] == pytest.approx(evaluated["wql"], rel=1e-9)


def test_several_horizons_teach(table: pd.DataFrame) -> None:
    train, test = _split(table, RollingCase("", 24, 3))
    pipeline = fitted(train, families=("naive", "seasonal_naive"))
    assert pipeline.evaluate(test, learning=False)["mase"] > pipeline.evaluate(test)["mase"]
