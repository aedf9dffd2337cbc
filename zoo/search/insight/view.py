"""A study to look at: an open one (``Study.view``), or a journal that another process may be writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, StudyError
from zoo.page.wording import number
from zoo.places import local_path
from zoo.search.metrics import Limit, Metric, Metrics
from zoo.search.pareto import front
from zoo.search.records import Records
from zoo.search.space import Space, space_of
from zoo.search.study_time import StudyTime
from zoo.search.trial import State, TrialRecord

if TYPE_CHECKING:
    from zoo.search.storage import StudyStorage

__all__ = ["STATES", "View", "metric_text"]

#: In the order in which they are told.
STATES: tuple[State, ...] = ("complete", "stopped", "paused", "running", "failed", "queued")


@dataclass(frozen=True)
class View:
    """What a study knows at one moment.

    Args:
        name: What a page is titled with: the name of the file.
        space: What may be chosen.
        metrics: With the thresholds as they are at this moment.
        records: All trials, by number.
        elapsed: Study time so far, in seconds.
        settings: What else the journal says, in words: sampler, stopper, seed.
        notes: What was kept with the study (``Study.note``); "spec" is the study file of ``zoo study run``.
        path: Its journal, if it has one.
        since: Study time at which the present run of each trial that is out began, where that is known.
    """

    name: str
    space: Space
    metrics: Metrics
    records: tuple[TrialRecord, ...]
    elapsed: float
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    since: Mapping[int, float] = field(default_factory=dict)
    path: Path | None = None

    @classmethod
    def read(cls, path: str | Path) -> View:
        """Return what a journal says; it may be open elsewhere.

        Raises:
            StudyError: There is no study, or it was not made by ``zoo.search``.
        """
        from zoo.search.open_storage import read_storage

        path = local_path(path, "a study")
        if path.is_dir():
            raise StudyError(f"a study must be a file, but {path} is a folder", "name the journal in it")
        storage = read_storage(path)
        identity = storage.attributes.identity
        if "space" not in identity:
            raise StudyError(
                f"a study must say what its space is, but {path} does not", "look at Optuna's own with optuna-dashboard"
            )
        elapsed = StudyTime.of(storage.trials)
        return cls.over(path, storage, space_of(identity["space"]), elapsed)

    @classmethod
    def over(
        cls,
        path: Path | None,
        storage: StudyStorage,
        space: Space,
        elapsed: float,
        since: Mapping[int, float] | None = None,
    ) -> View:
        """Return a view of a storage's trials as they are now."""
        attrs = storage.attributes
        identity, limits = attrs.identity, attrs.limits
        metrics = Metrics([_metric(name, way, limits.get(name, Limit())) for name, way, _ in identity["metrics"]])
        return cls(
            name="study" if path is None else path.name,
            space=space,
            metrics=metrics,
            records=tuple(Records().of(storage.trials)),
            elapsed=elapsed,
            settings=_words(identity, attrs.sampling),
            notes=attrs.notes,
            since=since or {},
            path=path,
        )

    def spare(self, path: Path) -> Path:
        """Return where something is to be written, which must not be the journal itself.

        Raises:
            ConfigError: The path is that of the journal.
        """
        path = local_path(path, "a file that is written")
        if self.path is not None and path.resolve() == self.path.resolve():
            raise ConfigError(f"a study must not be written over, but {path} is its journal", "choose another file")
        return path

    @property
    def states(self) -> dict[State, int]:
        """How many trials are in each state that occurs."""
        counts = Counter(record.state for record in self.records)
        return {state: counts[state] for state in STATES if counts[state]}

    @property
    def failures(self) -> dict[str, list[TrialRecord]]:
        """The failed trials by kind, the most frequent kind first."""
        found: dict[str, list[TrialRecord]] = {}
        for record in self.records:
            if record.failure is not None:
                found.setdefault(record.failure.value, []).append(record)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    @property
    def ranked(self) -> list[TrialRecord]:
        """The feasible complete trials: the front first where there are several objectives, then by the first one."""
        done = [record for record in self.records if record.value is not None and record.feasible]
        done.sort(key=lambda record: (self.metrics.sign * float(record.value or 0.0), record.number))
        if len(self.metrics.objectives) == 1:
            return done
        ahead = {record.number for record in self.pareto}
        return [r for r in done if r.number in ahead] + [r for r in done if r.number not in ahead]

    @property
    def best(self) -> TrialRecord | None:
        """The best feasible trial by the first objective."""
        return min(self.ranked, key=lambda record: self.metrics.sign * float(record.value or 0.0), default=None)

    @property
    def pareto(self) -> list[TrialRecord]:
        """The feasible complete trials that no other one surpasses."""
        return front(self.records, self.metrics.objectives)

    @property
    def cost(self) -> float:
        """What the trials that ended have cost."""
        return sum(record.cost or 0.0 for record in self.records)


def _metric(name: str, direction: Any, limit: Limit) -> Metric:
    # A threshold that was taken away leaves a metric that is only kept.
    store = direction is None and not limit.describe()
    return Metric(name, direction, at_most=limit.at_most, at_least=limit.at_least, store=store)


def _words(identity: Mapping[str, Any], sampling: Mapping[str, Any]) -> dict[str, str]:
    said = {key: str(sampling[key]) for key in ("sampler", "seed") if key in sampling}
    stopper = identity.get("stopper")
    if stopper is None:
        said["stopper"] = "none"
    else:
        rest = ", ".join(f"{key}={value}" for key, value in stopper.items() if key != "type" and value is not None)
        name = str(stopper.get("type", "own"))
        said["stopper"] = f"{name} ({rest})" if rest else name
    said |= {name: version for name, version in sampling.get("versions", {}).items()}
    return said


def metric_text(metric: Metric) -> str:
    """Return what a metric is for.

    >>> metric_text(Metric("loss", "minimize", at_most=2))
    'minimize loss, at most 2'
    """
    words = f"{metric.direction} {metric.name}" if metric.direction else metric.name
    for name, bound in metric.limit.describe().items():
        words += ("," if metric.direction else "") + f" {name.replace('_', ' ')} {number(bound)}"
    return words if metric.role != "stored" else f"{metric.name} (kept)"
