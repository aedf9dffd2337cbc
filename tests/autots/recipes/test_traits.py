"""What is known of a panel before a fit, and how unlike two panels are."""

import dataclasses

import numpy as np
import pytest

from autots.models.base import Task
from autots.recipes.traits import Traits
from autots.testing.example_panels import example_panel, panel_of
from tests.autots.recipes.tables import HOURLY, YEARLY


def test_the_traits_of_a_panel_are_counted_from_its_rows():
    panel = panel_of([np.r_[0.0, 0.0, 1.0, 3.0, np.nan, 2.0] for _ in range(4)])
    found = Traits.of(panel, Task(horizon=2, seasons=(2, 3)))
    assert found == Traits(
        length=6, series=4, rows=24, season=2, longest_season=3, horizon=2, zero_share=0.4, positive=False, known=0
    )


def test_covariates_and_positive_targets_are_traits():
    found = Traits.of(example_panel(), Task(horizon=5, seasons=(4,)))
    assert (found.known, found.positive) == (1, True)


def test_a_panel_without_a_known_target_has_traits():
    found = Traits.of(panel_of([np.full(30, np.nan)]), Task(horizon=6))
    assert (found.zero_share, found.length) == (0.0, 30)


@pytest.mark.parametrize(("length", "learnable"), [(9, False), (10, True)])
def test_a_series_must_be_longer_than_the_horizon_to_be_learned_from(length, learnable):
    assert dataclasses.replace(YEARLY, length=length).learnable is learnable


def test_a_distance_is_none_to_itself_and_the_same_from_both_sides():
    assert YEARLY.distance(YEARLY) == 0.0
    assert YEARLY.distance(HOURLY) == HOURLY.distance(YEARLY) > 3.0


@pytest.mark.parametrize(
    "changed",
    [
        {"length": 60},
        {"series": 40},
        {"rows": 500_000},
        {"season": 12},
        {"horizon": 24},
        {"zero_share": 0.7},
        {"known": 2},
    ],
)
def test_every_trait_tells_panels_apart(changed):
    assert YEARLY.distance(dataclasses.replace(YEARLY, **changed)) > 0.2


def test_traits_are_read_back_from_plain_values():
    assert Traits(**HOURLY.to_dict()) == HOURLY
