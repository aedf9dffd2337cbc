"""Series that a member would have to learn first are left to the others."""

import numpy as np
import pytest

from autots.ensembles import Ensemble, Member
from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.models.statistical.arima import AutoARIMA
from autots.panel import Future
from autots.testing.example_panels import panel_of

TASK = Task(horizon=4, seasons=(1,), levels=(0.1, 0.5, 0.9))
PANEL = panel_of([20 + np.random.default_rng(i).normal(size=n) for i, n in enumerate((50, 40, 45, 12, 4))])


def fitted(family, rows, **params):
    return create(family, **params).fit(PANEL.select(rows), TASK, Context())


@pytest.fixture
def counted(monkeypatch):
    """The number of series that automatic ARIMA learns."""
    calls = []
    learn = AutoARIMA._learn
    monkeypatch.setattr(AutoARIMA, "_learn", lambda self, sample: calls.append(1) or learn(self, sample))
    return calls


def test_a_forecast_does_not_wait_for_what_is_slow_to_learn(counted):
    """A member used as its backtest left it has not seen new series: eleven of them took 3.5 s in every forecast."""
    arima, naive = fitted("auto_arima", [0, 1, 2], max_order=1), fitted("naive", [0])
    counted.clear()
    ensemble = Ensemble(TASK, (Member("auto_arima", arima, (0.7, 0.7)), Member("naive", naive, (0.3, 0.3))))
    point, quantiles = ensemble.forecast(PANEL, Future(), ensemble.start())
    assert not counted
    alone = naive.predict(PANEL, Future())
    np.testing.assert_allclose(point[3], alone.median(TASK.levels)[3])
    np.testing.assert_allclose(quantiles[3], alone.quantiles[3])
    # What it has learned, and what nobody would learn, it forecasts as before.
    known = PANEL.select([0, 1, 2, 4])
    again = ensemble.forecast(known, Future(), ensemble.start())
    np.testing.assert_allclose(point[[0, 1, 2, 4]], again[0])
    assert not np.allclose(point[0], alone.median(TASK.levels)[0])


def test_what_nobody_is_ready_for_is_learned(counted):
    arima = fitted("auto_arima", [0, 1, 2], max_order=1)
    counted.clear()
    ensemble = Ensemble(TASK, (Member("auto_arima", arima, (1.0, 1.0)),))
    point, _ = ensemble.forecast(PANEL.select([3]), Future(), ensemble.start())
    assert len(counted) == 1
    assert np.isfinite(point).all()


def test_members_without_a_weight_for_quantiles_can_stand_in():
    arima, naive = fitted("auto_arima", [0], max_order=1), fitted("naive", [0])
    ensemble = Ensemble(TASK, (Member("auto_arima", arima, (0.5, 1.0)), Member("naive", naive, (0.5, 0.0))))
    for made in ensemble.forecast(PANEL, Future(), ensemble.start()):
        assert np.isfinite(made).all()


@pytest.mark.parametrize("family", ["naive", "auto_theta", "smoothing", "linear_direct"])
def test_what_learns_quickly_is_always_ready(family):
    assert fitted(family, [0, 1]).ready(PANEL) is None
