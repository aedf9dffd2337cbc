"""Catalog x laws: every family keeps every law that it is bound by."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from autots.models.base import Forecast
from autots.models.baseline import Naive
from autots.models.catalog import create, families
from autots.testing.forecasters import LAWS, laws_of

# Smaller than the defaults where the default takes long; the laws are the same.
SMALL = {"auto_arima": {"max_order": 1}, "mlp": {"hidden": 16, "blocks": 1}, "rvfl": {"units": 64}}


@pytest.mark.parametrize(
    ("family", "law"),
    [
        pytest.param(name, law, id=f"{name}-{law.name}")
        for name in families()
        for law in laws_of(create(name, **SMALL.get(name, {})))
    ],
)
def test_family_keeps_law(family, law):
    law.check(partial(create, family, **SMALL.get(family, {})))


def law(name: str):
    return next(one for one in LAWS if one.name == name)


class Learned(Naive):
    """Correct, and the base of the broken ones below."""


class Crossing(Learned):
    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean, made.quantiles[:, :, ::-1])


class Nosy(Learned):
    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean + history.n_series, made.quantiles)


class Writing(Learned):
    def fit(self, panel, task, context):
        panel.y[0] = 0.0
        return super().fit(panel, task, context)


class Forgetful(Learned):
    offset = 0.0

    def fit(self, panel, task, context):
        self.offset = 1.0
        return super().fit(panel, task, context)

    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean + self.offset, made.quantiles)


class Remembering(Learned):
    calls = 0

    def predict(self, history, future):
        self.calls += 1
        made = super().predict(history, future)
        return Forecast(made.mean + self.calls, made.quantiles)


class Stale(Learned):
    def fit(self, panel, task, context):
        self.kept = super().fit(panel, task, context).predict(panel, None)
        return self

    def predict(self, history, future):
        return getattr(self, "kept", None) or super().predict(history, future)


class Coarse(Learned):
    def predict(self, history, future):
        made = super().predict(history, future)
        return Forecast(made.mean.astype(np.float32).astype(float), made.quantiles)


class Deaf(Learned):
    covariates = frozenset({"known"})


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (Crossing, "forecasts_have_their_shapes_and_quantiles_never_cross"),
        (Nosy, "other_series_do_not_matter"),
        (Forgetful, "saving_and_loading_changes_nothing"),
        (Remembering, "predicting_changes_nothing"),
        (Stale, "a_longer_history_is_taken_into_account"),
        (Coarse, "a_high_level_costs_no_precision"),
        (Deaf, "known_covariates_move_the_forecast"),
    ],
)
def test_a_law_finds_who_breaks_it(broken, name):
    law(name).check(Learned) if name != "known_covariates_move_the_forecast" else None
    with pytest.raises(AssertionError):
        law(name).check(broken)


def test_a_forecaster_that_writes_into_the_panel_is_found():
    with pytest.raises(ValueError, match="read-only"):
        law("panels_are_not_changed").check(Writing)


def test_laws_are_chosen_by_what_is_declared():
    assert law("known_covariates_move_the_forecast") in laws_of(Deaf())
    assert law("known_covariates_move_the_forecast") not in laws_of(Naive())
    assert law("undeclared_covariates_do_not_matter") in laws_of(Naive())
