"""The intermittent-demand family against statsforecast's own classes."""

from __future__ import annotations

import numpy as np
import pytest
import statsforecast.models as sf

from autots.models.base import Context, Task
from autots.models.statistical.intermittent import ADIDA, IMAPA, TSB, Croston
from autots.panel import Frequency, Future, Panel
from zoo.errors import ConfigError

TASK = Task(horizon=3, levels=(0.05, 0.1, 0.5, 0.9, 0.95))

PAIRS = {
    "classic": (lambda: Croston(variant="classic"), sf.CrostonClassic),
    "optimized": (lambda: Croston(variant="optimized"), sf.CrostonOptimized),
    "sba": (lambda: Croston(), sf.CrostonSBA),
    "adida": (ADIDA, sf.ADIDA),
    "imapa": (IMAPA, sf.IMAPA),
    "tsb": (lambda: TSB(alpha_d=0.3, alpha_p=0.1), lambda: sf.TSB(alpha_d=0.3, alpha_p=0.1)),
}


def panel(*series) -> Panel:
    lengths = [len(s) for s in series]
    return Panel(
        ids=np.array([f"s{i}" for i in range(len(series))], dtype=object),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([np.arange(n) for n in lengths]),
        y=np.concatenate(series).astype(float),
        freq=Frequency.parse(1),
    )


def demand(n: int, seed: int, rate: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < rate, rng.poisson(4, size=n) + 1.0, 0.0)


def forecast(model, history: Panel):
    return model.fit(history, TASK, Context()).predict(history, Future())


@pytest.mark.parametrize("pair", PAIRS)
def test_rates_are_those_of_statsforecast(pair):
    ours, oracle = PAIRS[pair]
    series = [demand(60, 1), demand(90, 2), demand(40, 3, 0.8)]
    made = forecast(ours(), panel(*series)).mean
    for i, y in enumerate(series):
        np.testing.assert_allclose(made[i], oracle().forecast(y=y, h=3)["mean"], rtol=1e-6)


@pytest.mark.parametrize("pair", PAIRS)
def test_quantiles_have_no_demand_as_often_as_the_series(pair):
    made = forecast(PAIRS[pair][0](), panel(demand(400, 4)))
    assert made.quantiles[0, 0, 2] == 0, "three periods in ten have demand, so the median is none"
    assert made.quantiles[0, 0, 3] > 2


@pytest.mark.parametrize("pair", PAIRS)
def test_the_mean_of_the_quantiles_is_the_rate(pair):
    model = PAIRS[pair][0]()
    history = panel(demand(300, 5))
    levels = (*np.linspace(0.0025, 0.9975, 200), 0.5)
    made = model.fit(history, Task(1, levels=tuple(sorted(levels))), Context()).predict(history, Future())
    np.testing.assert_allclose(made.quantiles[0, 0].mean(), made.mean[0, 0], rtol=0.05)


def test_a_missing_value_is_not_interpolated_into_a_demand():
    y = demand(60, 1)
    holed = np.insert(y, 30, np.nan)
    np.testing.assert_array_equal(forecast(TSB(), panel(holed)).mean, forecast(TSB(), panel(y)).mean)


def test_tsb_forgets_a_demand_that_ended():
    ended = np.concatenate([demand(60, 1), np.zeros(40)])
    assert forecast(TSB(), panel(ended)).mean[0, 0] < 0.05 * forecast(Croston(), panel(ended)).mean[0, 0]


def test_series_that_are_no_demand_get_their_distribution():
    made = forecast(Croston(), panel(np.array([-1.0, 2, -3, 4] * 10), np.zeros(20), np.full(5, np.nan)))
    assert made.mean[0, 0] == pytest.approx(0.5)
    assert made.quantiles[0, 0, 0] < 0 < made.quantiles[0, 0, -1]
    assert (made.quantiles[1:] == 0).all()


@pytest.mark.parametrize("build", [lambda: Croston(variant="x"), lambda: TSB(alpha_d=0.0), lambda: TSB(alpha_p=2)])
def test_invalid_hyperparameters_are_refused(build):
    with pytest.raises(ConfigError, match="must"):
        build()
