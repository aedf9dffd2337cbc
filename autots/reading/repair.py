"""Rows in any order, with holes and doubles -> a regular panel, and a report of all that was changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.panel import Floats, Ints, Panel
from autots.panel.season import detect_seasons
from autots.reading.date_formats import in_words
from autots.reading.findings import Finding, FindingLog
from autots.reading.grid import Grid, infer_frequency, place
from autots.reading.merge import RepeatedRows, fill_covariate, without_infinite
from autots.reading.report import DataReport, note_uninformative, report_of, time_text
from autots.reading.rule_detection import filled
from autots.reading.table import FlatTable
from zoo.errors import DataError
from zoo.series.frequency import Frequency, Times
from zoo.series.rules import Cycle
from zoo.series.zone_evidence import clock_change
from zoo.series.zones import changes_of

__all__ = ["NothingNewError", "repair"]

# Steps per row beyond which a clock is not one of gaps but irregular: a guessed one, and one that the user asserts.
_SPARSE_GUESSED, _SPARSE_GIVEN, _SLACK = 20, 500, 1000
# A guessed clock must have half of its rows, outages aside; so few steps more are no matter.
_HALF, _FEW = 2, 20
# Rows that must agree before day and month are said to have changed places.
_WITNESSES, _MONTHS = 3, 12
_NONE = np.iinfo(np.int64).min
_DAY = 86_400 * 10**9
_ASKED = 200  # series whose own clock is asked for before a refusal
_LOOKED_AT = 100_000  # doubled and missing hours that are compared with the changes of clocks


class NothingNewError(DataError):
    """All rows of a table that continues a history were seen before."""


def repair(
    table: FlatTable,
    *,
    freq: Frequency | None = None,
    horizon: int = 1,
    due: Mapping[str, Any] | None = None,
    fills: Mapping[str, float] | None = None,
) -> tuple[Panel, DataReport, dict[str, float]]:
    """Lay a table on its clock and close what can be closed; see the table of repairs in this room's README.

    Args:
        table: Rows in any order.
        freq: The clock; None to infer it.
        horizon: Steps that will be forecast, for the list of short series.
        due: Id -> time at which its rows must begin (the series is continued): earlier rows were seen already.
        fills: What stands for numbers of a covariate that cannot be filled forward; None to take medians.

    Returns:
        The panel, the report, and the fills.

    Raises:
        DataError: The clock is irregular, or no series has a target.
    """
    log = FindingLog(table.labels)
    for note in table.notes:
        found = Finding("note", 1, note, "read so") if isinstance(note, str) else note
        log.add(found.kind, found.count, found.message, found.action)
    y = without_infinite(table.y, log, "infinite_target", "targets are infinite", "counted as missing")
    guessed = freq is None
    if freq is None:
        freq, dissent = infer_frequency(table.codes, table.times)
        log.add("frequency", int(bool(dissent)), dissent, "laid on the majority's clock")
        if isinstance(freq.rule, Cycle):
            log.add("note", 1, f"times repeat in a pattern, the clock {freq.alias!r}", "read so")
    begins = None if due is None else _begins(table, due)
    try:
        grid, first_due = place(table.codes, table.times, freq, due=begins)
    except DataError:
        if guessed:
            _check_one_clock(table, freq)
        raise
    rows = _Rows(table, grid, y, log)
    rows.report_order()
    span = rows.span(first_due, guessed=guessed)
    panel, fills = span.panel(fills or {})
    seasons = detect_seasons(panel)
    note_uninformative(panel, horizon, log, table.clock)
    return panel, report_of(panel, seasons, log.findings, table.clock), fills


def _check_one_clock(table: FlatTable, freq: Frequency) -> None:
    """Name a series that follows another clock, regular in itself, than most."""
    for code in range(min(len(table.labels), _ASKED)):
        times = table.times[table.codes == code]
        alone = np.zeros(len(times), dtype=np.int64)
        try:
            own, _ = infer_frequency(alone, times)
            place(alone, times, own, advise=False)
        except DataError:
            continue
        if own != freq:
            raise DataError(
                f"all series must follow one clock, but most follow {freq.alias or freq.step!r} and "
                f"{str(table.labels[code])[:40]!r} follows {own.alias or own.step!r} "
                f"(from {time_text(times.min(), table.clock)})",
                "fit them apart, or give their periods one name, for example by "
                "frame[time].dt.to_period('Q').dt.to_timestamp()",
            )


def _begins(table: FlatTable, due: Mapping[str, Any]) -> Times:
    nothing: Any = _NONE if table.times.dtype.kind in "iu" else np.datetime64("NaT", "ns")
    return np.array([due.get(label, nothing) for label in table.labels], dtype=table.times.dtype)


@dataclass
class _Rows:
    """Rows that know their step."""

    table: FlatTable
    grid: Grid
    y: Floats
    log: FindingLog

    def report_order(self) -> None:
        """Note rows that do not come in the order of their times, and rows beside their step."""
        codes, at = self.table.codes, self.grid.ordinals
        change = np.diff(codes) != 0
        if (np.diff(self.table.times) < 0).any():
            if int(change.sum()) + 1 > len(self.table.labels):  # interleaved: look at each series by itself
                order = np.argsort(codes, kind="stable")
                codes, at = codes[order], at[order]
                change = np.diff(codes) != 0
            back = (np.diff(at) < 0) & ~change
            count = int(back.sum())
            self.log.add(
                "unsorted", count, f"{count} rows come before an earlier one", "sorted", np.unique(codes[1:][back])
            )
        moved = int(self.grid.moved.sum())
        if moved:
            who = np.unique(self.table.codes[self.grid.moved])
            self.log.add("off_grid", moved, f"{moved} times lie beside their step", "moved to the nearest step", who)

    def span(self, first_due: Ints | None, *, guessed: bool) -> _Span:
        """Find where each series begins and ends.

        A series begins and ends with a known target. One that is continued begins where it is due instead.
        """
        codes, at, y = self.table.codes, self.grid.ordinals, self.y
        s = len(self.table.labels)
        keep = np.ones(len(y), dtype=bool)
        if first_due is not None:
            keep = at >= first_due[codes]
            seen = int((~keep).sum())
            self.log.add("already_seen", seen, f"{seen} rows were seen before", "left out", np.unique(codes[~keep]))
            if len(y) and not keep.any():
                raise NothingNewError("some row must follow the history, but all were seen before", "check its times")
        known = keep & ~np.isnan(y)
        first, last = np.full(s, np.iinfo(np.int64).max), np.full(s, _NONE)
        np.minimum.at(first, codes[known], at[known])
        np.maximum.at(last, codes[known], at[known])
        if first_due is not None:
            first = np.where((first_due != _NONE) & (last != _NONE), first_due, first)
        alive = last != _NONE
        gone = np.flatnonzero(~alive & (np.bincount(codes[keep], minlength=s) > 0))
        if not alive.any():
            raise DataError(
                f"at least one target must be known, but all {len(y)} rows are missing or were seen before",
                "check target_col, and how missing values are written",
            )
        self.log.add("dropped_series", len(gone), f"{len(gone)} series have no target at all", "left out", gone)
        for kind, beside, word in (
            ("leading", at < first[codes], "before the first"),
            ("trailing", at > last[codes], "after the last"),
        ):
            beside &= keep & alive[codes]
            count = int(beside.sum())
            self.log.add(
                f"{kind}_missing",
                count,
                f"{count} rows without a target come {word} known one",
                "left out" if kind == "leading" else "left out, so forecasts begin after the last known target",
                np.unique(codes[beside]) if count else (),
            )
            keep &= ~beside
        keep &= alive[codes]
        lengths = np.where(alive, last - np.where(alive, first, 0) + 1, 0)
        self._check_cells(lengths, guessed)
        return _Span(self, keep, alive, np.where(alive, first, 0), lengths)

    def _check_cells(self, lengths: Ints, guessed: bool) -> None:
        """Refuse a clock that would invent most of its rows, unless the user asserts it or outages explain it."""
        cells, n = int(lengths.sum()), len(self.y)
        form = self.table.clock.reads[0] if self.table.clock.reads and not guessed else ""
        if "%d" in form and "%m" in form and cells > _HALF * n + _FEW and self._swapped():
            raise DataError(
                f"rows must lie on the clock {self.grid.freq.alias!r}, but {n} rows, read as {in_words(form)}, would "
                f"need {cells} of its steps",
                f"write dates as {in_words(form)} or as ISO 8601 (2024-12-31), and add steps that have no row",
            )
        limit = (_SPARSE_GUESSED if guessed else _SPARSE_GIVEN) * n + _SLACK
        if cells <= _HALF * n + _FEW or (cells <= limit and not (guessed and self._mostly_holes())):
            return
        worst, name = int(np.argmax(lengths)), self.grid.freq.alias or self.grid.freq.step
        advice = f"give freq={name!r} if those steps are truly missing, " if guessed else "correct odd times, "
        raise DataError(
            f"times must lie on a regular clock, but {n} rows would need {cells} steps of {name!r} (series "
            f"{str(self.table.labels[worst])[:40]!r}: {lengths[worst]}), {1 - n / cells:.0%} of them without a row",
            f"{advice}resample first, for example frame.resample('1D').sum(), or give freq='count' to number the rows",
        )

    def _swapped(self) -> bool:
        """Whether rows that lie far apart would follow each other if day and month changed places."""
        when = pd.DatetimeIndex(self.table.times)
        if len(when) < _WITNESSES or when.day.max() > _MONTHS or not self._mostly_holes():
            return False
        of_day = (self.table.times.astype(np.int64) % _DAY).astype("timedelta64[ns]")
        parts = {"year": when.year, "month": when.day, "day": when.month}
        times = np.asarray(pd.to_datetime(pd.DataFrame(parts)), dtype="datetime64[ns]") + of_day
        try:
            grid, _ = place(self.table.codes, times, self.grid.freq, advise=False)
        except DataError:
            return False
        return not replace(self, grid=grid)._mostly_holes()

    def _mostly_holes(self) -> bool:
        order = np.lexsort((self.grid.ordinals, self.table.codes))
        at, codes = self.grid.ordinals[order], self.table.codes[order]
        fresh = np.concatenate([[True], (np.diff(at) > 0) | (np.diff(codes) > 0)])
        return filled(at[fresh], codes[fresh]) < 1 / _HALF


@dataclass
class _Span:
    """Rows whose place in the panel is known."""

    rows: _Rows
    keep: npt.NDArray[np.bool_]
    alive: npt.NDArray[np.bool_]
    first: Ints
    lengths: Ints

    def panel(self, fills: Mapping[str, float]) -> tuple[Panel, dict[str, float]]:
        """Write the rows into flat arrays, merge doubles, fill covariates."""
        table, log = self.rows.table, self.rows.log
        indptr = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        every = bool(self.keep.all())
        codes = table.codes if every else table.codes[self.keep]
        at = (indptr[:-1] - self.first)[codes]
        at += self.rows.grid.ordinals if every else self.rows.grid.ordinals[self.keep]
        total = int(indptr[-1])
        filled = np.zeros(total, dtype=bool)
        filled[at] = True
        holes = total - int(filled.sum())
        if holes:
            empty = self._lacking(np.flatnonzero(~filled))
            who = np.unique(np.searchsorted(indptr, empty, side="right") - 1)
            log.add("gaps", len(empty), f"{len(empty)} steps have no row", "added, with a missing target", who)
        doubles = RepeatedRows.find(at, total) if len(at) > total - holes else None
        if doubles is not None:
            count = doubles.count
            message = f"{count} rows repeat the time of another row of their series"
            log.add("duplicates", count, message, "merged: numbers by their mean", np.unique(codes[doubles.rows]))
        self._clock_change(indptr, doubles, np.flatnonzero(~filled) if holes else np.zeros(0, dtype=np.int64))
        del filled

        def lay(values: Floats, *, category: bool = False) -> Floats:
            values = values if every else values[self.keep]
            out = np.full(total, np.nan) if holes else np.empty(total)
            out[at] = values
            if doubles is not None:
                doubles.merge(values, out, category=category)
            return out

        y = lay(self.rows.y)
        missing = int(np.isnan(y).sum()) - holes
        log.add("missing_target", missing, f"{missing} rows have no target", "kept as missing")
        alive = np.flatnonzero(self.alive)
        starts = np.concatenate([[0], np.cumsum(self.lengths[alive])]).astype(np.int64)
        kinds, used = self._covariates(lay, starts, fills)
        static = {name: self._static(name, values, codes)[alive] for name, values in table.static.items()}
        times = self.rows.grid.times(alive, self.first[alive], self.lengths[alive])
        panel = Panel(
            table.labels[alive],
            starts,
            times,
            y,
            self.rows.grid.freq,
            kinds["known"],
            kinds["past"],
            static,
            frozenset(table.categories),
        )
        return panel, used

    def _covariates(
        self, lay: Callable[..., Floats], starts: Ints, fills: Mapping[str, float]
    ) -> tuple[dict[str, dict[str, Floats]], dict[str, float]]:
        """Return the known and the past covariates, without holes, and what stands where nothing is before a hole."""
        table, log = self.rows.table, self.rows.log
        kinds: dict[str, dict[str, Floats]] = {"known": {}, "past": {}}
        used = dict(fills)
        for role, laid in kinds.items():
            for name, values in getattr(table, role).items():
                coded = name in table.categories
                values = without_infinite(
                    values, log, "infinite_covariate", f"values of {name!r} are infinite", "counted as missing"
                )
                if coded:
                    values = np.where(values < 0, np.nan, values)
                laid[name], used[name] = fill_covariate(lay(values, category=coded), starts, name, coded, fills, log)
        return kinds, used

    def _clock_change(self, indptr: Ints, doubles: RepeatedRows | None, holes: Ints) -> None:
        """Note that doubled and missing hours are those at which a zone changes its clocks."""
        grid, clock = self.rows.grid, self.rows.table.clock
        if grid.freq.is_integer or grid.freq.spacing >= _DAY or clock.zone is not None:
            return
        steps = np.zeros(0, dtype=np.int64) if doubles is None else np.unique(doubles.steps)
        if not 0 < len(steps) + len(holes) <= _LOOKED_AT:
            return
        every = grid.times(np.arange(len(self.lengths)), self.first, self.lengths)
        found = clock_change(np.unique(every[steps]), np.unique(every[holes]))
        if found is None:
            return
        count = len(found.twice) + len(found.never)
        shown = ", ".join(time_text(time, clock)[:16] for time in [*found.twice, *found.never][:3])
        self.rows.log.add(
            "clock_change",
            count,
            f"{len(found.twice)} times come twice and {len(found.never)} are missing where clocks change, as in "
            f"{found.zone} ({shown}): these are local hours without their zone",
            "averaged and kept as missing; tz_localize the times to keep each hour",
        )

    def _lacking(self, empty: Ints) -> Ints:
        """Return those of the rows without data that the user's clock shows; it skips the others, who lack nothing."""
        clock, alive = self.rows.table.clock, np.flatnonzero(self.alive)
        if clock.zone is None or not clock.wall:
            return empty
        times = self.rows.grid.times(alive, self.first[alive], self.lengths[alive])
        skipped = changes_of(clock.zone).skipped(times[empty].view(np.int64))
        count = int(skipped.sum())
        message = f"{count} steps are skipped by the clock in {clock.zone}"
        self.rows.log.add("clock_change", count, message, "added, with a missing target")
        return empty[~skipped]

    def _static(self, name: str, values: Floats, codes: Ints) -> Floats:
        """Return one value per series of a column that should not vary within one."""
        values = values[self.keep]
        given = ~np.isnan(values)
        low, high = (np.full(len(self.lengths), v) for v in (np.inf, -np.inf))
        np.minimum.at(low, codes[given], values[given])
        np.maximum.at(high, codes[given], values[given])
        varying = np.flatnonzero(high > low)
        if len(varying):
            raise DataError(
                f"a static column must have one value per series, but {name!r} varies in "
                f"{self.rows.table.labels[varying[0]]!r}",
                "give it as known, or leave it out of static",
            )
        return np.where(np.isfinite(low), low, np.nan)
