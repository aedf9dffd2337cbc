"""Histories that leave a search little to choose by: a fit always returns a forecaster, and says what it could not do."""

import numpy as np
import pandas as pd
import pytest

from autots.metrics import METRICS
from autots.search import fit as fitting


def days(values, **more):
    return pd.DataFrame({"ds": pd.date_range("2023-01-01", periods=len(values)), "y": values, **more})


def shop(n=400, begin=300, end=390, seed=1):
    rng = np.random.default_rng(seed)
    y = 100 + 10 * np.sin(2 * np.pi * np.arange(n) / 7) + rng.normal(size=n)
    y[begin:end] = np.nan
    return y


def finite(made):
    return np.isfinite(made.select_dtypes("number").to_numpy()).all()


def test_after_an_outage_the_windows_before_it_choose(make):
    pipeline = make(7).fit(days(shop()))
    made = pipeline.predict()
    expected = 100 + 10 * np.sin(2 * np.pi * np.arange(400, 407) / 7)
    assert np.abs(made["mean"] - expected).mean() < 2
    assert any("hold hardly a target" in message for message in pipeline.facts.messages)
    board = pipeline.leaderboard()
    assert np.isfinite(board[["score", "final_score", "skill"]].iloc[0].to_numpy(dtype=float)).all()


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_three_observed_values_are_forecast_under_every_metric(make, metric):
    y = np.full(200, np.nan)
    y[[0, 90, 199]] = 5.0, 7.0, 6.0
    pipeline = make(7, metric=metric, trials=6, freq="D").fit(days(y))
    made = pipeline.predict()
    assert finite(made)
    assert made["mean"].between(4, 8).all()


@pytest.mark.parametrize("seed", range(4))
def test_random_outages_never_cost_the_fit(make, seed):
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(rng.integers(1, 4)):
        y = shop(150, 0, 0, k)
        for _ in range(3):
            begin = rng.integers(0, 150)
            y[begin : begin + rng.integers(5, 140)] = np.nan
        y[0] = y[-1] = 100.0
        parts.append(days(y, unique_id=str(k)))
    pipeline = make(7, trials=7).fit(pd.concat(parts))
    assert finite(pipeline.predict())
    assert np.isfinite(pipeline.leaderboard()["score"].iloc[0])


@pytest.mark.parametrize("broken", ["assemble", "facts_of", "run"])
def test_a_fault_while_choosing_leaves_the_best_trivial_forecaster(make, monkeypatch, broken, caplog):
    def fault(*args, **kwargs):
        raise ValueError("attempt to get argmin of an empty sequence")

    if broken == "run":
        monkeypatch.setattr(fitting.Search, "run", fault)
    else:
        monkeypatch.setattr(fitting, broken, fault)
    pipeline = make(7).fit(days(shop(100, 0, 0)))
    assert finite(pipeline.predict())
    assert pipeline.members[0].family in ("seasonal_naive", "seasonal_mean")
    assert any("argmin" in message for message in pipeline.facts.messages)
    assert "argmin" in caplog.text  # and the way there is in the log
