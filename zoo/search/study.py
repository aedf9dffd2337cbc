"""A durable study: what was asked, reported and told, in one journal that survives ``kill -9``.

The journal is the only record. A study is opened by one process at a time, each call is one transaction, and a trial
that was running when its driver died is handed out again under its number. Same seed and same history give the same
next suggestion, also in another process.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from zoo.clock import Clock, SystemClock
from zoo.errors import ConfigError, StudyError
from zoo.search.space import Space
from zoo.search.trial import FailureKind, State, Trial, TrialRecord

if TYPE_CHECKING:
    from zoo.search.journal import JournalFile, StudyLock

__all__ = ["Direction", "SamplerName", "Study"]

Direction: TypeAlias = Literal["minimize", "maximize"]
SamplerName: TypeAlias = Literal["tpe", "random"]

_NAME = "study"


class Study:
    """A search over a space; open it with ``Study.open``, best in a ``with`` statement."""

    def __init__(
        self, space: Space, *, storage: Any, optuna_study: Any, journal: JournalFile, lock: StudyLock, clock: Clock
    ) -> None:
        self.space = space
        self._storage = storage
        self._study = optuna_study
        self._journal = journal
        self._lock = lock
        self._clock = clock
        self._started: dict[int, float] = {}
        self._orphans = [record for record in self.trials if record.state == "running"]

    @classmethod
    def open(
        cls,
        path: str | Path,
        space: Space,
        *,
        direction: Direction = "minimize",
        seed: int = 0,
        sampler: SamplerName = "tpe",
        fingerprint: str = "",
        clock: Clock | None = None,
    ) -> Study:
        """Create the study in the file ``path``, or continue it.

        Args:
            path: The journal; ``path.lock`` beside it holds the driver's process id.
            space: What may be chosen; the same as in an existing file.
            direction: Whether small or large values are good.
            seed: Of the sampler; with the history it determines every suggestion.
            sampler: "tpe" (aware of running trials; parameters that exist together are modelled together) or "random".
            fingerprint: Identifies what is being optimised (data, task): another one is refused.
            clock: Measures ``seconds`` where ``tell`` is not given any.

        Raises:
            StudyError: Another process has it open, the file is no study, or it belongs to something else.
        """
        import optuna

        from zoo.search.journal import JournalFile, StudyLock
        from zoo.search.samplers import SeededSampler

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = StudyLock(path)
        journal: JournalFile | None = None
        try:
            journal = JournalFile(path)
            storage = optuna.storages.JournalStorage(journal)
            identity = {"fingerprint": fingerprint, "direction": direction, "space": space.describe()}
            _create_or_check(storage, journal, path, identity)
            study = optuna.load_study(study_name=_NAME, storage=storage, sampler=SeededSampler(sampler, space, seed))
            return cls(
                space, storage=storage, optuna_study=study, journal=journal, lock=lock, clock=clock or SystemClock()
            )
        except BaseException:
            if journal is not None:
                journal.close()
            lock.release()
            raise

    def enqueue(self, params: Mapping[str, Any], *, tag: str = "") -> int:
        """Queue a point to be asked before the sampler's own ones, and return its number.

        Missing parameters are left to the sampler; conditional ones whose condition does not hold are dropped. A number
        outside of its bounds is evaluated as it is, and the sampler sees it at the nearest bound. Queueing the same
        point with the same tag again does nothing, so that a driver may repeat its start after a crash.

        Raises:
            ConfigError: A name is unknown, or a value cannot be understood.
        """
        near = self.space.nearest(params)
        given = json.loads(_json(dict(params), "parameters"))
        for frozen in self._frozen():
            if frozen.user_attrs.get("queued") == given and frozen.user_attrs.get("tag", "") == tag:
                return int(frozen.number)
        with self._journal.transaction():
            self._study.enqueue_trial(near, user_attrs={"queued": given, "tag": tag})
        return len(self._frozen()) - 1

    def ask(self) -> Trial:
        """Return the next configuration: the oldest queued one, or the sampler's suggestion."""
        with self._journal.transaction(durable=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            suggestion = self._study.ask()
            try:
                params = self.space.sample(suggestion)
                queued = suggestion.user_attrs.get("queued", {})
                params.update({name: value for name, value in queued.items() if name in params})
                self._storage.set_trial_user_attr(suggestion._trial_id, "params", params)
            except BaseException as error:
                # Never handed out: it must not come back as a running trial.
                failure = {"kind": FailureKind.LOST.value, "message": f"the sampler failed: {error!r}"}
                self._finish(suggestion.number, "FAIL", None, {"failure": failure, "seconds": 0.0, "attrs": {}})
                raise
        self._started[suggestion.number] = self._clock.now()
        return Trial(suggestion.number, params, suggestion.user_attrs.get("tag", ""))

    def report(self, trial: Trial | int, step: int, value: float) -> None:
        """Store an intermediate value; a second report of the same step replaces the first."""
        number = trial if isinstance(trial, int) else trial.number
        self._running(number)
        self._storage.set_trial_intermediate_value(self._id(number), step, float(value))

    def tell(
        self, number: int, value: float, *, seconds: float | None = None, attrs: Mapping[str, Any] | None = None
    ) -> None:
        """Finish a running trial with its value; a value that is not finite is a failure of kind ``NAN``.

        Args:
            number: The trial's.
            value: Its objective.
            seconds: What it took; measured since ``ask`` by default.
            attrs: JSON values to keep with it.

        Raises:
            StudyError: The trial is not running.
        """
        if not math.isfinite(value):
            self.fail(number, FailureKind.NAN, f"the value is {float(value)}", seconds=seconds, attrs=attrs)
            return
        self._close_trial(number, "COMPLETE", float(value), None, seconds, attrs)

    def fail(
        self,
        number: int,
        kind: FailureKind,
        message: str,
        seconds: float | None = None,
        *,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Finish a running trial without a value.

        The sampler learns from the configuration's own faults and from pruned trials: both are kept among the worst
        (Optuna's PRUNED state; its FAIL state is invisible to TPE). Lost trials teach nothing.

        Raises:
            StudyError: The trial is not running.
        """
        failure = {"kind": FailureKind(kind).value, "message": message}
        self._close_trial(number, "PRUNED" if kind.teaches else "FAIL", None, failure, seconds, attrs)

    def resume(self) -> list[TrialRecord]:
        """Return the trials that were running when the former driver died, to be run again under their numbers.

        They are returned once per opening; each must then be told or failed like any other.
        """
        orphans, self._orphans = self._orphans, []
        for record in orphans:
            self._started[record.number] = self._clock.now()
        return orphans

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, by number."""
        return [_record(frozen) for frozen in self._frozen()]

    @property
    def best(self) -> TrialRecord | None:
        """The complete trial with the best value, the earliest of equal ones; None before the first."""
        complete = [record for record in self.trials if record.value is not None]
        sign = 1.0 if self._study.direction.name == "MINIMIZE" else -1.0
        return min(complete, key=lambda record: sign * float(record.value or 0.0), default=None)

    def close(self) -> None:
        """Let another process open the study; running trials stay running for its ``resume``."""
        self._journal.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _frozen(self) -> list[Any]:
        trials: list[Any] = self._storage.get_all_trials(self._study._study_id, deepcopy=False)
        return trials

    def _id(self, number: int) -> int:
        trial_id: int = self._storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)
        return trial_id

    def _running(self, number: int) -> None:
        trials = self._frozen()
        state = _record(trials[number]).state if 0 <= number < len(trials) else "unknown"
        if state != "running":
            raise StudyError(
                f"only a running trial can be reported, told or failed, but trial {number} is {state}",
                "tell each trial that was asked exactly once",
            )

    def _close_trial(
        self,
        number: int,
        state: str,
        value: float | None,
        failure: dict[str, str] | None,
        seconds: float | None,
        attrs: Mapping[str, Any] | None,
    ) -> None:
        self._running(number)
        if seconds is None:
            seconds = self._clock.now() - self._started.get(number, self._clock.now())
        stored = json.loads(_json(dict(attrs or {}), "attrs"))
        self._finish(number, state, value, {"failure": failure, "seconds": float(seconds), "attrs": stored})
        self._started.pop(number, None)

    def _finish(self, number: int, state: str, value: float | None, result: dict[str, Any]) -> None:
        from optuna.trial import TrialState

        trial_id = self._id(number)
        with self._journal.transaction():
            self._storage.set_trial_user_attr(trial_id, "result", result)
            self._storage.set_trial_state_values(trial_id, TrialState[state], None if value is None else [value])


def _json(values: dict[str, Any], what: str) -> str:
    try:
        return json.dumps(values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} must be JSON values, but {error}", "convert arrays and objects first") from error


def _create_or_check(storage: Any, journal: JournalFile, path: Path, identity: dict[str, Any]) -> None:
    """Create the study in an empty journal, or compare what a full one says about itself."""
    import optuna

    studies = storage.get_all_studies()
    if not studies:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with journal.transaction():
                direction = optuna.study.StudyDirection[identity["direction"].upper()]
                study_id = storage.create_new_study([direction], _NAME)
                storage.set_study_user_attr(study_id, "identity", json.loads(_json(identity, "the space")))
        finally:
            optuna.logging.set_verbosity(verbosity)
        return
    found = storage.get_study_user_attrs(studies[0]._study_id).get("identity", {})
    for key, wanted in json.loads(_json(identity, "the space")).items():
        if found.get(key) != wanted:
            raise StudyError(
                f"an existing study must have the same {key}, but {path} has {found.get(key)!r}, not {wanted!r}",
                "continue it with the same data and options, or choose another path",
            )


def _record(frozen: Any) -> TrialRecord:
    states: dict[str, State] = {"WAITING": "queued", "RUNNING": "running", "COMPLETE": "complete"}
    attrs = frozen.user_attrs
    result = attrs.get("result", {})
    failure = result.get("failure") or {}
    return TrialRecord(
        number=frozen.number,
        params=attrs.get("params", attrs.get("queued", {})),
        state=states.get(frozen.state.name, "failed"),
        value=frozen.values[0] if frozen.state.name == "COMPLETE" else None,
        reports=dict(frozen.intermediate_values),
        failure=FailureKind(failure["kind"]) if failure else None,
        message=failure.get("message", ""),
        seconds=result.get("seconds"),
        attrs=result.get("attrs", {}),
        tag=attrs.get("tag", ""),
    )
