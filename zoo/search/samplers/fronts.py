"""Which trials of several objectives are good: front after front, and of the last one those that cover most.

Own code for what Optuna has in private functions only; a test holds it against them.
"""

from __future__ import annotations

import numpy as np

from zoo.search.samplers.encoding import Array

__all__ = ["good_rows", "hypervolume"]

#: In place of a coordinate of the reference point that would be zero, which every point would share.
_TINY = 1e-12


def good_rows(values: Array, count: int) -> Array:
    """Return (N,) which rows are the ``count`` good ones.

    Fronts are taken whole as long as they fit. Of the next one those points are taken, greedily, that cover most of
    the volume up to a reference point a tenth beyond the front's worst values (Guerreiro, Fonseca, Paquete 2016,
    "Greedy hypervolume subset selection in low dimensions").

    Args:
        values: (N, K) finite objectives; less is better.
        count: How many rows are good, between 0 and N.
    """
    good = np.zeros(len(values), dtype=bool)
    points, where = np.unique(values, axis=0, return_inverse=True)
    left = np.arange(len(points))
    while (missing := count - int(good.sum())) > 0:
        front = _front(points, left)
        rows = np.flatnonzero(np.isin(where.ravel(), front))
        if len(rows) > missing:
            rows = rows[_covering(values[rows], missing)]
        good[rows] = True
        left = np.setdiff1d(left, front)
    return good


def _front(points: Array, left: Array) -> Array:
    """Return which of the points ``left``, different and in lexicographic order, no other one of them surpasses."""
    front = []
    while len(left):
        # None before it is left, and none behind it can be better in all objectives.
        first, left = left[0], left[1:]
        front.append(first)
        left = left[(points[left] < points[first]).any(axis=1)]
    return np.array(front)


def _covering(values: Array, count: int) -> Array:
    """Return indices of the points, fewer than there are, that cover most."""
    points, first_at = np.unique(values, axis=0, return_index=True)
    if len(points) < count:  # all different ones, and the earliest of the repeated ones
        repeated = np.setdiff1d(np.arange(len(values)), first_at)
        return np.concatenate([first_at, repeated[: count - len(points)]])
    worst = points.max(axis=0)
    reference = np.maximum(1.1 * worst, 0.9 * worst)
    reference[reference == 0] = _TINY
    chosen: list[int] = []
    gains = np.prod(reference - points, axis=1)
    for _ in range(count):
        best = int(np.argmax(gains))
        chosen.append(best)
        # What a point covers alone, beside those that are chosen.
        for index in np.flatnonzero(np.isfinite(gains)):
            shared = np.maximum(points[chosen], points[index])
            gains[index] = np.prod(reference - points[index]) - hypervolume(shared, reference)
        gains[chosen] = -np.inf
    return np.asarray(first_at[np.array(chosen)])


def hypervolume(points: Array, reference: Array) -> float:
    """Return the volume between the reference point and whatever one of (N, K) points surpasses.

    >>> hypervolume(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))
    3.0
    """
    if points.shape[1] == 1:
        return float(reference[0] - points[:, 0].min())
    points = points[np.argsort(points[:, -1], kind="stable")]
    edges = np.append(points[1:, -1], reference[-1])
    # Slices along the last objective: in each of them the points so far count.
    return sum(
        float(upper - point[-1]) * hypervolume(points[: index + 1, :-1], reference[:-1])
        for index, (point, upper) in enumerate(zip(points, edges, strict=True))
        if upper > point[-1]
    )
