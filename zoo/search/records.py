"""From Optuna's trials to ours."""

from __future__ import annotations

from typing import Any

from zoo.search.trial import TrialRecord
from zoo.search.trial_attributes import TrialAttributes, state_of

__all__ = ["Records", "record_of"]


def record_of(frozen: Any) -> TrialRecord:
    """Return one of Optuna's trials as ours."""
    attrs = TrialAttributes(frozen)
    result, reports, checkpoint = attrs.result, dict(frozen.intermediate_values), attrs.checkpoint
    params = attrs.queued if attrs.params is None else attrs.params
    return TrialRecord(
        number=frozen.number,
        params=params or {},
        state=state_of(frozen),
        value=frozen.values[0] if frozen.state.name == "COMPLETE" else None,
        reports=reports,
        failure=result.failure,
        message=result.message,
        seconds=result.seconds,
        attrs=result.attrs,
        tag=attrs.tag,
        metrics=result.metrics or attrs.last,
        stderr=result.stderr,
        cost=result.cost,
        feasible=all(over <= 0 for over in attrs.missed.values()),
        checkpoint="" if checkpoint is None else checkpoint.path,
        step=max(reports, default=0),
        losses=attrs.losses,
        clock=attrs.clock,
        runs=attrs.runs,
        started=attrs.started,
        origin=attrs.origin,
    )


class Records:
    """Records of a growing list of trials: only those that changed are read anew."""

    def __init__(self) -> None:
        self._read: list[tuple[Any, TrialRecord]] = []

    def of(self, trials: list[Any]) -> list[TrialRecord]:
        """Return a record for each trial."""
        for index, frozen in enumerate(trials):
            if index == len(self._read):
                self._read.append((frozen, record_of(frozen)))
            elif self._read[index][0] is not frozen:  # a trial is replaced, never changed
                self._read[index] = (frozen, record_of(frozen))
        return [record for _, record in self._read]
