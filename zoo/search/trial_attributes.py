"""What a study keeps with a trial in Optuna's attributes: the one module that knows their names.

A journal must say the same to this version and to the next one, so what is written here may grow and never change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.search.metrics import Limit, violations
from zoo.search.trial import FailureKind, State

__all__ = [
    "CONSTRAINT_PREFIX",
    "OUR_TRIAL_KEYS",
    "CheckpointPlace",
    "TrialAttributes",
    "TrialResult",
    "judged",
    "of_report",
    "state_of",
    "with_whole_steps",
]

#: Names that other programs may not set on a trial.
OUR_TRIAL_KEYS = frozenset(
    {"params", "started", "queued", "tag", "scale", "losses", "runs", "paused", "clock", "last", "checkpoint"}
    | {"result", "ended", "origin", "fixed_params", "constraints"}
)
#: Optuna's own constraints, one per threshold, are kept under this and the metric.
CONSTRAINT_PREFIX = "constraints:"


@dataclass(frozen=True)
class CheckpointPlace:
    """A checkpoint that a trial has reported.

    Args:
        step: The step that was reported with it.
        path: Where it is: relative to the study's folder of checkpoints, or as it was reported.
    """

    step: int
    path: str

    def written(self) -> dict[str, Any]:
        """Return the attribute."""
        return {"checkpoint": {"step": self.step, "path": self.path}}


@dataclass(frozen=True)
class TrialResult:
    """What a trial came to.

    Args:
        failure: Why it failed; None for a complete or stopped one.
        message: What went wrong, or why it was stopped, in words.
        metrics: All values of a complete trial by name; None for others.
        stderr: Standard errors of the values, by name.
        seconds: Seconds of training, without pauses and lost work; None while it has not ended.
        cost: In the units of the budget; None while it has not ended.
        attrs: JSON values that the training or its driver keeps with it.
    """

    failure: FailureKind | None = None
    message: str = ""
    metrics: Mapping[str, float] | None = None
    stderr: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    cost: float | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        """Return the attribute."""
        said: dict[str, Any] = {"failure": None}
        if self.failure is not None:
            said["failure"] = {"kind": self.failure.value, "message": self.message}
        elif self.metrics is not None:
            said |= {"metrics": self.metrics, "stderr": self.stderr}
        else:
            said["message"] = self.message
        return {"result": {**said, "seconds": self.seconds, "cost": self.cost, "attrs": self.attrs}}


class TrialAttributes:
    """The attributes of one trial, read.

    Args:
        trial: The trial as Optuna has it.
    """

    __slots__ = ("_kept", "_system")

    def __init__(self, trial: Any) -> None:
        self._kept: Mapping[str, Any] = trial.user_attrs
        self._system: Mapping[str, Any] = trial.system_attrs

    @property
    def params(self) -> Mapping[str, Any] | None:
        """What was handed out; None for a trial that never was, and for those of Optuna's own studies."""
        found: Mapping[str, Any] | None = self._kept.get("params")
        return found

    @property
    def queued(self) -> Mapping[str, Any] | None:
        """The point that was queued; None for a trial that the sampler suggested."""
        found: Mapping[str, Any] | None = self._kept.get("queued")
        return found

    @property
    def fixed(self) -> Mapping[str, Any]:
        """The values that a sampler must keep, as Optuna's own ``enqueue_trial`` writes them."""
        found: Mapping[str, Any] = self._system.get("fixed_params", {})
        return found

    @property
    def tag(self) -> str:
        """What the queue's filler called it."""
        return str(self._kept.get("tag", ""))

    @property
    def scale(self) -> float:
        """Factor on the resources: above 1 in a second try after exhausted memory."""
        return float(self._kept.get("scale", 1.0))

    @property
    def losses(self) -> int:
        """How often the machine lost it."""
        return int(self._kept.get("losses", 0))

    @property
    def started(self) -> float | None:
        """Study time at which it was handed out first."""
        found: float | None = self._kept.get("started")
        return found

    @property
    def ended(self) -> float:
        """Study time at which it ended; 0 while it has not."""
        return float(self._kept.get("ended", 0.0))

    @property
    def runs(self) -> tuple[tuple[float, float], ...]:
        """(start, end) of each time that it was worked on, in seconds of study time."""
        return tuple((start, end) for start, end in self._kept.get("runs", ()))

    @property
    def paused(self) -> bool:
        """Whether it was set aside and not handed out since."""
        return bool(self._kept.get("paused"))

    @property
    def clock(self) -> Mapping[int, float]:
        """Step -> seconds of training until then."""
        found: Mapping[int, float] = self._kept.get("clock", {})
        return found

    @property
    def last(self) -> Mapping[str, float]:
        """The metrics that were reported last, where there were several."""
        found: Mapping[str, float] = self._kept.get("last", {})
        return found

    @property
    def checkpoint(self) -> CheckpointPlace | None:
        """The last checkpoint that was reported; it may have been deleted since."""
        found = self._kept.get("checkpoint")
        return None if found is None else CheckpointPlace(found["step"], found["path"])

    @property
    def origin(self) -> int | None:
        """Number of the trial from whose checkpoint it goes on; None if it began anew."""
        found: int | None = self._kept.get("origin", {}).get("trial")
        return found

    @property
    def result(self) -> TrialResult:
        """What it came to; nothing in it while it has not ended."""
        said: Mapping[str, Any] = self._kept.get("result", {})
        failure = said.get("failure") or {}
        return TrialResult(
            failure=FailureKind(failure["kind"]) if failure else None,
            message=failure.get("message", said.get("message", "")),
            metrics=said.get("metrics"),
            stderr=said.get("stderr") or {},
            seconds=said.get("seconds"),
            cost=said.get("cost"),
            attrs=said.get("attrs", {}),
        )

    @property
    def failed(self) -> bool:
        """Whether it ended as a failure (``result.failure`` without reading the rest: samplers ask this of all)."""
        return bool(self._kept.get("result", {}).get("failure"))

    @property
    def stderr(self) -> Mapping[str, float]:
        """``result.stderr`` without reading the rest: samplers ask this of all."""
        found: Mapping[str, float] = self._kept.get("result", {}).get("stderr") or {}
        return found

    @property
    def missed(self) -> Mapping[str, float]:
        """By how much each threshold is missed, as it is now; zero or less is feasible."""
        system = self._system.items()
        return {
            name.removeprefix(CONSTRAINT_PREFIX): over for name, over in system if name.startswith(CONSTRAINT_PREFIX)
        }

    @property
    def last_moment(self) -> float:
        """The latest study time of which the attributes tell."""
        # A training that ran when its driver died: it began at `started`, and reported last so much later.
        heard = (self.started or 0.0) + max(self.clock.values(), default=0.0)
        return max(heard, self.ended, *(end for _, end in self.runs))

    # written

    @staticmethod
    def of_queued(given: Mapping[str, Any], tag: str) -> dict[str, Any]:
        """Return what a queued trial has."""
        return {"queued": given, "tag": tag}

    @staticmethod
    def of_begun(params: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Return what a trial gets when it is handed out for the first time."""
        return {"params": params, "started": now}

    @staticmethod
    def of_child(parent: int, place: CheckpointPlace | None) -> dict[str, Any]:
        """Return what a trial has that goes on from a copy, at ``place``, of another trial's checkpoint."""
        if place is None:
            return {"origin": {"trial": parent, "step": 0}}
        return {"origin": {"trial": parent, "step": place.step}, **place.written()}

    @staticmethod
    def of_paused(clock: Mapping[int, float], runs: Sequence[tuple[float, float]]) -> dict[str, Any]:
        """Return what a trial gets that is set aside."""
        return {"clock": _texts(clock), "runs": runs, "paused": True}

    @staticmethod
    def of_resumed() -> dict[str, Any]:
        """Return what a trial gets that was set aside and goes on."""
        return {"paused": False}

    @staticmethod
    def of_returned(
        runs: Sequence[tuple[float, float]], *, losses: int | None = None, scale: float | None = None
    ) -> dict[str, Any]:
        """Return what a trial gets that waits to be handed out again."""
        counted = {} if losses is None else {"losses": losses}
        return counted | ({} if scale is None else {"scale": scale}) | {"runs": runs}

    @staticmethod
    def of_losses(losses: int) -> dict[str, Any]:
        """Return the number of losses alone."""
        return {"losses": losses}

    @staticmethod
    def of_ended(
        result: TrialResult, *, clock: Mapping[int, float], runs: Sequence[tuple[float, float]], now: float
    ) -> dict[str, Any]:
        """Return what a trial gets at its end."""
        # The reports' lines have the clock too; this is for readers that know only Optuna's format.
        reported = {"clock": _texts(clock)} if clock else {}
        return {**reported, **result.written(), "runs": runs, "ended": now}

    @staticmethod
    def of_lost_beginning(message: str) -> dict[str, Any]:
        """Return those of a trial of which the journal has lost the beginning: it keeps its number, and has failed."""
        return {"params": {}, **_counting_for_nothing(message)}

    @staticmethod
    def of_foreign(kept: Mapping[str, Any], who: object) -> dict[str, Any]:
        """Return the attributes of a trial that another program runs itself: it counts for nothing."""
        return {**kept, "params": {}, **TrialAttributes.of_foreign_end(who)}

    @staticmethod
    def of_foreign_end(who: object) -> dict[str, Any]:
        """Return what a queued trial gets that another program has begun to run."""
        return _counting_for_nothing(f"another program runs it ({who})")

    @staticmethod
    def of_earlier(params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a trial of an earlier study has."""
        return {"params": params, "evidence": True}


def state_of(trial: Any) -> State:
    """Return what one of Optuna's trials means here."""
    name = trial.state.name
    if name == "RUNNING":
        return "paused" if trial.user_attrs.get("paused") else "running"
    if name == "PRUNED":
        return "failed" if TrialAttributes(trial).failed else "stopped"
    states: dict[str, State] = {"WAITING": "queued", "COMPLETE": "complete", "FAIL": "failed"}
    return states[name]


def of_report(before: Mapping[str, Any], step: int, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that a report's line changes.

    Args:
        before: The trial's user attributes so far.
        step: The step that is reported.
        operation: The line; what it says beyond Optuna's format is in ``seconds``, ``metrics`` and ``checkpoint``.
    """
    changed: dict[str, Any] = {}
    if "seconds" in operation:
        changed["clock"] = {**before.get("clock", {}), step: operation["seconds"]}
    if "metrics" in operation:
        changed["last"] = operation["metrics"]
    if "checkpoint" in operation:
        changed |= CheckpointPlace(step, operation["checkpoint"]).written()
    return changed


def with_whole_steps(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes that were read from JSON, which knows no whole numbers as names."""
    if "clock" not in attrs:
        return attrs
    return {**attrs, "clock": {int(step): seconds for step, seconds in attrs["clock"].items()}}


def _counting_for_nothing(message: str) -> dict[str, Any]:
    return {"result": {"failure": {"kind": FailureKind.FOREIGN.value, "message": message}, "cost": 0.0}}


def _texts(clock: Mapping[int, float]) -> dict[str, float]:
    return {str(step): seconds for step, seconds in clock.items()}


def judged(trial: Any, limits: Mapping[str, Limit]) -> dict[str, Any] | None:
    """Return a trial's system attributes with its constraints as the thresholds make them; None if nothing changes."""
    attrs = TrialAttributes(trial)
    found = violations(attrs.result.metrics or {}, limits)
    if not found and not attrs.missed:
        return None
    kept = {name: value for name, value in trial.system_attrs.items() if not name.startswith(CONSTRAINT_PREFIX)}
    return kept | {f"{CONSTRAINT_PREFIX}{name}": over for name, over in found.items()}
