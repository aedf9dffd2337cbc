"""A history to draw one suggestion from."""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import copy
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from zoo.errors import StudyError
from zoo.search.storage import StudyStorage

__all__ = ["Snapshot"]


class Snapshot(StudyStorage):
    """A history to draw one suggestion from: the sampler writes here, and nothing of it reaches the study itself.

    Args:
        source: The study's storage, which stays as it is.
        earlier: Trials of earlier studies that the sampler sees before the study's own; their numbers are negative.
    """

    def __init__(self, source: StudyStorage, earlier: Sequence[FrozenTrial] = ()) -> None:
        super().__init__()
        self._study = copy(source._study)
        self._distributions, self._limits = source._distributions, source._limits
        self._numbers, self._ids = list(source._numbers), list(source._ids)
        self.trials = list(source.trials)
        self.position = source.position
        self._earlier = list(earlier)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of earlier studies and the study's own; they must not be changed."""
        trials = [*self._earlier, *self.trials]
        return trials if states is None else [trial for trial in trials if trial.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial; it must not be changed."""
        return self.trials[trial_id] if trial_id >= 0 else self._earlier[-1 - trial_id]

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refuse: a suggestion must depend on the journal alone."""
        raise StudyError(
            f"a sampler must not keep anything in the study, but {key!r} was set",
            "choose a sampler whose suggestions depend on the trials alone",
        )

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refuse, see above."""
        self.set_study_system_attr(study_id, key, value)
