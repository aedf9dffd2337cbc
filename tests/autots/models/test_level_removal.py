"""Levels cost no digits: every family with the hyper-parameters that a search gives it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.models.level_removal import high, levels_of
from autots.models.state_files import dump, load
from autots.panel import Future
from autots.testing.example_panels import panel_of
from autots.testing.forecasters import law_named

SMALL = {"mlp": {"hidden": 16, "blocks": 1}, "rvfl": {"units": 64}, "auto_arima": {"max_order": 1}}
LEARNERS = ("linear_direct", "trees_direct", "trees_recursive", "mlp", "rvfl")
TASK = Task(horizon=6, seasons=(4,), levels=(0.1, 0.5, 0.9))


def season_panel(level=0.0):
    rng = np.random.default_rng(0)
    rows = [50 + 0.2 * np.arange(n) + 8 * np.sin(np.pi * np.arange(n) / 2) + rng.normal(size=n) for n in (60, 48, 55)]
    return panel_of([level + row for row in rows])


def made(build, level):
    panel = season_panel(level)
    forecast = build().fit(panel, TASK, Context(7)).predict(panel, Future())
    return forecast.mean - level, forecast.quantiles - level


@pytest.mark.parametrize(("norm", "log"), [("mean", False), ("standard", False), ("last", True), ("none", False)])
@pytest.mark.parametrize("family", LEARNERS)
def test_every_norm_keeps_its_digits(family, norm, log):
    law_named("a_high_level_costs_no_precision").check(
        partial(create, family, norm=norm, log=log, **SMALL.get(family, {}))
    )


@pytest.mark.parametrize(
    ("family", "params"),
    [
        ("trees_direct", {"norm": "mean", "linear": True}),
        ("auto_theta", {"method": "DOTM"}),
        ("auto_ets", {"model": "ANZ"}),
        ("smoothing", {"trend": "damped", "penalty": 1.0}),
        ("auto_theta", {"transform": "log"}),
    ],
)
def test_the_portfolios_variants_keep_their_digits(family, params):
    law_named("a_high_level_costs_no_precision").check(partial(create, family, **params))


@pytest.mark.parametrize(
    ("family", "params"),
    [(f, {}) for f in ("naive", "seasonal_naive", "drift", "mean", "seasonal_mean", "empirical", "sarimax", "mstl")]
    + [(f, {"norm": n}) for f in LEARNERS for n in ("standard", "last")],
)
def test_families_without_factors_forecast_a_level_higher_from_zero_on(family, params):
    build = partial(create, family, **{**SMALL.get(family, {}), **params})
    for a, b in zip(made(build, 0.0), made(build, 1e9), strict=True):
        np.testing.assert_allclose(a, b, atol=0.05)


@pytest.mark.parametrize("family", ["auto_ets", "auto_arima", "auto_ces", "smoothing", "linear_direct", "mlp", "rvfl"])
def test_a_level_of_a_billion_thousands_is_forecast(family):
    build = partial(create, family, **SMALL.get(family, {}))
    for a, b in zip(made(build, 1e6), made(build, 1e12), strict=True):
        np.testing.assert_allclose(a, b, atol=0.5)  # the data themselves have steps of 1e-4 there


@pytest.mark.parametrize("family", ["auto_theta", "smoothing", "linear_direct"])
def test_the_level_is_part_of_the_state(family, tmp_path):
    panel = season_panel(1e9)
    model = create(family).fit(panel.drop_last(3), TASK, Context(7))
    dump(model.state(), tmp_path, "m")
    again = create(family).restore(load(tmp_path, "m"))
    np.testing.assert_array_equal(again.predict(panel, Future()).mean, model.predict(panel, Future()).mean)


@pytest.mark.parametrize("family", ["auto_theta", "smoothing", "linear_direct"])
def test_a_state_of_an_earlier_version_has_no_level(family):
    panel = season_panel()
    model = create(family).fit(panel, TASK, Context(7))
    state = {k: v for k, v in model.state().items() if k not in ("level", "norm")}
    if "learned" in state:
        state["learned"] = {k: v for k, v in state["learned"].items() if k != "level"}
    again = create(family).restore(state)
    np.testing.assert_array_equal(again.predict(panel, Future()).mean, model.predict(panel, Future()).mean)


def test_ordinary_series_have_no_level():
    panel = panel_of([np.arange(40.0), 100 + np.arange(4.0), np.zeros(9), 1e6 + np.arange(3.0), np.full(5, 7.0)])
    np.testing.assert_array_equal(levels_of(panel), [0, 0, 0, 1e6 + 1, 7])
    assert not high(panel)
    assert high(replace(panel, y=panel.y + 1e6))
