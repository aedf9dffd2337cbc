"""The Theta models (Assimakopoulos & Nikolopoulos 2000; Fiorucci et al. 2016), from statsforecast."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from autots.models.statistical import adjust
from autots.models.statistical.base import PerSeries, Sample
from autots.panel import Floats
from zoo.errors import ConfigError

__all__ = ["AutoTheta"]

_METHODS = ("STM", "OTM", "DSTM", "DOTM")


class AutoTheta(PerSeries):
    """Theta on the seasonally adjusted series.

    The variance h steps ahead is that of simple exponential smoothing with drift, which Theta is (Hyndman & Billah
    2003): σ² (1 + (h - 1) α²).

    Args:
        season: See ``PerSeries``; any length, as it is taken off first.
        method: "STM" (standard), "OTM" (optimised), "DSTM", "DOTM" (dynamic), or "auto" for the one of least error:
            four fits that were no better than the standard one where we measured.
        decomposition: "multiplicative" (positive series) or "additive".
        max_history: See ``PerSeries``.
        transform: See ``PerSeries``.
    """

    name: ClassVar[str] = "auto_theta"
    longest_season: ClassVar[int] = 1

    def __init__(
        self,
        *,
        season: int | None = None,
        method: str = "STM",
        decomposition: str = "multiplicative",
        max_history: int | None = None,
        transform: str | None = None,
    ) -> None:
        super().__init__(season=season, max_history=max_history, transform=transform)
        if method not in ("auto", *_METHODS):
            raise ConfigError(f"method must be one of {('auto', *_METHODS)}, but got {method!r}")
        if decomposition not in ("multiplicative", "additive"):
            raise ConfigError(f"decomposition must be 'multiplicative' or 'additive', but got {decomposition!r}")
        self.method = method
        self.decomposition = decomposition

    def _adjustment(self, y: Floats, season: int) -> int:
        return adjust.choose(y, season, multiplicative=self.decomposition == "multiplicative")

    def _learn(self, sample: Sample) -> Floats:
        from statsforecast.theta import auto_theta

        fit = auto_theta(sample.y, 1, model=None if self.method == "auto" else self.method)
        par = fit["par"]
        errors = fit["residuals"][3:]
        sigma = float(np.std(errors, ddof=1))
        return np.array([_METHODS.index(fit["modeltype"]), par["initial_smoothed"], par["alpha"], par["theta"], sigma])

    def _continue(self, sample: Sample, values: Floats, horizon: int) -> tuple[Floats, Floats]:
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
