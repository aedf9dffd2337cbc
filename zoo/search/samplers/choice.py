"""A sampler by its name."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.errors import ConfigError
from zoo.search.samplers.base import Sampler
from zoo.search.samplers.freeze_thaw import FreezeThawSampler
from zoo.search.samplers.gp import GPSampler
from zoo.search.samplers.history import Violations
from zoo.search.samplers.population import PopulationSampler
from zoo.search.samplers.random import RandomSampler
from zoo.search.samplers.tpe import TPESampler
from zoo.search.space import Space

__all__ = ["SAMPLERS", "make_sampler"]

SAMPLERS: Mapping[str, type[Sampler]] = {
    sampler.name: sampler for sampler in (FreezeThawSampler, GPSampler, PopulationSampler, RandomSampler, TPESampler)
}


def make_sampler(
    name: str | Sampler,
    space: Space,
    *,
    seed: int = 0,
    violations: Violations | None = None,
    max_step: int | None = None,
    pauses: bool = False,
) -> Sampler:
    """Return a sampler.

    Args:
        name: "freeze_thaw", "gp", "tpe", "random", "population", or "auto": freeze_thaw where a stopper pauses trials,
            else tpe. A sampler stands for itself.
        space: What may be chosen.
        seed: The study's; with the history it determines every suggestion.
        violations: Returns how far a trial misses each threshold; by default what the trial carries.
        max_step: Of a whole training, where that is known.
        pauses: Whether the study's stopper leaves it to the sampler who goes on.

    Raises:
        ConfigError: The name is unknown.
    """
    if isinstance(name, Sampler):
        return name
    if name == "auto":
        name = "freeze_thaw" if pauses else "tpe"
    if name not in SAMPLERS:
        raise ConfigError(
            f"a sampler must be known, but got {name!r}", f"samplers: auto, {', '.join(sorted(SAMPLERS))}"
        )
    return SAMPLERS[name](space, seed=seed, violations=violations, max_step=max_step)
