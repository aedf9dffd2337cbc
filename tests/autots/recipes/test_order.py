"""The order in which candidates are tried follows from what they add to an ensemble on sets like the panel."""

import dataclasses

import numpy as np
import pytest

from autots.recipes.candidates import Recipe
from autots.recipes.expected_cost import expected_units, work
from autots.recipes.order import OrderPolicy, likeness, ordered
from tests.autots.recipes.tables import HOURLY, RECIPES, YEARLY, row, table

PLAIN = OrderPolicy(families_first=False)
CHEAP = [1.0] * len(RECIPES)


def order_of(made, traits=YEARLY, *, budget=60.0, policy=PLAIN, units=None):
    members = list(range(1, len(made.recipes) + 1))
    weights = likeness(made, traits, policy)
    units = np.array(CHEAP if units is None else units)
    return ordered(made, members, weights, units, budget=budget, policy=policy)


def test_what_helps_most_comes_first():
    assert order_of(table(row("a", YEARLY, [0.9, 0.8, 0.7, 0.95, 0.99], CHEAP)))[0] == 2


def test_what_is_unlike_the_ensemble_comes_before_what_is_nearly_in_it():
    losses = [0.70, 0.71, 0.75, 2.0, 2.0]
    made = table(row("a", YEARLY, losses, CHEAP, alike={(1, 2): 1.0}))
    assert order_of(made)[:2] == [0, 2], "a copy of what is there adds nothing, though it is better alone"


def test_cheap_comes_before_dear_among_equals():
    made = table(row("a", YEARLY, [0.8] * 5, CHEAP, usually=0.9))
    assert order_of(made, units=[9.0, 3.0, 1.0, 6.0, 5.0])[0] == 2


def test_a_longer_budget_minds_costs_less():
    made = table(row("a", YEARLY, [0.90, 0.70, 2.0, 2.0, 2.0], CHEAP, usually=0.9))
    units = [0.2, 4.0, 1.0, 1.0, 1.0]
    assert order_of(made, units=units, budget=10.0)[0] == 0
    assert order_of(made, units=units, budget=600.0)[0] == 1


def test_what_the_budget_cannot_pay_comes_last():
    made = table(row("a", YEARLY, [0.3, 0.8, 0.8, 0.8, 0.8], CHEAP))
    assert order_of(made, units=[50.0, 1.0, 1.0, 1.0, 1.0])[-1] == 0


def test_every_useful_family_comes_once_before_one_comes_twice():
    made = table(row("a", YEARLY, [0.70, 0.71, 0.80, 0.80, 2.0], CHEAP, usually=0.99, alike={(1, 2): 0.2}))
    families = [RECIPES[i].family for i in order_of(made, policy=OrderPolicy())]
    assert sorted(families[:3]) == ["auto_theta", "linear_direct", "smoothing"], "arima is far behind the best"
    assert families[0] == "linear_direct"


def test_the_order_is_a_permutation_and_always_the_same():
    rng = np.random.default_rng(3)
    made = table(*(row(str(i), t, rng.uniform(0.5, 1.5, 5).tolist(), CHEAP) for i, t in enumerate((YEARLY, HOURLY))))
    first = order_of(made, HOURLY, policy=OrderPolicy())
    assert sorted(first) == list(range(5))
    assert all(order_of(made, HOURLY, policy=OrderPolicy()) == first for _ in range(3))


def test_each_panel_follows_the_set_that_is_like_it():
    made = table(
        row("yearly", YEARLY, [0.9, 0.9, 0.5, 0.9, 0.9], CHEAP), row("hourly", HOURLY, [0.5, 0.9, 0.9, 0.9, 0.9], CHEAP)
    )
    assert order_of(made, YEARLY)[0] == 2
    assert order_of(made, HOURLY)[0] == 0


def test_a_panel_unlike_any_set_gets_the_order_of_all_of_them():
    made = table(
        row("yearly", YEARLY, [0.9, 0.8, 0.5, 0.9, 0.9], CHEAP), row("hourly", HOURLY, [0.5, 0.8, 1.2, 0.9, 0.9], CHEAP)
    )
    strange = dataclasses.replace(
        YEARLY, length=10**6, series=10**5, rows=10**9, season=5000, horizon=3000, zero_share=1.0
    )
    weights = likeness(made, strange, PLAIN)
    assert weights == pytest.approx([0.5, 0.5])
    everywhere = dataclasses.replace(PLAIN, shared=1e9)
    assert (
        order_of(made, strange)
        == order_of(made, YEARLY, policy=everywhere)
        == order_of(made, HOURLY, policy=everywhere)
    )


def test_a_set_that_knows_nothing_of_a_candidate_says_nothing_about_it():
    made = table(
        row("yearly", YEARLY, [0.9, np.nan, 0.9, 0.9, 0.9], CHEAP),
        row("hourly", HOURLY, [0.9, 0.5, 0.9, 0.9, 0.9], CHEAP),
    )
    assert order_of(made, HOURLY)[0] == 1
    assert sorted(order_of(made, YEARLY)) == list(range(5))


def test_a_cost_grows_with_the_series_of_a_local_model():
    made = table(row("a", YEARLY, [0.9] * 5, [2.0] * 5))
    more = dataclasses.replace(YEARLY, series=4000, rows=120_000)
    costs = [
        expected_units(made, [3, 5], np.ones(1), traits, windows=3, fits=1, seconds=20.0) for traits in (YEARLY, more)
    ]
    assert costs[0] == pytest.approx([2.0, 2.0])
    assert costs[1] == pytest.approx([20.0, 20.0])


def test_a_learner_that_draws_so_many_rows_costs_no_more_with_more_of_them():
    large, larger = (dataclasses.replace(YEARLY, series=n, rows=30 * n) for n in (100_000, 200_000))
    linear = Recipe("linear_direct", {"norm": "last"})
    costs = [work(linear, traits, windows=0, fits=1, seconds=20.0) for traits in (large, larger)]
    assert costs[0] == costs[1] < work(linear, larger, windows=0, fits=1, seconds=600.0)


def test_a_cost_that_no_set_tells_is_unknown():
    made = table(row("a", YEARLY, [0.9] * 5, [np.nan] * 5))
    assert expected_units(made, [1], np.ones(1), YEARLY, windows=3, fits=1, seconds=20.0).tolist() == [0.0]
