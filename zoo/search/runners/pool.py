"""Trainings on Ray actors: the study decides, the workers train, and any of them may be killed at any time."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cluster import connect
from zoo.errors import StudyError
from zoo.interrupt import Interrupt
from zoo.search.checkpoints import CheckpointStore
from zoo.search.progress import StudyProgress
from zoo.search.runners.fleet import Fleet, Lost, Slot
from zoo.search.runners.outcome import (
    Train,
    TrainingOutcome,
    TrainingReport,
    decide,
    end_with_study,
    give_back,
    lose,
    overdue,
    settle,
)
from zoo.search.study import Study
from zoo.search.trial import FailureKind, Trial

if TYPE_CHECKING:
    from zoo.search.run import Ending, RunOptions
    from zoo.search.suggestion import Draft, Suggestion

__all__ = ["FolderMark", "drive"]

# A suggestion that takes longer than this is drawn in a thread, so that reports do not wait for it.
_QUICK = 0.02
# Seconds between looks at a suggestion that is being drawn.
_GLANCE = 0.002
# Seconds between looks at clocks and the cluster.
_LOOK = 0.5


def drive(study: Study, train: Train, options: RunOptions) -> Ending:
    """Run trainings on the cluster; see ``zoo.search.run``."""
    with nullcontext() if options.session else connect():
        try:
            with FolderMark(study.checkpoints) as marked:
                parallel = study.settings.parallel
                with (
                    Fleet(
                        train, options.resources, workers=options.workers, max_workers=parallel, store=marked.store
                    ) as fleet,
                    _Asker(study) as asker,
                    Interrupt().arm() as interrupts,
                    StudyProgress(study, quiet=options.quiet) as progress,
                ):
                    ending = _PoolRun(study, options, fleet, asker).run(interrupts, progress)
                    give_back(study)  # the next driver goes on with what is still out
                    return ending
        except BaseException:
            # Also after a failure: whoever catches it may go on with the study.
            with suppress(StudyError):  # the journal cannot be written: the next opening hands them out
                give_back(study)
            raise


class FolderMark:
    """The study's folder of checkpoints with a file in it by which a worker sees that it sees the same folder."""

    def __init__(self, store: CheckpointStore | None) -> None:
        self._mark: Path | None = None
        self.store: tuple[str, str] | None = None
        if store is not None:
            self._mark = store.folder.absolute() / f".driver-{os.getpid()}-{uuid.uuid4().hex}"
            self.store = (str(store.folder.absolute()), str(self._mark))

    def __enter__(self) -> FolderMark:
        if self._mark is not None:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            for old in self._mark.parent.glob(".driver-*"):  # of drivers that were killed
                old.unlink(missing_ok=True)
            self._mark.touch()
        return self

    def __exit__(self, *error: object) -> None:
        if self._mark is not None:
            self._mark.unlink(missing_ok=True)
            if not any(self._mark.parent.iterdir()):
                self._mark.parent.rmdir()


class _Asker:
    """Draws suggestions, off the path of results where that takes long."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="suggestions")
        self._future: Future[Suggestion | None] | None = None
        self._took = 0.0

    def __enter__(self) -> _Asker:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def busy(self) -> bool:
        return self._future is not None

    def next(self) -> Trial | None:
        """Return what shall run next; None if nothing may start, or the suggestion is not drawn yet."""
        if self._future is not None:
            if not self._future.done():
                return None
            drawn, self._future = self._future.result(), None
            return self._study.commit(drawn)
        planned = self._study.plan()
        if planned is None or isinstance(planned, Trial):
            return planned
        if self._took > _QUICK:
            self._future = self._threads.submit(self._draw, planned)
            return None
        return self._study.commit(self._draw(planned))

    def _draw(self, draft: Draft) -> Suggestion | None:
        start = time.perf_counter()
        try:
            return draft.draw()
        finally:
            self._took = time.perf_counter() - start

    def glance(self) -> None:
        """Wait a moment for the suggestion that is being drawn."""
        if self._future is not None and not self._future.done():
            wait([self._future], timeout=_GLANCE)


class _PoolRun:
    """One run: what the workers say to the study, and what the study wants of the workers."""

    def __init__(self, study: Study, options: RunOptions, fleet: Fleet, asker: _Asker) -> None:
        self._study, self._options, self._fleet, self._asker = study, options, fleet, asker
        #: Seconds that the present run of a trial may take.
        self._limits: dict[int, float] = {}
        #: Monotonic moments at which trials were told to end.
        self._told: dict[int, float] = {}
        self._next_look = 0.0
        self._late = False

    def run(self, interrupts: Interrupt, progress: StudyProgress) -> Ending:
        """Go on until the study is done or the user wants an end."""
        more = True
        while not interrupts.requested:
            self._look()
            # Results first: the next suggestion is drawn when nobody waits for an answer.
            at_once = self._asker.busy or (more and self._fleet.idle > 0)
            for slot, message in self._fleet.wait(0.0 if at_once else _LOOK):
                self._take(slot, message)
            self._asker.glance()
            more = self._start()
            progress.show()
            if not self._asker.busy and self._study.done:
                return "done"
        return "interrupted"

    def _start(self) -> bool:
        """Give one free worker something to do; False where there is no worker or nothing to do."""
        if not self._fleet.idle:
            return False
        trial = self._asker.next()
        if trial is None:
            return False
        if trial.scale != 1.0 and not self._fleet.can_scale(trial.scale):
            message = f"the cluster has no room for {trial.scale:g} times the resources"
            self._study.fail(trial.number, FailureKind.MEMORY, message)
            return True
        if self._options.time_limit is not None:
            self._limits[trial.number] = self._options.time_limit - self._study.worked(trial.number)
        self._fleet.give(trial)
        return True

    def _take(self, slot: Slot, message: TrainingReport | TrainingOutcome | Lost) -> None:
        assert slot.trial is not None
        number = slot.trial.number
        if isinstance(message, TrainingReport):
            self._answer(slot, number, message)
            return
        self._told.pop(number, None)
        self._limits.pop(number, None)
        if isinstance(message, Lost):
            # One that was stopped or paused before its worker died has nothing to lose.
            if number in self._study.running:
                lose(self._study, number, message.reason, memory=message.memory)
            return
        settle(self._study, number, message)
        if message.kind is FailureKind.MEMORY:
            self._fleet.replace(slot, 1.0)  # a process that once ran out of memory is not to be trusted
        else:
            self._fleet.free(slot)

    def _answer(self, slot: Slot, number: int, report: TrainingReport) -> None:
        """Bring a report to the study, and its decision back."""
        decision = decide(self._study, number, report)
        self._fleet.answer(slot, decision)
        if decision != "continue":
            self._told[number] = time.monotonic()

    def _look(self) -> None:
        """Follow the cluster, and end what has taken too long."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK
        self._fleet.follow()
        self._fleet.check(self._options.patience)
        self._late = self._study.time_left < -self._options.grace
        for slot in list(self._fleet.slots):
            if slot.trial is not None and slot.phase == "running":
                self._check(slot, slot.trial.number, now)

    def _check(self, slot: Slot, number: int, now: float) -> None:
        """End a training that has taken too long."""
        out = number in self._study.running
        limit = self._limits.get(number)
        if out and limit is not None and now - slot.since >= limit:
            settle(self._study, number, overdue(self._options.time_limit))
        elif out and self._late:
            end_with_study(self._study, number)
        elif out or now - self._told.get(number, now) < self._options.grace:
            return
        self._told.pop(number, None)
        self._limits.pop(number, None)
        self._fleet.replace(slot, 1.0)
