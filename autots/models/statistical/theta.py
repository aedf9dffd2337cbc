"""The Theta models (Assimakopoulos & Nikolopoulos 2000; Fiorucci et al. 2016), from statsforecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autots.models.hyperparameters import choice
from autots.models.statistical import adjust
from autots.models.statistical.base import PerSeries, PreparedSeries, SeasonalParams
from autots.panel import Floats

__all__ = ["AutoTheta", "AutoThetaParams"]

_METHODS = ("STM", "OTM", "DSTM", "DOTM")


@dataclass(frozen=True, kw_only=True)
class AutoThetaParams(SeasonalParams):
    """Which Theta model ``auto_theta`` fits; its season may have any length, as it is taken off first."""

    method: str = choice(
        "STM",
        '"STM" (standard), "OTM" (optimised), "DSTM", "DOTM" (dynamic), or "auto" for the one of least error: four '
        "fits that were no better than the standard one where we measured.",
        options=("auto", *_METHODS),
        search=("DOTM", "STM", "DSTM"),
    )
    decomposition: str = choice(
        "multiplicative",
        'How the season is taken off: "multiplicative" (of positive series; others are additive) or "additive".',
        options=("multiplicative", "additive"),
    )


class AutoTheta(PerSeries):
    """Theta on the seasonally adjusted series.

    The variance h steps ahead is that of simple exponential smoothing with drift, which Theta is (Hyndman & Billah
    2003): σ² (1 + (h - 1) α²).
    """

    name: ClassVar[str] = "auto_theta"
    hyperparameters = AutoThetaParams
    params: AutoThetaParams
    longest_season: ClassVar[int] = 1

    def _adjustment(self, y: Floats, season: int) -> int:
        return adjust.choose(y, season, multiplicative=self.params.decomposition == "multiplicative")

    def _learn(self, sample: PreparedSeries) -> Floats:
        from statsforecast.theta import auto_theta

        method = self.params.method
        fit = auto_theta(sample.y, 1, model=None if method == "auto" else method)
        par = fit["par"]
        errors = fit["residuals"][3:]
        sigma = float(np.std(errors, ddof=1))
        return np.array([_METHODS.index(fit["modeltype"]), par["initial_smoothed"], par["alpha"], par["theta"], sigma])

    def _continue(self, sample: PreparedSeries, values: Floats, horizon: int) -> tuple[Floats, Floats]:
        # What statsforecast.theta calls, without that module: its imports for fitting (scipy.stats, statsmodels) took
        # two of the five processor seconds that a replica needs to start.
        from statsforecast._lib import theta as compiled

        code, level, alpha, theta, sigma = values
        if sample.offset:
            level = sample.y[0]
        method = getattr(compiled.ModelType, _METHODS[int(code)])
        states = compiled.pegels_resid(sample.y, method, level, alpha, theta, 3)[2]
        mean = np.empty(horizon)
        compiled.forecast(states, len(sample.y), method, mean, alpha, theta)
        return mean, sigma * np.sqrt(1 + np.arange(horizon) * alpha**2)
