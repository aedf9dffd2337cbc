"""For every series the model that forecast its last window best: many per-series winners as one model.

The candidates are fitted on the series that they won alone, and keep what they learned in packed arrays, so a hundred
thousand winners are a few arrays, saved and loaded like any other model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, State, Task
from autots.models.hyperparameters import Hyperparameters, several
from autots.panel import Floats, Future, Ints, Panel
from zoo.errors import ConfigError, ModelError

__all__ = ["PerSeriesSelection", "PerSeriesSelectionParams"]

_DEFAULT = ("seasonal_naive", "naive", "drift", "seasonal_mean", "auto_theta")


@dataclass(frozen=True, kw_only=True)
class PerSeriesSelectionParams(Hyperparameters):
    """The models that compete for every series."""

    candidates: tuple[str, ...] = several(
        _DEFAULT, "Local families of the catalog, the simplest first, as a tie goes to the earlier one."
    )


class PerSeriesSelection(Forecaster):
    """Chooses by the mean absolute error on the last horizon; a tie goes to the earlier candidate.

    Series without a whole horizon behind them, and series that come later, get the candidate that won most often.
    """

    name: ClassVar[str] = "winners"
    hyperparameters = PerSeriesSelectionParams
    params: PerSeriesSelectionParams

    def __init__(self, **given: Any) -> None:
        from autots.models.catalog import family

        super().__init__(**given)
        self.candidates = self.params.candidates
        wrong = [name for name in self.candidates if not family(name).local or name == self.name]
        if wrong:
            raise ConfigError(f"candidates must be local families, but got {wrong}", "for example naive")
        self._task: Task | None = None

    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        """Choose, then fit every candidate on what it won; see the contract."""
        from autots.models.catalog import create

        self._task = None
        chosen = self._choice(panel, task, context)
        self._usual = int(np.bincount(chosen[chosen >= 0], minlength=1).argmax()) if (chosen >= 0).any() else 0
        chosen = np.where(chosen < 0, self._usual, chosen)
        self._models: dict[int, Forecaster] = {}
        for i in sorted({*chosen.tolist(), self._usual}):
            rows = np.flatnonzero(chosen == i)
            self._models[i] = create(self.candidates[i]).fit(panel.select(rows) if len(rows) else panel, task, context)
        self._ids, self._chosen = panel.ids, chosen.astype(np.int64)
        self._index()
        self._task = task
        return self

    def _choice(self, panel: Panel, task: Task, context: Context) -> Ints:
        """Return the (S,) winners, -1 where nothing can be compared."""
        from autots.models.catalog import create

        out = np.full(panel.n_series, -1, dtype=np.int64)
        rows = np.flatnonzero(panel.lengths > task.horizon)
        if not len(rows):
            return out
        history, future, actual = panel.select(rows).cutoff(task.horizon, task.horizon)
        losses = []
        for name in self.candidates:
            forecast = create(name).fit(history, task, context).predict(history, future).mean
            losses.append(_loss(actual, forecast))
        table = np.stack(losses, axis=1)
        known = np.isfinite(table).any(axis=1)
        out[rows[known]] = np.argmin(np.where(np.isfinite(table), table, np.inf)[known], axis=1)
        return out

    def _index(self) -> None:
        self._where = {str(id_): int(c) for id_, c in zip(self._ids, self._chosen, strict=True)}

    def predict(self, history: Panel, future: Future) -> Forecast:
        """Forecast every series with its own winner; see the contract."""
        task = self._task
        if task is None:
            raise ModelError("winners must be fitted before they predict", "call fit, or restore a state")
        chosen = [self._where.get(str(id_), self._usual) for id_ in history.ids]
        if len(set(chosen)) == 1:
            return self._models[chosen[0]].predict(history, future)
        shape = (history.n_series, task.horizon)
        mean, quantiles = np.empty(shape), np.empty((*shape, len(task.levels)))
        by_series = np.array(chosen)
        for i in set(chosen):
            rows = np.flatnonzero(by_series == i)
            forecast = self._models[i].predict(history.select(rows), future.select(rows))
            mean[rows], quantiles[rows] = forecast.mean, forecast.quantiles
        return Forecast(mean, quantiles)

    @property
    def won(self) -> Mapping[str, int]:
        """How many series each candidate won."""
        return {n: int(c) for n, c in zip(self.candidates, np.bincount(self._chosen, minlength=99), strict=False) if c}

    def state(self) -> State:
        """Return the winners and what they learned."""
        if self._task is None:
            raise ModelError("winners must be fitted before they have a state", "call fit first")
        return {
            "task": self._task.to_dict(),
            "usual": self._usual,
            "ids": self._ids,
            "chosen": self._chosen,
            "models": {str(i): model.state() for i, model in self._models.items()},
        }

    def restore(self, state: State) -> Self:
        """Take over what another instance learned."""
        from autots.models.catalog import create

        self._task, self._usual = Task.from_dict(state["task"]), int(state["usual"])
        self._ids, self._chosen = np.asarray(state["ids"], dtype=object), np.asarray(state["chosen"])
        self._models = {int(i): create(self.candidates[int(i)]).restore(s) for i, s in state["models"].items()}
        self._index()
        return self


def _loss(actual: Floats, forecast: Floats) -> Floats:
    seen = ~np.isnan(actual)
    total = np.where(seen, np.abs(actual - forecast), 0.0).sum(axis=1)
    return np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), np.nan)
