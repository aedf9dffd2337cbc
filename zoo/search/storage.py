"""The study's trials in memory, written ahead to its journal, behind Optuna's storage contract.

Optuna's own ``JournalStorage`` parses each line that it has just written and knows no transactions; this one applies
the operation that it wrote, and writes a whole suggestion as one line. The lines stay Optuna's (its own storage reads
them), with a few additional members that its reader ignores:

- ``more``: the transaction goes on in the next line (see ``journal``).
- ``seen``: how many operations the history had from which a suggestion was drawn; this makes a suggestion that was
  drawn while results came in repeatable.
- ``seconds``, ``metrics``, ``checkpoint``: of a report; kept in the trial's user attributes ``clock``, ``last`` and
  ``checkpoint``.

Lines that another program appended (optuna-dashboard, Optuna) are in the history at their place; what they may change
is said in ``foreign``.

A trial is never changed, it is replaced: a list of trials that was taken once stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from zoo.errors import StudyError
from zoo.search import foreign
from zoo.search.journal import WRITER
from zoo.search.metrics import Limit
from zoo.search.operations import (
    EMPTY_TRIAL,
    STUDY_ID,
    Distributions,
    Log,
    NoLog,
    Operation,
    StudyHead,
    changed_trial,
    created_trial,
    judged_trial,
    moment,
)
from zoo.search.study_attributes import StudyAttributes
from zoo.search.trial_attributes import TrialAttributes, judged

__all__ = ["StudyStorage"]

_logger = logging.getLogger(__name__)


class StudyStorage(BaseStorage):  # type: ignore[misc]  # optuna is not followed by mypy
    """One study's trials (Optuna's storage contract, without what needs several studies).

    Args:
        log: Where each operation is written before it is applied; None in memory only.
    """

    def __init__(self, log: Log | None = None) -> None:
        self._log = log or NoLog()
        #: Whether there is somebody to be told of what other programs must not do.
        self._warns = log is not None
        self._study: StudyHead | None = None
        self.trials: list[FrozenTrial] = []
        #: Number of operations so far.
        self.position = 0
        self._distributions = Distributions()
        #: Optuna counts the trials of all studies of a file: id -> our number, or None; and our number -> id.
        self._numbers: list[int | None] = []
        self._ids: list[int] = []
        self._others = foreign.Others()
        #: The thresholds as they are now.
        self._limits: Mapping[str, Limit] = {}

    # operations

    def apply(self, operation: Mapping[str, Any]) -> None:
        """Take in one operation of a journal."""
        self.position += 1
        if operation.get("worker_id", WRITER) != WRITER and self._others.apart:
            self._take_foreign(operation)
            return
        code = operation["op_code"]
        if code == Operation.CREATE_STUDY:
            self._others = foreign.Others(operation["study_name"], apart=operation.get("worker_id") == WRITER)
            self._study = StudyHead(operation["study_name"], [StudyDirection(d) for d in operation["directions"]])
        elif code in (Operation.SET_STUDY_USER_ATTR, Operation.SET_STUDY_SYSTEM_ATTR):
            self._set_study_attr(operation)
        elif code == Operation.CREATE_TRIAL:
            self._create_trial(operation)
        else:
            number = self.number_of(operation)
            self._others.waiting.discard(number)
            self._change_trial(number, operation)

    def _take_foreign(self, operation: Mapping[str, Any]) -> None:
        """Take in what another program appended, as far as it may."""
        code = operation["op_code"]
        trial = None
        try:
            if code in foreign.OF_TRIALS:
                number = self.number_of(operation)
                trial = self.trials[number] if number >= 0 else None
            verdict = self._others.judge(operation, trial, count=len(self.trials))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            verdict = foreign.ForeignVerdict(
                refused=f"a line of another program is not understood, and left out: {error!r}"
            )
        if verdict.elsewhere:
            self._numbers.append(None)
        elif verdict.operation is not None and code == Operation.CREATE_TRIAL:
            self._create_trial(verdict.operation)
        elif verdict.operation is not None and trial is not None:
            self._change_trial(trial.number, verdict.operation)
        elif verdict.operation is not None:
            self._set_study_attr(verdict.operation)
        if verdict.refused and self._warns:
            _logger.warning("%s", verdict.refused)

    def number_of(self, operation: Mapping[str, Any]) -> int:
        """Return which of the study's trials an operation is about; -1 for none."""
        at = operation["trial_id"]
        number = self._numbers[at] if 0 <= at < len(self._numbers) else None
        return -1 if number is None else number

    def arrived(self) -> list[int]:
        """Return the trials that other programs have queued since this was called last."""
        found, self._others.arrived = self._others.arrived, []
        return [number for number in found if number in self._others.waiting]

    def _write(self, code: Operation, **members: Any) -> None:
        if "trial_id" in members:
            members["trial_id"] = self._ids[members["trial_id"]]
        operation = {"op_code": int(code), "worker_id": WRITER, **members}
        self._log.append(operation)
        self.apply(operation)

    def _set_study_attr(self, operation: Mapping[str, Any]) -> None:
        study = self.study
        if "user_attr" not in operation:
            study.system_attrs = {**study.system_attrs, **operation["system_attr"]}
            return
        study.user_attrs = {**study.user_attrs, **operation["user_attr"]}
        if StudyAttributes.tells_limits(operation["user_attr"]):
            # A threshold was edited: what was told so far is judged anew.
            self._limits = self.attributes.limits
            self.trials = [judged_trial(trial, self._limits) for trial in self.trials]

    def _create_trial(self, operation: Mapping[str, Any]) -> None:
        self._ids.append(len(self._numbers))
        self._numbers.append(len(self.trials))
        self.trials.append(created_trial(len(self.trials), operation, self._distributions))

    def _change_trial(self, number: int, operation: Mapping[str, Any]) -> None:
        self.trials[number] = changed_trial(self.trials[number], operation, self._distributions, self._limits)

    # what the study writes

    @property
    def study(self) -> StudyHead:
        """The study's own record."""
        if self._study is None:
            raise StudyError("a journal must begin with its study, but this one does not", "choose another path")
        return self._study

    @property
    def attributes(self) -> StudyAttributes:
        """What the study keeps about itself."""
        return StudyAttributes(self.study)

    @property
    def empty(self) -> bool:
        """Whether the study was not created yet."""
        return self._study is None

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """All or none of the operations inside are there after a crash; see ``StudyJournal.transaction``."""
        return self._log.transaction(durable=durable)

    def add(self, drawn: FrozenTrial, user_attrs: Mapping[str, Any], *, seen: int) -> int:
        """Add a running trial with a suggestion that was drawn elsewhere, and return its number."""
        begun = {"datetime_start": moment()}
        return self._create(drawn, TrialState.RUNNING, begun, user_attrs, drawn.system_attrs, seen=seen)

    def queue(self, user_attrs: Mapping[str, Any], fixed: Mapping[str, Any]) -> int:
        """Add a waiting trial, and return its number."""
        system = {"fixed_params": dict(fixed)}
        return self._create(EMPTY_TRIAL, TrialState.WAITING, {"datetime_start": None}, user_attrs, system)

    def _create(
        self,
        trial: FrozenTrial,
        state: TrialState,
        when: Mapping[str, str | None],
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
        **extra: Any,
    ) -> int:
        """Add a trial with the parameters, values and reports of another one, and return its number."""
        self._write(
            Operation.CREATE_TRIAL,
            study_id=STUDY_ID,
            **when,
            state=int(state),
            value=None,
            values=trial.values,
            params={name: trial.distributions[name].to_internal_repr(value) for name, value in trial.params.items()},
            distributions=self._distributions.texts(trial.distributions),
            user_attrs=dict(user_attrs),
            system_attrs=dict(system_attrs),
            intermediate_values={str(step): value for step, value in trial.intermediate_values.items()},
            **extra,
        )
        return len(self.trials) - 1

    def start(self, number: int, drawn: FrozenTrial, *, seen: int) -> None:
        """Let a waiting trial run with a suggestion that was drawn elsewhere."""
        for name, value in drawn.params.items():
            distribution = drawn.distributions[name]
            self.set_trial_param(number, name, distribution.to_internal_repr(value), distribution)
        for key, value in drawn.system_attrs.items():
            if key != "fixed_params":
                self.set_trial_system_attr(number, key, value)
        begun = {"state": int(TrialState.RUNNING), "values": None, "datetime_start": moment(), "seen": seen}
        self._write(Operation.SET_TRIAL_STATE_VALUES, trial_id=number, **begun)

    def report(self, number: int, step: int, value: float, **extra: Any) -> None:
        """Store an intermediate value with its ``seconds`` and, if any, ``metrics`` and ``checkpoint``."""
        code = Operation.SET_TRIAL_INTERMEDIATE_VALUE
        self._write(code, trial_id=number, step=step, intermediate_value=value, **extra)

    def thaw(self, number: int, *, seen: int | None) -> None:
        """Let a paused trial go on; ``seen`` if a sampler chose it from so many operations."""
        extra = {} if seen is None else {"seen": seen}
        self._write(Operation.SET_TRIAL_USER_ATTR, trial_id=number, user_attr=TrialAttributes.of_resumed(), **extra)

    def finish(self, number: int, state: str, values: Sequence[float] | None, attrs: Mapping[str, Any]) -> None:
        """Give a trial its last attributes, its constraints and its final state."""
        self.set_trial(number, attrs)
        system = judged(self.trials[number], self._limits) or {}
        for key in [key for key in system if key not in self.trials[number].system_attrs]:
            self.set_trial_system_attr(number, key, system[key])
        self.set_trial_state_values(number, TrialState[state], values)

    def close(self) -> None:
        """Close the journal."""
        self._log.close()

    def set_study(self, attrs: Mapping[str, Any]) -> None:
        """Set user attributes of the study."""
        for key, value in attrs.items():
            self.set_study_user_attr(STUDY_ID, key, value)

    def set_trial(self, number: int, attrs: Mapping[str, Any]) -> None:
        """Set user attributes of a trial."""
        for key, value in attrs.items():
            self.set_trial_user_attr(number, key, value)

    # Optuna's contract

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Begin the study."""
        if self._study is not None:
            raise StudyError("a journal must hold one study, but a second one is created", "use another journal")
        self._write(Operation.CREATE_STUDY, study_name=study_name, directions=[int(d) for d in directions])
        return STUDY_ID

    def delete_study(self, study_id: int) -> None:
        """Refuse: a study is its journal."""
        raise StudyError("a study cannot be deleted from its journal", "delete the file")

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a user attribute of the study."""
        self._write(Operation.SET_STUDY_USER_ATTR, study_id=STUDY_ID, user_attr={key: value})

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of the study."""
        self._write(Operation.SET_STUDY_SYSTEM_ATTR, study_id=STUDY_ID, system_attr={key: value})

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the study's id."""
        if self._study is None or self._study.study_name != study_name:
            raise KeyError(study_name)
        return STUDY_ID

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return the study's name."""
        return str(self.study.study_name)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return one direction per objective."""
        return list(self.study.directions)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the study's user attributes."""
        return dict(self.study.user_attrs)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the study's system attributes."""
        return dict(self.study.system_attrs)

    def get_all_studies(self) -> list[StudyHead]:
        """Return the study."""
        return [] if self._study is None else [self._study]

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial, running and empty or as the template says."""
        if template_trial is None:
            return self.add(EMPTY_TRIAL, {}, seen=self.position)
        t = template_trial
        when = {"datetime_start": t.datetime_start, "datetime_complete": t.datetime_complete}
        told = {name: None if at is None else at.astimezone(UTC).isoformat() for name, at in when.items()}
        return self._create(t, t.state, told, t.user_attrs, t.system_attrs)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter."""
        self._write(
            Operation.SET_TRIAL_PARAM,
            trial_id=trial_id,
            param_name=param_name,
            param_value_internal=param_value_internal,
            distribution=self._distributions.text(distribution),
        )

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set state and values."""
        if state == TrialState.RUNNING and self.trials[trial_id].state != TrialState.WAITING:
            return False
        when = {"datetime_start": moment()} if state == TrialState.RUNNING else {}
        if state.is_finished():
            when = {"datetime_complete": moment()}
        told = None if values is None else [float(value) for value in values]
        self._write(Operation.SET_TRIAL_STATE_VALUES, trial_id=trial_id, state=int(state), values=told, **when)
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Set an intermediate value."""
        self.report(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a trial."""
        self._write(Operation.SET_TRIAL_USER_ATTR, trial_id=trial_id, user_attr={key: value})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a trial."""
        self._write(Operation.SET_TRIAL_SYSTEM_ATTR, trial_id=trial_id, system_attr={key: value})

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial; it must not be changed."""
        return self.trials[trial_id]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials; they must not be changed, so no copy of them is made."""
        if states is None:
            return list(self.trials)
        return [trial for trial in self.trials if trial.state in states]

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return the id of a trial: its number."""
        if not 0 <= trial_number < len(self.trials):
            raise KeyError(trial_number)
        return trial_number
