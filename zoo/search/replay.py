"""Recompute every suggestion of a study from its journal alone, and compare.

Each suggestion's line says how many operations it had seen, so the history that it was drawn from is a prefix of the
journal: results that came in while it was drawn come after. The space, the seed, the sampler, thresholds as they were
edited and the evidence of earlier studies are operations of the journal too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import StudyError
from zoo.places import local_path
from zoo.search.journal import WRITER, read_journal
from zoo.search.operations import Operation
from zoo.search.samplers import make_sampler
from zoo.search.space import Space, space_of
from zoo.search.storage import StudyStorage
from zoo.search.study_attributes import StudyAttributes
from zoo.search.study_settings import versions
from zoo.search.suggestion import Draft, Suggestion
from zoo.search.trial_attributes import TrialAttributes
from zoo.search.warm_start import EarlierStudy, read_earlier

__all__ = ["ReplayDifference", "ReplayReport", "replay"]


@dataclass(frozen=True)
class ReplayDifference:
    """A suggestion that came out otherwise.

    Args:
        number: The number of the trial.
        recorded: Its parameters in the journal.
        recomputed: What the sampler suggests now: those of a new trial, or of the paused one that goes on.
    """

    number: int
    recorded: Mapping[str, Any]
    recomputed: Mapping[str, Any]


@dataclass(frozen=True)
class ReplayReport:
    """What came out of a replay.

    Args:
        asked: Suggestions in the journal.
        differences: Those that came out otherwise.
        versions: Libraries whose version is another one now: name -> (then, now). They may explain differences.
    """

    asked: int
    differences: tuple[ReplayDifference, ...]
    versions: Mapping[str, tuple[str, str]]

    @property
    def agrees(self) -> bool:
        """Whether all suggestions came out as they were."""
        return not self.differences


def replay(path: str | Path, *, sampler: Any = None) -> ReplayReport:
    """Recompute all suggestions of a journal; it may be open elsewhere.

    Args:
        path: The journal file of the study.
        sampler: The object that the study was opened with, if it was one and not a name.

    Raises:
        StudyError: There is no study, or its sampler is not known by name.
    """
    operations: list[dict[str, Any]] = []
    read_journal(local_path(path, "a study"), operations.append)
    if not operations:
        raise StudyError(f"there must be a study to replay, but {path} has none", "check the path")
    player = _Player(sampler)
    asks = _asks(operations)
    drawn: dict[int, Suggestion | None] = {}
    differences = []
    others: dict[str, tuple[str, str]] = {}
    waiting = sorted(asks.items(), key=lambda item: (item[1][0], item[0]))
    for index, operation in enumerate(operations):
        while waiting and waiting[0][1][0] == index:
            line, (_, queues) = waiting.pop(0)
            drawn[line] = player.draw(player.number(operations[line]) if queues else None)
        player.apply(operation)
        if StudyAttributes.tells_sampling(_said(operation)):
            then, now = player.versions, versions()
            others |= {name: (then[name], now[name]) for name in then if name in now and then[name] != now[name]}
        if index in asks:
            number = player.number(operation)
            now_drawn = drawn.pop(index)
            recorded, recomputed = player.params(number), dict(now_drawn.params if now_drawn is not None else {})
            resumed = number if _resumes(operation) else None
            same = recorded == recomputed and now_drawn is not None and now_drawn.resumed == resumed
            if not same or (now_drawn is not None and now_drawn.origin != player.origin(number, resumed)):
                differences.append(ReplayDifference(number, recorded, recomputed))
    return ReplayReport(len(asks), tuple(differences), others)


def _asks(operations: list[dict[str, Any]]) -> dict[int, tuple[int, bool]]:
    """Return for each line that hands out a suggestion what it had seen, and whether it completed a queued trial."""
    return {
        index: (operation["seen"], not _resumes(operation) and "trial_id" in operation)
        for index, operation in enumerate(operations)
        if "seen" in operation and operation.get("worker_id", WRITER) == WRITER
    }


def _said(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a line of ours says about the study; other programs say nothing that a suggestion depends on."""
    ours = operation["op_code"] == Operation.SET_STUDY_USER_ATTR and operation.get("worker_id", WRITER) == WRITER
    found: Mapping[str, Any] = operation["user_attr"] if ours else {}
    return found


def _resumes(operation: Mapping[str, Any]) -> bool:
    """Whether a sampler let a paused trial go on."""
    return "seen" in operation and bool(operation["op_code"] == Operation.SET_TRIAL_USER_ATTR)


class _Player:
    """The study as it was at one moment of the journal."""

    def __init__(self, sampler: Any) -> None:
        self._storage = StudyStorage()
        self._given = sampler
        self._sampler: Any = None
        self._space: Space | None = None
        self._earlier: Sequence[EarlierStudy] = ()

    def apply(self, operation: Mapping[str, Any]) -> None:
        """Take in one operation."""
        self._storage.apply(operation)
        attrs = _said(operation)
        if StudyAttributes.tells_identity(attrs):
            self._space = space_of(self._storage.attributes.identity["space"])
        if StudyAttributes.tells_sampling(attrs):
            self._sampler = None
        if StudyAttributes.tells_earlier(attrs):
            self._earlier = read_earlier(self._storage, self._known_space)

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries by which the next suggestions were made."""
        found: Mapping[str, str] = self._storage.attributes.sampling.get("versions", {})
        return found

    @property
    def _known_space(self) -> Space:
        if self._space is None:
            raise StudyError("a journal must say what its space is, but this one does not", "was it written by Optuna?")
        return self._space

    def draw(self, queued: int | None) -> Suggestion | None:
        """Suggest as the study did."""
        if self._sampler is None:
            self._sampler = self._given or self._named()
        earlier = [trial for known in self._earlier for trial in known.visible(self._storage.trials)]
        resumes = bool(self._storage.attributes.sampling.get("resumes"))
        return Draft(
            self._storage, self._known_space, self._sampler, queued=queued, earlier=earlier, resumes=resumes
        ).draw()

    def _named(self) -> Any:
        found = self._storage.attributes.sampling
        if not found.get("named", False):
            raise StudyError(
                f"a replay must know the sampler, but the study was opened with an object of {found.get('sampler')!r}",
                "pass the same object: replay(path, sampler=…)",
            )
        return make_sampler(
            found["sampler"],
            self._known_space,
            seed=found["seed"],
            max_step=found.get("max_step"),
            pauses=found.get("resumes", False),
        )

    def number(self, operation: Mapping[str, Any]) -> int:
        """Return the trial that an operation, which was just applied, handed out."""
        return self._storage.number_of(operation) if "trial_id" in operation else len(self._storage.trials) - 1

    def origin(self, number: int, resumed: int | None) -> int | None:
        """Return from whose checkpoint a new trial went on."""
        return TrialAttributes(self._storage.trials[number]).origin if resumed is None else None

    def params(self, number: int) -> dict[str, Any]:
        """Return what was handed out."""
        return dict(TrialAttributes(self._storage.trials[number]).params or {})
