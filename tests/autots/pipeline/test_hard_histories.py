"""Histories that leave a search little to choose by: a fit always returns a forecaster, and says what it lacks."""

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
    assert any("were passed over" in message for message in pipeline.facts.messages)
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


def months(values, **more):
    return pd.DataFrame({"ds": pd.date_range("2015-01-01", periods=len(values), freq="MS"), "y": values, **more})


def airline(n=96, seed=1):
    t = np.arange(n)
    return 100 + 0.5 * t + 12 * np.sin(2 * np.pi * t / 12) + np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("metric", ["mase", "rmse", "wql"])
def test_constant_series_among_others_keep_their_value(make, metric):
    flat = {"four": 4.0, "zero": 0.0, "cold": -250.0, "tenth": 0.1, "huge": 1e12}
    parts = [months(airline(seed=i) * (1 + i), unique_id=f"s{i}") for i in range(3)]
    parts += [months(np.full(96, value), unique_id=name) for name, value in flat.items()]
    pipeline = make(12, metric=metric, trials=11).fit(pd.concat(parts))
    made = pipeline.predict().set_index("unique_id")
    for name, value in flat.items():
        np.testing.assert_allclose(made.loc[name, ["mean", "0.1", "0.9"]], value, rtol=1e-6, atol=1e-9)
    assert (made.loc["s0", "0.9"] > made.loc["s0", "0.1"]).all()
    said = any("5 of 8 series do not count in mase" in message for message in pipeline.facts.messages)
    assert said == (metric == "mase")
    test = pd.concat([months(np.full(100, v), unique_id=k).iloc[96:] for k, v in flat.items()])
    assert pipeline.evaluate(test)["mae"] == 0


@pytest.mark.parametrize("tail", [[1.0, 158.0], [5.0, 0.0, 7.0], [9.0], [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]])
@pytest.mark.parametrize("head", [0.0, 4.0])
def test_what_was_constant_until_its_last_rows_has_intervals(make, head, tail):
    pipeline = make(6, trials=10).fit(months(np.r_[np.full(30, head), tail]))
    made = pipeline.predict()
    assert (made["0.9"] - made["0.1"] > 0.1).all()
    if len(tail) <= 3:
        assert any("not calibrated" in message for message in pipeline.facts.messages)
        assert pipeline.facts.coverage["0.8"] < 1  # what the windows show, whatever the intervals are now


@pytest.mark.parametrize("level", [1e8, 1e9, 1e12])
def test_a_high_level_changes_no_choice(make, level):
    """Four bytes keep seven digits: kept with their level, out-of-fold forecasts of 1e9 had a resolution of 64."""
    plain, high = (make(12, trials=13).fit(months(airline() + shift)) for shift in (0.0, level))
    a, b = plain.predict(), high.predict()
    np.testing.assert_allclose(b["mean"] - level, a["mean"], atol=1.5)
    assert ((b["0.9"] - b["0.1"]) / (a["0.9"] - a["0.1"])).between(0.5, 2).all()
    rank = [p.leaderboard().set_index("model")["score"].drop(index="ensemble", errors="ignore") for p in (plain, high)]
    for name in ("seasonal_naive", "naive", "drift", "mean"):
        assert rank[1][name] == pytest.approx(rank[0][name], rel=1e-3)


def states():
    import random

    import torch

    return random.getstate()[1], np.random.get_state()[1].tobytes(), torch.random.get_rng_state().numpy().tobytes()


def test_a_fit_leaves_the_global_generators_as_they_were(make, monkeypatch):
    """Ray and some imports draw from Python's; here the search does so on purpose, from all of them."""
    import random

    import torch

    run = fitting.Search.run

    def drawing(self, *args, **kwargs):
        random.random(), np.random.random(), torch.rand(1)
        return run(self, *args, **kwargs)

    monkeypatch.setattr(fitting.Search, "run", drawing)
    before = states()
    auto = make(4, trials=10)
    pipeline = auto.fit(months(airline()))
    assert states() == before
    pipeline.predict()
    pipeline.refit()
    pipeline.report()
    assert states() == before
