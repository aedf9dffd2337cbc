"""The space that a search draws from: every family, and the hyper-parameters that its dataclass says are searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autots.models.catalog import families, family
from autots.models.hyperparameters import Hyperparameter, OneOf
from zoo.search.space import Categorical, Domain, Float, Int, Space

__all__ = ["from_point", "search_space", "searched", "to_point"]


def searched(name: str) -> Mapping[str, Hyperparameter]:
    """Return the hyper-parameters of a family that are searched, in the order of its dataclass; most have none."""
    return {key: one for key, one in family(name).hyperparameters.described().items() if one.search}


def search_space() -> Space:
    """Return the space of all families, each family's parameters existing under it alone."""
    domains: dict[str, Domain] = {"family": Categorical(*families())}
    # What a seed suggests depends on the order of the parameters, so it is kept: pooled families, then quick, then slow
    # models of single series.
    for name in sorted(families(), key=lambda name: (family(name).local, family(name).slow)):
        domains |= {f"{name}.{key}": _domain(one, when={"family": name}) for key, one in searched(name).items()}
    return Space(constraints=(), **domains)


def _domain(parameter: Hyperparameter, *, when: dict[str, Any]) -> Domain:
    if isinstance(parameter.allowed, OneOf):
        return Categorical(*parameter.search, when=when)
    low, high = parameter.search
    if parameter.whole:
        return Int(low, high, log=parameter.log, when=when)
    return Float(low, high, log=parameter.log, when=when)


def to_point(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete point of the space for a configuration; what it leaves open has the family's default."""
    return {"family": name} | {f"{name}.{key}": params.get(key, one.default) for key, one in searched(name).items()}


def from_point(point: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the family and its hyper-parameters of a point of the space."""
    name = str(point["family"])
    prefix = f"{name}."
    return name, {key.removeprefix(prefix): value for key, value in point.items() if key.startswith(prefix)}
