"""The models that learn over all series: what they use, where they stop, and that the recursion is one."""

import dataclasses

import numpy as np
import pytest

from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.models.origins import ForecastOrigins
from autots.models.windows import WindowTable, bounds
from autots.panel import Future
from autots.testing.example_panels import example_future, example_panel, panel_of
from zoo.errors import ModelError

TASK = Task(horizon=5, seasons=(4,), levels=(0.1, 0.5, 0.9))
FAMILIES = ("linear_direct", "trees_direct", "trees_recursive", "mlp", "rvfl")
NORMS = ("mean", "standard", "last", "none")
each = pytest.mark.parametrize("family", FAMILIES)


@each
@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_fits_and_scales_with_the_series(family, norm):
    """Ten times the values give ten times the forecasts, except without a norm."""
    panel = example_panel(lengths=(60, 60, 60))
    loud = dataclasses.replace(panel, y=10 * panel.y)
    future = example_future(panel)
    one, ten = (create(family, norm=norm).fit(p, TASK, Context()).predict(p, future) for p in (panel, loud))
    assert one.mean.shape == (3, 5)
    if norm != "none":
        np.testing.assert_allclose(ten.mean, 10 * one.mean, rtol=0.02)


@each
def test_a_seasonal_series_is_continued(family):
    season = np.array([10.0, 30.0, 20.0, 60.0])
    panel = panel_of([np.tile(season, 25) * size for size in (1.0, 2.0, 5.0, 7.0)])
    made = create(family).fit(panel, TASK, Context()).predict(panel, Future())
    expected = np.tile(season, 2)[:5] * np.array([[1.0], [2.0], [5.0], [7.0]])
    np.testing.assert_allclose(made.mean, expected, rtol=0.15)


@each
def test_no_forecast_leaves_the_bounds_of_its_series(family):
    """A trend that the training windows never saw cannot run away."""
    rng = np.random.default_rng(0)
    panel = panel_of([np.cumsum(rng.normal(size=60)) + 20 for _ in range(4)])
    wild = panel_of([np.concatenate([np.ones(56), [10.0, 100.0, 1e3, 1e4]])])
    model = create(family, norm="last").fit(panel, TASK, Context())
    low, high = bounds(wild)
    made = model.predict(wild, Future())
    assert (made.mean >= low).all()
    assert (made.mean <= high).all()


@each
def test_a_series_that_never_was_negative_stays_so(family):
    rng = np.random.default_rng(0)
    panel = panel_of([np.maximum(20.0 - np.arange(40) + rng.normal(size=40), 0.0) for _ in range(5)])
    made = create(family).fit(panel, TASK, Context()).predict(panel, Future())
    assert (made.mean >= 0).all()


@each
def test_known_covariates_are_taken_at_the_step_where_they_act(family):
    rng = np.random.default_rng(0)
    x = (rng.random((4, 120)) < 0.3).astype(float)
    panel = panel_of([10 + 20 * row + rng.normal(size=120) for row in x], known=x.ravel())
    model = create(family).fit(panel, dataclasses.replace(TASK, seasons=(1,)), Context())
    pulse = np.tile([0.0, 0.0, 1.0, 0.0, 1.0], (4, 1))
    made = model.predict(panel, Future({"x": pulse})).mean
    assert made[pulse == 1].min() > made[pulse == 0].max() + 8


@each
@pytest.mark.parametrize("squared", [False, True])
def test_the_loss_follows_what_the_task_rewards(family, squared):
    """Of a skewed target the mean lies above the median."""
    rng = np.random.default_rng(0)
    panel = panel_of([rng.exponential(size=200) + 1 for _ in range(10)])
    task = Task(horizon=3, levels=(0.1, 0.5, 0.9), squared_error=squared)
    made = create(family).fit(panel, task, Context()).predict(panel, Future()).mean.mean()
    assert made == pytest.approx(2.0 if squared else 1.69, abs=0.17)


@each
def test_a_panel_with_nothing_to_learn_from_is_a_model_error(family):
    with pytest.raises(ModelError):
        create(family).fit(panel_of([np.ones(1), np.ones(1)]), TASK, Context())
    with pytest.raises(ModelError):
        create(family).fit(panel_of([np.full(40, np.nan)]), TASK, Context())


def test_the_hybrid_comes_back_from_its_state():
    panel = example_panel()
    model = create("trees_direct", linear=True, norm="standard", rounds=20).fit(panel, TASK, Context())
    again = create("trees_direct", **model.params.to_dict()).restore(model.state())
    future = example_future(panel)
    np.testing.assert_array_equal(model.predict(panel, future).quantiles, again.predict(panel, future).quantiles)


def test_the_hybrid_goes_on_with_a_trend_that_trees_cannot_see():
    t = np.arange(80.0)
    panel = panel_of([t + 5 * np.tile([0, 1, 0, -1.0], 20) + size for size in (0, 50, 100)])
    made = create("trees_direct", linear=True, norm="last").fit(panel, TASK, Context()).predict(panel, Future())
    expected = np.arange(80.0, 85.0) + 5 * np.array([0, 1, 0, -1.0, 0]) + np.array([[0], [50], [100]])
    np.testing.assert_allclose(made.mean, expected, atol=2.5)


@pytest.mark.parametrize("norm", NORMS)
def test_the_recursion_is_one_step_after_the_other_on_a_growing_history(norm):
    """By hand: forecast a row from the whole history, append it, forecast the next."""
    panel = example_panel(lengths=(90, 70))
    model = create("trees_recursive", norm=norm, rounds=30).fit(panel, TASK, Context())
    rng = np.random.default_rng(0)
    future = Future({"x": rng.normal(size=(2, 5))})
    got = model.predict(panel, future).mean
    low, high = bounds(panel)
    for i in range(2):
        history = panel.select([i])
        y, x = history.filled(), history.known["x"]
        for step in range(5):
            longer = panel_of([np.append(y, 0.0)], known=np.append(x, future.known["x"][i, step]))
            table = WindowTable(longer, TASK, model._window, y=longer.y)
            at = ForecastOrigins(np.array([0]), np.array([len(y) - 1]))
            level, scale = table.scale(at)
            row, *_ = table.features(at, np.array([1]), level, scale)
            one = np.clip(model._trees.predict(row) * scale + level, low[i], high[i])
            y, x = np.append(y, one), np.append(x, future.known["x"][i, step])
        np.testing.assert_allclose(got[i], y[-5:], rtol=1e-3)


def test_the_order_of_series_does_not_matter_where_rows_are_drawn():
    """More rows than ``max_rows``: what is drawn must be the same rows of the same series."""
    panel = example_panel(lengths=(80, 90, 100, 70))
    order = np.array([2, 0, 3, 1])
    turned = panel.select(order)
    for family, most in (("trees_direct", {"max_rows": 200}), ("trees_recursive", {"max_rows": 80}),
                         ("linear_direct", {"max_windows": 60})):  # fmt: skip
        a, b = (
            create(family, **most).fit(p, TASK, Context(seed=5)).predict(p, example_future(p)) for p in (panel, turned)
        )
        np.testing.assert_allclose(a.mean[order], b.mean, rtol=1e-6)


def test_repeated_ids_with_a_loud_neighbour_are_forecast_alike():
    """A batch of histories is forecast as each alone: windows of different series never mix."""
    panel = example_panel(lengths=(60, 60))
    loud = panel_of([panel.series(0), 1e9 * panel.series(1)], known=panel.known["x"])
    for family in FAMILIES:
        model = create(family).fit(panel, TASK, Context())
        one = model.predict(panel.select([0]), example_future(panel.select([0]))).mean[0]
        np.testing.assert_allclose(model.predict(loud, example_future(loud)).mean[0], one, rtol=1e-5)


@each
def test_logarithms_do_not_explode(family):
    """Found on yearly series: one that grew a thousandfold had a 90 % quantile of 1e37 on the original scale."""
    rng = np.random.default_rng(0)
    series = [10 * np.exp(rng.normal(0, 0.1, 40).cumsum()) for _ in range(8)]
    series += [np.concatenate([rng.uniform(1, 2, 20), rng.uniform(1, 1e5, 20)]) for _ in range(3)]
    panel = panel_of(series)
    model = create(family, log=True).fit(panel, Task(6, (1,)), Context(seed=0))
    made = model.predict(panel, Future())
    highest = np.array([max(one) for one in series])[:, None]
    assert (made.mean <= 3 * highest).all()
    assert (made.quantiles <= 11 * highest[..., None]).all()


@pytest.mark.parametrize("family", ["linear_direct", "trees_direct", "trees_recursive", "rvfl", "mlp", "smoothing"])
def test_new_series_do_not_cost_old_ones_their_season(family):
    """The median series was asked whether a season fits: six new ones, and five old ones had none."""
    t, rng = np.arange(96), np.random.default_rng(0)
    old = [100 + 12 * np.sin(2 * np.pi * t / 12) + rng.normal(size=96) for _ in range(5)]
    new = [100 + 12 * np.sin(2 * np.pi * t[-10:] / 12) + rng.normal(size=10) for _ in range(6)]
    panel, task = panel_of([*old, *new]), Task(horizon=12, seasons=(12,))
    made = create(family).fit(panel, task, Context(1)).predict(panel, Future()).mean
    expected = 100 + 12 * np.sin(2 * np.pi * np.arange(96, 108) / 12)
    assert np.abs(made[:5] - expected).mean() < 3
    assert np.isfinite(made).all()
