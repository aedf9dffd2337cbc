"""Calibrated quantiles keep their word on data that is exchangeable, and are safe on data that is odd.

Coverage is checked on fresh data with fixed seeds: the bounds are about four standard errors of a binomial share.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.intervals import Conformal, fit_conformal
from autots.intervals.conformal import WIDTHS
from autots.models.state_files import dump, load

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def flat(shape, width=1.0, centre=0.0):
    """Return the quantiles of a forecaster that always says the same."""
    return np.broadcast_to(centre + width * (np.array(LEVELS) - 0.5), (*shape, len(LEVELS))).copy()


def covered(actual, quantiles):
    seen = ~np.isnan(actual)
    return float(((actual >= quantiles[..., 0]) & (actual <= quantiles[..., -1]))[seen].mean())


def below(actual, quantiles):
    return [(actual <= quantiles[..., i]).mean() for i in range(len(LEVELS))]


def test_exchangeable_errors_are_covered_at_every_level_whatever_the_model_said():
    rng = np.random.default_rng(0)
    k, s, h = 10, 40, 6
    actual = rng.standard_t(4, size=(2 * k, s, h))
    said = flat((k, s, h), width=0.2)  # far too narrow
    calibration = fit_conformal(actual[:k], said, np.ones((k, s)), LEVELS, non_negative=False)
    made = np.stack([calibration.apply(said[i], np.ones(s)) for i in range(k)])
    for level, share in zip(LEVELS, below(actual[k:], made), strict=True):
        assert share == pytest.approx(level, abs=0.04)
    assert covered(actual[k:], made) == pytest.approx(0.8, abs=0.03)


def test_skewed_errors_get_skewed_intervals():
    rng = np.random.default_rng(1)
    k, s, h = 10, 50, 4
    actual = rng.exponential(size=(2 * k, s, h)) - np.log(2)  # median 0
    said = flat((k, s, h))
    calibration = fit_conformal(actual[:k], said, np.ones((k, s)), LEVELS, non_negative=False)
    made = calibration.apply(said[0], np.ones(s))
    assert (made[..., -1] > -2 * made[..., 0]).all()
    for level, share in zip(LEVELS, below(actual[k:], made[None]), strict=True):
        assert share == pytest.approx(level, abs=0.05)


def test_series_of_different_size_are_each_covered():
    """The width follows the series' scale: loud ones are not covered at the cost of quiet ones."""
    rng = np.random.default_rng(2)
    k, s, h = 12, 40, 5
    scale = np.repeat([0.1, 1.0, 10.0, 100.0], 10)
    actual = rng.normal(size=(2 * k, s, h)) * scale[:, None]
    said = flat((k, s, h), width=1e-9)
    calibration = fit_conformal(actual[:k], said, np.broadcast_to(scale, (k, s)), LEVELS, non_negative=False)
    made = np.stack([calibration.apply(said[i], scale) for i in range(k)])
    for group in range(4):
        rows = slice(10 * group, 10 * group + 10)
        assert covered(actual[k:, rows], made[:, rows]) == pytest.approx(0.8, abs=0.08)


def test_a_model_whose_width_tells_the_hard_moments_is_believed():
    rng = np.random.default_rng(4)
    k, s, h = 20, 30, 6
    moment = rng.choice([0.2, 3.0], size=(2 * k, s, h))
    actual = rng.normal(size=(2 * k, s, h)) * moment
    said = moment[..., None] * (np.array(LEVELS) - 0.5)
    calibration = fit_conformal(actual[:k], said[:k], np.ones((k, s)), LEVELS, non_negative=False)
    assert calibration.width == "width"
    made = np.stack([calibration.apply(q, np.ones(s)) for q in said[k:]])
    for size in (0.2, 3.0):
        at = moment[k:] == size
        assert covered(np.where(at, actual[k:], np.nan), made) == pytest.approx(0.8, abs=0.06)


def test_errors_that_grow_with_the_step_get_intervals_that_grow():
    rng = np.random.default_rng(5)
    k, s, h = 15, 60, 12
    actual = rng.normal(size=(2 * k, s, h)) * np.sqrt(np.arange(1, h + 1))
    said = flat((k, s, h))
    calibration = fit_conformal(actual[:k], said, np.ones((k, s)), LEVELS, non_negative=False)
    made = np.stack([calibration.apply(said[i], np.ones(s)) for i in range(k)])
    width = made[0, 0, :, -1] - made[0, 0, :, 0]
    assert width[-1] > 2 * width[0]
    for part in (slice(0, 4), slice(8, 12)):
        assert covered(actual[k:, :, part], made[:, :, part]) == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("rate", [0.3, 1.0, 4.0])
def test_counts_with_many_zeros_are_covered_near_the_nominal_share(rate):
    """An interval from zero cannot be missed below; what it covers too much there is taken from above."""
    rng = np.random.default_rng(6)
    k, s, h = 15, 60, 5
    means = rng.gamma(2.0, rate / 2, size=s)
    actual = rng.poisson(means[:, None], size=(2 * k, s, h)).astype(float)
    said = np.broadcast_to(means[:, None, None] + 0.3 * (np.array(LEVELS) - 0.5), (k, s, h, len(LEVELS)))
    calibration = fit_conformal(actual[:k], said, np.ones((k, s)), LEVELS, non_negative=True)
    made = np.stack([calibration.apply(q, np.ones(s)) for q in said])
    assert (made >= 0).all()
    assert covered(actual[k:], made) == pytest.approx(0.8, abs=0.08)


def test_intervals_are_drawn_in_as_far_as_their_share_allows():
    """The lower end at zero is drawn in only where it leaves zero, as it does when it is applied."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.5, 1.5, (1, 600, 1))
    y = np.where(rng.random((4, 600, 6)) < 0.45, 0.0, rng.gamma(2.0, rate, (4, 600, 6)))
    centre = np.broadcast_to(0.6 * rate, y.shape)
    quantiles = np.stack([centre - 2 * rate, centre, centre + 3 * rate], axis=-1)
    scale = np.ones((4, 600))
    fitted = fit_conformal(y, quantiles, scale, (0.1, 0.5, 0.9), non_negative=True)

    def held(table):
        made = np.stack(
            [dataclasses.replace(fitted, table=table).apply(q, s) for q, s in zip(quantiles, scale, strict=True)]
        )
        return covered(y, made)

    assert held(fitted.table) > 0.8 > held(0.99 * fitted.table)


@st.composite
def odd(draw):
    """Targets and forecasts with holes, absent series, constants, zero widths and undefined scales."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k, s, h = draw(st.integers(1, 5)), draw(st.integers(1, 12)), draw(st.integers(1, 6))
    actual = draw(st.sampled_from([0.0, 1e-9, 1.0, 1e9])) * rng.normal(size=(k, s, h))
    if draw(st.booleans()):
        actual = np.abs(actual)
    quantiles = np.sort(rng.normal(size=(k, s, h, len(LEVELS))), axis=-1) * draw(
        st.sampled_from([0.0, 1e-12, 1.0, 1e9])
    )
    actual[rng.random((k, s, h)) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = np.nan
    absent = rng.random((k, s)) < draw(st.sampled_from([0.0, 0.3]))
    actual[absent] = np.nan
    quantiles[absent] = np.nan
    scale = rng.choice([0.0, np.nan, 0.5, 1e6], size=(k, s))
    return actual, quantiles, scale, bool(np.nanmin(np.append(actual, 0)) >= 0)


@settings(max_examples=150, deadline=None)
@given(odd())
def test_quantiles_never_cross_and_are_finite_whatever_was_seen(made):
    actual, quantiles, scale, non_negative = made
    calibration = fit_conformal(actual, quantiles, scale, LEVELS, non_negative=non_negative)
    said = np.nan_to_num(quantiles[-1])
    out = calibration.apply(said, scale[-1])
    assert np.isfinite(out).all()
    assert (np.diff(out, axis=-1) >= 0).all()
    if non_negative:
        assert (out >= 0).all()
    else:
        # The median was chosen for the metric, and stays.
        np.testing.assert_allclose(out[..., LEVELS.index(0.5)], said[..., LEVELS.index(0.5)], rtol=1e-12)


@pytest.mark.parametrize(("k", "s"), [(1, 1), (1, 50), (6, 1)])
def test_one_window_or_one_series_is_enough(k, s):
    rng = np.random.default_rng(7)
    actual = rng.normal(size=(k, s, 8))
    calibration = fit_conformal(actual, flat((k, s, 8)), np.ones((k, s)), LEVELS, non_negative=False)
    out = calibration.apply(flat((s, 8)), np.ones(s))
    assert (out[..., -1] > out[..., 0]).all()
    # Eight residuals go half of the way from what the model said, four hundred all of it.
    before = covered(actual, flat((k, s, 8)))
    assert covered(actual, np.broadcast_to(out, (k, *out.shape))) >= (0.7 if s > 1 else before + 0.1)


def test_windows_that_share_their_shocks_do_not_outvote_the_model():
    """Two calm windows of twenty series, 960 residuals, are two witnesses: the next may be as wild as was said."""
    rng = np.random.default_rng(8)
    shape = (3, 20, 24)
    said = flat(shape, width=2.56 / 0.8)  # right for a standard deviation of 1
    shocks = np.array([0.1, 0.5, 1.0])[:, None, None] * rng.normal(size=shape)
    independent = 0.3 * rng.normal(size=shape)
    widths = []
    for actual in (shocks, independent):
        calibration = fit_conformal(actual[:2], said[:2], np.ones((2, 20)), LEVELS, non_negative=False)
        out = calibration.apply(said[2], np.ones(20))
        widths.append(float((out[..., -1] - out[..., 0]).mean()))
    assert widths[0] > 1.5 > widths[1] > 0.6


def test_a_constant_series_gets_an_interval_of_next_to_nothing():
    calibration = fit_conformal(
        np.full((3, 1, 4), 5.0), flat((3, 1, 4), 0.0, 5.0), np.zeros((3, 1)), LEVELS, non_negative=True
    )
    np.testing.assert_allclose(calibration.apply(flat((1, 4), 0.0, 5.0), np.zeros(1)), 5.0, atol=1e-6)


def fitted(spread_noise=6.0):
    rng = np.random.default_rng(3)
    k, s, h = 20, 30, 6
    hard = np.where(np.arange(s) < 15, 1.0, spread_noise)
    actual = rng.normal(size=(k, s, h)) * hard[:, None]
    return fit_conformal(actual, flat((k, s, h)), np.ones((k, s)), LEVELS, non_negative=False)


def test_a_calibration_comes_back_from_disk_equal(tmp_path):
    calibration = fitted()
    dump(calibration.to_dict(), tmp_path, "conformal")
    again = type(calibration).from_dict(load(tmp_path, "conformal"))
    for field in dataclasses.fields(calibration):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(calibration, field.name))
    np.testing.assert_array_equal(
        again.apply(flat((30, 6)), np.ones(30)), calibration.apply(flat((30, 6)), np.ones(30))
    )


def test_the_spread_is_one_of_those_named():
    assert fitted().width in WIDTHS


def test_a_batch_of_series_is_calibrated_as_each_alone():
    calibration = fitted()
    rng = np.random.default_rng(0)
    said, scale = np.sort(rng.normal(size=(30, 6, len(LEVELS))), axis=-1), rng.random(30) + 0.1
    together = calibration.apply(said, scale)
    for i in (0, 7, 29):
        np.testing.assert_array_equal(calibration.apply(said[i : i + 1], scale[i : i + 1])[0], together[i])


def test_recent_windows_weigh_more():
    rng = np.random.default_rng(8)
    k, s, h = 12, 40, 5
    loud = np.where(np.arange(k) < 6, 1.0, 3.0)[:, None, None]
    actual = rng.normal(size=(k, s, h)) * loud
    widths = []
    for windows in (actual, actual[::-1]):
        out = fit_conformal(windows, flat((k, s, h)), np.ones((k, s)), LEVELS, non_negative=False).apply(
            flat((s, h)), np.ones(s)
        )
        widths.append((out[..., -1] - out[..., 0]).mean())
    assert widths[0] > 1.1 * widths[1]


def test_forecasts_without_width_teach_nothing_and_keep_the_width_of_the_ensemble():
    """Thirty zeros, then 1, 158: no window before had a spread to measure its errors by, and intervals had none."""
    levels = (0.1, 0.5, 0.9)
    actual, scale = np.zeros((3, 1, 6)), np.zeros((3, 1))
    actual[-1, 0, -2:] = 1.0, 158.0
    flat = np.zeros((3, 1, 6, 3))
    for rounding in (0.0, 1e-6):
        made = fit_conformal(actual, flat + rounding * np.array([-1.0, 0.0, 1.0]), scale, levels, non_negative=False)
        assert not made.learned
        again = Conformal.from_dict(made.to_dict())
        own = 24.0 + np.broadcast_to(np.array([-5.0, 0.0, 5.0]), (1, 6, 3))
        np.testing.assert_allclose(again.apply(own, np.array([8.0])), own)
        # Where even that has none, the scale of the history stands in.
        assert (np.diff(again.apply(np.full((1, 6, 3), 24.0), np.array([8.0])), axis=-1) > 0).all()


def test_an_exact_forecast_needs_no_width():
    """A width that is never used is none; it is not taken for one that could not be measured."""
    rng = np.random.default_rng(0)
    actual = rng.normal(size=(20, 1, 6))
    quantiles = actual[..., None] + np.array([-1.0, 0.0, 1.0])
    made = fit_conformal(actual, quantiles, np.ones((20, 1)), (0.1, 0.5, 0.9), non_negative=False)
    assert made.learned
    assert np.ptp(made.apply(quantiles[0], np.ones(1)), axis=-1).max() < 1e-6


def test_zeros_that_were_forecast_as_zeros_keep_a_width():
    """A demand that slept through all windows may wake up: nothing moved, so nothing was shown."""
    quantiles = np.array([0.0, 0.0, 2.0]) + np.zeros((3, 4, 6, 3))
    made = fit_conformal(np.zeros((3, 4, 6)), quantiles, np.ones((3, 4)), (0.1, 0.5, 0.9), non_negative=False)
    assert made.apply(quantiles[0], np.ones(4))[..., -1].min() > 0.1


def test_series_of_a_row_or_two_do_not_make_all_intervals_wide():
    levels, chance = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), np.random.default_rng(3)
    actual = 100 + 5 * chance.normal(size=(3, 40, 6))
    quantiles = 100 + 5 * np.array([-1.28, -0.84, -0.52, -0.25, 0.0, 0.25, 0.52, 0.84, 1.28]) + np.zeros((3, 40, 6, 9))
    scale = np.full((3, 40), 5.6)
    expected = fit_conformal(actual, quantiles, scale, levels, non_negative=True)
    # A fifth of the newest window is of series that have just begun: no scale, and a width that is made of nothing.
    scale[2, :8] = np.nan
    quantiles[2, :8] = 100 + 0.005 * (quantiles[2, :8] - 100)
    found = fit_conformal(actual, quantiles, scale, levels, non_negative=True)
    widest = np.ptp(found.table, axis=1).max()
    assert widest <= 1.5 * np.ptp(expected.table, axis=1).max()
