"""What Ray Tune runs in a worker process: the pool's trainer behind Tune's interface."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ray.tune import Trainable

from zoo.search.metrics import Result, Value
from zoo.search.runners.outcome import Train, TrainingReport
from zoo.search.runners.trainer import Message, Trainer, WorkerPlace
from zoo.search.stoppers.base import Decision
from zoo.search.trial import Channel, Trial

__all__ = ["MESSAGE", "Equipment", "StudyTrainable"]

#: Key of the message in a result; it is taken out before any logger sees it.
MESSAGE = "zoo_message"


@dataclass(frozen=True)
class Equipment:
    """What a worker is given once.

    Args:
        train: Reference to the training in Ray's object store.
        metric: Name of the first objective.
        paths: The driver's ``sys.path``, see ``Trainer``.
        threads: Threads of numerical libraries, see ``Trainer``.
        memory: Bytes that one training may allocate; None for no bound.
        store: Folder of checkpoints and the mark in it, see ``Trainer``.
        grace: Seconds that a training may take to end.
    """

    train: Any
    metric: str
    paths: list[str]
    threads: int
    memory: int | None
    store: tuple[str, str] | None
    grace: float


class StudyTrainable(Trainable):  # type: ignore[misc]  # Ray is not typed
    """One worker. ``expect`` says what the next ``step`` begins with; further steps go on with that.

    A trial goes on from the study's checkpoint, whoever trained it before. What Tune saves are copies of what trainings
    report, for its storage.
    """

    def setup(self, config: dict[str, Any], *, equipment: Equipment | None = None) -> None:
        """Take the training."""
        import ray

        assert equipment is not None
        self._equipment = equipment
        self._trainer = Trainer(equipment.paths, equipment.threads, equipment.memory, equipment.store)
        self._trial: Trial | None = None
        self._packed: bytes | None = None
        self._message: Message | None = None
        self._checkpoint: str | None = None
        self._number = -1
        #: What loggers see: the newest of everything.
        self._shown: dict[str, Any] = {}
        #: Why the training cannot be read here.
        self._unreadable = ""
        try:
            train: Train = ray.get(equipment.train)
        except Exception as error:  # whatever unpickling raises
            self._unreadable = f"{type(error).__name__}: {error}"
        else:
            self._trainer.prepare(lambda trial: train(replace(trial, channel=_NotingChannel(self, trial.channel))))

    def place(self) -> tuple[WorkerPlace, str]:
        """Say where this is, and why the training cannot be read here, if so."""
        return self._trainer.ping(), self._unreadable

    def expect(self, trial: Trial, packed: bytes | None) -> None:
        """Take what the next step begins with, and the checkpoint itself if this process does not see it."""
        self._trial, self._packed, self._number, self._checkpoint = trial, packed, trial.number, None
        self._shown = {"training_iteration": trial.step} if trial.step else {}

    def step(self) -> dict[str, Any]:
        """Train until the next report or the end."""
        trial, packed = self._trial, self._packed
        self._trial = self._packed = None
        self._message = self._trainer.go_on("continue") if trial is None else self._trainer.begin(trial, packed)
        message, value = self._message, self._message.value
        reports = isinstance(message, TrainingReport)
        if isinstance(message, TrainingReport):
            self._shown["training_iteration"] = message.step
        if isinstance(value, Result):
            value = value.values
        if value is not None:
            # The end repeats what was reported last, as Tune's own functions do: loggers expect all names in each.
            self._shown |= dict(value) if isinstance(value, Mapping) else {self._equipment.metric: value}
        return {**self._shown, "should_checkpoint": reports and self._checkpoint is not None, MESSAGE: message}

    def note(self, checkpoint: str | None) -> None:
        """Keep the place of the checkpoint that is being reported; it is there until the report is answered."""
        self._checkpoint = checkpoint

    def end(self, decision: Decision) -> None:
        """Let a training come to its end; one that does not within the grace takes the process with it."""
        if not isinstance(self._message, TrainingReport):
            return
        timer = threading.Timer(self._equipment.grace, os._exit, [1])
        timer.daemon = True
        timer.start()
        while isinstance(self._message, TrainingReport):
            self._message = self._trainer.go_on(decision)
            decision = "stop"
        timer.cancel()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Make ready for another trial."""
        self.end("stop")
        self.config = new_config
        return True

    def cleanup(self) -> None:
        """End the training."""
        self.end("stop")

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Copy what was reported last for Tune's storage."""
        folder = Path(checkpoint_dir)
        if self._checkpoint is not None:
            source = Path(self._checkpoint)
            if source.is_dir():
                shutil.copytree(source, folder, dirs_exist_ok=True)
            else:
                shutil.copy2(source, folder)
        # Never empty: an object store has no empty folders, and Tune would miss it.
        (folder / "zoo_trial.json").write_text(json.dumps({"number": self._number}), encoding="utf-8")

    def load_checkpoint(self, checkpoint: object) -> None:
        """Do nothing: ``expect`` brings the study's."""


class _NotingChannel:
    """Notes checkpoints on their way."""

    def __init__(self, worker: StudyTrainable, channel: Channel | None) -> None:
        self._worker, self._channel = worker, cast(Channel, channel)

    def report(
        self, number: int, step: int, value: Value, *, seconds: float | None, checkpoint: str | None
    ) -> Decision:
        self._worker.note(checkpoint)
        return self._channel.report(number, step, value, seconds=seconds, checkpoint=checkpoint)
