"""What may be chosen: named parameters, some of them only under a condition on others."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol, TypeAlias, cast

from zoo.errors import ConfigError

__all__ = ["Categorical", "Choice", "Domain", "Float", "Int", "Params", "Space", "Suggester"]

Choice: TypeAlias = str | int | float | bool | None
Params: TypeAlias = dict[str, Any]
When: TypeAlias = Mapping[str, Any]


class Suggester(Protocol):
    """What a space asks for values: the part of an Optuna trial that it uses."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number in ``[low, high]``."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Return a whole number in ``[low, high]``."""
        ...

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """Return one of ``choices``."""
        ...


class Domain(ABC):
    """The values of one parameter, and the condition under which it exists.

    ``when={"model": "tree", "depth": (3, 4)}`` reads: only if ``model`` is "tree" and ``depth`` is 3 or 4. A parameter
    whose parent does not exist does not exist either.
    """

    when: When

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


@dataclass(frozen=True)
class Float(Domain):
    """A real number in ``[low, high]``, searched on a log scale if ``log``.

    >>> Float(1e-4, 1.0, log=True).contains(0.1)
    True
    """

    low: float
    high: float
    log: bool = False
    _: KW_ONLY
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

    def suggest(self, name: str, trial: Suggester) -> float:
        """Ask ``trial`` for a number."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def describe(self) -> dict[str, Any]:
        """Return the domain as JSON values."""
        return {"type": "float", "low": float(self.low), "high": float(self.high), "log": self.log}


@dataclass(frozen=True)
class Int(Domain):
    """A whole number in ``[low, high]``, both ends included."""

    low: int
    high: int
    log: bool = False
    _: KW_ONLY
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

    def suggest(self, name: str, trial: Suggester) -> int:
        """Ask ``trial`` for a whole number."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def describe(self) -> dict[str, Any]:
        """Return the domain as JSON values."""
        return {"type": "int", "low": self.low, "high": self.high, "log": self.log}


@dataclass(frozen=True, init=False)
class Categorical(Domain):
    """One of a few named choices: texts, numbers, booleans or None.

    >>> Categorical("tree", "linear").contains("tree")
    True
    """

    choices: tuple[Choice, ...]
    when: When

    def __init__(self, *choices: Choice, when: When | None = None) -> None:
        for choice in choices:
            if not (choice is None or isinstance(choice, str | int | float)):
                raise ConfigError(
                    f"a choice must be a text, a number, a boolean or None, but got {choice!r}",
                    "name the choices and look the objects up by name",
                )
        # 1 == True in Python: equal choices could not be told apart when they come back from the journal.
        if not choices or len(set(choices)) != len(choices):
            raise ConfigError(f"choices must be at least one and all different, but got {choices!r}", "remove doubles")
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "when", dict(when or {}))

    def contains(self, value: object) -> bool:
        """Whether ``value`` is one of the choices."""
        return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in self.choices)

    def nearest(self, name: str, value: object) -> Choice:
        """Return ``value`` if it is a choice; nothing else is near."""
        if not self.contains(value):
            raise ConfigError(f"{name} must be one of {self.choices}, but got {value!r}", "choose one of them")
        return cast(Choice, value)

    def suggest(self, name: str, trial: Suggester) -> Choice:
        """Ask ``trial`` for a choice."""
        return trial.suggest_categorical(name, self.choices)

    def describe(self) -> dict[str, Any]:
        """Return the domain as JSON values."""
        return {"type": "categorical", "choices": list(self.choices)}


class Space:
    """Named parameters with conditions at any depth.

    >>> space = Space(
    ...     model=Categorical("tree", "linear"),
    ...     depth=Int(1, 8, when={"model": "tree"}),
    ... )
    >>> space.contains({"model": "linear"}), space.contains({"model": "linear", "depth": 3})
    (True, False)

    Raises:
        ConfigError: A condition names an unknown parameter or an impossible value, or conditions form a ring.
    """

    def __init__(self, **params: Domain) -> None:
        self._domains = params
        for name, domain in params.items():
            if not isinstance(domain, Domain):
                raise ConfigError(f"{name} must be Float, Int or Categorical, but got {domain!r}", "wrap it in one")
            for parent, wanted in domain.when.items():
                if parent not in params:
                    raise ConfigError(
                        f"a condition must name a parameter of the space, but {name} asks for {parent!r}",
                        f"parameters: {', '.join(params)}",
                    )
                impossible = [value for value in _as_tuple(wanted) if not params[parent].contains(value)]
                if impossible:
                    raise ConfigError(
                        f"a condition must be possible, but {name} asks for {parent}={impossible[0]!r}",
                        f"{parent} is {params[parent]}",
                    )
        self._order = tuple(self._sorted())

    def _sorted(self) -> Iterator[str]:
        """Yield the names, parents before their children, else in the order of declaration."""
        done: set[str] = set()
        while len(done) < len(self._domains):
            ready = [name for name, d in self._domains.items() if name not in done and set(d.when) <= done]
            if not ready:
                ring = ", ".join(name for name in self._domains if name not in done)
                raise ConfigError(f"conditions must not form a ring, but these do: {ring}", "remove one condition")
            done.add(ready[0])
            yield ready[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def __contains__(self, name: object) -> bool:
        return name in self._domains

    def __getitem__(self, name: str) -> Domain:
        return self._domains[name]

    def groups(self) -> list[tuple[str, ...]]:
        """Return the parameters that exist under the same conditions, parents first."""
        conditions: dict[str, frozenset[Any]] = {}
        for name in self._order:
            own = {(parent, _as_tuple(wanted)) for parent, wanted in self._domains[name].when.items()}
            conditions[name] = frozenset(own).union(*(conditions[parent] for parent, _ in own))
        members: dict[frozenset[Any], list[str]] = {}
        for name in self._order:
            members.setdefault(conditions[name], []).append(name)
        return [tuple(names) for names in members.values()]

    def active(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names that exist given the values of their parents in ``params``."""
        names: list[str] = []
        for name in self._order:
            if self._exists(name, names, params):
                names.append(name)
        return tuple(names)

    def _exists(self, name: str, active: list[str], params: Mapping[str, Any]) -> bool:
        return all(
            parent in active and parent in params and params[parent] in _as_tuple(wanted)
            for parent, wanted in self._domains[name].when.items()
        )

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether ``params`` has a valid value for each existing parameter, and nothing else."""
        return set(params) == set(self.active(params)) and all(
            self._domains[name].contains(value) for name, value in params.items()
        )

    def sample(self, trial: Suggester) -> Params:
        """Ask ``trial`` for a value of each parameter that exists, parents first."""
        params: Params = {}
        names: list[str] = []
        for name in self._order:
            if self._exists(name, names, params):
                names.append(name)
                params[name] = self._domains[name].suggest(name, trial)
        return params

    def nearest(self, params: Mapping[str, Any]) -> Params:
        """Return ``params`` with each value moved into its domain; names that are absent stay absent.

        Raises:
            ConfigError: A name is unknown, or a value has no near one.
        """
        for name in params:
            if name not in self._domains:
                raise ConfigError(
                    f"a parameter must belong to the space, but got {name!r}", f"parameters: {', '.join(self._domains)}"
                )
        return {name: self._domains[name].nearest(name, value) for name, value in params.items()}

    def describe(self) -> dict[str, Any]:
        """Return the space as JSON values."""
        return {
            name: {
                **domain.describe(),
                **({"when": {k: list(_as_tuple(v)) for k, v in domain.when.items()}} if domain.when else {}),
            }
            for name, domain in self._domains.items()
        }


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list | set | frozenset) else (value,)
