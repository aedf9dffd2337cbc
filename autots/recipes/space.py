"""The space of families and their hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autots.models.catalog import create, families
from zoo.search.space import Categorical, Domain, Float, Int, Space

__all__ = ["SEARCHED", "from_point", "search_space", "to_point"]

_NORMS = ("mean", "standard", "last")


def _linear(when: dict[str, Any]) -> dict[str, Domain]:
    return {
        "lags": Float(0.5, 4.0, when=when),
        "periods": Int(1, 14, when=when),
        "norm": Categorical(*_NORMS, when=when),
        "norm_periods": Int(0, 14, when=when),
        "ridge": Float(1e-5, 1.0, log=True, when=when),
        "weighted": Categorical(True, False, when=when),
        "log": Categorical(False, True, when=when),
    }


def _boosting(when: dict[str, Any]) -> dict[str, Domain]:
    return {
        "norm": Categorical(*_NORMS, when=when),
        "norm_periods": Int(0, 14, when=when),
        "log": Categorical(False, True, when=when),
        "rounds": Int(50, 600, log=True, when=when),
        "learning_rate": Float(0.02, 0.15, log=True, when=when),
        "leaves": Int(7, 255, log=True, when=when),
        "min_leaf": Int(5, 200, log=True, when=when),
        "feature_fraction": Float(0.3, 1.0, when=when),
    }


def _direct(when: dict[str, Any]) -> dict[str, Domain]:
    return _boosting(when) | {
        "lags": Int(0, 24, when=when),
        "periods": Int(2, 21, when=when),
        "weighted": Categorical(True, False, when=when),
        "linear": Categorical(True, False, when=when),
    }


def _recursive(when: dict[str, Any]) -> dict[str, Domain]:
    return _boosting(when) | {"lags": Float(0.5, 3.0, when=when), "periods": Int(1, 7, when=when)}


def _network(when: dict[str, Any]) -> dict[str, Domain]:
    return {
        "lookback": Float(0.5, 2.0, log=True, when=when),
        "norm": Categorical(*_NORMS, when=when),
        "norm_periods": Int(0, 14, when=when),
        "log": Categorical(False, True, when=when),
        "hidden": Int(32, 256, log=True, when=when),
        "rate": Float(5e-4, 5e-3, log=True, when=when),
        "epochs": Float(2.0, 20.0, log=True, when=when),
        "weighted": Categorical(True, False, when=when),
        "halflife": Float(0.0, 12.0, when=when),
    }


def _random_features(when: dict[str, Any]) -> dict[str, Domain]:
    return {
        "lookback": Float(0.5, 2.0, log=True, when=when),
        "norm": Categorical(*_NORMS, when=when),
        "norm_periods": Int(0, 14, when=when),
        "log": Categorical(False, True, when=when),
        "units": Int(250, 3000, log=True, when=when),
        "ridge": Float(1e-3, 0.3, log=True, when=when),
        "weighted": Categorical(True, False, when=when),
        "halflife": Float(0.0, 12.0, when=when),
    }


def _theta(when: dict[str, Any]) -> dict[str, Domain]:
    return {"method": Categorical("DOTM", "STM", "DSTM", when=when)}


def _ets(when: dict[str, Any]) -> dict[str, Domain]:
    return {"model": Categorical("ZZZ", "ANZ", when=when)}


#: Family -> its searched hyper-parameters under a condition. Families that are not here have nothing to search.
SEARCHED: Mapping[str, Callable[[dict[str, Any]], dict[str, Domain]]] = {
    "linear_direct": _linear,
    "trees_direct": _direct,
    "trees_recursive": _recursive,
    "mlp": _network,
    "rvfl": _random_features,
    "auto_theta": _theta,
    "auto_ets": _ets,
}


def _nothing(when: dict[str, Any]) -> dict[str, Domain]:
    return {}


def search_space() -> Space:
    """Return the space of all families, each family's parameters existing under it alone."""
    domains: dict[str, Domain] = {"family": Categorical(*families())}
    for family, params in SEARCHED.items():
        domains |= {f"{family}.{name}": domain for name, domain in params({"family": family}).items()}
    return Space(constraints=(), **domains)


def to_point(family: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete point of the space for a configuration; what it leaves open has the family's default."""
    defaults = create(family).params if family in SEARCHED else {}
    return {"family": family} | {
        f"{family}.{name}": params.get(name, defaults[name]) for name in SEARCHED.get(family, _nothing)({})
    }


def from_point(point: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the family and its hyper-parameters of a point of the space."""
    family = str(point["family"])
    prefix = f"{family}."
    return family, {name.removeprefix(prefix): value for name, value in point.items() if name.startswith(prefix)}
