"""Conditions on rows, given as text and read by a parser of our own: no code is ever executed.

Numbers, texts and column names, ``+ - * /``, comparisons
(also chained), ``in``, ``is None``, ``and or not``::

    kwh >= 0 and status != "broken"
    station in ("Kiel", "Ulm") or kwh is None

A comparison with a missing value is false, in every engine.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from zoo.errors import ConfigError, DataError
from zoo.features.batch import missing_of

__all__ = ["ArrayDialect", "Condition", "Dialect"]

_HINT = 'use columns, numbers, texts, + - * /, comparisons, in, is None, and, or, not: kwh >= 0 and kind != "test"'
_MAX_TEXT = 1000  # characters of a condition: longer ones are no conditions
_ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
_COMPARISONS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}


class Dialect(Protocol):
    """How an engine says the parts of a condition; values are whatever the engine computes with."""

    def column(self, name: str) -> Any:
        """Return a column."""

    def constant(self, value: str | float, beside: str | None) -> Any:
        """Return a constant; ``beside`` is the column that it is compared with."""

    def arithmetic(self, how: str, left: Any, right: Any) -> Any:
        """Return ``left`` how ``right``: add, sub, mul, div."""

    def compare(self, how: str, left: Any, right: Any) -> Any:
        """Return a truth value, false where a side is missing: eq, ne, lt, le, gt, ge."""

    def missing(self, value: Any) -> Any:
        """Return whether a value is missing."""

    def both(self, left: Any, right: Any) -> Any:
        """Return the conjunction."""

    def negate(self, value: Any) -> Any:
        """Return the contrary."""


class Condition:
    """A condition on rows.

    Args:
        text: What is written, such as ``kwh >= 0``; see the module for all that may be.

    Raises:
        ConfigError: The text is no condition.

    >>> sorted(Condition('kwh >= 0 and status != "broken"').names)
    ['kwh', 'status']
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _MAX_TEXT:
            raise ConfigError(f"a condition must have at most {_MAX_TEXT} characters, but got {len(text)}", _HINT)
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(f"a condition must be readable, but {text!r} is not: {error}", _HINT) from error
        self.names = frozenset(node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name))
        self._check(self._tree)

    def in_words_of(self, dialect: Dialect) -> Any:
        """Return the condition as an engine says it."""
        return self._truth(self._tree, dialect)

    def _check(self, node: ast.expr) -> None:
        """Read the condition once without an engine: whatever is refused later is refused here."""
        self._truth(node, _NoDialect())

    def _refuse(self, node: ast.AST) -> ConfigError:
        return ConfigError(f"a condition must be a comparison, but {self.text!r} has {ast.unparse(node)!r}", _HINT)

    def _truth(self, node: ast.expr, say: Dialect) -> Any:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return say.negate(self._truth(node.operand, say))
        if isinstance(node, ast.BoolOp):
            parts = [self._truth(value, say) for value in node.values]
            if isinstance(node.op, ast.Or):
                return say.negate(_all([say.negate(part) for part in parts], say))
            return _all(parts, say)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            return _all(
                [self._compare(a, op, b, say) for a, op, b in zip(sides, node.ops, sides[1:], strict=False)], say
            )
        raise self._refuse(node)

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr, say: Dialect) -> Any:
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self._refuse(right)
            missing = say.missing(self._value(left, None, say))
            return missing if isinstance(op, ast.Is) else say.negate(missing)
        beside = next((side.id for side in (left, right) if isinstance(side, ast.Name)), None)
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
                raise self._refuse(right)
            value = self._value(left, beside, say)
            hits = [say.compare("eq", value, self._value(item, beside, say)) for item in right.elts]
            inside = say.negate(_all([say.negate(hit) for hit in hits], say))
            return inside if isinstance(op, ast.In) else say.negate(inside)
        return say.compare(_COMPARISONS[type(op)], self._value(left, beside, say), self._value(right, beside, say))

    def _value(self, node: ast.expr, beside: str | None, say: Dialect) -> Any:
        if isinstance(node, ast.Name):
            return say.column(node.id)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
            return say.constant(node.value if isinstance(node.value, str) else float(node.value), beside)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return say.arithmetic("sub", say.constant(0.0, None), self._value(node.operand, None, say))
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            sides = (self._value(node.left, None, say), self._value(node.right, None, say))
            return say.arithmetic(_ARITHMETIC[type(node.op)], *sides)
        raise self._refuse(node)


def _all(parts: list[Any], say: Dialect) -> Any:
    out = parts[0]
    for part in parts[1:]:
        out = say.both(out, part)
    return out


class _NoDialect:
    """Says nothing."""

    def column(self, name: str) -> None:
        """Nothing."""

    def constant(self, value: str | float, beside: str | None) -> None:
        """Nothing."""

    def arithmetic(self, how: str, left: Any, right: Any) -> None:
        """Nothing."""

    def compare(self, how: str, left: Any, right: Any) -> None:
        """Nothing."""

    def missing(self, value: Any) -> None:
        """Nothing."""

    def both(self, left: Any, right: Any) -> None:
        """Nothing."""

    def negate(self, value: Any) -> None:
        """Nothing."""


class ArrayDialect:
    """Conditions over arrays.

    Args:
        columns: Name -> (N,) numbers, or texts with None.
        moments: Reads a text that is compared with the time column.
        time: Name of the time column.
    """

    _OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
        "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
        "gt": np.greater, "ge": np.greater_equal,
    }  # fmt: skip

    def __init__(self, columns: Mapping[str, Any], *, time: str, moments: Callable[[str], int]) -> None:
        self._columns, self._time, self._moments = columns, time, moments

    def column(self, name: str) -> Any:
        """Return a column."""
        if name not in self._columns:
            raise DataError(
                f"a condition must name columns of the table, but {name!r} is not among {sorted(self._columns)[:12]}",
                "check the spelling",
            )
        return self._columns[name]

    def constant(self, value: str | float, beside: str | None) -> Any:
        """Return a constant."""
        return self._moments(value) if beside == self._time and isinstance(value, str) else value

    def arithmetic(self, how: str, left: Any, right: Any) -> Any:
        """Return a number; division by zero is a missing value."""
        for side in (left, right):
            _numbers(side)
        with np.errstate(all="ignore"):
            out = np.asarray(self._OPERATIONS[how](left, right), dtype=float)
        return np.where(np.isfinite(out), out, np.nan)

    def compare(self, how: str, left: Any, right: Any) -> Any:
        """Return a truth value."""
        if _is_text(left) != _is_text(right):
            raise DataError(
                "a condition must compare numbers with numbers and text with text, but got "
                f"{_kind(left)} {how} {_kind(right)}",
                "quote texts: status == 'ok'",
            )
        known = ~(self.missing(left) | self.missing(right))
        if _is_text(left):
            left, right = (np.where(self.missing(s), "", s) if isinstance(s, np.ndarray) else s for s in (left, right))
        return np.asarray(self._OPERATIONS[how](left, right), dtype=bool) & known

    def missing(self, value: Any) -> Any:
        """Return whether a value is missing."""
        if isinstance(value, np.ndarray):
            return missing_of(value)
        return np.asarray(False)

    def both(self, left: Any, right: Any) -> Any:
        """Return the conjunction."""
        return left & right

    def negate(self, value: Any) -> Any:
        """Return the contrary."""
        return ~value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype == object)


def _kind(value: Any) -> str:
    return "text" if _is_text(value) else "a number"


def _numbers(value: Any) -> None:
    if _is_text(value):
        raise DataError("arithmetic in a condition needs numbers, but got text", "compare texts only")
