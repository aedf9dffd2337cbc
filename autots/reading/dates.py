"""A column of dates written as text: the one writing that all of it has, decided once, as the data prove it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import autots.reading.date_formats as formats
from autots.reading.grid import infer_frequency, place
from zoo.errors import ConfigError, DataError
from zoo.series.rules import Cycle, MonthDays

__all__ = ["CLEARLY", "Written", "decide", "follow", "names_moment", "regularity", "suffixes"]

_ZONE = re.compile(r"(?<=[\d:apmAPM]) ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$")
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
CLEARLY = 1.5  # how much more regular the clock of one reading must be than that of another
_ODD = 0.5  # what an unusual clock, or an unusual order, counts beside a usual one
_FEW = 12  # writings that one column may mix
_YEARS = 366 * 86_400_000_000_000
_ORDERS = {"DMY": "day first", "MDY": "month first", "YMD": "year first", "W": "weeks", "YDM": "year, day, month"}


@dataclass(frozen=True)
class Written:
    """Moments that were read from text.

    Args:
        index: The moments of the distinct texts, without zone.
        reads: The formats that read them, the most frequent first.
        format: The format that writes them exactly as they were, if there is one.
    """

    index: pd.DatetimeIndex
    reads: tuple[str, ...]
    format: str | None


@dataclass(frozen=True)
class _Column:
    """The distinct texts of a column."""

    values: pd.Index[Any]
    name: object
    row: Callable[[int], int]  # number of a distinct text -> the first row that holds it

    def cell(self, at: int) -> str:
        return f"{self.values[at]!r} in row {self.row(at)}"


def suffixes(values: pd.Index[Any]) -> tuple[pd.Index[Any], list[str] | None, bool]:
    """Return the texts without their zone, the zones (None where no text has one), and whether only some have one."""
    found = [_ZONE.search(v) if ":" in v or "T" in v else None for v in values]
    some = [f is not None for f in found]
    if not any(some):
        return values, None, False
    bare = pd.Index([v[: f.start()] if f else v for v, f in zip(values, found, strict=True)], dtype=object)
    return bare, [f[1] if f else "" for f in found], not all(some)


def names_moment(text: str) -> bool:
    """Whether a text names a moment by itself, year and all."""
    bare = suffixes(pd.Index([text.strip()], dtype=object))[0]
    for _, form in formats.formats_of(str(bare[0])):
        moment = formats.read(bare, form)[0]
        if not pd.isna(moment) and 1680 <= moment.year <= 2250:
            return True
    return False


def decide(
    values: pd.Index[Any], name: object, notes: list[str], *, row: Callable[[int], int], given: str | None = None
) -> Written:
    """Find the writing of a column seen for the first time.

    Every format that a text may have is tried on all of them. One that cannot read all falls out; among those left
    the one whose moments make the more regular clock is taken, and said. Where two are as regular, none is.

    Args:
        values: The distinct texts of the column.
        name: The column, for messages.
        notes: Where decisions are told.
        row: The number of a distinct text -> the first row that holds it.
        given: The format that the user names.

    Raises:
        DataError: A text cannot be read, the texts contradict each other, or two readings are equally likely.
    """
    column = _Column(values, name, row)
    if given is not None:
        index = read_given(values, given)
        if index.isna().any():
            at = int(np.argmax(index.isna()))
            raise DataError(
                f"dates must be written as date_format={given!r} says, but {name!r} holds {column.cell(at)}",
                "correct date_format, or leave it out",
            )
        return Written(index, (given,), formats.exact(index, values, given))
    first = str(values[0])
    iso = [formats.ISO] if first[:4].isdigit() and "-" in first[4:8] else []
    whole: dict[str, tuple[pd.DatetimeIndex, tuple[str, ...]]] = {}
    for order, form in [*formats.formats_of(first), *(("", form) for form in iso)]:
        if order == "YDM" and whole:
            continue
        index = formats.read(values[:50], form)
        index = index if index.isna().any() else formats.read(values, form)
        if not index.isna().any() and not any(index.equals(seen) for seen, _ in whole.values()):
            whole[form] = (index, (form,))
    if not whole:
        whole = _mixed(column, notes)
    index, reads = _chosen(column, whole, notes)
    _check_century(column, index, reads)
    ways = [(form, way) for form in reads if form != formats.ISO and (way := formats.exact(index, values, form))]
    if ways:  # "%b" reads May, but "%B" writes May and June
        reads = (ways[0][0], *(form for form in reads if form != ways[0][0]))
    return Written(index, reads, ways[0][1] if ways else None)


def read_given(values: pd.Index[Any], form: str) -> pd.DatetimeIndex:
    """Read texts by the user's format.

    Raises:
        ConfigError: It is no format.
    """
    try:
        return formats.read(values, form)
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"date_format must be a format of strptime, but got {form!r}", "for example '%d/%m/%Y' or '%m/%d/%y %H:%M'"
        ) from error


def _mixed(column: _Column, notes: list[str]) -> dict[str, tuple[pd.DatetimeIndex, tuple[str, ...]]]:
    """Read a column of several writings under each order that all of them can have."""
    shapes = pd.Index([formats.shape(v) for v in column.values])
    codes, kinds = pd.factorize(shapes)
    sizes = np.bincount(codes)
    if len(kinds) > 20 * _FEW:
        raise _unreadable(column, [_first_bad(column)])
    parts: list[tuple[npt.NDArray[np.intp], list[tuple[str, str, pd.DatetimeIndex]]]] = []
    for kind in np.argsort(-sizes, kind="stable"):
        at = np.flatnonzero(codes == kind)
        texts = column.values[at]
        some = texts[:: max(1, len(texts) // 5)][:5]
        ranked = sorted(
            {pair for text in some for pair in formats.formats_of(str(text))},
            key=lambda pair: (pair[0] == "YDM", pair),
        )
        parts.append((at, [(order, form, formats.read(texts, form)) for order, form in ranked]))
    bad = [at[_nowhere(options, len(at))] for at, options in parts]
    if any(len(b) for b in bad):
        raise _unreadable(column, np.concatenate(bad).tolist())
    orders = sorted({order for _, options in parts for order, _, _ in options if order not in ("", "YDM")}) or [""]
    out: dict[str, tuple[pd.DatetimeIndex, tuple[str, ...]]] = {}
    for order in orders:
        moments = np.full(len(column.values), np.datetime64("NaT", "ns"))
        used = []
        for at, options in parts:
            fit = [(form, i) for o, form, i in options if o in (order, "", "YDM") and not i.isna().any()]
            if not fit:
                break
            used.append(fit[0][0])
            moments[at] = fit[0][1].to_numpy("datetime64[ns]")
        index = pd.DatetimeIndex(moments)
        if not index.isna().any() and not any(index.equals(seen) for seen, _ in out.values()):
            out[used[0] if used[0] not in out else order] = (index, tuple(dict.fromkeys(used)))
    if not out:
        raise _contradiction(column, parts)
    used = list(next(iter(out.values()))[1])
    bases = {formats.date_part(form.replace("%-", "%").replace("%B", "%b").replace("^", "")) for form in used}
    if len(bases) > 1:
        shown = ", ".join(repr(column.values[at[0]]) for at, _ in parts[:3])
        notes.append(f"column {column.name!r} mixes {len(parts)} writings of dates, such as {shown}")
    return out


def _nowhere(options: Sequence[tuple[str, str, pd.DatetimeIndex]], n: int) -> npt.NDArray[np.intp]:
    """Return which texts no format reads."""
    lost = np.ones(n, dtype=bool)
    for _, _, index in options:
        lost &= np.asarray(index.isna())
    return np.flatnonzero(lost)


def _first_bad(column: _Column) -> int:
    return next((i for i, value in enumerate(column.values) if not names_moment(str(value))), 0)


def _unreadable(column: _Column, bad: Sequence[int]) -> DataError:
    at = min(bad, key=column.row)
    text = str(column.values[at])
    hint = "correct or drop such rows, or give date_format=... as dates are written, for example '%d/%m/%Y'"
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?( ?[AaPp][Mm])?", text):
        hint = "a time of the day needs its date: join the columns, or put the date before it"
    elif re.fullmatch(rf"(\d{{1,2}}[-/. ]?)?({_MONTH})[a-z]*|\d{{1,2}}[-/.]\d{{1,2}}", text.lower()):
        hint = "a date needs its year: add it to the texts"
    elif re.fullmatch(r"\d{4}.?[Ww]?53|[Ww]?53.?\d{4}", text):
        hint = "by ISO 8601 that year has no week 53: name weeks by their first day instead"
    more = f", and {len(bad) - 1} other values" if len(bad) > 1 else ""
    return DataError(
        f"column {column.name!r} must hold times, but {_short(text)} cannot be read as one (row {column.row(at)})"
        f"{more}",
        hint,
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _contradiction(column: _Column, parts: Any) -> DataError:
    """Name a cell that only one order reads, and one that only another does."""
    only: dict[str, int] = {}
    for at, options in parts:
        able = np.zeros((len(at), len(options)), dtype=bool)
        for k, (_, _, index) in enumerate(options):
            able[:, k] = ~np.asarray(index.isna())
        for k, (order, _, _) in enumerate(options):
            alone = np.flatnonzero(able[:, k] & ~np.delete(able, k, axis=1).any(axis=1))
            if len(alone) and order:
                only.setdefault(order, int(at[alone[0]]))
    shown = " and ".join(f"{column.cell(at)} is {_ORDERS[order]}" for order, at in list(only.items())[:2])
    return DataError(
        f"dates must be written in one order, but in column {column.name!r} {shown or 'no order reads all'}",
        "write all of them in one way, such as ISO 8601 (2024-12-31)",
    )


def regularity(index: pd.DatetimeIndex) -> float:
    """Return the share of the steps of a regular clock, from the first to the last moment, that have a row.

    Clocks of several days a month or a week count half: there are so many of them that chance may find one.
    """
    times = np.unique(np.asarray(index, dtype="datetime64[ns]"))
    if len(times) < 3:
        return 1.0
    codes = np.zeros(len(times), dtype=np.int64)
    try:
        freq = infer_frequency(codes, times)[0]
        at = place(codes, times, freq, advise=False)[0].ordinals
    except DataError:
        return 0.0
    full = len(np.unique(at)) / float(at.max() - at.min() + 1)
    if isinstance(freq.rule, Cycle):
        span = int((times[-1] - times[0]).astype(np.int64))
        return max(_ODD * full, min(1.0, len(times) / (span / freq.spacing + 1)))
    return (_ODD if isinstance(freq.rule, MonthDays) and len(freq.rule.days) > 1 else 1.0) * full


def _chosen(
    column: _Column, readings: dict[str, tuple[pd.DatetimeIndex, tuple[str, ...]]], notes: list[str]
) -> tuple[pd.DatetimeIndex, tuple[str, ...]]:
    """Return the reading that makes the more regular clock, with its formats."""
    ranked = [(1.0, form) for form in readings]
    if len(readings) > 1:
        # The days of one month, read year first, are years without a hole; but nobody puts full stops behind years.
        prior = {form: _ODD if form.startswith("%y.") else 1.0 for form in readings}
        ranked = [(prior[form] * regularity(index), form) for form, (index, _) in readings.items()]
    ranked.sort(key=lambda pair: -pair[0])
    (best, won), rest = ranked[0], ranked[1:]
    season = next((form for form in readings if "%~y" in form), None)
    if season is not None and len(column.values) > 1:
        return readings[season]
    if not rest:
        return readings[won]
    second, other = rest[0]
    at = int(np.argmax(np.asarray(readings[won][0] != readings[other][0])))
    text, a, b = column.values[at], _day(readings[won][0][at]), _day(readings[other][0][at])
    if best >= max(CLEARLY * second, 1e-9) and best >= 0.2:
        notes.append(
            f"{text!r} in {column.name!r} was read as {a}, for {b} would leave {1 - second:.0%} of the clock's steps "
            "empty"
        )
        return readings[won]
    if column.values[0].isdigit():
        tied = [form for score, form in ranked if score * CLEARLY > best]
        week = next((form for form in tied if "%V" in form), None)
        chosen = week if week and re.search("w(ee)?k|kw", str(column.name).lower()) else min(
            tied, key=list(readings).index)  # fmt: skip
        return readings[chosen]
    dotted = [form for form in readings if form.startswith(("%d.", "%-d."))]
    if dotted and all(re.match(r"%[dmy]\.", form) for form in readings):
        notes.append(f"{text!r} in {column.name!r} was read day first, as dates with full stops are")
        return readings[dotted[0]]
    raise DataError(
        f"dates must have one reading, but {column.cell(at)} of column {column.name!r} is {a} or {b}, and both make a "
        "clock as regular",
        f"give date_format={won!r} or date_format={other!r}, or write ISO 8601 ({readings[won][0][at]:%Y-%m-%d})",
    )


def _day(moment: Any) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _check_century(column: _Column, index: pd.DatetimeIndex, reads: tuple[str, ...]) -> None:
    """Refuse years of two digits that reach from one century into another by guess."""
    if not any("%y" in form for form in reads) or len(index) < 2:
        return
    times = np.sort(np.asarray(index, dtype="datetime64[ns]").astype(np.int64))
    if times[-1] - times[0] > 60 * _YEARS and np.diff(times).max() > 20 * _YEARS:
        at = int(np.argmax(index))
        raise DataError(
            f"years must be clear, but {column.cell(at)} of column {column.name!r} may be {index[at].year} or "
            f"{index[at].year - 100}",
            "write years with four digits",
        )


def follow(values: pd.Index[Any], name: object, reads: Sequence[str], *, row: Callable[[int], int]) -> pd.DatetimeIndex:
    """Read a later column by the writing of the first one, or one that cannot be mistaken.

    Args:
        values: The distinct texts of the column.
        name: The column, for messages.
        reads: The formats of the first table; none where its times were no texts.
        row: The number of a distinct text -> the first row that holds it.

    Raises:
        DataError: A text is written in another way that can be mistaken.
    """
    moments = np.full(len(values), np.datetime64("NaT", "ns"))
    open_ = np.ones(len(values), dtype=bool)
    for form in [*reads, formats.ISO]:
        if open_.any():
            moments[open_] = np.asarray(formats.read(values[open_], form), dtype="datetime64[ns]")
            open_ = np.isnat(moments)
    kept = {formats.date_part(form) for form in reads}
    while open_.any():
        before = int(open_.sum())
        for order, form in formats.formats_of(str(values[open_][0])):
            if (order == "" and "%~y" not in form) or formats.date_part(form) in kept:
                moments[open_] = np.asarray(formats.read(values[open_], form), dtype="datetime64[ns]")
                open_ = np.isnat(moments)
                if int(open_.sum()) < before:
                    break
        if int(open_.sum()) == before:
            break
    left = np.flatnonzero(np.isnat(moments))
    if len(left):
        column = _Column(values, name, row)
        known = f"written as {formats.in_words(reads[0])}, as in the first table" if reads else "written as ISO 8601"
        raise DataError(
            f"times must be {known}, but {name!r} holds {column.cell(int(left[0]))}",
            "write them in that way, or as ISO 8601 (2024-12-31)",
        )
    index = pd.DatetimeIndex(moments)
    _check_order(index, values, name, reads)
    return index


def _check_order(index: pd.DatetimeIndex, values: pd.Index[Any], name: object, reads: Sequence[str]) -> None:
    """Refuse a later table that makes a clock only if day and month change places."""
    form = reads[0] if reads else ""
    swapped = re.sub("%([dm])", lambda found: "%m" if found[1] == "d" else "%d", form)
    if "%d" not in form or "%m" not in form or len(values) < 3 or index.day.max() > 12:
        return
    other = formats.read(values, swapped)
    kept = regularity(index)
    if not other.isna().any() and kept < 0.5 and regularity(other) > max(CLEARLY * kept, 0.9):
        raise DataError(
            f"times must be written as {formats.in_words(form)}, as in the first table, but {name!r} holds "
            f"{values[0]!r} to {values[-1]!r}, which make a clock as {formats.in_words(swapped)} only",
            "write them as in the first table, or as ISO 8601 (2024-12-31)",
        )
