"""A space as numbers: points of the unit cube, the features a model sees, and the densities of the priors.

A *point* has one number in [0, 1] per parameter, in the order of the space, also for those that do not exist there.
The *features* of a point are what distances are taken of: one column per number, one per choice of an unordered
parameter, and the middle of the range for a parameter that does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from zoo.search.space import Categorical, Choice, Domain, Float, Int, Ordinal, Params, Space

__all__ = ["Array", "Encoding"]

Array: TypeAlias = NDArray[Any]

#: Cells of a tabulated density.
_CELLS = 256
#: Share of a density that is spread evenly: what a prior calls impossible can still be found.
_FLAT = 0.05
#: Observations from which on the priors are judged.
_ENOUGH = 8
#: Distance between two different choices of an unordered parameter, whose range is one.
_APART = 1.0


class Encoding:
    """Maps params to points and features, and back.

    Args:
        space: What may be chosen.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.names = tuple(space)
        self._domains: list[Domain] = [space[name] for name in self.names]
        self._column = {name: index for index, name in enumerate(self.names)}
        self._order = [name for group in space.groups() for name in group]
        self._scales = {index: _scale(domain) for index, domain in enumerate(self._domains)}
        #: Per feature, the index of its parameter: features of one parameter share a length.
        self.owners = np.array(
            [
                index
                for index, domain in enumerate(self._domains)
                for _ in range(len(domain.choices) if _one_hot(domain) else 1)
            ],
            dtype=np.intp,
        )
        self.has_prior = any(domain.has_prior for domain in self._domains)
        self._log_prior = [_table(domain) for domain in self._domains]

    def __len__(self) -> int:
        return len(self.names)

    def point(self, params: Mapping[str, Any]) -> Array:
        """Return the point of ``params``; what is missing lies in the middle."""
        out = np.full(len(self.names), 0.5)
        for name, value in params.items():
            index = self._column.get(name)
            if index is not None:
                out[index] = self._unit(index, value)
        return out

    def params(self, point: Array) -> Params:
        """Return the params of a point: those that exist."""
        found: Params = {}
        active: set[str] = set()
        for name in self._order:
            index = self._column[name]
            if self._present(name, active, found):
                active.add(name)
                found[name] = self._value(index, float(point[index]))
        return found

    def _present(self, name: str, active: set[str], found: Params) -> bool:
        when = self.space[name].when
        return all(parent in active and found[parent] in _wanted(when[parent]) for parent in when)

    def snap(self, points: Array) -> Array:
        """Return the points with whole numbers and choices in the middle of their cells."""
        out = np.clip(points, 0.0, 1.0)
        for index, domain in enumerate(self._domains):
            if isinstance(domain, Categorical | Ordinal):
                count = len(domain.choices)
                out[:, index] = (np.minimum(np.floor(out[:, index] * count), count - 1) + 0.5) / count
            elif isinstance(domain, Int):
                low, high, log = self._scales[index]
                number = low + (high - low) * out[:, index]
                number = np.clip(np.round(np.exp(number) if log else number), domain.low, domain.high)
                out[:, index] = _ratio(np.log(number) if log else number, low, high)
        return out

    def canonical(self, points: Array) -> Array:
        """Return the points such that equal params are equal points: snapped, what does not exist in the middle."""
        snapped = self.snap(points)
        return np.where(self.present(snapped), snapped, 0.5)

    def present(self, points: Array) -> NDArray[np.bool_]:
        """Return which parameters exist at each point."""
        out = np.ones(points.shape, dtype=bool)
        for name in self._order:
            index = self._column[name]
            for parent, wanted in self.space[name].when.items():
                column, domain = self._column[parent], self.space[parent]
                fits = self._holds(points[:, column], column, domain, _wanted(wanted))
                out[:, index] &= out[:, column] & fits
        return out

    def _holds(self, units: Array, index: int, domain: Domain, wanted: tuple[Any, ...]) -> NDArray[np.bool_]:
        if isinstance(domain, Categorical | Ordinal):
            cells = np.minimum(np.floor(units * len(domain.choices)), len(domain.choices) - 1)
            return np.isin(cells, [i for i, choice in enumerate(domain.choices) if choice in wanted])
        return np.array([self._value(index, float(unit)) in wanted for unit in units], dtype=bool)

    def features(self, points: Array) -> Array:
        """Return what distances are taken of; ``points`` are snapped first."""
        points = self.snap(points)
        present = self.present(points)
        columns: list[Array] = []
        for index, domain in enumerate(self._domains):
            here = present[:, index]
            if isinstance(domain, Categorical) and _one_hot(domain):
                cells = np.floor(points[:, index] * len(domain.choices))
                columns += [np.where(here & (cells == i), _APART / np.sqrt(2), 0.0) for i in range(len(domain.choices))]
            else:
                columns.append(np.where(here, points[:, index], 0.5))
        return np.stack(columns, axis=1) if columns else np.zeros((len(points), 0))

    def log_prior(self, points: Array, columns: Sequence[int] | None = None) -> Array:
        """Return the logarithm of the priors' joint density (of some parameters), where 0 is that of an even belief."""
        out = np.zeros(len(points))
        if not self.has_prior:
            return out
        present = self.present(points)
        for index, table in enumerate(self._log_prior):
            if table is not None and (columns is None or index in columns):
                cells = np.minimum((points[:, index] * len(table)).astype(int), len(table) - 1)
                out += np.where(present[:, index], table[cells], 0.0)
        return out

    def trust(self, points: Array, values: Array) -> float:
        """Return how far observations bear the priors out, from 0 to 1: 1 while too little is known.

        Where values (less is better) get worse with the density, by the rank correlation, the priors are not to be
        believed any more.
        """
        if not self.has_prior or len(values) < _ENOUGH:
            return 1.0
        believed = np.argsort(np.argsort(self.log_prior(points), kind="stable"), kind="stable")
        good = np.argsort(np.argsort(-values, kind="stable"), kind="stable")
        if np.ptp(values) == 0:
            return 1.0
        return float(np.clip(0.5 + 2.0 * np.corrcoef(believed, good)[0, 1], 0.0, 1.0))

    def sample(self, rng: np.random.Generator, count: int, *, believed: bool = False) -> Array:
        """Return random points: evenly, or as the priors say."""
        points = rng.random((count, len(self.names)))
        for index, table in enumerate(self._log_prior if believed else ()):
            if table is not None:
                mass = np.cumsum(np.exp(table))
                cells = np.searchsorted(mass, points[:, index] * mass[-1])
                points[:, index] = (np.minimum(cells, len(table) - 1) + rng.random(count)) / len(table)
        return points

    def hold(self, point: Array, fixed: Mapping[str, Any]) -> Array:
        """Return the point with given values in it."""
        return self.hold_all(point[None], fixed)[0] if fixed else point

    def hold_all(self, points: Array, fixed: Mapping[str, Any]) -> Array:
        """Return the points with given values in them."""
        if fixed:
            points = points.copy()
            for name, value in fixed.items():
                index = self._column.get(name)
                if index is not None:
                    points[:, index] = self._unit(index, value)
        return points

    def _unit(self, index: int, value: Any) -> float:
        domain = self._domains[index]
        if isinstance(domain, Categorical | Ordinal):
            found = [i for i, choice in enumerate(domain.choices) if _same(choice, value)]
            # A value that the space does not know, in a trial that somebody else added, lies in the middle.
            return (found[0] + 0.5) / len(domain.choices) if found else 0.5
        if not isinstance(value, int | float):
            return 0.5
        low, high, log = self._scales[index]
        number = float(value)
        if log:
            number = math.log(number) if number > 0 else low
        return min(max((number - low) / (high - low), 0.0), 1.0) if high > low else 0.5

    def _value(self, index: int, unit: float) -> Any:
        domain = self._domains[index]
        if isinstance(domain, Categorical | Ordinal):
            count = len(domain.choices)
            choice: Choice = domain.choices[min(int(unit * count), count - 1)]
            return choice
        low, high, log = self._scales[index]
        number = low + (high - low) * min(max(unit, 0.0), 1.0)
        number = float(np.exp(number)) if log else number
        assert isinstance(domain, Float | Int)
        if isinstance(domain, Int):
            return min(max(round(number), domain.low), domain.high)
        return min(max(number, float(domain.low)), float(domain.high))


def _scale(domain: Domain) -> tuple[float, float, bool]:
    """Return the ends of the search scale; whole numbers have cells of equal width, also the outer ones."""
    if not isinstance(domain, Float | Int):
        return 0.0, 1.0, False
    margin = 0.5 if isinstance(domain, Int) and domain.low < domain.high else 0.0
    low, high = domain.low - margin, domain.high + margin
    return (float(np.log(low)), float(np.log(high)), True) if domain.log else (float(low), float(high), False)


def _ratio(number: Any, low: float, high: float) -> Any:
    return (number - low) / (high - low) if high > low else np.zeros_like(number) + 0.5


def _one_hot(domain: Domain) -> TypeGuard[Categorical]:
    """Whether a parameter has a column per choice; of two choices one column tells as much."""
    return isinstance(domain, Categorical) and len(domain.choices) > 2


def _table(domain: Domain) -> Array | None:
    """Return the logarithm of a prior's density over the cells of [0, 1], with mean density one."""
    if not domain.has_prior:
        return None
    if isinstance(domain, Categorical | Ordinal):
        density = np.array(domain.weights, dtype=float)
    else:
        assert isinstance(domain, Float | Int)
        assert domain.prior is not None
        units = (np.arange(_CELLS) + 0.5) / _CELLS
        logs = np.array([domain.prior.log_density(domain.scale.value(float(unit)), domain.scale) for unit in units])
        density = np.exp(logs - logs.max())
    density = density / density.mean()
    out: Array = np.log((1 - _FLAT) * density + _FLAT)
    return out


def _wanted(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list | set | frozenset) else (value,)


def _same(a: object, b: object) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)
