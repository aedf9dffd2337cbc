"""Forecasters of demand with many zeros, from statsforecast: Croston's methods, ADIDA, IMAPA and TSB.

Their forecast is one rate of demand for all steps. Quantiles are those of a period that has no demand with
probability 1 - p, and else a size drawn from the sizes seen, scaled to the forecast rate.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from autots.models.base import Task
from autots.models.baseline.base import Baseline
from autots.models.baseline.ragged import Ragged, weighted_quantiles
from autots.models.hyperparameters import Hyperparameters, choice, real
from autots.panel import Floats

__all__ = ["ADIDA", "IMAPA", "TSB", "Croston", "CrostonParams", "TSBParams"]

# Latest demands whose sizes stand for the distribution.
_SIZES = 200


class _Intermittent(Baseline):
    """A rate of demand and its probability per period; nothing is learned but that, so predicting is refitting.

    Missing values are left out, not interpolated: a hole between zeros is no demand. Series with negative values
    are not demand and get the distribution of their values.
    """

    libraries: ClassVar[tuple[str, ...]] = ("statsforecast.models",)
    shift_equivariant: ClassVar[bool] = False

    @abstractmethod
    def _rate(self, y: Floats) -> tuple[float, float]:
        """Return the expected demand and the probability of any, per period, of values of which one is above 0."""

    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        n = len(history.offsets)
        mean, quantiles = np.zeros(n), np.zeros((n, len(task.levels)))
        levels = np.array(task.levels)
        for i in range(n):
            y = history.y[history.offsets.starts[i] : history.offsets.ends[i]]
            y = np.ascontiguousarray(y[~np.isnan(y)])
            if not y.any():
                continue
            if y.min() < 0:
                mean[i] = y[-_SIZES:].mean()
                quantiles[i] = weighted_quantiles(y[-_SIZES:], task.levels)
                continue
            rate, chance = self._rate(y)
            chance = min(max(chance, 1e-9), 1.0)
            sizes = y[y > 0][-_SIZES:]
            scaled = np.sort(sizes) * (rate / chance / sizes.mean())
            inside = np.clip((levels - (1 - chance)) / chance, 0.0, 1.0)
            place = (np.arange(len(scaled)) + 0.5) / len(scaled)
            mean[i] = rate
            quantiles[i] = np.where(levels > 1 - chance, np.interp(inside, place, scaled), 0.0)
        return np.repeat(mean[:, None], task.horizon, axis=1), np.repeat(quantiles[:, None, :], task.horizon, axis=1)


@dataclass(frozen=True, kw_only=True)
class CrostonParams(Hyperparameters):
    """Which form of Croston's method is used."""

    variant: str = choice(
        "sba",
        '"classic" (α = 0.1; Croston 1972), "optimized" (α by least squares), or "sba" (less its bias; Syntetos & '
        "Boylan 2005).",
        options=("classic", "optimized", "sba"),
    )


class Croston(_Intermittent):
    """Croston's method: sizes and intervals smoothed apart, their quotient is the rate."""

    name: ClassVar[str] = "croston"
    hyperparameters = CrostonParams
    params: CrostonParams

    def _rate(self, y: Floats) -> tuple[float, float]:
        from statsforecast.models import CrostonClassic, CrostonOptimized, CrostonSBA

        rate = {"classic": CrostonClassic, "optimized": CrostonOptimized, "sba": CrostonSBA}[self.params.variant]
        # The rate of demands of size 1 is one per smoothed interval: their probability. SBA corrects sizes alone.
        chance = CrostonOptimized if self.params.variant == "optimized" else CrostonClassic
        return _point(rate(), y), _point(chance(), _demanded(y))


class ADIDA(_Intermittent):
    """Aggregate to the mean interval between demands, smooth, divide (Nikolopoulos et al. 2011)."""

    name: ClassVar[str] = "adida"

    def _rate(self, y: Floats) -> tuple[float, float]:
        from statsforecast.models import ADIDA as Model

        return _point(Model(), y), float(np.mean(y > 0))


class IMAPA(_Intermittent):
    """The mean over all aggregations up to the mean interval between demands (Petropoulos & Kourentzes 2015)."""

    name: ClassVar[str] = "imapa"

    def _rate(self, y: Floats) -> tuple[float, float]:
        from statsforecast.models import IMAPA as Model

        return _point(Model(), y), float(np.mean(y > 0))


@dataclass(frozen=True, kw_only=True)
class TSBParams(Hyperparameters):
    """How fast ``tsb`` forgets."""

    alpha_d: float = real(0.2, "Weight of the newest demand in its smoothed size.", above=0, high=1)
    alpha_p: float = real(0.2, "Weight of the newest row in the smoothed probability of demand.", above=0, high=1)


class TSB(_Intermittent):
    """Size and probability of demand smoothed apart, so that it decays when demand ends (Teunter et al. 2011)."""

    name: ClassVar[str] = "tsb"
    hyperparameters = TSBParams
    params: TSBParams

    def _rate(self, y: Floats) -> tuple[float, float]:
        from statsforecast.models import SimpleExponentialSmoothing as Smoothed

        chance = _point(Smoothed(self.params.alpha_p), _demanded(y))
        return chance * _point(Smoothed(self.params.alpha_d), y[y > 0]), chance


def _demanded(y: Floats) -> Floats:
    """Return 1 where there was demand, and 0 where there was none."""
    return (y > 0).astype(np.float64)


def _point(model: Any, y: Floats) -> float:
    """Return the forecast of one of statsforecast's models, which is the same for all steps."""
    return float(model.forecast(y=y, h=1)["mean"][0])
