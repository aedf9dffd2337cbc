"""Conditions on rows against Python's own words, row by row: nothing is executed, and what is missing is never true."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ConfigError, DataError
from zoo.features.expression import ArrayDialect, Condition

NUMBERS = st.sampled_from([-1.5, 0.0, 1.0, 2.0, math.nan])
TEXTS = st.sampled_from(["a", "b", "", None])
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS), min_size=1, max_size=6)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def kept(text: str, rows: list[tuple[float, float, str | None]]) -> list[bool]:
    texts = np.empty(len(rows), dtype=object)
    texts[:] = [row[2] for row in rows]
    columns = {
        "x": np.array([row[0] for row in rows]), "y": np.array([row[1] for row in rows]), "s": texts,
        "t": np.arange(len(rows)) * 10.0,
    }  # fmt: skip
    found = Condition(text).in_words_of(ArrayDialect(columns, time="t", moments=lambda said: 10 * int(said)))
    return list(np.broadcast_to(found, len(rows)).tolist())


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> str:
    """A condition over the numbers x and y and the text s."""
    kind = draw(st.sampled_from(["number", "text", "missing", "in"] + (["and", "or", "not"] if depth else [])))
    if kind == "not":
        return f"not ({draw(conditions(depth - 1))})"
    if kind in ("and", "or"):
        return f"({draw(conditions(depth - 1))}) {kind} ({draw(conditions(depth - 1))})"
    if kind == "missing":
        return f"{draw(st.sampled_from(['x', 'y', 's']))} is {draw(st.sampled_from(['', 'not ']))}None"
    if kind == "in":
        return draw(st.sampled_from(["x in (1, 2)", "s not in ('a', '')", "y not in [0, -1.5]", "s in ('b',)"]))
    if kind == "text":
        return f"s {draw(st.sampled_from(COMPARISONS))} {draw(st.sampled_from(['s', repr('a'), repr('b')]))}"
    left, right = (draw(st.sampled_from(["x", "y", "1", "x + y", "x * 2 - y", "x / y", "-x"])) for _ in range(2))
    how = draw(st.sampled_from(COMPARISONS))
    return f"{left} {how} {right}" if draw(st.booleans()) else f"-1 <= {left} {how} {right}"


class Missing:
    """A number or text that is not there: it compares to nothing, and makes what is computed with it missing."""

    def _same(self, other: Any) -> Missing:
        return self

    def _false(self, other: Any) -> bool:
        return False

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _false
    __hash__ = object.__hash__

    def __neg__(self) -> Missing:
        return self


class Number(float):
    """A number whose quotient by nought is missing."""

    def __truediv__(self, other: Any) -> Any:
        return other if isinstance(other, Missing) else Missing() if other == 0 else Number(float(self) / float(other))


def in_python(text: str, row: tuple[float, float, str | None]) -> bool:
    """Return what Python says about one row, with ``Missing`` for what is missing."""
    x, y = (Missing() if math.isnan(v) else Number(v) for v in row[:2])
    s: Any = Missing() if row[2] is None else row[2]
    for name, value in (("x", x), ("y", y), ("s", s)):
        gone = isinstance(value, Missing)
        text = text.replace(f"{name} is None", str(gone)).replace(f"{name} is not None", str(not gone))
    return bool(eval(text, {"__builtins__": {}}, {"x": x, "y": y, "s": s}))


@settings(max_examples=200, deadline=None)
@given(conditions(), ROWS)
def test_a_condition_means_what_python_says_of_each_row(text: str, rows: list[tuple[float, float, str | None]]) -> None:
    assert kept(text, rows) == [in_python(text, row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(conditions(), ROWS)
def test_a_condition_or_its_contrary_holds_and_never_both(text: str, rows: Any) -> None:
    contrary = kept(f"not ({text})", rows)
    assert contrary == [not one for one in kept(text, rows)]


@given(st.sampled_from(COMPARISONS), ROWS)
def test_a_comparison_with_what_is_missing_is_false_in_either_direction(how: str, rows: Any) -> None:
    there = [not math.isnan(row[0]) for row in rows]
    assert all(known or not one for one, known in zip(kept(f"x {how} 1", rows), there, strict=True))
    assert all(known or not one for one, known in zip(kept(f"1 {how} x", rows), there, strict=True))


def test_texts_beside_the_time_are_moments() -> None:
    rows: Any = [(0.0, 0.0, "a")] * 4
    assert kept("t >= '2'", rows) == [False, False, True, True]
    assert kept("'1' == t", rows) == [False, True, False, False]
    assert kept("t in ('0', '3')", rows) == [True, False, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "1", "x + 1", "f(x) > 1", "x.real > 1", "x[0] > 1", "x > (lambda: 1)()", "x is 1", "x in y", "x in ()",
        "x if y else s", "x == None", "__import__('os')", "x > b'1'", "x ** 2 > 1", "x // 2 > 1", "+x > 1", "x = 1",
        "x >", "x and y", "not x", "x > 1; y > 1", "(x := 1) > 0", "f'{x}' == 'a'",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_before_any_row_is_seen(text: str) -> None:
    with pytest.raises(ConfigError, match="a condition must"):
        Condition(text)


def test_names_are_those_of_the_columns_and_long_texts_are_none() -> None:
    assert Condition("x > 1 and not (y == s or x is None)").names == {"x", "y", "s"}
    Condition("x > 1".ljust(1000))
    with pytest.raises(ConfigError, match="at most 1000 characters, but got 1001"):
        Condition("x > 1".ljust(1001))


@pytest.mark.parametrize(
    ("text", "why"),
    [("z > 1", "'z' is not among"), ("x > 'a'", "a number gt text"), ("s == 1", "text eq a number"),
     ("s + 1 > 2", "needs numbers, but got text")],
)  # fmt: skip
def test_what_does_not_fit_the_table_is_said_when_it_is_seen(text: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        kept(text, [(1.0, 1.0, "a")])
