"""What a user believes before the first trial: densities over one parameter.

A density is given on the parameter's *search scale*: the decades of a log parameter, the plain numbers of any other. It
shapes early suggestions and fades with evidence; it never excludes a value (the samplers see to both).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import ConfigError

__all__ = ["Beta", "Histogram", "LogNormal", "Normal", "ParameterScale", "Prior", "prior_of"]


@dataclass(frozen=True)
class ParameterScale:
    """A bounded numeric scale, linear or logarithmic, and its map onto the unit interval.

    >>> ParameterScale(1e-4, 1.0, log=True).unit(1e-2)
    0.5
    """

    low: float
    high: float
    log: bool = False

    def unit(self, value: float) -> float:
        """Return where ``value`` lies: 0 at ``low``, 1 at ``high``."""
        low, high = self.bounds
        return 0.5 if low == high else (self._coordinate(value) - low) / (high - low)

    def value(self, unit: float) -> float:
        """Return the value at ``unit``, the inverse of ``unit``."""
        low, high = self.bounds
        coordinate = low + (high - low) * unit
        return min(max(10.0**coordinate if self.log else coordinate, self.low), self.high)

    @property
    def bounds(self) -> tuple[float, float]:
        """Low and high as coordinates: decades on a log scale."""
        return self._coordinate(self.low), self._coordinate(self.high)

    def _coordinate(self, value: float) -> float:
        return math.log10(value) if self.log else float(value)


class Prior(ABC):
    """A density over a bounded numeric parameter."""

    @abstractmethod
    def log_density(self, value: float, scale: ParameterScale) -> float:
        """Return the logarithm of the density at ``value`` up to a constant, with respect to the search scale."""

    @abstractmethod
    def check(self, name: str, scale: ParameterScale) -> None:
        """Refuse a density whose bulk the scale does not reach.

        Raises:
            ConfigError: It lies outside of the parameter's range.
        """

    def describe(self) -> dict[str, Any]:
        """Return the density as JSON values; ``prior_of`` reads them."""
        numbers = {
            name: list(given) if isinstance(given, tuple) else float(given) for name, given in vars(self).items()
        }
        return {"type": type(self).__name__.lower(), **numbers}


def _positive(kind: str, **numbers: float) -> None:
    for name, number in numbers.items():
        if not (isinstance(number, int | float) and math.isfinite(number) and number > 0):
            raise ConfigError(f"`{name} > 0` must hold, but got {kind}({name}={number!r})", f"give {name} as a number")


def _inside(kind: str, name: str, value: float, scale: ParameterScale, word: str) -> None:
    if not (math.isfinite(value) and scale.low <= value <= scale.high):
        raise ConfigError(
            f"a prior must lie in its parameter's range, but {kind} of {name} has its {word} at {value!r}, "
            f"outside of [{scale.low!r}, {scale.high!r}]",
            f"move the {word} inside, or widen the range of {name}",
        )


@dataclass(frozen=True)
class Normal(Prior):
    """A normal density, cut at the bounds.

    Args:
        mean: The most likely value, on the parameter's own scale (``1e-3``, not ``-3``, for a learning rate).
        sd: Standard deviation; of a log parameter in decades: ``Normal(1e-3, 0.5)`` has two thirds of its mass between
            3.2e-4 and 3.2e-3.

    >>> Normal(1e-3, 0.5).log_density(1e-2, ParameterScale(1e-5, 1e-1, log=True))
    -2.0
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _positive("Normal", sd=self.sd)

    def log_density(self, value: float, scale: ParameterScale) -> float:
        """Return the logarithm of the density up to a constant."""
        width = math.log10(value / self.mean) if scale.log else value - self.mean
        return -0.5 * (width / self.sd) ** 2

    def check(self, name: str, scale: ParameterScale) -> None:
        """Refuse a mean outside of the range."""
        _inside("Normal", name, self.mean, scale, "mean")


@dataclass(frozen=True)
class LogNormal(Prior):
    """A log-normal density: half of the mass on each side of the median, a long tail to large values.

    On a log parameter the same as ``Normal(median, sd)``; on a linear one skewed.

    Args:
        median: On the parameter's own scale, positive.
        sd: Of the decimal logarithm, in decades.
    """

    median: float
    sd: float

    def __post_init__(self) -> None:
        _positive("LogNormal", median=self.median, sd=self.sd)

    def log_density(self, value: float, scale: ParameterScale) -> float:
        """Return the logarithm of the density up to a constant."""
        if value <= 0:
            return -math.inf
        width = math.log10(value / self.median)
        jacobian = 0.0 if scale.log else -math.log(value)
        return -0.5 * (width / self.sd) ** 2 + jacobian

    def check(self, name: str, scale: ParameterScale) -> None:
        """Refuse a median outside of the range."""
        _inside("LogNormal", name, self.median, scale, "median")


@dataclass(frozen=True)
class Beta(Prior):
    """A beta density stretched over the whole range, on the search scale (decades of a log parameter).

    >>> Beta(2, 2).log_density(0.5, ParameterScale(0, 1)) > Beta(2, 2).log_density(0.1, ParameterScale(0, 1))
    True
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        _positive("Beta", a=self.a, b=self.b)

    def log_density(self, value: float, scale: ParameterScale) -> float:
        """Return the logarithm of the density up to a constant."""
        # a or b below 1 has poles at the ends, which no density over a finite grid can hold.
        unit = min(max(scale.unit(value), 1e-3), 1 - 1e-3)
        return (self.a - 1) * math.log(unit) + (self.b - 1) * math.log1p(-unit)

    def check(self, name: str, scale: ParameterScale) -> None:
        """Accept every range: the density is stretched over it."""


@dataclass(frozen=True)
class Histogram(Prior):
    """Shares of belief in neighbouring bins; within a bin the density is flat on the search scale.

    Args:
        edges: Ascending, one more than there are bins, on the parameter's own scale, within its range.
        weights: One per bin, not negative, of any sum.
    """

    edges: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", tuple(float(edge) for edge in self.edges))
        object.__setattr__(self, "weights", tuple(float(weight) for weight in self.weights))
        ascending = all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        if len(self.edges) != len(self.weights) + 1 or len(self.edges) < 2 or not ascending:
            raise ConfigError(
                f"a histogram must have one more ascending edge than weights, but got {self}", "give bin edges in order"
            )
        if not all(math.isfinite(w) and w >= 0 for w in self.weights) or not sum(self.weights) > 0:
            raise ConfigError(
                f"weights must be finite, not negative and not all zero, but got {self.weights}",
                "give the share of belief per bin",
            )

    def log_density(self, value: float, scale: ParameterScale) -> float:
        """Return the logarithm of the density up to a constant; outside of the edges it is zero."""
        for left, right, weight in zip(self.edges, self.edges[1:], self.weights, strict=False):
            if left <= value < right or value == right == self.edges[-1]:
                width = scale.unit(right) - scale.unit(left)
                return math.log(weight / width) if weight > 0 else -math.inf
        return -math.inf

    def check(self, name: str, scale: ParameterScale) -> None:
        """Refuse edges outside of the range."""
        _inside("Histogram", name, self.edges[0], scale, "first edge")
        _inside("Histogram", name, self.edges[-1], scale, "last edge")


#: What journals and study files call them.
_KINDS: Mapping[str, Callable[..., Prior]] = {
    kind.__name__.lower(): kind for kind in (Normal, LogNormal, Beta, Histogram)
}


def prior_of(described: Mapping[str, Any]) -> Prior:
    """Return the density that ``Prior.describe`` described, or that a file tells in the same words.

    >>> prior_of({"type": "normal", "mean": 1e-3, "sd": 0.5})
    Normal(mean=0.001, sd=0.5)
    """
    numbers = {name: tuple(v) if isinstance(v, list) else v for name, v in described.items() if name != "type"}
    return _KINDS[described["type"]](**numbers)
