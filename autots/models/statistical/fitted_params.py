"""What was learned for many series, as a few arrays: a state of 10,000 series saves in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.models.base import State
from autots.panel import Floats, Ints, Times

__all__ = ["FALLBACKS", "SeriesFit", "SeriesFits"]

#: Why a series has no model of its own: code - 1 is the place here; 0 is none.
FALLBACKS = ("short", "constant", "failed", "absurd")


@dataclass(frozen=True)
class SeriesFit:
    """What was learned for one series.

    Args:
        values: (k,) the model's own numbers; empty for a fallback.
        season: Season length that it was fitted with, 1 for none.
        adjusted: 0, or whether a seasonal component is taken off first: 1 subtracted, 2 divided.
        transformed: Whether the values were transformed first.
        reason: 0, or 1 + the place in ``FALLBACKS``.
        level: What was taken off the values before all else.
        unit: What the rest was multiplied with, as models have tolerances of their own.
    """

    values: Floats
    season: int = 1
    adjusted: int = 0
    transformed: bool = False
    reason: int = 0
    level: float = 0.0
    unit: float = 1.0


@dataclass(frozen=True)
class SeriesFits:
    """What was learned for S series.

    Args:
        ids: (S,) identifiers of the series.
        first: (S,) clock of the first row that each was fitted on.
        season: (S,) season lengths in rows, 1 for none.
        adjusted: (S,) codes of the seasonal adjustment.
        transformed: (S,) whether a transform was used.
        reason: (S,) codes of the fallback.
        values: (K,) the models' numbers, one series after the other.
        indptr: (S + 1,) offsets into ``values``.
        level: (S,) levels that were taken off.
        unit: (S,) factors that the rest was multiplied with.
    """

    ids: npt.NDArray[np.object_]
    first: Times
    season: Ints
    adjusted: Ints
    transformed: npt.NDArray[np.bool_]
    reason: Ints
    values: Floats
    indptr: Ints
    level: Floats
    unit: Floats

    @classmethod
    def of(cls, ids: npt.NDArray[np.object_], first: Times, learned: Sequence[SeriesFit]) -> SeriesFits:
        """Pack what was learned for each series."""
        sizes = [len(one.values) for one in learned]
        return cls(
            ids=np.array(ids, dtype=object),
            first=np.array(first),
            season=np.array([one.season for one in learned], dtype=np.int64),
            adjusted=np.array([one.adjusted for one in learned], dtype=np.int64),
            transformed=np.array([one.transformed for one in learned], dtype=np.bool_),
            reason=np.array([one.reason for one in learned], dtype=np.int64),
            values=np.concatenate([np.zeros(0), *(one.values for one in learned)]),
            indptr=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            level=np.array([one.level for one in learned]),
            unit=np.array([one.unit for one in learned]),
        )

    @cached_property
    def where(self) -> dict[str, int]:
        """Id -> row; the last one where ids repeat, as it is the one fitted on most."""
        return {str(id_): i for i, id_ in enumerate(self.ids)}

    def one(self, i: int) -> SeriesFit:
        """Return what was learned for series ``i``."""
        return SeriesFit(
            self.values[self.indptr[i] : self.indptr[i + 1]],
            int(self.season[i]),
            int(self.adjusted[i]),
            bool(self.transformed[i]),
            int(self.reason[i]),
            float(self.level[i]),
            float(self.unit[i]),
        )

    @property
    def fallbacks(self) -> dict[str, int]:
        """How many series have no model of their own, by reason."""
        counts = np.bincount(self.reason, minlength=len(FALLBACKS) + 1)[1:]
        return {name: int(count) for name, count in zip(FALLBACKS, counts, strict=True) if count}

    @classmethod
    def joined(cls, parts: Sequence[SeriesFits]) -> SeriesFits:
        """Return what was learned for the series of all parts, in their order."""
        together = {name: np.concatenate([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__}
        sizes = np.concatenate([np.diff(p.indptr) for p in parts])
        return cls(**{**together, "indptr": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)})

    def state(self) -> State:
        """Return the arrays."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SeriesFits:
        """Return what ``state`` gave."""
        # What an earlier version learned had no level taken off, and was in the user's units.
        state = {"level": np.zeros(len(state["ids"])), "unit": np.ones(len(state["ids"])), **state}
        return cls(**{name: np.asarray(state[name]) for name in cls.__dataclass_fields__})
