"""A stopper by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zoo.errors import ConfigError
from zoo.search.stoppers.asha import ASHA
from zoo.search.stoppers.base import Stopper
from zoo.search.stoppers.every_report import EveryReport
from zoo.search.stoppers.median import Median
from zoo.search.stoppers.plateau import Plateau
from zoo.search.stoppers.population import Population
from zoo.search.stoppers.rungs import Rungs

__all__ = ["STOPPERS", "make_stopper"]

STOPPERS: Mapping[str, Callable[[int | None], Stopper]] = {
    "auto": lambda max_step: Rungs(max_step),
    "rungs": lambda max_step: Rungs(max_step),
    "every_report": lambda max_step: EveryReport(),
    "asha": lambda max_step: ASHA(max_step=max_step),
    "asha_pause": lambda max_step: ASHA(pause=True, max_step=max_step),
    "median": lambda max_step: Median(),
    "plateau": lambda max_step: Plateau(),
    "population": lambda max_step: Population(max_step=max_step),
}


def make_stopper(stopper: str | Stopper | None, max_step: int | None = None) -> Stopper | None:
    """Return a stopper.

    Args:
        stopper: "rungs" (pause at rungs, the sampler says who goes on; also "auto"), "every_report" (pause at each
            report, likewise), "asha", "asha_pause", "median", "plateau", "population" (with the sampler of that name),
            or None for nobody. A stopper stands for itself.
        max_step: Of a whole training, where that is known.

    Raises:
        ConfigError: The name is unknown.
    """
    if stopper is None or isinstance(stopper, Stopper):
        return stopper
    if stopper not in STOPPERS:
        raise ConfigError(f"a stopper must be known, but got {stopper!r}", f"stoppers: {', '.join(sorted(STOPPERS))}")
    return STOPPERS[stopper](max_step)
