"""The values of one parameter: numbers, grids and choices, each perhaps with a default and a prior."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol, TypeAlias, cast

from zoo.errors import ConfigError
from zoo.search.priors import ParameterScale, Prior

__all__ = [
    "Categorical",
    "Choice",
    "Domain",
    "Float",
    "Int",
    "Ordinal",
    "Params",
    "Suggester",
    "When",
    "as_tuple",
]

Choice: TypeAlias = str | int | float | bool | None
Params: TypeAlias = dict[str, Any]
When: TypeAlias = Mapping[str, Any]


class Suggester(Protocol):
    """What a space asks for values: the part of an Optuna trial that it uses."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number in ``[low, high]``."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Return a whole number in ``[low, high]``."""

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """Return one of ``choices``."""


class Domain(ABC):
    """The values of one parameter, and the condition under which it exists.

    ``when={"model": "tree", "depth": (3, 4)}`` reads: only if ``model`` is "tree" and ``depth`` is 3 or 4. A parameter
    whose parent does not exist does not exist either.

    ``default`` is what the study tries first. A prior says where good values are believed to be: a density of numbers,
    weights of choices.
    """

    when: When
    default: Any

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether ``value`` has the right type and lies within the bounds."""

    @abstractmethod
    def nearest(self, name: str, value: object) -> Any:
        """Return the value of the domain that is nearest to ``value``.

        Raises:
            ConfigError: No value is near: the type is wrong, or the choice is unknown.
        """

    @abstractmethod
    def suggest(self, name: str, trial: Suggester) -> Any:
        """Ask ``trial`` for a value."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the domain as JSON values."""

    @abstractmethod
    def check(self, name: str) -> None:
        """Check what needs the parameter's name in its message.

        Raises:
            ConfigError: The default or the prior lies outside of the bounds.
        """

    @abstractmethod
    def values(self, max_count: int) -> tuple[Any, ...] | None:
        """Return all values in their order, or None if there are more than ``max_count``."""

    @property
    @abstractmethod
    def has_prior(self) -> bool:
        """Whether some values are believed to be better than others."""

    def _check_default(self, name: str) -> None:
        if self.default is not None and not self.contains(self.default):
            raise ConfigError(
                f"a default must be a value of its parameter, but {name} has {self.default!r}, not in {self}",
                "move the default inside",
            )


def _check_bounds(kind: str, low: float, high: float, *, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ConfigError(
            f"finite `low <= high` must hold, but got {kind}(low={low!r}, high={high!r})", "exchange or fix the bounds"
        )
    if log and low <= 0:
        raise ConfigError(
            f"`low > 0` must hold on a log scale, but got {kind}(low={low!r}, log=True)", "raise low, or use log=False"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(a: object, b: object) -> bool:
    """Whether two choices are one: 1 and True are equal in Python."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


class _Numeric(Domain):
    """What Float and Int share: a scale, a density."""

    low: float
    high: float
    log: bool
    prior: Prior | None

    @property
    def scale(self) -> ParameterScale:
        """The scale on which it is searched."""
        return ParameterScale(self.low, self.high, self.log)

    @property
    def has_prior(self) -> bool:
        """Whether a density is given."""
        return self.prior is not None

    def check(self, name: str) -> None:
        """Check the default and the prior against the bounds."""
        self._check_default(name)
        if self.prior is not None:
            if not isinstance(self.prior, Prior):
                raise ConfigError(
                    f"a prior must be Normal, LogNormal, Beta or Histogram, but {name} has {self.prior!r}",
                    "take one from zoo.search",
                )
            self.prior.check(name, self.scale)

    def _extras(self) -> dict[str, Any]:
        return {
            **({"default": self.default} if self.default is not None else {}),
            **({"prior": self.prior.describe()} if self.prior is not None else {}),
        }


@dataclass(frozen=True)
class Float(_Numeric):
    """A real number in ``[low, high]``, searched on a log scale if ``log``.

    >>> Float(1e-4, 1.0, log=True).contains(0.1)
    True
    """

    low: float
    high: float
    log: bool = False
    _: KW_ONLY
    default: float | None = None
    prior: Prior | None = None
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_bounds("Float", self.low, self.high, log=self.log)

    def contains(self, value: object) -> bool:
        """Whether ``value`` is a number within the bounds."""
        return _is_number(value) and self.low <= cast(float, value) <= self.high

    def nearest(self, name: str, value: object) -> float:
        """Return ``value`` clipped to the bounds."""
        if not _is_number(value):
            raise ConfigError(f"{name} must be a finite number, but got {value!r}", f"choose within {self}")
        return min(max(float(cast(float, value)), self.low), self.high)

    def values(self, max_count: int) -> tuple[float, ...] | None:
        """Return the one value of an empty range; all others hold more than can be counted."""
        return (float(self.low),) if self.low == self.high and max_count >= 1 else None

    def suggest(self, name: str, trial: Suggester) -> float:
        """Ask ``trial`` for a number."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def describe(self) -> dict[str, Any]:
        """Return the domain as JSON values."""
        return {
            "type": "float",
            "low": float(self.low),
            "high": float(self.high),
            "log": self.log,
            **self._extras(),
        }


@dataclass(frozen=True)
class Int(_Numeric):
    """A whole number in ``[low, high]``, both ends included."""

    low: int
    high: int
    log: bool = False
    _: KW_ONLY
    default: int | None = None
    prior: Prior | None = None
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        for bound in (self.low, self.high):
            if not isinstance(bound, int) or isinstance(bound, bool):
                raise ConfigError(f"bounds of an Int must be whole numbers, but got {bound!r}", "use Float")
        _check_bounds("Int", self.low, self.high, log=self.log)

    def contains(self, value: object) -> bool:
        """Whether ``value`` is a whole number within the bounds."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def nearest(self, name: str, value: object) -> int:
        """Return ``value`` clipped to the bounds."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{name} must be a whole number, but got {value!r}", f"choose within {self}")
        return min(max(value, self.low), self.high)

    def values(self, max_count: int) -> tuple[int, ...] | None:
        """Return the whole numbers, or None if there are more than ``max_count``."""
        return tuple(range(self.low, self.high + 1)) if self.high - self.low < max_count else None

    def suggest(self, name: str, trial: Suggester) -> int:
        """Ask ``trial`` for a whole number."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def describe(self) -> dict[str, Any]:
        """Return the domain as JSON values."""
        return {"type": "int", "low": self.low, "high": self.high, "log": self.log, **self._extras()}


@dataclass(frozen=True, init=False)
class _Listed(Domain):
    """What Categorical and Ordinal share: values in a list, perhaps with weights."""

    choices: tuple[Choice, ...]
    weights: tuple[float, ...] | None
    default: Choice
    when: When

    def __init__(
        self,
        *choices: Choice,
        weights: Iterable[float] | None = None,
        default: Choice = None,
        when: When | None = None,
    ) -> None:
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "weights", None if weights is None else tuple(float(weight) for weight in weights))
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "when", dict(when or {}))
        self._check_choices()

    def _check_choices(self) -> None:
        choices, shares = self.choices, self.weights
        for choice in choices:
            if not (choice is None or isinstance(choice, str | int | float)):
                raise ConfigError(
                    f"a choice must be a text, a number, a boolean or None, but got {choice!r}",
                    "name the choices and look the objects up by name",
                )
        # 1 == True in Python: equal choices could not be told apart when they come back from the journal.
        if not choices or len(set(choices)) != len(choices):
            raise ConfigError(f"choices must be at least one and all different, but got {choices!r}", "remove doubles")
        if shares is not None and (
            len(shares) != len(choices) or not all(math.isfinite(w) and w >= 0 for w in shares) or not sum(shares) > 0
        ):
            raise ConfigError(
                f"weights must be one per choice, finite, not negative and not all zero, but got {shares} for "
                f"{choices}",
                "give the share of belief per choice",
            )

    @property
    def has_prior(self) -> bool:
        """Whether weights are given."""
        return self.weights is not None

    def check(self, name: str) -> None:
        """Check the default against the choices."""
        self._check_default(name)

    def contains(self, value: object) -> bool:
        """Whether ``value`` is one of the choices."""
        return any(_same(value, choice) for choice in self.choices)

    def values(self, max_count: int) -> tuple[Choice, ...] | None:
        """Return the choices, or None if there are more than ``max_count``."""
        return self.choices if len(self.choices) <= max_count else None

    def suggest(self, name: str, trial: Suggester) -> Choice:
        """Ask ``trial`` for a choice."""
        return trial.suggest_categorical(name, self.choices)

    def describe(self) -> dict[str, Any]:
        """Return the domain as JSON values."""
        return {
            "type": type(self).__name__.lower(),
            "choices": list(self.choices),
            **({"weights": list(self.weights)} if self.weights is not None else {}),
            **({"default": self.default} if self.default is not None else {}),
        }


@dataclass(frozen=True, init=False)
class Categorical(_Listed):
    """One of a few named choices without an order: texts, numbers, booleans or None.

    >>> Categorical("adam", "sgd", weights=[0.8, 0.2]).contains("adam")
    True

    Args:
        *choices: At least one, all different.
        weights: A prior: the share of belief per choice.
        default: What the study tries first.
        when: The condition under which it exists.
    """

    def nearest(self, name: str, value: object) -> Choice:
        """Return ``value`` if it is a choice; nothing else is near."""
        if not self.contains(value):
            raise ConfigError(f"{name} must be one of {self.choices}, but got {value!r}", "choose one of them")
        return cast(Choice, value)


@dataclass(frozen=True, init=False)
class Ordinal(_Listed):
    """One of a few values in a meaningful order, which the model uses: a grid of numbers, or sizes by name.

    >>> Ordinal(16, 32, 64, 128).nearest("batch", 50)
    64
    >>> Ordinal("small", "medium", "large").contains("medium")
    True

    Args:
        *choices: In their order; numbers ascending.
        weights: A prior: the share of belief per value.
        default: What the study tries first.
        when: The condition under which it exists.
    """

    def _check_choices(self) -> None:
        super()._check_choices()
        if self._numeric and list(self.choices) != sorted(cast(tuple[float, ...], self.choices)):
            raise ConfigError(f"the numbers of a grid must ascend, but got {self.choices}", "sort them")

    @property
    def _numeric(self) -> bool:
        return all(_is_number(choice) for choice in self.choices)

    def nearest(self, name: str, value: object) -> Choice:
        """Return the grid's nearest number; of other values only themselves are near."""
        if self.contains(value):
            return cast(Choice, value)
        if not (self._numeric and _is_number(value)):
            raise ConfigError(f"{name} must be one of {self.choices}, but got {value!r}", "choose one of them")
        number = cast(float, value)
        return min(self.choices, key=lambda choice: abs(cast(float, choice) - number))


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Return a condition's values: one stands for itself."""
    return tuple(value) if isinstance(value, tuple | list | set | frozenset) else (value,)
