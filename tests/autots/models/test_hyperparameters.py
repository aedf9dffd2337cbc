"""Every field of every family's dataclass refuses what it does not take, by one form of message."""

from __future__ import annotations

import inspect
import json
import math
import re
from dataclasses import FrozenInstanceError, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import numpy as np
import pytest

from autots.models.catalog import COMPOSITE, create, families, family
from autots.models.hyperparameters import (
    Hyperparameters,
    ListOf,
    NumberRange,
    OneOf,
    choice,
    flag,
    optional_real,
    optional_whole,
    real,
    several,
    whole,
)
from autots.models.reference import reference
from zoo.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
EVERY = (*families(), *COMPOSITE)
FIELDS = [(name, key, one) for name in EVERY for key, one in family(name).hyperparameters.described().items()]
each_field = pytest.mark.parametrize(("name", "key", "one"), [pytest.param(*f, id=f"{f[0]}-{f[1]}") for f in FIELDS])


def beyond(allowed):
    """Return values just outside of what is allowed, read from the bounds and not from what checks them."""
    if isinstance(allowed, ListOf):
        inner = beyond(allowed.each) if allowed.each else [3]
        return [[], *([value] for value in inner)]
    if isinstance(allowed, OneOf):
        return ["no such option", "", 17]
    out = []
    if math.isfinite(allowed.low):
        step = 1 if allowed.whole else 1e-9
        out.append(allowed.low if allowed.low_open else allowed.low - step)
    if math.isfinite(allowed.high):
        step = 1 if allowed.whole else 1e-9
        out.append(allowed.high if allowed.high_open else allowed.high + step)
    return [*out, *([allowed.low + 0.5] if allowed.whole else [])]


def inside(allowed):
    """Return values on the edge of what is allowed."""
    if isinstance(allowed, ListOf):
        return [inside(allowed.each)] if allowed.each else []
    if isinstance(allowed, OneOf):
        return list(allowed.options)
    step = 1 if allowed.whole else 1e-9
    low = allowed.low + step if allowed.low_open else allowed.low
    high = allowed.high - step if allowed.high_open else allowed.high
    return [value for value in (low, high) if math.isfinite(value)]


@each_field
def test_a_field_refuses_what_is_out_of_range_of_a_wrong_type_or_nan(name, key, one):
    wrong = [*beyond(one.allowed), math.nan, math.inf, -math.inf, object(), {"a": 1}, b"1", 1j]
    if not (isinstance(one.allowed, OneOf) and None in one.allowed.options) and not one.optional:
        wrong.append(None)
    if not (isinstance(one.allowed, OneOf) and True in one.allowed.options):
        wrong += [True, np.bool_(True)]
    if isinstance(one.allowed, NumberRange):
        wrong += ["3", [3], np.float64("nan")]
    for value in wrong:
        with pytest.raises(ConfigError, match=rf"^{key} must be .+, but got ") as caught:
            create(name, **{key: value})
        assert repr(value) in caught.value.message
        assert caught.value.hint == f"{key} ({one.default!r} when left out): {one.meaning}"


@each_field
def test_a_field_takes_its_edges_and_its_default_and_keeps_them(name, key, one):
    for value in [*inside(one.allowed), one.default]:
        kept = getattr(create(name, **{key: value}).params, key)
        assert kept == (tuple(value) if isinstance(value, list) else value)
        assert type(kept) is type(value) or isinstance(value, list)


@each_field
def test_a_field_is_explained_in_a_sentence_and_searched_within_its_range(name, key, one):
    assert len(one.meaning.split()) >= 4
    assert one.meaning.endswith(".")
    for value in one.search:
        assert one.read(key, value) == value
    if one.search and isinstance(one.allowed, NumberRange):
        low, high = one.search
        assert low < high
        assert low > 0 or not one.log


@pytest.mark.parametrize("name", EVERY)
def test_a_family_says_its_hyper_parameters_once_for_the_program_and_once_for_the_type_checker(name):
    cls = family(name)
    hints = get_type_hints(cls)
    assert hints["params"] is cls.hyperparameters, "the two declarations of the class must name the same dataclass"
    assert list(inspect.signature(cls).parameters) == [one.name for one in fields(cls.hyperparameters)]
    types = get_type_hints(cls.hyperparameters)
    for key in types:
        value = getattr(create(name).params, key)
        said = get_args(types[key]) if isinstance(types[key], UnionType) else (types[key],)
        assert type(value) in {get_origin(one) or one for one in said}, f"{name}.{key} = {value!r} is no {types[key]}"


@pytest.mark.parametrize("name", EVERY)
def test_hyper_parameters_survive_json_and_cannot_be_changed(name):
    model = create(name)
    again = create(name, **json.loads(json.dumps(model.params.to_dict())))
    assert again.params == model.params
    for key in model.params.to_dict():
        with pytest.raises(FrozenInstanceError):
            setattr(model.params, key, 1)


def test_an_unknown_name_is_refused_by_the_class_as_by_the_catalog():
    for build in (family("trees_direct"), lambda **given: create("trees_direct", **given)):
        with pytest.raises(ConfigError, match="'trees_direct' must be one that it has, but got 'leafs'") as caught:
            build(leafs=3)
        assert caught.value.hint.startswith("did you mean 'leaves'?")


@dataclass(frozen=True, kw_only=True)
class Sampled(Hyperparameters):
    count: int = whole(3, "How many of them there are.", low=0, high=5)
    share: float = real(0.5, "Which part of them counts.", above=0, below=1)
    limit: float = real(1.0, "Where it comes to an end.", low=1)
    kind: str = choice("a", "Which kind of them it is.", options=("a", "b", "c"))
    both: bool | None = choice(None, "Whether both of them count.", options=(True, False, None))
    quick: bool = flag(False, "Whether it is done quickly.")
    age: int | None = optional_whole("How many rows old it is.")
    half: float | None = optional_real("When half of it is left.", 2.0)
    sizes: tuple[int, ...] | None = several(None, "How large each of them is.", each=NumberRange(2, whole=True))
    names: tuple[str, ...] = several(("x",), "What each of them is called.")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("count", 6, "a whole number from 0 to 5"),
        ("share", 1, "a number above 0 and below 1"),
        ("share", 0.0, "a number above 0 and below 1"),
        ("limit", 0.99, "a number of at least 1"),
        ("kind", "d", "'a', 'b' or 'c'"),
        ("both", 1, "True, False or None"),
        ("quick", 0, "True or False"),
        ("age", 0, "a whole number above 0, or None"),
        ("half", 0, "a number above 0, or None"),
        ("sizes", [2, 1], "a list, each of it a whole number above 1, or None"),
        ("sizes", "34", "a list, each of it a whole number above 1, or None"),
        ("names", ["x", 3], "a list, each of it a text"),
    ],
)
def test_a_message_says_the_rule_and_the_evidence(key, value, rule):
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{key} must be {rule}, but got {value!r}')}"):
        Sampled(**{key: value})


def test_numbers_of_a_search_and_of_json_are_kept_as_plain_ones():
    made = Sampled(
        count=np.int64(4), share=np.float64(0.25), sizes=[np.int32(3), 4.0], quick=np.bool_(True), kind=np.str_("b")
    )
    assert made == Sampled(count=4.0, share=0.25, sizes=(3, 4), quick=True, kind="b")
    plain = {key: type(value) for key, value in made.to_dict().items()}
    assert plain["count"] is int and plain["share"] is float and plain["quick"] is bool and plain["kind"] is str
    assert json.loads(json.dumps(made.to_dict()))["sizes"] == [3, 4]


def test_a_number_too_large_for_a_float_is_refused_and_not_an_error_of_python():
    with pytest.raises(ConfigError, match="limit must be"):
        Sampled(limit=10**400)


def test_the_reference_of_all_families_is_current():
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written == reference(), "run python -m autots.models.reference > docs/models.md"
    assert all(f"\n## {name}\n" in written for name in EVERY)
