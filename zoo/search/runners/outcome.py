"""What a training came to, and what the study is told of it: the same for all drivers."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from zoo.errors import ConfigError
from zoo.search.metrics import Result, Value
from zoo.search.stoppers.base import Decision
from zoo.search.study import Study
from zoo.search.trial import Diverged, FailureKind, Paused, Stopped, Trial
from zoo.workers.process import is_memory_fault

__all__ = [
    "Train",
    "TrainingOutcome",
    "TrainingReport",
    "call",
    "decide",
    "end_with_study",
    "give_back",
    "lose",
    "overdue",
    "settle",
]

#: A training: reads ``trial.params``, calls ``trial.report``, returns the objective, all metrics by name, a ``Result``,
#: or None for what it reported last.
Train: TypeAlias = Callable[[Trial], Any]


@dataclass(frozen=True)
class TrainingReport:
    """What a training says on its way.

    Args:
        step: What was trained so far, as the training counts it.
        value: The first objective, or several metrics by name.
        seconds: What this step took, if the training says so; None: it is measured.
        checkpoint: Where it is, if the driver can see that.
        packed: The checkpoint itself, if it cannot.
    """

    step: int
    value: Value
    seconds: float | None
    checkpoint: str | None = None
    packed: bytes | None = None


@dataclass(frozen=True)
class TrainingOutcome:
    """The end of one run of a training, as plain values that any process can read.

    Args:
        status: "done", "failed", or "left": it let ``Stopped`` or ``Paused`` pass.
        value: What it returned, if done.
        kind: Class of the failure; None unless failed.
        message: Type and message of the exception.
        traceback: The exception's traceback as text.
    """

    status: Literal["done", "failed", "left"]
    value: Value | Result | None = None
    kind: FailureKind | None = None
    message: str = ""
    traceback: str = ""


def call(train: Train, trial: Trial) -> TrainingOutcome:
    """Run a training; nothing is raised but ``KeyboardInterrupt``."""
    try:
        return TrainingOutcome("done", _plain(train(trial)))
    except (Stopped, Paused):
        return TrainingOutcome("left")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        kind = FailureKind.EXCEPTION
        if isinstance(error, Diverged):
            kind = FailureKind.DIVERGENCE
        elif is_memory_fault(error):
            kind = FailureKind.MEMORY
        text = f"{type(error).__name__}: {error}"
        return TrainingOutcome("failed", kind=kind, message=text, traceback=traceback.format_exc())


def settle(study: Study, number: int, outcome: TrainingOutcome, *, seconds: float | None = None) -> None:
    """Tell the study what a training came to.

    Raises:
        ConfigError: The training returned something that the study cannot use, and none did better before: it will
            happen again. Once a trial is complete such a training only fails.
    """
    if number not in study.running:
        return  # stopped, paused or failed by its last report
    if outcome.status == "left":
        # It raised Stopped or Paused itself.
        study.stop(number, "the training ended itself", seconds=seconds)
    elif outcome.status == "failed":
        kind = outcome.kind or FailureKind.EXCEPTION
        attrs = {"traceback": outcome.traceback} if outcome.traceback else None
        study.fail(number, kind, outcome.message, seconds, attrs=attrs)
    else:
        try:
            study.tell(number, outcome.value, seconds=seconds)
        except ConfigError as error:
            study.fail(number, FailureKind.EXCEPTION, error.message, seconds)
            if not any(record.state == "complete" for record in study.trials):
                raise


def overdue(limit: float | None) -> TrainingOutcome:
    """Return the outcome of a training that took longer than it may.

    Args:
        limit: Seconds that one training may take.
    """
    return TrainingOutcome("failed", kind=FailureKind.TIME_LIMIT, message=f"more than {limit:g} s")


def end_with_study(study: Study, number: int) -> None:
    """End a training that has not reported since the study's time is over: paused where it can go on, else failed."""
    if study.checkpoint(number) is not None:
        study.pause(number)
    else:
        study.fail(number, FailureKind.BUDGET, "the study's time ended before it did")


def give_back(study: Study) -> None:
    """Give all running trials back, to be handed out again when the study goes on."""
    for number in study.running:
        study.release(number)


def decide(study: Study, number: int, report: TrainingReport) -> Decision:
    """Bring a report to the study, and return its decision; "stop" for a trial that does not run any more.

    Raises:
        ConfigError: The study cannot use the report, and no training did better before: it will happen again. Once a
            trial is complete such a training only fails.
    """
    if number not in study.running:
        return "stop"
    checkpoint: str | Path | None = report.checkpoint
    if report.packed is not None:
        assert study.checkpoints is not None
        checkpoint = study.checkpoints.keep_packed(number, report.step, report.packed)
    try:
        return study.report(number, report.step, report.value, seconds=report.seconds, checkpoint=checkpoint)
    except ConfigError as error:
        settle(study, number, TrainingOutcome("failed", kind=FailureKind.EXCEPTION, message=error.message))
        if not any(record.state == "complete" for record in study.trials):
            raise
        return "stop"


def lose(study: Study, number: int, reason: str, *, memory: bool) -> None:
    """Tell the study that a worker died with its trial.

    Args:
        study: The study that the trial belongs to.
        number: The number of the trial.
        reason: Why the worker died, in Ray's words.
        memory: Whether Ray itself ended the worker, since its machine was short of memory.
    """
    last = study.trials[number].losses + 1 >= study.settings.options.max_losses
    if memory and last:
        study.fail(number, FailureKind.MEMORY, f"its machine ran out of memory again and again: {reason}")
    else:
        study.lose(number, reason)


def _plain(value: Any) -> Value | Result | None:
    """Turn numbers of numpy and tensors into Python's: the driver may not have the library that made them."""
    if isinstance(value, Result):
        stderr = {name: float(number) for name, number in value.stderr.items()}
        return replace(value, values=_plain(value.values), stderr=stderr)  # type: ignore[arg-type]
    if value is None or isinstance(value, str | bytes | bool):
        return value  # type: ignore[return-value]  # the study refuses it with the metric's name
    if isinstance(value, Mapping):
        return {str(name): float(number) for name, number in value.items()}
    return float(value)
