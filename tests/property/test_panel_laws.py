"""Laws of the panel: names, order and files carry no information; what is read can be written; cuts can be mended."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autots.reading import read_panel

FREQS = ("30min", "h", "D", "B", "W-TUE", "MS", "ME", "QE-DEC", "YS-JAN")
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw):
    """A long table of some series with gaps, holes and doubles, and its frequency."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    freq = draw(st.sampled_from(FREQS))
    parts = []
    for name in draw(st.lists(st.sampled_from(["a", "b", "007", "Z", "é x"]), min_size=1, max_size=4, unique=True)):
        n = draw(st.integers(2, 25))
        times = pd.date_range("2019-11-30", periods=n, freq=freq)
        y = np.round(rng.normal(size=n), 3)
        y[1:][rng.random(n - 1) < 0.1] = np.nan
        part = pd.DataFrame({"unique_id": name, "ds": times, "y": y, "x": rng.integers(0, 5, n).astype(float)})
        kept = part[(rng.random(n) < 0.9) | (np.arange(n) == 0)]
        parts += [kept, kept[rng.random(len(kept)) < 0.1].assign(y=9.0)]
    return pd.concat(parts, ignore_index=True), freq


def equal(a, b, *, rename=None):
    rename = rename or {}
    assert list(a.ids) == list(b.ids)
    assert a.freq == b.freq
    np.testing.assert_array_equal(a.indptr, b.indptr)
    np.testing.assert_array_equal(a.times, b.times)
    np.testing.assert_array_equal(a.y, b.y)
    for kind in ("known", "past", "static"):
        mine, theirs = getattr(a, kind), getattr(b, kind)
        assert {rename.get(name, name) for name in mine} == set(theirs)
        for name, values in mine.items():
            np.testing.assert_array_equal(values, theirs[rename.get(name, name)])


@quick
@given(tables(), st.randoms(use_true_random=False))
def test_shuffling_rows_changes_nothing(made, random):
    frame, freq = made
    order = list(range(len(frame)))
    random.shuffle(order)
    equal(read_panel(frame, freq=freq).panel, read_panel(frame.iloc[order], freq=freq).panel)


@quick
@given(tables(), st.permutations(["p", "q", "r", "s"]))
def test_renaming_and_reordering_columns_changes_nothing_but_names(made, names):
    frame, freq = made
    rename = dict(zip(frame.columns, names, strict=True))
    renamed = frame.rename(columns=rename)[sorted(names)]
    got = read_panel(renamed, freq=freq, id_col=rename["unique_id"], time_col=rename["ds"], target_col=rename["y"])
    equal(read_panel(frame, freq=freq).panel, got.panel, rename=rename)


@quick
@given(tables(), st.data(), st.sampled_from(["csv", "parquet"]))
def test_splitting_into_files_changes_nothing(made, data, kind):
    frame, freq = made
    cuts = sorted(data.draw(st.lists(st.integers(1, max(1, len(frame) - 1)), max_size=3, unique=True)))
    with tempfile.TemporaryDirectory() as folder:
        for i, part in enumerate(np.split(np.arange(len(frame)), cuts)):
            rows = frame.iloc[part]
            if len(rows) and kind == "csv":
                rows.to_csv(Path(folder) / f"{i}.csv", index=False)
            elif len(rows):
                rows.to_parquet(Path(folder) / f"{i}.parquet", index=False)
        equal(read_panel(frame, freq=freq).panel, read_panel(folder, freq=freq).panel)


@quick
@given(tables())
def test_the_inferred_clock_gives_the_same_panel_as_the_true_one_or_one_as_regular(made):
    frame, _ = made
    full = frame.dropna(subset="y")
    if full.groupby("unique_id")["ds"].nunique().max() < 2:
        return
    panel = read_panel(full).panel
    known = ~np.isnan(panel.y)
    seen = set(zip(np.repeat(panel.ids, panel.lengths)[known], panel.times[known], strict=True))
    assert seen == set(zip(full["unique_id"], full["ds"].to_numpy("datetime64[ns]"), strict=True))


@quick
@given(
    tables(),
    st.sampled_from(["object", "category", "string"]),
    st.sampled_from(["datetime64[ns]", "datetime64[s]", "object", "UTC", "Europe/Berlin"]),
)
def test_what_is_written_has_the_names_and_dtypes_of_what_was_read(made, id_dtype, time_dtype):
    frame, freq = made
    frame = frame.rename(columns={"unique_id": "shop", "ds": "day"}).astype({"shop": id_dtype})
    if "/" in time_dtype or time_dtype == "UTC":
        frame["day"] = frame["day"].dt.tz_localize(time_dtype)
    elif time_dtype == "object":
        frame["day"] = frame["day"].dt.strftime("%Y-%m-%d %H:%M:%S")
    else:
        frame["day"] = frame["day"].astype(time_dtype)
    got = read_panel(frame, freq=freq, id_col="shop", time_col="day", target_col="y")
    panel = got.panel
    rows = np.arange(panel.n_series)
    last = panel.last_times[:, None]
    out = got.schema.write(panel.ids, last, rows[:, None].astype(float), np.zeros((len(rows), 1, 1)), (0.5,))
    assert list(out.columns) == ["shop", "day", "mean", "0.5"]
    assert out["shop"].dtype == frame["shop"].dtype
    assert out["day"].dtype == frame["day"].dtype
    latest = frame.dropna(subset="y").groupby("shop", observed=True)["day"].max()
    assert dict(zip(out["shop"], out["day"], strict=True)) == latest.to_dict()


@quick
@given(tables(), st.integers(1, 6))
def test_appending_what_a_cutoff_removed_gives_the_whole(made, n):
    frame, freq = made
    panel = read_panel(frame, freq=freq).panel
    long_enough = np.flatnonzero(panel.lengths > n)
    if not len(long_enough):
        return
    whole = panel.select(long_enough)
    history, _, truth = whole.cutoff(n, n)
    rest = whole.tail(n)
    equal(history.append(rest), whole)
    np.testing.assert_array_equal(truth.ravel(), rest.y)
    np.testing.assert_array_equal(history.future_times(n).ravel(), rest.times)


@quick
@given(tables(), st.integers(1, 24))
def test_reading_in_two_pieces_gives_the_whole(made, k):
    frame, freq = made
    whole = read_panel(frame, freq=freq)
    cut = np.sort(frame["ds"].unique())[min(k, frame["ds"].nunique() - 1) - 1]
    early, late = frame[frame["ds"] <= cut], frame[frame["ds"] > cut]
    if early["y"].isna().all() or late["y"].isna().all():
        return
    start = read_panel(early, freq=freq)
    more = start.schema.read_more(late, panel=start.panel)
    joined = start.panel.append(more.panel)
    order = np.argsort(joined.ids)
    assert list(joined.ids[order]) == list(whole.panel.ids)
    np.testing.assert_array_equal(joined.select(order).y, whole.panel.y)
    np.testing.assert_array_equal(joined.select(order).times, whole.panel.times)
