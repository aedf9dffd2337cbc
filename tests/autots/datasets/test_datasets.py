"""Demonstration data: there without a network, in one layout, with the gaps that the sources have."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest

from autots.datasets import DEMOS, demos, load
from autots.reading import read_panel
from zoo.errors import ConfigError

SHAPES = {
    "co2": (1, 2284),
    "elnino": (1, 732),
    "electrical": (1, 257),
    "macro": (9, 1827),
    "sunspots": (1, 309),
    "nile": (1, 100),
    "shop": (8, 5824),
}


def test_every_demo_has_a_known_shape() -> None:
    assert set(DEMOS) == set(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_demo_reads_as_what_it_says(name: str) -> None:
    frame, demo = load(name), DEMOS[name]
    assert list(frame.columns) == ["unique_id", "ds", "y", *demo.known]
    assert (frame["unique_id"].nunique(), len(frame)) == SHAPES[name]
    assert not frame.duplicated(["unique_id", "ds"]).any()
    got = read_panel(frame, known=demo.known, horizon=demo.horizon)
    assert got.panel.freq.alias == demo.freq
    assert got.panel.lengths.min() > 5 * max(demo.season, demo.horizon)
    assert "public domain" in demo.source or "simulated" in demo.source


def test_co2_keeps_its_gaps() -> None:
    y = load("co2")["y"]
    assert int(y.isna().sum()) == 59
    assert y.isna().astype(int).groupby(y.notna().cumsum()).sum().max() > 4


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"co2"}))
def test_the_other_demos_have_none(name: str) -> None:
    assert load(name).notna().all().all()


def test_months_of_the_year_are_in_their_columns() -> None:
    frame = load("elnino").set_index("ds")["y"]
    assert (frame[pd.Timestamp("1950-01-01")], frame[pd.Timestamp("2010-12-01")]) == (23.11, 22.07)


def test_the_simulated_shop_is_the_same_each_time_and_reacts_to_promotions() -> None:
    one, two = load("shop"), load("shop")
    pd.testing.assert_frame_equal(one, two)
    by_promo = one.groupby("promo")["y"].mean()
    assert by_promo[1.0] > 1.5 * by_promo[0.0]
    assert np.array_equal(one["y"], np.round(one["y"]))


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="must be one of") as caught:
        load("sunspot")
    assert "sunspots" in caught.value.hint


def test_examples_in_docstrings_hold() -> None:
    assert doctest.testmod(demos).failed == 0
