"""Series that never changed, or did so in their last rows alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.models.base import Task
from autots.models.constant_series import ConstantSeries, NewlyVarying
from autots.testing.example_panels import panel_of

LEVELS = (0.1, 0.5, 0.9)


def applied(series, width=1.0):
    panel = panel_of(series)
    mean = np.full((panel.n_series, 3), 7.5)
    quantiles = mean[..., None] + width * np.array([-1.0, 0.0, 1.0])
    return ConstantSeries.of(panel).apply(mean, quantiles, 1)


@pytest.mark.parametrize("value", [4.0, 0.0, -250.0, 0.1 + 0.2, 1e12, 1e-12])
def test_a_constant_series_goes_on_exactly_and_without_width(value):
    mean, quantiles = applied([np.full(30, value), np.arange(30.0)])
    assert (mean[0] == value).all()
    assert (quantiles[0] == value).all()
    assert (mean[1] == 7.5).all()


def test_missing_values_do_not_make_a_series_change():
    y = np.full(40, 4.0)
    y[5:20] = np.nan
    assert (applied([y])[1] == 4.0).all()


def test_few_equal_values_have_a_width_around_their_value():
    mean, quantiles = applied([np.full(8, 4.0), np.zeros(8), np.full(5, 4.0)])
    np.testing.assert_array_equal(mean[:, 0], [4.0, 0.0, 7.5])
    np.testing.assert_array_equal(quantiles[:, 0], [[3.0, 4.0, 5.0], [0.0, 0.0, 1.0], [6.5, 7.5, 8.5]])


def test_rounding_is_no_change_and_a_small_change_is_one():
    noise = np.array([0.1 + 0.2, 0.3] * 10)
    assert ConstantSeries.of(panel_of([noise])).rows.tolist() == [0]
    level = 1e12 + np.random.default_rng(0).normal(size=30)
    assert ConstantSeries.of(panel_of([level, np.r_[np.full(30, 4.0), 4.0001]])).rows.tolist() == []


def reached(y, horizon=6, centre=3.0):
    panel = panel_of([y, np.arange(50.0)])
    flat = np.full((2, horizon, 3), centre)
    return NewlyVarying.of(panel, LEVELS, horizon).apply(flat, 1)[0]


@pytest.mark.parametrize("head", [0.0, 4.0, -250.0])
@pytest.mark.parametrize("tail", [[1.0, 158.0], [5.0, 0.0, 7.0], [4.0, 9.0, 2.0], [9.0], [1e-3] * 5])
def test_what_changed_in_its_last_rows_has_a_width(head, tail):
    made = reached(np.r_[np.full(30, head), np.add(tail, head)], centre=head)
    assert (made[:, 2] - made[:, 0] > 0).all()
    assert (made[:, 1] == head).all()
    assert made[0, 0] >= min(head, head + min(tail))
    assert made[0, 2] <= max(head, head + max(tail))


@pytest.mark.parametrize(
    "y", [np.arange(40.0), np.r_[np.zeros(10), np.ones(30)], np.r_[5.0, np.zeros(39)], np.zeros(40), np.ones(7)]
)
def test_others_are_left_alone(y):
    assert (reached(y) == 3.0).all()


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_every_history_that_varies_late_has_a_width(seed, horizon):
    rng = np.random.default_rng(seed)
    y = np.full(rng.integers(2 * horizon + 6, 80), rng.choice([0.0, 4.0, -3.0]))
    y[rng.random(len(y)) < 0.2] = np.nan
    y[0] = y[-horizon - 1 :][0] if np.isfinite(y[-horizon - 1]) else np.nanmax(y)
    y[:6] = y[0]
    y[-rng.integers(1, horizon + 1)] = 100 * rng.random() + 5
    made = reached(y, horizon)
    assert (made[:, 2] > made[:, 0]).all()


def test_what_came_to_rest_stays_there_with_the_width_it_was_given():
    task = Task(3, (12,), LEVELS)
    moved = np.arange(60.0)
    series = [np.r_[moved, np.full(24, 7.0)], np.r_[moved, np.full(23, 7.0)], np.r_[moved, np.zeros(40)], moved]
    panel = panel_of([*series, np.full(30, 5.0)])
    steady = ConstantSeries.of(panel, task)
    assert steady.rows.tolist() == [4, 0]
    flat = np.full((5, 3), 1.0)
    mean, quantiles = steady.apply(flat, flat[..., None] + np.array([-1.0, 0.0, 2.0]), 1)
    np.testing.assert_array_equal(mean[:, 0], [7, 1, 1, 1, 5])
    np.testing.assert_array_equal(quantiles[[0, 4], 0], [[6, 7, 9], [5, 5, 5]])
