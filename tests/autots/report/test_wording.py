"""Numbers as people read them, and sentences that claim no more than was measured."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from autots.report import Facts, charts, svg, wording


@pytest.mark.parametrize("module", [wording, charts, svg])
def test_examples_in_docstrings_hold(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.74123, "0.7412"),
        (12.3456, "12.35"),
        (999.96, "1000"),
        (1234.5, "1,234"),
        (-0.0, "0"),
        (0.00001234, "1.234e-05"),
        (None, "–"),
        (pd.NA, "–"),
        ("text", "–"),
        (float("-inf"), "-∞"),
        (np.float32(0.5), "0.5"),
    ],
)
def test_numbers_have_four_significant_digits(value: object, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.9999, "1.0 s"), (9.96, "10 s"), (59.7, "1 min"), (3599.9, "1 h"), (300, "5 min"), (None, "–")],
)
def test_durations_round_into_the_next_unit(seconds: object, text: str) -> None:
    assert wording.duration(seconds) == text


def test_columns_of_very_different_sizes_keep_their_small_numbers() -> None:
    assert wording.aligned([1e-3, 1e6]) == ["0.001", "1,000,000"]
    assert wording.aligned([float("nan"), 12.0]) == ["–", "12.00"]
    assert wording.aligned([]) == []


def test_one_model_is_no_ensemble(facts_with: Callable[..., Facts]) -> None:
    board = pd.DataFrame({"model": ["ensemble", "theta"], "score": [1.0, 1.0], "weight": [1.0, 1.0]})
    assert wording.headline(facts_with(leaderboard=board)).startswith("One model, theta: MASE 0.7412")


def test_losing_to_the_naive_forecast_is_said(facts_with: Callable[..., Facts]) -> None:
    final = {"ensemble": {"mase": 1.1}, "seasonal_naive": {"mase": 1.0}}
    assert "10 % worse than seasonal naive" in wording.headline(facts_with(final=final))


def test_a_naive_error_of_zero_gives_no_skill(facts_with: Callable[..., Facts]) -> None:
    final = {"ensemble": {"mase": 1.1}, "seasonal_naive": {"mase": 0.0}}
    assert "naive" not in wording.headline(facts_with(final=final))


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("2020-01-01T00:00:00", "2020-01-01T00:00:09"),
        ("2020-01-01T00:00", "2020-01-01T03:00"),
        ("2020-02-27", "2020-03-02"),
        ("2020-01-01", "2020-03-01"),
        ("1958-03-29", "2001-12-29"),
        ("1700-01-01", "2262-01-01"),
    ],
)
def test_time_ticks_are_few_round_and_inside(low: str, high: str) -> None:
    a, b = svg.positions(np.array([low, high], dtype="datetime64[s]")).tolist()
    ticks = svg.time_ticks(a, b)
    assert 2 <= len(ticks) <= 6
    assert all(a <= x <= b for x, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


def test_years_are_marked_at_decades() -> None:
    a, b = svg.positions(np.array(["1958-03-29", "2001-12-29"], dtype="datetime64[D]")).tolist()
    assert [label for _, label in svg.time_ticks(a, b)] == ["1960", "1970", "1980", "1990", "2000"]
    assert svg.positions(np.array(["1970-01-02", "NaT"], dtype="datetime64[D]"))[0] == datetime(1970, 1, 2).day * 43200


def test_bands_are_nested_and_named_by_their_levels() -> None:
    assert charts.bands(tuple(np.linspace(0.1, 0.9, 9)), 9) == [(0, 8, 0.8), (2, 6, 0.4)]
    assert charts.bands((0.5,), 1) == []
    assert charts.interval_names((), 3) == ["interval"]
    assert charts.interval_names((0.025, 0.5, 0.975), 3) == ["95 % interval"]
