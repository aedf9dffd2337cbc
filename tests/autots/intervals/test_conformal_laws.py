"""The calibration against slow versions of its formulas, and laws that hold for any data.

The oracles are loops that read like the text of the module; figures of today's constants are written out, so that a
changed one fails here and is measured anew.
"""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.intervals import fit_conformal
from autots.intervals.conformal import _cells, _design_effect, _folds, _local_widths, _recency, _table_row

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
MIDDLE = 2
quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def said(shape, width=1.0, centre=0.0):
    """Return the quantiles of a forecaster that always says the same; the outer ones are ``width`` apart."""
    return np.broadcast_to(centre + width * (np.array(LEVELS) - 0.5) / 0.8, (*shape, len(LEVELS))).copy()


def slow_quantile(values, weights, level):
    """The smallest value at which the weights up to it are that share of all."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    total, so_far = sum(weights), 0.0
    for i in order:
        so_far += weights[i]
        if so_far / total >= level - 1e-12:
            return values[i]
    return values[order[-1]]


def slow_offsets(values, weights, factor, prior):
    out, n = [], len(values)
    for level, own in zip(LEVELS, prior, strict=True):
        if level == 0.5:
            out.append(own)
            continue
        rank = min(level * (n + 1) / n, 1.0) if level > 0.5 else max((level * (n + 1) - 1) / n, 0.0)
        found = slow_quantile(values, weights, rank)
        out.append(factor * (max(found, 0.0) if level > 0.5 else min(found, 0.0)) + own)
    return out


@quick
@given(seeds, st.integers(2, 60), st.floats(0.3, 1.2))
def test_the_offsets_of_a_cell_are_weighted_conformal_quantiles(seed, n, factor):
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=n), rng.choice([0.35, 1.0], size=n)
    prior = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    got = _table_row(values, weights, None, LEVELS, factor=factor, prior=prior)
    np.testing.assert_allclose(got, sorted(slow_offsets(list(values), list(weights), factor, prior)))


def test_the_outer_quantiles_of_few_residuals_are_their_extremes():
    """(n + 1) tau is beyond n or below 1: the finite-sample rank goes outward on both sides."""
    values = np.array([-3.0, -1.0, 0.0, 2.0, 4.0])
    got = _table_row(values, np.ones(5), None, LEVELS, factor=1.0, prior=np.zeros(5))
    assert (got[0], got[-1]) == (-3.0, 4.0)
    assert got[MIDDLE] == 0.0


def test_offsets_lie_on_their_side_of_the_median():
    got = _table_row(np.array([5.0, 6.0, 7.0]), np.ones(3), None, LEVELS, factor=1.0, prior=np.zeros(5))
    assert (got[:MIDDLE] == 0).all() and (got[MIDDLE + 1 :] > 0).all()


@quick
@given(seeds)
def test_an_interval_that_touches_the_bound_is_drawn_in_to_its_share(seed):
    """Half of the targets are zero: the lower end cannot be missed, so the interval covers too much until drawn in."""
    rng = np.random.default_rng(seed)
    centre = np.full(400, 1.0)
    actual = np.where(rng.random(400) < 0.5, 0.0, 1.0 + rng.exponential(size=400))
    residual, floor = actual - centre, -centre
    got = _table_row(residual, np.ones(400), floor, LEVELS, factor=1.0, prior=np.zeros(5))

    def covered(low, high, by=1.0):
        return ((residual >= np.maximum(by * low, floor)) & (residual <= by * high)).mean()

    plain = _table_row(residual, np.ones(400), None, LEVELS, factor=1.0, prior=np.zeros(5))
    for i, j, share in ((0, 4, 0.8), (1, 3, 0.4)):
        if covered(plain[i], plain[j]) <= share + 0.01:
            assert (got[i], got[j]) == (plain[i], plain[j])
        else:
            assert covered(got[i], got[j]) >= share + 0.01 - 1e-9
            # No narrower interval of the same shape does, within the grid of a millionth.
            assert covered(plain[i], plain[j], got[j] / plain[j] - 2e-6) < share + 0.01


@pytest.mark.parametrize(("k", "rate"), [(1, 0.35), (3, 0.35), (5, 0.35), (6, 0.5**0.5), (12, 0.5**0.25)])
def test_a_window_weighs_less_the_older_it_is(k, rate):
    seen = np.ones((k, 2, 3), dtype=bool)
    np.testing.assert_allclose(_recency(seen), [rate ** (k - 1 - i) for i in range(k)])


def test_windows_without_a_target_neither_weigh_nor_make_others_older():
    seen = np.ones((4, 2, 3), dtype=bool)
    seen[2] = False
    np.testing.assert_allclose(_recency(seen), [0.35**2, 0.35, 0.0, 1.0])
    assert (_recency(np.zeros((3, 2, 2), dtype=bool)) == 0).all()


def slow_design_effect(size, seen):
    cut = np.quantile(size[seen], 0.8)
    share = sum(bool(size[i] > cut) for i in np.ndindex(size.shape) if seen[i]) / seen.sum()
    worst = 1.0
    k, s, _ = size.shape
    for clusters in ([(w, slice(None)) for w in range(k)], [(w, i) for w in range(k) for i in range(s)]):
        surplus, count = 0.0, 0
        for at in clusters:
            n = seen[at].sum()
            if n:
                surplus += n * ((size[at] > cut)[seen[at]].mean() - share) ** 2
                count += 1
        if count > 1 and 0 < share < 1:
            worst = max(worst, surplus / (share * (1 - share)) / (count - 1))
    return worst


@quick
@given(seeds, st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.floats(0.0, 1.0))
def test_the_design_effect_is_how_much_more_clusters_differ_than_chance(seed, k, s, h, shared):
    rng = np.random.default_rng(seed)
    size = np.exp(shared * rng.normal(size=(k, 1, 1)) + rng.normal(size=(k, s, h)))
    seen = rng.random((k, s, h)) < 0.8
    if seen.any():
        assert _design_effect(size, seen) == pytest.approx(slow_design_effect(size, seen))


def test_residuals_of_one_shock_tell_as_much_as_one():
    calm, wild = np.ones((10, 4, 5)), np.ones((10, 4, 5))
    wild[3] = 9.0
    seen = np.ones(wild.shape, dtype=bool)
    # The twenty residuals of a window are all large, or none is.
    assert _design_effect(wild, seen) == pytest.approx(20.0 * 10 / 9)
    assert _design_effect(calm, seen) == 1.0
    assert _design_effect(wild, np.zeros_like(seen)) == 1.0


def slow_width(quantiles, scale, kind):
    width = (quantiles[-1] - quantiles[0]) / 2
    good = math.isfinite(scale) and scale > 0
    if not width > 0.01 * (scale if good else 0.0):
        width = scale if good else 0.0
    found = width if kind == "width" else math.sqrt(width * (scale if good else width))
    return found if math.isfinite(found) else 0.0


@quick
@given(seeds, st.sampled_from(["width", "both"]))
def test_a_width_is_the_ensembles_or_its_mean_with_the_scale(seed, kind):
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.normal(size=(6, 2, 5)), axis=-1) * rng.choice([0.0, 1e-3, 1.0, 50.0], size=(6, 1, 1))
    scale = rng.choice([0.0, np.nan, 0.5, 2.0], size=6)
    centre, width = _local_widths(quantiles, scale, LEVELS, kind)
    np.testing.assert_array_equal(centre, quantiles[..., MIDDLE])
    expected = [[slow_width(quantiles[i, j], float(scale[i]), kind) for j in range(2)] for i in range(6)]
    np.testing.assert_allclose(width, expected, rtol=1e-12)


def test_cells_are_groups_of_steps_times_groups_of_relative_width():
    centre = np.array([[1.0, 1.0, -2.0, 10.0]])
    width = np.array([[0.1, 0.9, 1.8, 9.0]])  # relative .1, .9, .9, .9
    np.testing.assert_array_equal(_cells(centre, width, (2, 4), (0.5,)), [[0, 1, 3, 3]])
    np.testing.assert_array_equal(_cells(centre, width, (1, 4), ()), [[0, 1, 1, 1]])
    np.testing.assert_array_equal(_cells(np.zeros((1, 1)), np.ones((1, 1)), (1,), (0.5, 1e9)), [[2]])


@pytest.mark.parametrize(("k", "s", "count"), [(1, 9, 0), (1, 10, 2), (2, 3, 2), (4, 3, 4), (9, 3, 4)])
def test_each_window_is_left_out_once_and_of_one_window_each_series(k, s, count):
    folds = _folds(np.zeros((k, s, 2)))
    assert len(folds) == count
    if folds:
        np.testing.assert_array_equal(np.sum(folds, axis=0), np.ones((k, s)))
    if k > 1:
        assert all((f.all(axis=1) | ~f.any(axis=1)).all() for f in folds)


def slow_table(actual, quantiles):
    """The one row of the table of a small panel whose kind of width is the ensemble's own."""
    k, s, h = actual.shape
    width, own = (quantiles[..., -1] - quantiles[..., 0]) / 2, quantiles - quantiles[..., [MIDDLE]]
    residual = (actual - quantiles[..., MIDDLE]) / width
    weight = 0.35 ** np.arange(k - 1, -1, -1.0)
    windows = weight.sum() ** 2 / (weight**2).sum()
    independent = actual.size * windows / k / slow_design_effect(np.abs(residual), np.ones(actual.shape, dtype=bool))
    trust = independent / (independent + 60.0)
    wider = 1 + 0.25 / windows
    prior = (1 - trust) * wider * np.median((own / width[..., None]).reshape(-1, len(LEVELS)), axis=0)
    rows = np.repeat(weight, s * h)
    return sorted(slow_offsets(list(residual.ravel()), list(rows), trust * wider, prior))


@quick
@given(seeds, st.integers(2, 5), st.integers(2, 6), st.integers(1, 5))
def test_the_table_of_a_small_panel_is_that_of_the_slow_version(seed, k, s, h):
    rng = np.random.default_rng(seed)
    actual = rng.normal(size=(k, s, h))
    quantiles = said((k, s, h), 2.0) * rng.uniform(0.5, 2.0, size=(k, s, h, 1)) + rng.normal(size=(k, s, h, 1))
    # Without a scale both kinds of width are the ensemble's own.
    found = fit_conformal(actual, quantiles, np.full((k, s), np.nan), LEVELS, non_negative=False)
    assert found.step_edges == (h,) and found.size_edges == () and found.learned
    np.testing.assert_allclose(found.table[0], slow_table(actual, quantiles), rtol=1e-9)


@quick
@given(seeds, st.sampled_from([2.0**-20, 0.25, 2.0, 2.0**20]), st.booleans())
def test_the_unit_of_the_targets_does_not_matter(seed, unit, non_negative):
    rng = np.random.default_rng(seed)
    actual = rng.exponential(size=(4, 8, 5)) if non_negative else rng.normal(size=(4, 8, 5))
    quantiles = said((4, 8, 5), 1.0, 1.0) * rng.uniform(0.5, 2.0, size=(4, 8, 1, 1))
    scale = rng.uniform(0.5, 2.0, size=(4, 8))
    plain = fit_conformal(actual, quantiles, scale, LEVELS, non_negative=non_negative)
    other = fit_conformal(unit * actual, unit * quantiles, unit * scale, LEVELS, non_negative=non_negative)
    assert other.width == plain.width
    np.testing.assert_allclose(other.table, plain.table)
    both = [c.apply(u * quantiles[0], u * scale[0]) / u for c, u in ((plain, 1.0), (other, unit))]
    np.testing.assert_allclose(both[0], both[1], atol=1e-12)


@quick
@given(seeds, st.integers(2, 30))
def test_shards_of_the_series_are_calibrated_as_the_whole(seed, cut):
    rng = np.random.default_rng(seed)
    actual, quantiles = rng.normal(size=(6, 32, 4)), said((6, 32, 4))
    fitted = fit_conformal(actual, quantiles, np.ones((6, 32)), LEVELS, non_negative=False)
    new, scale = np.sort(rng.normal(size=(32, 4, 5)), axis=-1), rng.uniform(0.1, 3.0, size=32)
    parts = [fitted.apply(new[at], scale[at]) for at in (slice(0, cut), slice(cut, None))]
    np.testing.assert_array_equal(np.concatenate(parts), fitted.apply(new, scale))


@pytest.mark.parametrize("seed", range(6))
def test_exchangeable_errors_are_covered_within_binomial_bounds(seed):
    """Four standard errors of a share that is estimated twice, and what few windows widen (8 % over their number)."""
    rng = np.random.default_rng(seed)
    k, s, h = 24, 40, 5
    shape = rng.choice([3.0, 30.0])
    actual = rng.standard_t(shape, size=(2, k, s, h))
    fitted = fit_conformal(actual[0], said((k, s, h), 0.5), np.ones((k, s)), LEVELS, non_negative=False)
    forecast = fitted.apply(said((s, h), 0.5), np.ones(s))
    effective = k * s * h / 2.5  # recent windows weigh more
    for i, level in enumerate(LEVELS):
        share = (actual[1] <= forecast[..., i]).mean()
        bound = 4 * math.sqrt(level * (1 - level) * (1 / effective + 1 / actual[1].size))
        assert share == pytest.approx(level, abs=bound + 0.01)


@pytest.mark.parametrize(("n_series", "groups", "sizes"), [(10, 1, 1), (100, 2, 1), (600, 12, 1), (3_000, 12, 3)])
def test_more_residuals_make_a_finer_table(n_series, groups, sizes):
    rng = np.random.default_rng(0)
    shape = (1, n_series, 12)
    width = rng.uniform(0.5, 2.0, size=(*shape, 1))
    fitted = fit_conformal(
        rng.normal(size=shape), 5 + said(shape) * width, np.ones((1, n_series)), LEVELS, non_negative=False
    )
    assert len(fitted.step_edges) == groups and fitted.step_edges[-1] == 12
    assert len(fitted.size_edges) == sizes - 1
    assert fitted.table.shape == (groups * sizes, len(LEVELS))


def test_a_cell_with_few_residuals_uses_those_of_all():
    """Three steps have targets in all windows, the last one in a few: too few for its own outer quantiles."""
    rng = np.random.default_rng(1)
    actual = rng.normal(size=(2, 700, 2))
    actual[:, 100:, 1] = np.nan
    actual[..., 1] *= 20
    actual[1, :, 1] = np.nan
    fitted = fit_conformal(actual, said(actual.shape), np.ones((2, 700)), LEVELS, non_negative=False)
    assert fitted.step_edges == (1, 2)
    assert fitted.table[1, -1] < 3 * fitted.table[0, -1]


def test_a_width_that_says_nothing_gives_way_to_the_scale():
    rng = np.random.default_rng(2)
    scale = np.repeat([0.1, 10.0], 30)
    actual = rng.normal(size=(12, 60, 4)) * scale[:, None]
    noise = said((12, 60, 4)) * np.exp(2 * rng.normal(size=(12, 60, 4, 1)))
    assert fit_conformal(actual, noise, np.tile(scale, (12, 1)), LEVELS, non_negative=False).width == "both"
    right = said((12, 60, 4)) * scale[:, None, None]
    unrelated = np.exp(2 * rng.normal(size=(12, 60)))
    assert fit_conformal(actual, right, unrelated, LEVELS, non_negative=False).width == "width"


def test_without_windows_to_leave_out_both_kinds_of_width_are_used():
    actual = np.random.default_rng(3).normal(size=(1, 4, 6))
    assert fit_conformal(actual, said(actual.shape), np.ones((1, 4)), LEVELS, non_negative=False).width == "both"


def test_what_taught_nothing_has_the_shape_of_a_normal_distribution():
    fitted = fit_conformal(np.zeros((2, 3, 4)) * np.nan, said((2, 3, 4)), np.ones((2, 3)), LEVELS, non_negative=False)
    assert not fitted.learned
    z = [NormalDist().inv_cdf(level) for level in LEVELS]
    np.testing.assert_allclose(fitted.table, [[one / z[-1] for one in z]])
    # Its outer quantiles are as far apart as the ensemble's own.
    made = fitted.apply(said((3, 4), 2.0), np.ones(3))
    np.testing.assert_allclose(made[..., -1] - made[..., 0], 2.0)


def test_targets_that_cannot_be_negative_have_no_negative_quantile():
    actual = np.random.default_rng(4).exponential(size=(5, 20, 4))
    fitted = fit_conformal(actual, said((5, 20, 4), 1.0, 0.2), np.ones((5, 20)), LEVELS, non_negative=True)
    assert fitted.apply(said((20, 4), 9.0, 0.2), np.ones(20)).min() == 0.0
    free = fit_conformal(actual - 1, said((5, 20, 4)), np.ones((5, 20)), LEVELS, non_negative=False)
    assert free.apply(said((20, 4), 9.0, 0.2), np.ones(20)).min() < 0.0
