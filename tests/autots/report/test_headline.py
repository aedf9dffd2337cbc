"""The result in a sentence that claims no more than was measured, and intervals named by their levels."""

from __future__ import annotations

import doctest
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from autots.report import Facts, charts, headline


@pytest.mark.parametrize("module", [headline, charts])
def test_examples_in_docstrings_hold(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0 and result.failed == 0


def test_one_model_is_no_ensemble(facts_with: Callable[..., Facts]) -> None:
    board = pd.DataFrame({"model": ["ensemble", "theta"], "score": [1.0, 1.0], "weight": [1.0, 1.0]})
    assert headline.headline(facts_with(leaderboard=board)).startswith("One model, theta: MASE 0.7412")


def test_losing_to_the_naive_forecast_is_said(facts_with: Callable[..., Facts]) -> None:
    final = {"ensemble": {"mase": 1.1}, "seasonal_naive": {"mase": 1.0}}
    assert "10 % worse than seasonal naive" in headline.headline(facts_with(final=final))


def test_a_naive_error_of_zero_gives_no_skill(facts_with: Callable[..., Facts]) -> None:
    final = {"ensemble": {"mase": 1.1}, "seasonal_naive": {"mase": 0.0}}
    assert "naive" not in headline.headline(facts_with(final=final))


def test_bands_are_nested_and_named_by_their_levels() -> None:
    assert charts.bands(tuple(np.linspace(0.1, 0.9, 9)), 9) == [(0, 8, 0.8), (2, 6, 0.4)]
    assert charts.bands((0.5,), 1) == []
    assert charts.interval_names((), 3) == ["interval"]
    assert charts.interval_names((0.025, 0.5, 0.975), 3) == ["95 % interval"]


@pytest.mark.parametrize("skill", [0.005, -0.005, 0.0051, 0.3, -0.3, 1.0, -12.0])
def test_a_skill_that_counts_is_never_told_as_nothing(skill: float) -> None:
    text = headline.against_naive(skill)
    assert ("better" in text) == (skill > 0) and ("worse" in text) == (skill < 0)
    assert not text.startswith("0 %") and "-" not in text


@pytest.mark.parametrize("skill", [float("nan"), float("inf"), None, "text"])
def test_a_skill_that_is_not_known_is_not_told(skill: object) -> None:
    assert headline.against_naive(skill) == ""
