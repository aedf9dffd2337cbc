"""Where every trial of a study stands, as the journal has it and as it is needed at hand, and how that may change."""

from __future__ import annotations

import logging
import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, StudyError
from zoo.search.checkpoints import CheckpointStore
from zoo.search.foreign import TAG
from zoo.search.journal import json_of
from zoo.search.pareto import front
from zoo.search.record import Records, state_of
from zoo.search.settings import Settings
from zoo.search.stoppers.base import Curve, CurveState
from zoo.search.stoppers.stagnation import stagnated
from zoo.search.trial import FailureKind, Trial, TrialRecord
from zoo.search.watch import StudyTime, Watch

if TYPE_CHECKING:
    from zoo.search.evidence import Evidence
    from zoo.search.storage import StudyStorage
    from zoo.search.suggest import Drawn

__all__ = ["Course", "queue_key"]

_logger = logging.getLogger(__name__)


class Course:
    """The state behind a ``Study``: what follows from the journal, and the moves that write it.

    The study decides, and checks what it is given; this class keeps both sides of a move together.

    Attributes:
        watches: Stop-watches of the trials that are out.
        again: Trials that run in the journal and wait to be handed out again.
        queued: Trials that wait to be asked for the first time.
        tags: What was queued -> its number.
        curves: What each trial reported, for the stopper.
        asked: Configurations that count towards a budget of trials.
        cost: What those that ended have cost.
        evidence: Earlier studies.
    """

    def __init__(
        self, settings: Settings, storage: StudyStorage, time: StudyTime, checkpoints: CheckpointStore | None
    ) -> None:
        self.settings = settings
        self.metrics = settings.metrics
        self.storage = storage
        self.time = time
        self.checkpoints = checkpoints
        self.watches: dict[int, Watch] = {}
        self.again: deque[int] = deque()
        self.queued: deque[int] = deque()
        self.tags: dict[tuple[str, str], int] = {}
        self.curves: dict[int, Curve] = {}
        self.asked = 0
        self.cost = 0.0
        self.evidence: list[Evidence] = []
        self._records = Records()
        #: Trials that have ended and whose checkpoint is kept.
        self._ended_with: set[int] = set()
        self._stagnates: bool | None = None
        #: How many configurations the space has, once somebody wants to know.
        self._size: float | None = None
        self._restore()

    @property
    def records(self) -> list[TrialRecord]:
        """All trials, by number."""
        return self._records.of(self.storage.trials)

    @property
    def pareto(self) -> list[TrialRecord]:
        """The feasible complete trials that no other one surpasses."""
        done = [record for record in self.records if record.state == "complete" and record.feasible]
        return front(done, self.metrics.objectives)

    @property
    def converged(self) -> bool:
        """Whether the last complete trials brought nothing."""
        if self._stagnates is None:
            done = [record for record in self.records if record.value is not None and record.feasible]
            # In the order in which they came: that of asking says nothing under asynchrony.
            done.sort(key=lambda record: (record.runs[-1][1] if record.runs else 0.0, record.number))
            dimension = len(self.settings.space)
            if len(self.metrics.objectives) == 1:
                values = [self.metrics.sign * float(record.value or 0.0) for record in done]
                self._stagnates = stagnated(values, dimension)
            else:
                best = {record.number for record in self.pareto}
                last = done[-5 * dimension :]
                self._stagnates = len(done) > len(last) and not any(record.number in best for record in last)
        return self._stagnates

    @property
    def exhausted(self) -> bool:
        """Whether every configuration of a finite space was tried, and no trial says that its value is noise."""
        if self._size is None:
            listed = self.settings.space.configurations()
            self._size = math.inf if listed is None else len(listed)
        if self.asked < self._size:
            return False
        from zoo.search.samplers.encoding import Encoding
        from zoo.search.samplers.untried import Tried, tells_noise

        tried = Tried(Encoding(self.settings.space))
        tried.update(self.storage.trials, skip=-1)
        return not tells_noise(self.storage.trials) and not len(tried.left())

    def checkpoint(self, number: int) -> Path | None:
        """Return where a trial's last checkpoint is, if it is kept."""
        found = self.storage.trials[number].user_attrs.get("checkpoint")
        if found is None:
            return None
        if self.checkpoints is not None:
            return self.checkpoints.path(found["path"])
        path = Path(found["path"])
        return path if path.exists() else None

    def _restore(self) -> None:
        """Take in what the journal says."""
        for frozen in self.storage.trials:
            attrs, number, state = frozen.user_attrs, int(frozen.number), state_of(frozen)
            if "queued" in attrs:
                self.tags[queue_key(attrs["queued"], attrs.get("tag", ""))] = number
            if state == "queued":
                if attrs.get("tag") != TAG or self._usable(number):
                    self.queued.append(number)
                continue
            if (attrs.get("result", {}).get("failure") or {}).get("kind") == FailureKind.FOREIGN:
                continue
            self.asked += frozen.state.name != "FAIL"
            self.cost += attrs.get("result", {}).get("cost") or 0.0
            values = {step: self.metrics.sign * value for step, value in frozen.intermediate_values.items()}
            self.curves[number] = Curve(number, values, state)
            if state == "running":
                self.again.append(number)
            elif state != "paused" and self.checkpoint(number) is not None:
                self._ended_with.add(number)
        self.storage.arrived()  # they are in the queue
        self.read_evidence()

    def admit(self) -> None:
        """Queue what other programs have put into the journal since, and forget what they took back."""
        for number in self.storage.arrived():
            attrs = self.storage.trials[number].user_attrs
            if number not in self.queued and self._usable(number):
                self.tags.setdefault(queue_key(attrs["queued"], TAG), number)
                self.queued.append(number)
        while self.queued and state_of(self.storage.trials[self.queued[0]]) != "queued":
            self.queued.popleft()

    def _usable(self, number: int) -> bool:
        """Whether a point that another program queued lies in the space."""
        given = self.storage.trials[number].user_attrs["queued"]
        try:
            near = self.settings.space.nearest(given)
        except ConfigError as error:
            _logger.warning("trial %d was queued by another program and cannot be tried: %s", number, error.message)
            return False
        if near != given:
            _logger.warning("trial %d was queued by another program and lies outside of the space: %s", number, given)
        return bool(near == given)

    def read_evidence(self) -> None:
        """Take in what the journal holds of earlier studies."""
        if any(key.startswith("evidence:") for key in self.storage.study.user_attrs):
            from zoo.search.evidence import read_evidence

            self.evidence = read_evidence(self.storage, self.settings.space)

    def visible_evidence(self) -> list[Any]:
        """Return the trials of earlier studies that still count."""
        return [trial for known in self.evidence for trial in known.visible(self.storage.trials)]

    def set_limits(self, limits: Mapping[str, Mapping[str, float]]) -> None:
        """Write edited thresholds; the storage judges all trials by them."""
        with self.storage.transaction():
            self.storage.set_study_user_attr(0, "limits", limits)
        self._stagnates = None

    def queue(self, given: Mapping[str, Any], near: Mapping[str, Any], tag: str) -> int:
        """Write a queued point, unless it is known already."""
        key = queue_key(given, tag)
        if key not in self.tags:
            with self.storage.transaction():
                number = self.storage.queue({"queued": given, "tag": tag}, near)
            self.tags[key] = number
            self.queued.append(number)
        return self.tags[key]

    def begin(self, drawn: Drawn) -> Trial:
        """Write a suggestion, and hand it out for the first time."""
        now = self.time.now()
        attrs = {"params": json_of(dict(drawn.params), "parameters"), "started": now}
        with self.storage.transaction(durable=False):
            if drawn.queued is None:
                attrs |= self._inherited(drawn)
                number = self.storage.add(drawn.frozen, attrs, seen=drawn.seen)
            else:
                number = drawn.queued
                for key, value in attrs.items():
                    self.storage.set_trial_user_attr(number, key, value)
                self.storage.start(number, drawn.frozen, seen=drawn.seen)
                self.queued.remove(number)
        self.asked += 1
        self.watches[number] = Watch(started=now, worked=0.0, since=now)
        self.curves[number] = Curve(number, {}, "running")
        return self.trial(number)

    def _inherited(self, drawn: Drawn) -> dict[str, Any]:
        """Return the attributes of a new trial that goes on where another one is, with a copy of its checkpoint.

        If that was deleted while the suggestion was drawn, the trial begins anew.
        """
        if drawn.origin is None:
            return {}
        found = self.storage.trials[drawn.origin].user_attrs.get("checkpoint")
        path = None if found is None else self.checkpoint(drawn.origin)
        if found is None or path is None:
            return {"origin": {"trial": drawn.origin, "step": 0}}
        number, step = len(self.storage.trials), found["step"]
        kept = str(path) if self.checkpoints is None else self.checkpoints.keep(number, step, path)
        return {
            "origin": {"trial": drawn.origin, "step": step},
            "checkpoint": {"step": step, "path": kept},
        }

    def out_of(self, number: int) -> Watch:
        """Return the watch of a trial that is out."""
        watch = self.watches.get(number)
        if watch is None:
            trials = self.storage.trials
            known = 0 <= number < len(trials)
            state: str = state_of(trials[number]) if known else "unknown"
            state = "waiting to be asked again" if state == "running" else state
            raise StudyError(
                f"only a running trial can be reported, told or failed, but trial {number} is {state}",
                "tell each trial that was asked exactly once",
            )
        return watch

    def trial(self, number: int) -> Trial:
        """Return a trial as it is handed out."""
        attrs = self.storage.trials[number].user_attrs
        found = attrs.get("checkpoint")
        path = None if found is None else self.checkpoint(number)
        return Trial(
            number,
            attrs["params"],
            attrs.get("tag", ""),
            step=found["step"] if path is not None else 0,
            checkpoint=None if path is None else str(path),
            scale=attrs.get("scale", 1.0),
            seed=random.Random(f"{self.settings.seed} {number}").getrandbits(31),  # noqa: S311  # no secret
        )

    def hand_out(self, number: int) -> Trial:
        """Let a trial go on that is running in the journal, from its last checkpoint."""
        frozen, trial, now = self.storage.trials[number], self.trial(number), self.time.now()
        worked = frozen.user_attrs.get("clock", {}).get(trial.step, 0.0) if trial.step else 0.0
        runs = [(start, end) for start, end in frozen.user_attrs.get("runs", ())]
        last = max(frozen.intermediate_values, default=0)
        self.watches[number] = Watch(started=now, worked=worked, since=now, runs=runs, step=last)
        self.curves[number] = Curve(number, self.curves[number].values, "running")
        return trial

    def go_on(self, number: int, *, seen: int | None = None) -> Trial:
        """Let a paused trial go on; ``seen`` operations of the history, if the sampler chose it."""
        with self.storage.transaction(durable=False):
            self.storage.thaw(number, seen=seen)
        return self.hand_out(number)

    def pause(self, number: int) -> None:
        """Set a running trial aside."""
        runs = self.out_of(number).all_runs(self.time.now())
        self.set(number, {"clock": self._clock_of(number), "runs": runs, "paused": True}, durable=True)
        self.forget(number, "paused")

    def back(self, number: int, attrs: Mapping[str, Any]) -> None:
        """Put a running trial among those that are handed out again."""
        runs = self.watches[number].all_runs(self.time.now())
        self.set(number, {**attrs, "runs": runs}, durable=True)
        self.forget(number, "running")
        self.again.append(number)

    def note(self, number: int, step: int, values: dict[str, float], worked: float, source: str | Path | None) -> None:
        """Write a report."""
        extra: dict[str, Any] = {"seconds": worked}
        if len(values) > 1:
            extra["metrics"] = values
        if source is not None:
            kept = self.checkpoints
            extra["checkpoint"] = str(source) if kept is None else kept.keep(number, step, Path(source))
        first = values[self.metrics.first.name]
        with self.storage.transaction(durable=False):
            self.storage.report(number, step, first, **extra)
        if source is not None and self.checkpoints is not None:
            self.checkpoints.only(number, extra["checkpoint"])
        # The curve's own dictionary: a copy per report would make a training of n steps cost n squared.
        curve = self.curves[number].values
        assert isinstance(curve, dict)
        curve[step] = self.metrics.sign * first

    def last(self, number: int) -> dict[str, float]:
        """Return the metrics that were reported last."""
        frozen = self.storage.trials[number]
        reports = frozen.intermediate_values
        if not reports:
            raise ConfigError(
                f"a training must return a value or report one, but trial {number} did neither",
                "return the objective at the end, or call trial.report(step, value)",
            )
        return {**frozen.user_attrs.get("last", {}), self.metrics.first.name: reports[max(reports)]}

    def _clock_of(self, number: int) -> dict[str, float]:
        # The reports' lines have it too; this is for readers that know only Optuna's format.
        return {str(step): seconds for step, seconds in self.storage.trials[number].user_attrs.get("clock", {}).items()}

    def set(self, number: int, attrs: Mapping[str, Any], *, durable: bool = False) -> None:
        """Write attributes of a trial."""
        with self.storage.transaction(durable=durable):
            for key, value in attrs.items():
                self.storage.set_trial_user_attr(number, key, value)

    def forget(self, number: int, state: CurveState) -> None:
        """A trial is not out any more."""
        del self.watches[number]
        self.curves[number] = Curve(number, self.curves[number].values, state)

    def end(
        self,
        number: int,
        state: str,
        values: Sequence[float] | None,
        result: dict[str, Any],
        *,
        seconds: float | None,
        cost: float | None,
        attrs: Mapping[str, Any] | None,
    ) -> None:
        """Give a running trial its final state."""
        now, watch = self.time.now(), self.watches[number]
        stored = json_of(dict(attrs or {}), "attrs")
        worked = watch.lap(now, None) if seconds is None else float(seconds)
        cost = worked if cost is None else float(cost)
        final: dict[str, Any] = {
            "result": {"failure": None, **result, "seconds": worked, "cost": cost, "attrs": stored},
            "runs": watch.all_runs(now),
            "ended": now,
        }
        clock = self._clock_of(number)
        with self.storage.transaction():
            self.storage.finish(number, state, values, {"clock": clock, **final} if clock else final)
        self.cost += cost
        self._stagnates = None
        self.asked -= state == "FAIL"
        ended: dict[str, CurveState] = {"complete": "complete", "stopped": "stopped"}
        self.forget(number, ended.get(state_of(self.storage.trials[number]), "failed"))
        self._keep_checkpoints(number)

    def _keep_checkpoints(self, number: int) -> None:
        """Delete what the study has no use for any more, now that a trial has ended."""
        store, which = self.checkpoints, self.settings.options.keep_checkpoints
        if "checkpoint" in self.storage.trials[number].user_attrs:
            self._ended_with.add(number)
        if store is None or which == "all" or not self._ended_with:
            return
        keep = {record.number for record in self.pareto} if which == "best" else set()
        for useless in self._ended_with - keep:
            store.only(useless, "")
        self._ended_with &= keep


def queue_key(given: Mapping[str, Any], tag: str) -> tuple[str, str]:
    """Return by what a queued point is known."""
    return repr(sorted(given.items())), tag
