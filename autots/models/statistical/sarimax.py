"""Regression with ARIMA errors and known covariates, from statsmodels (FPP3, chapter 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from autots.models.hyperparameters import optional_whole, whole
from autots.models.statistical.base import PerSeries, PreparedSeries, SeasonalParams
from autots.panel import Floats

__all__ = ["SARIMAX", "SARIMAXParams"]

# Longest season that is a seasonal order; a longer one is a set of Fourier terms (dynamic harmonic regression).
_SEASONAL_ORDER = 12
# Numbers before the covariates: how many they are, level and size of the series, longest season.
_HEAD = 4


@dataclass(frozen=True, kw_only=True)
class SARIMAXParams(SeasonalParams):
    """The orders of ``sarimax``.

    A season of up to 12 rows is a seasonal moving average of seasonal differences, longer ones are Fourier terms.
    """

    p: int = whole(1, "Autoregressive order of the errors.", low=0, high=5)
    d: int = whole(1, "How often the series is differenced.", low=0, high=2)
    q: int = whole(1, "Moving-average order of the errors.", low=0, high=5)
    harmonics: int = whole(3, "Fourier pairs of each season longer than 12 rows.", low=0, high=20)
    max_history: int | None = optional_whole("Fit on at most so many last rows.", 2000)


class SARIMAX(PerSeries):
    """ARIMA errors around a regression on the known covariates, standardised, and on Fourier terms of the seasons.

    Covariates that are constant in a history are left out of its model, and so are categories: their codes are no
    quantities. A missing covariate counts as its mean.
    """

    name: ClassVar[str] = "sarimax"
    hyperparameters = SARIMAXParams
    params: SARIMAXParams
    slow: ClassVar[bool] = True
    covariates: ClassVar[frozenset[str]] = frozenset({"known"})
    libraries: ClassVar[tuple[str, ...]] = ("statsmodels.tsa.statespace.sarimax",)
    longest_season: ClassVar[int] = 10**9  # Fourier terms take any

    def _learn(self, sample: PreparedSeries) -> Floats:
        known = sample.known
        n_known = 0 if known is None else known.shape[1]
        centre = np.zeros(n_known) if known is None else np.nan_to_num(np.nanmean(known, axis=0))
        scale = np.zeros(n_known) if known is None else np.nan_to_num(np.nanstd(known, axis=0))
        # Scale 0 marks a column that is left out.
        scale[scale <= 1e-9 * np.maximum(1.0, np.abs(centre))] = 0.0
        level, size = float(sample.y.mean()), float(sample.y.std())
        # The season lengths that this history supports; a later, shorter one keeps the same terms.
        head = np.concatenate([[n_known, level, size, len(sample.y) // 2], centre, scale])
        # Differencing before the filter makes the state three times smaller and moves the parameters in the 6th digit.
        regressors = self._regressors(sample, head, len(sample.y))
        model = self._model(sample, (sample.y - level) / size, regressors, differenced=True)
        fit = model.fit(method="lbfgs", maxiter=50, disp=0, low_memory=True, cov_type="none")
        return np.concatenate([head, [fit.scale], fit.params])

    def _continue(self, sample: PreparedSeries, values: Floats, horizon: int) -> tuple[Floats, Floats]:
        n_known, level, size = int(values[0]), values[1], values[2]
        n = len(sample.y)
        used = _HEAD + 2 * n_known
        regressors = self._regressors(sample, values, n + horizon)
        model = self._model(sample, (sample.y - level) / size, None if regressors is None else regressors[:n])
        fit = model.filter(values[used + 1 :], cov_type="none")
        forecast = fit.get_forecast(horizon, exog=None if regressors is None else regressors[n:])
        # The scale is concentrated out, so that of this history was used: the learned one is put in its place.
        deviation = forecast.se_mean * np.sqrt(values[used] / fit.scale)
        return level + size * np.asarray(forecast.predicted_mean), size * np.asarray(deviation)

    def _model(self, sample: PreparedSeries, y: Floats, regressors: Floats | None, *, differenced: bool = False) -> Any:
        from statsmodels.tsa.statespace.sarimax import SARIMAX as Model

        p, seasonal = self.params, 1 < sample.season <= _SEASONAL_ORDER
        return Model(
            y,
            exog=regressors,
            order=(p.p, p.d, p.q),
            seasonal_order=(0, 1, 1, sample.season) if seasonal else (0, 0, 0, 0),
            trend="c" if p.d == 0 and not seasonal else "n",
            concentrate_scale=True,
            simple_differencing=differenced,
        )

    def _regressors(self, sample: PreparedSeries, head: Floats, rows: int) -> Floats | None:
        """Return (rows, K) regressors from the first row of the sample on, None when there is none."""
        n_known = int(head[0])
        columns = []
        if n_known:
            assert sample.known is not None
            both = sample.known if sample.ahead is None else np.concatenate([sample.known, sample.ahead])
            centre, scale = head[_HEAD : _HEAD + n_known], head[_HEAD + n_known : _HEAD + 2 * n_known]
            keep = scale > 0
            columns.append(np.nan_to_num((both[:rows, keep] - centre[keep]) / scale[keep]))
        assert self._task is not None
        seasons = [sample.season, *(s for s in self._task.seasons if sample.season < s <= head[3])]
        clock = sample.offset + np.arange(rows)
        for season in seasons:
            if season > _SEASONAL_ORDER:
                for k in range(1, min(self.params.harmonics, season // 2) + 1):
                    angle = 2 * np.pi * k * clock / season
                    columns.append(np.stack([np.sin(angle), np.cos(angle)], axis=1))
        columns = [c for c in columns if c.shape[1]]
        return np.concatenate(columns, axis=1) if columns else None
