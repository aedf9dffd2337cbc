"""Parameters, their bounds and their conditions."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from zoo.errors import ConfigError
from zoo.search import Beta, Categorical, Float, Histogram, Int, LogNormal, Normal, Ordinal, Space
from zoo.search.constraints import Constraint
from zoo.search.priors import ParameterScale


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
        (lambda: Space(a=Float(0, 1, default=2.0)), "a default must be a value of its parameter, but a has 2.0"),
        (lambda: Space(a=Float(0, 1, prior=Normal(3, 1))), "outside of [0, 1]"),
        (lambda: Space(a=Float(0.1, 1, prior=LogNormal(3, 1))), "has its median at 3"),
        (lambda: Space(a=Float(0, 1, prior=Histogram((0.5, 2), (1,)))), "last edge"),
        (lambda: Space(a=Float(0, 1, prior=0.5)), "must be Normal"),  # type: ignore[arg-type]
        (lambda: Normal(0, -1), "`sd > 0` must hold"),
        (lambda: Beta(0, 1), "`a > 0` must hold"),
        (lambda: Histogram((0, 1), (1, 1)), "one more ascending edge"),
        (lambda: Histogram((0, 1, 2), (0, 0)), "not all zero"),
        (lambda: Categorical("a", "b", weights=[1.0]), "one per choice"),
        (lambda: Categorical("a", "b", weights=[-1.0, 2.0]), "not negative"),
        (lambda: Ordinal(4, 2, 8), "must ascend"),
        (lambda: Space(a=Int(1, 2), constraints="a < 2"), "a list of texts"),
        (lambda: Space(a=Int(1, 2), constraints=["b < 2"]), "names 'b'"),
        (lambda: Space(a=Int(1, 2), constraints=["a > 2"]), "something must satisfy the constraints"),
        (lambda: Space(a=Float(0, 1), b=Float(0, 1), constraints=["a + b < 1", "a * b > 0.3"]), "nearest is"),
    ],
)
def test_invalid_definitions_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "a.__class__ < 3",
        "__import__('os') < 3",
        "a[0] < 3",
        "(lambda: 1)() < a",
        "a + 1",
        "1 < 2",
        "a < ",
        "a is 3",
        "min(a) < 1",
        "abs(a, a) < 1",
        "open(a) < 1",
        "[a for a in b] < 1",
        "a if a else a",
        "f'{a}' < 1",
    ],
)
def test_only_inequalities_are_read(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Constraint(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "params", "holds"),
    [
        ("a * b <= 6", {"a": 2, "b": 3}, True),
        ("a * b < 6", {"a": 2, "b": 3}, False),
        ("1 < a <= b", {"a": 2, "b": 2}, True),
        ("not (a < b or a == 5)", {"a": 5, "b": 2}, False),
        ("not a < b", {"a": 5, "b": 2}, True),
        ("m == 'x' or a < 1", {"m": "x", "a": 3}, True),
        ("m == 'x' or a < 1", {"m": "y", "a": 3}, False),
        ("min(a, b) + abs(-2) ** 2 >= 6", {"a": 2, "b": 3}, True),
        ("a / b < 1", {"a": 2, "b": 0}, False),  # no value: not satisfied
        ("9 ** 9 ** 9 ** a > 1", {"a": 9}, False),  # too large to compute, and quick to say so
        ("a < b", {"a": 3}, True),  # does not apply: b does not exist
        ("on == True", {"on": True}, True),
        ("tree.depth < 3", {"tree.depth": 4}, False),
    ],
)
def test_constraints_mean_what_python_would_mean(text: str, params: dict[str, Any], holds: bool) -> None:
    rule = Constraint(text)
    assert rule.holds(params) is holds
    assert (rule.violation(params) == 0) is holds


def test_a_constraint_on_a_conditional_parameter_applies_where_that_exists() -> None:
    space = Space(
        model=Categorical("tree", "linear"),
        width=Int(1, 9),
        depth=Int(1, 9, when={"model": "tree"}),
        constraints=["depth * width <= 9"],
    )
    assert space.contains({"model": "linear", "width": 9})
    assert space.contains({"model": "tree", "width": 3, "depth": 3})
    assert not space.contains({"model": "tree", "width": 9, "depth": 2})


def test_a_thin_allowed_region_is_found() -> None:
    Space(a=Int(1, 8), b=Int(16, 4096, log=True), constraints=["a * b == 1023"])
    Space(x=Float(0, 1), y=Float(0, 1), constraints=["abs(x - y) <= 1e-4", "x + y >= 1.999"])


def test_a_prior_is_read_on_the_search_scale() -> None:
    decades = ParameterScale(1e-5, 1e-1, log=True)
    assert decades.unit(1e-3) == pytest.approx(0.5)
    assert decades.value(0.25) == pytest.approx(1e-4)
    near = Normal(1e-3, 0.5)
    assert near.log_density(1e-3, decades) - near.log_density(10**-2.5, decades) == pytest.approx(0.5)
    # On a log parameter a log-normal is a normal of the decades; on a linear one its mode lies below the median.
    assert LogNormal(1e-3, 0.5).log_density(2e-3, decades) == near.log_density(2e-3, decades)
    plain = ParameterScale(0, 10)
    assert LogNormal(2, 0.5).log_density(1.0, plain) > LogNormal(2, 0.5).log_density(2.0, plain)
    bins = Histogram((1e-5, 1e-4, 1e-1), (1, 3))
    assert bins.log_density(1e-5, decades) == pytest.approx(bins.log_density(1e-2, decades))
    assert bins.log_density(1e-1, decades) == pytest.approx(bins.log_density(1e-2, decades))
    assert Histogram((1e-4, 1e-3), (1,)).log_density(1e-2, decades) == float("-inf")


def test_an_ordinal_is_a_grid_in_its_order() -> None:
    grid = Ordinal(16, 32, 64, weights=[1, 2, 1], default=32)
    assert grid.nearest("batch", 50) == 64
    assert grid.nearest("batch", 1000) == 64
    assert grid.contains(16)
    assert not grid.contains(17)
    sizes = Ordinal("small", "large")
    with pytest.raises(ConfigError):
        sizes.nearest("size", "medium")
    described = json.loads(json.dumps(Space(batch=grid, x=Float(0, 1, prior=Beta(2, 3), default=0.5)).describe()))
    assert described["batch"] == {"type": "ordinal", "choices": [16, 32, 64], "weights": [1, 2, 1], "default": 32}
    assert described["x"]["prior"] == {"type": "beta", "a": 2.0, "b": 3.0}
