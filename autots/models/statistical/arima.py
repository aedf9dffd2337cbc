"""ARIMA with orders chosen step by step (Hyndman & Khandakar 2008), from statsforecast."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from autots.models.baseline.base import positive
from autots.models.statistical.base import PerSeries, Sample
from autots.panel import Floats

__all__ = ["AutoARIMA"]

# Numbers before the coefficients: p, d, q, P, D, Q, drift, mean, σ².
_HEAD = 9


class AutoARIMA(PerSeries):
    """Seasonal ARIMA.

    Args:
        season: See ``PerSeries``.
        approximation: Compare orders by conditional sums of squares; the chosen one is fitted by likelihood.
        max_order: Largest p and q.
        max_seasonal: Largest P and Q.
        max_history: See ``PerSeries``. The cost of a seasonal likelihood grows with rows times squared seasons.
        transform: See ``PerSeries``.
    """

    name: ClassVar[str] = "auto_arima"
    slow: ClassVar[bool] = True

    def __init__(
        self,
        *,
        season: int | None = None,
        approximation: bool = True,
        max_order: int = 3,
        max_seasonal: int = 1,
        max_history: int | None = 500,
        transform: str | None = None,
    ) -> None:
        super().__init__(season=season, max_history=max_history, transform=transform)
        self.approximation = approximation
        self.max_order = positive("max_order", max_order) or 1
        self.max_seasonal = positive("max_seasonal", max_seasonal) or 1

    def _learn(self, sample: Sample) -> Floats:
        from statsforecast.arima import auto_arima_f

        fit = auto_arima_f(
            sample.y,
            period=sample.season,
            approximation=self.approximation,
            max_p=self.max_order,
            max_q=self.max_order,
            max_P=self.max_seasonal,
            max_Q=self.max_seasonal,
        )
        p, q, seasonal_p, seasonal_q, _, d, seasonal_d = fit["arma"]
        names = list(fit["coef"])
        head = [p, d, q, seasonal_p, seasonal_d, seasonal_q, "drift" in names, "intercept" in names, fit["sigma2"]]
        return np.concatenate([head, list(fit["coef"].values())])

    def _continue(self, sample: Sample, values: Floats, horizon: int) -> tuple[Floats, Floats]:
        from statsforecast.arima import arima, predict_arima

        p, d, q, seasonal_p, seasonal_d, seasonal_q = (int(v) for v in values[:6])
        n = len(sample.y)
        # A drift is a slope over rows whose level is differenced away, so it may count from any first row.
        clock = np.arange(1.0, n + horizon + 1)[:, None] if values[6] else None
        # With every coefficient fixed, method="ML" is one pass of the filter; "CSS-ML", the default of statsforecast's
        # forward, would prepare a search first.
        fit = arima(
            sample.y,
            order=(p, d, q),
            seasonal={"order": (seasonal_p, seasonal_d, seasonal_q), "period": sample.season},
            xreg=None if clock is None else clock[:n],
            include_mean=bool(values[7]),
            fixed=values[_HEAD:].copy(),
            method="ML",
        )
        fit["sigma2"] = values[8]
        mean, deviation = predict_arima(fit, horizon, newxreg=None if clock is None else clock[n:])
        return np.asarray(mean), np.asarray(deviation)
