"""Parameters, their bounds and their conditions."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from zoo.errors import ConfigError
from zoo.search import Categorical, Float, Int, Space


class RandomSuggester:
    """Answers from a generator; refuses to be asked twice."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.asked: list[str] = []

    def _ask(self, name: str) -> None:
        assert name not in self.asked
        self.asked.append(name)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self._ask(name)
        return self.random.uniform(low, high)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        self._ask(name)
        return self.random.randint(low, high)

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        self._ask(name)
        return self.random.choice(choices)


@pytest.fixture
def space() -> Space:
    # The grandchild is declared first: the order of declaration does not matter.
    return Space(
        leaf=Float(0.0, 1.0, when={"depth": (1, 2)}),
        model=Categorical("tree", "linear", None),
        depth=Int(1, 4, when={"model": "tree"}),
        penalty=Float(1e-3, 1.0, log=True, when={"model": ("linear", None)}),
        rate=Float(0.0, 1.0),
    )


def test_samples_lie_in_the_space_and_skip_what_does_not_exist(space: Space) -> None:
    seen = set()
    for seed in range(200):
        suggester = RandomSuggester(seed)
        params = space.sample(suggester)
        assert space.contains(params)
        assert set(suggester.asked) == set(params)
        assert ("leaf" in params) == (params.get("depth") in (1, 2))
        assert ("penalty" in params) == (params["model"] != "tree")
        seen.add(frozenset(params))
    assert len(seen) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"model": "tree", "depth": 3, "rate": 0.5, "leaf": 0.5},  # leaf does not exist at depth 3
        {"model": "linear", "penalty": 0.1, "rate": 0.5, "leaf": 0.5, "depth": 1},  # nor without its parent
        {"model": "tree", "rate": 0.5},
        {"model": "tree", "depth": 9, "rate": 0.5},
        {"model": "tree", "depth": 3.0, "rate": 0.5},
        {"model": "tree", "depth": True, "leaf": 0.5, "rate": 0.5},
        {"model": "forest", "rate": 0.5},
        {"model": "tree", "depth": 3, "rate": float("nan")},
        {"model": "tree", "depth": 3, "rate": 0.5, "other": 1},
    ],
)
def test_other_params_are_not_in_the_space(space: Space, params: dict[str, Any]) -> None:
    assert not space.contains(params)


def test_groups_hold_what_exists_together(space: Space) -> None:
    assert set(space.groups()) == {("model", "rate"), ("depth",), ("leaf",), ("penalty",)}


def test_the_description_is_json(space: Space) -> None:
    described = json.loads(json.dumps(space.describe()))
    assert described["depth"] == {"type": "int", "low": 1, "high": 4, "log": False, "when": {"model": ["tree"]}}
    assert described["model"] == {"type": "categorical", "choices": ["tree", "linear", None]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(3, 1), "`low <= high` must hold, but got Float(low=3, high=1)"),
        (lambda: Float(0, float("inf")), "finite"),
        (lambda: Float(0, 1, log=True), "`low > 0` must hold on a log scale"),
        (lambda: Int(1.5, 2), "whole numbers"),  # type: ignore[arg-type]
        (lambda: Categorical(), "at least one"),
        (lambda: Categorical(1, True), "all different"),
        (lambda: Categorical([1]), "must be a text"),  # type: ignore[arg-type]
        (lambda: Space(a=Int(1, 2, when={"b": 1})), "but a asks for 'b'"),
        (lambda: Space(a=Int(1, 2), b=Int(1, 2, when={"a": "x"})), "b asks for a='x'"),
        (lambda: Space(a=Int(1, 2), b=Int(1, 2, when={"a": 3})), "b asks for a=3"),
        (lambda: Space(a=Int(1, 2, when={"b": 1}), b=Int(1, 2, when={"a": 1})), "ring"),
        (lambda: Space(a=3), "Float, Int or Categorical"),  # type: ignore[arg-type]
    ],
)
def test_invalid_definitions_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in caught.value.message
    assert caught.value.hint
