"""What a study and Ray Tune have to say to each other, in the words of both."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from zoo.cluster.session import alive_nodes
from zoo.errors import ClusterError, ConfigError, StudyError, ZooError
from zoo.interrupt import Interrupt
from zoo.search.checkpoints import pack
from zoo.search.progress import StudyProgress
from zoo.search.runners.fleet import no_room, no_room_yet, unreadable_there
from zoo.search.runners.outcome import TrainingReport, decide, end_with_study, lose, overdue, settle
from zoo.search.runners.trainer import Message
from zoo.search.stoppers.base import Decision
from zoo.search.study import Study
from zoo.search.trial import FailureKind, Trial
from zoo.workers.actors import LOW_MEMORY, MAX_DEATHS

if TYPE_CHECKING:
    from zoo.search.run import RunOptions

__all__ = ["TuneBridge"]

# Seconds between looks at clocks and the cluster.
_LOOK = 0.5


class TuneBridge:
    """One run of a study under Tune.

    Tune's trials are known by their id here, the study's by their number.

    Args:
        study: What is run; it decides what happens to each training.
        options: How trainings are run: resources, limits, Tune's own settings.
        interrupts: Whether the user has pressed Ctrl-C.
        progress: The line in the terminal that is brought up to date.

    Raises:
        ConfigError: The cluster can never give the resources.
    """

    def __init__(self, study: Study, options: RunOptions, interrupts: Interrupt, progress: StudyProgress) -> None:
        self.options = options
        #: What went wrong in our own part; it ends the experiment.
        self.error: ZooError | None = None
        self._study, self._interrupts, self._progress = study, interrupts, progress
        self._numbers: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        #: What a worker shall begin with, by number.
        self._given: dict[int, Trial] = {}
        #: Number -> moment at which its present run began.
        self._since: dict[int, float] = {}
        #: Number -> seconds that its present run may take.
        self._limits: dict[int, float] = {}
        self._decisions: dict[str, Decision] = {}
        self._trials: dict[str, Any] = {}
        self._finished = False
        self._faults = 0
        self._next_look = 0.0
        self._alive = time.monotonic()
        self._room = self._fits()
        if not self._room:
            raise no_room(options.resources, alive_nodes())

    # Tune copies and saves what it is given; nothing of it is ever read.

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}

    # asking

    @property
    def over(self) -> bool:
        """Whether the experiment ends."""
        return self._finished or self._interrupts.requested or self.error is not None

    def stop(self) -> bool:
        """Return whether the experiment ends, and if so end what trains: Tune would wait for its next report."""
        if self.over:
            for trial in self._trials.values():
                if trial.status == "RUNNING":
                    self._kill(trial)
        return self.over

    def name(self, trial: Any) -> str:
        """Name a trial of Tune, and its folder."""
        return f"trial_{self._numbers[trial.trial_id]:05d}"

    def ask(self, trial_id: str) -> Trial | None:
        """Return a new trial for Tune; None if nothing new may start now.

        One that Tune knows already goes on as it is, see ``going_on``.
        """
        if self.over or len(self._study.running) >= self._places:
            return None
        try:
            trial = self._study.ask()
        except ZooError as error:
            self.error = error
            return None
        if trial is None:
            self._finished = not self._study.running and self._study.done
            return None
        if trial.scale != 1.0 and not self.options.resources.scaled(trial.scale).fits(alive_nodes()):
            message = f"the cluster has no room for {trial.scale:g} times the resources"
            self._study.fail(trial.number, FailureKind.MEMORY, message)
            return None
        self._given[trial.number] = trial
        if trial.number in self._ids:
            return None
        self._numbers[trial_id], self._ids[trial.number] = trial.number, trial_id
        return trial

    @property
    def _places(self) -> int:
        """Trainings at a time."""
        return max(self._room, 1) if self.options.workers is None else self.options.workers

    def going_on(self) -> Any:
        """Return a paused trial of Tune that the study has handed out again."""
        from ray import tune

        for number in self._given:
            trial = self._trials.get(self._ids[number])
            if trial is not None and trial.status == "PAUSED":
                scale = self._given[number].scale
                if scale != 1.0:
                    bundles = self.options.resources.scaled(scale).bundles
                    trial.update_resources(tune.PlacementGroupFactory(bundles))
                return trial
        return None

    def added(self, controller: Any, trial: Any) -> None:
        """Note a new trial; let one that comes back wait for the study's word, or end it if there will be none."""
        if trial.trial_id not in self._trials:
            self._trials[trial.trial_id] = trial
            return
        # Tune would start it at once.
        controller._set_trial_status(trial, "PAUSED")
        if self._state(self._numbers[trial.trial_id]) in ("failed", "stopped", "complete"):
            controller.stop_trial(trial)

    def _state(self, number: int) -> str:
        return self._study.trials[number].state

    # running

    def begin(self, trial: Any) -> None:
        """Tell a worker, which has just been given to a trial, what to begin with."""
        import ray

        number = self._numbers[trial.trial_id]
        given = self._given.pop(number)
        worker = trial.temporary_state.ray_actor
        packed: bytes | None = None
        # A worker that dies here is noticed by Tune at its first step.
        with suppress(ray.exceptions.RayError):
            place, unreadable = ray.get(worker.place.remote())
            if unreadable:
                self.error = unreadable_there(unreadable)
            if given.checkpoint is not None and self._study.checkpoints is not None and not place.sees:
                packed = pack(Path(given.checkpoint))
            worker.expect.remote(given, packed)
        self._faults, self._since[number] = 0, time.monotonic()
        if self.options.time_limit is not None:
            self._limits[number] = self.options.time_limit - self._study.worked(number)

    def hear(self, trial_id: str, message: Message | None) -> bool:
        """Bring a message to the study; True: Tune's trial has ended."""
        number = self._numbers[trial_id]
        try:
            if isinstance(message, TrainingReport):
                self._decisions[trial_id] = self._report(number, message)
                return False
            assert message is not None
            self._end(number)
            settle(self._study, number, message)
            # One that may try again with more memory waits for the study's word.
            again = message.kind is FailureKind.MEMORY and self._state(number) == "running"
            self._decisions[trial_id] = "pause" if again else "stop"
            return not again
        except (ConfigError, StudyError) as error:
            self.error = error
            return True

    def _report(self, number: int, report: TrainingReport) -> Decision:
        if number not in self._study.running:
            return "stop"
        decision = decide(self._study, number, report)
        if decision != "continue":
            self._end(number)
        return decision

    def decision(self, trial_id: str) -> Decision:
        """Return what the study said last."""
        return self._decisions.get(trial_id, "continue")

    def let_end(self, trial: Any, decision: Literal["stop", "pause"]) -> None:
        """Tell a worker why its training shall end; it takes nothing else before that has."""
        worker = trial.temporary_state.ray_actor
        if worker is not None:
            worker.end.remote(decision)

    def ended(self, trial_id: str) -> None:
        """Take a trial back that Tune ended by itself."""
        number = self._numbers[trial_id]
        if number in self._study.running and not self.over:
            self._end(number)
            self._study.release(number)

    def lost(self, trial: Any) -> None:
        """Tell the study that a worker died."""
        if self.over:
            return  # we ended it ourselves; what still runs is given back at the end
        number = self._numbers[trial.trial_id]
        begun = number in self._since
        self._given.pop(number, None)
        self._end(number)
        reason = _reason(trial)
        if not begun:
            self._faults += 1
            if self._faults >= MAX_DEATHS:
                self.error = ClusterError(
                    f"the cluster must keep its workers alive, but: {reason}",
                    "look at the cluster's logs and its free memory",
                )
        if number not in self._study.running:
            return  # stopped, paused, or ended for its time
        if begun:
            lose(self._study, number, reason, memory=LOW_MEMORY in reason)
        else:
            self._study.release(number)

    def _end(self, number: int) -> None:
        self._since.pop(number, None)
        self._limits.pop(number, None)

    # clocks

    def look(self, trials: list[Any]) -> None:
        """Follow the cluster, and end what has taken too long."""
        self._progress.show()
        now = time.monotonic()
        running = [trial for trial in trials if trial.status == "RUNNING"]
        if now < self._next_look:
            return
        self._next_look = now + _LOOK
        self._room = self._fits()
        if running or not any(trial.status == "PENDING" for trial in trials):
            self._alive = now
        elif now - self._alive > self.options.patience:
            self.error = no_room_yet(self.options.resources, alive_nodes(), self.options.patience)
        late = self._study.time_left < -self.options.grace
        for trial in running:
            number = self._numbers[trial.trial_id]
            if number in self._since and number in self._study.running:
                self._check(trial, number, now, late)

    def _check(self, trial: Any, number: int, now: float, late: bool) -> None:
        limit = self._limits.get(number)
        if limit is not None and now - self._since[number] >= limit:
            settle(self._study, number, overdue(self.options.time_limit))
        elif late:
            end_with_study(self._study, number)
        else:
            return
        self._kill(trial)

    def _kill(self, trial: Any) -> None:
        """End a worker; Tune takes it for a death, of which the study has heard already."""
        import ray

        worker = trial.temporary_state.ray_actor
        if worker is not None:
            ray.kill(worker)

    def _fits(self) -> int:
        return self.options.resources.fits(alive_nodes())


def _reason(trial: Any) -> str:
    """Return the last words of what Tune wrote down about a worker's death."""
    path = trial.error_file
    text = Path(path).read_text(encoding="utf-8") if path is not None and Path(path).exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    memory = [line for line in lines[-20:] if LOW_MEMORY in line]
    return (memory or lines[-1:] or ["its worker died"])[-1]
