"""How one suggestion is drawn: a pure function of a snapshot of the history."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from zoo.search.samplers import SeededSampler
from zoo.search.settings import Settings
from zoo.search.space import Space
from zoo.search.storage import Snapshot, StudyStorage

__all__ = ["Draft", "Drawn", "make_sampler", "sampler_of"]


@dataclass(frozen=True)
class Drawn:
    """A suggestion that is not in the journal yet.

    Args:
        frozen: As Optuna has it.
        params: What is handed out; a queued point's numbers may lie outside of their bounds.
        seen: Operations of the history from which it was drawn.
        queued: Number of the queued trial that it completes, or None.
    """

    frozen: FrozenTrial
    params: Mapping[str, Any]
    seen: int
    queued: int | None


class Draft:
    """A suggestion that can be drawn now, also in another thread while the study takes in results.

    Args:
        storage: The study's; its trials are noted, so that what comes in later does not matter.
        space: What may be chosen.
        sampler: Chooses.
        queued: Number of the queued trial to complete, or None for a new one.
        evidence: Trials of earlier studies.
    """

    def __init__(
        self,
        storage: StudyStorage,
        space: Space,
        sampler: Any,
        *,
        queued: int | None,
        evidence: Sequence[FrozenTrial] = (),
    ) -> None:
        self._history = Snapshot(storage, evidence)
        self._space = space
        self._sampler = sampler
        self._queued = queued
        self.seen = storage.position

    def draw(self) -> Drawn:
        """Ask the sampler. Takes milliseconds to seconds, and changes nothing but the sampler's own buffers."""
        history = self._history
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.load_study(
                study_name=history.study.study_name, storage=history, sampler=self._sampler, pruner=_NO_PRUNER
            )
            number = history.create_new_trial(0) if self._queued is None else self._queued
            suggestion = optuna.trial.Trial(study, number)
            params = self._space.sample(suggestion)
        frozen = history.trials[number]
        given = frozen.user_attrs.get("queued", {})
        params.update({name: value for name, value in given.items() if name in params})
        return Drawn(frozen, params, self.seen, self._queued)


_NO_PRUNER = optuna.pruners.NopPruner()


def make_sampler(name: str, space: Space, *, seed: int, max_step: int | None = None) -> Any:
    """Return the sampler of a name."""
    return SeededSampler("tpe" if name == "auto" else name, space, seed)


def sampler_of(settings: Settings) -> Any:
    """Return the sampler that a study was opened with."""
    if not isinstance(settings.sampler, str):
        return settings.sampler
    return make_sampler(settings.sampler, settings.space, seed=settings.seed)
