"""Season lengths: the usual ones of a calendar, or those that the data show on an integer clock."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autots.panel.panel import Floats, Ints, Panel

__all__ = ["detect_seasons", "usual_length"]

# Season lengths, in rows, that clocks of people have.
_USUAL = (4, 5, 6, 7, 8, 10, 12, 13, 14, 24, 26, 30, 48, 52, 60, 72, 96, 144, 168, 288, 336, 365, 672, 720, 1008)
_SERIES = 60  # series that are looked at
_ROWS = 2048  # last rows of each
_CYCLES = 4  # whole cycles that must be there before a season is believed
_CLEAR = 0.25  # share of the detrended variance that a season must explain out of sample
_FEW = 0.6  # added to that, divided by the number of cycles seen: three cycles may agree by chance
_ODD = 0.1  # added for lengths that are not usual
_NEAR = 0.95  # a shorter season wins unless the longer one explains more than this allows
_LONG = 1 / 3  # share of all rows that long series must hold to stand for the panel
_PART = 0.4  # share of the best that a shorter season inside it must explain to be named too


def detect_seasons(panel: Panel) -> tuple[int, ...]:
    """Return season lengths in rows, shortest first; ``(1,)`` if nothing is clear.

    On a calendar: the usual ones of the frequency that fit twice into the median series, or into long ones that hold a
    third of the rows: what is new has no say in the season of what is old. On an integer clock each
    candidate (usual lengths, and peaks of the pooled autocorrelation) is tried on up to 60 series: a moving average of
    the candidate's length is taken off, and each cycle is predicted by the mean of the other cycles. The share of
    variance explained that way cannot be had by chance or by a trend, so a random walk has no season.
    """
    if not panel.n_series:
        return (1,)
    if not panel.freq.is_integer:
        fitting = tuple(s for s in panel.freq.seasons if 2 * s <= usual_length(panel.lengths, 2 * s))
        return fitting or (1,)
    found = _detected(panel)
    long = np.flatnonzero(panel.lengths >= usual_length(panel.lengths, int(panel.lengths.max())) / 2)
    return _detected(panel.select(long)) if found == (1,) and len(long) < panel.n_series else found


def usual_length(lengths: Ints, least: int) -> int:
    """Return the rows of the usual series: the median, or that of long ones where the median has less than ``least``.

    Five series of eight years beside six new ones are a panel of eight years with six short series. Long are those
    that hold a third of all rows.

    >>> usual_length(np.array([96] * 5 + [10] * 6), 24), usual_length(np.array([96] * 5 + [10] * 6), 6)
    (96, 10)
    """
    usual = int(np.median(lengths))
    if usual >= least:
        return usual
    longest = np.sort(lengths)[::-1]
    held = np.cumsum(longest) / max(int(longest.sum()), 1)
    return max(usual, int(longest[np.searchsorted(held, _LONG)]))


def _detected(panel: Panel) -> tuple[int, ...]:
    chosen = np.unique(np.linspace(0, panel.n_series - 1, min(_SERIES, panel.n_series)).astype(np.intp))
    sample = panel.select(chosen).tail(_ROWS)
    filled = sample.filled()
    series = [_clean(filled[a:b]) for a, b in zip(sample.indptr[:-1], sample.indptr[1:], strict=True)]
    series = [x for x in series if len(x) >= 3 * _CYCLES and np.ptp(x) > 0]
    if not series:
        return (1,)
    longest = int(np.median([len(x) for x in series])) // _CYCLES
    candidates = sorted({p for p in (*_USUAL, *_peaks(series, longest)) if 2 <= p <= longest})
    clear = _clear(series, candidates)
    if not clear:
        return (1,)
    top = max(clear.values())
    best = min(p for p, score in clear.items() if score >= _NEAR * top)
    inside = {p: s for p, s in clear.items() if 4 <= p <= best // 7 and best % p == 0 and s >= _PART * top}
    if inside:
        return max(inside, key=lambda p: (inside[p], -p)), best
    # A longer season counts for what it explains after the shorter one, so it must be a multiple that adds.
    rest = [_without(x, best) for x in series]
    longer = _clear(rest, [p for p in candidates if p >= 2 * best and p % best == 0])
    return (best, min(p for p, s in longer.items() if s >= _NEAR * max(longer.values()))) if longer else (best,)


def _clean(x: Floats) -> Floats:
    """Return a series of unit scale whose outliers are pulled in, so that one spike makes no season."""
    middle = np.median(x)
    steps = np.abs(np.diff(x)) if len(x) > 1 else np.zeros(1)
    reach = max(10 * float(np.median(np.abs(x - middle))), 10 * float(np.median(steps)))
    if reach > 0:
        x = np.clip(x, middle - reach, middle + reach)
    width = float(np.std(x))
    return (x - middle) / width if width > 0 and np.isfinite(width) else np.zeros_like(x)


def _detrended(x: Floats, period: int) -> Floats:
    """Return the series without its centred moving average of one period, whose ends are cut off."""
    weights = np.full(period + 1 - period % 2, 1.0 / period)
    if period % 2 == 0:
        weights[[0, -1]] /= 2
    half = len(weights) // 2
    sums = np.convolve(x, weights, mode="valid")
    return x[half : half + len(sums)] - sums


def _cycles(x: Floats, period: int) -> npt.NDArray[np.float64] | None:
    """Return (cycles, period) of the detrended series, or None if there are too few."""
    if len(x) < _CYCLES * period:
        return None
    d = _detrended(x, period)
    n = len(d) // period
    return np.asarray(d[len(d) - n * period :].reshape(n, period), dtype=np.float64) if n >= _CYCLES - 1 else None


def _explained(series: list[Floats], period: int) -> tuple[float, int]:
    """Return the share of variance that the mean of the other cycles explains, and the cycles, over all series."""
    left = total = 0.0
    seen = 0
    for x in series:
        cycles = _cycles(x, period)
        if cycles is None:
            continue
        n = len(cycles)
        scale = float((cycles**2).sum())
        if scale <= 1e-9 * len(x):
            continue
        others = (cycles.sum(axis=0) - cycles) / (n - 1)
        # Every series has one vote, however long or loud.
        left += float(((cycles - others) ** 2).sum()) / scale
        total += 1.0
        seen += n
    return (1.0 - left / total, seen) if total >= max(1.0, 0.3 * len(series)) else (-1.0, 1)


def _clear(series: list[Floats], candidates: list[int]) -> dict[int, float]:
    """Return the candidates that explain enough, with what they explain."""
    found = {}
    for period in candidates:
        score, cycles = _explained(series, period)
        if score >= _CLEAR + _FEW / cycles + (0.0 if period in _USUAL else _ODD):
            found[period] = score
    return found


def _without(x: Floats, period: int) -> Floats:
    """Return the series without its mean cycle, which is taken from the detrended series."""
    if len(x) < 3 * period:
        return x
    d = _detrended(x, period)
    n = len(d) // period
    shape = d[: n * period].reshape(n, period).mean(axis=0)
    # The detrended series begins half a period after the series itself.
    phase = (np.arange(len(x)) - (period + 1 - period % 2) // 2) % period
    return np.asarray(x - shape[phase], dtype=np.float64)


def _peaks(series: list[Floats], longest: int) -> list[int]:
    """Return the lags of the highest local maxima of the pooled autocorrelation of differences."""
    if longest < 3:
        return []
    pooled = np.zeros(longest + 2)
    for x in series:
        d = np.diff(x)
        size = 1 << int(np.ceil(np.log2(2 * len(d))))
        power = np.abs(np.fft.rfft(d - d.mean(), size)) ** 2
        correlation = np.fft.irfft(power)[: longest + 2]
        if len(correlation) == len(pooled) and correlation[0] > 0:
            pooled += correlation / correlation[0]
    inner = pooled[1:-1]
    lags = np.flatnonzero((inner > pooled[:-2]) & (inner > pooled[2:])) + 1
    return [int(lag) for lag in lags[np.argsort(-pooled[lags])][:8]]
