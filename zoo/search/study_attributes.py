"""What a study keeps about itself in Optuna's attributes: the one module that knows their names.

Like ``trial_attributes``: a journal must say the same to the next version, so this may grow and never change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoo.search.metrics import Limit

__all__ = ["EARLIER_PREFIX", "OUR_STUDY_KEYS", "StudyAttributes", "metric_names"]

#: Names that other programs may not set on the study.
OUR_STUDY_KEYS = frozenset({"identity", "limits", "sampling", "study:metric_names"})
#: The trials of each earlier study are kept under this and a number.
EARLIER_PREFIX = "evidence:"
_NOTE = "note:"


class StudyAttributes:
    """The attributes of a study, read.

    Args:
        study: The study's own record, as Optuna has it.
    """

    def __init__(self, study: Any) -> None:
        self._kept: Mapping[str, Any] = study.user_attrs

    @property
    def begun(self) -> bool:
        """Whether it says what is searched, and within what limits: what every trial means."""
        return {"identity", "limits"} <= set(self._kept)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What must be the same when the study is opened again; empty in studies of Optuna's own."""
        found: Mapping[str, Any] = self._kept.get("identity", {})
        return found

    @property
    def sampling(self) -> Mapping[str, Any]:
        """What else the suggestions depend on."""
        found: Mapping[str, Any] = self._kept.get("sampling", {})
        return found

    @property
    def limits(self) -> dict[str, Limit]:
        """The thresholds as they are now, by metric."""
        return {name: Limit(**bounds) for name, bounds in self._kept.get("limits", {}).items()}

    @property
    def notes(self) -> dict[str, Any]:
        """What was kept with ``Study.note``."""
        return {name.removeprefix(_NOTE): value for name, value in self._kept.items() if name.startswith(_NOTE)}

    @property
    def earlier(self) -> list[Mapping[str, Any]]:
        """The earlier studies that this one starts warm from, in the order in which they came."""
        return [self._kept[name] for name in sorted(_earlier(self._kept), key=lambda name: int(name.partition(":")[2]))]

    # written

    @staticmethod
    def of_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attribute with what must stay the same."""
        return {"identity": identity}

    @staticmethod
    def of_sampling(sampling: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attribute with what suggestions depend on."""
        return {"sampling": sampling}

    @staticmethod
    def of_limits(limits: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        """Return the attribute with the thresholds."""
        return {"limits": limits}

    @staticmethod
    def of_note(name: str, value: Any) -> dict[str, Any]:
        """Return the attribute of a note."""
        return {f"{_NOTE}{name}": value}

    def with_earlier(self, weight: float, trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the attribute of one more earlier study."""
        return {f"{EARLIER_PREFIX}{len(list(_earlier(self._kept)))}": {"weight": weight, "trials": trials}}

    # what a line of a journal is about

    @staticmethod
    def tells_identity(attrs: Mapping[str, Any]) -> bool:
        """Whether attributes that are set say what must stay the same."""
        return "identity" in attrs

    @staticmethod
    def tells_sampling(attrs: Mapping[str, Any]) -> bool:
        """Whether attributes that are set say what suggestions depend on."""
        return "sampling" in attrs

    @staticmethod
    def tells_limits(attrs: Mapping[str, Any]) -> bool:
        """Whether attributes that are set edit the thresholds."""
        return "limits" in attrs

    @staticmethod
    def tells_earlier(attrs: Mapping[str, Any]) -> bool:
        """Whether attributes that are set bring an earlier study."""
        return any(True for _ in _earlier(attrs))


def _earlier(attrs: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in attrs if name.startswith(EARLIER_PREFIX))


def metric_names(names: Sequence[str]) -> dict[str, Any]:
    """Return the system attribute by which optuna-dashboard calls the objectives."""
    return {"study:metric_names": names}
