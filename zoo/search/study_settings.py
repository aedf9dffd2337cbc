"""What a study is opened with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zoo.errors import ConfigError
from zoo.search.budget import Budget
from zoo.search.metrics import Metrics
from zoo.search.space import Space
from zoo.search.stoppers.base import Stopper

__all__ = ["StudyOptions", "StudySettings", "versions"]


@dataclass(frozen=True)
class StudyOptions:
    """What most studies leave as it is.

    Args:
        max_losses: How often the machine may lose a trial before it is set aside (``study.set_aside``).
        memory_retry: A trial that ran out of memory is tried once more with this factor on its resources; None: it
            fails at once.
        diverged_at: A first objective that is worse than this has diverged.
        converge: End the study when it stagnates: when the best of the last 5 d complete trials, for d parameters, does
            not beat the fifth best before them (``zoo.search.stoppers.stagnation``); with several objectives, when none
            of them is on the Pareto front.
        keep_checkpoints: Which ones are kept of trials that have ended: those of the best trials (the Pareto front),
            "all" or "none".
    """

    max_losses: int = 3
    memory_retry: float | None = None
    diverged_at: float | None = None
    converge: bool = False
    keep_checkpoints: str = "best"

    def __post_init__(self) -> None:
        if self.max_losses < 1:
            raise ConfigError(f"`max_losses >= 1` must hold, but got {self.max_losses}", "use 1 for no second try")
        if self.memory_retry is not None and not self.memory_retry > 1:
            raise ConfigError(f"`memory_retry > 1` must hold, but got {self.memory_retry}", "use 2.0 for twice as much")
        if self.keep_checkpoints not in ("best", "all", "none"):
            raise ConfigError(
                f"keep_checkpoints must be 'best', 'all' or 'none', but got {self.keep_checkpoints!r}", "choose one"
            )


@dataclass(frozen=True)
class StudySettings:
    """A study's rules, whole and checked."""

    space: Space
    metrics: Metrics
    seed: int
    sampler: Any
    stopper: Stopper | None
    parallel: int | None
    budget: Budget
    fingerprint: str
    options: StudyOptions = field(default_factory=StudyOptions)

    def __post_init__(self) -> None:
        if self.parallel is not None and self.parallel < 1:
            raise ConfigError(f"`parallel >= 1` must hold, but got {self.parallel}", "leave it out for no bound")

    def identity(self) -> dict[str, Any]:
        """Return what must be the same when the study is opened again, as JSON values."""
        return {
            "fingerprint": self.fingerprint,
            "metrics": self.metrics.describe(),
            "space": self.space.describe(),
            "stopper": None if self.stopper is None else self.stopper.describe(),
        }

    def sampling(self) -> dict[str, Any]:
        """Return what else the suggestions depend on, as JSON values: it may change from one opening to the next."""
        named = isinstance(self.sampler, str)
        name = self.sampler if named else type(self.sampler).__qualname__
        said = {"sampler": name, "named": named, "seed": self.seed, "versions": versions()}
        if self.stopper is not None:
            said |= {"max_step": self.stopper.max_step, "resumes": self.stopper.leaves_choice}
        return said


def versions() -> dict[str, str]:
    """Return the versions of the libraries that suggestions depend on."""
    import numpy
    import optuna

    return {"numpy": numpy.__version__, "optuna": optuna.__version__}
