"""Optuna's samplers, seeded anew for each trial, so that a suggestion depends on seed and history alone."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from zoo.errors import ConfigError
from zoo.search.space import Choice, Space, Suggester

__all__ = ["SeededSampler"]


class SeededSampler(optuna.samplers.BaseSampler):  # type: ignore[misc]  # optuna is not followed by mypy
    """A sampler whose chance is a function of (seed, trial number).

    A generator that runs on would depend on how many suggestions *this process* made; then a study that was closed and
    opened again would go on differently. Parameters that exist under the same conditions are modelled together. Optuna
    finds such groups by comparing all trials at each suggestion (``group=True``, several milliseconds at 200 trials);
    the space knows them.

    Args:
        name: "tpe" (pending trials count as bad ones, so that suggestions spread) or "random".
        space: Knows which parameters exist together.
        seed: Of the study.
    """

    def __init__(self, name: str, space: Space, seed: int) -> None:
        if name not in ("tpe", "random"):
            raise ConfigError(f"sampler must be 'tpe' or 'random', but got {name!r}", "choose one of them")
        self._name = name
        self._seed = seed
        maker = cast(Suggester, _Distributions())
        every = {member: space[member].suggest(member, maker) for member in space}
        self._groups: dict[str, dict[str, Any]] = {}
        for group in space.groups():
            # A parameter with one value needs no model, and Optuna never asks for it.
            members = {member: every[member] for member in group if not every[member].single()}
            self._groups.update(dict.fromkeys(group, members))
        self._drawn: dict[str, Any] = {}
        self._sampler = self._new(0)

    def _new(self, number: int) -> Any:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        if self._name == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)

    def before_trial(self, study: Any, trial: Any) -> None:
        """Take the trial's own seed (Optuna's contract)."""
        self._sampler = self._new(trial.number)
        self._drawn = {}

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Return nothing: a group is drawn when its first member is asked for, if it is (Optuna's contract)."""
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
        """Return nothing, see above (Optuna's contract)."""
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """Return the value of one parameter, drawn with its group (Optuna's contract)."""
        if param_name not in self._drawn:
            self._drawn.update(self._sampler.sample_relative(study, trial, self._groups[param_name]))
        if param_name in self._drawn:
            return self._drawn[param_name]
        # No model yet: the first trials are random.
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)


class _Distributions:
    """Answers a domain that asks for a value with the distribution it would be drawn from."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> Any:
        return FloatDistribution(low, high, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> Any:
        return IntDistribution(low, high, log=log)

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Any:
        return CategoricalDistribution(choices)
