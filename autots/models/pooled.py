"""What the models that learn over all series share: when they are fitted, and that the order of series is no matter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, State, Task
from autots.panel import Future, Panel
from zoo.errors import ModelError

__all__ = ["Pooled"]


class Pooled(Forecaster):
    """A global model. Implementers write ``_learn``, ``_forecast``, ``_learned`` and ``_take``.

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
        self._learn(panel.select(np.argsort(panel.ids.astype(str), kind="stable")), task, context)
        self._ready = True
        return self

    def predict(self, history: Panel, future: Future) -> Forecast:
        """See Forecaster."""
        self._require_fit("it predicts")
        return self._forecast(history, future)

    def state(self) -> State:
        """See Forecaster."""
        self._require_fit("it has a state")
        return self._learned()

    def restore(self, state: State) -> Self:
        """See Forecaster."""
        self._take(state)
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
