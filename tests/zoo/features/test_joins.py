"""A joined table that no process should hold: read where it is joined, with the bits of the engine in memory."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import DataError
from zoo.features import Pipeline
from zoo.features.artifact import load
from zoo.features.engines import joining
from zoo.features.explain import explain
from zoo.features.run import run
from zoo.tables.versioned import VersionedTable
from zoo.testing.feature_cases import weather
from zoo.testing.features import assert_same, raw_table

STEP = {"on": "station", "asof": "ts", "tolerance": "2h"}


@pytest.fixture
def large(monkeypatch):
    """Every joined table is too large."""
    monkeypatch.setattr(joining, "SMALL", 0)


def pipeline(folder, step, **options):
    roles = {"id": "meter", "time": "ts", "target": "kwh", "source": str(folder / "t.parquet")} | options
    return Pipeline([{"join": {"table": str(folder / "side.parquet")} | step}], **roles)


def written(folder, side, table=None):
    (raw_table(series=2, hours=60) if table is None else table).to_parquet(folder / "t.parquet")
    side.to_parquet(folder / "side.parquet")
    return folder


def test_a_key_that_is_missing_throughout_joins_nothing(tmp_path):
    table = raw_table(series=2, hours=60).assign(station=None)
    written(tmp_path, weather(), table)
    got = pipeline(tmp_path, STEP).fit_transform(table)
    assert len(got) and got["outside"].isna().all()


def test_explain_says_who_reads_a_joined_table_and_why(tmp_path, monkeypatch):
    made = pipeline(written(tmp_path, weather()), STEP, engine="spark")
    assert "kB in memory, sent to Spark by the driver" in explain(made)["text"]
    monkeypatch.setattr(joining, "SMALL", 1e3)
    made = pipeline(tmp_path, STEP, engine="spark")
    told = explain(made)
    assert "kB in memory, more than 1 kB: read, sorted and joined by Spark" in told["text"]
    assert told["steps"][0]["place"] in told["text"] and "outside" in told["columns"]
    assert not made.steps[0].is_read
    assert "Spark by" not in explain(pipeline(tmp_path, STEP, engine="pandas"))["text"]


def test_what_spark_reads_otherwise_is_read_by_the_driver(large, tmp_path):
    side = weather()
    odd = {
        "its times are string": side.assign(ts=side["ts"].astype(str)),
        "its keys are double": side.assign(station=1.5),
        "'outside' is bool": side.assign(outside=True),
        "'outside' is decimal": side.assign(outside=Decimal("1.5")),
    }
    for why, table in odd.items():
        table.to_parquet(tmp_path / "side.parquet")
        found = joining.place(pipeline(tmp_path, STEP).steps[0])
        assert not found.spark and f"but {why}" in found.why
    assert joining.place(pipeline(tmp_path, STEP | {"columns": []}).steps[0]).spark  # nobody asks for it
    (tmp_path / "by=day").mkdir()
    side.to_parquet(tmp_path / "by=day" / "a.parquet")
    side.to_csv(tmp_path / "side.csv")
    for path, why in (("by=day", "its folders hold values of a column"), ("side.csv", "it is not in Parquet files")):
        found = joining.place(pipeline(tmp_path, STEP | {"table": str(tmp_path / path)}).steps[0])
        assert not found.spark and f"but {why}" in found.why
    assert not joining.place(pipeline(tmp_path, STEP | {"table": side}).steps[0]).spark


def test_a_large_table_is_copied_without_being_held(large, tmp_path):
    (tmp_path / "parts").mkdir()
    side = weather()
    side[:50].to_parquet(tmp_path / "parts" / "a.parquet")
    side[50:].to_parquet(tmp_path / "parts" / "b.parquet")
    step = pipeline(tmp_path, STEP | {"table": str(tmp_path / "parts")}).steps[0]
    assert joining.copied(step, tmp_path / "copy.parquet") and not step.is_read
    again = pipeline(tmp_path, STEP | {"table": str(tmp_path / "copy.parquet")}).steps[0]
    mine, its = step.known().batch, again.known().batch
    assert list(mine.columns) == list(its.columns) == ["outside"]
    np.testing.assert_array_equal(mine.columns["outside"], its.columns["outside"])
    assert not joining.copied(step, tmp_path / "no.parquet")  # it is in memory now


# What both sides may look like. Keys and times fall on each other, go missing, and lie outside of the other table.

_VALUES = st.sampled_from([0.0, -0.0, 1.5, -7.0, 1e300, float("nan"), float("inf")])
_TEXTS = st.sampled_from(["a", "b'", "", None])


@st.composite
def joins(draw):
    """Return a table, one to join, and the options of the step."""
    text, clock = draw(st.booleans()), draw(st.sampled_from(["ns", "us", "zone", "whole"]))
    by = draw(st.sampled_from(["station", "meter", None]))
    keys = ["s0", "s1", "é"] if text else [0, 1, 2**40]
    minutes = st.integers(0, 90)
    row = st.tuples(st.sampled_from(keys), minutes, _VALUES, st.sampled_from([*keys, None]))
    table = pd.DataFrame(draw(st.lists(row, min_size=1, max_size=40)), columns=["meter", "ts", "kwh", "station"])
    other = st.tuples(st.sampled_from([*keys, "zz" if text else 7]), minutes, _VALUES, _TEXTS, st.integers(-3, 2**60))
    side = pd.DataFrame(draw(st.lists(other, min_size=1, max_size=30)), columns=["key", "ts", "v", "note", "count"])
    side = side.drop_duplicates(["ts"] if by is None else ["key", "ts"]).rename(columns={"key": by or "key"})
    side["note"] = side["note"].astype("string")  # or Parquet would have no type where none is there
    table.loc[0, "station"] = keys[0]
    if not text:
        table["station"] = table["station"].astype(float)
    frames = []
    for frame in (table, side):
        frame = frame.astype({c: float for c in ("kwh", "v") if c in frame})
        if clock != "whole":
            frame["ts"] = pd.Timestamp("2024-03-31") + pd.to_timedelta(frame["ts"], unit="min")
            frame["ts"] = frame["ts"].astype("datetime64[us]" if clock == "us" else "datetime64[ns]")
        if clock == "zone":  # the hour that is missing, written differently in both
            frame["ts"] = frame["ts"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo" if frame is side else "UTC")
        frames.append(frame)
    tolerances = ["30min", None] if clock != "whole" else [None]
    step = {"asof": "ts", "tolerance": draw(st.sampled_from(tolerances)), "columns": {"v": "w", "note": "said"}}
    if draw(st.booleans()):
        step["columns"] = {"count": "n", **step["columns"]}
    return *frames, step | {"on": by}


@pytest.mark.spark
@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(joins())
def test_joined_by_spark_sent_by_the_driver_and_in_memory_give_the_same_bits(spark_session, tmp_path, case):
    table, side, step = case
    with tempfile.TemporaryDirectory(dir=tmp_path) as name, pytest.MonkeyPatch.context() as patch:
        folder = written(Path(name), side, table)
        sums = {"memory": run(pipeline(folder, step), engine="pandas").checksum}
        sums["sent"] = run(pipeline(folder, step), engine="spark", session=spark_session).checksum
        patch.setattr(joining, "SMALL", 0)
        made = pipeline(folder, step)
        sums["far"] = run(made, engine="spark", session=spark_session).checksum
        assert not made.steps[0].is_read
        assert len(set(sums.values())) == 1, sums


@pytest.mark.spark
@pytest.mark.slow
def test_folders_and_versioned_tables_are_joined_far_and_saved_with_the_rows(large, spark_session, tmp_path):
    side = weather().sample(frac=1, random_state=0)  # an index of its own, and times out of order
    side["noted"] = side["ts"]  # a column that is neither a number nor text
    side["note"] = pd.Series(None, index=side.index, dtype="string")  # text without any text
    written(tmp_path, side)
    (tmp_path / "parts").mkdir()
    for i in range(3):
        side[i::3].to_parquet(tmp_path / "parts" / f"{i}.parquet")
    VersionedTable.open(tmp_path / "rows").write(side.astype({"ts": "datetime64[us]", "noted": "datetime64[us]"}))
    for name in ("side.parquet", "parts", "rows"):
        frames = []
        for engine in ("pandas", "spark"):
            made = pipeline(tmp_path, STEP | {"table": str(tmp_path / name)}, sink=str(tmp_path / "out"))
            done = run(made, engine=engine, session=spark_session)
            assert made.steps[0].is_read is (engine == "pandas")
            frames.append(pd.read_parquet(tmp_path / "out", columns=list(done.columns)))
            frames[-1] = frames[-1].sort_values(list(done.columns[:3]), ignore_index=True)
            asked = load(tmp_path / "out" / "_pipeline").transform(raw_table(series=2, hours=60))
            assert asked["outside"].notna().any()
            assert_same(asked[["outside"]], made.transform(raw_table(series=2, hours=60))[["outside"]])
        assert_same(*frames)


@pytest.mark.spark
@pytest.mark.slow
def test_large_tables_that_cannot_be_joined_are_refused_in_the_same_words(large, spark_session, tmp_path):
    side = weather()
    wrong = {
        "a key must occur once at a time": pd.concat([side, side[7:9]]),
        "every row must have a time": side.assign(ts=side["ts"].where(side.index != side.index[3])),
        "have no 'station'": side.assign(station=side["station"].where(side.index != side.index[3])),
        "must have the column 'station'": side.drop(columns="station"),
        "must have columns to bring": side[["station", "ts"]],
        "must hold rows|must have columns|no row": side[:0],
    }
    for what, table in wrong.items():
        written(tmp_path, table)
        said = []
        for engine in ("pandas", "spark"):
            with pytest.raises(DataError, match=what) as caught:
                run(pipeline(tmp_path, STEP), engine=engine, session=spark_session)
            said.append(str(caught.value))
        if what.startswith("a key"):
            assert said[0] == said[1]


def test_an_empty_joined_table_is_refused():
    frame = pd.DataFrame({"ts": pd.date_range("2024-01-01", periods=3, freq="h"), "y": 1.0})
    empty = pd.DataFrame({"at": pd.to_datetime([]), "v": []})
    with pytest.raises(DataError, match="must hold rows, but the joined table has none"):
        Pipeline([{"join": {"table": empty, "asof": "at"}}], time="ts", target="y").fit_transform(frame)
