"""Missing values: what is known of them, and when.

A straight line through a gap needs the value after it, which nobody has while the gap is open. So a gap has two
readings. For rows after it, it is ``closed``: the line is known by then. For rows inside it, it is ``open``: they see
the last known value. ``zoo.features.compute`` lays out the second reading as series of their own, and runs the same
kernels over both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.series.offsets import Floats, Ints, Offsets, spans

__all__ = ["Gaps", "closed", "find_gaps", "forward"]


class Gaps(NamedTuple):
    """Runs of missing values.

    Args:
        first: (G,) row of the first missing value.
        length: (G,) number of them.
        begun: (G,) whether the series has a known value before.
        ended: (G,) whether it has one after.
    """

    first: Ints
    length: Ints
    begun: np.ndarray
    ended: np.ndarray


def find_gaps(values: Floats, offsets: Offsets) -> Gaps:
    """Return the runs of missing values; none crosses from one series to the next."""
    missing = np.isnan(values)
    if not missing.any():
        none = np.empty(0, dtype=np.int64)
        return Gaps(none, none, none.astype(bool), none.astype(bool))
    heads = np.zeros(len(values), dtype=bool)
    heads[offsets.starts[offsets.lengths > 0]] = True
    begins = missing & (heads | ~np.concatenate([[False], missing[:-1]]))
    tails = np.concatenate([heads[1:], [True]])
    ends = missing & (tails | ~np.concatenate([missing[1:], [False]]))
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)
    return Gaps(first, last - first + 1, ~heads[first], ~tails[last])


def closed(values: Floats, gaps: Gaps, limit: int) -> Floats:
    """Return the values with straight lines through gaps of at most ``limit`` rows; longer gaps stay missing.

    >>> y = np.array([1.0, np.nan, 3.0, np.nan])
    >>> closed(y, find_gaps(y, Offsets(np.array([0, 4]))), 6).tolist()
    [1.0, 2.0, 3.0, nan]
    """
    good = gaps.begun & gaps.ended & (gaps.length <= limit)
    if not good.any():
        return values
    first, length = gaps.first[good], gaps.length[good]
    out = values.copy()
    inside = Offsets.of_lengths(length)
    begin, end = inside.repeat(values[first - 1]), inside.repeat(values[first + length])
    share = (inside.positions + 1) / inside.repeat(length + 1)
    out[spans(first, length)] = begin + (end - begin) * share
    return out


def forward(values: Floats, gaps: Gaps, limit: int) -> Floats:
    """Return the values with the last known one repeated, up to ``limit`` times."""
    if not gaps.begun.any():
        return values
    first, length = gaps.first[gaps.begun], np.minimum(gaps.length[gaps.begun], limit)
    out = values.copy()
    out[spans(first, length)] = np.repeat(values[first - 1], length)
    return out
