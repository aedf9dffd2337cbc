import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.models.base import Task
from autots.models.catalog import create, families, family
from autots.recipes import baselines, portfolio, search_space
from autots.recipes.space import from_point, searched, to_point
from autots.testing.example_panels import example_panel, panel_of
from zoo.search.space import Categorical, Int

rng = np.random.default_rng(0)
PANELS = {
    "few seasonal": (example_panel(), Task(horizon=5, seasons=(4,))),
    "without a season": (panel_of([rng.normal(size=60) for _ in range(3)]), Task(horizon=5)),
    "large": (panel_of([rng.normal(size=400) + 9 for _ in range(300)]), Task(horizon=24, seasons=(24, 168))),
    "intermittent": (panel_of([np.where(rng.random(60) < 0.2, 1.0, 0.0) for _ in range(5)]), Task(horizon=5)),
    "one series with regressors": (example_panel(lengths=(80,)), Task(horizon=5, seasons=(4,))),
    "too short to learn": (panel_of([rng.normal(size=8) for _ in range(5)]), Task(horizon=6)),
    "one point": (panel_of([np.ones(1)]), Task(horizon=6)),
    "all missing": (panel_of([np.full(30, np.nan)]), Task(horizon=6)),
}
each = pytest.mark.parametrize("kind", list(PANELS))


@each
@pytest.mark.parametrize("seconds", [5.0, 60.0, 3600.0])
def test_every_candidate_can_be_made_and_lies_in_the_space(kind, seconds):
    panel, task = PANELS[kind]
    space = search_space()
    found = portfolio(panel, task, seconds=seconds)
    assert found.configurations or "short" in kind or kind == "one point"
    for candidate in (*found.configurations, *baselines(panel, task)):
        params = {**found.fixed.get(candidate.family, {}), **candidate.params}
        assert create(candidate.family, **params).name == candidate.family
    for candidate in found.configurations:
        point = to_point(candidate.family, candidate.params)
        assert space.nearest(point) == pytest.approx(point), "a portfolio's point must not be bent by the bounds"


@each
def test_no_candidate_is_there_twice(kind):
    panel, task = PANELS[kind]
    listed = [
        (c.family, json.dumps(dict(c.params), sort_keys=True))
        for c in portfolio(panel, task, seconds=60).configurations
    ]
    assert len(set(listed)) == len(listed)


@each
def test_seasonal_naive_is_the_first_of_the_trivial_forecasters(kind):
    panel, task = PANELS[kind]
    listed = baselines(panel, task)
    assert (listed[0].family, dict(listed[0].params)) == ("seasonal_naive", {})
    assert {"naive", "drift", "mean", "zero"} <= {c.family for c in listed}


def test_intermittent_demand_gets_its_own_families():
    listed = {c.family for c in portfolio(*PANELS["intermittent"], seconds=60).configurations}
    assert {"tsb", "croston", "adida", "imapa"} <= listed
    assert "auto_ets" not in listed
    assert "empirical" in {c.family for c in baselines(*PANELS["intermittent"])}


def test_nothing_is_learned_from_series_shorter_than_the_horizon():
    found = portfolio(*PANELS["too short to learn"], seconds=60)
    assert found.searched == ()
    assert not [c for c in found.configurations if c.family.startswith(("trees", "linear"))]


def test_regressors_of_few_series_bring_a_model_that_uses_them():
    assert "sarimax" in {c.family for c in portfolio(*PANELS["one series with regressors"], seconds=60).configurations}
    bare = dataclasses.replace(PANELS["one series with regressors"][0], known={})
    assert "sarimax" not in {
        c.family for c in portfolio(bare, Task(horizon=5, seasons=(4,)), seconds=60).configurations
    }


def test_more_time_never_makes_the_learners_smaller():
    small, large = (portfolio(*PANELS["few seasonal"], seconds=s).fixed for s in (5.0, 500.0))
    assert small["trees_direct"]["max_rows"] <= large["trees_direct"]["max_rows"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(families()), st.data())
def test_a_point_and_its_configuration_are_the_same_thing(name, data):
    space = search_space()
    drawn = {key: data.draw(values_of(space[f"{name}.{key}"])) for key in searched(name)}
    given_params = {key: value for key, value in drawn.items() if data.draw(st.booleans())}
    point = to_point(name, given_params)
    assert space.contains(point)
    again, params = from_point(point)
    assert again == name
    defaults = create(name).params.to_dict()
    assert params == {key: given_params.get(key, defaults[key]) for key in drawn}
    assert to_point(again, params) == point
    created = create(name, **params).params.to_dict()
    assert {key: created[key] for key in drawn} == params


def values_of(domain):
    if isinstance(domain, Categorical):
        return st.sampled_from(domain.choices)
    return (st.integers if isinstance(domain, Int) else st.floats)(domain.low, domain.high)


def test_every_searched_family_has_its_defaults_inside_of_the_space():
    space = search_space()
    names = [name for name in families() if searched(name)]
    assert names, "something must be searched"
    for name in names:
        for key, one in searched(name).items():
            domain = space[f"{name}.{key}"]
            assert domain.contains(one.default), f"{name}.{key} = {one.default!r} lies outside of {domain}"


def test_whatever_a_search_may_draw_the_constructor_takes():
    space = search_space()
    for name in families():
        for key in searched(name):
            domain = space[f"{name}.{key}"]
            ends = domain.choices if isinstance(domain, Categorical) else (domain.low, domain.high)
            for value in ends:
                assert getattr(family(name)(**{key: value}).params, key) == value


def test_the_order_of_the_parameters_is_kept_as_what_a_seed_suggests_depends_on_it():
    first = dict.fromkeys(name.partition(".")[0] for name in search_space())
    searched_families = ["linear_direct", "trees_direct", "trees_recursive", "mlp", "rvfl", "auto_theta", "auto_ets"]
    assert list(first) == ["family", *searched_families]


def test_the_space_knows_every_family_and_each_parameter_under_its_family_alone():
    described = search_space().describe()
    assert set(families()) <= set(map(str, json.dumps(described).replace('"', " ").split()))
