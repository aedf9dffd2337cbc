"""What the trivial forecasters share: they keep nothing but the task, and read the rest from the history.

So a longer history, a repeated id or a new one needs no special case, and a fit costs nothing.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from statistics import NormalDist
from typing import Self

import numpy as np

from autots.models.base import Context, Forecast, Forecaster, State, Task, crossing_free
from autots.models.baseline.ragged import Ragged, weighted_quantiles
from autots.panel import Floats, Future, Panel
from zoo.errors import ModelError

__all__ = ["ERRORS", "Baseline", "error_quantiles"]

# Rows worked on at once: the temporaries of one chunk stay within some tens of MiB.
_CHUNK = 1_000_000
#: Errors that the shape of a distribution is read from, the latest ones: older rows of a history need none.
ERRORS = 400
# The fewest that it takes; fewer, and it is a Gaussian.
_MIN_ERRORS = 20


class Baseline(Forecaster):
    """A forecaster that is a formula of the history.

    A series without any observed value is forecast as 0. Where no observed value is negative, no forecast is.
    """

    _task: Task | None = None

    @abstractmethod
    def _forecast(self, history: Ragged, task: Task) -> tuple[Floats, Floats]:
        """Return (S, H) means and (S, H, Q) quantiles."""

    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        """Keep the task; see the contract."""
        self._task = task
        return self

    def predict(self, history: Panel, future: Future) -> Forecast:
        """Forecast from the end of ``history``; see the contract."""
        task = self._task
        if task is None:
            raise ModelError(f"{self.name} must be fitted before it predicts", "call fit, or restore a state")
        mean = np.zeros((history.n_series, task.horizon))
        quantiles = np.zeros((history.n_series, task.horizon, len(task.levels)))
        for at, part in Ragged(history.y, history.offsets).chunks(_CHUNK):
            mean[at], quantiles[at] = self._forecast(part, task)
            floor = np.where(part.non_negative, 0.0, -np.inf)
            mean[at] = np.maximum(mean[at], floor[:, None])
            quantiles[at] = np.maximum(quantiles[at], floor[:, None, None])
        return Forecast(mean, crossing_free(quantiles))

    def state(self) -> State:
        """Return the task."""
        if self._task is None:
            raise ModelError(f"{self.name} must be fitted before it has a state", "call fit first")
        return {"task": self._task.to_dict()}

    def restore(self, state: State) -> Self:
        """Take over the task."""
        self._task = Task.from_dict(state["task"])
        return self

    @classmethod
    def joined(cls, states: Sequence[State]) -> State:
        """Return one of the states: a formula learns nothing of single series."""
        return states[0]


def error_quantiles(
    errors: Ragged, centre: Floats, growth: Floats, task: Task, history: Ragged, *, factor: float = math.sqrt(2)
) -> Floats:
    """Return (S, H, Q) quantiles: the centre, plus in-sample errors made symmetric, times a growth with the step.

    With 20 errors or more, the quantile 0.5 ± p is the centre ± the 2p quantile of the latest absolute errors, so the
    median stays the centre and heavy tails stay heavy. With fewer it is a Gaussian of their root mean square.

    Args:
        errors: In-sample errors, NaN where there is none; the latest ``ERRORS`` of each series are enough.
        centre: (S, H) medians around which the errors lie.
        growth: (S or 1, H) standard deviation at each step, relative to that of the errors.
        task: Its levels are those of the quantiles.
        history: Its standard deviation times ``factor`` counts where there are fewer than two errors.
        factor: Standard deviation of an error in those of the history; two draws of one distribution differ by √2.
    """
    latest = np.abs(errors.tail(min(ERRORS, int(errors.lengths.max()))))
    count = (~np.isnan(latest)).sum(axis=1)
    sides = np.array([abs(2 * level - 1) for level in task.levels])
    sign = np.sign(np.array(task.levels) - 0.5)
    width = np.empty((len(latest), len(sides)))
    enough = count >= _MIN_ERRORS
    if enough.any():
        width[enough] = weighted_quantiles(latest[enough], tuple(sides))
    if not enough.all():
        rms = np.sqrt(np.nansum(latest[~enough] ** 2, axis=1) / np.maximum(count[~enough], 1))
        few = count[~enough] < 2
        # A pass over the whole history, which a long one would pay for at each window.
        sigma = np.where(few, factor * history.moments()[2][~enough], rms) if few.any() else rms
        width[~enough] = sigma[:, None] * np.array([NormalDist().inv_cdf((1 + side) / 2) for side in sides])
    width[:, sides == 0] = 0.0
    return np.asarray(centre[:, :, None] + growth[:, :, None] * (sign * width)[:, None, :])
