"""Intervals that follow what has come."""

import numpy as np
import pytest

from autots.intervals import QuantileTracker

LEVELS = (0.1, 0.5, 0.9)
NORMAL = np.array([-1.2816, 0.0, 1.2816])


def followed(noise, tracker=None, *, floor=-np.inf):
    """Return the coverage of a standard normal's intervals for some noise, and the tracker in the end."""
    tracker, inside = tracker or QuantileTracker(), []
    for value in noise:
        made = np.maximum(tracker.apply(NORMAL[None, None], 1), floor)
        inside.append(made[0, 0, 0] <= value <= made[0, 0, 2])
        tracker = tracker.after(np.array([[value]]), made, LEVELS, floor=floor)
    return float(np.mean(inside)), tracker


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.5])
def test_long_run_coverage_is_nominal_whatever_the_scale(scale):
    noise = scale * np.random.default_rng(0).normal(size=1500)
    covered, tracker = followed(noise)
    assert covered == pytest.approx(0.8, abs=0.03)
    assert tracker.below == pytest.approx(scale, rel=0.3)
    assert tracker.above == pytest.approx(scale, rel=0.3)


def test_each_side_learns_by_itself():
    noise = np.random.default_rng(1).normal(size=1500)
    covered, tracker = followed(np.where(noise > 0, 2 * noise, 0.5 * noise))
    assert covered == pytest.approx(0.8, abs=0.03)
    assert tracker.above > 1.5
    assert tracker.below < 0.7


def test_the_median_never_moves_and_quantiles_never_cross():
    made = QuantileTracker(0.4, 4.0).apply(np.array([[[-3.0, 1.0, 2.0]]]), 1)
    assert made[0, 0, 1] == 1.0
    assert (np.diff(made) >= 0).all()


def test_missing_outcomes_change_nothing():
    tracker = QuantileTracker(1.3, 0.7)
    assert tracker.after(np.full((2, 3), np.nan), np.zeros((2, 3, 3)), LEVELS) == tracker


def test_a_quantile_on_the_floor_says_nothing():
    tracker = QuantileTracker()
    zero = np.zeros((1, 1, 3))
    assert tracker.after(np.array([[0.0]]), zero, LEVELS, floor=0.0).below == 1.0
    assert tracker.after(np.array([[0.0]]), zero, LEVELS, floor=0.0).above < 1.0


def test_many_targets_move_further_than_one_but_not_without_bound():
    def moved(n):
        return QuantileTracker().after(np.full((n, 1), 9.0), np.tile(NORMAL, (n, 1, 1)), LEVELS).above

    assert 1.0 < moved(1) < moved(25) < moved(100) == moved(1000)


def test_factors_stay_within_bounds():
    _, wild = followed(np.full(500, 1e9))
    _, calm = followed(np.zeros(1500))
    assert wild.above == 4.0
    assert calm.above == calm.below == 0.4


def test_a_round_trip_is_equal():
    assert QuantileTracker.from_dict(QuantileTracker(1.1, 0.9).to_dict()) == QuantileTracker(1.1, 0.9)
