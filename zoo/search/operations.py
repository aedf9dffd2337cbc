"""The operations of a journal in Optuna's format: where they are written, and what each of them makes of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Protocol, cast

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from zoo.errors import StudyError
from zoo.search.metrics import Limit
from zoo.search.trial_attributes import judged, of_report, with_whole_steps

__all__ = [
    "EMPTY_TRIAL",
    "STUDY_ID",
    "Distributions",
    "Log",
    "NoLog",
    "Operation",
    "StudyHead",
    "changed_trial",
    "copied",
    "created_trial",
    "judged_trial",
    "moment",
]

#: A journal holds one study of ours.
STUDY_ID = 0


@dataclass
class StudyHead:
    """What a study is besides its trials: the part of Optuna's own record of a study that its public functions read.

    Args:
        study_name: The name by which Optuna finds it.
        directions: Whether less or more is better, one per objective.
        user_attrs: What the study keeps with itself, see ``study_attributes``.
        system_attrs: What Optuna and its dashboard keep with it.
    """

    study_name: str
    directions: list[StudyDirection]
    user_attrs: Mapping[str, Any] = field(default_factory=dict)
    system_attrs: Mapping[str, Any] = field(default_factory=dict)
    _study_id: int = STUDY_ID

    @property
    def direction(self) -> StudyDirection:
        """The direction of the first objective."""
        return self.directions[0]


class Log(Protocol):
    """Where operations are written: a file, or nowhere."""

    def append(self, operation: Mapping[str, Any]) -> None:
        """Add an operation to the current transaction."""

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """All or none of the operations inside are there after a crash."""

    def close(self) -> None:
        """Close it."""


class NoLog:
    """Memory, which loses everything or nothing."""

    def append(self, operation: Mapping[str, Any]) -> None:
        """Do nothing."""

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return _NO_TRANSACTION

    def close(self) -> None:
        """Do nothing."""


_NO_TRANSACTION = nullcontext()


class Operation(IntEnum):
    """Optuna's numbers of the operations in a journal."""

    CREATE_STUDY = 0
    SET_STUDY_USER_ATTR = 2
    SET_STUDY_SYSTEM_ATTR = 3
    CREATE_TRIAL = 4
    SET_TRIAL_PARAM = 5
    SET_TRIAL_STATE_VALUES = 6
    SET_TRIAL_INTERMEDIATE_VALUE = 7
    SET_TRIAL_USER_ATTR = 8
    SET_TRIAL_SYSTEM_ATTR = 9


class Distributions:
    """Optuna's distributions and their texts in a journal, each parsed and written once."""

    def __init__(self) -> None:
        self._texts: dict[BaseDistribution, str] = {}
        self._parsed: dict[str, BaseDistribution] = {}

    def parsed(self, text: str) -> BaseDistribution:
        """Return the distribution that a text describes."""
        if text not in self._parsed:
            self._parsed[text] = json_to_distribution(text)
        return self._parsed[text]

    def text(self, distribution: BaseDistribution) -> str:
        """Return the text of a distribution."""
        if distribution not in self._texts:
            self._texts[distribution] = distribution_to_json(distribution)
        return self._texts[distribution]

    def texts(self, distributions: Mapping[str, BaseDistribution]) -> dict[str, str]:
        """Return the texts of several distributions, by parameter."""
        return {name: self.text(distribution) for name, distribution in distributions.items()}


def created_trial(number: int, operation: Mapping[str, Any], known: Distributions) -> FrozenTrial:
    """Return the trial that a line creates.

    Args:
        number: Its number and id in the study.
        operation: The line as it was read.
        known: Parses the distributions in it.
    """
    distributions = {name: known.parsed(text) for name, text in operation.get("distributions", {}).items()}
    internal = operation.get("params", {})
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState(operation.get("state", TrialState.RUNNING)),
        value=operation.get("value"),
        values=operation.get("values"),
        params={name: distributions[name].to_external_repr(value) for name, value in internal.items()},
        distributions=distributions,
        user_attrs=dict(operation.get("user_attrs", {})),
        system_attrs=dict(operation.get("system_attrs", {})),
        intermediate_values={int(k): v for k, v in operation.get("intermediate_values", {}).items()},
        datetime_start=_local(operation.get("datetime_start")),
        datetime_complete=_local(operation.get("datetime_complete")),
    )


def changed_trial(
    old: FrozenTrial, operation: Mapping[str, Any], known: Distributions, limits: Mapping[str, Limit]
) -> FrozenTrial:
    """Return what a line makes of a trial; the old one stays as it was.

    Args:
        old: The trial as it was before.
        operation: The line as it was read.
        known: Parses the distributions in it.
        limits: The thresholds by which a trial that ends is judged.

    Raises:
        StudyError: The trial has ended already.
    """
    if old.state.is_finished():
        raise StudyError(
            f"a finished trial must not change, but trial {old.number} is told again",
            "the journal was written by another program; restore it from a copy",
        )
    trial, code = copied(old), operation["op_code"]
    if code == Operation.SET_TRIAL_INTERMEDIATE_VALUE:
        step = int(operation["step"])
        trial.intermediate_values = {**old.intermediate_values, step: operation["intermediate_value"]}
        extra = of_report(old.user_attrs, step, operation)
        if extra:
            trial.user_attrs = {**old.user_attrs, **extra}
    elif code == Operation.SET_TRIAL_STATE_VALUES:
        return _with_state(trial, operation, limits)
    elif code == Operation.SET_TRIAL_USER_ATTR:
        trial.user_attrs = {**old.user_attrs, **with_whole_steps(operation["user_attr"])}
    elif code == Operation.SET_TRIAL_SYSTEM_ATTR:
        trial.system_attrs = {**old.system_attrs, **operation["system_attr"]}
    elif code == Operation.SET_TRIAL_PARAM:
        name, distribution = operation["param_name"], known.parsed(operation["distribution"])
        trial.params = {**old.params, name: distribution.to_external_repr(operation["param_value_internal"])}
        trial.distributions = {**old.distributions, name: distribution}
    return trial


def copied(trial: FrozenTrial) -> FrozenTrial:
    """Return a shallow copy, whose attributes may be set."""
    # By hand: copy.copy takes four times as long, and there is one copy per report.
    copy = cast(FrozenTrial, FrozenTrial.__new__(FrozenTrial))
    copy.__dict__.update(trial.__dict__)
    return copy


def _with_state(trial: FrozenTrial, operation: Mapping[str, Any], limits: Mapping[str, Limit]) -> FrozenTrial:
    trial.state = TrialState(operation["state"])
    if operation.get("values") is not None:
        trial.values = operation["values"]
    if "datetime_start" in operation:
        trial.datetime_start = _local(operation["datetime_start"])
    if "datetime_complete" in operation:
        trial.datetime_complete = _local(operation["datetime_complete"])
    if "user_attr" in operation:  # of a trial that another program ends, see ``foreign``
        trial.user_attrs = {**trial.user_attrs, **operation["user_attr"]}
    return judged_trial(trial, limits) if trial.state.is_finished() else trial


def judged_trial(trial: FrozenTrial, limits: Mapping[str, Limit]) -> FrozenTrial:
    """Return the trial with Optuna's constraint values as the thresholds make them."""
    system = judged(trial, limits)
    if system is None:
        return trial
    trial = copied(trial)
    trial.system_attrs = system
    return trial


def moment() -> str:
    """Return this moment in words that the dashboard reads; no decision does."""
    return datetime.now(tz=UTC).isoformat(timespec="microseconds")


def _local(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone().replace(tzinfo=None)


#: What Optuna's own ``ask`` begins with.
EMPTY_TRIAL = created_trial(0, {}, Distributions())
