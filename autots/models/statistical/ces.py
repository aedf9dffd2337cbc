"""Complex exponential smoothing (Svetunkov, Kourentzes & Ord 2022), from statsforecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autots.models.hyperparameters import choice
from autots.models.statistical.base import PerSeries, PreparedSeries, SeasonalParams
from autots.panel import Floats

__all__ = ["AutoCES", "AutoCESParams"]

_FORMS = "NSPF"


@dataclass(frozen=True, kw_only=True)
class AutoCESParams(SeasonalParams):
    """Which seasonal form ``auto_ces`` fits."""

    model: str = choice(
        "Z", '"Z" (choose by AICc), "N" (none), "S" (simple), "P" (partial) or "F" (full).', options="ZNSPF"
    )


class AutoCES(PerSeries):
    """CES with the seasonal form chosen by AICc.

    Variances are those of its linear state space form, σ² (1 + Σ c_j²): statsforecast's own simulation adds noise to
    the last states instead of running them forward, and takes 5,000 loops.
    """

    name: ClassVar[str] = "auto_ces"
    hyperparameters = AutoCESParams
    params: AutoCESParams

    def _learn(self, sample: PreparedSeries) -> Floats:
        from statsforecast.ces import auto_ces

        fit = auto_ces(sample.y, sample.season, model=self.params.model)
        par = [fit["par"][name] for name in ("alpha_0", "alpha_1", "beta_0", "beta_1")]
        return np.array([_FORMS.index(fit["seasontype"]), *par, fit["sigma2"]])

    def _continue(self, sample: PreparedSeries, values: Floats, horizon: int) -> tuple[Floats, Floats]:
        from statsforecast.ces import cesmodel, pegelsfcast_C

        form = _FORMS[int(values[0])]
        # Initial states are read from the history's own start, so any first row will do.
        fit = cesmodel(sample.y, sample.season, form, *values[1:5], 3)
        squares = _responses(form, np.nan_to_num(values[1:5]), sample.season, horizon) ** 2
        return pegelsfcast_C(horizon, fit), np.sqrt(values[5] * (1 + np.concatenate([[0.0], np.cumsum(squares)])))


def _responses(form: str, smoothing: Floats, season: int, horizon: int) -> Floats:
    """Return (H - 1,) responses c_j of the series, j steps after an error of one."""

    def path(real: float, imaginary: float, n: int) -> Floats:
        level, potential = real - imaginary, real + imaginary
        out = np.empty(n)
        for j in range(n):
            out[j] = level
            level, potential = level - (1 - imaginary) * potential, level + (1 - real) * potential
        return out

    n = horizon - 1
    steps = np.arange(1, horizon)
    cycles = -(-n // season)
    out: Floats = np.zeros(n)
    due = steps % season == 0
    if form == "S":
        out[due] = path(smoothing[0], smoothing[1], cycles)[: due.sum()]
        return out
    out = path(smoothing[0], smoothing[1], n)
    if form == "P":
        out[due] += smoothing[2]
    elif form == "F":
        out[due] += path(smoothing[2], smoothing[3], cycles)[: due.sum()]
    return out
