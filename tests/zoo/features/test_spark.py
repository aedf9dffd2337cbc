"""Spark gives the bits of the engine in memory."""

from __future__ import annotations

import tempfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import ConfigError, DataError
from zoo.features import Pipeline
from zoo.features.batch import FeatureRoles, batch_of
from zoo.features.digest import digest
from zoo.features.run import run
from zoo.features.sink import Folder
from zoo.tables.source import read
from zoo.tables.versioned import VersionedTable
from zoo.testing.feature_cases import CASES, weather
from zoo.testing.features import assert_same, raw_table

pytestmark = pytest.mark.spark

#: All kinds of steps at once: every start of a Spark job costs more than the rows of a test.
ALL = [
    {"filter": 'ts >= "2024-03-01 05:00" and (not kwh > 60 or kwh / 0 is None) and station in ("s0", "s1")'},
    {"deduplicate": {"keep": "first", "by": "temperature"}},
    {"resample": {"every": "1h", "how": "mean", "columns": {"temperature": "last"}}},
    {"join": {"table": weather(), "on": "station", "asof": "ts", "tolerance": "2h"}},
    {"impute": {"how": "linear", "limit": 3, "columns": ["kwh", "temperature"]}},
    {"outliers": {"how": "iqr", "action": "mark", "window": 48}},
    {"calendar": ["hour", "weekday", "month", "holiday:DE"]},
    {"lags": [1, 24]},
    {"rolling": {"windows": [5, 24], "how": ["mean", "std", "min", "max", "quantile:0.9"], "least": 4}},
    {"ewm": {"halflife": [12]}},
    {"fourier": {"period": 24, "order": 2}},
    {"difference": {"lag": 24}},
    {"scale": {"how": "robust", "per": "id"}},
]


def both(steps, table, session, folder, **options):
    """Return what both engines make of a file."""
    table.to_parquet(folder / "t.parquet")
    roles = {"id": "meter", "time": "ts", "target": "kwh"} | options
    made = Pipeline(steps, source=str(folder / "t.parquet"), sink=str(folder / "out"), **roles)
    reports, frames = [], []
    for engine in ("pandas", "spark"):
        reports.append(run(made, engine=engine, session=session))
        rows = pd.read_parquet(folder / "out", columns=list(reports[-1].columns))
        frames.append(rows.sort_values(list(rows.columns[:3]), kind="stable", ignore_index=True))
    return reports, frames


def test_ids_that_look_alike_are_series_of_their_own_on_both(spark_session, tmp_path):
    ids = ["m\0a", "m\0b", "m", "m\0", "m ", " m", "\0", "", "é", "e\u0301", "nan"]
    times = pd.date_range("2024-01-01", periods=3, freq="h")
    table = pd.DataFrame({"meter": np.repeat(ids, 3), "ts": np.tile(times, len(ids)), "kwh": np.arange(33.0) ** 2})
    table["meter"] = [name for name in ids for _ in range(3)]  # numpy's texts lose NULs at the end
    reports, _ = both([{"lags": [1]}], table, spark_session, tmp_path)
    assert reports[0].checksum == reports[1].checksum and reports[0].rows_out == 33


@pytest.mark.parametrize(
    ("every", "zone"), [("7d", None), ("14d", "UTC"), ("1d", "Asia/Kolkata"), ("7d", "Asia/Kolkata")]
)
def test_days_and_weeks_begin_where_people_begin_them_on_both(spark_session, tmp_path, every, zone):
    table = raw_table().drop_duplicates(["meter", "ts"])
    table["ts"] = table["ts"].dt.tz_localize(zone)
    reports, _ = both([{"resample": {"every": every, "how": "sum"}}], table, spark_session, tmp_path)
    assert reports[0].checksum == reports[1].checksum


@pytest.mark.parametrize("id", ["meter", None])
def test_the_digest_of_raw_rows_is_the_same_on_both(spark_session, tmp_path, id):
    table = raw_table().assign(empty=None)
    table = table if id else table.drop_duplicates("ts")
    table.to_parquet(tmp_path / "t.parquet")
    made = Pipeline(
        [{"lags": [1]}], source=str(tmp_path / "t.parquet"), sink=str(tmp_path / "out"), id=id, time="ts", target="kwh"
    )
    run(made, engine="spark", session=spark_session)
    rows = read(str(tmp_path / "t.parquet"))
    assert Folder(tmp_path / "out").manifest["info"]["rows"] == digest(batch_of(rows, FeatureRoles(id, "ts", "kwh")))
    assert "no new rows" in run(made, appending=True).why


def test_all_steps_give_the_same_bits_checksums_and_files(spark_session, tmp_path):
    reports, frames = both(ALL, raw_table(), spark_session, tmp_path)
    assert_same(*frames)
    assert reports[0].checksum == reports[1].checksum
    assert (reports[0].rows_in, reports[0].columns) == (reports[1].rows_in, reports[1].columns)
    assert frames[0]["outside"].notna().any() and frames[0]["kwh_lag_1"].notna().any()


def test_mistakes_are_said_in_our_words_and_versions_can_be_read(spark_session, tmp_path):
    table = raw_table(series=1, hours=40)
    made = Pipeline([{"lags": [1]}], id="meter", time="ts", target="kwh", source=str(tmp_path / "*.parquet"))
    table.to_parquet(tmp_path / "a.parquet")
    table.astype({"temperature": str}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"a.parquet and b.parquet differ in .*temperature"):
        run(made, engine="spark", session=spark_session)
    table.assign(ts=["noon", *table["ts"].astype(str)[1:]]).to_parquet(tmp_path / "b.parquet")
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"every row must have a time, .* for example 'noon'"):
        run(made, engine="spark", session=spark_session)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_each_case_of_the_laws_gives_the_same_bits(case, spark_session, tmp_path):
    reports, frames = both(CASES[case], raw_table(), spark_session, tmp_path)
    assert_same(*frames)
    assert reports[0].checksum == reports[1].checksum


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_random_tables_give_the_same_bits(seed, spark_session, tmp_path):
    reports, frames = both(ALL, raw_table(seed, series=1 + 2 * seed, hours=150 * seed), spark_session, tmp_path)
    assert_same(*frames)
    assert reports[0].checksum == reports[1].checksum


@pytest.mark.slow
def test_a_million_ids_give_the_same_checksum(spark_session, tmp_path):
    count = 1_000_000
    table = pd.DataFrame({"id": np.arange(count), "ts": pd.Timestamp("2024-01-01"), "kwh": np.arange(count) / 7})
    table.to_parquet(tmp_path / "t.parquet")
    steps = [{"lags": [1]}, {"rolling": {"windows": [24]}}, {"calendar": ["hour"]}]
    made = Pipeline(steps, id="id", time="ts", target="kwh", source=str(tmp_path / "t.parquet"))
    sums = {run(made, engine=engine, session=spark_session).checksum for engine in ("pandas", "spark")}
    assert len(sums) == 1


@st.composite
def panels(draw):
    """Rows as they come, of every unevenness: lonely rows, doubles, holes, infinite and missing values, odd ids."""
    ids = draw(st.lists(st.text("ab 'é7", min_size=1, max_size=3), min_size=1, max_size=4, unique=True))
    value = st.one_of(st.floats(-1e9, 1e9), st.sampled_from([float("nan"), float("inf"), 0.0, -0.0]))
    row = st.tuples(st.sampled_from(ids), st.integers(0, 3000), value, value, st.sampled_from(["s0", "s1", None]))
    rows = draw(st.lists(row, min_size=1, max_size=60))
    table = pd.DataFrame(rows, columns=["meter", "ts", "kwh", "temperature", "station"])
    table["ts"] = pd.Timestamp("2024-03-30") + pd.to_timedelta(table["ts"], unit="min")
    return table.astype({"kwh": float, "temperature": float})


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(panels())
def test_panels_of_every_unevenness_give_the_same_bits(spark_session, tmp_path, table):
    steps = [step for step in ALL if "filter" not in step]
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        table.to_parquet(f"{folder}/t.parquet")
        made = Pipeline(steps, source=f"{folder}/t.parquet", id="meter", time="ts", target="kwh")
        sums = {run(made, engine=engine, session=spark_session).checksum for engine in ("pandas", "spark")}
        assert len(sums) == 1


@pytest.mark.slow
def test_daylight_saving_hours_and_empty_files_agree(spark_session, tmp_path):
    utc = pd.date_range("2024-03-30 12:00", "2024-10-28", freq="1h", tz="UTC")
    aware = pd.DataFrame({"ts": utc.tz_convert("Europe/Berlin"), "kwh": np.arange(len(utc), dtype=float)})
    wall = aware.assign(ts=aware["ts"].dt.tz_localize(None))
    steps = [{"resample": {"every": "1h"}}, {"calendar": ["hour", "day"]}, {"lags": [1, 24]}]
    for name, table in (("aware", aware), ("wall", wall)):
        (tmp_path / name).mkdir()
        table.to_parquet(tmp_path / name / "a.parquet")
        table.iloc[:0].to_parquet(tmp_path / name / "b.parquet")
        made = Pipeline(steps, time="ts", target="kwh", source=str(tmp_path / name))
        sums = {run(made, engine=engine, session=spark_session).checksum for engine in ("pandas", "spark")}
        assert len(sums) == 1


@pytest.mark.slow
def test_zones_integer_ids_and_integer_clocks_agree(spark_session, tmp_path):
    table = raw_table().assign(meter=lambda t: t["meter"].str[1:].astype(int) * 7)
    aware = table.assign(ts=table["ts"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"))
    steps = [{"deduplicate": {}}, {"resample": {"every": "1h"}}, {"calendar": ["hour", "day"]}, {"lags": [1]}]
    for data in (table, aware):
        _, frames = both(steps, data, spark_session, tmp_path)
        assert_same(*frames)
        (tmp_path / "out").rename(tmp_path / f"done{len(list(tmp_path.iterdir()))}")
    counted = pd.DataFrame({"meter": np.repeat([1, 2], 50), "ts": np.tile(np.arange(50), 2), "kwh": np.arange(100.0)})
    _, frames = both([{"lags": [1]}, {"fourier": {"period": 7, "order": 1}}], counted, spark_session, tmp_path)
    assert_same(*frames)


@pytest.mark.slow
def test_csv_a_single_series_empty_partitions_and_queries(spark_session, tmp_path):
    table = raw_table(series=1, hours=60)[["ts", "kwh"]]
    table.to_csv(tmp_path / "t.csv", index=False)
    steps = [{"deduplicate": {}}, {"resample": {"every": "1h"}}, {"lags": [1]}]
    for zone in (None, "Europe/Berlin"):  # times without a zone stay as they are written
        made = Pipeline(
            [*steps, {"calendar": ["hour"]}], time="ts", target="kwh", source=str(tmp_path / "t.csv"), zone=zone
        )
        sums = {run(made, engine=engine, session=spark_session).checksum for engine in ("pandas", "spark")}
        assert len(sums) == 1
    spark_session.createDataFrame(table).repartition(16).createOrReplaceTempView("meters")
    spec = made.spec.model_copy(
        update={"source": made.spec.source.model_copy(update={"path": None, "query": "select ts, kwh from meters"})}
    )
    queried = run(Pipeline.of(spec), session=spark_session)
    assert queried.engine == "spark" and queried.rows_in == len(table)
    wrong = spec.source.model_copy(update={"query": "select nothing from nowhere"})
    with pytest.raises(ConfigError, match="the query must be Spark SQL on tables that exist"):
        run(Pipeline.of(spec.model_copy(update={"source": wrong})), session=spark_session)


@pytest.mark.slow
def test_versioned_tables_on_both_sides(spark_session, tmp_path):
    source = VersionedTable.open(tmp_path / "rows")
    table = raw_table(series=2, hours=80)
    source.write(table[:150])
    source.write(table[150:])
    made = Pipeline([{"deduplicate": {}}, {"lags": [1]}], id="meter", time="ts", target="kwh", source=source.path)
    for as_of in (0, None):
        sums = {run(made, engine=e, session=spark_session, as_of=as_of).checksum for e in ("pandas", "spark")}
        assert len(sums) == 1
