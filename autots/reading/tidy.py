"""What people and programs put around a table: row counters, empty rows and columns, units, totals, times across."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.reading.findings import Finding
from autots.reading.layouts import ID_NAMES, TARGET_NAMES, TIME_NAMES, ColumnRoles, Layout, as_text, shown
from autots.reading.numerals import BLANKS
from autots.reading.value_kinds import is_moment, is_number
from zoo.errors import DataError

__all__ = ["Tidied", "tidied", "tidy", "turned", "without_partitions"]

_COUNTER = re.compile(r"(Unnamed: \d+(\.\d+)?|__index_level_\d+__|level_\d+|index|rownames|)", re.IGNORECASE)
_SURE_COUNTER = re.compile(r"(Unnamed: \d+(\.\d+)?|__index_level_\d+__|level_\d+|)")
_FOOT = re.compile(
    r"\s*\(?(grand |sub)?(total|sum|summe|gesamt|average|avg|mean|source|quelle|notes?|footnote|updated|last updated|"
    r"as of|stand|generated|created|copyright|\*|©|#)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\d{4}([-/.]\d{1,2}){1,2}([ T]\d{2}:\d{2}(:\d{2})?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{4}[- ]?[QWM]\d{1,2}|"
    r"([A-Z][a-z]{2}[- ]?\d{2,4}|\d{4}[- ][A-Z][a-z]{2})|(18|19|20)\d\d"
)
_PARTS: dict[str, Callable[[Any], Any]] = {
    "year": lambda times: times.dt.year,
    "month": lambda times: times.dt.month,
    "day": lambda times: times.dt.day,
    "hour": lambda times: times.dt.hour,
    "quarter": lambda times: times.dt.quarter,
    "week": lambda times: times.dt.isocalendar().week.astype(float),
    **{name: lambda times: times.dt.strftime("%Y-%m-%d") for name in ("date", "dt", "ds", "day_date")},
}
_MONTHS = {
    name: i % 12 + 1
    for i, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec january february march april may june july august september "
        "october november december jan feb mär apr mai jun jul aug sep okt nov dez januar februar märz april mai juni "
        "juli august september oktober november dezember".split()
    )
}
_SAME = 0.9  # share of rows: folders may be named in another zone than the times
_TAIL = 10  # last rows that may be a footer
_MIN_ACROSS = 3  # columns named by times before a table is turned by itself


@dataclass(frozen=True)
class Tidied:
    """A table without what surrounded it.

    Args:
        table: What is left of the user's table.
        findings: What was left out, for the report.
        dropped: Columns that were left out.
        across: Whether it was turned.
    """

    table: Any
    findings: tuple[Finding, ...] = ()
    dropped: tuple[str, ...] = ()
    across: bool = False


def tidy(table: pd.DataFrame, named: Collection[Any] = ()) -> Tidied:
    """Leave out row counters, and rows and columns without any value.

    Args:
        table: The user's table, as it was read.
        named: Columns that the user names: they stay, whatever they hold.

    >>> tidy(pd.DataFrame({"Unnamed: 0": [0, 1], "y": [5.0, 6.0]})).dropped
    ('Unnamed: 0',)
    """
    if table.columns.nlevels > 1 or not len(table):
        return Tidied(table)
    findings: list[Finding] = []
    table, lost = _without_empty_rows(table)
    if lost:
        findings.append(Finding("dropped_rows", lost, f"{lost} rows are empty", "left out"))
    kept, dropped = [], []
    # Of thousands of columns few begin with a hole.
    holes = table.iloc[: 1 + len(table) // 100].isna().any().to_numpy()
    for at, name in enumerate(table.columns):
        stays = name in named or not (holes[at] or _COUNTER.fullmatch(as_text(name)) or _maybe_blank(table, at))
        if stays:
            kept.append(at)
            continue
        column = table.iloc[:, at]
        if _COUNTER.fullmatch(as_text(name)) and _counts(as_text(name), column):
            findings.append(Finding("index_column", 1, f"column {as_text(name)!r} numbers the rows", "left out"))
        elif _says_nothing(name, column):
            findings.append(Finding("empty_column", 1, f"column {as_text(name)!r} is empty", "left out"))
        else:
            kept.append(at)
            continue
        dropped.append(as_text(name))
    if dropped and kept:
        table = table.iloc[:, kept]
    return Tidied(table, tuple(findings), tuple(dropped) if kept else ())


def _maybe_blank(table: pd.DataFrame, at: int) -> bool:
    first = table.iat[0, at]
    return isinstance(first, str) and not first.strip()


def without_partitions(table: Any, keys: Sequence[str], named: Collection[Any] = ()) -> Tidied:
    """Leave out columns of folder names (``year=2024/month=1``) that repeat parts of a column of times.

    Args:
        table: The user's table, as it was read.
        keys: Columns that stand in the names of folders.
        named: Columns that the user names: they stay.
    """
    parts = [key for key in keys if key not in named and key.lower() in _PARTS and key in table.columns]
    clocks = [c for c in table.columns if c not in keys and is_moment(table[c], named=False)] if parts else []
    dropped: dict[str, str] = {}
    for clock in clocks:
        times = pd.to_datetime(table[clock], errors="coerce", format="mixed")
        if not pd.api.types.is_datetime64_any_dtype(times.dtype):  # several zones
            continue
        for key in parts:
            of_clock = _PARTS[key.lower()](times)
            own = table[key].astype(str) if of_clock.dtype.kind == "O" else pd.to_numeric(table[key], errors="coerce")
            if (own.to_numpy() == of_clock.to_numpy()).mean() > _SAME:
                dropped.setdefault(key, clock)
    findings = [Finding("partition", 1, f"the folders {k}=... repeat {c!r}", "left out") for k, c in dropped.items()]
    return Tidied(table.drop(columns=list(dropped)) if dropped else table, tuple(findings), tuple(dropped))


def _blank(column: Any) -> npt.NDArray[np.bool_]:
    missing = np.asarray(column.isna())
    if pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype):
        missing = missing | np.fromiter((isinstance(v, str) and not v.strip() for v in column), bool, len(column))
    return missing


def _says_no_more_than_order(index: Any) -> bool:
    if index.nlevels > 1 or index.name is not None or not pd.api.types.is_integer_dtype(index.dtype):
        return False
    return isinstance(index, pd.RangeIndex) or bool((np.asarray(index) == np.arange(len(index))).all())


def _without_empty_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    # The rows of a lone column are its clock.
    if not _says_no_more_than_order(table.index) or table.shape[1] < 2:
        return table, 0
    # Most tables have a column without holes, so most of this never looks at a second one; text comes last.
    empty = np.ones(len(table), dtype=bool)
    for at in sorted(range(table.shape[1]), key=lambda at: table.dtypes.iloc[at].kind == "O"):
        rows = np.flatnonzero(empty)
        empty[rows] = _blank(table.iloc[:, at] if len(rows) == len(table) else table.iloc[rows, at])
        if not empty.any():
            return table, 0
    if empty.all():
        return table, 0
    table = table[~empty].reset_index(drop=True)
    for name in table.columns[[pd.api.types.is_float_dtype(t) for t in table.dtypes]]:
        values = table[name]
        # Whole numbers, ids among them, became fractions only because of the holes.
        if isinstance(values, pd.Series) and np.isfinite(values).all() and (values == np.floor(values)).all():
            table[name] = values.astype(np.int64)
    return table, int(empty.sum())


def _counts(name: str, column: Any) -> bool:
    """Whether values number the rows: one by one, or anew for each part of a table that was put together."""
    if not pd.api.types.is_integer_dtype(column.dtype):
        if not pd.api.types.is_float_dtype(column.dtype) or not np.isfinite(column).all():
            return False
        if (column != np.floor(column)).any():
            return False
    values = np.asarray(column, dtype=np.int64)
    ordered, counts = np.unique(values, return_counts=True)
    if (np.diff(ordered) != 1).any():
        return False
    if counts.max() == 1:  # in whatever order the rows come
        return True
    # Parts that each count from the start: no number is there more often than a smaller one.
    parts = ordered[0] in (0, 1) and counts.max() <= len(values) / 2 and bool((np.diff(counts) <= 0).all())
    if not parts or _SURE_COUNTER.fullmatch(name):
        return bool(parts)
    restart = values[1:][np.diff(values) != 1]
    return set(restart) <= {values[0]}


def _says_nothing(name: Any, column: Any) -> bool:
    usual = str(name).strip().lower() in {*ID_NAMES, *TIME_NAMES, *TARGET_NAMES}
    return not usual and bool(_blank(column).all())


def tidied(table: pd.DataFrame, layout: Layout) -> Tidied:
    """Leave out what surrounds a table whose layout is known: units under the header, totals and sources at the end."""
    findings: list[Finding] = []
    table, lost = _without_empty_rows(table)
    if lost:
        findings.append(Finding("dropped_rows", lost, f"{lost} rows are empty", "left out"))
    if layout.kind == "wide":
        # A later table may have a row counter though the first one had none.
        mine = {layout.columns.time, *layout.columns.known}
        counters = [
            c
            for c in table.columns
            if c not in mine and _COUNTER.fullmatch(as_text(c)) and _counts(as_text(c), table[c])
        ]
        gone = {*counters, *(c for c in table.columns if as_text(c) in layout.dropped)}
        table = table[[c for c in table.columns if c not in gone]] if gone else table
    time = layout.columns.time
    if time not in table.columns or len(table) < 4:
        return Tidied(table, tuple(findings))
    clock = table[time]
    if not isinstance(clock, pd.Series) or not _may_hold_words(clock):
        return Tidied(table, tuple(findings))
    head, tail = _head(table, clock), _foot(table, clock)
    for rows, what in (
        (range(head), "names or units under the header"),
        (range(len(table) - tail, len(table)), "notes"),
    ):
        if len(rows):
            cells = [str(v) for v in table.iloc[rows[0]] if pd.notna(v)]
            message = f"{len(rows)} rows at the {'top' if not rows[0] else 'end'} hold {what}: {shown(cells)[:120]}"
            findings.append(Finding("dropped_rows", len(rows), message, "left out"))
    if head or tail:
        table = table.iloc[head : len(table) - tail]
        if isinstance(table.index, pd.RangeIndex):
            table = table.reset_index(drop=True)
        table = table.infer_objects()
    return Tidied(table, tuple(findings))


def _may_hold_words(clock: Any) -> bool:
    if pd.api.types.is_object_dtype(clock.dtype) or pd.api.types.is_string_dtype(clock.dtype):
        return True
    return bool(clock.iloc[-_TAIL:].isna().any())


def _is_time(cell: Any) -> bool:
    if not isinstance(cell, str):
        return bool(pd.notna(cell))
    text = cell.strip()
    if re.fullmatch(r"-?\d+", text):
        return True
    return bool(re.search(r"\d", text)) and not pd.isna(pd.to_datetime(text, errors="coerce", format="mixed"))


def _head(table: pd.DataFrame, clock: Any) -> int:
    """Return how many rows at the top hold no value: no time, and no number in a column of numbers."""
    middle = clock.iloc[len(clock) // 2]
    if not _is_time(middle):
        return 0
    for n in range(3):
        if _is_time(clock.iloc[n]) or any(_is_figure(cell) for cell in table.iloc[n]):
            return n
    return 0


def _is_figure(cell: Any) -> bool:
    if isinstance(cell, str):
        return bool(re.fullmatch(r"\s*[-+]?[\d.,' ]*\d[\d.,' ]*\s*%?\s*", cell))
    return bool(pd.notna(cell)) and isinstance(cell, int | float | np.number)


def _foot(table: pd.DataFrame, clock: Any) -> int:
    """Return how many rows at the end hold totals or notes: no time, and a word for it or nothing but text."""
    if not _is_time(clock.iloc[len(clock) // 2]):
        return 0
    n = 0
    while n < min(_TAIL, len(table) - 2) and not _is_time(clock.iloc[-1 - n]):
        row = table.iloc[-1 - n]
        texts = [cell for cell in row if isinstance(cell, str) and cell.strip()]
        said = [cell for cell in row if pd.notna(cell) and not (isinstance(cell, str) and cell.lower() in BLANKS)]
        if not any(_FOOT.match(text) for text in texts) and (len(said) != len(texts) or len(texts) > 1 or not n):
            break
        n += 1
    return n


def turned(
    table: pd.DataFrame, columns: ColumnRoles | None = None, named: Sequence[Any] = (), kept: Sequence[Any] = ()
) -> pd.DataFrame | None:
    """Return a long table of one whose column names are times, with one row per series; None for any other table.

    Args:
        table: The user's table, as it was read.
        columns: The names given to the columns when the first table was turned.
        named: Columns that the user says name the series.
        kept: Other columns to keep.

    Raises:
        DataError: Nothing tells the rows apart.

    >>> turned(pd.DataFrame({"page": ["a"], "2024-01-01": [1], "2024-01-02": [2], "2024-01-03": [3]})).columns.tolist()
    ['page', 'ds', 'y']
    """
    index = table.index
    if table.columns.nlevels > 1 or index.nlevels > 1 or not pd.api.types.is_integer_dtype(index.dtype):
        return None
    calendar = _of_months(table, columns)
    if calendar is not None:
        return calendar
    across = [name for name in table.columns if _names_time(name)]
    rest = [name for name in table.columns if name not in across]
    if not across or not table.columns.is_unique:
        return None
    # A later table of a kind that is known may bring a single new time.
    if columns is None and (len(across) < _MIN_ACROSS or len(across) < len(rest)):
        return None
    if any(is_moment(table[c], named=str(c).lower() in TIME_NAMES) for c in rest):
        return None
    if not all(is_number(table[c]) or table[c].isna().all() for c in across):
        return None
    time, target = (columns.time, columns.target) if columns is not None else ("ds", "y")
    ids = list(named) or ([] if columns is None else list(columns.ids)) or _row_names(table, rest)
    if not ids and len(table) > 1:
        raise DataError(
            f"a table whose {len(across)} columns are times must name the series of each row, but {shown(rest)} do not",
            "give id_col=..., or melt it: frame.melt(id_vars=[...], var_name='ds', value_name='y')",
        )
    if any(name not in table.columns for name in ids):
        return None
    label = {c: as_text(c) if re.fullmatch(_DATE, as_text(c)) else c for c in across}
    long = table[[*ids, *(c for c in kept if c in rest and c not in ids), *across]].rename(columns=label)
    long = long.melt(id_vars=[c for c in long.columns if c not in label.values()], var_name=time, value_name=target)
    if all(isinstance(c, dt.date) for c in across):
        long[time] = pd.to_datetime(pd.Series(np.repeat(pd.Index(across), len(table))))
    return long


def _of_months(table: pd.DataFrame, columns: ColumnRoles | None) -> pd.DataFrame | None:
    """Return a long table of one with a row per year and a column per month; None for any other table."""
    months = {name: _MONTHS.get(str(name).strip().lower().rstrip(".")) for name in table.columns}
    across = [name for name, month in months.items() if month is not None and is_number(table[name])]
    rest = [name for name in table.columns if name not in across and not _FOOT.match(str(name))]
    years = [n for n in rest if str(n).strip().lower() in ("year", "jahr", "année", "año", "anno", "ano", "")]
    years = years or [n for n in rest if _COUNTER.fullmatch(as_text(n))]
    min_months = 12 if columns is None else 1
    if len(across) < min_months or len({months[name] for name in across}) < len(across) or len(years) != 1:
        return None
    year = pd.to_numeric(table[years[0]], errors="coerce")
    if not year.between(1800, 2099).all() or any(is_number(table[n]) for n in rest if n != years[0]):
        return None
    time, target = (columns.time, columns.target) if columns is not None else ("ds", "y")
    long = table.melt(id_vars=rest, value_vars=across, var_name=time, value_name=target)
    number = long[time].map(months).astype(int)
    long[time] = [f"{int(y)}-{m:02d}" for y, m in zip(np.tile(year, len(across)), number, strict=True)]
    return long[[*(name for name in rest if name != years[0]), time, target]]


def _names_time(name: Any) -> bool:
    if isinstance(name, dt.date | pd.Period):
        return True
    if isinstance(name, int | np.integer) and not isinstance(name, bool):
        return bool(1800 <= name <= 2099)
    return isinstance(name, str) and bool(_DATE.fullmatch(name.strip()))


def _row_names(table: pd.DataFrame, rest: Sequence[Any]) -> list[Any]:
    """Return the first column that differs in every row, or all that only together do; none if they do not."""
    texts = [c for c in rest if not pd.api.types.is_float_dtype(table[c].dtype)]
    usual = [c for c in texts if str(c).strip().lower() in ID_NAMES]
    for name in (*usual, *texts):
        if table[name].is_unique and table[name].notna().all():
            return [name]
    varying = [c for c in texts if table[c].nunique() > 1]
    return varying if varying and not table.duplicated(varying).any() else []
