"""The clock of times that a plain step leaves mostly empty: pay days, n-th weekdays, opening hours, 4-4-5 weeks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.series import rules
from zoo.series.rules import ClockRule, Cycle, MonthDays, NthWeekday, week_of

__all__ = ["filled", "find"]

Ints = npt.NDArray[np.int64]
_DAY = 86_400 * 10**9  # nanoseconds
_WEEK = 7 * _DAY
_MONDAY = 4 * _DAY
_OUTAGES = 0.02  # share of the gaps, the longest, that may be outages and do not tell against a step
_COVER = 0.97  # share of the rows that a rule must explain
_COVER_HOURS = 0.99  # the same for hours and weekdays: rows beside them would be merged with others
_MOST_DAYS = 4  # days of a month that may be a rule
_GAIN = 0.1  # how much fuller a rule's clock must be than the plain one
_PLAIN = 0.97  # how full it must be where the plain one is at least half full
_SHARE = 0.5  # share of the weeks in which a slot of the week must have a row
_WEEKS = 3  # weeks that must be seen before each of their days has hours of its own


def filled(at: Ints, c: Ints) -> float:
    """Return the share of a clock's steps that have a row, between the first and last of each series.

    The longest two per cent of the gaps do not count: they are outages, which tell nothing about the clock. If the
    series together have more of the steps than each by itself (each lists only the days of its sales), that counts.

    Args:
        at: (N,) numbers of steps, ascending within each series, without doubles.
        c: (N,) series of each row, ascending.
    """
    best = 0.0
    for together in (False, True):
        steps = np.diff(np.unique(at)) if together else np.diff(at)[np.diff(c) == 0]
        if len(steps) >= 20:
            steps = np.sort(steps)[: len(steps) - max(1, int(_OUTAGES * len(steps)))]
        if len(steps):
            best = max(best, len(steps) / float(steps.sum()))
        if best >= _PLAIN:
            break
    return best


def find(t: Ints, c: Ints, step: int | None, plain: float) -> str | None:
    """Return the alias of the rule that fits, or None.

    Args:
        t: (N,) nanoseconds, ascending within each series, without doubles.
        c: (N,) series of each row, ascending.
        step: The plain step, if it is shorter than a day.
        plain: How full the plain step's clock is (0 where rows lie beside it).
    """
    best, alias = max(plain + _GAIN, 0.5 if plain < 0.5 else _PLAIN), None
    for rule, name in _candidates(t, step):
        at = rule.floor(t)
        between = t - rule.moment(at)
        if rule.spacing >= _DAY:
            values, counts = np.unique(between, return_counts=True)
            on = float(counts.max()) / len(t) if values[np.argmax(counts)] < _DAY else 0.0
        else:
            on = float((between == 0).mean())
        if on < (_COVER_HOURS if isinstance(rule, Cycle) else _COVER):
            continue
        # The numbers of the steps are a clock of whole numbers without holes.
        inner = np.concatenate([[True], (np.diff(at) != 0) | (np.diff(c) != 0)])
        full = filled(at[inner], c[inner])
        steps = np.diff(at[inner])[np.diff(c[inner]) == 0]
        if len(steps) and np.median(steps) > 1:
            continue  # finer than what the series have, though together they may fill it
        if full > best + 1e-9:
            best, alias = full, name or rule.alias
    return alias


def _candidates(t: Ints, step: int | None) -> Iterator[tuple[ClockRule, str]]:
    """Yield rules that may fit, the simplest first, with the name that pandas has for them or nothing."""
    moments = np.unique(t)
    if len(moments) < 3:
        return
    if step is None or step >= _DAY:
        when = pd.DatetimeIndex(moments.astype("datetime64[ns]"))
        yield from _weekdays_of_months(when)
        yield from _days_of_months(when)
        yield from _quarters(moments)
        step = _DAY
    yield from _hours(moments, step)


def _weekdays_of_months(when: pd.DatetimeIndex) -> Iterator[tuple[ClockRule, str]]:
    weekday = int(np.bincount(when.dayofweek).argmax())
    nth = int(np.bincount((when.day - 1) // 7).argmax()) + 1
    if nth <= 4:
        yield NthWeekday(nth, weekday), ""
    yield NthWeekday(-1, weekday), ""


def _days_of_months(when: pd.DatetimeIndex) -> Iterator[tuple[ClockRule, str]]:
    """Yield rules of one to four days a month, once for each day that short months may clamp."""
    day, length = (np.asarray(part, dtype=np.int64) for part in (when.day, when.days_in_month))
    months = np.asarray(when.year * 12 + when.month - 1, dtype=np.int64)
    apart = int(np.gcd.reduce(np.diff(np.unique(months)))) if len(np.unique(months)) > 1 else 1
    apart = apart if 12 % apart == 0 else 1
    for clamp in (0, 31, 30, 29):
        days = np.where(day == np.minimum(clamp, length), clamp, day) if clamp else day
        values, counts = np.unique(days, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        k = int(np.searchsorted(np.cumsum(counts[order]), _COVER * len(days))) + 1
        chosen = tuple(sorted(int(v) for v in values[order[:k]]))
        if k > _MOST_DAYS or (len(chosen) > 1 and chosen[-2] > 28):
            continue
        if chosen in ((1,), (31,)) or (k > 1 and apart > 1):
            continue  # pandas names the ends of months; nobody means the first days of January
        rule = MonthDays(chosen, apart, int(months[0] % apart) + 1)
        name = "SMS-15" if chosen == (1, 15) else "SME-15" if chosen == (15, 31) else ""
        yield rule, name


def _quarters(moments: Ints) -> Iterator[tuple[ClockRule, str]]:
    """Yield the quarters of 4, 4 and 5 weeks in which the times may lie."""
    day = moments // _DAY
    if len(day) < 6 or len(np.unique(day % 7)) > 1:
        return
    weeks = np.unique(day // 7 - day[0] // 7)
    for phase in range(13):
        if np.isin((weeks - phase) % 13, (0, 4, 8)).all():
            start = (day[0] + 7 * phase).astype("datetime64[D]")
            rule = rules.parse(f"445-{start}")
            if rule is not None:
                yield rule, ""


def _hours(moments: Ints, step: int) -> Iterator[tuple[ClockRule, str]]:
    """Yield opening hours, or working days, that repeat every week."""
    phase = int(np.bincount(((moments % step) // 10**9).astype(np.int64)).argmax()) * 10**9 if step < _DAY else 0
    day = (moments - _MONDAY) // _DAY
    week, slot = (moments - _MONDAY) // _WEEK, (moments - _MONDAY) % _WEEK
    slot = slot // _DAY * _DAY if step == _DAY else (slot - phase) // step * step + phase
    weeks = len(np.unique(week))
    # Weekdays that went by without a row are closed; those that never came may be open.
    passed = np.unique(np.arange(day[0], day[-1] + 1) % 7)
    open_ = np.isin(np.arange(7), np.unique(day % 7)) | ~np.isin(np.arange(7), passed)
    if weeks >= _WEEKS:
        slots, counts = np.unique(slot, return_counts=True)
        # How often each weekday came: as a day with rows where hours are asked for, else as a day that went by.
        came = np.unique(day) if step < _DAY else np.arange(day[0], day[-1] + 1)
        often = np.bincount(came % 7, minlength=7)[slots // _DAY]
        yield _weekly(slots[counts >= _SHARE * often], step)
    if step < _DAY and day[-1] > day[0]:
        hour, counts = np.unique(slot % _DAY, return_counts=True)
        hour = hour[counts >= _SHARE * len(np.unique(day))]
        yield _weekly((np.flatnonzero(open_)[:, None] * _DAY + hour).ravel(), step)


def _weekly(slots: Ints, step: int) -> tuple[ClockRule, str]:
    rule: Cycle | MonthDays = week_of(slots, step) if len(slots) else MonthDays((1,))
    return rule, ""
