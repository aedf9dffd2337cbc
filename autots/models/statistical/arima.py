"""ARIMA with orders chosen step by step (Hyndman & Khandakar 2008), from statsforecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autots.models.hyperparameters import flag, optional_whole, whole
from autots.models.statistical.base import PerSeries, PreparedSeries, SeasonalParams
from autots.panel import Floats

__all__ = ["AutoARIMA", "AutoARIMAParams"]

# Numbers before the coefficients: p, d, q, P, D, Q, drift, mean, σ².
_HEAD = 9


@dataclass(frozen=True, kw_only=True)
class AutoARIMAParams(SeasonalParams):
    """Which orders ``auto_arima`` compares, and how."""

    approximation: bool = flag(
        True, "Compare orders by conditional sums of squares; the chosen one is fitted by likelihood either way."
    )
    max_order: int = whole(3, "Largest order p of autoregression and q of moving averages.")
    max_seasonal: int = whole(1, "Largest seasonal orders P and Q.")
    max_history: int | None = optional_whole(
        "Fit on at most so many last rows. The cost of a seasonal likelihood grows with rows times squared seasons.",
        500,
    )


class AutoARIMA(PerSeries):
    """Seasonal ARIMA, its orders chosen per series."""

    name: ClassVar[str] = "auto_arima"
    hyperparameters = AutoARIMAParams
    params: AutoARIMAParams
    slow: ClassVar[bool] = True

    def _learn(self, sample: PreparedSeries) -> Floats:
        from statsforecast.arima import auto_arima_f

        fit = auto_arima_f(
            sample.y,
            period=sample.season,
            approximation=self.params.approximation,
            max_p=self.params.max_order,
            max_q=self.params.max_order,
            max_P=self.params.max_seasonal,
            max_Q=self.params.max_seasonal,
        )
        p, q, seasonal_p, seasonal_q, _, d, seasonal_d = fit["arma"]
        names = list(fit["coef"])
        head = [p, d, q, seasonal_p, seasonal_d, seasonal_q, "drift" in names, "intercept" in names, fit["sigma2"]]
        return np.concatenate([head, list(fit["coef"].values())])

    def _continue(self, sample: PreparedSeries, values: Floats, horizon: int) -> tuple[Floats, Floats]:
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
