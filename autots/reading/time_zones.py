"""Which clock a table with a time zone gets inside: UTC, or the one on the wall; and whether models see the wall's.

Rows that come at the same local times (every midnight, 00:00 06:00 12:00 18:00) are regular on the wall alone: a day
there has 23, 24 or 25 hours. All others are regular in UTC, where every hour is there once; models see them as the
clock on the wall shows them (``autots.panel.local``), for people sleep and work by that one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autots.panel.panel import Floats, Ints, Panel
from autots.reading.findings import Finding
from autots.reading.table import FlatTable
from zoo.errors import ConfigError, DataError
from zoo.series.frequency import Frequency
from zoo.series.zone_evidence import ADVICE
from zoo.series.zones import LocalClock, changes_of, wall_clock, zone_name

__all__ = ["in_zone", "laid", "local_clock"]

_HOUR, _DAY, _YEAR = 3_600_000_000_000, 86_400_000_000_000, 366 * 86_400_000_000_000
_SAMPLE = 400_000  # rows that decide
_BINS = 48  # of a step, in which times must fall together to count as the same
_SERIES, _CHANGES = 50, 20  # that tell by which clock a pattern goes
_BETTER = 0.95  # of the error that UTC's pattern may leave to be preferred to that of the clock on the wall


def in_zone(table: FlatTable, zone: str) -> FlatTable:
    """Return a first table's rows as those of a zone that the user names; the moments stay what they are.

    Raises:
        ConfigError: There is no such zone.
        DataError: The times have no zone or offset, so that their moments are not known.
    """
    name = zone_name(zone)
    if name == "UTC" and zone != "UTC":
        raise ConfigError(f"zone must be a time zone, but got {zone!r}", "for example 'Europe/Berlin'")
    clock = table.clock
    if clock.zone is None:
        raise DataError(
            "zone= needs times that name a moment, but they have no zone or offset",
            f"leave zone out, or give them theirs: frame[time].dt.tz_localize({zone!r}, ambiguous='infer')",
        )
    dtype = re.sub(r"^datetime64\[(\w+), .*\]$", rf"datetime64[\1, {name}]", clock.dtype)
    notes = tuple(note for note in table.notes if not str(note).startswith(ADVICE))
    return replace(table, clock=replace(clock, zone=name, dtype=dtype, offsets=()), notes=notes)


def laid(table: FlatTable, freq: Frequency | None) -> FlatTable:
    """Return a first table's rows on the clock that fits them; without a zone the table as it is.

    Args:
        table: Its times, if they have a zone, in UTC.
        freq: The clock, if it was given.
    """
    zone = table.clock.zone
    if zone is None or (freq is not None and freq.is_integer):
        return table
    moments = table.times.view(np.int64)
    codes, some = _sample(table.codes, moments)
    step = _step(codes, some) if freq is None else freq.spacing
    within = min(step, _DAY)
    local = changes_of(zone).wall(some)
    phase = _usual(local % within)
    # As regular clocks have it: where a day begins with a skipped hour the wall shows 01:00.
    strict = wall_clock(some, zone, within, phase, strict=True)
    on_wall, in_utc = (_together(t % within, within) for t in (strict, some))
    even = np.isclose(on_wall, in_utc, rtol=0.0, atol=1e-9)
    if even:
        # No change among the rows: round times tell, and the hour repeats alike on both clocks.
        round_ = phase == 0 or _usual(some % within) != 0
        near = changes_of(zone).between(int(some.min()) - _YEAR, int(some.max()) + _YEAR)
        moves = bool((changes_of(zone).jumps[near] % step).any())
        wall = step >= _DAY or (step > _HOUR and round_ and moves)
    else:
        wall = on_wall > in_utc
    if not wall:
        advice = "; zone=... gives local hours, if people live by them" if zone == "UTC" and step < _DAY else ""
        return replace(table, notes=(*table.notes, f"times have the zone {zone}, and are kept as UTC inside{advice}"))
    clock = replace(table.clock, wall=True, step=within, phase=phase)
    times = wall_clock(moments, zone, within, phase).view("datetime64[ns]")
    note = f"times have the zone {zone}, and are kept as its wall clock inside"
    return replace(table, times=times, clock=clock, notes=(*table.notes, note))


def _sample(codes: Ints, moments: Ints) -> tuple[Ints, Ints]:
    """Return rows of some whole series, in the order of series and time."""
    if len(codes) > _SAMPLE:
        ends = np.cumsum(np.bincount(codes))
        few = codes <= np.searchsorted(ends, _SAMPLE)
        codes, moments = codes[few], moments[few]
    order = np.lexsort((moments, codes))
    return codes[order], moments[order]


def _step(codes: Ints, moments: Ints) -> int:
    """Return the usual distance of two rows; a day if there is none."""
    gaps = np.diff(moments)[(np.diff(codes) == 0) & (np.diff(moments) > 0)]
    return _usual(gaps) if len(gaps) else _DAY


def _usual(values: Ints) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])


def _together(phases: Ints, step: int) -> float:
    """Return the chance that two rows lie at the same place within their steps."""
    shares = np.bincount(phases * _BINS // step) / len(phases)
    return float((shares**2).sum())


def local_clock(panel: Panel, clock: LocalClock) -> tuple[LocalClock | None, Iterable[Finding]]:
    """Return the clock by which models see a panel in UTC, and what to tell about it.

    None where there is nothing to see: days and longer, or a zone that is UTC. Where a change of the clock is no whole
    number of steps (6 hours, say), it moves rows by a part of a step: see blend.py.

    Args:
        panel: Series whose times are kept in UTC.
        clock: Of its times, followed in every change.
    """
    freq = panel.freq
    if freq.is_integer or not freq.is_fixed or freq.spacing >= _DAY:
        return None, ()
    moments, step, changes = panel.times.view(np.int64), freq.spacing, clock.changes
    first, last = int(moments.min()), int(moments.max())
    seen, coming = changes.between(first, last), changes.between(first, last + _YEAR)
    if coming.start == coming.stop:
        offset = int(changes.offsets[coming.start])
        return (clock if offset else None), ()
    whole = not (changes.jumps[coming] % step).any()
    offsets = changes.offsets[coming.start : coming.stop + 1]
    if not whole and int(np.ptp(offsets)) >= step:
        return None, ()  # a zone that was moved far: nothing regular is shown by its wall
    if _follows_utc(panel, changes.starts[seen], changes.jumps[seen]):
        told = f"the daily pattern keeps to UTC through {_times(seen.stop - seen.start)} of the clock in {clock.name}"
        return None, [Finding("clock_change", seen.stop - seen.start, told, "models see UTC")]
    if not whole:
        return replace(clock, shift=int(offsets.min())), ()
    return clock, _told(panel, clock.name, changes.starts[seen], changes.jumps[seen])


def _times(count: int) -> str:
    return "1 change" if count == 1 else f"{count} changes"


def _told(panel: Panel, zone: str, starts: Ints, jumps: Ints) -> Iterable[Finding]:
    """Say how many rows the clock on the wall shows twice, or skips."""
    if not len(starts):
        return
    moments = panel.times.view(np.int64)
    begins, ends = moments[panel.indptr[:-1]], moments[panel.indptr[1:] - 1]
    inside = (begins[:, None] < starts) & (ends[:, None] >= starts) if panel.n_series * len(starts) < 10**7 else None
    each = np.full(len(starts), panel.n_series) if inside is None else inside.sum(axis=0)
    rows = each * (np.abs(jumps) // panel.freq.spacing)
    twice, never = int(rows[jumps < 0].sum()), int(rows[jumps > 0].sum())
    parts = [f"{twice} times twice"] * bool(twice) + [f"{never} not at all"] * bool(never)
    done = ["the mean of both is one row"] * bool(twice) + ["what is skipped is a missing target"] * bool(never)
    yield Finding(
        "clock_change",
        twice + never,
        f"through {_times(len(starts))} the clock in {zone} shows {' and '.join(parts)}",
        f"models see local time, where {' and '.join(done)}",
    )


def _follows_utc(panel: Panel, starts: Ints, jumps: Ints) -> bool:
    """Return whether days and weeks before a change say more of those after it by UTC than by the clock on the wall.

    Solar power and the jobs of computers keep their hours when people change theirs. Each value of the day (the week)
    after a change is compared with the one a day (a week) before on either clock, over all series and changes.
    """
    step = panel.freq.spacing
    by_utc, by_wall = [], []
    for i in np.unique(np.linspace(0, panel.n_series - 1, min(_SERIES, panel.n_series)).astype(np.intp)):
        y = panel.series(int(i))
        begin = int(panel.times[panel.indptr[i] : panel.indptr[i] + 1].view(np.int64)[0])
        spread = float(np.nanmean(np.abs(y - np.nanmean(y)))) if not np.isnan(y).all() else 0.0
        for start, jump in zip(starts[-_CHANGES:].tolist(), jumps[-_CHANGES:].tolist(), strict=True):
            for back in (_DAY // step, 7 * _DAY // step):
                pair = _pair(y, -((begin - start) // step), back, jump / step)
                if spread > 0 and pair is not None:
                    by_utc.append(pair[0] / spread)
                    by_wall.append(pair[1] / spread)
    if not by_utc:
        return False
    utc, wall = np.concatenate(by_utc), np.concatenate(by_wall)
    known = ~np.isnan(utc + wall)
    utc, wall = utc[known], wall[known]
    if len(utc) < _DAY // step or utc.mean() >= _BETTER * wall.mean():
        return False
    gain = wall - utc
    return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(gain)))


def _pair(y: Floats, at: int, back: int, jump: float) -> tuple[Floats, Floats] | None:
    """Return the errors of the values ``back`` rows ago on either clock, for rows from ``at`` on; None if too few."""
    whole = math.floor(jump)
    part, room = jump - whole, math.ceil(jump)
    rows: npt.NDArray[np.intp] = np.arange(max(at, back + max(-whole, 0), 0), min(at + back - max(room, 0), len(y)))
    if at <= 0 or not len(rows):
        return None
    by_wall = y[rows - back + whole]
    if part:
        by_wall = by_wall + part * (y[rows - back + room] - by_wall)
    return np.abs(y[rows] - y[rows - back]), np.abs(y[rows] - by_wall)
