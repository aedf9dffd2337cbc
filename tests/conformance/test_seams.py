"""Catalog x choices x laws of the seams: transforms, intervals, strategies and covariates in every combination."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from autots.models.base import Forecast
from autots.models.baseline import Naive
from autots.models.catalog import create, families
from autots.testing.seams import SEAM_LAWS, cells, seam_laws_of

# Smaller than the defaults where the default takes long; the laws are the same.
SMALL: dict[str, dict[str, Any]] = {
    "auto_arima": {"max_order": 1, "max_seasonal": 1},
    "mlp": {"hidden": 8, "blocks": 1, "effort": 0.02},
    "rvfl": {"units": 64},
    "sarimax": {"p": 1, "q": 1},
}
# Families whose fits take seconds: their choices are tried where slow tests are, those of the slowest altogether.
SLOW, SLOWEST = {"sarimax", "mlp", "trees_direct", "trees_recursive"}, {"auto_arima"}


def _cases():
    for name in families():
        for cell in cells(name):
            params = {**SMALL.get(name, {}), **cell}
            marks = [pytest.mark.slow] if name in SLOWEST or (name in SLOW and cell) else []
            said = "-".join(f"{key}={value}" for key, value in cell.items()) or "default"
            for law in seam_laws_of(create(name, **params)):
                yield pytest.param(name, params, law, id=f"{name}-{said}-{law.name}", marks=marks)


@pytest.mark.parametrize(("name", "params", "law"), list(_cases()))
def test_every_choice_keeps_the_laws_of_the_seams(name, params, law):
    law.check(partial(create, name, **params))


def law(name: str):
    return next(one for one in SEAM_LAWS if one.name == name)


class Early(Naive):
    """Moved by the covariate of the step after."""

    covariates = frozenset({"known"})

    def predict(self, history, future):
        made = super().predict(history, future)
        x = next(iter(future.known.values()), np.zeros_like(made.mean))
        return Forecast(made.mean + np.roll(x, -1, axis=1), made.quantiles)


class Deaf(Early):
    """Declares covariates, and is moved by none."""

    def predict(self, history, future):
        return Naive.predict(self, history, future)


class Nosy(Naive):
    """Looks at the other series."""

    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean + history.y.max() * 1e-3, made.quantiles)


class Exploding(Naive):
    """Takes a logarithm's variance back without a bound."""

    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean, made.quantiles * np.exp(5.0))


class Metric(Naive):
    """Adds a constant that has a unit."""

    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean + 10.0, made.quantiles)


class Dated(Naive):
    """Reads the number of the row as a year."""

    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean + float(history.times.max() > 2000), made.quantiles)


@pytest.mark.parametrize(
    ("broken", "name", "message"),
    [
        (Early, "a_covariate_moves_no_earlier_step", "x at step"),
        (Deaf, "a_covariate_moves_no_earlier_step", "moves any forecast"),
        (Nosy, "no_value_crosses_series", "other values of series"),
        (Exploding, "logs_do_not_explode", "times the largest"),
        (Metric, "units_do_not_matter", "in units of"),
        (Dated, "the_year_does_not_matter", "rows later"),
    ],
)
def test_a_law_catches_what_breaks_it(broken, name, message):
    with pytest.raises(AssertionError, match=message):
        law(name).check(broken)


def test_cells_cover_every_choice_that_a_search_draws():
    from autots.models.catalog import family
    from autots.models.hyperparameters import OneOf

    for name in families():
        seen = {(key, str(value)) for cell in cells(name) for key, value in cell.items()}
        for key, one in family(name).hyperparameters.described().items():
            if isinstance(one.allowed, OneOf):
                assert all(option == one.default or (key, str(option)) in seen for option in one.search), (name, key)
