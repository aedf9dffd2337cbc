"""What is measured: objectives, thresholds, and what is only kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias

from zoo.errors import ConfigError

__all__ = ["Direction", "Limit", "Metric", "Metrics", "Result", "Value", "violations"]

Direction: TypeAlias = Literal["minimize", "maximize"]
#: What a training may report: the only metric, or several by name.
Value: TypeAlias = float | Mapping[str, float]


@dataclass(frozen=True)
class Limit:
    """The bounds of a metric; a trial outside of them is infeasible."""

    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        for bound in (self.at_most, self.at_least):
            if bound is not None and not (_is_number(bound) and math.isfinite(bound)):
                raise ConfigError(
                    f"a threshold must be a finite number, but got {bound!r}", "leave it out for no bound"
                )
        low, high = self.at_least, self.at_most
        if low is not None and high is not None and low > high:
            raise ConfigError(
                f"`at_least <= at_most` must hold, but got at_least={low:g}, at_most={high:g}", "exchange the bounds"
            )

    def violation(self, value: float) -> float:
        """Return by how much ``value`` lies outside; zero or less if it does not."""
        over = -math.inf if self.at_most is None else value - self.at_most
        under = -math.inf if self.at_least is None else self.at_least - value
        return max(over, under)

    def describe(self) -> dict[str, float]:
        """Return the bounds as JSON values."""
        bounds = {"at_most": self.at_most, "at_least": self.at_least}
        return {name: float(bound) for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True)
class Metric:
    """One thing that a training returns.

    Args:
        name: As the training calls it.
        direction: "minimize" or "maximize" makes it an objective.
        at_most: Threshold: a trial above it is infeasible; may be edited while the study runs.
        at_least: Threshold: a trial below it is infeasible.
        store: It is only kept.

    >>> Metric("latency_ms", at_most=5).role
    'constraint'
    """

    name: str
    direction: Direction | None = None
    _: KW_ONLY
    at_most: float | None = None
    at_least: float | None = None
    store: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ConfigError(f"a metric must have a name, but got {self.name!r}", "name it as the training returns it")
        if self.direction not in (None, "minimize", "maximize"):
            raise ConfigError(
                f"a direction must be 'minimize' or 'maximize', but {self.name} has {self.direction!r}",
                "leave it out for a metric that is a constraint or only stored",
            )
        bounded = bool(self.limit.describe())
        if self.store and (self.direction or bounded):
            raise ConfigError(
                f"a stored metric must have no direction and no threshold, but {self.name} has", "leave out store=True"
            )
        if not (self.store or self.direction or bounded):
            raise ConfigError(
                f"a metric must be an objective, a constraint or stored, but {self.name} is none of them",
                "give it a direction, at_most, at_least, or store=True",
            )

    @property
    def limit(self) -> Limit:
        """Its thresholds."""
        return Limit(self.at_most, self.at_least)

    @property
    def role(self) -> Literal["objective", "constraint", "stored"]:
        """What it is for; an objective may have thresholds too."""
        if self.direction is not None:
            return "objective"
        return "stored" if self.store else "constraint"


@dataclass(frozen=True)
class Result:
    """What a training may return instead of a number: values with what is known about them.

    Args:
        values: The only metric's value, or all by name; None: those reported last.
        stderr: Standard error of the values, by name.
        cost: What the trial cost, in the units of the study's budget; its seconds by default.
        attrs: JSON values to keep.
    """

    values: Value | None = None
    _: KW_ONLY
    stderr: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)


class Metrics:
    """The metrics of a study, objectives in their order.

    Raises:
        ConfigError: There is no objective, or two metrics have the same name.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        if len(self._metrics) < len(metrics):
            raise ConfigError("metrics must have different names, but two have the same", "rename one")
        self.objectives = tuple(metric for metric in metrics if metric.direction is not None)
        if not self.objectives:
            raise ConfigError("a study must have an objective, but no metric has a direction", "give one a direction")

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._metrics.values())

    def __getitem__(self, name: str) -> Metric:
        if name not in self._metrics:
            raise ConfigError(f"a metric must be the study's, but got {name!r}", f"metrics: {', '.join(self._metrics)}")
        return self._metrics[name]

    @property
    def first(self) -> Metric:
        """The first objective: what reports and stoppers are about."""
        return self.objectives[0]

    @property
    def sign(self) -> float:
        """By which a value of the first objective is multiplied so that less is better."""
        return 1.0 if self.first.direction == "minimize" else -1.0

    @property
    def limits(self) -> dict[str, dict[str, float]]:
        """The thresholds that the study begins with, as JSON values."""
        return {metric.name: metric.limit.describe() for metric in self if metric.limit.describe()}

    def describe(self) -> list[list[Any]]:
        """Return names, directions and roles as JSON values; thresholds may change and are left out."""
        return [[metric.name, metric.direction, metric.role] for metric in self]

    def report(self, value: Value) -> dict[str, float]:
        """Return the values of a report by name; it needs the first objective only.

        Raises:
            ConfigError: A name is unknown, the first objective is missing, or a value is no number.
        """
        return self._read(value, needed=(self.first.name,))

    def final(self, value: Value) -> dict[str, float]:
        """Return the values of a finished training by name; all but stored metrics are needed.

        Raises:
            ConfigError: A name is unknown, a value is missing or no number.
        """
        return self._read(value, needed=tuple(metric.name for metric in self if metric.role != "stored"))

    def _read(self, value: Value, needed: tuple[str, ...]) -> dict[str, float]:
        given = dict(value) if isinstance(value, Mapping) else {self.first.name: value}
        missing = [name for name in needed if name not in given]
        if missing:
            raise ConfigError(
                f"a training must return {', '.join(needed)}, but {', '.join(missing)} is missing",
                f"return a dictionary such as {{'{self.first.name}': …, '{missing[0]}': …}}",
            )
        for name, number in given.items():
            if name not in self._metrics:
                raise ConfigError(
                    f"a metric must be the study's, but got {name!r}",
                    f"metrics: {', '.join(self._metrics)}; add Metric({name!r}, store=True) to keep it",
                )
            if not _is_number(number):
                raise ConfigError(f"a metric must be a number, but {name} is {number!r}", "convert it with float(…)")
        return {name: float(number) for name, number in given.items()}


def violations(values: Mapping[str, float], limits: Mapping[str, Limit]) -> dict[str, float]:
    """Return how far each limited metric lies outside of its bounds; zero or less is feasible.

    Metrics that were not measured are left out.

    >>> violations({"latency_ms": 7.0}, {"latency_ms": Limit(at_most=5)})
    {'latency_ms': 2.0}
    """
    return {name: limit.violation(values[name]) for name, limit in limits.items() if name in values}


def _is_number(value: object) -> bool:
    # Numbers of numpy and tensors with one element convert themselves.
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    return hasattr(value, "__float__") and not isinstance(value, str | bytes)
