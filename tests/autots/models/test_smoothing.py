"""Exponential smoothing over a grid: it finds what made a series, and each series is on its own."""

from __future__ import annotations

import numpy as np
import pytest

from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.models.statistical import smoothing
from autots.panel import Future
from autots.testing.example_panels import panel_of
from zoo.clock import Deadline
from zoo.errors import BudgetError, ConfigError, ModelError

TASK = Task(horizon=8, seasons=(4,), levels=(0.1, 0.5, 0.9))
T = np.arange(60)
SEASON = np.array([1.0, -2.0, 0.5, 0.5])[T % 4]
FACTOR = np.array([1.3, 0.6, 1.0, 1.1])


def forecast(series, *, task=TASK, **params):
    panel = panel_of(series)
    return create("smoothing", **params).fit(panel, task, Context()).predict(panel, Future())


def test_a_level_a_line_and_a_seasonal_line_go_on():
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.05, size=(3, 60))
    made = forecast([20 + noise[0], 5 + 0.5 * T + noise[1], 5 + 0.5 * T + 3 * SEASON + noise[2]])
    ahead = 60 + np.arange(8)
    assert made.mean[0] == pytest.approx(np.full(8, 20), abs=0.1)
    assert made.mean[1] == pytest.approx(5 + 0.5 * ahead, abs=0.3)
    assert made.mean[2] == pytest.approx(5 + 0.5 * ahead + 3 * SEASON[ahead % 4], abs=0.4)


def test_a_season_that_grows_with_the_level_is_multiplied():
    t = np.arange(120)
    grown = (50 + 2.0 * t) * FACTOR[t % 4] * np.exp(np.random.default_rng(1).normal(scale=0.05, size=120))
    ahead = 120 + np.arange(8)
    made = forecast([grown])
    assert made.mean[0] == pytest.approx((50 + 2.0 * ahead) * FACTOR[ahead % 4], rel=0.1)
    # Errors in proportion to the level: the peaks are less certain than the troughs.
    width = made.quantiles[0, :, 2] - made.quantiles[0, :, 0]
    assert width[0] > 1.5 * width[1]


def test_the_interval_covers_random_walks():
    rng = np.random.default_rng(2)
    walks = rng.normal(size=(200, 108)).cumsum(axis=1)
    made = forecast(list(walks[:, :100]))
    inside = (walks[:, 100:] >= made.quantiles[..., 0]) & (walks[:, 100:] <= made.quantiles[..., 2])
    assert 0.7 < inside.mean() < 0.9


def test_damped_slopes_go_less_far_than_any():
    curve = 100 * np.sqrt(T + 1.0) + np.random.default_rng(3).normal(scale=2, size=60)
    curve[-6:] += 40 * np.arange(6)  # a steep end
    steep, damped = (forecast([curve], trend=trend).mean[0, -1] for trend in ("any", "damped"))
    assert damped < steep


def test_a_forecast_does_not_depend_on_who_else_is_there(monkeypatch):
    """Not even in the last bit, wherever the chunks of paths end."""
    rng = np.random.default_rng(4)
    series = [10 + rng.normal(size=n).cumsum() + 3 * SEASON[np.arange(n) % 4] for n in (60, 33, 12, 48, 20, 60)]
    series[3] = np.exp(series[3] / 10)
    together = forecast(series)
    monkeypatch.setattr(smoothing, "_PATHS_AT_ONCE", 1)
    for i, one in enumerate(series):
        alone = forecast([one])
        assert (alone.mean[0] == together.mean[i]).all()
        assert (alone.quantiles[0] == together.quantiles[i]).all()


def test_what_is_new_or_was_too_short_is_weighed_when_it_is_forecast():
    panel = panel_of([20 + SEASON, np.full(60, 3.0)], ids=["a", "b"])
    model = create("smoothing").fit(panel, TASK, Context())
    rng = np.random.default_rng(5)
    moved = panel_of([rng.normal(size=60), rng.normal(size=50)], ids=["b", "new"])
    got = model.predict(moved, Future())
    want = create("smoothing").fit(moved, TASK, Context()).predict(moved, Future())
    assert (got.mean == want.mean).all()


def test_a_series_that_explodes_gets_no_absurd_forecast():
    made = forecast([1.5 ** np.arange(40.0), np.r_[np.zeros(39), 1e6], 1e-9 + np.r_[np.ones(39), 0.0]])
    highest = np.array([1.5**39, 1e6, 1.0])
    assert (np.abs(made.mean) < 5 * highest[:, None]).all()


def test_a_season_too_long_for_states_counts_as_none():
    y = np.sin(np.arange(300.0))
    with_it = forecast([y], task=Task(horizon=3, seasons=(100,)))
    without = forecast([y], task=Task(horizon=3))
    assert (with_it.mean == without.mean).all()


def test_mistakes_are_told():
    with pytest.raises(ConfigError, match="'any' or 'damped'"):
        create("smoothing", trend="up")
    with pytest.raises(ConfigError, match="penalty"):
        create("smoothing", penalty=-1)
    with pytest.raises(ModelError, match="fitted before it predicts"):
        create("smoothing").predict(panel_of([T]), Future())
    with pytest.raises(BudgetError, match="had none of 1 series"):
        create("smoothing").fit(panel_of([SEASON]), TASK, Context(deadline=Deadline.after(-1.0)))
