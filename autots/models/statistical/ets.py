"""Exponential smoothing with the form chosen by AICc (Hyndman, Koehler, Ord & Snyder 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from autots.models.hyperparameters import choice
from autots.models.statistical.base import PerSeries, PreparedSeries, SeasonalParams
from autots.models.statistical.ets_search import best_form
from autots.panel import Floats

__all__ = ["AutoETS", "AutoETSParams", "deviations"]

_FORMS = "NAM"
# Numbers before the initial states: error, trend, season, damped, α, β, γ, φ, σ².
_HEAD = 9


@dataclass(frozen=True, kw_only=True)
class AutoETSParams(SeasonalParams):
    """Which forms of exponential smoothing ``auto_ets`` compares."""

    model: str = choice(
        "ZZZ",
        "Three letters of Z (choose by AICc), N (none), A (additive) or M (multiplicative): error, trend, season.",
        options=map("".join, product("ZAM", "ZNA", "ZNAM")),
        said="error (Z, A, M), trend (Z, N, A) and season (Z, N, A, M), such as 'ZZZ' or 'AAA'",
        search=("ZZZ", "ANZ"),
    )
    damped: bool | None = choice(
        None, "Whether the trend is damped; chosen by AICc when left out.", options=(True, False, None)
    )


class AutoETS(PerSeries):
    """ETS: error, trend and season, each none, additive or multiplicative.

    Forms are compared by ``ets_search``, with the filter of statsforecast. Variances of the forecast are computed here,
    not by statsforecast: its own count the seasons of the last step at every step of seasonal additive models, and
    multiply where they should add for M,A,A (see the room's README).
    """

    name: ClassVar[str] = "auto_ets"
    hyperparameters = AutoETSParams
    params: AutoETSParams
    slow: ClassVar[bool] = True

    def _learn(self, sample: PreparedSeries) -> Floats:
        error, trend, season = tuple(self.params.model)
        if sample.season == 1:
            season = "N"
        if sample.y.min() <= 0:
            # The multiplicative forms are not defined: their additive sister is the nearest that is.
            error = "A" if error == "M" else error
            season = "A" if season == "M" else season
        found = best_form(sample.y, sample.season, error + trend + season, self.params.damped)
        head = [_FORMS.index(letter) for letter in found.form[:3]]
        return np.concatenate([head, [found.form[3] == "D"], found.par[:4], [found.sigma2], found.par[4:]])

    def _continue(self, sample: PreparedSeries, values: Floats, horizon: int) -> tuple[Floats, Floats]:
        from statsforecast.ets import etsforecast, initstate, pegelsresid_C, switch

        error, trend, season = (_FORMS[int(code)] for code in values[:3])
        damped = bool(values[3])
        # A part that the form does not have is stored as NaN.
        alpha, beta, gamma, phi = np.nan_to_num(values[4:8])
        phi = phi if damped else 1.0
        m = 1 if season == "N" else sample.season
        start = values[_HEAD:]
        if sample.offset:
            # Another first row: its seasonal states would be out of phase, so they start afresh from the history.
            start = initstate(sample.y, m, trend, season)
            if season != "N":
                last = m * (season == "M") - start[1 + (trend != "N") :].sum()
                start = np.append(start, last)
        states = pegelsresid_C(sample.y, m, start, error, trend, season, damped, alpha, beta, gamma, phi, 3)[2]
        mean = np.full(horizon, np.nan)
        etsforecast(states[-1], m, switch(trend), switch(season), phi, horizon, mean)
        factors = None
        if season == "M":
            # The newest of the m seasonal states is first.
            seasonal = states[-1][1 + (trend != "N") :]
            factors = seasonal[::-1][np.arange(horizon) % m]
        smoothing = (alpha, beta * (trend != "N"), gamma * (season != "N"), phi)
        return mean, deviations(mean, float(values[8]), smoothing, m, multiplicative=error == "M", factors=factors)


def deviations(
    mean: Floats,
    variance: float,
    smoothing: tuple[float, float, float, float],
    season: int,
    *,
    multiplicative: bool,
    factors: Floats | None,
) -> Floats:
    """Return (H,) standard deviations of an ETS forecast (Hyndman et al. 2008, sections 6.2 to 6.4).

    With c_j = α + β (φ + … + φ^j) + γ [m divides j]:
    additive errors, v_h = σ² (1 + Σ c_j²);
    multiplicative errors, θ_h = μ_h² + σ² Σ c_j² θ_{h-j} and v_h = (1 + σ²) θ_h - μ_h²;
    a multiplicative season s divides μ and multiplies the result. That is first-order exact; their approximation for
    class 3 takes the errors of level and season as independent, and was 6 % too small after two seasons.

    Args:
        mean: (H,) forecasts, on the original scale.
        variance: σ² of the one-step errors, relative ones when multiplicative.
        smoothing: α, β, γ, φ; 0 for a part that the form does not have, φ = 1 without damping.
        season: Rows m of a season, 1 for none.
        multiplicative: Whether the errors are.
        factors: (H,) seasonal factors of a multiplicative season, else None.
    """
    alpha, beta, gamma, phi = smoothing
    horizon = len(mean)
    steps = np.arange(1, horizon)
    c = alpha + beta * np.cumsum(phi**steps)
    if season > 1:
        c = c + gamma * (steps % season == 0)
    squares = c**2
    if not multiplicative:
        return np.asarray(np.sqrt(variance * (1 + np.concatenate([[0.0], np.cumsum(squares)]))))
    level = mean if factors is None else mean / factors
    theta = np.empty(horizon)
    for h in range(horizon):
        theta[h] = level[h] ** 2 + variance * (squares[:h] @ theta[:h][::-1])
    std = np.sqrt(np.maximum((1 + variance) * theta - level**2, 0.0))
    return np.asarray(std if factors is None else std * np.abs(factors))
