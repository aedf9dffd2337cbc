"""Forward selection against brute force, and the promise that no member alone is better."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.ensembles import average, combine, ensemble_weights
from autots.ensembles.greedy import greedy_weights
from autots.evaluate import Backtest, BacktestPlan, Objective, Targets
from autots.metrics import METRICS
from autots.models.base import Task

quick = settings(max_examples=60, deadline=None)
LEVELS = (0.1, 0.5, 0.9)


@st.composite
def members_and_loss(draw, most=5):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    actual = rng.normal(size=(3, 4))
    members = [
        actual + rng.normal(scale=draw(st.floats(0.1, 3.0)), size=(3, 4)) for _ in range(draw(st.integers(1, most)))
    ]
    return members, lambda f: float(np.abs(f - actual).mean())


@quick
@given(members_and_loss(), st.integers(1, 12))
def test_weights_sum_to_one_and_beat_every_member(made, rounds):
    members, loss = made
    weights = greedy_weights(members, loss, rounds=rounds)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert loss(sum(w * m for w, m in zip(weights, members, strict=True))) <= min(map(loss, members)) + 1e-12


@quick
@given(members_and_loss(most=3))
def test_two_rounds_find_the_best_average_that_holds_the_best_member(made):
    """One member, then the best to add: with rounds=1 forward selection is exact over pairs with the best member."""
    members, loss = made
    best = int(np.argmin([loss(m) for m in members]))
    pairs = {(best, j): loss((members[best] + members[j]) / 2) for j in range(len(members))}
    expected = min([loss(members[best]), *pairs.values()])
    weights = greedy_weights(members, loss, rounds=1, tolerance=0.0)
    assert loss(sum(w * m for w, m in zip(weights, members, strict=True))) == pytest.approx(expected)


@quick
@given(members_and_loss(most=2))
def test_equals_brute_force_for_two_members_and_a_convex_loss(made):
    """With two members the average moves along a line, on which a convex loss has no trap for a greedy step."""
    members, loss = made
    rounds = 6
    everything = [
        loss(sum(members[i] for i in chosen) / size)
        for size in range(1, rounds + 2)
        for chosen in combinations_with_replacement(range(len(members)), size)
    ]
    weights = greedy_weights(members, loss, rounds=rounds, tolerance=0.0)
    got = loss(sum(w * m for w, m in zip(weights, members, strict=True)))
    assert got >= min(everything) - 1e-12
    # A greedy walk may end beside the best fraction, within the grid of its last step.
    assert got <= min(everything) + max(loss(members[0]), loss(members[-1])) / (rounds + 1)


def test_opposite_errors_cancel():
    actual = np.array([1.0, 2.0, 3.0])
    weights = greedy_weights([actual + 1, actual - 1], lambda f: float(np.abs(f - actual).mean()), rounds=7)
    np.testing.assert_allclose(weights, [0.5, 0.5])


def test_a_member_whose_loss_is_not_a_number_has_no_weight():
    actual = np.zeros(3)
    weights = greedy_weights(
        [np.full(3, np.nan), np.ones(3), np.full(3, np.nan)], lambda f: float(np.abs(f - actual).mean())
    )
    np.testing.assert_allclose(weights, [0.0, 1.0, 0.0])


def test_no_members_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        greedy_weights([], lambda f: 0.0)


TASK = Task(horizon=4, levels=LEVELS)
PLAN = BacktestPlan(4, (12, 8, 4), 2, (12,))


@st.composite
def candidates(draw):
    """An objective of any metric and the out-of-fold forecasts of some candidates, one series absent at first."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    actual = 5 + rng.normal(size=(3, 6, 4))
    actual[0, 5] = np.nan
    made = []
    for _ in range(draw(st.integers(1, 6))):
        mean = actual + rng.normal(scale=draw(st.floats(0.1, 2.0)), size=actual.shape) + rng.normal()
        quantiles = mean[..., None] + np.array([-1.0, 0.0, 1.0]) * draw(st.floats(0.1, 2.0))
        made.append(Backtest(mean.astype(np.float32), quantiles.astype(np.float32), 1.0, 0.5))
    metric = METRICS[draw(st.sampled_from(sorted(METRICS)))]
    return Objective(metric, PLAN, Targets(actual, np.ones((3, 6))), TASK), made


@quick
@given(candidates(), st.sampled_from(["selection", "all"]), st.integers(1, 8))
def test_the_ensemble_is_never_worse_than_its_best_member_on_the_windows_that_choose(made, part, most):
    objective, backtests = made
    weights = ensemble_weights(objective, backtests, part=part, max_members=most)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert (weights > 0).sum() <= most
    members, loss = objective.stack(backtests, part, 10**9)
    average = np.sum([w * m for w, m in zip(weights, members, strict=True) if w > 0], axis=0)
    best = min(loss(m) for m in members)
    assert loss(average) <= best * (1 + 1e-9)
    if not objective.needs_quantiles:
        # Quantiles are widened and calibrated later; points are delivered as they were weighed, in single precision.
        made = combine(backtests, [(w, w) for w in weights], 1)
        assert objective.value(made, part) <= min(objective.value(b, part) for b in backtests) * (1 + 1e-5) + 1e-6


def test_windows_that_must_not_choose_do_not():
    rng = np.random.default_rng(0)
    actual = 5 + rng.normal(size=(3, 6, 4))
    objective = Objective(METRICS["mae"], PLAN, Targets(actual, np.ones((3, 6))), TASK)
    made = []
    for noise in (0.5, 1.0, 2.0):
        mean = (actual + rng.normal(scale=noise, size=actual.shape)).astype(np.float32)
        made.append(Backtest(mean, np.repeat(mean[..., None], 3, axis=-1), 0.0, 0.0))
    before = ensemble_weights(objective, made)
    for one in made:
        one.mean[2] = rng.normal(size=(6, 4))
        one.quantiles[2] = 100 * rng.normal(size=(6, 4, 3))
    np.testing.assert_array_equal(ensemble_weights(objective, made), before)


def test_a_candidate_that_is_not_a_number_gets_no_weight():
    actual = np.random.default_rng(0).normal(size=(3, 6, 4))
    objective = Objective(METRICS["mae"], PLAN, Targets(actual, np.ones((3, 6))), TASK)
    good = Backtest(np.zeros((3, 6, 4), np.float32), np.zeros((3, 6, 4, 3), np.float32), 0.0, 0.0)
    bad = Backtest(np.full((3, 6, 4), np.nan, np.float32), np.full((3, 6, 4, 3), np.nan, np.float32), 0.0, 0.0)
    np.testing.assert_array_equal(ensemble_weights(objective, [bad, good]), [0.0, 1.0])


def test_large_panels_are_thinned_and_still_weighed():
    rng = np.random.default_rng(1)
    actual = rng.normal(size=(3, 300, 4))
    objective = Objective(METRICS["mse"], PLAN, Targets(actual, np.ones((3, 300))), TASK)
    empty = np.zeros((3, 300, 4, 3), np.float32)
    near, far = (
        Backtest((actual + noise * rng.normal(size=actual.shape)).astype(np.float32), empty, 0.0, 0.0)
        for noise in (0.1, 5.0)
    )
    weights = ensemble_weights(objective, [far, near], enough=400)
    assert weights[1] > 0.9


def test_combining_averages_quantile_by_quantile_and_adds_the_seconds():
    a = Backtest(np.ones((1, 1, 2), np.float32), np.ones((1, 1, 2, 3), np.float32), 1.0, 2.0)
    b = Backtest(3 * np.ones((1, 1, 2), np.float32), 3 * np.ones((1, 1, 2, 3), np.float32), 10.0, 20.0)
    unused = Backtest(np.full((1, 1, 2), np.nan, np.float32), np.full((1, 1, 2, 3), np.nan, np.float32), 100.0, 100.0)
    both = combine([a, unused, b], [(0.25, 0.25), (0.0, 0.0), (0.75, 0.75)], 1)
    np.testing.assert_allclose(both.mean, 2.5)
    np.testing.assert_allclose(both.quantiles, 2.5)
    assert (both.fit_seconds, both.predict_seconds) == (11.0, 22.0)
    assert (np.diff(both.quantiles, axis=-1) >= 0).all()


def test_members_that_agree_are_averaged_level_by_level():
    """Vincent's average: with equal medians nothing is widened."""
    narrow, wide = (np.array([[[-w, 0.0, w]]]) for w in (1.0, 3.0))
    mean, quantiles = average([np.zeros((1, 1))] * 2, [narrow, wide], [(0.5, 0.5)] * 2, 1)
    np.testing.assert_allclose(quantiles, [[[-2.0, 0.0, 2.0]]])
    np.testing.assert_allclose(mean, 0.0)


def test_members_that_disagree_widen_the_interval_within_a_bound():
    def width(apart):
        quantiles = [np.array([[[m - 1.0, m, m + 1.0]]]) for m in (-apart, apart)]
        made = average([q[..., 1] for q in quantiles], quantiles, [(0.5, 0.5)] * 2, 1)[1]
        assert (np.diff(made, axis=-1) >= 0).all()
        return float(made[0, 0, 2] - made[0, 0, 0])

    assert width(0.0) == pytest.approx(2.0)
    assert width(0.0) < width(0.5) < width(1.0) <= 6.0
    assert width(100.0) == pytest.approx(6.0)


@quick
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_quantiles_never_cross_and_the_median_follows_the_point_weights(seed, m):
    rng = np.random.default_rng(seed)
    quantiles = [np.sort(rng.normal(size=(3, 4, 3)), axis=-1) for _ in range(m)]
    point, spread = (rng.dirichlet(np.ones(m)) for _ in range(2))
    mean, made = average([q[..., 1] for q in quantiles], quantiles, list(zip(point, spread, strict=True)), 1)
    assert (np.diff(made, axis=-1) >= 0).all()
    np.testing.assert_allclose(made[..., 1], sum(w * q[..., 1] for w, q in zip(point, quantiles, strict=True)))
    np.testing.assert_allclose(mean, made[..., 1])


def test_near_copies_do_not_crowd_out_what_is_different():
    rng = np.random.default_rng(0)
    actual = rng.normal(size=(3, 50, 4))
    objective = Objective(METRICS["mae"], PLAN, Targets(actual, np.ones((3, 50))), TASK)
    shared = 0.5 * rng.normal(size=actual.shape)

    def candidate(error):
        mean = (actual + error).astype(np.float32)
        return Backtest(mean, np.repeat(mean[..., None], 3, axis=-1), 0.0, 0.0)

    copies = [candidate(shared + 0.01 * rng.normal(size=actual.shape)) for _ in range(20)]
    other = candidate(0.45 * rng.normal(size=actual.shape))
    weights = ensemble_weights(objective, [*copies, other], kinds=["copy"] * 20 + ["other"])
    assert (weights[:20] > 0).sum() <= 2
    assert 0.3 < weights[20] < 0.7


def test_where_no_score_is_a_number_one_candidate_has_all_the_weight():
    """A panel of zeros has no scale: SQL and MASE say nothing, and the ensemble must not be made of NaN."""
    objective = Objective(METRICS["sql"], PLAN, Targets(np.zeros((3, 6, 4)), np.zeros((3, 6))), TASK)
    made = [Backtest(np.zeros((3, 6, 4), np.float32), np.zeros((3, 6, 4, 3), np.float32), 0.0, 0.0) for _ in range(3)]
    weights = ensemble_weights(objective, made)
    assert sorted(weights) == [0.0, 0.0, 1.0]


@quick
@given(candidates(), st.integers(0, 2**32 - 1))
def test_the_order_of_the_candidates_does_not_matter(made, seed):
    objective, backtests = made
    order = np.random.default_rng(seed).permutation(len(backtests))
    plain = ensemble_weights(objective, backtests)
    turned = ensemble_weights(objective, [backtests[i] for i in order])
    np.testing.assert_allclose(turned, plain[order])
