"""A table, however it is written, is read as what it is, or refused: never read as something else.

The truth is drawn first (keys, a regular clock, values), then a way to write it: layout, names, order of rows and
columns, dates, numbers, dtypes, zone, encoding, separator, file kind, partitions, a counter of rows that pandas left.
What was read is written back in the user's own columns and compared with the truth row by row.
"""

import csv
import gzip
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from autots.reading import read_panel
from zoo.errors import ZooError

EXAMPLES = int(os.environ.get("READING_EXAMPLES", "60"))
law = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

# Frequency -> strftime formats in which people write its times.
_DAYS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d %b %Y",
    "%d-%b-%y",
)
_DAYS += ("%b %d, %Y", "%B %d, %Y", "%Y-%m-%d %H:%M:%S", "%d.%m.%y")
_HOURS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%y %H:%M",
    "%Y-%m-%d %H:%M",
)
FORMATS = {
    "D": _DAYS, "B": _DAYS, "W-SUN": _DAYS, "W-WED": _DAYS, "ME": _DAYS, "QS-JAN": _DAYS,
    "MS": (*_DAYS, "%Y-%m", "%b %Y", "%Y%m"),
    "YS-JAN": ("%Y-%m-%d", "%d/%m/%Y", "%Y", "%d.%m.%Y"), "h": _HOURS, "15min": _HOURS, "30min": _HOURS, "6h": _HOURS,
}  # fmt: skip
DTYPES = ("datetime64[ns]", "datetime64[s]", "zone", "object", "index")
NAMES = [
    ("unique_id", "ds", "y"),
    ("item_id", "timestamp", "target"),
    ("shop", "date", "sales"),
    ("id", "Datum", "Umsätze"),
    ("sensor", "when", "kwh"),
]
KEYS = ("a", "b", "Köln", "007", "a/b", "x y", "1", "12", "é", "North-East", "k=v", "50%")


@dataclass
class Written:
    """The truth, and a way in which it is written."""

    times: pd.DatetimeIndex
    freq: str
    keys: list[tuple[Any, ...]]  # of each series
    names: tuple[str, ...]  # of the key's columns
    time: str
    target: str
    frame: pd.DataFrame  # the truth, long: key columns, "__time" (naive), target
    how: dict[str, Any] = field(default_factory=dict)

    def __repr__(self):
        names = (*self.names, self.time, self.target)
        return (
            f"Written({self.freq}, {len(self.times)} from {self.times[0]}, keys {self.keys}, names {names}, {self.how})"
        )


@st.composite
def written(draw, media=("frame", "csv", "parquet", "arrow")):
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    freq = draw(st.sampled_from(sorted(FORMATS)))
    n = draw(st.integers(8, 70))
    start = draw(st.datetimes(pd.Timestamp("2003-01-01"), pd.Timestamp("2025-12-01")))
    times = pd.date_range(
        pd.Timestamp(start).normalize()
        + pd.Timedelta(hours=draw(st.integers(0, 23)) if freq in ("h", "15min", "30min") else 0),
        periods=n,
        freq=freq,
    )
    id_name, time_name, target_name = draw(st.sampled_from(NAMES))
    two = draw(st.booleans()) and draw(st.booleans())
    labels = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    whole = draw(st.booleans()) and draw(st.booleans())
    if whole:
        labels = list(range(1, len(labels) + 1))
    single = len(labels) == 1 and not two and draw(st.booleans())
    keys = [(a, b) for a in labels for b in ("p", "q")] if two else [(a,) for a in labels]
    names = (id_name, "kind") if two else (id_name,)
    parts = []
    scale = draw(st.sampled_from([1, 30, 5000]))
    digits = draw(st.sampled_from([0, 1, 2]))
    for key in keys:
        gone = rng.random(n) < draw(st.sampled_from([0, 0, 0.04]))
        gone[[0, 1, -1]] = False
        y = np.round(rng.normal(2, 1, n) * scale, digits) + 0.0
        part = pd.DataFrame({"__time": times, target_name: y})
        for name, value in zip(names, key, strict=True):
            part[name] = value
        parts.append(part[~gone])
    frame = pd.concat(parts, ignore_index=True)
    how = {
        "medium": draw(st.sampled_from(media)),
        "single": single,
        "given": draw(st.booleans()) or two,
        "order": draw(st.sampled_from(["series", "time", "shuffled"])),
        "columns": draw(st.permutations(range(len(names) + 2))),
        "dates": draw(st.sampled_from([*FORMATS[freq], *FORMATS[freq], *DTYPES])),
        "zone": draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])),
        "numbers": draw(st.sampled_from(["plain", "plain", "text", "comma", "german", "english"])),
        "separator": draw(st.sampled_from([",", ";", "\t"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "latin-1", "utf-16"])),
        "compressed": draw(st.booleans()) and draw(st.booleans()),
        "counter": draw(st.booleans()) and draw(st.booleans()),
        "partitioned": draw(st.booleans()) and draw(st.booleans()) and not two,
        "seed": int(rng.integers(2**31)),
        "covariate": draw(st.booleans()),
    }  # fmt: skip
    if not how["given"]:
        # Two columns of numbers without a usual name are two series: what the reading rules say, and no fault.
        how["covariate"] &= target_name in ("y", "target")
    return Written(times, freq, keys, names, time_name, target_name, frame, how)


def number(value: float, how: str) -> str:
    """Write a number as people do."""
    plain = f"{value:.2f}" if how in ("comma", "german", "english") else repr(float(value))
    if how == "comma":
        return plain.replace(".", ",")
    if how in ("german", "english"):
        grouped = f"{value:,.2f}"
        return grouped.translate(str.maketrans(",.", ".,")) if how == "german" else grouped
    return plain


def table(w: Written, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the truth as the user's frame."""
    how = w.how
    order = {"series": list(w.names), "time": ["__time"], "shuffled": []}[how["order"]]
    rows = rows.sort_values(order, kind="stable") if order else rows.sample(frac=1.0, random_state=how["seed"])
    moments = pd.DatetimeIndex(rows["__time"])
    dates = how["dates"]
    if dates == "zone":
        # Hours that a zone skips or repeats are the business of the zones' own laws.
        cells: Any = moments.tz_localize("UTC" if how["zone"] != "Asia/Kolkata" else how["zone"])
    elif dates == "object":
        cells = np.array([m.to_pydatetime() for m in moments], dtype=object)
    elif dates.startswith("datetime64"):
        cells = moments.astype(dates)
    elif dates == "index":
        cells = moments
    else:
        cells = moments.strftime(dates).to_numpy(object)
    numbers = how["numbers"]
    out = {} if how["single"] else {name: rows[name].to_numpy() for name in w.names}
    out[w.time] = cells
    values = rows[w.target].to_numpy()
    out[w.target] = values if numbers == "plain" else np.array([number(v, numbers) for v in values], dtype=object)
    frame = pd.DataFrame(out)
    frame = frame[[frame.columns[i] for i in how["columns"] if i < frame.shape[1]]]
    if how["covariate"]:
        values = 10 + np.abs(np.round(values, 1))
        frame["temp"] = values if numbers == "plain" else [number(v, numbers) for v in values]
    return frame


def stored(w: Written, rows: pd.DataFrame, folder: Path) -> Any:
    """Write rows of the truth, and return what ``read_panel`` is given."""
    frame, how = table(w, rows), w.how
    if how["medium"] == "frame":
        return frame.set_index(w.time) if how["dates"] == "index" else frame
    if how["medium"] == "arrow":
        return pa.Table.from_pandas(frame, preserve_index=False)
    if how["medium"] == "parquet":
        if how["partitioned"] and not how["single"]:
            frame.to_parquet(folder / "lake", partition_cols=[w.names[0]], index=False)
            return folder / "lake"
        frame.to_parquet(folder / "t.parquet", index=False)
        return folder / "t.parquet"
    if how["counter"]:
        frame.insert(0, "", range(len(frame)))
    text = frame.to_csv(index=False, sep=how["separator"], quoting=csv.QUOTE_MINIMAL)
    raw = text.encode(how["encoding"])
    path = folder / ("t.csv.gz" if how["compressed"] else "t.csv")
    path.write_bytes(gzip.compress(raw) if how["compressed"] else raw)
    return path


def arguments(w: Written) -> dict[str, Any]:
    if not w.how["given"]:
        return {}
    key = list(w.names) if len(w.names) > 1 else w.names[0]
    return {"time_col": w.time, "target_col": w.target, **({} if w.how["single"] else {"id_col": key})}


def back(got, panel, w: Written) -> dict[tuple[Any, ...], float]:
    """Write a whole panel in the user's columns: (key as text ..., time) -> target, known rows alone."""
    ids = np.repeat(panel.ids, panel.lengths)
    out = got.schema.write(
        ids, panel.times[:, None], panel.y[:, None], np.zeros((len(ids), 1, 1)), (0.5,)
    ).reset_index()
    values = panel.y
    if w.names[0] not in out and len(w.keys) == 1:  # one value in all rows names nothing that must be named
        out = out.assign(**dict(zip(w.names, w.keys[0], strict=True)))
    keys = [()] * len(ids) if w.how["single"] else list(zip(*(out[name].astype(str) for name in w.names), strict=True))
    times = out[w.time]
    if w.how["dates"] in FORMATS[w.freq]:
        whens = [_moment(t, w.how["dates"]) for t in times]
    else:
        at = pd.DatetimeIndex(pd.to_datetime(times))
        whens = list(at if at.tz is None else at.tz_localize(None))
    return {(*k, t): v for k, t, v in zip(keys, whens, values, strict=True) if not np.isnan(v)}


def _moment(cell: Any, form: str) -> pd.Timestamp:
    """Return what a cell says, in the writing of the truth if it is text or a key of digits."""
    if isinstance(cell, pd.Timestamp):
        return cell
    return pd.Timestamp(pd.to_datetime(str(cell), format=form))


def truth(w: Written, rows: pd.DataFrame) -> dict[tuple[Any, ...], float]:
    form = w.how["dates"]
    if form in FORMATS[w.freq]:  # what the writing leaves out is not there: "2024-01" has no day
        whens = [pd.Timestamp(pd.to_datetime(m.strftime(form), format=form)) for m in rows["__time"]]
    else:
        whens = list(rows["__time"])
    keys = (
        [()] * len(rows) if w.how["single"] else list(zip(*(rows[name].astype(str) for name in w.names), strict=True))
    )
    return {(*k, t): v for k, t, v in zip(keys, whens, rows[w.target], strict=True)}


def same(got: dict[tuple[Any, ...], float], due: dict[tuple[Any, ...], float]) -> None:
    lost, new = due.keys() - got.keys(), got.keys() - due.keys()
    assert not lost and not new, (
        f"{len(lost)} of {len(due)} rows lost, {len(new)} invented: {sorted(lost)[:3]}, {sorted(new)[:3]}"
    )
    wrong = [(k, got[k], due[k]) for k in due if not np.isclose(got[k], due[k], rtol=1e-12, atol=1e-9)]
    assert not wrong, f"{len(wrong)} of {len(due)} values differ: {wrong[:3]}"


@law
@given(written())
def test_a_table_in_any_writing_is_read_as_it_is_or_refused(w):
    with tempfile.TemporaryDirectory() as folder:
        try:
            got = read_panel(stored(w, w.frame, Path(folder)), **arguments(w))
        except ZooError as refusal:
            event("refused")
            assert refusal.hint, "a refusal must show a way out"
            assert len(str(refusal)) < 1500
            return
    event("read")
    same(back(got, got.panel, w), truth(w, w.frame))


@law
@given(written(media=("frame", "csv")), st.integers(1, 5), st.booleans())
def test_later_rows_in_the_same_writing_go_on_where_the_first_ended(w, k, one_by_one):
    """What the first table proved (order of day and month, marks, names) holds for rows that prove nothing alone."""
    cut = w.times[-k - 1]
    first, later = w.frame[w.frame["__time"] <= cut], w.frame[w.frame["__time"] > cut]
    if (
        len(first.groupby(list(w.names), observed=True)) < len(w.keys)
        or not len(later)
        or first.groupby(list(w.names)).size().min() < 3
    ):
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            got = read_panel(stored(w, first, Path(folder)), **arguments(w))
            if back(got, got.panel, w) != truth(w, first):
                return  # the law above is about this
            panel = got.panel
            for _, rows in later.groupby("__time") if one_by_one else [(None, later)]:
                panel = panel.append(got.schema.read_more(stored(w, rows, Path(folder)), panel=panel).panel)
        except ZooError as refusal:
            event(f"refused: {str(refusal)[:60]}")
            assert refusal.hint
            return
    event("read")
    same(back(got, panel, w), truth(w, w.frame))


@pytest.mark.slow
@settings(law, max_examples=2000, phases=(Phase.generate, Phase.shrink))
@given(written())
def test_two_thousand_tables_are_read_as_they_are_or_refused(w):
    test_a_table_in_any_writing_is_read_as_it_is_or_refused.hypothesis.inner_test(w)
