"""The same series in another layout are the same series: wide, indexed, with periods, keys and later rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from autots.reading import read_panel
from zoo.errors import ZooError

law = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
KEYS = ("a", "b", "Köln", "007", "x y", "12", "North-East", "mean", "0.5", "total sales")
# Frequency -> writings of its times: formats, keys of periods, dtypes.
WRITINGS = {
    "D": ("stamp", "%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%a %d/%m/%Y", "date", "period"),
    "h": ("stamp", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "zone", "%m/%d/%Y %I:%M:%S %p"),
    "MS": ("stamp", "%Y-%m", "%m/%Y", "%b %Y", "%YM%m", "key", "text key", "period"),
    "QS-JAN": ("stamp", "quarter", "Q of year", "key", "period"),
    "W-MON": ("stamp", "%Y-%m-%d", "week", "key"),
}
LAYOUTS = ("long", "index", "both", "swapped", "wide", "wide index", "across")


def written(times: pd.DatetimeIndex, how: str, freq: str) -> Any:
    """Write times."""
    if how == "stamp":
        return times
    if how == "date":
        return np.array([t.date() for t in times], dtype=object)
    if how == "zone":
        return times.tz_localize("UTC").tz_convert("Europe/Berlin")
    if how == "period":
        return times.to_period({"MS": "M", "QS-JAN": "Q"}.get(freq, "D"))
    if how == "quarter":
        return np.array([f"{t.year}-Q{t.quarter}" for t in times], dtype=object)
    if how == "Q of year":
        return np.array([f"Q{t.quarter} {t.year}" for t in times], dtype=object)
    if how == "week":
        return np.array([t.strftime("%G-W%V") for t in times], dtype=object)
    if how in ("key", "text key"):
        form = {"MS": "%Y%m", "W-MON": "%G%V"}.get(freq)
        keys = [t.strftime(form) if form else f"{t.year}{t.quarter}" for t in times]
        return np.array(keys if how == "text key" else [int(k) for k in keys])
    return times.strftime(how).to_numpy(object)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    freq = draw(st.sampled_from(sorted(WRITINGS)))
    n = draw(st.integers(30, 60))
    start = pd.Timestamp(draw(st.datetimes(pd.Timestamp("2003-01-01"), pd.Timestamp("2024-01-01")))).normalize()
    return {
        "freq": freq,
        "times": pd.date_range(start, periods=n + 4, freq=freq),
        "n": n,
        "keys": draw(st.lists(st.sampled_from(KEYS), min_size=2, max_size=4, unique=True)),
        "how": draw(st.sampled_from(WRITINGS[freq])),
        "layout": draw(st.sampled_from(LAYOUTS)),
        "later": draw(st.integers(1, 4)),
        "reverse": draw(st.booleans()),
    }


def laid(t: dict[str, Any], y: np.ndarray, rows: slice) -> pd.DataFrame:
    """Write rows of all series in the layout."""
    times, values = written(t["times"][rows], t["how"], t["freq"]), y[:, rows]
    long = pd.concat(
        [pd.DataFrame({"unique_id": k, "ds": times, "y": v}) for k, v in zip(t["keys"], values, strict=True)]
    )
    long = long.iloc[::-1] if t["reverse"] else long
    layout = t["layout"]
    if layout == "index":
        return long.set_index("ds")
    if layout in ("both", "swapped"):
        return long.set_index(["unique_id", "ds"] if layout == "both" else ["ds", "unique_id"])
    wide = pd.DataFrame(dict(zip(t["keys"], values, strict=True)))
    wide = wide.iloc[:, ::-1] if t["reverse"] else wide
    if layout == "across":
        across = pd.DataFrame(values, columns=list(times))
        across.insert(0, "shop", t["keys"])
        return across
    wide.insert(0, "date", times)
    return (
        wide.set_index("date") if layout == "wide index" else wide if layout == "wide" else long.reset_index(drop=True)
    )


def check(panel: Any, t: dict[str, Any], y: np.ndarray, n: int) -> None:
    assert sorted(panel.ids) == sorted(t["keys"])
    for key, values in zip(t["keys"], y, strict=True):
        s = list(panel.ids).index(key)
        rows = slice(int(panel.lengths[:s].sum()), int(panel.lengths[: s + 1].sum()))
        np.testing.assert_array_equal(panel.times[rows].astype("datetime64[ns]"), t["times"][:n].to_numpy("M8[ns]"))
        np.testing.assert_allclose(panel.y[rows], values[:n])


@law
@given(tables(), st.integers(0, 2**31))
def test_series_are_the_same_in_every_layout_and_so_are_their_later_rows(t, seed):
    y = np.round(np.random.default_rng(seed).normal(100, 9, (len(t["keys"]), t["n"] + 4)), 1)
    n, end = t["n"], t["n"] + t["later"]
    try:
        got = read_panel(laid(t, y, slice(0, n)))
    except ZooError as refusal:
        event(f"refused: {str(refusal)[:50]}")
        assert refusal.hint
        return
    check(got.panel, t, y, n)
    more = got.schema.read_more(laid(t, y, slice(n, end)), panel=got.panel)
    check(got.panel.append(more.panel), t, y, end)
