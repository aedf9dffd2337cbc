"""Requests, or trainings, in this very process: for tests and for data so small that workers never pay."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.errors import ClusterError, ConfigError, StudyError
from zoo.interrupt import Interrupt
from zoo.search.drivers.base import Driver, Event, Handler, import_setup, is_memory_fault
from zoo.search.drivers.outcome import Outcome, Train, call, settle
from zoo.search.metrics import Value
from zoo.search.progress import Progress
from zoo.search.stoppers.base import Decision
from zoo.search.study import Study
from zoo.search.trial import FailureKind

if TYPE_CHECKING:
    from zoo.search.run import Ending, RunOptions

__all__ = ["Inline", "drive"]


class Inline(Driver):
    """The driver contract without workers.

    A request cannot be interrupted: one that took longer than its timeout ends late, as the same event. A request that
    kills its process kills the driver.

    Args:
        setup: ``"module:function"``, given the payload, returns the handler.
        payload: Shared values.
    """

    def __init__(self, setup: str, *, payload: Mapping[str, object] | None = None) -> None:
        self._setup = setup
        self._payload = dict(payload or {})
        self._handler: Handler | None = None
        self._queue: dict[str, tuple[object, float | None]] = {}

    def submit(self, key: str, request: object, *, timeout: float | None = None) -> None:
        """Queue a request."""
        if key in self._queue:
            raise ConfigError(f"a key must be outstanding once, but {key!r} is already", "use another key")
        self._queue[key] = (request, timeout)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Run the oldest request and return its event; ``timeout`` cannot interrupt it."""
        if not self._queue:
            return []
        handler = self._ready()
        key = next(iter(self._queue))
        request, limit = self._queue[key]
        start = time.monotonic()
        try:
            result = handler(request)
        except KeyboardInterrupt:
            raise  # still queued: the user stopped the driver, not the request
        except BaseException as error:
            event = Event(
                key,
                "memory" if is_memory_fault(error) else "failed",
                error=f"{type(error).__name__}: {error}",
                traceback=traceback.format_exc(),
                seconds=time.monotonic() - start,
            )
        else:
            event = Event(key, "done", result, seconds=time.monotonic() - start)
        del self._queue[key]
        if limit is not None and event.seconds > limit:
            event = Event(key, "timeout", error=f"TimeoutError: more than {limit:g} s", seconds=event.seconds)
        return [event]

    def _ready(self) -> Handler:
        if self._handler is None:
            try:
                self._handler = import_setup(self._setup)(self._payload)
            except Exception as error:
                raise ClusterError(
                    f"the worker must be able to start, but its set-up failed: {type(error).__name__}: {error}",
                    "see the cause above",
                ) from error
        return self._handler

    def cancel(self, key: str) -> None:
        """Forget a request."""
        self._queue.pop(key, None)

    def close(self) -> None:
        """Forget everything."""
        self._queue.clear()
        self._handler = None

    @property
    def running(self) -> tuple[str, ...]:
        """Keys that are outstanding, in the order of submission."""
        return tuple(self._queue)

    @property
    def workers(self) -> int:
        """One."""
        return 1


def drive(study: Study, train: Train, options: RunOptions) -> Ending:
    """Run trainings one after the other; see ``zoo.search.run``.

    A training cannot be interrupted but by Ctrl-C: one that took longer than its time limit ends late, and fails as
    such at its next report.
    """
    with Interrupt().arm() as interrupts, Progress(study, quiet=options.quiet) as progress:
        while not interrupts.requested:
            progress.show()
            trial = study.ask()
            if trial is None:
                return "done"
            channel = _Direct(study, trial.number, options.time_limit, interrupts, progress)
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
                outcome = Outcome("failed", kind=FailureKind.TIME_LIMIT, message=f"more than {options.time_limit:g} s")
            settle(study, trial.number, outcome)
            if channel.error is not None and not any(record.state == "complete" for record in study.trials):
                raise channel.error  # every training will do the same
        return "interrupted"


class _Direct:
    """Reports straight to the study."""

    def __init__(
        self, study: Study, number: int, limit: float | None, interrupts: Interrupt, progress: Progress
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
