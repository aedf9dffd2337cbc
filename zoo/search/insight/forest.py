"""A small forest of extremely randomised trees, for questions about a study's few hundred trials.

Geurts, Ernst, Wehenkel: Extremely randomized trees, Machine Learning 63 (2006): each node draws random cuts for every
feature and takes the best. Here on bootstrap samples, so that what was left out says how well the forest predicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Forest"]

Array: TypeAlias = NDArray[Any]

_TREES = 48
_CUTS = 4  # random ones, per feature and node
_MIN_LEAF = 2  # rows; a node with fewer than twice so many is not split


@dataclass(frozen=True)
class _Tree:
    feature: Array
    cut: Array
    left: Array
    right: Array
    value: Array

    def predict(self, x: Array) -> Array:
        at = np.zeros(len(x), dtype=np.intp)
        rows = np.arange(len(x))
        while True:
            inner = self.feature[at] >= 0
            if not inner.any():
                return np.asarray(self.value[at])
            below = x[rows, np.maximum(self.feature[at], 0)] <= self.cut[at]
            at = np.where(inner, np.where(below, self.left[at], self.right[at]), at)


class Forest:
    """Fitted trees.

    Args:
        x: (n, features) numbers without missing ones.
        y: (n,) targets to be predicted.
        rng: Draws bootstrap samples and cuts.

    Attributes:
        explained: Share of the variance of ``y`` that trees explain which have not seen the row (out-of-bag R²); NaN
            where there is nothing to explain.
    """

    def __init__(self, x: Array, y: Array, rng: np.random.Generator) -> None:
        self._trees = []
        total, count = np.zeros(len(y)), np.zeros(len(y))
        for _ in range(_TREES):
            drawn = rng.integers(0, len(y), len(y))
            tree = _grow(x[drawn], y[drawn], rng)
            out = np.ones(len(y), dtype=bool)
            out[drawn] = False
            total[out] += tree.predict(x[out])
            count[out] += 1
            self._trees.append(tree)
        seen = count > 0
        variance = float(np.var(y[seen])) if seen.any() else 0.0
        error = float(np.mean((y[seen] - total[seen] / count[seen]) ** 2)) if seen.any() else 0.0
        self.explained = 1.0 - error / variance if variance > 0 else float("nan")

    def predict(self, x: Array) -> Array:
        """Return (n,) predictions."""
        return np.asarray(np.mean([tree.predict(x) for tree in self._trees], axis=0))


def _grow(x: Array, y: Array, rng: np.random.Generator) -> _Tree:
    feature, cut, left, right, value = [-1], [0.0], [0], [0], [0.0]
    todo = [(0, np.arange(len(y)))]
    while todo:
        node, rows = todo.pop()
        here, told = x[rows], y[rows]
        value[node] = float(told.mean())
        split = _split(here, told, rng) if len(rows) >= 2 * _MIN_LEAF else None
        if split is None:
            continue
        feature[node], cut[node] = split
        below = here[:, split[0]] <= split[1]
        for side, chosen in ((left, rows[below]), (right, rows[~below])):
            side[node] = len(value)
            todo.append((len(value), chosen))
            for column, empty in ((feature, -1), (left, 0), (right, 0)):
                column.append(empty)
            cut.append(0.0)
            value.append(0.0)
    return _Tree(np.array(feature), np.array(cut), np.array(left), np.array(right), np.array(value))


def _split(x: Array, y: Array, rng: np.random.Generator) -> tuple[int, float] | None:
    """Return the best of some random (feature, cut), or None if no row differs from another."""
    low, high = x.min(axis=0), x.max(axis=0)
    if not (high > low).any() or y.min() == y.max():
        return None
    cuts = low + rng.random((_CUTS, x.shape[1])) * (high - low)
    below = x[:, None, :] <= cuts
    many = below.sum(axis=0)
    mass = np.einsum("n,nkd->kd", y, below)
    rest, whole = len(y) - many, float(y.sum())
    fits = (many > 0) & (rest > 0)
    # The sum of squares between the two sides: the largest leaves the least variance inside of them.
    gain = np.where(fits, mass**2 / np.maximum(many, 1) + (whole - mass) ** 2 / np.maximum(rest, 1), -np.inf)
    best = np.unravel_index(int(np.argmax(gain)), gain.shape)
    return (int(best[1]), float(cuts[best])) if fits[best] else None
