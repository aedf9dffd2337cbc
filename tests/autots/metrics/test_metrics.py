"""Metrics against slow oracles: loops that read as the formula does, one element at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.metrics import METRICS, Sums, coverage, metric, pinball, season_scale
from autots.panel import Frequency, Panel
from zoo.errors import ConfigError

LEVELS = (0.1, 0.5, 0.9)
quick = settings(max_examples=60, deadline=None)


@st.composite
def scored(draw):
    """Targets with holes, points, quantiles and scales (some zero, some undefined) of S series and H steps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    s, h = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    actual = np.round(rng.normal(scale=3, size=(s, h)), 1)
    actual[rng.random((s, h)) < draw(st.sampled_from([0.0, 0.2, 1.0]))] = np.nan
    actual[rng.random((s, h)) < 0.2] = 0.0
    quantiles = np.sort(np.round(rng.normal(scale=3, size=(s, h, len(LEVELS))), 1), axis=-1)
    scale = rng.choice([0.0, np.nan, 0.5, 2.0], size=s)
    return actual, quantiles[..., 1].copy(), quantiles, scale


def pairs(actual, point):
    return [(a, f) for row, made in zip(actual, point, strict=True) for a, f in zip(row, made, strict=True) if a == a]


def mean(values):
    return sum(values) / len(values) if values else math.nan


def slow_mae(actual, point, quantiles, scale):
    return mean([abs(a - f) for a, f in pairs(actual, point)])


def slow_mse(actual, point, quantiles, scale):
    return mean([(a - f) ** 2 for a, f in pairs(actual, point)])


def slow_rmse(actual, point, quantiles, scale):
    return math.sqrt(slow_mse(actual, point, quantiles, scale))


def slow_smape(actual, point, quantiles, scale):
    rows = []
    for row, made in zip(actual, point, strict=True):
        terms = [
            200 * abs(a - f) / (abs(a) + abs(f)) if a or f else 0.0 for a, f in zip(row, made, strict=True) if a == a
        ]
        rows += [mean(terms)] if terms else []
    return mean(rows)


def slow_mase(actual, point, quantiles, scale):
    rows = []
    for row, made, unit in zip(actual, point, scale, strict=True):
        errors = [abs(a - f) for a, f in zip(row, made, strict=True) if a == a]
        rows += [mean(errors) / unit] if errors and unit > 0 else []
    return mean(rows)


def slow_wape(actual, point, quantiles, scale):
    size = sum(abs(a) for a, _ in pairs(actual, point))
    return sum(abs(a - f) for a, f in pairs(actual, point)) / size if size else math.nan


def slow_loss(a, q):
    return mean([2 * max(tau * (a - f), (tau - 1) * (a - f)) for tau, f in zip(LEVELS, q, strict=True)])


def slow_wql(actual, point, quantiles, scale):
    seen = [(a, quantiles[i, j]) for i, row in enumerate(actual) for j, a in enumerate(row) if a == a]
    size = sum(abs(a) for a, _ in seen)
    return sum(slow_loss(a, q) for a, q in seen) / size if size else math.nan


def slow_sql(actual, point, quantiles, scale):
    rows = []
    for i, unit in enumerate(scale):
        losses = [slow_loss(a, quantiles[i, j]) for j, a in enumerate(actual[i]) if a == a]
        rows += [mean(losses) / unit] if losses and unit > 0 else []
    return mean(rows)


SLOW = {
    name.removeprefix("slow_"): f for name, f in globals().items() if name.startswith("slow_") and "loss" not in name
}


def value(name, made):
    one = METRICS[name]
    actual, point, quantiles, scale = made
    return one.report(one.sums(actual, point, quantiles, LEVELS, scale))


def test_every_additive_metric_has_an_oracle():
    assert set(SLOW) == set(METRICS) - {"owa"}


@pytest.mark.parametrize("name", sorted(SLOW))
@quick
@given(made=scored())
def test_agrees_with_the_slow_oracle(name, made):
    np.testing.assert_allclose(value(name, made), SLOW[name](*made), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(SLOW))
@quick
@given(made=scored(), cut=st.integers(0, 6))
def test_shards_merge_to_the_whole(name, made, cut):
    one = METRICS[name]
    parts = [one.sums(*(v[part] for v in made[:3]), LEVELS, made[3][part]) for part in (slice(cut), slice(cut, None))]
    np.testing.assert_allclose(one.report(parts[0] + parts[1]), value(name, made), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(METRICS))
@quick
@given(made=scored())
def test_a_perfect_forecast_scores_zero_or_nothing(name, made):
    actual, scale = made[0], made[3]
    exact = np.nan_to_num(actual)
    got = value(name, (actual, exact, np.repeat(exact[..., None], len(LEVELS), axis=-1), scale))
    assert got == 0 or math.isnan(got)


@pytest.mark.parametrize("name", sorted(METRICS))
@quick
@given(made=scored())
def test_never_negative(name, made):
    assert not value(name, made) < 0


@quick
@given(made=scored())
def test_smape_lies_between_0_and_200(made):
    got = value("smape", made)
    assert math.isnan(got) or 0 <= got <= 200


def test_smape_of_opposite_signs_is_200_and_of_two_zeros_is_0():
    def of(a, f):
        return value("smape", (np.array([[a]]), np.array([[f]]), np.zeros((1, 1, 3)), np.ones(1)))

    assert of(1.0, -1.0) == 200
    assert of(0.0, 0.0) == 0
    assert of(100.0, 50.0) == pytest.approx(200 * 50 / 150)


def test_mase_leaves_out_series_without_a_scale():
    actual, point = np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 1))
    made = (actual, point, np.zeros((3, 1, 3)), np.array([2.0, 0.0, np.nan]))
    assert value("mase", made) == 0.5
    assert math.isnan(value("mase", (*made[:3], np.zeros(3))))


def test_quantile_losses_by_hand():
    # 0.1: 2 * 0.1 * (10 - 8) = 0.4; 0.5: |10 - 9| = 1; 0.9: 2 * 0.1 * (14 - 10) = 0.8
    made = (np.array([[10.0]]), np.array([[9.0]]), np.array([[[8.0, 9.0, 14.0]]]), np.array([4.0]))
    np.testing.assert_allclose(pinball(made[0], made[2], LEVELS), [[[0.4, 1.0, 0.8]]])
    assert value("wql", made) == pytest.approx((0.4 + 1.0 + 0.8) / 3 / 10)
    assert value("sql", made) == pytest.approx((0.4 + 1.0 + 0.8) / 3 / 4)


@quick
@given(made=scored())
def test_pinball_at_the_median_is_the_absolute_error(made):
    actual, point, quantiles, _ = made
    np.testing.assert_allclose(pinball(actual, quantiles, LEVELS)[..., 1], np.abs(actual - point))


def test_owa_of_the_reference_itself_is_one():
    rng = np.random.default_rng(0)
    actual, point, scale = 10 + rng.normal(size=(4, 3)), 10 + rng.normal(size=(4, 3)), np.full(4, 0.7)
    made = (actual, point, np.repeat(point[..., None], 3, axis=-1), scale)
    owa = METRICS["owa"].against(value("smape", made), value("mase", made))
    assert owa.sums(*made[:3], LEVELS, scale).value == pytest.approx(1.0)
    half = (actual, (actual + point) / 2, made[2], scale)
    expected = (value("smape", half) / value("smape", made) + value("mase", half) / value("mase", made)) / 2
    assert owa.sums(*half[:3], LEVELS, scale).value == pytest.approx(expected)


def test_owa_without_any_scale_is_the_relative_percentage_error():
    actual, point = np.array([[2.0, 2.0]]), np.array([[1.0, 1.0]])
    owa = METRICS["owa"].against(50.0, float("nan"))
    got = owa.sums(actual, point, np.zeros((1, 2, 3)), LEVELS, np.array([np.nan])).value
    assert got == pytest.approx(200 / 3 / 50)


def test_nothing_to_score_is_not_a_number():
    assert math.isnan(Sums(0.0, 0.0).value)
    empty = (np.full((2, 3), np.nan), np.zeros((2, 3)), np.zeros((2, 3, 3)), np.ones(2))
    assert all(math.isnan(value(name, empty)) for name in METRICS)


def test_the_metric_says_which_point_it_rewards():
    assert {name for name, one in METRICS.items() if one.squared} == {"mse", "rmse"}


def test_an_unknown_metric_is_refused_with_the_nearest_name():
    assert metric("RMSE") is METRICS["rmse"]
    with pytest.raises(ConfigError, match="metric must be one of") as info:
        metric("smap")
    assert "'smape'" in info.value.hint


def panel_of(*series):
    lengths = [len(s) for s in series]
    return Panel(
        np.array([f"s{i}" for i in range(len(series))], dtype=object),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([np.arange(n) for n in lengths]),
        np.concatenate(series).astype(float),
        Frequency.parse(1),
    )


@quick
@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1.0, 2.5, math.nan, -3.0]), min_size=1, max_size=9), min_size=1, max_size=4
    ),
    st.integers(1, 4),
)
def test_season_scale_agrees_with_the_slow_oracle(series, season):
    slow = []
    for s in series:
        steps = [abs(b - a) for a, b in zip(s, s[season:], strict=False) if not math.isnan(a + b)]
        slow.append(mean(steps))
    np.testing.assert_allclose(season_scale(panel_of(*map(np.array, series)), season), slow)


def test_coverage_counts_targets_inside_each_central_interval():
    actual = np.array([[1.0, 2.0, 3.0, np.nan, 5.0]])
    quantiles = np.broadcast_to(np.array([2.0, 3.0, 4.0]), (1, 5, 3))
    assert coverage(actual, quantiles, LEVELS) == {"0.8": 0.5}
    assert coverage(np.full((1, 5), np.nan), quantiles, LEVELS) == {}
    assert coverage(actual, quantiles, (0.1, 0.5, 0.8)) == {}  # no level faces another


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_says_what_it_looks_at(name):
    """Who keeps quantiles for it, or counts series without a scale, goes by that alone."""
    rng = np.random.default_rng(5)
    actual, scale = rng.normal(size=(4, 6)), np.array([0.5, 1.0, 2.0, 4.0])
    quantiles = np.sort(rng.normal(size=(4, 6, len(LEVELS))), axis=-1)
    one = METRICS[name]

    def score(wide=0.0, scales=1.0):
        return one.sums(actual, actual + 1, quantiles + wide, LEVELS, scales * scale).value

    assert (score() != score(wide=1.0)) == one.probabilistic
    assert (score() != score(scales=3.0)) == one.scaled
