"""What a study hands out, and what it remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

__all__ = ["FailureKind", "State", "Trial", "TrialRecord"]

State: TypeAlias = Literal["queued", "running", "complete", "failed"]


class FailureKind(StrEnum):
    """Why a trial has no value.

    The first four are the configuration's fault: the sampler learns to keep away. ``PRUNED`` was stopped on purpose and
    the sampler sees its reports, never a final value. ``LOST`` and ``BUDGET`` say nothing about the configuration.
    """

    EXCEPTION = "exception"
    NAN = "nan"
    TIME_LIMIT = "time_limit"
    MEMORY = "memory"
    PRUNED = "pruned"
    LOST = "lost"
    BUDGET = "budget"

    @property
    def teaches(self) -> bool:
        """Whether the sampler is told about it."""
        return self not in (FailureKind.LOST, FailureKind.BUDGET)


@dataclass(frozen=True)
class Trial:
    """One configuration to be evaluated."""

    number: int
    params: Mapping[str, Any]
    tag: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """All that a study knows about one trial.

    Args:
        number: Counts from 0 in the order of asking and queueing; also its id.
        params: The existing parameters; for a queued trial the ones that were given.
        state: "queued", "running", "complete" or "failed".
        value: The objective of a complete trial, else None.
        reports: Step -> intermediate value.
        failure: Kind of a failed trial.
        message: What went wrong, in words.
        seconds: Time the evaluation took.
        attrs: What the driver stored with the result.
        tag: What the queue's filler called it.
    """

    number: int
    params: Mapping[str, Any]
    state: State
    value: float | None = None
    reports: Mapping[int, float] = field(default_factory=dict)
    failure: FailureKind | None = None
    message: str = ""
    seconds: float | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""
