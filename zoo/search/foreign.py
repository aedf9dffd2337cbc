"""What other programs that write Optuna's format may do to a journal of ours.

Their lines stay in the file, and Optuna shows them. Here

- attributes of the study and of trials that have not ended are taken in (a note in optuna-dashboard), except under the
  names that are ours;
- a trial that they queue (``enqueue_trial``, "rerun" in the dashboard) is queued, if it lies in the space;
- a trial that they run themselves keeps its number, and counts for nothing: it failed as ``FailureKind.FOREIGN``;
- what they tell, report or change of our trials is not taken in: the driver alone tells them;
- further studies in the same file are none of ours, and deleting ours does nothing while it is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.search.study_attributes import EARLIER_PREFIX, OUR_STUDY_KEYS
from zoo.search.trial_attributes import CONSTRAINT_PREFIX, OUR_TRIAL_KEYS, TrialAttributes

__all__ = ["OF_TRIALS", "TAG", "ForeignVerdict", "Others"]

#: The tag of what was queued by others.
TAG = "foreign"
#: Optuna's numbers of the operations that change a trial.
OF_TRIALS = range(5, 10)
_CREATE_STUDY, _DELETE_STUDY, _STUDY_ATTR, _STUDY_SYSTEM_ATTR, _CREATE_TRIAL = range(5)
_STATE, _TRIAL_ATTR, _TRIAL_SYSTEM_ATTR = 6, 8, 9
_FAILED, _WAITING = 3, 4


@dataclass(frozen=True)
class ForeignVerdict:
    """What becomes of a line.

    Args:
        operation: What is applied, in our words; None for nothing.
        refused: What is not, in words; "" where nothing is left out that somebody might miss.
        elsewhere: Whether it made a trial of another study.
    """

    operation: Mapping[str, Any] | None = None
    refused: str = ""
    elsewhere: bool = False


@dataclass
class Others:
    """What is known of the other programs' doings.

    Args:
        name: The name of our study.
        apart: Whether the study is ours: in Optuna's own file nobody is a stranger.
        waiting: Trials that they queued.
        arrived: Those that were not asked for yet.
        studies: How many studies the file had.
        there: The ids of theirs that were not deleted.
    """

    name: str = ""
    apart: bool = False
    waiting: set[int] = field(default_factory=set)
    arrived: list[int] = field(default_factory=list)
    studies: int = 1
    there: dict[int, str] = field(default_factory=dict)

    def judge(self, operation: Mapping[str, Any], trial: Any, *, count: int) -> ForeignVerdict:
        """Say what becomes of a line.

        Args:
            operation: What the line says.
            trial: The trial of ours that it is about; None if it is about none.
            count: Trials of ours so far.
        """
        code, who = operation["op_code"], operation.get("worker_id")
        if code == _CREATE_TRIAL:
            return self._create_trial(operation, count)
        if code == _CREATE_STUDY:
            return self._create_study(operation)
        if code in (_STUDY_ATTR, _STUDY_SYSTEM_ATTR):
            return ForeignVerdict() if operation["study_id"] else _attributes(operation, OUR_STUDY_KEYS, "the study")
        if code == _DELETE_STUDY:
            if self.there.pop(operation["study_id"], None) is not None or operation["study_id"]:
                return ForeignVerdict()
            return ForeignVerdict(refused=f"a study with a driver cannot be deleted: what {who} wrote is not taken in")
        if code not in OF_TRIALS or trial is None or trial.state.is_finished():
            return ForeignVerdict()  # Optuna does not take it in either
        if code in (_TRIAL_ATTR, _TRIAL_SYSTEM_ATTR):
            return _attributes(operation, OUR_TRIAL_KEYS, f"trial {trial.number}")
        if trial.number in self.waiting and code == _STATE:
            self.waiting.discard(trial.number)
            return ForeignVerdict(
                {**operation, "state": _FAILED, "values": None, "user_attr": TrialAttributes.of_foreign_end(who)}
            )
        if trial.number in self.waiting:
            return ForeignVerdict()
        return ForeignVerdict(
            refused=f"trial {trial.number} is the driver's to change: what {who} wrote is not taken in"
        )

    def _create_trial(self, operation: Mapping[str, Any], number: int) -> ForeignVerdict:
        study = operation["study_id"]
        if study:
            return ForeignVerdict(elsewhere=study in self.there)
        kept = _without(operation.get("user_attrs", {}), OUR_TRIAL_KEYS)
        if operation.get("state") == _WAITING:
            self.waiting.add(number)
            self.arrived.append(number)
            given = dict(operation.get("system_attrs", {}).get("fixed_params", {}))
            return ForeignVerdict({**operation, "user_attrs": {**kept, **TrialAttributes.of_queued(given, TAG)}})
        mine = TrialAttributes.of_foreign(kept, operation.get("worker_id"))
        hidden: dict[str, Any] = {"state": _FAILED, "value": None, "values": None, "params": {}, "distributions": {}}
        return ForeignVerdict(
            {**operation, **hidden, "user_attrs": mine, "system_attrs": {}, "intermediate_values": {}}
        )

    def _create_study(self, operation: Mapping[str, Any]) -> ForeignVerdict:
        name = operation["study_name"]
        if name != self.name and name not in self.there.values():
            self.there[self.studies] = name
            self.studies += 1
        return ForeignVerdict()


def _attributes(operation: Mapping[str, Any], ours: frozenset[str], what: str) -> ForeignVerdict:
    """Return a line that sets attributes without those that are ours."""
    kind = "user_attr" if "user_attr" in operation else "system_attr"
    kept = _without(operation[kind], ours)
    refused = sorted(set(operation[kind]) - set(kept))
    said = f"{refused} of {what} is the driver's: what {operation.get('worker_id')} wrote is not taken in"
    return ForeignVerdict({**operation, kind: kept} if kept else None, said if refused else "")


def _without(attrs: Mapping[str, Any], ours: frozenset[str]) -> dict[str, Any]:
    families = (CONSTRAINT_PREFIX, EARLIER_PREFIX)
    return {name: value for name, value in attrs.items() if name not in ours and not name.startswith(families)}
