"""Times of many series -> steps on one regular clock: which clock it is, and where each row lies on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import autots.reading.rule_detection as rule_detection
from autots.panel.panel import Ints
from zoo.errors import ConfigError, DataError
from zoo.series.frequency import Frequency, Times
from zoo.series.rules import MONTHS, WEEKDAYS, MonthDays

__all__ = ["JITTER", "OFF_GRID_SHARE", "Grid", "infer_frequency", "place", "unit_hint"]

#: A row that misses its step by at most this share of the step's length is moved onto it.
JITTER = 0.1
#: More rows than this share between the steps, and the clock is irregular.
OFF_GRID_SHARE = 0.05

_DAY = 86_400_000_000_000  # nanoseconds
_SAMPLE = 400_000  # rows that vote on the frequency
_FULL = 0.9  # a plain clock that has fewer of its rows is compared with opening hours and the like
_AGREE = 0.9  # share of a series' rows that must share a property (first of the month, a weekday)
_NICE = [n * 10**9 for n in (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 14400, 21600)]
_NICE += [n * 3600 * 10**9 for n in (8, 12, 24, 168)]


def infer_frequency(codes: Ints, times: Times) -> tuple[Frequency, str]:
    """Return the clock that most series follow, and a sentence if some follow another.

    Every series votes with its most frequent distance between neighbouring times, read as calendar steps where its
    days are the first or last of months, or never weekends. At most some 400,000 rows of evenly chosen series vote.

    Args:
        codes: (N,) series of each row.
        times: (N,) datetime64[ns] or int64, in any order.

    Raises:
        DataError: No series has two different times.
    """
    counts = np.bincount(codes)
    able = np.flatnonzero(counts >= 2)
    n = max(1, int(len(able) * min(1.0, _SAMPLE / max(1, counts.sum()))))
    chosen = able[np.linspace(0, len(able) - 1, n).astype(np.intp)] if len(able) else able
    mask = np.zeros(len(counts), dtype=bool)
    mask[chosen] = True
    rows = mask[codes]
    t, c = times[rows].astype(np.int64), codes[rows]
    order = np.lexsort((t, c))
    t, c = t[order], c[order]
    fresh = np.ones(len(t), dtype=bool)
    fresh[1:] = (np.diff(t) > 0) | (np.diff(c) > 0)
    t, c = t[fresh], c[fresh]
    inner = np.diff(c) == 0
    if not inner.any():
        raise DataError(
            "the frequency must be known or visible, but no series has two different times",
            "give freq=..., for example 'D' or 'MS', or 1 for an integer clock",
        )
    gaps, owner = np.diff(t)[inner], c[:-1][inner]
    if times.dtype.kind in "iu":
        votes = Counter(_steps(owner, gaps)[1].tolist())
        step, won = min(votes.items(), key=lambda item: (-item[1], item[0]))
        return Frequency("", int(step)), _dissent(votes, won, f"step {step}")
    ballots = Counter(_calendar_votes(t, c, owner, gaps))
    alias, won = min(ballots.items(), key=lambda item: (-item[1], Frequency.parse(item[0]).spacing, item[0]))
    if alias.startswith("W-") and sum(1 for a in ballots if a.startswith("W-")) > 1:
        # Every series has its own weekday: a week after each one's own start.
        alias, won = "7D", sum(n for a, n in ballots.items() if a.startswith("W-"))
    freq = Frequency.parse(alias)
    step = freq.spacing if freq.is_fixed and freq.spacing < _DAY else None
    full = _full(t, c, freq)
    better = rule_detection.find(t, c, step, full) if full < _FULL else None
    if better is not None:
        return Frequency.parse(better), ""
    return freq, _dissent(ballots, won, alias)


def _full(t: Ints, c: Ints, freq: Frequency) -> float:
    """Return how full a plain clock is, outages aside; 0 where more rows lie between its steps than may be moved."""
    try:
        at = place(c, t.astype("datetime64[ns]"), freq, advise=False)[0].ordinals
    except DataError:
        return 0.0
    fresh = np.concatenate([[True], (np.diff(at) > 0) | (np.diff(c) > 0)])
    return rule_detection.filled(at[fresh], c[fresh])


def _dissent(votes: Counter[Any], won: int, what: str) -> str:
    if won == votes.total():
        return ""
    return f"{votes.total() - won} of {votes.total()} series look like another frequency than {what}"


def _modes(owner: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Return the distinct owners, and the most frequent value of each (the smallest of equals)."""
    order = np.lexsort((values, owner))
    o, v = owner[order], values[order]
    start = np.flatnonzero(np.concatenate([[True], (np.diff(o) != 0) | (np.diff(v) != 0)]))
    runs = np.diff(np.append(start, len(o)))
    best = np.lexsort((-v[start], runs, o[start]))
    last = np.append(np.flatnonzero(np.diff(o[start][best])), len(best) - 1)
    return o[start][best][last], v[start][best][last]


def _steps(owner: Ints, gaps: Ints) -> tuple[Ints, Ints]:
    """Return the owners and the step of each: the usual gap, or what all gaps are multiples of."""
    owners, step = _modes(owner, gaps)
    each = np.searchsorted(owners, owner)
    n = np.bincount(each)
    rest = gaps % step[each]
    fits = np.minimum(rest, step[each] - rest) <= JITTER * step[each]
    doubtful = np.bincount(each, weights=fits) / n < 1 - OFF_GRID_SHARE
    exact = np.bincount(each, weights=gaps == step[each]) / n
    for i in np.flatnonzero(doubtful | (exact < 0.5)):
        step[i] = _one_step(gaps[each == i], int(step[i]), bool(doubtful[i]))
    return owners, step


def _one_step(gaps: Ints, usual: int, doubtful: bool) -> int:
    """Return the step of one series whose gaps vary: a round duration near the median, or their common divisor."""
    middle = int(np.median(gaps))
    if middle >= 10**9:
        nice = min(_NICE, key=lambda step: abs(step - middle))
        rest = gaps % nice
        near = np.minimum(rest, nice - rest) <= JITTER * nice
        if abs(nice - middle) <= JITTER * nice and near.mean() >= 1 - OFF_GRID_SHARE:
            return nice
    if not doubtful:
        return usual
    values, counts = np.unique(gaps, return_counts=True)
    common = values[counts >= max(1, int(0.01 * len(gaps)))]
    return int(np.gcd.reduce(common if len(common) else values))


def _calendar_votes(t: Ints, c: Ints, owner: Ints, gaps: Ints) -> list[str]:
    owners, step = _steps(owner, gaps)
    starts = np.searchsorted(c, owners)
    of_row = np.searchsorted(owners, c)
    # One-row series have no gap, hence no vote; their rows must not count for a neighbour.
    valid = owners[np.minimum(of_row, len(owners) - 1)] == c
    t, c = t[valid], c[valid]
    starts = np.searchsorted(c, owners)
    n = np.diff(np.append(starts, len(c)))
    when = pd.DatetimeIndex(t.astype("datetime64[ns]"))
    flags = {
        "first": when.day == 1,
        "last": np.asarray(when.is_month_end),
        "business_first": np.asarray(
            (when + pd.offsets.Day(1) - pd.offsets.BMonthBegin(1)).normalize() == when.normalize()
        ),
        "business_last": np.asarray(
            (when - pd.offsets.Day(1) + pd.offsets.BMonthEnd(1)).normalize() == when.normalize()
        ),
    }
    shares = {name: np.add.reduceat(np.asarray(flag, dtype=float), starts) / n for name, flag in flags.items()}
    weekday = np.asarray(when.dayofweek)
    working = np.add.reduceat((weekday >= 5).astype(int), starts) == 0
    jump = np.zeros(len(t), dtype=bool)
    jump[:-1] = (weekday[:-1] == 4) & (np.diff(t) >= 3 * _DAY) & (np.diff(c) == 0)
    friday = np.add.reduceat(jump.astype(int), starts) > 0
    usual_day = _modes(c, weekday.astype(np.int64))[1]
    same_day = np.add.reduceat((weekday == usual_day[np.searchsorted(owners, c)]).astype(float), starts) / n
    usual_month = _modes(c, np.asarray(when.month, dtype=np.int64))[1]
    months = np.asarray(when.year * 12 + when.month, dtype=np.int64)
    between = np.diff(months)[np.diff(c) == 0]
    by_month = _steps(owner, np.maximum(between, 1))[1]
    closest = np.minimum.reduceat(gaps, np.searchsorted(owner, owners))
    sparse = closest >= 27 * _DAY
    usual_date, same_date = _dates(when, c, owners, starts, n) if sparse.any() else (0 * n, 0.0 * n)
    edge = np.select([shares[k] >= _AGREE for k in flags], list(range(4)), -1)
    table = np.stack(
        [
            *(step, edge, working & friday, usual_day, same_day >= _AGREE, usual_month, by_month, sparse),
            np.where(same_date >= _AGREE, usual_date, 0),
        ],
        axis=1,
    ).astype(np.int64)
    kinds, count = np.unique(table, axis=0, return_counts=True)
    return [alias for kind, k in zip(kinds.tolist(), count.tolist(), strict=True) for alias in [_alias(kind)] * k]


def _dates(when: pd.DatetimeIndex, c: Ints, owners: Ints, starts: Ints, n: Ints) -> tuple[Ints, npt.NDArray[Any]]:
    """Return the usual day of the month of each series, and the share of its rows on it, or on the last day before."""
    day, length = (np.asarray(part, dtype=np.int64) for part in (when.day, when.days_in_month))
    usual = _modes(c, day)[1]
    on = day == np.minimum(usual[np.searchsorted(owners, c)], length)
    return usual, np.add.reduceat(on.astype(float), starts) / n


def _alias(kind: list[int]) -> str:
    """Name the clock of a series from its usual gap and the days that it uses."""
    step, edge, working, weekday, same_day, month, months, sparse, date = kind
    if sparse and edge >= 0:
        # Months differ in length, so their distance is counted in months.
        prefix = "B" if edge >= 2 else ""
        side = "S" if edge in (0, 2) else "E"
        if months == 12:
            return f"{prefix}Y{side}-{MONTHS[month - 1]}"
        if months == 3:
            # January, April, July and October begin quarters named QS-JAN and end those named QE-OCT.
            third = month % 3
            return f"{prefix}Q{side}-{('MAR', 'JAN', 'FEB')[third] if side == 'S' else ('DEC', 'OCT', 'NOV')[third]}"
        return f"{'' if months == 1 else months}{prefix}M{side}"
    if sparse and date and 12 % months == 0:
        first = (month - 1) % months
        return MonthDays((date,), months, first + 1).alias
    if step == _DAY:
        return "B" if working else "D"
    if step % (7 * _DAY) == 0 and same_day:
        weeks = step // (7 * _DAY)
        return f"{'' if weeks == 1 else weeks}W-{WEEKDAYS[weekday]}"
    return str(pd.tseries.frequencies.to_offset(pd.Timedelta(step, "ns")).freqstr)


@dataclass(frozen=True)
class Grid:
    """Where rows lie on the clock.

    Args:
        freq: The clock on which rows are laid.
        ordinals: (N,) steps since an origin that belongs to the series (fixed steps) or to all (calendars).
        moved: (N,) whether the row lay beside its step.
        origin: (S,) time of step 0 of each series, for fixed steps.
        steps: The times of all steps, for calendars.
        time_of_day: Nanoseconds that a calendar's rows lie after midnight.
    """

    freq: Frequency
    ordinals: Ints
    moved: npt.NDArray[np.bool_]
    origin: Ints | None = None
    steps: Ints | None = None
    time_of_day: int = 0

    def times(self, series: Ints, first: Ints, lengths: Ints) -> Times:
        """Return the flat times of some series that begin at the steps ``first`` and have ``lengths`` rows."""
        before = np.cumsum(lengths) - lengths
        if self.steps is not None:
            at = np.repeat(first - before, lengths)
            at += np.arange(len(at))
            moments: Times = (self.steps[at] + self.time_of_day).astype("datetime64[ns]")
            return moments
        assert self.origin is not None
        spacing = self.freq.spacing
        out = np.repeat(self.origin[series] + (first - before) * spacing, lengths)
        out += np.arange(len(out)) * spacing
        return out if self.freq.is_integer else np.asarray(out, dtype="datetime64[ns]")


def place(
    codes: Ints, times: Times, freq: Frequency, *, due: Times | None = None, advise: bool = True
) -> tuple[Grid, Ints | None]:
    """Lay rows on the clock.

    Args:
        codes: (N,) series of each row.
        times: (N,) datetime64[ns] or int64, in any order.
        freq: The clock on which rows are laid.
        due: (S,) the time of a known step of each series (NaT, or the smallest integer, for none).
        advise: Whether a refusal may look for the clock that fits.

    Returns:
        The grid, and the (S,) ordinals of ``due`` (the smallest integer for none).

    Raises:
        ConfigError: The frequency is of another kind than the times.
        DataError: Too many rows lie between the steps.
    """
    if freq.is_integer != (times.dtype.kind in "iu"):
        kind = "an integer clock" if times.dtype.kind in "iu" else "dates"
        raise ConfigError(
            f"freq must fit the times, but got {freq.alias or freq.step!r} for {kind}",
            "give an alias such as 'D' for dates, an integer step such as 1 for integers, or leave freq out",
        )
    t = times.view(np.int64) if times.dtype.kind == "M" else times
    begin = None if due is None else due.astype(np.int64)
    place_all = _place_fixed if freq.is_fixed else _place_calendar
    grid, beside, due_at = place_all(codes, t, freq, begin)
    # A tenth of a month is three days, but who moves a day by one names another date.
    far = beside > JITTER * freq.spacing
    if freq.is_fixed and not freq.is_integer:
        far |= beside >= _DAY
    if not freq.is_fixed and grid.moved.mean() > 0.5:
        # First days of months are one day beside last days, but moving them would name the wrong month.
        far = grid.moved
    if far.sum() > OFF_GRID_SHARE * len(t):
        row = int(np.argmax(far))
        raise DataError(
            f"times must lie on a regular clock, but {int(far.sum())} of {len(t)} rows do not lie on steps of "
            f"{freq.alias or freq.step!r}, for example {times[row]}",
            _regular_hint(codes, times, freq) if advise else "",
        )
    return grid, due_at


_UNITS = (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))


def unit_hint(numbers: npt.NDArray[Any], column: str = "frame[...]", *, dated: bool = True) -> str:
    """Return how to convert numbers that look like a clock of computers or of Excel; nothing for others.

    Args:
        numbers: Times as numbers, in whatever unit they are.
        column: How the column is named in code.
        dated: Whether counts such as 44197 may be days of Excel.
    """
    low, high = float(numbers.min()), float(numbers.max())
    for unit, factor in _UNITS:
        if 6e8 * factor <= low and high < 4e9 * factor:
            return f"convert them: pd.to_datetime({column}, unit={unit!r})"
    if dated and 25_000 <= low and high <= 75_000:
        return f"if Excel wrote them, convert them: pd.to_datetime({column}, unit='D', origin='1899-12-30')"
    return ""


def _regular_hint(codes: Ints, times: Times, freq: Frequency) -> str:
    if times.dtype.kind in "iu":
        return unit_hint(times) or "count the steps from 0, or give dates"
    advice = "resample them first, for example frame.resample('1h').mean()"
    try:
        seen = infer_frequency(codes, times)[0]
    except DataError:
        return advice
    if seen.is_fixed and not seen.is_integer and seen.spacing >= 27 * _DAY:
        return "name months by their first day: frame[time].dt.to_period('M').dt.to_timestamp()"
    return advice if seen == freq else f"the times look like freq={seen.alias or seen.step!r}; else {advice}"


_NONE = np.iinfo(np.int64).min


def _place_fixed(codes: Ints, t: Ints, freq: Frequency, due: Ints | None) -> tuple[Grid, Ints, Ints | None]:
    spacing = freq.spacing
    n_series = int(codes.max()) + 1 if due is None else len(due)
    origin = np.full(n_series, t[0] % spacing, dtype=np.int64)
    phase = t % spacing
    if (phase != origin[0]).any():
        owners, usual = _modes(codes, phase)
        origin[owners] = usual
        share = np.bincount(codes, weights=phase == origin[codes], minlength=n_series) / np.maximum(
            np.bincount(codes, minlength=n_series), 1
        )
        # Where no phase prevails the rows jitter around round times.
        near = np.bincount(codes, weights=np.minimum(phase, spacing - phase) <= JITTER * spacing, minlength=n_series)
        round_ = near / np.maximum(np.bincount(codes, minlength=n_series), 1) >= 1 - OFF_GRID_SHARE
        origin[(share < 0.5) & round_] = 0
    due_at = None
    if due is not None:
        known = due != _NONE
        origin[known] = due[known] % spacing
        due_at = np.where(known, (due - origin) // spacing, _NONE)
    ordinals = t - (origin[codes] if (origin != origin[0]).any() else origin[0])
    ordinals += spacing // 2
    ordinals //= spacing
    beside = np.abs(t - ordinals * spacing - (origin[codes] if (origin != origin[0]).any() else origin[0]))
    return Grid(freq, ordinals, beside > 0, origin=origin), beside, due_at


def _place_calendar(codes: Ints, t: Ints, freq: Frequency, due: Ints | None) -> tuple[Grid, Ints, Ints | None]:
    which, found = pd.factorize(t)
    given = np.empty(0, dtype=np.int64) if due is None else due[due != _NONE]
    days = np.concatenate([found, given]) % _DAY
    weights = np.concatenate([np.bincount(which), np.full(len(given), len(t), dtype=np.int64)])
    values, inverse = np.unique(days, return_inverse=True)
    weight = np.bincount(inverse, weights=weights)
    of_day = int(values[np.argmax(weight)]) if weight.max() >= 0.5 * weight.sum() else 0
    if freq.rule is not None and freq.spacing < _DAY:
        of_day = 0  # opening hours say the time of the day themselves
    lowest, highest = (int(f(np.concatenate([found, given]))) - of_day for f in (np.min, np.max))
    steps = _calendar(freq, lowest, highest)

    def nearest(moments: Ints) -> Ints:
        right = np.clip(np.searchsorted(steps, moments), 1, len(steps) - 1)
        return right - (moments - steps[right - 1] <= steps[right] - moments)

    at = nearest(found - of_day)
    beside = np.abs(steps[at] + of_day - found)
    due_at = None
    if due is not None:
        due_at = np.where(due == _NONE, _NONE, nearest(np.where(due == _NONE, steps[0], due - of_day)))
    grid = Grid(freq, at[which].astype(np.int64), (beside > 0)[which], steps=steps, time_of_day=of_day)
    return grid, beside[which], due_at


def _calendar(freq: Frequency, lowest: int, highest: int) -> Ints:
    """Return the times of a calendar's steps, from before a first to after a last time."""
    if freq.rule is not None:
        first, last = freq.rule.floor(np.array([lowest, highest])).tolist()
        return freq.rule.moment(np.arange(first, last + 3, dtype=np.int64))
    offset = freq.offset
    begin = offset.rollback(pd.Timestamp(lowest).normalize())
    index = pd.date_range(begin, pd.Timestamp(highest) + offset * 2, freq=offset)
    return index.to_numpy("datetime64[ns]").view(np.int64)
