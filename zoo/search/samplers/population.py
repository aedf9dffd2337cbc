"""Population based training (Jaderberg et al. 2017), the half that explores: a child goes on where a good one is.

Belongs to ``stoppers/population.py``. Whenever a trial was stopped, the next one begins with the checkpoint of one of
the best that are alive, and with its parameters slightly changed. What a schedule of parameters does to a training is
found within one training's time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from zoo.errors import ConfigError
from zoo.search.samplers.base import Request, Sampler
from zoo.search.samplers.history import Standing, Violations, standing_of
from zoo.search.space import Categorical, Ordinal, Params, Space
from zoo.search.trial_attributes import TrialAttributes

__all__ = ["PopulationOptions", "PopulationSampler"]

_ALIVE = (Standing.PENDING, Standing.PAUSED)


@dataclass(frozen=True)
class PopulationOptions:
    """How children come to be.

    Args:
        share: A parent is one of the best so many of those alive.
        factors: A number is multiplied by one of them.
        anew: Chance that a parameter is drawn anew instead.
    """

    share: float = 0.25
    factors: tuple[float, float] = (0.8, 1.25)
    anew: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or not 0 <= self.anew <= 1 or not all(factor > 0 for factor in self.factors):
            raise ConfigError(f"shares and chances must lie in [0, 1], factors above 0, but got {self}", "see the doc")


class PopulationSampler(Sampler):
    """Fills the places of those who were stopped with changed copies of the best, and all others at random."""

    name: ClassVar[str] = "population"
    repeats: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        violations: Violations | None = None,
        max_step: int | None = None,
        options: PopulationOptions | None = None,
    ) -> None:
        super().__init__(space, seed=seed, violations=violations, max_step=max_step)
        self.options = options or PopulationOptions()

    def origin(self, study: Study, trial: FrozenTrial) -> int | None:
        """Return the parent of a trial."""
        trials = study.get_trials(deepcopy=False)
        return self._parent(trials, trial.number, list(study.directions))

    def _parent(self, trials: Sequence[FrozenTrial], number: int, directions: list[StudyDirection]) -> int | None:
        own = [trial for trial in trials if 0 <= trial.number != number]
        complete = [trial for trial in own if trial.state == TrialState.COMPLETE and trial.intermediate_values]
        whole = self.max_step or max((max(trial.intermediate_values) for trial in complete), default=math.inf)
        stopped = sum(standing_of(trial) == Standing.STOPPED for trial in own)
        children = sum(TrialAttributes(trial).origin is not None for trial in own)
        alive = [
            trial
            for trial in own
            if standing_of(trial) in _ALIVE
            and trial.intermediate_values
            and (place := TrialAttributes(trial).checkpoint) is not None
            and place.step < whole
        ]
        if stopped <= children or not alive:
            return None
        sign = -1.0 if directions[0] == StudyDirection.MAXIMIZE else 1.0
        alive.sort(key=lambda trial: sign * trial.intermediate_values[max(trial.intermediate_values)])
        best = alive[: math.ceil(self.options.share * len(alive))]
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, number, 2]))
        return int(best[int(rng.integers(len(best)))].number)

    def propose(self, request: Request) -> Params:
        """Return the changed parameters of the parent, or random ones for a trial without."""
        parent = self._parent(request.trials, request.number, request.directions)
        random = self.allowed(request, 1, believed=self.encoding.has_prior)[0]
        if parent is None:
            return self.encoding.params(random)
        found = next(trial for trial in request.trials if trial.number == parent)
        params = dict(TrialAttributes(found).params or found.params)
        point = self.encoding.point({name: self._changed(name, value, request) for name, value in params.items()})
        anew = request.rng.random(len(point)) < self.options.anew
        missing = np.array([name not in params for name in self.encoding.names])
        point = self.encoding.hold(np.where(anew | missing, random, point), request.fixed)
        params = self.encoding.params(point)
        return params if self.space.allows(params) else self.encoding.params(self.walk(point, request))

    def _changed(self, name: str, value: Any, request: Request) -> Any:
        domain = self.space[name]
        if isinstance(domain, Categorical):
            return value
        if isinstance(domain, Ordinal):
            place = domain.choices.index(value) + int(request.rng.choice((-1, 1)))
            return domain.choices[min(max(place, 0), len(domain.choices) - 1)]
        return value * self.options.factors[int(request.rng.integers(2))]
