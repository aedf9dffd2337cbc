"""Shares of the traffic by key: what moves when weights change, and that nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.routing.base import RoutingOutcome, RoutingRequest, check_share, check_weights, uniforms
from serve.routing.split import Split
from zoo.errors import ConfigError

KEYS = [f"key {i}" for i in range(60)]
NAMES = ("m@1", "m@2", "m@3", "m@4")
WEIGHTS = st.dictionaries(st.sampled_from(NAMES), st.floats(0.01, 100.0), min_size=1)
SEEDS = st.integers(0, 2**40)


def homes(split: Split, seed: int) -> dict[str, str]:
    return {key: split.choose(RoutingRequest("any", key, "m"), seed).model for key in KEYS}


@settings(deadline=None, max_examples=60)
@given(WEIGHTS, SEEDS, st.sampled_from(NAMES), st.floats(1.0, 1000.0))
def test_keys_move_to_the_model_that_grew_and_nowhere_else(
    weights: dict[str, float], seed: int, name: str, factor: float
) -> None:
    grown = weights | {name: weights.get(name, 1.0) * factor}
    before, after = homes(Split(weights), seed), homes(Split(grown), seed)
    assert all(after[key] in (before[key], name) for key in KEYS)


@settings(deadline=None, max_examples=60)
@given(WEIGHTS, SEEDS, st.floats(0.001, 1000.0))
def test_neither_the_unit_of_the_weights_nor_their_order_matters(
    weights: dict[str, float], seed: int, unit: float
) -> None:
    other = Split({name: unit * weight for name, weight in reversed(weights.items())})
    same = [homes(Split(weights), seed)[key] == home for key, home in homes(other, seed).items()]
    assert sum(same) >= len(KEYS) - 1  # a tie to the last bit may be rounded to either side


@settings(deadline=None, max_examples=40)
@given(WEIGHTS, SEEDS, st.sampled_from(NAMES))
def test_a_model_without_weight_gets_nothing_and_disturbs_nobody(
    weights: dict[str, float], seed: int, name: str
) -> None:
    rest = {other: weight for other, weight in weights.items() if other != name} or {"m@9": 1.0}
    assert homes(Split(rest | {name: 0.0}), seed) == homes(Split(rest), seed)
    assert Split(rest | {name: 0.0}).models == (*rest, name)


def test_a_share_is_its_weight_over_all_and_salts_are_independent() -> None:
    keys = [f"{i}" for i in range(4000)]

    def chosen(salt: str) -> list[bool]:
        split = Split({"a": 1.0, "b": 3.0}, salt=salt)
        return [split.choose(RoutingRequest("r", key, "m")).model == "b" for key in keys]

    plain, salted = chosen(""), chosen("again")
    # Five standard deviations of the binomial: 0.034.
    assert sum(plain) / 4000 == pytest.approx(0.75, abs=0.035)
    assert sum(a and b for a, b in zip(plain, salted, strict=True)) / 4000 == pytest.approx(0.5625, abs=0.04)


def test_a_split_never_learns() -> None:
    split = Split({"a": 1.0, "b": 0.5})
    assert not split.learns
    assert split.learn(RoutingOutcome("a", failed=True, loss=9.0)) is split


@given(SEEDS, st.text(max_size=8), st.text(max_size=20))
def test_eight_numbers_depend_on_every_argument_and_lie_below_one(seed: int, purpose: str, text: str) -> None:
    drawn = uniforms(seed, purpose, text)
    assert len(set(drawn)) == 8
    assert all(0.0 <= number < 1.0 for number in drawn)
    assert drawn == uniforms(seed, purpose, text)
    assert uniforms(seed + 1, purpose, text) != drawn
    assert uniforms(seed, purpose + "x", text) != drawn
    assert uniforms(seed, purpose, text + "x") != drawn


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": float("nan")}, {"a": float("inf")}])
def test_weights_that_say_no_shares_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="weights must be numbers of at least 0"):
        check_weights(weights)


@pytest.mark.parametrize(("share", "fits"), [(0.0, True), (1.0, True), (-1e-9, False), (1.0 + 1e-9, False)])
def test_a_share_lies_between_nothing_and_all(share: float, fits: bool) -> None:
    if fits:
        check_share("share", share)
    else:
        with pytest.raises(ConfigError, match="share must lie between 0 and 1"):
            check_share("share", share)
