"""Running means: equal to those of the whole list, and bounds that shrink as they should."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.routing.base import RoutingOutcome
from serve.routing.tally import METRICS, ModelTallies, Tally, check_alpha, radius
from zoo.errors import ConfigError

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30)


def tallied(values: list[float], keep: float = 1.0) -> Tally:
    tally = Tally()
    for value in values:
        tally = tally.add(value, keep=keep)
    return tally


@given(VALUES)
def test_a_tally_is_count_mean_and_variance_of_the_list(values: list[float]) -> None:
    tally = tallied(values)
    assert tally.count == len(values)
    assert tally.mean == pytest.approx(statistics.fmean(values), abs=1e-9)
    expected = statistics.variance(values) if len(values) > 1 else 0.0
    assert tally.variance == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(VALUES, st.floats(0.1, 1.0))
def test_what_is_older_counts_less_by_a_power_of_its_age(values: list[float], keep: float) -> None:
    tally = tallied(values, keep)
    weights = [keep**age for age in range(len(values))][::-1]
    mean = math.fsum(w * v for w, v in zip(weights, values, strict=True)) / math.fsum(weights)
    squares = math.fsum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True))
    assert tally.count == pytest.approx(math.fsum(weights))
    assert tally.mean == pytest.approx(mean, abs=1e-7)
    assert tally.squares == pytest.approx(squares, rel=1e-7, abs=1e-5)


@given(st.floats(0.001, 0.5), st.integers(2, 10_000), st.floats(0.1, 50.0))
def test_bounds_shrink_with_the_number_and_grow_with_variance_and_certainty(alpha: float, n: int, var: float) -> None:
    def bound(count: float, variance: float, alpha: float) -> float:
        return radius(Tally(count, 0.0, variance * (count - 1.0)), alpha)

    here = bound(float(n), var, alpha)
    assert bound(4.0 * n, var, alpha) < here
    assert bound(float(n), 4.0 * var, alpha) == pytest.approx(2.0 * here)
    assert bound(float(n), var, alpha / 2) > here
    # Wider than the interval that is looked at once.
    once = statistics.NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(var / n)
    assert here > once


@pytest.mark.parametrize("count", [0.0, 1.0, 1.99])
def test_nothing_is_known_before_two(count: float) -> None:
    assert radius(Tally(count, 0.0, 0.0), 0.05) == math.inf


def test_each_part_of_an_outcome_is_counted_alone_and_what_is_no_number_never() -> None:
    whole = RoutingOutcome("m", failed=True, latency_ms=7.0, loss=0.5, missed=False)
    found = ModelTallies().after(whole)
    assert {name: found.of(name).mean for name in METRICS} == {
        "failures": 1.0, "latency_ms": 7.0, "loss": 0.5, "misses": 0.0,
    }  # fmt: skip
    assert all(found.of(name).count == 1.0 for name in METRICS)
    later = found.after(RoutingOutcome("m", latency_ms=math.inf, loss=math.nan))
    assert later == found
    assert found.after(RoutingOutcome("m", loss=1.5)).loss == Tally(2.0, 1.0, 0.5)
    assert found.after(RoutingOutcome("m", missed=True), keep=0.5).misses.count == 1.5


@pytest.mark.parametrize("alpha", [0.0, -0.1, 0.51, float("nan")])
def test_a_probability_of_error_that_says_nothing_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match="alpha must lie in"):
        check_alpha(alpha)
    check_alpha(0.5)
