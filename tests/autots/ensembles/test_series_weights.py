"""Weights of single series: lean towards what forecast a series well, as far as windows left out say that it pays."""

from __future__ import annotations

import numpy as np
import pytest

from autots.ensembles import SeriesWeights, average, combine, fit_series_weights
from autots.evaluate import Backtest, BacktestPlan, Objective
from autots.evaluate.backtest import Targets
from autots.metrics import metric
from autots.models.base import Task

K, S, H = 4, 60, 6
TASK = Task(H, (1,), (0.1, 0.5, 0.9))
PLAN = BacktestPlan(H, (24, 18, 12, 6), 3, (24,))
EVEN = [(0.5, 0.5), (0.5, 0.5)]


def objective(actual):
    return Objective(metric("mase"), PLAN, Targets(actual, np.ones((K, S))), TASK)


def member(actual, error):
    mean = (actual + error).astype(np.float32)
    return Backtest(mean, np.stack([mean - 1, mean, mean + 1], axis=-1), 1.0, 1.0)


@pytest.fixture
def split():
    """Two members, each of which is right on its half of the series."""
    rng = np.random.default_rng(0)
    actual = rng.normal(50.0, 5.0, (K, S, H))
    half = (np.arange(S) < S // 2)[:, None]
    errors = [np.where(good, 0.5, 4.0) * rng.normal(size=(K, S, H)) for good in (half, ~half)]
    return actual, [member(actual, error) for error in errors]


def test_each_series_leans_towards_what_forecast_it_well(split):
    actual, made = split
    target = objective(actual)
    factors, together = fit_series_weights(target, made, EVEN, "selection")
    assert factors.shape == (2, S)
    ratio = factors[0] / factors[1]
    assert (ratio[: S // 2] > 1).all()
    assert (ratio[S // 2 :] < 1).all()
    plain = combine(made, EVEN, 1)
    for part in ("selection", "final"):
        assert target.value(together, part) < 0.8 * target.value(plain, part)


def test_noise_leaves_the_common_weights():
    rng = np.random.default_rng(1)
    actual = rng.normal(50.0, 5.0, (K, S, H))
    made = [member(actual, rng.normal(size=(K, S, H))) for _ in range(2)]
    factors, together = fit_series_weights(objective(actual), made, EVEN, "selection")
    assert factors is None
    np.testing.assert_array_equal(together.mean, combine(made, EVEN, 1).mean)


def test_the_forecast_of_a_window_does_not_see_its_own_errors(split):
    actual, made = split
    before = fit_series_weights(objective(actual), made, EVEN, "selection")[1]
    changed = actual.copy()
    changed[1] += np.random.default_rng(2).normal(0, 0.1, (S, H))
    after = fit_series_weights(objective(changed), made, EVEN, "selection")[1]
    np.testing.assert_array_equal(before.mean[1], after.mean[1])
    assert (before.mean[0] != after.mean[0]).any()


def test_series_without_a_target_keep_the_common_weights(split):
    actual, made = split
    actual[:, 7] = np.nan
    factors, _ = fit_series_weights(objective(actual), made, EVEN, "all")
    np.testing.assert_array_equal(factors[:, 7], 1.0)
    assert np.isfinite(factors).all()


@pytest.mark.parametrize("weights", [[(1.0, 1.0)], [(0.7, 0.2), (0.3, 0.8)]])
def test_one_member_or_unequal_columns_do_not_lean(split, weights):
    actual, made = split
    assert fit_series_weights(objective(actual), made[: len(weights)], weights, "all")[0] is None


def test_a_series_that_came_later_has_the_common_weights():
    series_weights = SeriesWeights(
        np.array(["a", "b"], dtype=object), np.array([[2.0, 1.0], [1.0, 3.0]], dtype=np.float32)
    )
    found = SeriesWeights.from_dict(series_weights.to_dict()).of(np.array(["b", "new", "b"], dtype=object))
    np.testing.assert_array_equal(found, [[1.0, 1.0, 1.0], [3.0, 1.0, 3.0]])


def test_weights_of_a_series_sum_to_one():
    means = [np.full((2, H), 1.0), np.full((2, H), 5.0)]
    quantiles = [np.stack([m - 1, m, m + 1], axis=-1) for m in means]
    factors = np.array([[1.0, 3.0], [1.0, 1.0]])
    mean, made = average(means, quantiles, EVEN, 1, factors=factors)
    np.testing.assert_allclose(mean, [[3.0] * H, [2.0] * H])
    np.testing.assert_allclose(made[..., 1], mean)
    alone = average([m[1:] for m in means], [q[1:] for q in quantiles], EVEN, 1, factors=factors[:, 1:])
    np.testing.assert_array_equal(alone[1], made[1:])
