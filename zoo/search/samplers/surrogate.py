"""What the trials say about the space: models of the final value, of its limits, and of what a training costs.

All of it is a function of the trials. Fitting lengths takes most of the time, so they are fitted to the first so many
observations in the order in which they were made, in growing steps: the same ones in every process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.special import ndtri

from zoo.search.samplers.encoding import Array, Encoding
from zoo.search.samplers.gaussian import Data, GaussianProcess, Kernel
from zoo.search.samplers.history import History

__all__ = ["Observations", "Surrogate"]

#: Observations that a prediction uses.
_MAX_OBSERVATIONS = 200
#: Observations that lengths are fitted to.
_FITTED = 120
#: Lengths are fitted anew when there are so many times more observations.
_GROWTH = 1.3
#: A model needs so many observations.
_MIN_OBSERVATIONS = 3


@dataclass(frozen=True)
class Observations:
    """Observations of one number to be minimised, in time order.

    Args:
        rows: Rows of the history that they come from.
        rung: Index of the fidelity.
        z: Fidelity in [0, 1] at which they were taken.
        y: The values, oriented: less is better.
        moments: Study time in seconds at which they were taken.
        errors: Standard errors of the values; 0 for none.
    """

    rows: Array
    rung: Array
    z: Array
    y: Array
    moments: Array
    errors: Array | float = 0.0

    def __len__(self) -> int:
        return len(self.y)

    def take(self, chosen: Array) -> Observations:
        """Return some of them."""
        errors = np.broadcast_to(self.errors, len(self))[chosen]
        rows, rung, z, y, moments = (a[chosen] for a in (self.rows, self.rung, self.z, self.y, self.moments))
        return Observations(rows, rung, z, y, moments, errors)


@dataclass
class _FittedLengths:
    """Lengths, and what they were fitted to."""

    key: bytes
    theta: Array


class Surrogate:
    """A model of one number over the space, made anew for each suggestion from few remembered lengths.

    Args:
        encoding: Between the space and the unit cube.
        fidelity: Whether values at several fidelities come together.
        ranked: Whether values are replaced by the normal scores of their ranks: no outlier matters then, and the
            resolution is where the values are. Else they are only standardised.
        max_observations: Observations that a prediction uses.
    """

    def __init__(
        self, encoding: Encoding, *, fidelity: bool, ranked: bool, max_observations: int = _MAX_OBSERVATIONS
    ) -> None:
        self._encoding = encoding
        self._ranked, self._max_observations = ranked, max_observations
        self._kernel = Kernel(encoding.owners, fidelity=fidelity)
        self._fit: _FittedLengths | None = None
        self.process: GaussianProcess | None = None
        #: Best final value so far on the model's scale, or None.
        self.best: float | None = None
        #: Where zero lies on the model's scale, and how wide that scale is, where values are not ranked.
        self.zero, self.width = 0.0, 1.0

    def update(self, history: History, data: Observations, rng: np.random.Generator) -> bool:
        """Model the observations; False if there are too few."""
        if len(data) < _MIN_OBSERVATIONS:
            self.process = None
            return False
        theta = self._theta(history, data)
        scaled = self._scale(data)  # after the fit, which has a scale of its own
        final = scaled[data.z >= 1.0]
        self.best = float(final.min()) if len(final) else None
        chosen = self._choose(data, scaled, rng)
        x = self._encoding.features(history.points[data.rows[chosen].astype(int)])
        noise = self._noise(data)[chosen]
        self.process = GaussianProcess(self._kernel, theta, Data(x, data.z[chosen], scaled[chosen], noise))
        return True

    def _scale(self, data: Observations) -> Array:
        """Return the values as the model sees them: scored, without the trend over fidelities, standardised."""
        y = _scores(data.y) if self._ranked else data.y
        y = y - _trend(data, y)
        centre, width = float(y.mean()), float(y.std()) + 1e-9
        self.zero, self.width = -centre / width, width
        return (y - centre) / width

    def _noise(self, data: Observations) -> Array:
        """Return the variances that the standard errors amount to on the model's scale: after ``_scale``."""
        errors = np.broadcast_to(data.errors, len(data))
        if not np.any(errors):
            return np.zeros(len(data))
        if not self._ranked:
            return np.asarray((errors / self.width) ** 2)
        order = np.argsort(data.y)
        scores = _scores(data.y)[order]
        high, low = (np.interp(data.y + side * errors, data.y[order], scores) for side in (1.0, -1.0))
        return np.asarray(((high - low) / 2 / self.width) ** 2)

    def _choose(self, data: Observations, scaled: Array, rng: np.random.Generator) -> Array:
        """Return indices of the observations to use: the good and the whole ones, and some of the others."""
        if len(data) <= self._max_observations:
            return np.arange(len(data))
        if not self._ranked:
            return np.sort(rng.choice(len(data), self._max_observations, replace=False))
        worth = -scaled + (data.z >= 1.0) + 0.5 * rng.random(len(data))
        order = np.argsort(-worth)
        kept = self._max_observations * 3 // 4
        rest = rng.choice(order[kept:], self._max_observations - kept, replace=False)
        return np.sort(np.concatenate([order[:kept], rest]))

    def _theta(self, history: History, data: Observations) -> Array:
        """Return lengths fitted to the first observations."""
        count = _MIN_OBSERVATIONS
        while count * _GROWTH + 2 <= len(data):
            count = int(count * _GROWTH + 2)
        first = np.argsort(data.moments, kind="stable")[:count]
        early = data.take(first)
        points = history.points[early.rows.astype(int)]
        key = points.tobytes() + early.z.tobytes() + early.y.tobytes() + np.asarray(early.errors).tobytes()
        if self._fit is None or self._fit.key != key:
            scaled = self._scale(early)
            chosen = np.arange(count)
            if count > _FITTED:
                chosen = np.sort(np.random.default_rng(count).choice(count, _FITTED, replace=False))
            x = self._encoding.features(points[chosen])
            noise = self._noise(early)[chosen]
            self._fit = _FittedLengths(key, self._kernel.fit(Data(x, early.z[chosen], scaled[chosen], noise)))
        return self._fit.theta


def _scores(values: Array) -> Array:
    """Return the normal scores of the ranks; equal values share theirs."""
    order = np.sort(values)
    middle = (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right")) / 2 / len(values)
    return cast(Array, ndtri(np.clip(middle, 0.5 / len(values), 1 - 0.5 / len(values))))


def _trend(data: Observations, y: Array) -> Array:
    """Return what a training gains from one fidelity to the next: the median over trainings that have both.

    Without it a model would take every unfinished training for a bad one.
    """
    level = data.rung.astype(int)
    steps = np.zeros(level.max() + 1)
    order = np.lexsort((data.rung, data.rows))
    same = data.rows[order][1:] == data.rows[order][:-1]
    before, after = order[:-1][same], order[1:][same]
    for index in range(1, len(steps)):
        gains = (y[after] - y[before])[level[after] == index]
        # Few pairs say little: the median of one is no trend yet.
        steps[index] = np.median(gains) if len(gains) >= _MIN_OBSERVATIONS else gains.sum() / _MIN_OBSERVATIONS
    return cast(Array, np.cumsum(steps)[level])
