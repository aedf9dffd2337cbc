"""What the models that learn over all series share: when they are fitted, and that the order of series is no matter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, State, Task
from autots.models.levels import high, levels_of, without
from autots.models.windows import FURTHEST, bounds
from autots.panel import Floats, Future, Panel
from zoo.errors import ModelError

__all__ = ["Pooled"]

# Norms that take a level off each window: adding one to a series changes nothing but the forecast's level.
_SHIFTED = ("standard", "last")


class Pooled(Forecaster):
    """A global model. Implementers write ``_learn``, ``_forecast``, ``_learned`` and ``_take``.

    With a parameter ``log`` that is true the model works on logarithms, where growth and seasons are multiplicative; on
    a panel with a target at or below zero it works on the targets as they are. High levels are taken off first (see
    ``levels``); what is relative to zero, such as logarithms and windows divided by their mean, means nothing there.

    Args:
        params: The constructor's arguments; ``locals()`` of it will do.
    """

    local: ClassVar[bool] = False

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = {k: v for k, v in params.items() if k not in ("self", "__class__")}
        self._ready = False

    @property
    def params(self) -> Mapping[str, Any]:
        """See Forecaster."""
        return self._params

    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        """See Forecaster."""
        # A fit that fails half-way leaves nothing that could be mistaken for a model.
        self._ready = False
        # What is drawn by chance is drawn by position, so the positions must not depend on the order of the table.
        panel = panel.select(np.argsort(panel.ids.astype(str), kind="stable"))
        far = high(panel)
        self._floor = _log_floor(panel) if self._params.get("log") and not far else 0.0
        self._norm = str(self._params["norm"])
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
        made = self._forecast(self._lowered(scaled, levels), future)
        if levels.any():
            made = Forecast(made.mean + levels[:, None], made.quantiles + levels[:, None, None])
        if not self._floor:
            return made
        # Where logarithms jumped, a usual spread is a factor of e to the many.
        near, far = (np.log(np.maximum(bounds(history, ranges=r)[1], self._floor)) for r in (1.0, FURTHEST))
        mean, quantiles = np.minimum(made.mean, near[:, None]), np.minimum(made.quantiles, far[:, None, None])
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
        self._norm = str(state.get("norm", self._params["norm"]))
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
