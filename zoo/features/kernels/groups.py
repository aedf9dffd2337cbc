"""Series beside each other in one flat array: where they begin, and which rows are near a beginning."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Groups", "Ints"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


class Groups:
    """Where each of S series begins and ends in flat arrays of N rows.

    Args:
        offsets: (S+1,) row of each beginning, and N.

    >>> groups = Groups(np.array([0, 3, 4]))
    >>> groups.heads(2).tolist()
    [0, 1, 3]
    """

    def __init__(self, offsets: npt.NDArray[Any]) -> None:
        self.offsets: Ints = np.ascontiguousarray(offsets, dtype=np.int64)
        self._heads: dict[int, Ints] = {}

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows(self) -> int:
        """N."""
        return int(self.offsets[-1])

    @cached_property
    def lengths(self) -> Ints:
        """(S,) rows of each series."""
        return np.diff(self.offsets)

    @cached_property
    def codes(self) -> Ints:
        """(N,) the series of each row."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def positions(self) -> Ints:
        """(N,) the place of each row in its series, from 0."""
        return np.arange(self.rows) - np.repeat(self.offsets[:-1], self.lengths)

    def heads(self, count: int) -> Ints:
        """Return the flat indices of the first ``count`` rows of every series."""
        if count <= 0:
            return np.empty(0, dtype=np.int64)
        if count not in self._heads:
            taken = np.minimum(self.lengths, count)
            before = np.cumsum(taken) - taken
            at = np.repeat(self.offsets[:-1] - before, taken)
            at += np.arange(len(at))
            self._heads[count] = at
        return self._heads[count]

    def slice(self, first: int, last: int) -> Groups:
        """Return the series ``first`` to ``last`` (excluded) alone."""
        return Groups(self.offsets[first : last + 1] - self.offsets[first])

    def padded(self, count: int) -> tuple[Ints, int]:
        """Return where rows go when ``count`` empty rows are put before each series, and the new number of rows."""
        at = np.arange(self.rows) + count * (self.codes + 1)
        return at, self.rows + count * len(self)
