"""How one suggestion is drawn: a pure function of a snapshot of the history."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from zoo.search.samplers import make_sampler
from zoo.search.snapshot import Snapshot
from zoo.search.space import Space
from zoo.search.storage import StudyStorage
from zoo.search.study_settings import StudySettings
from zoo.search.trial_attributes import TrialAttributes, state_of

__all__ = ["Draft", "Suggestion", "sampler_of"]


@dataclass(frozen=True)
class Suggestion:
    """A suggestion that is not in the journal yet.

    Args:
        frozen: The trial as Optuna has it, with parameters and distributions.
        params: What is handed out; a queued point's numbers may lie outside of their bounds.
        seen: Operations of the history from which it was drawn.
        queued: Number of the queued trial that it completes, or None.
        resumed: Number of the paused trial that goes on instead of a new one, or None.
        origin: Number of the trial from whose checkpoint this one goes on, or None.
    """

    frozen: FrozenTrial
    params: Mapping[str, Any]
    seen: int
    queued: int | None
    resumed: int | None = None
    origin: int | None = None


class Draft:
    """A suggestion that can be drawn now, also in another thread while the study takes in results.

    Args:
        storage: The study's; its trials are noted, so that what comes in later does not matter.
        space: The parameters and the values that may be chosen.
        sampler: Who chooses: one of ``zoo.search.samplers``.
        queued: Number of the queued trial to complete, or None for a new one.
        earlier: Trials of earlier studies that the sampler sees, too.
        resumes: Whether it is the sampler that says which paused trial goes on.
        last: No new trial may begin: a paused one, or nothing.
    """

    def __init__(
        self,
        storage: StudyStorage,
        space: Space,
        sampler: Any,
        *,
        queued: int | None,
        earlier: Sequence[FrozenTrial] = (),
        resumes: bool = False,
        last: bool = False,
    ) -> None:
        self._history = Snapshot(storage, earlier)
        self._resumes, self._last = resumes and any(state_of(trial) == "paused" for trial in storage.trials), last
        self._space = space
        self._sampler = sampler
        self._queued = queued
        self.seen = storage.position

    def draw(self) -> Suggestion | None:
        """Ask the sampler; None if nothing may go on any more.

        It takes milliseconds to seconds, and changes nothing but the sampler's own buffers.
        """
        history = self._history
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.load_study(
                study_name=history.study.study_name, storage=history, sampler=self._sampler, pruner=_NO_PRUNER
            )
            resumed = self._sampler.resume(study, last=self._last) if self._resumes and self._queued is None else None
            if resumed is not None:
                frozen = history.trials[resumed]
                return Suggestion(frozen, TrialAttributes(frozen).params or {}, self.seen, None, resumed)
            if self._last:
                return None
            number = history.create_new_trial(0) if self._queued is None else self._queued
            suggestion = optuna.trial.Trial(study, number)
            params = self._space.sample(suggestion)
            origin = None if self._queued is not None else self._sampler.origin(study, history.trials[number])
        frozen = history.trials[number]
        given = TrialAttributes(frozen).queued or {}
        params.update({name: value for name, value in given.items() if name in params})
        return Suggestion(frozen, params, self.seen, self._queued, origin=origin)


_NO_PRUNER = optuna.pruners.NopPruner()


def sampler_of(settings: StudySettings) -> Any:
    """Return the sampler that a study was opened with."""
    stopper = settings.stopper
    return make_sampler(
        settings.sampler,
        settings.space,
        seed=settings.seed,
        max_step=None if stopper is None else stopper.max_step,
        pauses=stopper is not None and stopper.leaves_choice,
    )
