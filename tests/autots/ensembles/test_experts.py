import numpy as np
import pytest

from autots.ensembles.experts import Experts

EVEN = np.full((2, 1), 0.5)
ROW = np.array([0])


def names(*ids):
    return np.array(ids, dtype=object)


def of(*ids, members=2):
    return Experts.of_members(members).including(names(*ids))


def share(weights, row=0, shares=(0.5, 0.5)):
    """Return the first member's share in a series."""
    now = np.array(shares) * weights.factors(np.array([row]))[:, 0]
    return now[0] / now.sum()


def followed(weights, first, second, actual, *, squared=False):
    """Return the weights after (N, H) windows, and the mean absolute errors: ours, each member's, fixed weights'."""
    errors = []
    for a, b, y in zip(first, second, actual, strict=True):
        factors = weights.factors(ROW)[:, 0]
        made = (factors[0] * a + factors[1] * b) / factors.sum()
        errors.append([np.abs(f - y).mean() for f in (made, a, b, (a + b) / 2)])
        weights = weights.after(ROW, np.stack([a, b])[:, None], y[None], EVEN, squared=squared)
    return weights, np.mean(errors, axis=0)


@pytest.fixture
def noise():
    return np.random.default_rng(0)


@pytest.mark.parametrize("squared", [False, True])
def test_weight_goes_to_the_member_that_is_right(noise, squared):
    actual = noise.normal(0, 1, (200, 4))
    good, bad = actual + noise.normal(0, 0.3, actual.shape), actual + noise.normal(3, 1, actual.shape)
    weights, (ours, best, worst, fixed) = followed(of("a"), good, bad, actual, squared=squared)
    assert share(weights) > 0.8
    assert ours < 1.25 * best < fixed < worst


def test_members_that_are_better_together_stay_together(noise):
    """The gradient compares with the best mixture, not with the best member: errors of opposite signs cancel."""
    actual = noise.normal(0, 1, (400, 1))
    over, under = actual + 1.0 + noise.normal(0, 0.2, actual.shape), actual - 1.2 + noise.normal(0, 0.2, actual.shape)
    weights, (ours, first, _, _) = followed(of("a"), over, under, actual)
    assert 0.3 < share(weights) < 0.7
    assert ours < 0.5 * first


def test_a_member_that_was_wrong_for_long_comes_back(noise):
    actual = noise.normal(0, 1, (600, 1))
    right = np.repeat([1, 0], [500, 100])[:, None].astype(bool)
    first = actual + np.where(right, 0.1, 3.0) * noise.normal(0, 1, actual.shape)
    second = actual + np.where(right, 3.0, 0.1) * noise.normal(0, 1, actual.shape)
    before, _ = followed(of("a"), first[:500], second[:500], actual[:500])
    after, (ours, old, _, fixed) = followed(before, first[500:], second[500:], actual[500:])
    assert share(before) > 0.8
    assert share(after) < 0.2
    assert ours < fixed < old


def test_units_do_not_matter(noise):
    actual = noise.normal(0, 1, (50, 3))
    first, second = actual + noise.normal(0, 1, actual.shape), actual + noise.normal(1, 1, actual.shape)
    for squared in (False, True):
        small, large = (followed(of("a"), k * first, k * second, k * actual, squared=squared)[0] for k in (1.0, 1e6))
        np.testing.assert_allclose(small.logs, large.logs, rtol=1e-9)


def test_a_series_learns_from_itself_alone(noise):
    points, actual = noise.normal(0, 1, (2, 3, 4)), noise.normal(0, 1, (3, 4))
    shares = np.full((2, 3), 0.5)
    together = of("a", "b", "c").after(np.arange(3), points, actual, shares, squared=False)
    for row, id_ in enumerate("abc"):
        one = slice(row, row + 1)
        alone = of(id_).after(ROW, points[:, one], actual[one], shares[:, one], squared=False)
        np.testing.assert_array_equal(together.logs[one], alone.logs)


def test_missing_targets_say_nothing():
    points = np.array([[[1.0, 9.0]], [[2.0, -9.0]]])
    before = of("a")
    assert before.after(ROW, points, np.full((1, 2), np.nan), EVEN, squared=False) is before
    half = before.after(ROW, points, np.array([[1.0, np.nan]]), EVEN, squared=False)
    one = before.after(ROW, points[..., :1], np.array([[1.0]]), EVEN, squared=False)
    np.testing.assert_array_equal(half.logs, one.logs)


def test_a_perfect_forecast_and_a_member_without_weight_change_nothing():
    exact = of("a").after(ROW, np.ones((2, 1, 3)), np.ones((1, 3)), EVEN, squared=True)
    np.testing.assert_allclose(exact.factors(ROW), 1.0)
    shares = np.array([[0.0], [1.0]])
    silent = of("a").after(ROW, np.array([[[0.0]], [[5.0]]]), np.zeros((1, 1)), shares, squared=False)
    np.testing.assert_allclose(silent.factors(ROW), 1.0)


def test_the_furthest_error_moves_weights_by_a_bound():
    weights = of("a")
    for wild in (1.0, 1e300):
        weights = weights.after(ROW, np.array([[[0.0]], [[wild]]]), np.zeros((1, 1)), EVEN, squared=False)
    assert np.isfinite(weights.logs).all()
    assert 0.5 < share(weights) < 0.75


def test_new_series_join_and_unknown_ones_have_the_weights_of_the_fit():
    weights = of("a").after(ROW, np.array([[[0.0]], [[1.0]]]), np.zeros((1, 1)), EVEN, squared=False)
    more = weights.including(names("b", "a"))
    assert more.including(names("a")) is more
    assert more.including(names("c", "d", "c")).ids.tolist() == ["a", "b", "c", "d"]
    factors = more.factors(more.rows(names("b", "new", "a")))
    np.testing.assert_array_equal(factors[:, :2], 1.0)
    np.testing.assert_array_equal(factors[:, 2], weights.factors(ROW)[:, 0])


def test_plain_values_bring_everything_back():
    weights = of("a").after(ROW, np.array([[[0.0]], [[1.0]]]), np.zeros((1, 1)), EVEN, squared=False)
    again = Experts.from_dict(weights.to_dict())
    for name in ("ids", "logs", "usual", "windows"):
        np.testing.assert_array_equal(getattr(again, name), getattr(weights, name))
