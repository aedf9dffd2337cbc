"""Hyper-parameters as data: a frozen dataclass per family, whose fields say default, range, search domain and meaning.

From the fields come the constructor of a family and its checks, the space of a search (``autots.recipes.space``) and
the reference in ``docs/models.md``.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class ExampleParams(Hyperparameters):
    ...     periods: int = whole(7, "How many periods back the target's phase is looked up.", search=(1, 14))
    >>> ExampleParams(periods=3).to_dict()
    {'periods': 3}
    >>> ExampleParams(periods=0)
    Traceback (most recent call last):
    ...
    zoo.errors.ConfigError: periods must be a whole number above 0, but got 0
    hint: periods (7 when left out): How many periods back the target's phase is looked up.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

import numpy as np

from zoo.errors import ConfigError

__all__ = [
    "Hyperparameter",
    "Hyperparameters",
    "ListOf",
    "NumberRange",
    "OneOf",
    "choice",
    "flag",
    "nearest_name",
    "optional_real",
    "optional_whole",
    "real",
    "several",
    "whole",
]

_T = TypeVar("_T")
_KEY = "hyperparameter"


@dataclass(frozen=True)
class NumberRange:
    """Numbers between two bounds; NaN and booleans are none.

    Args:
        low: Least number that is allowed.
        high: Greatest number that is allowed.
        whole: Whether only whole numbers are; 7.0 counts as one.
        low_open: Whether ``low`` itself is not allowed.
        high_open: Whether ``high`` itself is not allowed.
    """

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    low_open: bool = False
    high_open: bool = False

    def __str__(self) -> str:
        if self.whole and math.isinf(self.high):
            return f"a whole number above {self.low - 1}"
        if self.whole:
            return f"a whole number from {self.low} to {self.high}"
        low = f"{'above' if self.low_open else 'of at least'} {self.low:g}"
        if math.isinf(self.high):
            return f"a number {low}"
        return f"a number {low} and {'below' if self.high_open else 'at most'} {self.high:g}"

    def read(self, value: Any) -> Any:
        """Return the number as Python has it; raises ValueError where it is not allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError
        inside = (value > self.low if self.low_open else value >= self.low) and (
            value < self.high if self.high_open else value <= self.high
        )
        if not inside or (self.whole and int(value) != value):
            raise ValueError
        return int(value) if self.whole else value


@dataclass(frozen=True)
class OneOf:
    """One of a few values, of the same type: 1 is not True.

    Args:
        options: The values that are allowed.
        said: How a message puts it where the options are too many to list.
    """

    options: tuple[Any, ...]
    said: str = ""

    def __str__(self) -> str:
        listed = [repr(option) for option in self.options]
        return self.said or " or ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)

    def read(self, value: Any) -> Any:
        """Return the option; raises ValueError where it is none."""
        for option in self.options:
            if type(value) is type(option) and value == option:
                return option
        raise ValueError


@dataclass(frozen=True)
class ListOf:
    """A list of at least one value.

    Args:
        each: What every value of the list must be; any text if None.
    """

    each: NumberRange | None = None

    def __str__(self) -> str:
        return f"a list, each of it {self.each or 'a text'}"

    def read(self, value: Any) -> Any:
        """Return the values as a tuple; raises ValueError where one is not allowed."""
        if not isinstance(value, list | tuple) or not value:
            raise ValueError
        if self.each is not None:
            return tuple(self.each.read(_plain(item)) for item in value)
        if not all(isinstance(item, str) for item in value):
            raise ValueError
        return tuple(value)


@dataclass(frozen=True)
class Hyperparameter:
    """What a field of a family's dataclass may be, and is for.

    Args:
        default: Its value when left out.
        allowed: The values that the constructor takes.
        meaning: A sentence or two for whoever sets it, with its unit.
        optional: Whether None is allowed, too.
        search: What a search draws from: the (least, greatest) of a range, or the options; empty if it is not searched.
        log: Whether a search draws on a logarithmic scale.
    """

    default: Any
    allowed: NumberRange | OneOf | ListOf
    meaning: str
    optional: bool = False
    search: tuple[Any, ...] = ()
    log: bool = False

    @property
    def rule(self) -> str:
        """The values that are allowed, in words."""
        return f"{self.allowed}, or None" if self.optional else str(self.allowed)

    @property
    def whole(self) -> bool:
        """Whether it is a whole number."""
        return isinstance(self.allowed, NumberRange) and self.allowed.whole

    def read(self, name: str, value: Any) -> Any:
        """Return a value as the family keeps it.

        Args:
            name: Of the field, for the message of an error.
            value: What the caller gave for it.

        Raises:
            ConfigError: The value is not allowed.
        """
        if value is None and self.optional:
            return None
        try:
            return self.allowed.read(_plain(value))
        except (ValueError, OverflowError):
            hint = f"{name} ({self.default!r} when left out): {self.meaning}"
            raise ConfigError(f"{name} must be {self.rule}, but got {value!r}", hint) from None


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The hyper-parameters of a family; one without any uses this class itself.

    Subclasses are frozen dataclasses whose fields are made by the functions below.
    """

    def __post_init__(self) -> None:
        for name, parameter in self.described().items():
            # As a frozen dataclass sets its fields in its own __init__.
            object.__setattr__(self, name, parameter.read(name, getattr(self, name)))

    @classmethod
    def described(cls) -> Mapping[str, Hyperparameter]:
        """Return what each field may be, by name, in the order of declaration."""
        return {one.name: one.metadata[_KEY] for one in fields(cls)}

    @classmethod
    def of(cls, family: str, given: Mapping[str, Any]) -> Self:
        """Return the hyper-parameters that a user gave for a family by name.

        Raises:
            ConfigError: The family has no such hyper-parameter, or it does not take the value.
        """
        known = cls.described()
        for name in given:
            if name not in known:
                raise ConfigError(
                    f"a hyper-parameter of {family!r} must be one that it has, but got {name!r}",
                    nearest_name(name, known),
                )
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, from which ``of`` builds an equal object."""
        values = {name: getattr(self, name) for name in self.described()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def real(
    default: float,
    meaning: str,
    *,
    low: float = -math.inf,
    above: float | None = None,
    high: float = math.inf,
    below: float | None = None,
    search: tuple[float, float] | tuple[()] = (),
    log: bool = False,
) -> float:
    """Return a field that is a number.

    Args:
        default: Its value when left out.
        meaning: A sentence or two for whoever sets it.
        low: Least number that is allowed.
        above: Instead of ``low``: a bound that itself is not allowed.
        high: Greatest number that is allowed.
        below: Instead of ``high``: a bound that itself is not allowed.
        search: Least and greatest number that a search draws; empty if it is not searched.
        log: Whether a search draws on a logarithmic scale.
    """
    allowed = NumberRange(
        low if above is None else above,
        high if below is None else below,
        low_open=above is not None,
        high_open=below is not None,
    )
    return _field(default, Hyperparameter(default, allowed, meaning, search=search, log=log))


def whole(
    default: int,
    meaning: str,
    *,
    low: int = 1,
    high: float = math.inf,
    search: tuple[int, int] | tuple[()] = (),
    log: bool = False,
) -> int:
    """Return a field that is a whole number, above 0 unless it says otherwise; arguments as for ``real``."""
    return _field(default, Hyperparameter(default, NumberRange(low, high, whole=True), meaning, search=search, log=log))


def optional_whole(meaning: str, default: int | None = None) -> int | None:
    """Return a field that is a whole number above 0, or None."""
    return _field(default, Hyperparameter(default, NumberRange(1, whole=True), meaning, optional=True))


def optional_real(meaning: str, default: float | None = None) -> float | None:
    """Return a field that is a number above 0, or None."""
    return _field(default, Hyperparameter(default, NumberRange(0, low_open=True), meaning, optional=True))


def choice(
    default: _T, meaning: str, *, options: Iterable[Any], said: str = "", search: tuple[_T, ...] | tuple[()] = ()
) -> _T:
    """Return a field that is one of a few values.

    Args:
        default: Its value when left out.
        meaning: A sentence or two for whoever sets it.
        options: The values that are allowed.
        said: See ``OneOf``; the options are listed when left out.
        search: The options that a search draws from; empty if it is not searched.
    """
    return _field(default, Hyperparameter(default, OneOf(tuple(options), said), meaning, search=search))


def flag(default: bool, meaning: str, *, search: tuple[bool, ...] = ()) -> bool:
    """Return a field that is True or False; ``search`` as for ``choice``."""
    return choice(default, meaning, options=(True, False), search=search)


def several(default: _T, meaning: str, *, each: NumberRange | None = None) -> _T:
    """Return a field that is a list of numbers or, without ``each``, of texts; None is allowed if it is the default."""
    return _field(default, Hyperparameter(default, ListOf(each), meaning, optional=default is None))


def nearest_name(given: str, known: Iterable[str]) -> str:
    """Return a hint that lists the names that are known, and the one that was likely meant."""
    known = list(known)
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    listed = f"known: {', '.join(known)}" if known else "there is none"
    return f"did you mean {close[0]!r}? {listed}" if close else listed


def _field(default: _T, parameter: Hyperparameter) -> _T:
    # The dataclass sees a field, the type checker the type of its default.
    return field(default=default, metadata={_KEY: parameter})


def _plain(value: Any) -> Any:
    """Return numpy's scalars as Python's: a search may draw such."""
    return value.item() if isinstance(value, np.generic) else value
