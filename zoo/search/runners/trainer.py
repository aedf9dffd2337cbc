"""What runs inside a worker process that trains: the training in a thread, its reports through the actor's answers."""

from __future__ import annotations

import gc
import os
import queue
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.search.checkpoints import CheckpointStore, pack, unpack
from zoo.search.metrics import Value
from zoo.search.runners.outcome import Train, TrainingOutcome, TrainingReport, call
from zoo.search.stoppers.base import Decision
from zoo.search.trial import Stopped, Trial
from zoo.workers.process import MemoryLimit, begin_process

__all__ = ["Message", "Trainer", "WorkerPlace"]


#: What a worker answers: a training's next report, or its end.
Message = TrainingReport | TrainingOutcome


@dataclass(frozen=True)
class WorkerPlace:
    """Where a worker is.

    Args:
        pid: Number of its process on its node.
        sees: Whether it sees the study's folder of checkpoints.
    """

    pid: int
    sees: bool


class Trainer:
    """One process: given the function once, then trial after trial.

    The driver calls ``begin`` and then ``go_on`` with each decision; both return when the training reports or ends. So
    a report costs one call.

    Args:
        paths: The driver's ``sys.path``, see ``begin_process``.
        memory_limit: Bytes that one training may allocate beyond what the process holds when it starts.
        threads: How many threads numerical libraries may use.
        store: The study's folder of checkpoints and a file in it that exists as long as the driver runs; None keeps
            checkpoints where they are.
    """

    def __init__(self, paths: list[str], threads: int, memory_limit: int | None, store: tuple[str, str] | None) -> None:
        begin_process(paths, threads)
        self._memory_limit = memory_limit
        self._store = store
        self._train: Train | None = None
        self._said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Decision] = queue.SimpleQueue()
        self._limit: MemoryLimit | None = None
        self._own: str | None = None

    def ping(self) -> WorkerPlace:
        """Say that the worker has been scheduled."""
        return WorkerPlace(os.getpid(), self._sees())

    def _sees(self) -> bool:
        return self._store is not None and os.path.exists(self._store[1])

    def prepare(self, train: Train) -> None:
        """Take the function; Ray has unpickled it before this runs."""
        self._train = train

    def begin(self, trial: Trial, packed: bytes | None) -> Message:
        """Start a trial, with the checkpoint itself if this process does not see it."""
        assert self._train is not None, "prepare comes first"
        if packed is not None:
            self._own = tempfile.mkdtemp(prefix="zoo-trial-")
            unpack(packed, Path(self._own))
            trial = replace(trial, checkpoint=self._own)
        # Queues of its own: what a training that did not let itself be stopped still says must not reach the next one.
        self._said, self._answers = queue.SimpleQueue(), queue.SimpleQueue()
        store, packs = self._store if self._sees() else None, self._store is not None
        channel = _TrainerChannel(self._said, self._answers, store, packs=packs)
        self._limit = MemoryLimit(self._memory_limit)
        self._limit.__enter__()
        args = (self._train, replace(trial, channel=channel), self._said)
        threading.Thread(target=_work, args=args, name=f"trial {trial.number}", daemon=True).start()
        return self._next()

    def go_on(self, decision: Decision) -> Message:
        """Answer the last report."""
        self._answers.put(decision)
        return self._next()

    def _next(self) -> Message:
        message = self._said.get()
        if isinstance(message, TrainingOutcome):
            assert self._limit is not None
            self._limit.__exit__(None, None, None)
            if self._own is not None:
                shutil.rmtree(self._own, ignore_errors=True)
                self._own = None
            torch = sys.modules.get("torch")
            if torch is not None:
                # The next training's GPU memory must not be what this one's garbage holds.
                gc.collect()
                if torch.cuda.is_available() and torch.cuda.is_initialized():
                    torch.cuda.empty_cache()
        return message


def _work(train: Train, trial: Trial, said: queue.SimpleQueue[Message]) -> None:
    said.put(call(train, trial))


class _TrainerChannel:
    """Brings a report from the training's thread to the actor, and waits for the answer."""

    def __init__(
        self,
        said: queue.SimpleQueue[Message],
        answers: queue.SimpleQueue[Decision],
        store: tuple[str, str] | None,
        *,
        packs: bool,
    ) -> None:
        self._said, self._answers, self._packs = said, answers, packs
        self._store = None if store is None else CheckpointStore(Path(store[0]))
        self._over = False

    def report(
        self, number: int, step: int, value: Value, *, seconds: float | None, checkpoint: str | None
    ) -> Decision:
        if self._over:
            raise Stopped(f"trial {number} reports although it was told to end")
        value = {name: float(v) for name, v in value.items()} if hasattr(value, "items") else float(value)
        packed: bytes | None = None
        if checkpoint is not None:
            # Here, in the worker: the driver must not wait for a copy of gigabytes.
            if self._store is not None:
                checkpoint = str(self._store.folder / self._store.keep(number, step, Path(checkpoint)))
            elif self._packs:
                packed, checkpoint = pack(Path(checkpoint)), None
        self._said.put(TrainingReport(step, value, seconds, checkpoint, packed))
        decision = self._answers.get()
        self._over = decision != "continue"
        return decision
