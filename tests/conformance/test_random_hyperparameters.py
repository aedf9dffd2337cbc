"""Laws hold for whatever a family's dataclass allows, not for its defaults alone: values are drawn from the fields."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autots.models.catalog import create, families, family
from autots.models.hyperparameters import ListOf, OneOf
from autots.testing.forecasters import LAWS

#: What is drawn instead where the field's whole range would take minutes; the laws are the same.
CHEAP = {
    ("mlp", "hidden"): st.integers(1, 16),
    ("mlp", "blocks"): st.integers(0, 2),
    ("mlp", "effort"): st.floats(1e-6, 1e-3),
    ("rvfl", "units"): st.integers(1, 64),
    ("auto_arima", "max_order"): st.integers(1, 2),
    ("auto_arima", "max_seasonal"): st.just(1),
    ("sarimax", "p"): st.integers(0, 2),
    ("sarimax", "q"): st.integers(0, 2),
    ("sarimax", "harmonics"): st.integers(0, 3),
}
#: Families whose fits take seconds rather than milliseconds.
SLOW = {"auto_ets", "auto_theta", "auto_arima", "mstl", "sarimax", "mlp", "trees_direct", "trees_recursive"}
CHECKED = ("forecasts_have_their_shapes_and_quantiles_never_cross", "saving_and_loading_changes_nothing")
#: Widest part of an unbounded range that is drawn from.
WIDEST = 40


def values(name, key, one):
    """Return a strategy of what a field allows."""
    drawn = CHEAP[name, key] if (name, key) in CHEAP else _allowed(one.allowed)
    return st.none() | drawn if one.optional else drawn


def _allowed(allowed):
    if isinstance(allowed, OneOf):
        return st.sampled_from(allowed.options)
    if isinstance(allowed, ListOf):
        return st.lists(_allowed(allowed.each), min_size=1, max_size=2)
    low = allowed.low if math.isfinite(allowed.low) else -WIDEST
    high = min(allowed.high, low + WIDEST)
    if allowed.whole:
        return st.integers(int(low), int(high))
    # Numbers next to an open bound are allowed, but 1e-300 windows or learning rates teach nothing about the code.
    return st.floats(low + 1e-6 if allowed.low_open else low, high - 1e-6 if allowed.high_open else high)


def hyperparameters(name):
    """Return a strategy of keywords for a family's constructor, some of them left out."""
    described = family(name).hyperparameters.described()
    return st.fixed_dictionaries({}, optional={key: values(name, key, one) for key, one in described.items()})


def _id(name):
    return pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name


@pytest.mark.parametrize("name", [_id(name) for name in families() if family(name).hyperparameters.described()])
def test_laws_hold_for_random_hyper_parameters(name):
    @settings(
        max_examples=5 if name in SLOW else 8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(hyperparameters(name))
    def check(params):
        build = partial(create, name, **params)
        for law in LAWS:
            if law.name in CHECKED:
                law.check(build)

    check()


def test_what_is_drawn_is_kept_as_it_is():
    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(families()).flatmap(lambda name: st.tuples(st.just(name), hyperparameters(name))))
    def check(drawn):
        name, params = drawn
        kept = create(name, **params).params.to_dict()
        assert all(kept[key] == value for key, value in params.items())

    check()


def test_the_checked_laws_are_laws():
    assert set(CHECKED) <= {law.name for law in LAWS}
