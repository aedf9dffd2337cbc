"""What may be tried: families with hyper-parameters, and for which panels each of them is of use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autots.recipes.traits import Traits

__all__ = ["CANDIDATES", "INTERMITTENT", "LEARNERS", "Recipe"]

#: Families that learn over all series, and so can learn more with more hyper-parameters.
LEARNERS = ("trees_direct", "trees_recursive", "linear_direct", "mlp", "rvfl")
#: Share of zeros from which demand counts as intermittent (Syntetos & Boylan's cut is an interval of 1.32, a quarter).
INTERMITTENT = 0.25

# Families that know demand with zeros, and nothing else.
_FOR_ZEROS = ("tsb", "croston", "empirical", "adida", "imapa")
# Families that see a smooth level in demand, which zeros tear.
_FOR_LEVELS = ("auto_ets", "auto_theta", "auto_arima", "auto_ces", "mstl")
# Series up to which SARIMAX is worth its seconds.
_FEW_SARIMAX = 20


@dataclass(frozen=True)
class Recipe:
    """A family with hyper-parameters; how large its trees are follows from the panel and the budget.

    Args:
        family: The name of its class in the catalog of models.
        params: Hyper-parameters that differ from the family's defaults; none by default.
        large: Whether its trees are larger than what such a panel usually gets.
    """

    family: str
    params: Mapping[str, Any] = field(default_factory=dict)
    large: bool = False

    @property
    def name(self) -> str:
        """A short text that no other recipe has: the family, and what is set."""
        said = [f"{key}={value}" for key, value in self.params.items()] + ["large"] * self.large
        return " ".join([self.family, *said])

    @property
    def learner(self) -> bool:
        """Whether it learns over all series."""
        return self.family in LEARNERS

    def of_use(self, traits: Traits) -> bool:
        """Return whether it can be made of such a panel, and is not the same as another recipe there."""
        if self.learner:
            # Without positive targets a configuration and its logarithmic twin are one.
            return traits.learnable and (traits.positive or not self.params.get("log"))
        if self.family in _FOR_ZEROS:
            return traits.zero_share > INTERMITTENT
        if self.family in _FOR_LEVELS and traits.zero_share > INTERMITTENT:
            return False
        if self.family == "sarimax":
            return traits.known > 0 and traits.series <= _FEW_SARIMAX
        return self.family != "mstl" or traits.season > 1


def _trees(norm: str, *, large: bool = False, linear: bool = True, weighted: bool = False, log: bool = False) -> Recipe:
    return Recipe("trees_direct", {"norm": norm, "linear": linear, "weighted": weighted, "log": log}, large)


def _linear(norm: str, *, weighted: bool = True, log: bool = False, **lookback: float) -> Recipe:
    return Recipe("linear_direct", {"norm": norm, "weighted": weighted, "log": log, **lookback})


def _pooled(family: str, norm: str, *, log: bool) -> Recipe:
    return Recipe(family, {"norm": norm, "log": log})


#: Everything that a table measures, in an order that means nothing.
CANDIDATES: tuple[Recipe, ...] = (
    _linear("last", weighted=False),
    _linear("last"),
    _linear("standard"),
    _linear("standard", log=True),
    _linear("mean"),
    _linear("last", weighted=False, lags=1.0, periods=3),
    _linear("standard", lags=4.0, periods=14),
    _trees("mean"),
    _trees("mean", weighted=True),
    _trees("mean", linear=False),
    _trees("mean", linear=False, weighted=True),
    _trees("last"),
    _trees("last", weighted=True),
    _trees("last", linear=False),
    _trees("last", log=True),
    _trees("standard"),
    _trees("standard", weighted=True),
    _trees("standard", linear=False),
    _trees("standard", log=True),
    _trees("standard", large=True),
    _trees("last", log=True, large=True),
    Recipe("trees_recursive", {"norm": "last"}),
    Recipe("trees_recursive", {"norm": "standard"}),
    Recipe("trees_recursive", {"norm": "mean"}),
    *(_pooled("mlp", norm, log=log) for norm in ("last", "standard") for log in (True, False)),
    *(_pooled("rvfl", norm, log=log) for norm in ("standard", "last") for log in (True, False)),
    Recipe("smoothing"),
    Recipe("smoothing", {"trend": "damped", "penalty": 1.0}),
    Recipe("auto_theta", {"method": "DOTM"}),
    Recipe("auto_theta", {"method": "STM"}),
    Recipe("auto_ets", {"model": "ANZ"}),
    Recipe("auto_ets", {"model": "ZZZ"}),
    Recipe("auto_ces"),
    Recipe("auto_arima"),
    Recipe("mstl"),
    Recipe("sarimax"),
    Recipe("tsb"),
    Recipe("croston"),
    Recipe("croston", {"variant": "optimized"}),
    Recipe("empirical", {"window": 12}),
    Recipe("adida"),
    Recipe("imapa"),
)
