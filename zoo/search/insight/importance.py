"""How much each parameter matters: shares of the variance that a forest sees when one parameter changes alone.

A forest is fitted to the trials, then asked all over the space: how much does its answer vary when only one parameter
is drawn anew (the total-effect index; Sobol, and Jansen's estimator: Computer Physics Communications 117, 1999)? That
counts a parameter's interactions too, and needs no special case for conditional ones: where a parameter does not exist
its change does nothing, and that of its parent counts what the parent switches on. Three more choices:

- values count by their *rank*, so that one training that exploded does not outweigh all others;
- a trial that failed by its own fault has the worst rank: what makes trainings fail matters;
- stopped and paused trials count with what they reported last, and the step is a feature of the forest that the
  questions hold at the end of a training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.search.insight.forest import Array, Forest
from zoo.search.insight.view import View
from zoo.search.trial import TrialRecord

if TYPE_CHECKING:
    from zoo.search.samplers.encoding import Encoding

__all__ = ["Importance", "importance"]

_MIN_TRIALS = 10
_MIN_TRIALS_PER_PARAMETER = 2
_MAX_TRIALS = 1000  # more rows only take longer
_QUESTIONS = 1024  # points of the space at which each parameter is changed alone
_MIN_EXPLAINED = 0.05  # share of the variance, below which shares of importance would be noise


class Importance(Mapping[str, float]):
    """Parameter -> share of importance, the largest first, of sum 1; empty where ``reason`` says why.

    Args:
        shares: Share of importance of each parameter, 0 to 1.
        trials: Number of trials that it was computed from.
        explained: Share of the ranks' variance that the forest explains in trials that it has not seen: below some
            0.3 the shares are guesses.
        reason: Why there are no shares; "" where there are.
    """

    def __init__(self, shares: Mapping[str, float], *, trials: int, explained: float = 0.0, reason: str = "") -> None:
        self._shares = dict(sorted(shares.items(), key=lambda item: -item[1]))
        self.trials = trials
        self.explained = explained
        self.reason = reason

    def __getitem__(self, name: str) -> float:
        return self._shares[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shares)

    def __len__(self) -> int:
        return len(self._shares)

    def __repr__(self) -> str:
        return f"Importance({self._shares!r}, trials={self.trials}, reason={self.reason!r})"


def importance(view: View, metric: str | None = None, *, seed: int = 0) -> Importance:
    """Return how much each parameter matters for an objective.

    Args:
        view: The study at one moment.
        metric: An objective; the first one by default.
        seed: Seed of the forest, so that the same study gives the same answer; 0 by default.
    """
    from zoo.search.samplers.encoding import Encoding

    found = _observations(view, metric or view.metrics.first.name)
    wanted = max(_MIN_TRIALS, _MIN_TRIALS_PER_PARAMETER * len(view.space))
    if len(found) < wanted:
        return Importance({}, trials=len(found), reason=f"it takes {wanted} trials, and there are {len(found)}")
    rng = np.random.default_rng(seed)
    if len(found) > _MAX_TRIALS:
        found = [found[i] for i in np.sort(rng.choice(len(found), _MAX_TRIALS, replace=False))]
    ranks = _ranks([value for _, _, value in found])
    if ranks.min() == ranks.max():
        return Importance({}, trials=len(found), reason="all trials came to the same value")
    encoding = Encoding(view.space)
    points = np.stack([encoding.point(record.params) for record, _, _ in found])
    steps = np.log1p(np.array([step for _, step, _ in found], dtype=np.float64))
    forest = Forest(np.column_stack((encoding.features(points), steps)), ranks, rng)
    if not forest.explained >= _MIN_EXPLAINED:
        return Importance(
            {}, trials=len(found), explained=max(forest.explained, 0.0), reason="the values follow no parameter so far"
        )
    effects = _effects(forest, encoding, float(steps.max()), rng)
    total = sum(effects.values())
    shares = {name: effect / total if total > 0 else 0.0 for name, effect in effects.items()}
    return Importance(shares, trials=len(found), explained=forest.explained)


def _observations(view: View, metric: str) -> list[tuple[TrialRecord, int, float]]:
    """Return trials with the step that they reached and a value that is better the less it is."""
    sign = 1.0 if view.metrics[metric].direction == "minimize" else -1.0
    first = metric == view.metrics.first.name
    whole = max((record.step for record in view.records), default=0)
    found = []
    for record in view.records:
        if record.state == "complete":
            found.append((record, record.step or whole, sign * float(record.metrics[metric])))
        elif record.state in ("stopped", "paused") and record.reports and first:
            found.append((record, record.step, sign * float(record.reports[record.step])))
        elif record.failure is not None and record.failure.teaches:
            found.append((record, record.step or whole, np.inf))
    return found


def _ranks(values: Sequence[float]) -> Array:
    """Return ranks from 0 to 1, the mean one of equal values."""
    y = np.asarray(values, dtype=np.float64)
    _, where, counts = np.unique(y, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(((ends - (counts + 1) / 2) / max(len(y) - 1, 1))[where])


def _effects(forest: Forest, encoding: Encoding, step: float, rng: np.random.Generator) -> dict[str, float]:
    """Return the variance that each parameter alone makes, within the constraints."""
    names = encoding.names
    base, other = encoding.sample(rng, _QUESTIONS), encoding.sample(rng, _QUESTIONS)
    inside = _allowed(encoding, base)
    answers = _ask(forest, encoding, base, step)
    effects = {}
    for index, name in enumerate(names):
        moved = base.copy()
        moved[:, index] = other[:, index]
        kept = inside & _allowed(encoding, moved)
        gaps = (answers - _ask(forest, encoding, moved, step))[kept]
        effects[name] = float(np.mean(gaps**2)) / 2 if len(gaps) else 0.0
    return effects


def _ask(forest: Forest, encoding: Encoding, points: Array, step: float) -> Array:
    return forest.predict(np.column_stack((encoding.features(points), np.full(len(points), step))))


def _allowed(encoding: Encoding, points: Array) -> Array:
    if not encoding.space.constraints:
        return np.ones(len(points), dtype=bool)
    return np.array([encoding.space.allows(encoding.params(point)) for point in encoding.snap(points)], dtype=bool)
