"""What the models that learn over all series share: when they are fitted, and that the order of series is no matter."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, State, Task
from autots.models.hyperparameters import Hyperparameters, choice, flag, real, whole
from autots.models.level_removal import high, levels_of, without
from autots.models.scaling import NORMS
from autots.models.windows import FURTHEST, bounds
from autots.panel import Floats, Future, Panel
from zoo.errors import ModelError

__all__ = [
    "Pooled",
    "PooledParams",
    "effort_field",
    "halflife_field",
    "log_field",
    "lookback_field",
    "norm_field",
    "norm_periods_field",
    "weighted_field",
]

# Norms that take a level off each window: adding one to a series changes nothing but the forecast's level.
_SHIFTED = ("standard", "last")


class PooledParams(Hyperparameters):
    """What every pooled model can be told; each declares the fields, with its own defaults and in its own order."""

    norm: str
    norm_periods: int
    log: bool


def norm_field(default: str) -> str:
    """Return the field ``norm``: how a window is brought to one scale with all others."""
    return choice(
        default,
        'How windows are normalised: "mean" divides by the mean absolute value; "standard" subtracts the mean and '
        'divides by the standard deviation; "last" subtracts the last value and divides by the same; "none" does not.',
        options=NORMS,
        search=("mean", "standard", "last"),
    )


def norm_periods_field() -> int:
    """Return the field ``norm_periods``: how long the windows are that ``norm`` looks at."""
    return whole(
        0,
        "Shortest seasons that a window is normalised over; 0 for as many as hold two horizons.",
        low=0,
        search=(0, 14),
    )


def log_field() -> bool:
    """Return the field ``log``: whether growth and seasons are multiplicative."""
    return flag(False, "Whether the model works on logarithms, if all targets are positive.", search=(False, True))


def weighted_field(default: bool) -> bool:
    """Return the field ``weighted``: which errors a fit makes small."""
    return flag(
        default,
        "Whether rows weigh by their scale relative to the series' own (MASE's errors) or equally (relative errors).",
        search=(True, False),
    )


def halflife_field(default: float, *, search: tuple[float, float] | tuple[()] = ()) -> float:
    """Return the field ``halflife``: how fast the past is forgotten; ``search`` as for ``real``."""
    return real(
        default,
        "Age in horizons after which an origin is half as likely to be drawn; 0 for never.",
        low=0,
        search=search,
    )


def lookback_field() -> float:
    """Return the field ``lookback``: how much of the past a network sees."""
    return real(
        1.0,
        "Rows that enter, in units of the longest of two horizons, two short seasons and one long season.",
        above=0,
        search=(0.5, 2.0),
        log=True,
    )


def effort_field() -> float:
    """Return the field ``effort``: how much work a fit may be."""
    return real(1.0, "Most work of a fit; 1 is about six seconds of a core.", above=0)


class Pooled(Forecaster):
    """A global model. Implementers write ``_learn``, ``_forecast``, ``_learned`` and ``_take``.

    With a parameter ``log`` that is true the model works on logarithms, where growth and seasons are multiplicative; on
    a panel with a target at or below zero it works on the targets as they are. High levels are taken off first (see
    ``levels``); what is relative to zero, such as logarithms and windows divided by their mean, means nothing there.
    """

    local: ClassVar[bool] = False
    hyperparameters = PooledParams
    params: PooledParams
    _ready = False

    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        """See Forecaster."""
        # A fit that fails half-way leaves nothing that could be mistaken for a model.
        self._ready = False
        # What is drawn by chance is drawn by position, so the positions must not depend on the order of the table.
        panel = panel.select(np.argsort(panel.ids.astype(str), kind="stable"))
        far = high(panel)
        self._floor = _log_floor(panel) if self.params.log and not far else 0.0
        self._norm = self.params.norm
        if far and self._norm not in _SHIFTED:
            self._norm = "standard"
        panel = self._scaled_targets(panel)
        self._learn(self._lowered(panel, self._levels(panel)), task, context)
        self._ready = True
        return self

    def predict(self, history: Panel, future: Future) -> Forecast:
        """See Forecaster."""
        self._require_fit("it predicts")
        scaled = self._scaled_targets(history)
        levels = self._levels(scaled)
        forecast = self._forecast(self._lowered(scaled, levels), future)
        if levels.any():
            forecast = Forecast(forecast.mean + levels[:, None], forecast.quantiles + levels[:, None, None])
        if not self._floor:
            return forecast
        # Where logarithms jumped, a usual width is a factor of e to the many.
        near, far = (np.log(np.maximum(bounds(history, ranges=r)[1], self._floor)) for r in (1.0, FURTHEST))
        mean, quantiles = np.minimum(forecast.mean, near[:, None]), np.minimum(forecast.quantiles, far[:, None, None])
        return Forecast(np.exp(mean), np.exp(quantiles))

    def _scaled_targets(self, panel: Panel) -> Panel:
        """Return the panel with log targets, where the model works on them."""
        if not self._floor:
            return panel
        return replace(panel, y=np.log(np.maximum(panel.y, self._floor)))

    def _levels(self, panel: Panel) -> Floats:
        """Return the (S,) levels that are taken off; a norm that is relative to zero keeps them."""
        return levels_of(panel) if self._norm in _SHIFTED else np.zeros(panel.n_series)

    @staticmethod
    def _lowered(panel: Panel, levels: Floats) -> Panel:
        return replace(panel, y=without(panel.y, panel, levels)) if levels.any() else panel

    def state(self) -> State:
        """See Forecaster."""
        self._require_fit("it has a state")
        return {**self._learned(), "floor": self._floor, "norm": self._norm}

    def restore(self, state: State) -> Self:
        """See Forecaster."""
        self._norm = str(state.get("norm", self.params.norm))
        self._take(state)
        self._floor = float(state["floor"])
        self._ready = True
        return self

    def _require_fit(self, what: str) -> None:
        if not self._ready:
            raise ModelError(f"{self.name} must be fitted before {what}", "call fit, or restore a state")

    @abstractmethod
    def _learn(self, panel: Panel, task: Task, context: Context) -> None:
        """Learn from a panel, whatever was learned before."""

    @abstractmethod
    def _forecast(self, history: Panel, future: Future) -> Forecast:
        """Forecast with what was learned."""

    @abstractmethod
    def _learned(self) -> State:
        """Return what was learned."""

    @abstractmethod
    def _take(self, state: State) -> None:
        """Take over what ``_learned`` returned."""


def _log_floor(panel: Panel) -> float:
    """Return the value below which targets are not told apart in logarithms; 0 where logarithms cannot be taken."""
    known = panel.y[~np.isnan(panel.y)]
    return 0.1 * float(known.min()) if len(known) and known.min() > 0 else 0.0
