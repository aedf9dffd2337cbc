"""The trial ledger: where every trial of a study stands, in the journal and at hand, and the moves that write both.

The study decides, and checks what it is given; which moves there are says ``states``. What the journal holds is read
and written through ``trial_attributes``.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError
from zoo.search.checkpoints import CheckpointStore
from zoo.search.journal import json_of
from zoo.search.pareto import front
from zoo.search.records import Records
from zoo.search.states import TRANSITIONS, LedgerState, Move, after, refusal
from zoo.search.stoppers.base import Curve, CurveState
from zoo.search.study_attributes import StudyAttributes
from zoo.search.study_settings import StudySettings
from zoo.search.study_time import StudyTime, TrialTimer
from zoo.search.trial import FailureKind, Trial, TrialRecord
from zoo.search.trial_attributes import CheckpointPlace, TrialAttributes, TrialResult, state_of
from zoo.search.trial_queue import TrialQueue

if TYPE_CHECKING:
    from zoo.search.storage import StudyStorage
    from zoo.search.suggestion import Draft, Suggestion
    from zoo.search.warm_start import EarlierStudy

__all__ = ["TrialLedger"]

#: How Optuna calls the ends of a trial. PRUNED without a value is among the worst to a sampler, FAIL is invisible.
_ENDS: Mapping[Move, str] = {Move.COMPLETE: "COMPLETE", Move.STOP: "PRUNED", Move.FAIL: "PRUNED"}


class TrialLedger:
    """The trials of one study.

    Args:
        settings: What the study was opened with.
        storage: The trials behind Optuna's storage contract, written ahead to the journal.
        time: The study's own time.
        checkpoints: Where checkpoints are kept; None: they stay where trainings put them.

    Attributes:
        timers: How long each trial that is out has been worked on, by number.
        again: Numbers of trials that run in the journal and wait to be handed out again.
        queue: Trials that wait to be asked for the first time.
        curves: What each trial reported, for the stopper, by number.
        asked: Configurations that count towards a budget of trials.
        cost: What those that ended have cost, in the units of the budget.
        earlier: Earlier studies that this one started warm from.
        changes: Counts whatever may change which trials are good: ends, and edited thresholds.
    """

    def __init__(
        self, settings: StudySettings, storage: StudyStorage, time: StudyTime, checkpoints: CheckpointStore | None
    ) -> None:
        self.settings = settings
        self.metrics = settings.metrics
        self.storage = storage
        self.time = time
        self.checkpoints = checkpoints
        self.timers: dict[int, TrialTimer] = {}
        self.again: deque[int] = deque()
        self.queue = TrialQueue(storage, settings.space)
        self.curves: dict[int, Curve] = {}
        self.asked = 0
        self.cost = 0.0
        self.earlier: list[EarlierStudy] = []
        self.changes = 0
        self._records = Records()
        #: Trials that have ended and whose checkpoint is kept.
        self._ended_with: set[int] = set()
        self._restore()

    def _restore(self) -> None:
        """Take in what the journal says."""
        for frozen in self.storage.trials:
            attrs, number, state = TrialAttributes(frozen), int(frozen.number), state_of(frozen)
            if state == "queued":
                continue
            if attrs.failed and attrs.result.failure is FailureKind.FOREIGN:
                continue
            self.asked += frozen.state.name != "FAIL"
            self.cost += attrs.result.cost or 0.0
            values = {step: self.metrics.sign * value for step, value in frozen.intermediate_values.items()}
            self.curves[number] = Curve(number, values, state)
            if state == "running":
                self.again.append(number)
            elif state != "paused" and self.checkpoint(number) is not None:
                self._ended_with.add(number)
        self._read_earlier()

    # what is known

    @property
    def records(self) -> list[TrialRecord]:
        """All trials, by number."""
        return self._records.of(self.storage.trials)

    @property
    def position(self) -> int:
        """How many operations the journal has."""
        return self.storage.position

    @property
    def attributes(self) -> StudyAttributes:
        """What the study keeps about itself."""
        return self.storage.attributes

    def kept(self, number: int) -> TrialAttributes:
        """Return what the journal keeps with a trial."""
        return TrialAttributes(self.storage.trials[number])

    def state(self, number: int) -> LedgerState:
        """Return where a trial stands."""
        if number in self.timers:
            return "running"
        if not 0 <= number < len(self.storage.trials):
            return "absent"
        state = state_of(self.storage.trials[number])
        return "waiting" if state == "running" else state

    def out(self, number: int, move: Move) -> TrialTimer:
        """Return the timer of a trial that is out and may move so.

        Raises:
            StudyError: It may not.
        """
        timer = self.timers.get(number)
        if timer is None or "running" not in TRANSITIONS[move]:
            raise refusal(self.state(number), move, number)
        return timer

    def checkpoint(self, number: int) -> Path | None:
        """Return where a trial's last checkpoint is, if it is kept."""
        place = self.kept(number).checkpoint
        if place is None:
            return None
        if self.checkpoints is not None:
            return self.checkpoints.path(place.path)
        path = Path(place.path)
        return path if path.exists() else None

    def last_values(self, number: int) -> dict[str, float]:
        """Return the metrics that were reported last."""
        reports = self.storage.trials[number].intermediate_values
        if not reports:
            raise ConfigError(
                f"a training must return a value or report one, but trial {number} did neither",
                "return the objective at the end, or call trial.report(step, value)",
            )
        return {**self.kept(number).last, self.metrics.first.name: reports[max(reports)]}

    # the study's own attributes

    def write_about(self, attrs: Mapping[str, Any]) -> None:
        """Write attributes of the study: notes, or thresholds, by which the storage judges all trials anew."""
        with self.storage.transaction():
            self.storage.set_study(attrs)
        self.changes += 1

    def add_earlier(self, weight: float, trials: Sequence[Mapping[str, Any]]) -> None:
        """Write down the trials of an earlier study, unless they are there already."""
        if trials and not any(stored["trials"] == trials for stored in self.attributes.earlier):
            self.write_about(self.attributes.with_earlier(weight, trials))
            self._read_earlier()

    def _read_earlier(self) -> None:
        if self.attributes.earlier:
            from zoo.search.warm_start import read_earlier

            self.earlier = read_earlier(self.storage, self.settings.space)

    # handing out

    def draft(self, sampler: Any, *, may_begin: bool, resumes: bool) -> Draft:
        """Return the next suggestion, to be drawn.

        Args:
            sampler: Who chooses; queued points are completed by it.
            may_begin: Whether a new trial may begin; else a paused one goes on, or nothing.
            resumes: Whether it is the sampler that says which paused trial goes on.
        """
        from zoo.search.suggestion import Draft

        queued = self.queue.first if may_begin else None
        earlier = [trial for known in self.earlier for trial in known.visible(self.storage.trials)]
        space = self.settings.space
        return Draft(self.storage, space, sampler, queued=queued, earlier=earlier, resumes=resumes, last=not may_begin)

    def begin(self, suggestion: Suggestion) -> Trial:
        """Write a suggestion, and hand it out for the first time."""
        now, number = self.time.now(), suggestion.queued
        attrs = TrialAttributes.of_begun(json_of(dict(suggestion.params), "parameters"), now)
        with self.storage.transaction(durable=False):
            if number is None:
                attrs |= self._inherited(suggestion)
                number = self.storage.add(suggestion.frozen, attrs, seen=suggestion.seen)
            else:
                after(self.state(number), Move.BEGIN, number)
                self.storage.set_trial(number, attrs)
                self.storage.start(number, suggestion.frozen, seen=suggestion.seen)
                self.queue.remove(number)
        self.asked += 1
        self.timers[number] = TrialTimer(started=now, worked=0.0, since=now)
        self.curves[number] = Curve(number, {}, "running")
        return self._trial(number)

    def _inherited(self, suggestion: Suggestion) -> dict[str, Any]:
        """Return the attributes of a new trial that goes on where another one is, with a copy of its checkpoint.

        If that was deleted while the suggestion was drawn, the trial begins anew.
        """
        parent = suggestion.origin
        if parent is None:
            return {}
        place, path = self.kept(parent).checkpoint, self.checkpoint(parent)
        if place is None or path is None:
            return TrialAttributes.of_child(parent, None)
        number = len(self.storage.trials)
        copied = str(path) if self.checkpoints is None else self.checkpoints.keep(number, place.step, path)
        return TrialAttributes.of_child(parent, CheckpointPlace(place.step, copied))

    def _trial(self, number: int) -> Trial:
        """Return a trial as it is handed out."""
        attrs = self.kept(number)
        place = attrs.checkpoint
        path = None if place is None else self.checkpoint(number)
        return Trial(
            number,
            attrs.params or {},
            attrs.tag,
            step=place.step if place is not None and path is not None else 0,
            checkpoint=None if path is None else str(path),
            scale=attrs.scale,
            seed=random.Random(f"{self.settings.seed} {number}").getrandbits(31),  # noqa: S311  # no secret
        )

    def hand_out(self, number: int) -> Trial:
        """Let a trial go on that waits to be handed out again, from its last checkpoint."""
        after(self.state(number), Move.HAND_OUT, number)
        attrs, trial, now = self.kept(number), self._trial(number), self.time.now()
        worked = attrs.clock.get(trial.step, 0.0) if trial.step else 0.0
        last = max(self.storage.trials[number].intermediate_values, default=0)
        self.timers[number] = TrialTimer(started=now, worked=worked, since=now, runs=attrs.runs, step=last)
        self.curves[number] = Curve(number, self.curves[number].values, "running")
        return trial

    def resume(self, number: int, *, seen: int | None = None) -> Trial:
        """Let a paused trial go on; ``seen`` operations of the history, if the sampler chose it."""
        after(self.state(number), Move.RESUME, number)
        with self.storage.transaction(durable=False):
            self.storage.thaw(number, seen=seen)
        return self.hand_out(number)

    # coming back

    def report(self, number: int, step: int, values: dict[str, float], worked: float, source: Path | None) -> None:
        """Write a report."""
        extra: dict[str, Any] = {"seconds": worked}
        if len(values) > 1:
            extra["metrics"] = values
        if source is not None:
            store = self.checkpoints
            extra["checkpoint"] = str(source) if store is None else store.keep(number, step, source)
        first = values[self.metrics.first.name]
        with self.storage.transaction(durable=False):
            self.storage.report(number, step, first, **extra)
        if source is not None and self.checkpoints is not None:
            self.checkpoints.only(number, extra["checkpoint"])
        # The curve's own dictionary: a copy per report would make a training of n steps cost n squared.
        curve = self.curves[number].values
        assert isinstance(curve, dict)
        curve[step] = self.metrics.sign * first

    def pause(self, number: int) -> None:
        """Set a running trial aside."""
        runs = self.out(number, Move.PAUSE).all_runs(self.time.now())
        self._write(number, TrialAttributes.of_paused(self.kept(number).clock, runs))
        self._leave(number, "paused")

    def give_back(self, number: int, *, losses: int | None = None, scale: float | None = None) -> None:
        """Put a running trial among those that are handed out again, with a new number of losses or a new scale."""
        runs = self.out(number, Move.RETURN).all_runs(self.time.now())
        self._write(number, TrialAttributes.of_returned(runs, losses=losses, scale=scale))
        self._leave(number, "running")
        self.again.append(number)

    def count_losses(self, number: int, losses: int) -> None:
        """Write how often the machine lost a trial that it will not get again."""
        self._write(number, TrialAttributes.of_losses(losses), durable=False)

    def _write(self, number: int, attrs: Mapping[str, Any], *, durable: bool = True) -> None:
        with self.storage.transaction(durable=durable):
            self.storage.set_trial(number, attrs)

    def _leave(self, number: int, state: CurveState) -> None:
        """Note that a trial is not out any more."""
        del self.timers[number]
        self.curves[number] = Curve(number, self.curves[number].values, state)

    def end(
        self,
        number: int,
        move: Move,
        result: TrialResult,
        *,
        values: Sequence[float] | None = None,
        seconds: float | None,
        cost: float | None,
    ) -> None:
        """Give a running trial its final state.

        Args:
            number: The number of the trial.
            move: How it ends: ``COMPLETE``, ``STOP`` or ``FAIL``.
            result: What it came to; its seconds and cost are filled in.
            values: The objectives of a complete trial, in their order.
            seconds: Seconds of training; measured by default.
            cost: In the units of the budget; the seconds by default.
        """
        timer, now = self.out(number, move), self.time.now()
        stored = json_of(dict(result.attrs), "attrs")
        worked = timer.lap(now, None) if seconds is None else float(seconds)
        cost = worked if cost is None else float(cost)
        result = replace(result, seconds=worked, cost=cost, attrs=stored)
        silent = result.failure is not None and not result.failure.teaches
        final = TrialAttributes.of_ended(result, clock=self.kept(number).clock, runs=timer.all_runs(now), now=now)
        with self.storage.transaction():
            self.storage.finish(number, "FAIL" if silent else _ENDS[move], values, final)
        self.cost += cost
        self.changes += 1
        self.asked -= silent
        state = after("running", move, number)
        assert state in ("complete", "stopped", "failed")
        self._leave(number, state)
        self._keep_checkpoints(number)

    def _keep_checkpoints(self, number: int) -> None:
        """Delete what the study has no use for any more, now that a trial has ended."""
        store, which = self.checkpoints, self.settings.options.keep_checkpoints
        if self.kept(number).checkpoint is not None:
            self._ended_with.add(number)
        if store is None or which == "all" or not self._ended_with:
            return
        keep: set[int] = set()
        if which == "best":
            keep = {record.number for record in front(self.records, self.metrics.objectives)}
        for useless in self._ended_with - keep:
            store.only(useless, "")
        self._ended_with &= keep

    def close(self) -> None:
        """Close the journal."""
        self.storage.close()
