"""Trainings in virtual time: tabulated or simulated curves, run by the very study, samplers and stoppers of production.

A training says how long each step takes (``trial.report(step, value, seconds=…)``); a step without is measured. The
trainings run in threads of this process of which one at a time is released, the one whose next report or end comes
first in virtual time, so that the order of events is that of so many real workers, and the same in every run. Asking
takes no virtual time.

Open the study with a ``zoo.clock.ManualClock`` to have its clock, and a budget of time, in virtual seconds too.
"""

from __future__ import annotations

import heapq
import queue
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from zoo.clock import ManualClock
from zoo.interrupt import Interrupt
from zoo.search.metrics import Value
from zoo.search.progress import StudyProgress
from zoo.search.runners.outcome import Train, TrainingOutcome, TrainingReport, call, decide, give_back, overdue, settle
from zoo.search.stoppers.base import Decision
from zoo.search.study import Study
from zoo.search.trial import FailureKind, Stopped, Trial

if TYPE_CHECKING:
    from zoo.search.run import Ending, RunOptions

__all__ = ["drive"]


#: What a training says: its next report, or its end.
_Message: TypeAlias = TrainingReport | TrainingOutcome
_Answer: TypeAlias = "Decision | Trial | None"


def drive(study: Study, train: Train, options: RunOptions) -> Ending:
    """Run trainings in virtual time; see ``zoo.search.run``."""
    workers = options.workers or study.settings.parallel or 1
    with Interrupt().arm() as interrupts, StudyProgress(study, quiet=options.quiet) as progress:
        stage = _Stage(study, train, options.time_limit)
        try:
            return stage.run(workers, interrupts, progress)
        finally:
            stage.close()


class _Stage:
    """The virtual workers and their common time."""

    def __init__(self, study: Study, train: Train, time_limit: float | None) -> None:
        self._study, self._train, self._limit = study, train, time_limit
        self._clock = study.clock if isinstance(study.clock, ManualClock) else ManualClock()
        self._idle: list[_Actor] = []
        self._actors: list[_Actor] = []
        #: (moment, order, actor, what it says then)
        self._events: list[tuple[float, int, _Actor, _Message]] = []
        self._count = 0

    def run(self, workers: int, interrupts: Interrupt, progress: StudyProgress) -> Ending:
        """Release one training after the other until the study is done."""
        while not interrupts.requested:
            progress.show()
            while len(self._events) < workers and self._begin():
                pass
            if not self._events:
                return "done"
            moment, _, actor, message = heapq.heappop(self._events)
            self._clock.seconds = max(self._clock.seconds, moment)
            self._take(actor, message)
        give_back(self._study)
        return "interrupted"

    def _begin(self) -> bool:
        """Give a free worker something to do."""
        trial = self._study.ask()
        if trial is None:
            return False
        actor = self._idle.pop() if self._idle else self._hire()
        actor.trial, actor.worked = trial, self._study.worked(trial.number)
        actor.overdue = False
        self._expect(actor, actor.talk(replace(trial, channel=actor)))
        return True

    def _hire(self) -> _Actor:
        actor = _Actor(self._train)
        self._actors.append(actor)
        return actor

    def _expect(self, actor: _Actor, message: _Message) -> None:
        """Note when what was just said will be heard."""
        seconds = actor.idle_seconds if isinstance(message, TrainingOutcome) else message.seconds or 0.0
        if self._limit is not None and actor.worked + seconds > self._limit:
            seconds, actor.overdue = max(self._limit - actor.worked, 0.0), True
        actor.worked += seconds
        self._count += 1
        heapq.heappush(self._events, (self._clock.seconds + seconds, self._count, actor, message))

    def _take(self, actor: _Actor, message: _Message) -> None:
        """Bring a report or an end to the study."""
        assert actor.trial is not None
        number = actor.trial.number
        if actor.overdue:
            settle(self._study, number, overdue(self._limit))
            if isinstance(message, TrainingReport):
                self._end(actor)
            self._free(actor)
        elif isinstance(message, TrainingOutcome):
            settle(self._study, number, message)
            self._free(actor)
        else:
            decision = decide(self._study, number, message)
            if decision == "continue":
                self._expect(actor, actor.talk(decision))
            else:
                self._end(actor, decision)
                self._free(actor)

    def _end(self, actor: _Actor, decision: Decision = "stop") -> None:
        """Let a training that was stopped or paused come to its end, in no time."""
        while not isinstance(actor.talk(decision), TrainingOutcome):
            decision = "stop"

    def _free(self, actor: _Actor) -> None:
        actor.trial = None
        self._idle.append(actor)

    def close(self) -> None:
        """End the threads, also those of trainings that are in the middle."""
        for actor in self._actors:
            if actor.training:
                self._end(actor)
            actor.talk(None)


class _Actor:
    """A thread that trains, and speaks only when it is spoken to. It is its trial's channel."""

    def __init__(self, train: Train) -> None:
        self._train = train
        self._said: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._since = 0.0
        self._stopped = self._reported = False
        self.trial: Trial | None = None
        self.worked = 0.0
        self.overdue = False
        #: Whether its training is in the middle.
        self.training = False
        #: Real seconds since the last report, of a training that ended.
        self.idle_seconds = 0.0
        threading.Thread(target=self._work, name="virtual worker", daemon=True).start()

    def talk(self, answer: _Answer) -> _Message:
        """Say something to the training, and wait for what it says next."""
        self._since = time.perf_counter()
        self._answers.put(answer)
        said = self._said.get()
        self.training = isinstance(said, TrainingReport)
        return said

    def _work(self) -> None:
        while isinstance(trial := self._answers.get(), Trial):
            self._stopped, self._reported = False, False
            try:
                outcome = call(self._train, trial)
            except KeyboardInterrupt as error:  # raised by the training itself: signals reach the main thread only
                outcome = TrainingOutcome("failed", kind=FailureKind.EXCEPTION, message=f"KeyboardInterrupt: {error}")
            # What is left to do after a last report takes no time in a table.
            self.idle_seconds = 0.0 if self._reported else time.perf_counter() - self._since
            self._said.put(outcome)
        self._said.put(TrainingOutcome("left"))

    def report(
        self, number: int, step: int, value: Value, *, seconds: float | None, checkpoint: str | None
    ) -> Decision:
        """Hand a report over, and wait for the moment at which it is heard."""
        if self._stopped:
            raise Stopped(f"trial {number} reports although it was told to end")
        took = time.perf_counter() - self._since if seconds is None else float(seconds)
        self._reported = True
        self._said.put(TrainingReport(step, value, max(took, 0.0), checkpoint))
        decision = self._answers.get()
        assert isinstance(decision, str)
        self._stopped = decision != "continue"
        return decision
