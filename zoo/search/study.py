"""A durable study: what was asked, reported, decided and told, in one journal that survives ``kill -9``.

The journal is the only record. A study is opened by one process at a time, each call is one transaction, and a trial
that was running when its driver died is handed out again under its number. Same seed and same history give the same
next suggestion, also in another process.

A trial goes ``queued`` or asked -> ``running`` <-> ``paused`` -> ``complete`` | ``stopped`` | ``failed``. What the
machine loses stays ``running`` and is handed out again from its last checkpoint.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from zoo.clock import Clock, SystemClock
from zoo.errors import ConfigError, StudyError
from zoo.places import local_path
from zoo.search.budget import AnyBudget, Budget
from zoo.search.checkpoints import CheckpointStore
from zoo.search.course import Course
from zoo.search.journal import json_of
from zoo.search.locks import StudyLock
from zoo.search.metrics import Direction, Limit, Metric, Metrics, Result, Value
from zoo.search.record import Records
from zoo.search.settings import Settings, StudyOptions
from zoo.search.space import Space
from zoo.search.stoppers import Decision, Stopper, make_stopper
from zoo.search.trial import FailureKind, Trial, TrialRecord
from zoo.search.watch import StudyTime

if TYPE_CHECKING:
    import pandas as pd

    from zoo.search.insight.importance import Importance
    from zoo.search.insight.view import View
    from zoo.search.storage import StudyStorage
    from zoo.search.suggest import Draft, Drawn

__all__ = ["Study"]

_NO_DATABASE = "a study is a journal in a file, such as study.journal, which Optuna and its dashboard open"


class Study:
    """A search over a space; open it with ``Study.open``, best in a ``with`` statement.

    Its methods may be called from several threads.
    """

    def __init__(
        self,
        settings: Settings,
        storage: StudyStorage,
        sampler: Any,
        *,
        lock: StudyLock | None,
        clock: Clock,
        checkpoints: CheckpointStore | None,
        path: Path | None = None,
    ) -> None:
        self.settings = settings
        self.path = path
        self.space = settings.space
        self.metrics = settings.metrics
        self.checkpoints = checkpoints
        self.clock = clock
        self._sampler = sampler
        self._file_lock = lock
        self._lock = threading.RLock()
        self._time = StudyTime(clock, StudyTime.of(trial.user_attrs for trial in storage.trials))
        self._course = Course(settings, storage, self._time, checkpoints)
        self._importance: tuple[int, Importance] | None = None

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
            direction: Of that one.
            seed: Of the sampler; with the history it determines every suggestion.
            sampler: Who chooses: a name or a ``zoo.search.samplers.Sampler``.
            stopper: Who is stopped or paused early: a name, a ``zoo.search.stoppers.Stopper``, or None for nobody.
            parallel: How many trials may run at the same time.
            budget: When it ends: a number of trials, a duration such as "2h", or a ``Budget``.
            fingerprint: Identifies what is being optimised (data, task): another one is refused.
            clock: Measures trials and the budget.
            options: What most studies leave as it is.

        Raises:
            StudyError: Another process has it open, the file is no study, or it belongs to something else.
            ConfigError: An argument is wrong.
        """
        from zoo.search.opening import open_storage
        from zoo.search.suggest import sampler_of

        settings = Settings(
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
        made = sampler_of(settings)
        path = None if path is None else local_path(path, "a study", hint=_NO_DATABASE)
        storage, lock = open_storage(path, settings)
        kept = None if path is None else CheckpointStore.beside(path)
        study = cls(settings, storage, made, lock=lock, clock=clock or SystemClock(), checkpoints=kept, path=path)
        defaults = {name: space[name].default for name in space if space[name].default is not None}
        if defaults and not storage.trials:
            study.enqueue(defaults, tag="default")
        return study

    # what is tried next

    def enqueue(self, params: Mapping[str, Any], *, tag: str = "") -> int:
        """Queue a point to be asked before the sampler's own ones, and return its number.

        Missing parameters are left to the sampler; conditional ones whose condition does not hold are dropped. A number
        outside of its bounds is evaluated as it is, and the sampler sees it at the nearest bound. Queueing the same
        point with the same tag again does nothing, so that a driver may repeat its start after a crash.

        Raises:
            ConfigError: A name is unknown, or a value cannot be understood.
        """
        near = self.space.nearest(params)
        given = json_of(dict(params), "parameters")
        with self._lock:
            return self._course.queue(given, near, tag)

    def warm_start(self, other: Study | str | Path, *, weight: float = 1.0, first: int = 1) -> int:
        """Let the sampler begin with what another study found, and return how many of its trials can be used.

        They count less and less as this study makes its own observations. Parameters that this study does not have are
        left out, new ones are filled in at random; trials outside of this space are left out.

        Args:
            other: A study or its journal; it may be open elsewhere. Starting warm from it a second time does nothing.
            weight: In (0, 1]: how much of it counts at the beginning.
            first: So many of its best configurations are tried first.

        Raises:
            ConfigError: Its objectives are others.
        """
        from zoo.search.evidence import gather
        from zoo.search.opening import read_storage
        from zoo.search.storage import STUDY_ID

        if not 0 < weight <= 1:
            raise ConfigError(f"`0 < weight <= 1` must hold, but got {weight}", "use 1.0 to count it fully at first")
        storage = (
            other._course.storage
            if isinstance(other, Study)
            else read_storage(local_path(other, "a study", hint=_NO_DATABASE))
        )
        theirs = storage.study.user_attrs.get("identity", {}).get("metrics", [])
        found = gather(Records().of(storage.trials), self.space, self.metrics, theirs)
        with self._lock:
            attrs = self._course.storage.study.user_attrs
            known = [attrs[key] for key in attrs if key.startswith("evidence:")]
            if found and not any(stored["trials"] == found for stored in known):
                with self._course.storage.transaction():
                    stored = {"weight": weight, "trials": found}
                    self._course.storage.set_study_user_attr(STUDY_ID, f"evidence:{len(known)}", stored)
                self._course.read_evidence()
            for item in found[:first]:
                self.enqueue(item["params"], tag="warm start")
        return len(found)

    def set_threshold(self, name: str, *, at_most: float | None = None, at_least: float | None = None) -> None:
        """Edit the thresholds of a metric, also while the study runs: what was told so far is judged anew.

        Raises:
            ConfigError: The metric is unknown or only stored.
        """
        if self.metrics[name].role == "stored":
            raise ConfigError(f"a stored metric must have no threshold, but {name} is one", "declare it with at_most=…")
        with self._lock:
            limits = dict(self._course.storage.study.user_attrs.get("limits", {}))
            limits[name] = Limit(at_most, at_least).describe()
            self._course.set_limits(limits)

    @property
    def thresholds(self) -> dict[str, Limit]:
        """The thresholds as they are now."""
        stored = self._course.storage.study.user_attrs.get("limits", {})
        return {name: Limit(**bounds) for name, bounds in stored.items()}

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
        with self._lock:
            # A closed study says so, rather than suggesting something.
            with self._course.storage.transaction():
                self._course.admit()
            if self._full() or self._time_is_over():
                return None
            if self._course.again:
                return self._course.hand_out(self._course.again.popleft())
            promoted = self._promoted()
            if promoted is not None:
                return self._course.go_on(promoted)
            draft = self._draft()
            late = self._promoted(last=True) if draft is None else None
            return draft if late is None else self._course.go_on(late)

    def _draft(self) -> Draft | None:
        """Return the sampler's word: a new trial, or a paused one where the stopper leaves that to it."""
        from zoo.search.suggest import Draft

        course, stopper, spent = self._course, self.settings.stopper, self._spent()
        resumes = stopper is not None and stopper.leaves_choice
        if spent and not (resumes and any(curve.state == "paused" for curve in course.curves.values())):
            return None
        queued = course.queued[0] if course.queued and not spent else None
        evidence = course.visible_evidence()
        return Draft(
            course.storage, self.space, self._sampler, queued=queued, evidence=evidence, resumes=resumes, last=spent
        )

    def commit(self, drawn: Drawn | None) -> Trial | None:
        """Write a suggestion down and hand it out; None if the sampler wants nothing more."""
        with self._lock:
            if drawn is None:
                return None
            if drawn.resumed is not None:
                return self._course.go_on(drawn.resumed, seen=drawn.seen)
            return self._course.begin(drawn)

    # what comes back

    @overload
    def report(self, trial: str | Path) -> Path: ...

    @overload
    def report(
        self,
        trial: Trial | int,
        step: int,
        value: Value,
        *,
        seconds: float | None = None,
        checkpoint: str | Path | None = None,
    ) -> Decision: ...

    def report(
        self,
        trial: Trial | int | str | Path,
        step: int | None = None,
        value: Value | None = None,
        *,
        seconds: float | None = None,
        checkpoint: str | Path | None = None,
    ) -> Decision | Path:
        """Store what a training has reached, and decide what becomes of it; ``report("study.html")`` writes the page.

        The page is one HTML file without scripts: history, parameters, workers, failures.

        A second report of a step replaces the first: a trial that went back to its checkpoint repeats some, and is not
        judged again until it is further than before. A value that is not finite fails the trial, and so does one beyond
        ``StudyOptions.diverged_at``; both return "stop".

        Args:
            trial: The trial or its number; or a file for the page.
            step: What was trained so far, from 0 upwards.
            value: The first objective, or several metrics by name.
            seconds: What this step took; measured by default.
            checkpoint: Directory or file from which it can go on; a copy is kept, and the former ones are deleted.

        Raises:
            StudyError: The trial is not running.
            ConfigError: The step or value is wrong.
        """
        if isinstance(trial, str | Path):
            from zoo.search.insight.page import write_page

            return write_page(self.view(), trial)
        number = trial if isinstance(trial, int) else trial.number
        if step is None or isinstance(step, bool) or not hasattr(step, "__index__") or step < 0:
            raise ConfigError(f"a step must be a whole number >= 0, but got {step!r}", "count epochs or iterations")
        step = int(step)
        values = self.metrics.report(value)  # type: ignore[arg-type]  # None is refused there
        with self._lock:
            watch = self._course.out_of(number)
            fault = self._fault(values)
            if fault is not None:
                self.fail(number, fault[0], f"step {step}: {fault[1]}")
                return "stop"
            self._course.note(number, step, values, watch.lap(self._time.now(), seconds), checkpoint)
            further, watch.step = step > watch.step or not watch.step, max(step, watch.step)
            return self._decide(number, step) if further else "continue"

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
            number: The trial's.
            value: The objective, or all metrics by name, or a ``Result``; None: what was reported last.
            stderr: Standard errors by name.
            seconds: What it took; measured by default.
            cost: In the units of the budget; the seconds by default.
            attrs: JSON values to keep with it.

        Raises:
            StudyError: The trial is not running.
            ConfigError: A metric is missing or unknown, or nothing was reported.
        """
        if isinstance(value, Result):
            stderr, attrs = {**value.stderr, **(stderr or {})}, {**value.attrs, **(attrs or {})}
            cost = value.cost if cost is None else cost
            value = value.values
        with self._lock:
            self._course.out_of(number)
            values = self.metrics.final(self._course.last(number) if value is None else value)
            fault = self._fault(values)
            if fault is not None:
                self.fail(number, fault[0], fault[1], seconds=seconds, attrs=attrs, cost=cost)
                return
            extra = {"metrics": values, "stderr": {name: float(error) for name, error in (stderr or {}).items()}}
            objectives = [values[metric.name] for metric in self.metrics.objectives]
            self._course.end(number, "COMPLETE", objectives, extra, seconds=seconds, cost=cost, attrs=attrs)

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
            self._course.out_of(number)
            retry = self.settings.options.memory_retry
            tried = self._course.storage.trials[number].user_attrs.get("scale", 1.0) > 1.0
            if kind is FailureKind.MEMORY and retry is not None and not tried:
                self._course.back(number, {"scale": retry})
                return
            failure = {"failure": {"kind": kind.value, "message": message}}
            free = 0.0 if not kind.teaches else cost
            state = "PRUNED" if kind.teaches else "FAIL"
            self._course.end(number, state, None, failure, seconds=seconds, cost=free, attrs=attrs)

    def stop(
        self, number: int, reason: str, *, seconds: float | None = None, attrs: Mapping[str, Any] | None = None
    ) -> None:
        """End a running trial on purpose: what it reported counts, and it has no final value.

        Raises:
            StudyError: The trial is not running.
        """
        with self._lock:
            self._course.out_of(number)
            self._course.end(number, "PRUNED", None, {"message": reason}, seconds=seconds, cost=None, attrs=attrs)

    def pause(self, number: int) -> None:
        """Set a running trial aside at its last step; it goes on when the stopper promotes it, or ``ask`` is free to.

        Raises:
            StudyError: The trial is not running.
        """
        with self._lock:
            self._course.pause(number)

    def lose(self, number: int, reason: str) -> None:
        """Take back a running trial that the machine lost: it is handed out again, from its last checkpoint.

        After ``StudyOptions.max_losses`` times it is set aside, see ``set_aside``.

        Raises:
            StudyError: The trial is not running.
        """
        with self._lock:
            self._course.out_of(number)
            losses = self._course.storage.trials[number].user_attrs.get("losses", 0) + 1
            if losses >= self.settings.options.max_losses:
                self._course.set(number, {"losses": losses})
                self.fail(number, FailureKind.LOST, f"the machine lost it {losses} times: {reason}")
            else:
                self._course.back(number, {"losses": losses})

    def release(self, number: int) -> None:
        """Take back a running trial whose driver ends: it is handed out again, and no loss is counted."""
        with self._lock:
            self._course.out_of(number)
            self._course.back(number, {})

    def resume(self) -> list[TrialRecord]:
        """Return the trials that wait to go on after a loss or the death of the former driver, and hand them out.

        For drivers that do not take them from ``ask``. Each must then be told or failed like any other.
        """
        with self._lock:
            numbers = [self._course.hand_out(number).number for number in list(self._course.again)]
            self._course.again.clear()
            records = self.trials
            return [records[number] for number in numbers]

    # what is known

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number."""
        with self._lock:
            return self._course.records

    @property
    def best(self) -> TrialRecord | None:
        """The feasible complete trial with the best value, the earliest of equal ones; None before the first.

        Raises:
            StudyError: The study has several objectives.
        """
        if len(self.metrics.objectives) > 1:
            names = ", ".join(metric.name for metric in self.metrics.objectives)
            raise StudyError(f"only one objective has a best trial, but the study has {names}", "use study.pareto")
        done = [record for record in self.trials if record.value is not None and record.feasible]
        return min(done, key=lambda record: self.metrics.sign * float(record.value or 0.0), default=None)

    @property
    def pareto(self) -> list[TrialRecord]:
        """The feasible complete trials that no other one surpasses in all objectives."""
        with self._lock:
            return self._course.pareto

    def frame(self) -> pd.DataFrame:
        """Return one row per trial; the columns are those of ``zoo.search.insight.frame``."""
        from zoo.search.insight.frame import frame

        return frame(self.view())

    @property
    def importance(self) -> Importance:
        """Share of importance per parameter, for the first objective; empty with a ``reason`` for few trials."""
        from zoo.search.insight.importance import importance

        with self._lock:
            seen = self._course.storage.position
            view = self.view()
        if self._importance is None or self._importance[0] != seen:
            self._importance = seen, importance(view)
        return self._importance[1]

    def view(self) -> View:
        """Return what the study knows at this moment, for tables, charts and reports."""
        from zoo.search.insight.view import View

        with self._lock:
            since = {number: watch.started for number, watch in self._course.watches.items()}
            return View.over(self.path, self._course.storage, self.space, self.elapsed, since)

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON value with the study; the same value again does nothing.

        Raises:
            ConfigError: It is no JSON value.
        """
        stored = json_of({name: value}, "a note")[name]
        with self._lock:
            if self.notes.get(name) != stored:
                with self._course.storage.transaction():
                    self._course.storage.set_study_user_attr(0, f"note:{name}", stored)

    @property
    def notes(self) -> dict[str, Any]:
        """What was kept with ``note``."""
        attrs = self._course.storage.study.user_attrs
        return {key.removeprefix("note:"): value for key, value in attrs.items() if key.startswith("note:")}

    @property
    def set_aside(self) -> list[TrialRecord]:
        """The trials that the machine lost too often."""
        return [record for record in self.trials if record.failure is FailureKind.LOST]

    @property
    def running(self) -> tuple[int, ...]:
        """Numbers of the trials that are out now."""
        with self._lock:
            return tuple(self._course.watches)

    @property
    def elapsed(self) -> float:
        """Study time: seconds that it has been open, over all its drivers."""
        return self._time.now()

    @property
    def time_left(self) -> float:
        """Seconds until the budget of time ends; negative afterwards."""
        bound = self.settings.budget.time
        return math.inf if bound is None else bound - self._time.now()

    @property
    def cost(self) -> float:
        """What the trials that ended have cost."""
        return self._course.cost

    @property
    def converged(self) -> bool:
        """Whether it stagnates, by the rule of ``StudyOptions.converge``."""
        with self._lock:
            return self._course.converged

    @property
    def exhausted(self) -> bool:
        """Whether all configurations of a finite space were tried: the study ends, as there is nothing new to learn.

        Never where a trial has told a standard error, as a second look at the same configuration then says more, nor
        where the sampler is one that goes on from checkpoints ("population") or was made by somebody else.
        """
        with self._lock:
            return not getattr(self._sampler, "repeats", True) and self._course.exhausted

    @property
    def done(self) -> bool:
        """Whether nothing runs, and nothing may start any more."""
        with self._lock:
            if self._course.watches:
                return False
            if self._time_is_over():
                return True
            if self._course.again or not self._spent() or self._promoted() is not None:
                return False
            draft = self._draft()
            return draft is None or draft.draw() is None

    def worked(self, number: int) -> float:
        """Return the seconds that a running trial was trained until it was last heard of."""
        return self._course.out_of(number).worked

    def checkpoint(self, number: int) -> Path | None:
        """Return the directory of a trial's last checkpoint, or None if none is kept."""
        return self._course.checkpoint(number)

    def close(self) -> None:
        """Let another process open the study; running trials are handed out again then."""
        self._course.storage.close()
        if self._file_lock is not None:
            self._file_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # rules

    def _full(self) -> bool:
        return self.settings.parallel is not None and len(self._course.watches) >= self.settings.parallel

    def _time_is_over(self) -> bool:
        return self.time_left <= 0

    def _spent(self) -> bool:
        """Whether no further configuration may be tried."""
        budget = self.settings.budget
        if self.settings.options.converge and self._course.converged:
            return True
        if self.exhausted and not self._course.queued:
            return True
        return (budget.trials is not None and self._course.asked >= budget.trials) or (
            budget.cost is not None and self._course.cost >= budget.cost
        )

    def _promoted(self, *, last: bool = False) -> int | None:
        stopper, curves = self.settings.stopper, list(self._course.curves.values())
        if stopper is None:
            return None
        return stopper.last(curves) if last else stopper.promote(curves)

    def _fault(self, values: Mapping[str, float]) -> tuple[FailureKind, str] | None:
        """Return what is wrong with objectives and constraints, if anything."""
        for name, value in values.items():
            if self.metrics[name].role == "stored":
                continue
            if math.isnan(value):
                return FailureKind.NAN, f"{name} is {value}"
            if math.isinf(value):
                return FailureKind.INFINITE, f"{name} is {value}"
        bound, first = self.settings.options.diverged_at, values[self.metrics.first.name]
        if bound is not None and self.metrics.sign * (first - bound) > 0:
            return FailureKind.DIVERGENCE, f"{self.metrics.first.name} is {first:g}, beyond {bound:g}"
        return None

    def _decide(self, number: int, step: int) -> Decision:
        """Ask the stopper, and let its word be done."""
        decision: Decision = "continue"
        if self._time_is_over():
            decision = "pause"
        elif self.settings.stopper is not None:
            decision = self.settings.stopper.decide(list(self._course.curves.values()), number, step)
        if decision == "stop":
            self.stop(number, f"stopped at step {step}")
        elif decision == "pause":
            self.pause(number)
        return decision
