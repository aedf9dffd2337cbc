"""A durable study: what was asked, reported, decided and told, in one journal that survives ``kill -9``.

The journal is the only record. A study is opened by one process at a time, each call is one transaction, and a trial
that was running when its driver died is handed out again under its number. Same seed and same history give the same
next suggestion, also in another process.

A trial goes ``queued`` or asked -> ``running`` <-> ``paused`` -> ``complete`` | ``stopped`` | ``failed``. What the
machine loses stays ``running`` and is handed out again from its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from zoo.clock import Clock, SystemClock
from zoo.errors import ConfigError
from zoo.places import local_path
from zoo.search.budget import AnyBudget, Budget
from zoo.search.checkpoints import CheckpointStore
from zoo.search.edits import NO_DATABASE, StudyEdits
from zoo.search.ledger import TrialLedger
from zoo.search.locks import StudyLock
from zoo.search.metrics import Direction, Metric, Metrics, Result, Value
from zoo.search.rules import StudyRules
from zoo.search.space import Space
from zoo.search.states import Move
from zoo.search.stoppers import Decision, Stopper, make_stopper
from zoo.search.study_settings import StudyOptions, StudySettings
from zoo.search.study_time import StudyTime
from zoo.search.trial import FailureKind, Trial, TrialRecord
from zoo.search.trial_attributes import TrialResult

if TYPE_CHECKING:
    from zoo.search.storage import StudyStorage
    from zoo.search.suggestion import Draft, Suggestion

__all__ = ["Study"]


class Study(StudyEdits):
    """A search over a space; open it with ``Study.open``, best in a ``with`` statement.

    Its methods may be called from several threads. What is known of it is in ``StudyResults``, what may be edited
    while it runs in ``StudyEdits``.
    """

    def __init__(
        self,
        settings: StudySettings,
        storage: StudyStorage,
        sampler: Any,
        *,
        lock: StudyLock | None,
        clock: Clock,
        checkpoints: CheckpointStore | None,
        path: Path | None = None,
    ) -> None:
        ledger = TrialLedger(settings, storage, StudyTime(clock, StudyTime.of(storage.trials)), checkpoints)
        super().__init__(settings, ledger, StudyRules(settings, ledger, sampler), path)
        self.clock = clock
        self._sampler = sampler
        self._file_lock = lock

    @classmethod
    def open(
        cls,
        path: str | Path | None,
        space: Space,
        *,
        metrics: Sequence[Metric] | None = None,
        direction: Direction = "minimize",
        seed: int = 0,
        sampler: Any = "auto",
        stopper: str | Stopper | None = None,
        parallel: int | None = None,
        budget: AnyBudget = None,
        fingerprint: str = "",
        clock: Clock | None = None,
        options: StudyOptions | None = None,
    ) -> Study:
        """Create the study in the file ``path``, or continue it.

        Args:
            path: The journal; ``path.driver`` beside it says who has it open. None: in memory only.
            space: What may be chosen; the same as in an existing file.
            metrics: What a training returns; by default the one objective "value".
            direction: Whether less or more of that one objective is better, if no metrics are given.
            seed: The sampler's; with the history it determines every suggestion.
            sampler: Who chooses: a name or a ``zoo.search.samplers.Sampler``.
            stopper: Who is stopped or paused early: a name, a ``zoo.search.stoppers.Stopper``, or None for nobody.
            parallel: How many trials may run at the same time.
            budget: When it ends: a number of trials, a duration such as "2h", or a ``Budget``.
            fingerprint: Identifies what is being optimised (data, task): another one is refused.
            clock: What measures trials and the budget; the system's by default.
            options: What most studies leave as it is.

        Raises:
            StudyError: Another process has it open, the file is no study, or it belongs to something else.
            ConfigError: An argument is wrong.
        """
        from zoo.search.open_storage import open_storage
        from zoo.search.suggestion import sampler_of

        settings = StudySettings(
            space,
            Metrics([Metric("value", direction)] if metrics is None else metrics),
            seed,
            sampler,
            make_stopper(stopper),
            parallel,
            Budget.of(budget),
            fingerprint,
            options or StudyOptions(),
        )
        chosen = sampler_of(settings)
        path = None if path is None else local_path(path, "a study", hint=NO_DATABASE)
        storage, lock = open_storage(path, settings)
        kept = None if path is None else CheckpointStore.beside(path)
        study = cls(settings, storage, chosen, lock=lock, clock=clock or SystemClock(), checkpoints=kept, path=path)
        defaults = {name: space[name].default for name in space if space[name].default is not None}
        if defaults and not storage.trials:
            study.enqueue(defaults, tag="default")
        return study

    # what is tried next

    def ask(self) -> Trial | None:
        """Return what shall run next, or None if nothing may start now.

        In this order: a trial that the machine lost, a paused one that the stopper wants to go on, the oldest queued
        one, the sampler's suggestion.
        """
        planned = self.plan()
        return planned if planned is None or isinstance(planned, Trial) else self.commit(planned.draw())

    def plan(self) -> Trial | Draft | None:
        """Return what ``ask`` would, but a suggestion as a draft: ``commit(draft.draw())`` makes it a trial.

        ``draw`` may run in another thread while results come in; one draft at a time.
        """
        ledger, rules = self._ledger, self._rules
        with self._lock:
            ledger.queue.admit()  # a closed study says so here, rather than suggesting something
            if rules.full or rules.time_left <= 0:
                return None
            if ledger.again:
                return ledger.hand_out(ledger.again.popleft())
            promoted = rules.promoted()
            if promoted is not None:
                return ledger.resume(promoted)
            draft = self._draft()
            late = rules.promoted(last=True) if draft is None else None
            return draft if late is None else ledger.resume(late)

    def _draft(self) -> Draft | None:
        """Return the sampler's word: a new trial, or a paused one where the stopper leaves that to it."""
        ledger, spent, resumes = self._ledger, self._rules.spent, self._rules.resumes
        if spent and not (resumes and any(curve.state == "paused" for curve in ledger.curves.values())):
            return None
        return ledger.draft(self._sampler, may_begin=not spent, resumes=resumes)

    def commit(self, suggestion: Suggestion | None) -> Trial | None:
        """Write a suggestion down and hand it out; None if the sampler wants nothing more."""
        with self._lock:
            if suggestion is None:
                return None
            if suggestion.resumed is not None:
                return self._ledger.resume(suggestion.resumed, seen=suggestion.seen)
            return self._ledger.begin(suggestion)

    # what comes back

    def report(
        self,
        trial: Trial | int,
        step: int | None = None,
        value: Value | None = None,
        *,
        seconds: float | None = None,
        checkpoint: str | Path | None = None,
    ) -> Decision:
        """Store what a training has reached, and decide what becomes of it.

        A second report of a step replaces the first: a trial that went back to its checkpoint repeats some, and is not
        judged again until it is further than before. A value that is not finite fails the trial, and so does one beyond
        ``StudyOptions.diverged_at``; both return "stop".

        Args:
            trial: The trial or its number.
            step: What was trained so far, from 0 upwards.
            value: The first objective, or several metrics by name.
            seconds: What this step took; measured by default.
            checkpoint: Directory or file from which it can go on; a copy is kept, and the former ones are deleted.

        Raises:
            StudyError: The trial is not running.
            ConfigError: The step or value is wrong.
        """
        if isinstance(trial, str | Path):
            raise ConfigError(
                f"study.report must get a trial and its step, but got the path {str(trial)!r}",
                "write the page with study.write_page(path)",
            )
        number = trial if isinstance(trial, int) else trial.number
        if step is None or isinstance(step, bool) or not hasattr(step, "__index__") or step < 0:
            raise ConfigError(f"a step must be a whole number >= 0, but got {step!r}", "count epochs or iterations")
        step, values = int(step), self.metrics.report(value)  # type: ignore[arg-type]  # None is refused there
        with self._lock:
            timer = self._ledger.out(number, Move.REPORT)
            fault = self._rules.fault(values)
            if fault is not None:
                self.fail(number, fault[0], f"step {step}: {fault[1]}")
                return "stop"
            source = None if checkpoint is None else Path(checkpoint)
            self._ledger.report(number, step, values, timer.lap(self._ledger.time.now(), seconds), source)
            further, timer.step = step > timer.step or not timer.step, max(step, timer.step)
            if not further:
                return "continue"
            decision = self._rules.decision(number, step)
            if decision == "stop":
                self.stop(number, f"stopped at step {step}")
            elif decision == "pause":
                self.pause(number)
            return decision

    def tell(
        self,
        number: int,
        value: Value | Result | None = None,
        *,
        stderr: Mapping[str, float] | None = None,
        seconds: float | None = None,
        cost: float | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Finish a running trial with its values; one that is not finite is a failure.

        Args:
            number: The number of the trial.
            value: The objective, or all metrics by name, or a ``Result``; None: what was reported last.
            stderr: Standard errors of the values, by name.
            seconds: What it took; measured by default.
            cost: In the units of the budget; the seconds by default.
            attrs: JSON values that are kept with it.

        Raises:
            StudyError: The trial is not running.
            ConfigError: A metric is missing or unknown, or nothing was reported.
        """
        if isinstance(value, Result):
            stderr, attrs = {**value.stderr, **(stderr or {})}, {**value.attrs, **(attrs or {})}
            cost = value.cost if cost is None else cost
            value = value.values
        with self._lock:
            self._ledger.out(number, Move.COMPLETE)
            values = self.metrics.final(self._ledger.last_values(number) if value is None else value)
            fault = self._rules.fault(values)
            if fault is not None:
                self.fail(number, fault[0], fault[1], seconds=seconds, attrs=attrs, cost=cost)
                return
            errors = {name: float(error) for name, error in (stderr or {}).items()}
            result = TrialResult(metrics=values, stderr=errors, attrs=attrs or {})
            objectives = [values[metric.name] for metric in self.metrics.objectives]
            self._ledger.end(number, Move.COMPLETE, result, values=objectives, seconds=seconds, cost=cost)

    def fail(
        self,
        number: int,
        kind: FailureKind,
        message: str,
        seconds: float | None = None,
        *,
        attrs: Mapping[str, Any] | None = None,
        cost: float | None = None,
    ) -> None:
        """Finish a running trial without a value.

        The sampler learns from the configuration's own faults: they are kept as an infeasible region (Optuna's PRUNED
        state; its FAIL state is invisible to TPE). Lost trials teach nothing. A trial that ran out of memory is handed
        out once more with larger resources where ``StudyOptions.memory_retry`` allows it.

        Raises:
            StudyError: The trial is not running.
        """
        kind = FailureKind(kind)
        with self._lock:
            self._ledger.out(number, Move.FAIL)
            retry = self.settings.options.memory_retry
            if kind is FailureKind.MEMORY and retry is not None and self._ledger.kept(number).scale <= 1.0:
                self._ledger.give_back(number, scale=retry)
                return
            result = TrialResult(failure=kind, message=message, attrs=attrs or {})
            cost = cost if kind.teaches else 0.0
            self._ledger.end(number, Move.FAIL, result, seconds=seconds, cost=cost)

    def stop(
        self, number: int, reason: str, *, seconds: float | None = None, attrs: Mapping[str, Any] | None = None
    ) -> None:
        """End a running trial on purpose: what it reported counts, and it has no final value.

        Raises:
            StudyError: The trial is not running.
        """
        with self._lock:
            result = TrialResult(message=reason, attrs=attrs or {})
            self._ledger.end(number, Move.STOP, result, seconds=seconds, cost=None)

    def pause(self, number: int) -> None:
        """Set a running trial aside at its last step; it goes on when the stopper promotes it, or ``ask`` is free to.

        Raises:
            StudyError: The trial is not running.
        """
        with self._lock:
            self._ledger.pause(number)

    def lose(self, number: int, reason: str) -> None:
        """Take back a running trial that the machine lost: it is handed out again, from its last checkpoint.

        After ``StudyOptions.max_losses`` times it is set aside, see ``set_aside``.

        Raises:
            StudyError: The trial is not running.
        """
        with self._lock:
            self._ledger.out(number, Move.RETURN)
            losses = self._ledger.kept(number).losses + 1
            if losses >= self.settings.options.max_losses:
                self._ledger.count_losses(number, losses)
                self.fail(number, FailureKind.LOST, f"the machine lost it {losses} times: {reason}")
            else:
                self._ledger.give_back(number, losses=losses)

    def release(self, number: int) -> None:
        """Take back a running trial whose driver ends: it is handed out again, and no loss is counted."""
        with self._lock:
            self._ledger.give_back(number)

    def resume(self) -> list[TrialRecord]:
        """Return the trials that wait to go on after a loss or the death of the former driver, and hand them out.

        For drivers that do not take them from ``ask``. Each must then be told or failed like any other.
        """
        with self._lock:
            numbers = [self._ledger.hand_out(number).number for number in list(self._ledger.again)]
            self._ledger.again.clear()
            records = self.trials
            return [records[number] for number in numbers]

    # its end

    @property
    def done(self) -> bool:
        """Whether nothing runs, and nothing may start any more."""
        with self._lock:
            if self._ledger.timers:
                return False
            if self._rules.time_left <= 0:
                return True
            if self._ledger.again or not self._rules.spent or self._rules.promoted() is not None:
                return False
            draft = self._draft()
            return draft is None or draft.draw() is None

    def close(self) -> None:
        """Let another process open the study; running trials are handed out again then."""
        self._ledger.close()
        if self._file_lock is not None:
            self._file_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
