"""Whether a column is the target of another row, to the last digits: in short series nothing else can be judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from autots.panel.panel import Floats

__all__ = ["exact_shift"]

_ALIKE = 1 - 1e-8  # correlation of what differs in rounding alone
_MIN_PAIRS, _MIN_PAIRS_ALONE = 30, 6  # pairs of values, of all series and of one
_FIRST = 4  # series that are looked at before the others
_SHARE = 0.9  # of the series that are long enough to be judged


def exact_shift(x: Floats, y: Floats, shifts: Iterable[int], seasons: Sequence[int]) -> int | None:
    """Return k if x_t is y_{t+k}, up to a level and a scale of each series; None if it is of none.

    Series whose target follows from its own past as exactly (a line, a wave) say nothing and are left out.

    Args:
        x: (S, T) the column, NaN where missing.
        y: (S, T) the target.
        shifts: The k that are tried, in this order; negative for earlier rows.
        seasons: Season lengths, in rows.

    >>> y = np.random.default_rng(0).normal(size=(3, 20))
    >>> exact_shift(3 * np.roll(y, -2, axis=1) - 7, y, range(1, 5), [1])
    2
    """
    own = np.zeros(len(y), dtype=bool)
    for lag in {1, *seasons}:
        own |= _alike(y, y, lag)[0]
    x, y = x[~own], y[~own]
    for shift in shifts:
        if not _alike(x[:_FIRST], y[:_FIRST], shift)[0].any():
            continue
        same, pairs = _alike(x, y, shift)
        able = pairs >= _MIN_PAIRS_ALONE
        if pairs[same].sum() >= _MIN_PAIRS and same.sum() >= _SHARE * able.sum():
            return shift
    return None


def _alike(x: Floats, y: Floats, shift: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return for each series whether x_t and y_{t+shift} differ in level and scale alone, and the number of pairs."""
    width = x.shape[1] - abs(shift)
    if width < _MIN_PAIRS_ALONE:
        return np.zeros(len(x), dtype=bool), np.zeros(len(x), dtype=np.int64)
    a, b = (x[:, :width], y[:, shift:]) if shift >= 0 else (x[:, -shift:], y[:, :width])
    good = np.isfinite(a) & np.isfinite(b)
    pairs = good.sum(axis=1)
    a, b = _centred(a, good, pairs), _centred(b, good, pairs)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        together = np.abs((a * b).sum(axis=1)) / scale
    # Two values are always on a line: what changes once tells nothing.
    moves = (np.abs(np.diff(b, axis=1)) > 0).sum(axis=1)
    return (together > _ALIKE) & (pairs >= _MIN_PAIRS_ALONE) & (moves >= _MIN_PAIRS_ALONE - 1), pairs


def _centred(values: Floats, good: npt.NDArray[np.bool_], pairs: npt.NDArray[np.int64]) -> Floats:
    held = np.where(good, values, 0.0)
    # Squares of huge values would overflow, those of tiny ones vanish.
    largest = np.abs(held).max(axis=1, keepdims=True, initial=0.0)
    held = held / np.where(largest > 0, largest, 1.0)
    middle = held.sum(axis=1, keepdims=True) / np.maximum(pairs, 1)[:, None]
    return np.asarray(np.where(good, held - middle, 0.0))
