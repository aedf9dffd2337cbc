"""Inequalities between parameters, given as text and read by a parser of our own: no code is ever executed.

Numbers, the space's names, ``+ - * / // % **``, comparisons (also chained), ``and or not``, ``min max abs`` and texts
to compare choices with::

    layers * width <= 4096
    warmup < steps / 2
    opt == "sgd" or lr <= 0.01
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from zoo.errors import ConfigError

__all__ = ["Constraint"]

_Values: TypeAlias = Mapping[str, Any]
_Term: TypeAlias = Callable[[_Values], Any]
#: How far a statement is from being true: 0 if it is.
_Gap: TypeAlias = Callable[[_Values], float]

_ARITHMETIC: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # of floats: it overflows instead of computing a number of a million digits
}
_FUNCTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_NEGATED: dict[type[ast.AST], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
# Characters of one constraint: beyond it is no formula that somebody wrote.
_MAX_TEXT = 1000


class Constraint:
    """A statement about parameters that every suggestion must make true.

    >>> rule = Constraint("layers * width <= 4096")
    >>> rule.holds({"layers": 4, "width": 1024}), rule.holds({"layers": 5, "width": 1024}), rule.holds({"layers": 5})
    (True, False, True)

    Args:
        text: The statement. It does not apply where a parameter that it names does not exist.

    Raises:
        ConfigError: The text is not such a statement.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if not isinstance(text, str) or len(text) > _MAX_TEXT:
            raise ConfigError(
                f"a constraint must be a text of at most {_MAX_TEXT} characters, but got {str(text)[:80]!r}",
                "write e.g. 'layers * width <= 4096'",
            )
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(f"a constraint must be readable, but {text!r} is not: {error}", _HINT) from error
        names: set[str] = set()
        self._gap = _statement(tree, text, names, negate=False)
        self.names = frozenset(names)
        if not self.names:
            raise ConfigError(f"a constraint must name a parameter, but got {text!r}", _HINT)

    def __repr__(self) -> str:
        return f"Constraint({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraint) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def applies(self, params: _Values) -> bool:
        """Whether all parameters that it names exist in ``params``."""
        return self.names <= params.keys()

    def holds(self, params: _Values) -> bool:
        """Whether ``params`` satisfies it; also where it does not apply."""
        return self.violation(params) == 0.0

    def violation(self, params: _Values) -> float:
        """Return by how much ``params`` misses it: 0 if it holds or does not apply, infinite if it has no value."""
        if not self.applies(params):
            return 0.0
        try:
            gap = self._gap(params)
        except (ArithmeticError, ValueError, TypeError):
            return math.inf
        return math.inf if math.isnan(gap) else gap


_HINT = "use numbers, parameters, + - * / // % **, comparisons, and, or, not, min, max, abs"


def _refuse(text: str, node: ast.AST) -> ConfigError:
    return ConfigError(f"a constraint must be an inequality, but {text!r} contains {ast.unparse(node)!r}", _HINT)


def _statement(node: ast.AST, text: str, names: set[str], *, negate: bool) -> _Gap:
    """Translate what is true or false, adding the ``names`` in it; ``negate`` carries a ``not`` to the comparisons."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _statement(node.operand, text, names, negate=not negate)
    if isinstance(node, ast.BoolOp):
        parts = [_statement(value, text, names, negate=negate) for value in node.values]
        return _any(parts) if isinstance(node.op, ast.Or) != negate else _all(parts)
    if isinstance(node, ast.Compare):
        terms = [_term(item, text, names) for item in (node.left, *node.comparators)]
        pairs = []
        for left, op, right in zip(terms, node.ops, terms[1:], strict=False):
            kind: type[ast.AST] = type(op)
            if kind not in _COMPARISONS:
                raise _refuse(text, node)
            pairs.append(_comparison(left, _NEGATED[kind] if negate else kind, right))
        return pairs[0] if len(pairs) == 1 else (_any(pairs) if negate else _all(pairs))
    raise _refuse(text, node)


def _all(parts: list[_Gap]) -> _Gap:
    return lambda values: sum(part(values) for part in parts)


def _any(parts: list[_Gap]) -> _Gap:
    return lambda values: min(part(values) for part in parts)


def _comparison(left: _Term, kind: type[ast.AST], right: _Term) -> _Gap:
    compare = _COMPARISONS[kind]

    def gap(values: _Values) -> float:
        a, b = left(values), right(values)
        if compare(a, b):
            return 0.0
        if isinstance(a, float) and isinstance(b, float) and kind is not ast.NotEq:
            return abs(a - b) or 1e-12  # a strict inequality at its own border
        return 1.0

    return gap


def _term(node: ast.AST, text: str, names: set[str]) -> _Term:
    """Translate what has a value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        constant = _plain(node.value)
        return lambda values: constant
    if isinstance(node, ast.Name | ast.Attribute):
        name = _dotted(node, text)
        names.add(name)
        return lambda values: _plain(values[name])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _term(node.operand, text, names)
        return (lambda values: -inner(values)) if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        function, left, right = (
            _ARITHMETIC[type(node.op)],
            _term(node.left, text, names),
            _term(node.right, text, names),
        )
        return lambda values: function(_number(left(values)), _number(right(values)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        if node.keywords or not node.args or (node.func.id == "abs") != (len(node.args) == 1):
            raise _refuse(text, node)
        call, arguments = _FUNCTIONS[node.func.id], [_term(argument, text, names) for argument in node.args]
        return lambda values: call(*(_number(argument(values)) for argument in arguments))
    raise _refuse(text, node)


def _dotted(node: ast.AST, text: str) -> str:
    """Return a parameter's name; names may have dots (``tree.depth``)."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
        return f"{_dotted(node.value, text)}.{node.attr}"
    raise _refuse(text, node)


def _plain(value: Any) -> Any:
    """Return numbers as floats, so that arithmetic cannot grow without bound; anything else as it is."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _number(value: Any) -> float:
    if not isinstance(value, float):
        raise TypeError(f"arithmetic needs numbers, but got {value!r}")
    return value
