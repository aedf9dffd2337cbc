import numpy as np
import pytest

from autots.ensembles import OnlineUpdates, shifted

HORIZON = 2


def names(*ids):
    return np.array(ids, dtype=object)


def follow(errors, *, squared=False, steps=HORIZON, online=None, begin=0):
    """Forecast 10 for series "a" while 10 less an error comes; return what is known, and the corrected errors."""
    online = (online or OnlineUpdates.of_members(1)).including(names("a"))
    left = []
    for i, error in enumerate(errors, begin):
        last = np.array([i * steps])
        more = online.corrections(names("a"), last)[0]
        made, actual = np.full((1, steps), 10.0), np.full((1, steps), 10.0 + error)
        left.append(error - more)
        online = online.after(
            names("a"),
            made[None],
            made,
            actual,
            np.ones((1, 1)),
            (last, last + steps, last + 2 * steps),
            squared=squared,
        )
    return online, np.array(left)


@pytest.mark.parametrize("squared", [False, True])
def test_a_level_that_persists_is_put_right(squared):
    _, left = follow(np.full(60, 3.0), squared=squared)
    assert np.abs(left[40:]).max() < 1.0


def test_errors_that_come_and_go_are_left_alone():
    errors = np.random.default_rng(0).normal(0, 1, 400)
    _, left = follow(errors)
    assert np.abs(left[100:]).mean() < 1.02 * np.abs(errors[100:]).mean()


def test_errors_that_turn_round_are_never_answered_with_more():
    errors = np.tile([1.0, -1.0], 50)
    np.testing.assert_array_equal(follow(errors)[1], errors)


def test_autocorrelated_errors_shrink_as_far_as_an_autoregression_could():
    noise, errors = np.random.default_rng(1).normal(0, 1, 1000), [0.0]
    for value in noise:
        errors.append(0.8 * errors[-1] + value)
    _, left = follow(np.array(errors), squared=True, steps=1)
    ours, least, most = (left[200:] ** 2).mean(), (noise[200:] ** 2).mean(), (np.array(errors[200:]) ** 2).mean()
    assert ours < least + 0.25 * (most - least)


def test_one_wild_error_moves_the_next_forecast_by_a_bound():
    online, _ = follow(np.random.default_rng(2).normal(0, 1, 50))
    wild, left = follow(np.array([1e6, 0.0]), online=online, begin=50)
    assert abs(left[1]) < 0.5e6
    assert np.isfinite(wild.errors.product).all()


@pytest.mark.parametrize("squared", [False, True])
def test_an_error_beyond_all_numbers_teaches_nothing(squared):
    before, _ = follow(np.full(20, 3.0), squared=squared)
    after, _ = follow(np.array([1e300]), squared=squared, online=before, begin=20)
    np.testing.assert_array_equal(after.errors.last, before.errors.last)
    np.testing.assert_array_equal(after.weights.usual, before.weights.usual)


def test_only_the_forecast_that_follows_is_corrected():
    online, _ = follow(np.full(60, 3.0))
    end = 60 * HORIZON
    more = [online.corrections(names("a"), np.array([t]))[0] for t in (end - 1, end, end + HORIZON - 1, end + HORIZON)]
    assert more[0] == more[3] == 0.0
    assert more[1] == more[2] > 1.0
    assert online.corrections(names("b"), np.array([end]))[0] == 0.0


def test_times_of_a_calendar_are_compared_as_such():
    online = OnlineUpdates.of_members(1).including(names("a"))
    start, day = np.datetime64("2026-01-01", "ns"), np.timedelta64(1, "D")
    for i in range(20):
        last = np.array([start + i * day])
        made = np.zeros((1, 1))
        online = online.after(
            names("a"), made[None], made, made + 2, np.ones((1, 1)), (last, last + day, last + 2 * day), squared=True
        )
    assert online.corrections(names("a"), np.array([start + 20 * day]))[0] > 0.5
    assert online.corrections(names("a"), np.array([start + 21 * day]))[0] == 0.0


def test_a_window_without_targets_changes_nothing():
    online = OnlineUpdates.of_members(1).including(names("a"))
    made, times = np.zeros((1, 2)), tuple(np.array([t]) for t in (0, 2, 4))
    assert online.after(names("a"), made[None], made, made + np.nan, np.ones((1, 1)), times, squared=True) is online


def test_values_on_a_bound_stay_there():
    values = np.array([0.0, 1.0, 5.0])
    np.testing.assert_array_equal(shifted(values, np.array(2.0), 0.0), [0.0, 3.0, 7.0])
    np.testing.assert_array_equal(shifted(values, np.array(-2.0), 0.0), [0.0, 0.0, 3.0])
    np.testing.assert_array_equal(shifted(values, np.array(-2.0), -np.inf), [-2.0, -1.0, 3.0])


def test_plain_values_bring_everything_back():
    online, _ = follow(np.full(5, 3.0))
    again = OnlineUpdates.from_dict(online.to_dict())
    assert not again.empty
    assert OnlineUpdates.of_members(1).empty
    last = np.array([5 * HORIZON])
    assert again.corrections(names("a"), last)[0] == online.corrections(names("a"), last)[0] != 0.0
    np.testing.assert_array_equal(again.factors(names("a", "b")), online.factors(names("a", "b")))
