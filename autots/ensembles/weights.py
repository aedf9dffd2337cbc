"""Which candidates are combined, and how they are weighted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from autots.ensembles.average import Weight, average
from autots.ensembles.greedy import greedy_weights
from autots.evaluate import Backtest, Objective, Part
from autots.panel import Floats

__all__ = ["ENOUGH", "ROUNDS", "combine", "ensemble_weights"]

#: Rounds of the forward selection, and targets on which the final weights are found.
ROUNDS, ENOUGH = 20, 60_000

# A greedy choice follows the noise of few windows; half of the weight stays with everything that is nearly as good.
_EVEN_SHARE = 0.5
# Times the best loss up to which a candidate is nearly as good.
_NEAR = 1.20
# Weights below this are none.
_MIN_WEIGHT = 0.03


def ensemble_weights(
    objective: Objective,
    backtests: Sequence[Backtest],
    *,
    part: Part = "selection",
    rounds: int = ROUNDS,
    max_members: int = 12,
    enough: int = ENOUGH,
    kinds: Sequence[Hashable] | None = None,
    families: Sequence[Hashable] | None = None,
) -> Floats:
    """Return (M,) weights that sum to one: never worse than the best single candidate on the given windows.

    Half of the weight follows forward selection on the metric, half is even over the families of candidates that come
    within a fifth of the best of all; the even half is given up where it makes the combination worse than its best
    member. The best two of a family enter, and near copies of one candidate, as a search makes them, count once in the
    even half: a family that was tried more often than another knows no more.

    Args:
        objective: What scores, with its windows and targets.
        backtests: Out-of-fold forecasts of M candidates.
        part: The windows that decide.
        rounds: Members that the forward selection adds; 20 by default.
        max_members: Members that get a weight at most; 12 by default.
        enough: Targets on which the weights are found.
        kinds: (M,) what each candidate is a variant of; all different if None.
        families: (M,) the family of each candidate; all different if None.
    """
    kinds = list(range(len(backtests))) if kinds is None else kinds
    families = list(range(len(backtests))) if families is None else families
    members, loss = objective.stack(list(backtests), part, enough)
    alone = np.array([loss(m) for m in members])
    order = _diverse(alone, kinds, families)
    if not np.isfinite(alone[order[0]]):
        # The metric says nothing here (targets without a scale), so the first candidate is as good as any.
        return np.asarray(np.eye(len(backtests))[order[0]])
    chosen = [members[i] for i in order]
    greedy = greedy_weights(chosen, loss, rounds=rounds)
    near = _near(alone[order], [kinds[i] for i in order], [families[i] for i in order])
    best = float(alone[order[0]])
    even = near / near.sum()
    share = _EVEN_SHARE
    while True:
        weights = _pruned((1 - share) * greedy + share * even, max_members)
        if share == 0 or loss(_average(chosen, weights)) <= best:
            break
        share = 0.0 if share < 0.2 else share / 2
    if loss(_average(chosen, weights)) > best:
        weights = np.eye(len(chosen))[0]
    out = np.zeros(len(backtests))
    out[order] = weights
    return out


def _diverse(
    alone: Floats,
    kinds: Sequence[Hashable],
    families: Sequence[Hashable],
    *,
    max_members: int = 16,
    max_of_each: int = 2,
) -> list[int]:
    """Return the best candidates in order, at most ``max_of_each`` kind and family."""
    of_kind: Counter[Hashable] = Counter()
    of_family: Counter[Hashable] = Counter()
    out: list[int] = []
    for i in np.argsort(alone, kind="stable").tolist():
        room = of_kind[kinds[i]] < max_of_each and of_family[families[i]] < max_of_each and len(out) < max_members
        if room and np.isfinite(alone[i]):
            of_kind[kinds[i]] += 1
            of_family[families[i]] += 1
            out.append(i)
    return out or [int(np.argmin(alone))]


def _near(alone: Floats, kinds: Sequence[Hashable], families: Sequence[Hashable]) -> Floats:
    """Return a share of 1 of each family for the best of each kind that is nearly as good as the best of all."""
    seen: set[Hashable] = set()
    out = np.zeros(len(alone))
    for i, kind in enumerate(kinds):
        if kind not in seen and alone[i] <= _NEAR * alone[0]:
            out[i] = 1.0
        seen.add(kind)
    counts = Counter(family for family, share in zip(families, out, strict=True) if share > 0)
    return np.array([share / max(counts[family], 1) for family, share in zip(families, out, strict=True)])


def _pruned(weights: Floats, max_members: int) -> Floats:
    kept = np.where(weights >= min(_MIN_WEIGHT, weights.max()), weights, 0.0)
    if (kept > 0).sum() > max_members:
        kept[np.argsort(-kept, kind="stable")[max_members:]] = 0.0
    return np.asarray(kept / kept.sum())


def _average(members: Sequence[Floats], weights: Floats) -> Floats:
    return np.asarray(np.sum([w * m for w, m in zip(weights, members, strict=True) if w > 0], axis=0))


def combine(
    backtests: Sequence[Backtest], weights: Sequence[Weight], middle: int, *, factors: Floats | None = None
) -> Backtest:
    """Return the ensemble's out-of-fold forecasts.

    Args:
        backtests: Out-of-fold forecasts of M candidates.
        weights: M pairs (point, quantile); both columns sum to one.
        middle: Position of the level 0.5.
        factors: (M, S) on the weights of each series, see ``average``.
    """
    used = [i for i, pair in enumerate(weights) if max(pair) > 0]
    members = [backtests[i] for i in used]
    mean, quantiles = average(
        [m.mean for m in members],
        [m.quantiles for m in members],
        [weights[i] for i in used],
        middle,
        factors=None if factors is None else factors[used],
    )
    return Backtest(mean, quantiles, sum(m.fit_seconds for m in members), sum(m.predict_seconds for m in members))
