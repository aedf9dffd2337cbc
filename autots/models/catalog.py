"""The families of models by name, imported only when one is asked for."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from autots.models.base import Context, Forecaster, Task
from autots.models.hyperparameters import nearest_name
from autots.models.wall_clock import fit_local
from autots.panel import Panel
from zoo.errors import ConfigError

__all__ = ["CATALOG", "COMPOSITE", "create", "families", "family", "fit_here"]

#: Family -> "module:Class". The class's ``name`` is the family.
CATALOG: Mapping[str, str] = MappingProxyType(
    {
        "naive": "autots.models.baseline.last:Naive",
        "seasonal_naive": "autots.models.baseline.last:SeasonalNaive",
        "drift": "autots.models.baseline.last:Drift",
        "mean": "autots.models.baseline.average:Mean",
        "zero": "autots.models.baseline.average:Zero",
        "seasonal_mean": "autots.models.baseline.average:SeasonalMean",
        "empirical": "autots.models.baseline.average:Empirical",
        "auto_ets": "autots.models.statistical.ets:AutoETS",
        "auto_theta": "autots.models.statistical.theta:AutoTheta",
        "auto_ces": "autots.models.statistical.ces:AutoCES",
        "auto_arima": "autots.models.statistical.arima:AutoARIMA",
        "smoothing": "autots.models.statistical.smoothing:Smoothing",
        "mstl": "autots.models.statistical.mstl:MSTL",
        "sarimax": "autots.models.statistical.sarimax:SARIMAX",
        "croston": "autots.models.statistical.intermittent:Croston",
        "adida": "autots.models.statistical.intermittent:ADIDA",
        "imapa": "autots.models.statistical.intermittent:IMAPA",
        "tsb": "autots.models.statistical.intermittent:TSB",
        "linear_direct": "autots.models.linear.direct:DirectLinear",
        "trees_direct": "autots.models.tabular.direct:DirectTrees",
        "trees_recursive": "autots.models.tabular.recursive:RecursiveTrees",
        "mlp": "autots.models.neural.mlp:MLP",
        "rvfl": "autots.models.neural.rvfl:RVFL",
    }
)

#: Families made of others: fitted by name, but no search proposes them.
COMPOSITE: Mapping[str, str] = MappingProxyType({"winners": "autots.models.per_series_selection:PerSeriesSelection"})


def families() -> tuple[str, ...]:
    """Return the names of all families, in the catalog's order."""
    return tuple(CATALOG)


def family(name: str) -> type[Forecaster]:
    """Import and return the class of a family.

    Raises:
        ConfigError: No such family.
    """
    place = CATALOG.get(name) or COMPOSITE.get(name)
    if place is None:
        raise ConfigError(f"a model family must be in the catalog, but got {name!r}", nearest_name(name, CATALOG))
    module, _, attribute = place.partition(":")
    return cast("type[Forecaster]", getattr(importlib.import_module(module), attribute))


def create(name: str, **params: Any) -> Forecaster:
    """Return an unfitted forecaster of a family with the given hyper-parameters.

    Raises:
        ConfigError: No such family, no such hyper-parameter, or a value that it does not take.

    >>> create("seasonal_naive", season=7).params
    SeasonalNaiveParams(season=7)
    """
    return family(name)(**params)


def fit_here(name: str, params: Mapping[str, Any], panel: Panel, task: Task, seed: int) -> Forecaster:
    """Return a forecaster of a family that is fitted on all rows, in this process and with all its cores."""
    return fit_local(create(name, **params), panel, task, Context(seed, threads=os.cpu_count() or 1))
