"""Series beside each other in flat arrays: where each begins and ends, and how parts of them are found.

Axes: S series, N rows of all series together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Ints", "Offsets", "Rows", "last_present", "spans"]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.int64]
#: What picks rows of a flat array: a slice (a view), a mask, or positions.
Rows: TypeAlias = slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]

# A mask costs a byte for each row there is, positions eight for each that is wanted.
_BYTES_OF_POSITION = 8


class Offsets:
    """Where each of S series begins and ends in flat arrays of N rows.

    Args:
        indptr: (S + 1,) row at which each series begins, and N: series i is rows ``indptr[i]`` to ``indptr[i + 1]``.

    >>> offsets = Offsets(np.array([0, 3, 4]))
    >>> offsets.heads(2).tolist(), offsets.positions.tolist()
    ([0, 1, 3], [0, 1, 2, 0])
    """

    def __init__(self, indptr: npt.NDArray[Any]) -> None:
        self.indptr: Ints = np.ascontiguousarray(indptr, dtype=np.int64)
        self._heads: dict[int, Ints] = {}

    @classmethod
    def of_lengths(cls, lengths: npt.ArrayLike) -> Offsets:
        """Return the offsets of series of (S,) lengths, one after the other."""
        lengths = np.asarray(lengths, dtype=np.int64)
        indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=indptr[1:])
        return cls(indptr)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def rows(self) -> int:
        """Number of rows N."""
        return int(self.indptr[-1])

    @property
    def starts(self) -> Ints:
        """(S,) first row of each series."""
        return self.indptr[:-1]

    @property
    def ends(self) -> Ints:
        """(S,) row behind the last one of each series."""
        return self.indptr[1:]

    @cached_property
    def lengths(self) -> Ints:
        """(S,) rows of each series."""
        return np.diff(self.indptr)

    @cached_property
    def codes(self) -> Ints:
        """(N,) the series of each row."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def positions(self) -> Ints:
        """(N,) the place of each row in its series, from 0."""
        return np.arange(self.rows) - np.repeat(self.starts, self.lengths)

    def repeat(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (N,) for each row the value of its series, given (S,) values."""
        return np.repeat(values, self.lengths)

    def reduce(self, ufunc: np.ufunc, values: npt.NDArray[Any], dtype: Any = None) -> npt.NDArray[Any]:
        """Return (S,) values put together within each series by ``ufunc.reduceat``; every series must have a row."""
        return np.asarray(ufunc.reduceat(values, self.starts, dtype=dtype))

    def heads(self, count: int) -> Ints:
        """Return the flat rows of the first ``count`` rows of every series; remembered, since kernels ask again."""
        if count <= 0:
            return np.empty(0, dtype=np.int64)
        if count not in self._heads:
            self._heads[count] = spans(self.starts, np.minimum(self.lengths, count))
        return self._heads[count]

    def tails(self, count: int) -> tuple[Offsets, Rows | None]:
        """Return the last ``count`` rows of every series: their offsets and which rows they are, None for all."""
        return self.gather(np.arange(len(self)), np.maximum(self.starts, self.ends - count), self.ends)

    def series(self, first: int, last: int) -> tuple[Offsets, slice]:
        """Return the series ``first`` to ``last`` (excluded) alone: their offsets and rows."""
        part = self.indptr[first : last + 1]
        return Offsets(part - part[0]), slice(int(part[0]), int(part[-1]))

    def chunks(self, rows: int, *, max_series: int | None = None) -> Iterator[slice]:
        """Yield consecutive series that together have at most so many rows, though one series at least.

        Args:
            rows: Upper bound on the rows of a chunk.
            max_series: Upper bound on its series; none by default.
        """
        first, n = 0, len(self)
        while first < n:
            last = int(np.searchsorted(self.indptr, self.indptr[first] + rows, side="right")) - 1
            last = min(max(last, first + 1), n, first + (max_series or n))
            yield slice(first, last)
            first = last

    def kept(self, rows: npt.NDArray[Any]) -> tuple[Offsets, npt.NDArray[np.bool_]]:
        """Return the offsets when only some rows stay, and (S,) which series still have one: the others are left out.

        Args:
            rows: (N,) mask, or increasing rows.
        """
        counts = np.bincount(self.codes[rows], minlength=len(self))
        some = counts > 0
        return Offsets.of_lengths(counts[some]), some

    def padded(self, count: int) -> tuple[Ints, int]:
        """Return where rows go when ``count`` empty rows are put before each series, and the new number of rows."""
        at = np.arange(self.rows) + count * (self.codes + 1)
        return at, self.rows + count * len(self)

    def gather(self, series: npt.NDArray[np.intp], starts: Ints, ends: Ints) -> tuple[Offsets, Rows | None]:
        """Return parts of series, in any order and with repeats: their offsets, and how to pick their rows.

        Args:
            series: (W,) the series of each part.
            starts: (W,) its first row.
            ends: (W,) the row behind its last one.

        Returns:
            The offsets of the parts, and what picks their rows: a slice where a view does; None where these are all
            series as they are.
        """
        sizes = ends - starts
        parts = Offsets.of_lengths(sizes)
        if parts.rows == self.rows and np.array_equal(series, np.arange(len(self))):
            return parts, None
        if len(series) == 1:
            # A view: the windows of one series of millions of rows would be copied as often as there are windows.
            return parts, slice(int(starts[0]), int(ends[0]))
        dense = _BYTES_OF_POSITION * parts.rows > self.rows
        if dense and len(series) and bool(np.all(np.diff(series) > 0)) and bool(np.all(sizes > 0)):
            # In order and without overlap, a mask does. Few of many series are found by their positions instead,
            # without a look at the others.
            edges = np.zeros(self.rows + 1, dtype=np.int8)
            edges[starts] += 1
            edges[ends] -= 1
            return parts, np.cumsum(edges[:-1], dtype=np.int8).view(bool)
        return parts, spans(starts, sizes)


def spans(starts: Ints, sizes: Ints) -> npt.NDArray[np.intp]:
    """Return the rows ``starts[i], ..., starts[i] + sizes[i] - 1`` for every i, one after the other.

    >>> spans(np.array([5, 1]), np.array([2, 3])).tolist()
    [5, 6, 1, 2, 3]
    """
    before = np.cumsum(sizes) - sizes
    at = np.repeat(starts - before, sizes)
    at += np.arange(len(at))
    return at


def last_present(missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return for each place along the last axis that of the last value that is there; 0 before the first one.

    >>> last_present(np.array([True, False, True, True, False])).tolist()
    [0, 1, 1, 1, 4]
    """
    return np.maximum.accumulate(np.where(missing, 0, np.arange(missing.shape[-1])), axis=-1)
