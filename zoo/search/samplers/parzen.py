"""The Parzen estimator of the tree-structured one: a mixture of product kernels on the unit cube.

Optuna's own (the test holds both against each other), for parameters that all live in [0, 1]: there the mass of a
truncated kernel is never tiny, so plain normal integrals do, and a suggestion takes a third of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zoo.search.samplers.encoding import Array

__all__ = ["Parzen"]

#: Observations that weigh alike, the newest ones; older ones weigh less the older they are.
_NEW = 25
#: Weight of the even kernel that keeps every place possible.
_PRIOR = 1.0
#: The narrowest kernel.
_NARROW = 100.0


class Parzen:
    """A density over the unit cube, from points where something was observed.

    Args:
        points: (N, D) observed points in order of time, oldest first; choices in the middle of their cells.
        choices: (D,) number of choices of each unordered parameter, 0 for all others.

    Sources: Bergstra et al. (2011), "Algorithms for hyper-parameter optimization"; Watanabe (2023), arXiv 2304.11127.

    >>> near = Parzen(np.array([[0.2], [0.25], [0.3]]), [0])
    >>> bool(near.log_density(np.array([[0.25]])) > near.log_density(np.array([[0.9]])))
    True
    """

    def __init__(self, points: Array, choices: Sequence[int]) -> None:
        from scipy.special import ndtr

        self._choices = tuple(choices)
        self._numbers = [c for c, count in enumerate(choices) if not count]
        count = len(points)
        weights = np.append(_recent(count), _PRIOR)
        self._weights = weights / weights.sum()
        mu = points[:, self._numbers]
        self._mu = np.concatenate([mu, np.full((1, len(self._numbers)), 0.5)])
        self._sigma = np.concatenate([_widths(mu), np.ones((1, len(self._numbers)))])
        self._low, self._high = ndtr(-self._mu / self._sigma), ndtr((1.0 - self._mu) / self._sigma)
        self._tables = {c: _table(points[:, c], kinds) for c, kinds in enumerate(choices) if kinds}

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return (count, D) points."""
        from scipy.special import ndtri

        kernel = rng.choice(len(self._weights), p=self._weights, size=count)
        out = np.empty((count, len(self._choices)))
        low, high = self._low[kernel], self._high[kernel]
        drawn = ndtri(low + rng.random(low.shape) * (high - low))
        out[:, self._numbers] = np.clip(self._mu[kernel] + self._sigma[kernel] * drawn, 0.0, 1.0)
        for column, table in self._tables.items():
            until = np.cumsum(table[kernel], axis=1)
            cell = (until < rng.random(count)[:, None] * until[:, -1:]).sum(axis=1)
            out[:, column] = (np.minimum(cell, table.shape[1] - 1) + 0.5) / table.shape[1]
        return out

    def log_density(self, points: Array) -> Array:
        """Return (K,) logarithms of the density at (K, D) points."""
        inside = np.log(self._weights) - np.sum(np.log(self._sigma * (self._high - self._low)), axis=1)
        inside -= 0.5 * math.log(2 * math.pi) * len(self._numbers)
        out = np.broadcast_to(inside, (len(points), len(inside))).copy()
        for i, column in enumerate(self._numbers):
            z = (points[:, column, None] - self._mu[:, i]) / self._sigma[:, i]
            out -= 0.5 * z * z
        for column, table in self._tables.items():
            cell = np.minimum((points[:, column] * table.shape[1]).astype(int), table.shape[1] - 1)
            out += np.log(table.T[cell])
        top = out.max(axis=1, keepdims=True)
        total: Array = np.log(np.exp(out - top).sum(axis=1)) + top[:, 0]
        return total


def _recent(count: int) -> Array:
    """Return (N,) weights of observations: the newest weigh one, older ones less, down to 1 / N."""
    if count < _NEW:
        return np.ones(count)
    return np.concatenate([np.linspace(1.0 / count, 1.0, num=count - _NEW), np.ones(_NEW)])


def _widths(mu: Array) -> Array:
    """Return (N, D) widths of kernels: the larger distance to a neighbour, neither tiny nor above the whole range."""
    count = len(mu)
    if count == 0:
        return mu
    order = np.argsort(mu, axis=0, kind="stable")
    edge = np.zeros((1, mu.shape[1]))
    gaps = np.diff(np.concatenate([edge, np.take_along_axis(mu, order, 0), edge + 1.0]), axis=0)
    widths = np.maximum(gaps[:-1], gaps[1:])
    if count > 1:  # the distance to the end of the range says nothing about the outermost ones
        widths[0], widths[-1] = gaps[1], gaps[-2]
    out = np.empty_like(mu)
    np.put_along_axis(out, order, widths, 0)
    return np.clip(out, 1.0 / min(_NARROW, count + 2.0), 1.0)


def _table(units: Array, kinds: int) -> Array:
    """Return (N + 1, C) probabilities of the choices under each kernel."""
    count = len(units)
    table = np.full((count + 1, kinds), _PRIOR / (count + 1))
    table[np.arange(count), np.minimum((units * kinds).astype(int), kinds - 1)] += 1.0
    out: Array = table / table.sum(axis=1, keepdims=True)
    return out
