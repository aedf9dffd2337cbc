"""The contract of a sampler: a suggestion is a function of (seed, trial number, history), inside the space.

An implementer guarantees:

1. Same seed and same history, same suggestion, also in another process: nothing is remembered but what can be computed
   again from the trials.
2. Suggestions lie in the space and satisfy its constraints, whatever the history holds; values that a queued trial
   fixes stay fixed.
3. Trials are read as ``history`` says: a stopped or paused trial is an observation at its fidelity, never a final
   value; a failed one marks a region to keep away from; a lost one teaches nothing.
4. It writes nothing into the study.
5. What the study has tried is not suggested again as long as something else is left, unless trials tell standard errors
   (``Sampler`` sees to it; see ``untried``).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from zoo.search.samplers.encoding import Array, Encoding
from zoo.search.samplers.history import Violations
from zoo.search.samplers.untried import Tried, tells_noise
from zoo.search.space import Params, Space
from zoo.search.trial_attributes import TrialAttributes

__all__ = ["Request", "Sampler"]

#: Tries per point to satisfy the constraints, before it is moved towards an allowed one.
_TRIES = 50
#: So near, in steps, a value lies on a grid.
_ON_GRID = 1e-8


@dataclass(frozen=True)
class Request:
    """What a suggestion is wanted for.

    Args:
        study: Its storage and directions; read only.
        trials: All trials, also the one that is asked for.
        number: Of the trial that is asked for.
        fixed: Values that are given.
        rng: The chance of this trial.
    """

    study: Study
    trials: Sequence[FrozenTrial]
    number: int
    fixed: Mapping[str, Any]
    rng: np.random.Generator

    @property
    def directions(self) -> list[StudyDirection]:
        """One per objective."""
        return list(self.study.directions)


class Sampler(optuna.samplers.BaseSampler):  # type: ignore[misc]  # optuna is not followed by mypy
    """An Optuna sampler over a ``Space``: all values of a trial are chosen together, when the first one is asked for.

    Parameters that the space does not have are drawn at random: Optuna's own studies may have some.

    Args:
        space: What may be chosen.
        seed: With the trial's number it determines all chance.
        violations: Returns how far a trial misses each threshold; by default what the trial carries.
        max_step: Of a whole training, if trials report on their way; by default as far as the longest one came.
    """

    name: ClassVar[str] = ""
    #: Whether the same parameters may be trained again: a population goes on from checkpoints.
    repeats: ClassVar[bool] = False

    def __init__(
        self, space: Space, *, seed: int = 0, violations: Violations | None = None, max_step: int | None = None
    ) -> None:
        self.space = space
        self.seed = seed
        self.violations = violations
        self.max_step = max_step
        self.encoding = Encoding(space)
        self._drawn: Params | None = None
        self._others: Any = None
        #: What the study has tried, up to date when ``propose`` is called.
        self.tried = Tried(self.encoding)

    @abstractmethod
    def propose(self, request: Request) -> Params:
        """Return params in the space, allowed by its constraints."""

    def rate(self, points: Array, request: Request) -> Array | None:
        """Return how much each of some points promises, more is better, after ``propose``; None: no opinion."""
        return None

    def resume(self, study: Study, *, last: bool = False) -> int | None:
        """Return the number of a paused trial that shall go on rather than a new one begin; None for a new one.

        Args:
            study: Its storage and directions; read only.
            last: No new one may begin any more: None means that the search is over.
        """
        return None

    def origin(self, study: Study, trial: FrozenTrial) -> int | None:
        """Return the number of the trial from whose checkpoint a new one goes on; None: it begins anew.

        Args:
            study: Its storage and directions; read only.
            trial: The new trial as far as it is drawn.
        """
        return None

    # Optuna's contract

    def reseed_rng(self) -> None:
        """Do nothing: chance is a function of the trial's number, which no two threads share."""

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Forget the last trial's values."""
        self._drawn = self._others = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return nothing: which parameters exist is known only when their parents are."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing, see above."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the value of one parameter; all are chosen when the first one is asked for."""
        if param_name in self.space:
            if self._drawn is None:
                self._drawn = self._draw(study, trial)
            if param_name in self._drawn and _fits(param_distribution, self._drawn[param_name]):
                return self._drawn[param_name]
        if self._others is None:
            seed = int(np.random.SeedSequence([self.seed, max(trial.number, 0), 1]).generate_state(1)[0])
            self._others = optuna.samplers.RandomSampler(seed=seed)
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def _draw(self, study: Study, trial: FrozenTrial) -> Params:
        trials = study.get_trials(deepcopy=False)
        fixed = dict(TrialAttributes(trial).fixed)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, max(trial.number, 0)]))
        return self._untried(Request(study, trials, trial.number, fixed, rng))

    def _untried(self, request: Request) -> Params:
        """Return what is proposed, or something near that the study does not know."""
        if self.repeats or len(self.encoding) == 0:
            return self.propose(request)
        self.tried.update(request.trials, skip=request.number)
        params = self.propose(request)
        if tells_noise(request.trials) or params not in self.tried:
            return params
        others = self.tried.near(params, request.fixed, request.rng)
        if not len(others):
            return params
        worth = self.rate(others, request)
        if worth is None:
            here = self.encoding.features(self.encoding.point(params)[None])
            worth = -np.abs(self.encoding.features(others) - here).sum(1)
        return self.encoding.params(others[int(np.argmax(worth))])

    # for implementers

    def allowed(self, request: Request, count: int, *, believed: bool = False) -> Array:
        """Return random points that hold the fixed values and satisfy the constraints."""
        draw = self.encoding.sample(request.rng, count, believed=believed)
        points = self.encoding.hold_all(draw, request.fixed)
        if not self.space.constraints:
            return points
        return np.array([self._admit(point, request) for point in points])

    def _admit(self, point: Array, request: Request) -> Array:
        """Return the point, or another random one if the constraints forbid it."""
        best, best_gap = point, np.inf
        for _ in range(_TRIES):
            gap = self.space.violation(self.encoding.params(point))
            if gap == 0:
                return point
            if gap < best_gap:
                best, best_gap = point, gap
            point = self.encoding.hold(self.encoding.sample(request.rng, 1)[0], request.fixed)
        return self.walk(best, request)

    def walk(self, point: Array, request: Request) -> Array:
        """Return an allowed point on a random walk downhill from ``point``, or where that ended if values are fixed."""
        gap = self.space.violation(self.encoding.params(point))
        for _ in range(40 * _TRIES):
            if gap == 0:
                break
            size = 10.0 ** request.rng.uniform(-5.0, 0.0)
            moved = point + size * request.rng.standard_normal(len(point)) * (request.rng.random(len(point)) < 0.5)
            moved = self.encoding.hold(np.clip(moved, 0.0, 1.0), request.fixed)
            moved_gap = self.space.violation(self.encoding.params(moved))
            if moved_gap <= gap:
                point, gap = moved, moved_gap
        return point if gap == 0 or request.fixed else self.encoding.point(self.space.example)


def _fits(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a parameter of Optuna's that is called like one of the space is the same one."""
    try:
        inside = distribution.to_internal_repr(value)
    except (TypeError, ValueError):
        return False
    if isinstance(distribution, CategoricalDistribution):
        return True  # one that is not among the choices has raised
    if not distribution.low <= inside <= distribution.high:
        return False
    if isinstance(distribution, IntDistribution):
        return bool((inside - distribution.low) % distribution.step == 0)
    steps = (inside - distribution.low) / (distribution.step or math.inf)
    return bool(abs(steps - round(steps)) < _ON_GRID)
