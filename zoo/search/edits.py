"""What may be given to a study while it runs: points to try, earlier studies, thresholds, notes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.places import local_path
from zoo.search.journal import json_of
from zoo.search.metrics import Limit
from zoo.search.records import Records
from zoo.search.results import StudyResults
from zoo.search.study_attributes import StudyAttributes

__all__ = ["NO_DATABASE", "StudyEdits"]

NO_DATABASE = "a study is a journal in a file, such as study.journal, which Optuna and its dashboard open"


class StudyEdits(StudyResults):
    """The part of a study that takes in what the user wants of it."""

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
            return self._ledger.queue.add(given, near, tag)

    def warm_start(self, other: StudyResults | str | Path, *, weight: float = 1.0, first: int = 1) -> int:
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
        from zoo.search.open_storage import read_storage
        from zoo.search.warm_start import usable_trials

        if not 0 < weight <= 1:
            raise ConfigError(f"`0 < weight <= 1` must hold, but got {weight}", "use 1.0 to count it fully at first")
        if isinstance(other, StudyResults):
            found = usable_trials(other.trials, self.space, self.metrics, other.metrics.describe())
        else:
            storage = read_storage(local_path(other, "a study", hint=NO_DATABASE))
            theirs = storage.attributes.identity.get("metrics", [])
            found = usable_trials(Records().of(storage.trials), self.space, self.metrics, theirs)
        with self._lock:
            self._ledger.add_earlier(weight, found)
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
            limits = self.thresholds | {name: Limit(at_most, at_least)}
            stored = {metric: limit.describe() for metric, limit in limits.items()}
            self._ledger.write_about(StudyAttributes.of_limits(stored))

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON value with the study; the same value again does nothing.

        Raises:
            ConfigError: It is no JSON value.
        """
        stored = json_of({name: value}, "a note")[name]
        with self._lock:
            if self.notes.get(name) != stored:
                self._ledger.write_about(StudyAttributes.of_note(name, stored))
