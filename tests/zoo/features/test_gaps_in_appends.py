"""Appending equals computing again where rows come after a gap, between others, or with times of several offsets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autots.features import Features
from zoo.features import Pipeline
from zoo.features.append import append, tail
from zoo.features.run import run
from zoo.testing.features import assert_same

BEFORE = {
    "nothing": [],
    "weeks": [{"resample": {"every": "7d"}}],
    "filter": [{"filter": "y > -20"}],
    "aggregate": [{"aggregate": {"by": "group"}}],
    "filter and aggregate": [{"filter": "y > -20"}, {"aggregate": {"by": "group"}}],
}


@st.composite
def grown(draw):
    """Rows of three series, and which of them come later."""
    zone = draw(st.sampled_from(["Asia/Kolkata", "Africa/Abidjan", "UTC", None]))
    every = draw(st.sampled_from(["1h", "2h", "5h", "6h", "12h", "1d", "2d", "7d", "14d"]))
    row = st.tuples(st.sampled_from("abc"), st.integers(0, 24 * 21 * 4), st.integers(-50, 50))
    rows = draw(st.lists(row, min_size=2, max_size=50))
    table = pd.DataFrame(rows, columns=["id", "ts", "y"]).astype({"y": float})
    moments = pd.Timestamp("2024-03-08") + pd.to_timedelta(table["ts"] * 15, unit="min")
    table["ts"] = moments if zone is None else moments.dt.tz_localize("UTC").dt.tz_convert(zone)
    table["group"] = "g" + table["id"].replace({"c": "a"})
    late = np.array(draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    late[[0, 1]] = [False, True]
    return table, late, every


@given(grown(), st.sampled_from(sorted(BEFORE)))
@settings(max_examples=150, deadline=None)
def test_appending_equals_computing_again_and_the_tail_is_enough(case, first):
    table, late, every = case
    assume((table.loc[~late, "y"] > -20).any() and (table.loc[late, "y"] > -20).any())
    steps = [*BEFORE[first], {"resample": {"every": every, "how": "sum"}}]
    waves = {"fourier": {"period": 7, "order": 1}}
    made = Pipeline([*steps, {"lags": [1, 2]}, waves], id="id", time="ts", target="y")
    whole = made.fit_transform(table)
    before = made.transform(table[~late])
    update = append(made, table[~late], table[late])
    id = "group" if "aggregate" in first else "id"
    assert_same(whole, update.applied(before, id=id, time="ts"))
    assert_same(whole.groupby(id).tail(1), made.last(tail(made, table)))


def test_a_gap_before_the_new_rows_is_in_the_sink(tmp_path):
    table = pd.DataFrame({"ts": pd.to_datetime(["2024-03-08 00:00", "2024-03-08 03:00"]), "y": [1.0, 2.0]})
    path = str(tmp_path / "t.parquet")
    steps = [{"resample": {"every": "1h", "how": "sum"}}]
    made = Pipeline(steps, time="ts", target="y", source=path, sink=str(tmp_path / "out"), engine="pandas")
    table[:1].to_parquet(path)
    run(made)
    table.to_parquet(path)
    grown = run(made, appending=True)
    assert grown.rows_out == 4 and grown.checksum == run(made).checksum


def test_times_as_text_may_have_two_offsets_in_appends(tmp_path):
    times = pd.date_range("2024-03-25", "2024-04-03", freq="2h", tz="Europe/Berlin")
    table = pd.DataFrame({"ts": [t.isoformat() for t in times], "y": np.arange(len(times), dtype=float)})
    path = str(tmp_path / "t.csv")
    steps = [{"resample": {"every": "2h"}}, {"lags": [1]}]
    made = Pipeline(
        steps, time="ts", target="y", zone="Europe/Berlin", source=path, sink=str(tmp_path / "out"), engine="pandas"
    )
    table[:40].to_csv(path, index=False)
    run(made)
    for until in (90, len(table)):
        table[:until].to_csv(path, index=False)
        grown = run(made, appending=True)
    assert grown.checksum == run(made).checksum


def test_days_of_later_rows_are_those_of_the_fit_however_their_moments_are_written():
    times = pd.date_range("2024-01-01", "2024-03-01", freq="6h", tz="Asia/Kolkata", inclusive="left")
    raw = pd.DataFrame({"at": times, "sold": 1.0})
    made, _ = Features.of(Pipeline([{"resample": {"every": "1d", "how": "sum"}}], time="at", target="sold"), raw)
    wanted = made.table(raw)
    for written in (times.tz_convert("UTC"), times.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")):
        assert_same(wanted, made.table(raw.assign(at=written)))
