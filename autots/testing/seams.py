"""Laws at the seams of transform, interval, strategy and covariate, for anyone's forecaster.

Users of every library for forecasting report the same silent errors: a covariate that moves the step before its own, a
value that crosses into another series, a logarithm that makes an interval explode, units that change the answer. Each
law is a function of a factory, as those in ``autots.testing.forecasters``; ``cells`` lists configurations so that every
choice a family offers is in one of them.

    >>> from autots.models.catalog import create
    >>> for law in seam_laws_of(create("seasonal_naive")):
    ...     law.check(lambda: create("seasonal_naive"))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, Task
from autots.models.catalog import family
from autots.models.hyperparameters import OneOf
from autots.panel import Floats, Future, Panel
from autots.testing.example_panels import EXAMPLE_HORIZON, example_future, example_panel, panel_of
from autots.testing.forecasters import Factory, Law

__all__ = ["SEAM_LAWS", "cells", "seam_laws_of"]

_TASK = Task(horizon=EXAMPLE_HORIZON, seasons=(4,), levels=(0.1, 0.3, 0.5, 0.7, 0.9))
_CONTEXT = Context(seed=7)
# Forecasts that are equal but for rounding.
_ROUNDING = 1e-9
# Forecasts of the same series in other units are this near: fits end where a tolerance says so.
_UNITS = 0.05
# Forecasts of what has no noise are exact from here on, in ranges of their series, and then have no width beyond this.
_EXACT, _NO_WIDTH = 1e-9, 1e-6
# Times the largest value of a calm positive history that no quantile of its forecast may pass.
_EXPLODED = 10.0


def cells(name: str) -> Iterator[dict[str, Any]]:
    """Yield hyper-parameters of a family: its defaults, then each choice that differs from them, one at a time.

    Args:
        name: The family's name in the catalog.
    """
    yield {}
    for key, one in family(name).hyperparameters.described().items():
        if isinstance(one.allowed, OneOf):
            yield from ({key: option} for option in one.search or one.allowed.options[:8] if option != one.default)


def seam_laws_of(forecaster: Forecaster) -> tuple[Law, ...]:
    """Return the laws that bind a forecaster, by what its class declares."""
    return tuple(law for law in SEAM_LAWS if law.applies(forecaster))


def a_covariate_moves_no_earlier_step(build: Factory) -> None:
    """Check that a known covariate at step k changes no forecast of a step before k, and that one at all moves any."""
    panel = example_panel()
    model = _fitted(build, panel)
    before = model.predict(panel, example_future(panel))
    moved = 0.0
    for step in range(EXAMPLE_HORIZON):
        known = np.zeros((panel.n_series, EXAMPLE_HORIZON))
        known[:, step] = 2.0
        after = model.predict(panel, Future({"x": known}))
        _near(_steps(after, slice(0, step)), _steps(before, slice(0, step)), why=f"x at step {step + 1}, steps before")
        moved = max(moved, float(np.abs(after.mean[:, step:] - before.mean[:, step:]).max()))
    assert moved > 0, "no step of the known covariate moves any forecast"


def no_value_crosses_series(build: Factory) -> None:
    """Check that what a fitted model says of a series depends on no value of another one."""
    panel = example_panel()
    model = _fitted(build, panel)
    future = example_future(panel)
    before = model.predict(panel, future)
    for other in range(1, panel.n_series):
        y = panel.y.copy()
        y[panel.indptr[other] : panel.indptr[other + 1]] *= -3.0
        known = {"x": panel.known["x"].copy()}
        known["x"][panel.indptr[other] : panel.indptr[other + 1]] = 9.0
        after = model.predict(replace(panel, y=y, known=known), future)
        kept = [i for i in range(panel.n_series) if i != other]
        _near(_rows(after, kept), _rows(before, kept), why=f"other values of series {other}")


def logs_do_not_explode(build: Factory) -> None:
    """Check that no quantile of calm positive series, short ones and some with zeros among them, is far outside."""
    chance = np.random.default_rng(3)
    series = [
        20 * np.exp(0.2 * chance.normal(size=48)),
        np.maximum(chance.poisson(2.0, 48).astype(float), 0.0),
        100 + chance.normal(size=9),
        np.where(np.arange(48) % 12 == 0, 0.0, 50 + chance.normal(size=48)),
        1e-3 * (2 + 0.1 * chance.normal(size=48)),
    ]
    panel = panel_of(series)
    made = _fitted(build, panel).predict(panel, Future())
    most = np.array([np.max(one) for one in series])
    worst = np.maximum(np.abs(made.quantiles).max(axis=(1, 2)), np.abs(made.mean).max(axis=1)) / most
    assert (worst <= _EXPLODED).all(), f"forecasts are {worst.round(1).tolist()} times the largest values"


def units_do_not_matter(build: Factory) -> None:
    """Check that series in other units (grams, tonnes) have the same forecasts in those units."""
    panel = example_panel(lengths=(48, 48, 48))
    future = example_future(panel)
    expected = _fitted(build, panel).predict(panel, future)
    for unit in (1e-6, 1e6):
        scaled = replace(panel, y=panel.y * unit)
        made = _fitted(build, scaled).predict(scaled, future)
        same = Forecast(made.mean / unit, made.quantiles / unit)
        _near(same, expected, tolerance=_UNITS, why=f"in units of {1 / unit:g}")


def the_year_does_not_matter(build: Factory) -> None:
    """Check that the same rows on a later clock without a calendar have the same forecasts."""
    panel = example_panel()
    future = example_future(panel)
    expected = _fitted(build, panel).predict(panel, future)
    later = replace(panel, times=panel.times + 4000)
    _near(_fitted(build, later).predict(later, future), expected, why="4,000 rows later")


def a_constant_has_no_width(build: Factory) -> None:
    """Check that what has never changed is forecast to go on, without a width, beside series that do change."""
    chance = np.random.default_rng(5)
    panel = panel_of([np.full(40, 7.0), 20 + chance.normal(size=40), np.zeros(40), np.full(40, -1e5)])
    made = _backtested(build, panel)
    for row, value in ((0, 7.0), (2, 0.0), (3, -1e5)):
        gap = float(np.abs(made.quantiles[row] - value).max())
        assert gap <= 1e-6 * max(abs(value), 1.0), f"a constant of {value:g} is forecast {gap:g} away from it"


def a_constant_is_forecast_in_its_own_unit(build: Factory) -> None:
    """Check that constants of 7, 1e6 and 1e-6 in one panel are missed, and widened, by less than their own size."""
    size = np.array([7.0, 1e6, 1e-6])
    panel = panel_of([np.full(60, value) for value in size])
    made = _fitted(build, panel).predict(panel, Future())
    width = np.ptp(made.quantiles, axis=2).max(axis=1) / size
    assert width.max() <= 1, f"a constant has a width of {width.max():g} times its size"
    gap = np.abs(made.mean / size[:, None] - 1).max()
    assert gap <= 1, f"a constant is forecast {gap:g} times its size away"


def what_is_forecast_exactly_has_no_width(build: Factory) -> None:
    """Check that a panel without noise, where the model forecasts it exactly, has no width after calibration."""
    t = np.arange(48.0 + EXAMPLE_HORIZON)
    season = np.resize([3.0, 9.0, 5.0, 1.0], len(t))
    sizes = (1.0, 20.0, 300.0)
    kinds = {
        "seasons": [s * (5 + season) for s in sizes],
        "lines": [s * (5 + 0.25 * t) for s in sizes],
        "lines with a season": [s * (40 + 0.5 * t + season) for s in sizes],
    }
    for name, series in kinds.items():
        panel = panel_of([one[:-EXAMPLE_HORIZON] for one in series])
        made = _backtested(build, panel)
        size = np.array([np.ptp(one) for one in series])
        off = np.abs(made.mean - np.stack([one[-EXAMPLE_HORIZON:] for one in series])).max(axis=1)
        width = float((np.ptp(made.quantiles, axis=2).max(axis=1) / size).max())
        if (off <= _EXACT * size).all():
            assert width <= _NO_WIDTH, f"{name} are forecast exactly, but with a width of {width:.3g} of their range"


def _backtested(build: Factory, panel: Panel) -> Forecast:
    """Return a forecast as an ensemble makes it of one model, calibrated by its backtest."""
    from autots.ensembles import Ensemble, Member
    from autots.evaluate import backtest, plan_cutoffs, targets_of
    from autots.intervals import fit_conformal

    plan = plan_cutoffs(panel.lengths, EXAMPLE_HORIZON, season=_TASK.season)
    assert plan is not None
    found = backtest(build, panel, plan, _TASK, _CONTEXT)
    targets = targets_of(panel, plan, _TASK.season)
    quantiles = found.quantiles + targets.above(slice(None))[..., None]
    conformal = fit_conformal(
        targets.actual, quantiles, targets.scale, _TASK.levels, non_negative=bool(np.nanmin(panel.y) >= 0)
    )
    model = build().fit(panel, _TASK, _CONTEXT)
    ensemble = Ensemble(_TASK, (Member(model.name, model, (1.0, 1.0)),), conformal)
    future = Future({name: np.zeros((panel.n_series, EXAMPLE_HORIZON)) for name in panel.known})
    return Forecast(*ensemble.forecast(panel, future, ensemble.start()))


def calibrated_quantiles_keep_their_order(build: Factory) -> None:
    """Check that calibrated quantiles never cross, contain the point, and are finite, for odd series too."""
    chance = np.random.default_rng(11)
    walk = 50 + chance.normal(size=48).cumsum()
    series = [walk, chance.poisson(0.4, 48).astype(float), np.r_[np.zeros(30), 1.0, 158.0, 3.0, 0.0, 9.0]]
    panel = panel_of([*series, 1e9 + chance.normal(size=48)])
    made = _backtested(build, panel)
    assert np.isfinite(made.quantiles).all() and np.isfinite(made.mean).all(), "a calibrated forecast is not finite"
    assert (np.diff(made.quantiles, axis=2) >= 0).all(), "calibrated quantiles cross"
    low, high = made.quantiles[:, :, 0], made.quantiles[:, :, -1]
    assert ((made.mean >= low) & (made.mean <= high)).all(), "the point is outside of its own interval"


def _fitted(build: Factory, panel: Panel) -> Forecaster:
    return build().fit(panel, _TASK, _CONTEXT)


def _steps(forecast: Forecast, at: slice) -> Forecast:
    return Forecast(forecast.mean[:, at], forecast.quantiles[:, at])


def _rows(forecast: Forecast, rows: list[int]) -> Forecast:
    return Forecast(forecast.mean[rows], forecast.quantiles[rows])


def _near(left: Forecast, right: Forecast, *, tolerance: float = _ROUNDING, why: str) -> None:
    """Raise where two forecasts differ by more than a share of their size, series by series."""
    for name in ("mean", "quantiles"):
        one: Floats = getattr(left, name)
        other: Floats = getattr(right, name)
        if not one.size:
            continue
        axes = tuple(range(1, one.ndim))
        gap = np.abs(one - other).max(axis=axes) / np.maximum(np.abs(other).max(axis=axes), 1e-300)
        assert (gap <= tolerance).all(), f"{why}: {name} differs by {gap.max():.3g} of its size"


def _always(_: Forecaster) -> bool:
    return True


#: Every law of the seams, in the order of reading.
SEAM_LAWS: tuple[Law, ...] = tuple(
    Law(check.__name__, check, applies)
    for check, applies in (
        (a_covariate_moves_no_earlier_step, lambda one: "known" in one.covariates and not one.anticipates),
        (no_value_crosses_series, _always),
        (logs_do_not_explode, _always),
        (units_do_not_matter, _always),
        (the_year_does_not_matter, _always),
        (a_constant_has_no_width, _always),
        (a_constant_is_forecast_in_its_own_unit, _always),
        (what_is_forecast_exactly_has_no_width, _always),
        (calibrated_quantiles_keep_their_order, _always),
    )
)
