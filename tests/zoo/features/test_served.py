"""The newest rows, from exactly the history that they need; saving; running; appending to a sink."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from zoo.cli import main
from zoo.errors import ArtifactError, DataError
from zoo.features import Pipeline
from zoo.features.artifact import load, save
from zoo.features.engines.choice import MEASURED, choose
from zoo.features.run import run
from zoo.tables.versioned import VersionedTable
from zoo.testing.features import assert_same, raw_table

STEPS = [
    {"deduplicate": {}},
    {"resample": {"every": "1h"}},
    {"impute": {"limit": 3}},
    {"outliers": {"window": 48}},
    {"calendar": ["hour", "weekday", "holiday:DE"]},
    {"lags": [1, 24]},
    {"rolling": {"windows": [24], "how": ["mean", "std", "quantile:0.9"]}},
    {"ewm": {"halflife": [3]}},
    {"fourier": {"period": 24, "order": 2}},
    {"difference": {"lag": 24}},
    {"scale": {"how": "robust", "per": "id"}},
]


def pipeline(**options):
    return Pipeline(STEPS, **({"id": "meter", "time": "ts", "target": "kwh"} | options))


def test_every_request_of_a_rolling_origin_gets_the_bits_of_the_training():
    table = raw_table(series=2, hours=300)
    made = pipeline()
    whole = made.fit_transform(table)
    for end in pd.date_range("2024-03-08", periods=20, freq="5h"):
        seen = table[table["ts"] < end]
        newest = made.last(seen, rows=3)
        assert_same(newest[["meter", "ts"]].merge(whole)[list(newest.columns)], newest)
        assert newest.groupby("meter").size().tolist() == [3, 3]


def test_a_request_for_the_next_row_needs_no_target():
    """A row whose target is not known yet is what a forecaster asks for."""
    table = raw_table(series=1, hours=200)
    made = pipeline().fit(table)
    following = pd.DataFrame({"meter": ["m0"], "ts": [table["ts"].max().floor("1h") + pd.Timedelta("1h")]})
    asked = made.last(pd.concat([table, following]))
    assert asked["ts"].item() == following["ts"].item()
    assert np.isfinite(asked["kwh_lag_1"].item()) and asked["hour"].item() == following["ts"].item().hour


def test_a_series_that_was_not_there_takes_the_median_of_the_scales():
    table = raw_table(series=3)
    made = pipeline().fit(table)
    new = made.transform(table[table["meter"] == "m1"].assign(meter="new"))
    known = made.transform(table[table["meter"] == "m1"])
    assert not np.allclose(new["kwh_lag_1"], known["kwh_lag_1"], equal_nan=True)
    centre, spread = made.fitted.scales[len(STEPS) - 1].pooled["kwh_lag_1"]
    scales = made.fitted.scales[len(STEPS) - 1].table["kwh_lag_1"]
    assert [centre, spread] == np.median(scales, axis=0).tolist()


def test_a_saved_pipeline_gives_the_same_bits_and_refuses_changed_bytes(tmp_path):
    table = raw_table()
    weather = table.drop_duplicates(["station", "ts"])[["station", "ts", "temperature"]]
    step = {"join": {"table": weather.rename(columns={"temperature": "t"}), "on": "station", "asof": "ts"}}
    made = Pipeline([*STEPS[:2], step, *STEPS[2:]], id="meter", time="ts", target="kwh")
    whole = made.fit_transform(table)
    save(made, tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert again.hash == made.hash
    assert_same(whole, again.transform(table))
    state = tmp_path / "saved" / "state.parquet"
    state.write_bytes(state.read_bytes()[:-9] + b"x" + state.read_bytes()[-8:])
    with pytest.raises(ArtifactError, match=r"state.parquet of .* must be as it was written"):
        load(tmp_path / "saved")


@pytest.mark.parametrize("kind", ["path", "table"])
def test_appending_to_a_sink_equals_a_new_run(tmp_path, kind):
    table = raw_table(series=3, hours=300)
    cut = pd.Timestamp("2024-03-11 10:20")
    config = {
        "source": {"path": "t.parquet", "id": "meter", "time": "ts", "target": "kwh"},
        "steps": [s for s in STEPS if "scale" not in s],
        "sink": {kind: "out"},
    }
    (tmp_path / "p.yaml").write_text(json.dumps(config))
    made = Pipeline.from_yaml(tmp_path / "p.yaml")
    with pytest.raises(DataError, match="needs a sink of this pipeline"):
        run(made, appending=True)
    table[table["ts"] <= cut].to_parquet(tmp_path / "t.parquet")
    first = run(made)
    table.to_parquet(tmp_path / "t.parquet")
    grown = run(made, appending=True)
    assert first.checksum != grown.checksum
    assert grown.checksum == run(made).checksum
    assert "no new rows" in run(made, appending=True).why
    table[5:].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="run without --append"):
        run(made, appending=True)


def test_a_versioned_source_is_read_as_of_a_version_and_noted(tmp_path):
    table = raw_table(series=2, hours=100)
    source = VersionedTable.open(tmp_path / "rows")
    source.write(table[:200])
    source.write(table[200:])
    made = pipeline(source=str(tmp_path / "rows"))
    then, now = run(made, as_of=0), run(made)
    assert (then.rows_in, now.rows_in) == (200, len(table))
    assert then.sources == {str(tmp_path / "rows"): 0}
    with pytest.raises(Exception, match="version"):
        run(made, as_of=7)


def test_the_command_line_runs_and_explains(tmp_path, capfd):
    raw_table(series=1, hours=100).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "p.yaml").write_text(
        "source: {path: t.csv, id: meter, time: ts, target: kwh}\nsteps:\n  - resample: {every: 1h}\n  - lags: [1, 2]\n"
    )
    assert main(["features", "run", str(tmp_path / "p.yaml"), "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["engine"] == "pandas" and report["columns"][-1] == "kwh_lag_2"
    assert main(["features", "explain", str(tmp_path / "p.yaml")]) == 0
    assert "a request needs 2 rows before (2 x 1h)" in capfd.readouterr().out


def test_auto_chooses_by_memory_and_says_why(tmp_path):
    raw_table(series=1, hours=100).to_parquet(tmp_path / "t.parquet")
    spec = pipeline(source=str(tmp_path / "t.parquet")).spec
    small = choose(spec, str(tmp_path / "t.parquet"))
    large = choose(spec, str(tmp_path / "t.parquet"), free=1000)
    assert (small.engine, large.engine) == ("pandas", "spark")
    assert "at the peak" in small.why and "too large for one process" in large.why
    assert "s here, " in small.why and "s on Spark with " in small.why


def test_auto_chooses_by_time_where_a_table_fits(tmp_path, monkeypatch):
    """On few cores Spark is never quicker; on many it is from its break-even on."""
    monkeypatch.setattr("zoo.features.engines.choice.estimate", lambda path: 5_000_000_000)
    monkeypatch.setattr("zoo.cluster.java.find", lambda: True)
    spec = pipeline(source=str(tmp_path / "t.parquet")).spec
    found = {cores: choose(spec, "t", free=10**12, cores=cores) for cores in (1, 64)}
    assert [choice.engine for choice in found.values()] == ["pandas", "spark"]
    assert "(never quicker)" in found[1].why and "quicker from " in found[64].why
    here, there = MEASURED.seconds(MEASURED.break_even(64) or 0.0, 64)
    assert abs(here - there) < 1e-6 * here


def test_the_example_configuration_is_right(tmp_path):
    import importlib.util
    import shutil
    from pathlib import Path

    folder = Path(__file__).parents[3] / "configs" / "features"
    found = importlib.util.spec_from_file_location("make_data", folder / "make_data.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.make(tmp_path, meters=3, days=15)
    shutil.copy(folder / "meters.yaml", tmp_path)
    report = run(Pipeline.from_yaml(tmp_path / "meters.yaml"))
    assert report.rows_out == 3 * 15 * 24 and report.version == 0
