"""What a study hands out, and what it remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

from zoo.errors import ConfigError
from zoo.search.metrics import Value
from zoo.search.stoppers.base import Decision

__all__ = ["Channel", "Diverged", "FailureKind", "Paused", "State", "Stopped", "Trial", "TrialRecord"]

State: TypeAlias = Literal["queued", "running", "paused", "complete", "stopped", "failed"]


class FailureKind(StrEnum):
    """Why a trial has no value.

    ``LOST`` (the machine's fault, again and again), ``BUDGET`` (it was ended for want of time) and ``FOREIGN`` (another
    program runs it in this study's journal) say nothing about the configuration. The others are its own fault: the
    sampler learns to keep away.
    """

    EXCEPTION = "exception"
    NAN = "nan"
    INFINITE = "infinite"
    DIVERGENCE = "divergence"
    MEMORY = "memory"
    TIME_LIMIT = "time_limit"
    LOST = "lost"
    BUDGET = "budget"
    FOREIGN = "foreign"

    @property
    def teaches(self) -> bool:
        """Whether the sampler is told about it."""
        return self not in (FailureKind.LOST, FailureKind.BUDGET, FailureKind.FOREIGN)


class Stopped(BaseException):  # an order, not an error
    """The study wants no more of this trial: let it pass, after cleaning up.

    Not an ``Exception``, so that a training that catches those does not go on by mistake.
    """


class Paused(BaseException):
    """The trial shall give way now; it may be called again later with the checkpoint that it reported last."""


class Diverged(Exception):
    """A training raises it when it sees that it leads nowhere: the trial fails as ``FailureKind.DIVERGENCE``."""


class Channel(Protocol):
    """The way of a report to the study; a driver gives each trial one."""

    def report(
        self, number: int, step: int, value: Value, *, seconds: float | None, checkpoint: str | None
    ) -> Decision:
        """Bring a report to the study, and its decision back."""


@dataclass(frozen=True)
class Trial:
    """One configuration to be evaluated, as a training receives it.

    Args:
        number: Counts from 0 in the order of asking and queueing; also its id.
        params: What to train with.
        tag: What the queue's filler called it.
        step: The last step of which there is a checkpoint; 0 for a training that begins.
        checkpoint: Directory of that checkpoint, or None.
        seed: For the training's own chance; a function of the study's seed and the number.
        scale: Factor on the declared resources: more than 1 in a retry after exhausted memory.
        channel: Set by the driver.
    """

    number: int
    params: Mapping[str, Any]
    tag: str = ""
    step: int = 0
    checkpoint: str | None = None
    scale: float = 1.0
    seed: int = 0
    channel: Channel | None = field(default=None, compare=False, repr=False)

    def report(self, step: int, value: Value, checkpoint: object = None, *, seconds: float | None = None) -> None:
        """Tell the study how it goes.

        Args:
            step: Counts what was trained so far (epochs, iterations), from 1 upwards.
            value: The first objective, or several metrics by name.
            checkpoint: A directory (or file) from which the training can go on after this step. It is copied before
                this call returns.
            seconds: What the training took since the last report, where it knows better than the clock.

        Raises:
            Stopped: The study wants no more of this trial.
            Paused: It may go on later.
            ConfigError: The trial does not run in a driver.
        """
        if self.channel is None:
            raise ConfigError(
                "trial.report needs a driver, but the trial was asked by hand", "use study.report(number, step, value)"
            )
        path = None if checkpoint is None else str(checkpoint)
        decision = self.channel.report(self.number, step, value, seconds=seconds, checkpoint=path)
        if decision == "stop":
            raise Stopped(f"trial {self.number} was stopped at step {step}")
        if decision == "pause":
            raise Paused(f"trial {self.number} was paused at step {step}")


@dataclass(frozen=True)
class TrialRecord:
    """All that a study knows about one trial.

    Args:
        number: Counts from 0 in the order of asking and queueing; also its id.
        params: The existing parameters; for a queued trial the ones that were given.
        state: "queued", "running" (also: to go on after a loss), "paused", "complete", "stopped" (by the stopper, on
            purpose) or "failed".
        value: The first objective of a complete trial, else None.
        reports: Step -> intermediate value of the first objective.
        failure: Kind of a failed trial.
        message: What went wrong, in words.
        seconds: Time the evaluation took, without pauses and without work that was lost.
        attrs: What the driver or the training stored with the result.
        tag: What the queue's filler called it.
        metrics: All values of a complete trial; what was reported last of another one.
        stderr: Standard errors that came with the values.
        cost: In the units of the budget; None before the end.
        feasible: Whether all thresholds, as they are now, hold; True where nothing was measured.
        checkpoint: The last one that is kept, relative to the study's folder; "" without.
        step: The last step reported.
        losses: How often the machine lost it.
        clock: Step -> seconds of training until then.
        runs: (start, end) of each time that it was worked on, in seconds of study time.
        started: Study time at which it was handed out first; None while it is queued.
        origin: Number of the trial from whose checkpoint it went on; None if it began anew.
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
    metrics: Mapping[str, float] = field(default_factory=dict)
    stderr: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    feasible: bool = True
    checkpoint: str = ""
    step: int = 0
    losses: int = 0
    clock: Mapping[int, float] = field(default_factory=dict)
    runs: tuple[tuple[float, float], ...] = ()
    started: float | None = None
    origin: int | None = None
