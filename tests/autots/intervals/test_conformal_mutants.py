"""What mutation testing of the calibration had found untested; docs/notes/mutation.md lists the mutants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.intervals import fit_conformal
from autots.intervals.conformal import WIDTHS, _left_out_loss, _table_row
from autots.panel import Floats

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
SEEDS = st.integers(0, 2**32 - 1)


def said(shape: tuple[int, ...], width: float) -> Floats:
    return np.asarray(np.broadcast_to(width * (np.array(LEVELS) - 0.5) / 0.8, (*shape, len(LEVELS))).copy())


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(1.5, 4.0))
def test_an_interval_far_beyond_the_bound_is_drawn_in_to_its_share_and_no_further(seed: int, factor: float) -> None:
    """The lower end lies far below the bound: so the upper one alone decides, and coverage falls in small steps."""
    rng = np.random.default_rng(seed)
    actual = np.where(rng.random(1000) < 0.5, 0.0, 1.0 + rng.exponential(size=1000))
    residual, floor = actual - 1.0, np.full(1000, -1.0)
    prior = np.array([-9.0, -8.0, 0.0, 1.0, 2.0])
    got = _table_row(residual, np.ones(1000), floor, LEVELS, factor=factor, prior=prior)
    plain = _table_row(residual, np.ones(1000), None, LEVELS, factor=factor, prior=prior)
    for i, j, share in ((0, 4, 0.8), (1, 3, 0.4)):
        inside = (residual >= np.maximum(got[i], floor)) & (residual <= got[j])
        assert share + 0.01 - 1e-9 <= inside.mean()
        by = got[j] / plain[j]
        assert got[i] == pytest.approx(by * plain[i])
        if got[i] < -1.001:  # the zeros are inside in any case
            assert inside.mean() <= share + 0.01 + 2 / 1000


def test_series_without_width_do_not_undo_what_others_taught() -> None:
    rng = np.random.default_rng(0)
    quantiles = said((3, 8, 4), 1.0)
    quantiles[:, 4:] = 0.0  # half of the series are forecast without a width, and missed
    actual = 1.0 + rng.random((3, 8, 4))  # every residual is large
    scale = np.zeros((3, 8))
    found = fit_conformal(actual, quantiles, scale, LEVELS, non_negative=False)
    assert found.learned
    none = fit_conformal(actual[:, 4:], quantiles[:, 4:], scale[:, 4:], LEVELS, non_negative=False)
    assert not none.learned


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("unit", [1e-3, 7.0, 1e4])
def test_series_of_any_unit_have_the_same_say_in_the_choice_of_the_width(width: str, unit: float) -> None:
    rng = np.random.default_rng(1)
    actual, quantiles, scale = rng.normal(size=(4, 12, 5)), said((4, 12, 5), 2.0), np.ones((4, 12))
    plain = _left_out_loss(actual, quantiles, scale, LEVELS, width, non_negative=False)
    units = np.where(np.arange(12) < 6, 1.0, unit)
    mixed = _left_out_loss(
        actual * units[:, None], quantiles * units[:, None, None], scale * units, LEVELS, width, non_negative=False
    )
    assert mixed == pytest.approx(plain, rel=1e-9)
