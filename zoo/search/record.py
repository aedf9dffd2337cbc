"""From Optuna's trials to ours."""

from __future__ import annotations

from typing import Any

from zoo.search.trial import FailureKind, State, TrialRecord

__all__ = ["Records", "record_of", "state_of"]


def state_of(frozen: Any) -> State:
    """Return what one of Optuna's trials means here."""
    name = frozen.state.name
    if name == "RUNNING":
        return "paused" if frozen.user_attrs.get("paused") else "running"
    if name == "PRUNED":
        return "failed" if frozen.user_attrs.get("result", {}).get("failure") else "stopped"
    states: dict[str, State] = {"WAITING": "queued", "COMPLETE": "complete", "FAIL": "failed"}
    return states[name]


def record_of(frozen: Any) -> TrialRecord:
    """Return one of Optuna's trials as ours."""
    attrs = frozen.user_attrs
    result = attrs.get("result", {})
    failure = result.get("failure") or {}
    reports = dict(frozen.intermediate_values)
    over = [value for key, value in frozen.system_attrs.items() if key.startswith("constraints:")]
    return TrialRecord(
        number=frozen.number,
        params=attrs.get("params", attrs.get("queued", {})),
        state=state_of(frozen),
        value=frozen.values[0] if frozen.state.name == "COMPLETE" else None,
        reports=reports,
        failure=FailureKind(failure["kind"]) if failure else None,
        message=failure.get("message", result.get("message", "")),
        seconds=result.get("seconds"),
        attrs=result.get("attrs", {}),
        tag=attrs.get("tag", ""),
        metrics=result.get("metrics") or attrs.get("last", {}),
        stderr=result.get("stderr", {}),
        cost=result.get("cost"),
        feasible=all(value <= 0 for value in over),
        checkpoint=attrs.get("checkpoint", {}).get("path", ""),
        step=max(reports, default=0),
        losses=attrs.get("losses", 0),
        clock=attrs.get("clock", {}),
        runs=tuple((start, end) for start, end in attrs.get("runs", ())),
        started=attrs.get("started"),
        origin=attrs.get("origin", {}).get("trial"),
    )


class Records:
    """Records of a growing list of trials: only those that changed are made anew."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, TrialRecord]] = []

    def of(self, trials: list[Any]) -> list[TrialRecord]:
        """Return a record for each trial."""
        for index, frozen in enumerate(trials):
            if index == len(self._made):
                self._made.append((frozen, record_of(frozen)))
            elif self._made[index][0] is not frozen:  # a trial is replaced, never changed
                self._made[index] = (frozen, record_of(frozen))
        return [record for _, record in self._made]
