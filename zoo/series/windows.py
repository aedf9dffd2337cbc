"""Statistics of moving windows, added up in a tree that each row has for itself.

Running sums (pandas, coreforecast's mean and std) add what enters and subtract what leaves: the bits of a row depend on
all rows before it, so a truncated history gives other bits, and one huge value leaves a trace for ever. Here sums of 2,
4, 8, ... rows are made by doubling, ``S[2k](t) = S[k](t) + S[k](t-k)``, and a window is put together from the binary
digits of its length. That is O(log window) vector additions per row, the order of additions is the same for every row,
and the rounding error grows with the logarithm of the window. Squares are merged by Chan, Golub and LeVeque (1983), so
a large mean costs the deviation few digits. Quantiles are coreforecast's: order statistics depend on the window alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from zoo.series.offsets import Floats, Offsets

__all__ = ["WindowStatistic", "rolling"]

_BLOCK = 16384  # rows at a time: what is at work stays in the cache
_local = threading.local()


class WindowStatistic(NamedTuple):
    """A statistic of the last rows.

    Args:
        how: mean, std (with n - 1), min, max, sum, or quantile.
        size: Rows of the window.
        level: Of a quantile, between 0 and 1.
    """

    how: str
    size: int
    level: float = 0.0


def rolling(
    values: Floats,
    offsets: Offsets,
    windows: Sequence[WindowStatistic],
    *,
    shift: int = 1,
    min_known: int | None = None,
    newest: bool = False,
) -> dict[WindowStatistic, Floats]:
    """Return statistics of the ``size`` rows that end ``shift`` rows before each row.

    Args:
        values: (N,), NaN where missing.
        offsets: Where each series begins and ends.
        windows: The statistics to compute, each once.
        shift: 1 for windows that end with the row before; 0 takes the row itself.
        min_known: Known values that a window needs; all of them by default. Else missing values are left out.
        newest: Return the last entry alone, of a single series.

    Returns:
        WindowStatistic -> (N,), NaN where there are too few values; with ``newest`` the last entries count.
    """
    out: dict[WindowStatistic, Floats] = {}
    quantiles = [w for w in windows if w.how == "quantile"]
    rest = [w for w in windows if w.how != "quantile"]
    if rest:
        if min_known is not None:
            out |= _partial(values, offsets, rest, shift, min_known)
        elif newest and len(values) >= max(w.size for w in rest) + shift:
            out |= _newest_complete(values, rest, shift)
        else:
            out |= _complete(values, offsets, rest, shift)
    for w in quantiles:
        needed = w.size if min_known is None else min(min_known, w.size)
        if newest:
            out[w] = _newest_quantile(values, w, shift, needed)
        else:
            out[w] = _quantile(values, offsets, w, shift, needed)
    return out


def _quantile(values: Floats, offsets: Offsets, window: WindowStatistic, shift: int, min_known: int) -> Floats:
    from coreforecast.grouped_array import GroupedArray
    from coreforecast.lag_transforms import RollingQuantile

    array = GroupedArray(np.ascontiguousarray(values), offsets.indptr, 1)
    found: Floats = RollingQuantile(shift, window.level, window.size, min_samples=1, skipna=True).transform(array)
    # coreforecast asks for enough rows at the start of a series, and later for no more than one known value.
    known = np.concatenate([[0], np.cumsum(np.isfinite(values))])
    last = np.arange(len(values)) - shift + 1
    first = np.maximum(last - window.size, offsets.repeat(offsets.starts))
    count = known[np.maximum(last, first)] - known[first]
    found[count < min_known] = np.nan
    found += 0.0  # of zeros with two signs, the one above
    return found


def _newest_quantile(values: Floats, window: WindowStatistic, shift: int, min_known: int) -> Floats:
    """Return the last entry of ``_quantile``: sorting one window is quicker than coreforecast's update of a long one.

    The interpolation is coreforecast's; a test holds the bits together.
    """
    last = len(values) - shift
    part = values[max(last - window.size, 0) : max(last, 0)]
    part = np.sort(part[np.isfinite(part)])
    if len(part) < max(min_known, 1):
        return np.array([np.nan])
    place = window.level * (len(part) - 1)
    low = int(place)
    found = part[low]
    if low + 1 < len(part):
        found = found + (place - low) * (part[low + 1] - found)
    return np.array([found + 0.0])


def _newest_complete(values: Floats, windows: Sequence[WindowStatistic], shift: int) -> dict[WindowStatistic, Floats]:
    """Return the last entry of ``_complete``, from as many rows as the longest window has."""
    end = len(values) - shift
    out: dict[WindowStatistic, Floats] = {w: np.full(1, np.nan) for w in windows}
    used = sorted((w for w in out if not (w.how == "std" and w.size == 1)), key=lambda w: w.size)
    if used:
        _tree(values[end - used[-1].size : end], used, out)
    return out


def _complete(
    values: Floats, offsets: Offsets, windows: Iterable[WindowStatistic], shift: int
) -> dict[WindowStatistic, Floats]:
    """Windows without a missing value: a NaN spreads to the rows whose window holds it, as it should."""
    wanted = sorted(set(windows), key=lambda w: w.size)
    rows, longest = len(values), max(w.size for w in wanted)
    out: dict[WindowStatistic, Floats] = {w: np.empty(rows) for w in wanted}
    block = max(_BLOCK, 8 * longest)
    for begin in range(0, rows, block):
        end = min(begin + block, rows)
        low = begin - shift - longest + 1
        part = values[max(low, 0) : max(end - shift, 0)]
        if low < 0:
            # What lies before the first series is never looked at: those rows are blanked below.
            part = np.concatenate([np.zeros(end - shift - low - len(part)), part])
        _tree(part, wanted, {w: out[w][begin:end] for w in wanted})
    for w in wanted:
        out[w][offsets.heads(w.size - 1 + shift)] = np.nan
        if w.how == "std" and w.size == 1:
            out[w][:] = np.nan
    return out


def _tree(x: Floats, windows: Sequence[WindowStatistic], out: dict[WindowStatistic, Floats]) -> None:
    """Fill ``out`` (each as long as the block) for the rows at the end of ``x``."""
    sums = {w.size for w in windows if w.how in ("mean", "sum", "std")}
    squares = {w.size for w in windows if w.how == "std"}
    lows, highs = ({w.size for w in windows if w.how == how} for how in ("min", "max"))
    total, deviations, low, high = x, None, x, x
    found: dict[int, tuple[int, Floats, Floats | None]] = {}
    longest = max(w.size for w in windows)
    size = 1
    while size <= longest:
        for n in sums:
            if n & size:
                found[n] = _joined(found.get(n), size, total, deviations if n in squares else None, n in squares)
        for w in windows:
            if (w.how == "min" and size <= w.size < 2 * size) or (w.how == "max" and size <= w.size < 2 * size):
                # The two halves may overlap: a minimum does not mind.
                of = low if w.how == "min" else high
                rest, length = w.size - size, len(out[w])
                pick = np.minimum if w.how == "min" else np.maximum
                pick(of[len(of) - length :], of[len(of) - length - rest : len(of) - rest], out=out[w])
        if 2 * size > longest:
            break
        if any(n >= 2 * size for n in sums):
            if any(n >= 2 * size for n in squares):
                gap = total[size:] - total[:-size]
                gap *= gap
                gap *= 0.5 / size
                if deviations is not None:
                    gap += deviations[size:] + deviations[:-size]
                deviations = gap
            total = total[size:] + total[:-size]
        if any(n >= 2 * size for n in lows):
            low = np.minimum(low[size:], low[:-size])
        if any(n >= 2 * size for n in highs):
            high = np.maximum(high[size:], high[:-size])
        size *= 2
    for w in windows:
        if w.how in ("mean", "sum", "std"):
            _, added, squared = found[w.size]
            target = out[w]
            if w.how == "sum":
                target[:] = added[len(added) - len(target) :]
            elif w.how == "mean":
                np.divide(added[len(added) - len(target) :], w.size, out=target)
            elif squared is not None:
                np.divide(squared[len(squared) - len(target) :], max(w.size - 1, 1), out=target)
                np.sqrt(target, out=target)


def _joined(
    newer: tuple[int, Floats, Floats | None] | None, size: int, total: Floats, deviations: Floats | None, squares: bool
) -> tuple[int, Floats, Floats | None]:
    """Put ``size`` older rows before the rows gathered so far."""
    if newer is None:
        return size, total, (np.zeros(len(total)) if deviations is None else deviations) if squares else None
    count, added, squared = newer
    length = len(added) - size
    joined = None
    if squares:
        assert squared is not None
        gap = added[size:] / count
        gap -= total[:length] / size
        gap *= gap
        gap *= count * size / (count + size)
        gap += squared[size:]
        if deviations is not None:
            gap += deviations[:length]
        joined = gap
    return count + size, added[size:] + total[:length], joined


class _WindowSums(NamedTuple):
    """Known values, their sum, and their squared deviations from their mean, of as many rows per entry."""

    known: Floats
    total: Floats
    deviations: Floats


def _apart(newer: _WindowSums, older: _WindowSums, size: int) -> tuple[_WindowSums, _WindowSums]:
    """Lay ``size`` older rows beside the newer ones that they come before."""
    length = len(newer.known) - size
    return _WindowSums(*(a[size:] for a in newer)), _WindowSums(*(a[:length] for a in older))


def _merged(newer: _WindowSums, older: _WindowSums) -> _WindowSums:
    known = newer.known + older.known
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = newer.total / newer.known - older.total / older.known
        part = gap * gap * (newer.known * older.known / known)
    part[(newer.known == 0) | (older.known == 0)] = 0.0
    return _WindowSums(known, newer.total + older.total, part + newer.deviations + older.deviations)


def _partial(
    values: Floats, offsets: Offsets, windows: Sequence[WindowStatistic], shift: int, min_known: int
) -> dict[WindowStatistic, Floats]:
    """Windows that may have missing values: empty rows before each series stand for what was before."""
    longest = max(w.size for w in windows)
    pad = longest - 1 + shift
    at, rows = offsets.padded(pad)
    x = np.full(rows, np.nan)
    x[at] = values
    seen = np.isfinite(x)
    filled = np.where(seen, x, 0.0)
    level = _WindowSums(seen.astype(float), filled, np.zeros(rows))
    low = high = x
    found: dict[int, _WindowSums] = {}
    extremes: dict[WindowStatistic, Floats] = {}
    size = 1
    while True:
        for n in {window.size for window in windows}:
            if n & size:
                found[n] = _merged(*_apart(found[n], level, size)) if n in found else level
        for window in windows:
            if window.how in ("min", "max") and size <= window.size < 2 * size:
                rest = window.size - size
                of, pick = (low, np.fmin) if window.how == "min" else (high, np.fmax)
                extremes[window] = pick(of[rest:], of[: len(of) - rest])
        if 2 * size > longest:
            break
        level = _merged(*_apart(level, level, size))
        low, high = np.fmin(low[size:], low[:-size]), np.fmax(high[size:], high[:-size])
        size *= 2
    out: dict[WindowStatistic, Floats] = {}
    result: Floats
    for window in windows:
        sums = found[window.size]
        with np.errstate(divide="ignore", invalid="ignore"):
            if window.how == "mean":
                result = sums.total / sums.known
            elif window.how == "std":
                result = np.sqrt(sums.deviations / (sums.known - 1))
            else:
                result = sums.total if window.how == "sum" else extremes[window]
        needed = max(min(min_known, window.size), 2 if window.how == "std" else 1)
        result = np.where(sums.known >= needed, result, np.nan)
        # Entry i ends at row i + size - 1.
        out[window] = result[at - shift - window.size + 1]
    return out
