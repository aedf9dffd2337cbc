"""YAML whose values know their lines: each value is what YAML 1.2 says, at the line where it stands."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ConfigError
from zoo.spec import Lines, read_yaml

NAMES = st.text("abcxyz_", min_size=1, max_size=4).filter(lambda name: name not in ("y", "n"))
LEAVES = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: Any = st.recursive(
    LEAVES | st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=10,
)


def written(value: Any, path: tuple[Any, ...], indent: int, out: list[str], where: dict[tuple[Any, ...], int]) -> None:
    """Write a value in block style, a line for each leaf, and note the line of each."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        begin = " " * indent + (f"{name}:" if isinstance(value, dict) else "-")
        out.append(begin)
        place = (*path, name)
        if isinstance(value, dict):
            where[place] = len(out)
        if isinstance(item, dict | list):
            written(item, place, indent + 2, out, where)
        else:
            out[-1] += f" {json.dumps(item)}"
            where[place] = len(out)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_every_value_comes_back_and_knows_its_line(value: dict[str, Any]) -> None:
    out: list[str] = []
    where: dict[tuple[Any, ...], int] = {}
    written(value, (), 0, out, where)
    got, lines = read_yaml("\n".join(out), "x.yaml", hint="see there")
    assert got == value
    for path, line in where.items():
        assert lines.at(path) == line
        assert lines.say(path, "is odd") == f"x.yaml, line {line}, {'.'.join(map(str, path))}: is odd"
        assert lines.at((*path, "not", "there")) == line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E5", 1e5), ("-.5", -0.5), ("+3.", 3.0), (".inf", math.inf), ("-.INF", -math.inf), ("7", 7),
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("No", "No"), ("true", True), ("FALSE", False), ("~", None),
        ("1e", "1e"), ("e5", "e5"), ("tRue", "tRue"), ("truely", "truely"), ("1.2.3", "1.2.3"), ("'1'", "1"),
    ],
)  # fmt: skip
def test_numbers_and_truth_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    got, _ = read_yaml(f"a: {text}", "x.yaml", hint="")
    assert got == {"a": value}
    assert type(got["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "x.yaml, line 1: 'a' must occur once, but line 3 has it again"),
        ("a:\n  b: 1\n  b: 1", "x.yaml, line 1, a: 'b' must occur once, but line 3 has it again"),
        ("a: [1", "x.yaml, line 1"),
        ("a: 1\n b: 2", "x.yaml, line 2"),
        ("a: 1\n---\nb: 2", "x.yaml, line "),
        ("a: !!python/object:os.system 1", "x.yaml, line 1: could not determine a constructor"),
        ("a: \x00", "x.yaml: "),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_hint(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "x.yaml", hint="see there")
    assert said in caught.value.message
    assert caught.value.hint == "see there"


def test_an_empty_file_is_nothing_and_what_has_no_lines_says_none() -> None:
    value, lines = read_yaml("# nothing\n", "x.yaml", hint="")
    assert (value, lines.at(("a",))) == (None, 1)
    assert Lines("a record", {}).say(("x", 0), "is odd") == "a record, x.0: is odd"
