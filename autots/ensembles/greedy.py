"""Forward selection with replacement (Caruana et al. 2004), on the metric itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from autots.panel import Floats

__all__ = ["greedy_weights"]


def greedy_weights(
    members: Sequence[Floats],
    loss: Callable[[Floats], float],
    *,
    rounds: int = 30,
    start: int = 1,
    tolerance: float = 1e-4,
) -> Floats:
    """Return (M,) weights that sum to one, never worse than the best member on the given forecasts.

    Each round adds the member that lowers the loss of the running average most; the best average on the way is kept.

    Args:
        members: M arrays of equal shape, the members' forecasts.
        loss: Score of one such array, lower is better; NaN counts as infinite.
        rounds: Members added, with repeats.
        start: Begin with the average of the best ``start`` members (a smoother, less greedy start).
        tolerance: Relative gain below which a longer average is not preferred.

    >>> import numpy as np
    >>> actual = np.array([1.0, 2.0])
    >>> greedy_weights([actual + 1, actual - 1], lambda f: float(np.abs(f - actual).mean()), rounds=2)
    array([0.5, 0.5])
    """
    if not members:
        raise ValueError("greedy_weights needs at least one member, but got none")

    def scored(forecast: Floats) -> float:
        value = loss(forecast)
        return value if np.isfinite(value) else np.inf

    alone = np.array([scored(m) for m in members])
    counts = np.zeros(len(members))
    counts[np.argsort(alone, kind="stable")[:start]] = 1
    total = np.sum([np.asarray(members[i], dtype=np.float64) for i in np.flatnonzero(counts).tolist()], axis=0)
    best_counts: Floats = np.eye(len(members))[int(np.argmin(alone))]
    best = float(alone.min())
    value = scored(total / counts.sum())
    if value < best:
        best_counts, best = counts.copy(), value
    for _ in range(rounds):
        n = counts.sum()
        trials = [scored((total + m) / (n + 1)) for m in members]
        chosen = int(np.argmin(trials))
        counts[chosen] += 1
        total = total + members[chosen]
        if trials[chosen] < best * (1 - tolerance):
            best_counts, best = counts.copy(), trials[chosen]
    return np.asarray(best_counts / best_counts.sum())
