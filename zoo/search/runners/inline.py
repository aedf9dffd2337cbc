"""Requests, or trainings, in this very process: for tests and for data so small that workers never pay."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.errors import ConfigError, StudyError
from zoo.interrupt import Interrupt
from zoo.search.metrics import Value
from zoo.search.progress import StudyProgress
from zoo.search.runners.outcome import Train, call, overdue, settle
from zoo.search.stoppers.base import Decision
from zoo.search.study import Study

if TYPE_CHECKING:
    from zoo.search.run import Ending, RunOptions

__all__ = ["drive"]


def drive(study: Study, train: Train, options: RunOptions) -> Ending:
    """Run trainings one after the other; see ``zoo.search.run``.

    A training cannot be interrupted but by Ctrl-C: one that took longer than its time limit ends late, and fails as
    such at its next report.
    """
    with Interrupt().arm() as interrupts, StudyProgress(study, quiet=options.quiet) as progress:
        while not interrupts.requested:
            progress.show()
            trial = study.ask()
            if trial is None:
                return "done"
            channel = _InlineChannel(study, trial.number, options.time_limit, interrupts, progress)
            try:
                with interrupts.allowed():
                    outcome = call(train, replace(trial, channel=channel))
            except KeyboardInterrupt:
                interrupts.requested = True
                if trial.number in study.running:
                    study.release(trial.number)
                break
            if isinstance(channel.error, StudyError):
                raise channel.error  # the journal's fault, not the training's
            if channel.late():
                outcome = overdue(options.time_limit)
            settle(study, trial.number, outcome)
            if channel.error is not None and not any(record.state == "complete" for record in study.trials):
                raise channel.error  # every training will do the same
        return "interrupted"


class _InlineChannel:
    """Reports straight to the study."""

    def __init__(
        self, study: Study, number: int, limit: float | None, interrupts: Interrupt, progress: StudyProgress
    ) -> None:
        self._study, self._number, self._interrupts, self._progress = study, number, interrupts, progress
        self._end = None if limit is None else time.monotonic() + limit - study.worked(number)
        #: What the study did not like about a report.
        self.error: ConfigError | StudyError | None = None

    def late(self) -> bool:
        return self._end is not None and time.monotonic() > self._end

    def report(
        self, number: int, step: int, value: Value, *, seconds: float | None, checkpoint: str | None
    ) -> Decision:
        with self._interrupts.held():
            if self.late() or number not in self._study.running:
                return "stop"
            try:
                decision = self._study.report(number, step, value, seconds=seconds, checkpoint=checkpoint)
            except (ConfigError, StudyError) as error:
                self.error = error
                raise
            self._progress.show()
            return decision
