"""Actuals: each counts once, whoever sends it, in whatever order, to whichever replica; reloads lose nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autots import load
from serve.runtime.config import ServingConfig
from serve.runtime.journal import ActualsCodec, Observation, observation_line
from serve.runtime.store import ModelStore
from serve.testing.caller import same
from serve.testing.pipelines import fitted, hourly
from zoo.errors import ArtifactError
from zoo.journal import Journal


def later(rows: int, ids=("H0", "H1", "H2"), start="2024-01-09 08:00") -> pd.DataFrame:
    times = pd.date_range(start, periods=rows, freq="h")
    rng = np.random.default_rng(7)
    parts = [pd.DataFrame({"unique_id": i, "ds": times, "y": 20 + rng.normal(0, 3, rows)}) for i in ids]
    return pd.concat(parts, ignore_index=True)


def observations(table: pd.DataFrame) -> list[dict]:
    rows = table.itertuples()
    return [{"id": r.unique_id, "time": r.ds.isoformat(), "y": float(r.y)} for r in rows if not np.isnan(r.y)]


def observe(call, rows, **more) -> dict:
    response = call("POST", "/v1/observe", content=json.dumps({"observations": rows, **more}))
    assert response.status_code == 200, response.text
    return {k: v for k, v in response.json().items() if k != "request_id"}


def forecasts(call, *ids):
    return call.forecast(series=[{"id": i} for i in ids])["forecasts"]


def test_after_observations_forecasts_are_those_of_the_updated_pipeline(fresh, pipeline, tmp_path):
    call, new = fresh(), later(5)
    truth = load(tmp_path / "hours").update(new).predict()
    assert observe(call, observations(new)) == {"accepted": 15, "duplicates": 0, "late": 0}
    assert all(same(f, truth) for f in forecasts(call, "H0", "H1", "H2"))


def test_twice_and_out_of_order_is_once_and_in_order(fresh, tmp_path):
    call, new = fresh(), later(6)
    truth = load(tmp_path / "hours").update(new).predict()
    rows = observations(new)
    random.Random(3).shuffle(rows)
    counts = [observe(call, [row]) for row in rows]
    assert sum(c["accepted"] for c in counts) == 18
    assert sum(c["late"] for c in counts) > 0
    assert observe(call, rows) == {"accepted": 0, "duplicates": 18, "late": 0}
    assert all(same(f, truth) for f in forecasts(call, "H0", "H1", "H2"))


def test_an_observation_id_is_taken_once(fresh):
    call = fresh()
    rows = observations(later(2))
    assert observe(call, rows, observation_id="batch-1")["accepted"] == 6
    other = observations(later(3))
    assert observe(call, other, observation_id="batch-1") == {"accepted": 0, "duplicates": 9, "late": 0}


def test_a_whole_horizon_of_actuals_moves_the_intervals_as_update_does(fresh, tmp_path):
    call, new = fresh(), later(24)
    wild = new.assign(y=new["y"] + 30)
    before = forecasts(call, "H1")[0]["quantiles"]
    truth = load(tmp_path / "hours").update(wild).predict()
    observe(call, observations(wild))
    after = forecasts(call, "H1")[0]
    assert same(after, truth)
    width = [np.subtract(q["0.9"], q["0.1"]).mean() for q in (before, after["quantiles"])]
    assert width[1] > width[0]


def test_an_actual_that_fills_a_gap_after_a_whole_horizon_still_counts(fresh, tmp_path):
    call, new = fresh(), later(26, ids=("H0",))
    late = new[new["ds"] == new["ds"].iloc[20]]
    observe(call, observations(new.drop(late.index)))
    assert observe(call, observations(late)) == {"accepted": 1, "duplicates": 0, "late": 1}
    one = call.app.store.live[call.app.store.resolve(None)].served.history.stored("H0")
    assert one.y[-26:].tolist() == new["y"].tolist()
    assert observe(call, observations(late))["duplicates"] == 1


def test_the_past_of_the_fit_is_not_rewritten(fresh, table):
    call = fresh()
    before = forecasts(call, "H0")
    assert observe(call, [{"id": "H0", "time": "2024-01-05T00:00:00", "y": 1e6}])["duplicates"] == 1
    assert forecasts(call, "H0") == before


def test_a_new_series_begins_with_its_first_actual(fresh, pipeline):
    call = fresh()
    new = later(30, ids=("new",))
    observe(call, observations(new))
    truth = pipeline.predict(data=new)
    made = forecasts(call, "new")[0]
    assert made["mean"] == truth["mean"].tolist()


def test_replicas_and_restarts_share_what_was_observed(fresh):
    first, second = fresh(), fresh()
    observe(first, observations(later(3)))
    assert forecasts(second, "H1") == forecasts(first, "H1")
    assert observe(second, observations(later(4))) == {"accepted": 3, "duplicates": 9, "late": 0}
    assert forecasts(first, "H1") == forecasts(second, "H1") == forecasts(fresh(), "H1")


def _write(path: Path, name: str) -> None:
    journal = Journal(path, ActualsCodec())
    for i in range(50):
        with journal.held():
            journal.take(lambda told: None)
            journal.write(observation_line(Observation(None, [(name, i, float(i), {}, {})])))
    os.kill(os.getpid(), 9)


def test_writers_that_are_killed_leave_a_whole_journal(tmp_path):
    path = tmp_path / "j"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, name)) for name in "ab"]
    for one in writers:
        one.start()
    for one in writers:
        one.join(60)
    with open(path, "ab") as torn:
        torn.write(b'{"id": null, "rows": [["c", 1')
    journal, found = Journal(path, ActualsCodec()), []
    journal.take(found.append)
    rows = [row for told in found for row in told.rows]
    assert sorted(r[:2] for r in rows) == [(n, i) for n in "ab" for i in range(50)]
    with journal.held():
        journal.take(found.append)
        journal.write(observation_line(Observation("x", [("d", 1, 1.0, {}, {})])))
    assert len(path.read_text().splitlines()) == 101


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ({"id": "H0", "time": "soon", "y": 1.0}, "observations[0].time"),
        ({"id": "H0", "time": "2200-01-01T00:00:00", "y": 1.0}, "observations[0].time"),
        ({"id": "H0", "time": "2024-01-09T09:00:00"}, "observations[0].y"),
        ({"id": "H0", "time": "2024-01-09T09:00:00", "y": None}, "observations[0].y"),
        ({"time": "2024-01-09T09:00:00", "y": 1.0}, "observations[0].id"),
        ({"id": "H0", "time": "2024-01-09T09:00:00", "y": 1.0, "known": {"x": 1.0}}, "observations[0]"),
    ],
)
def test_actuals_that_do_not_fit_are_refused_and_change_nothing(fresh, row, where):
    call = fresh()
    before = forecasts(call, "H0")
    good = {"id": "H0", "time": "2024-01-09T08:00:00", "y": 99.0}
    assert call.refused(422, {"observations": [row, good]}, "/v1/observe")["where"] == where
    assert forecasts(call, "H0") == before


def test_a_new_version_takes_over_and_a_bad_one_is_refused(fresh, table, tmp_path):
    call = fresh()
    old = call.forecast(series=[{"id": "H0"}])
    observe(call, observations(later(2)))
    path = fitted(table, families=("naive",)).save(tmp_path / "second")
    state = str(tmp_path / "state")
    call.app.reload(ServingConfig.model_validate({"models": [{"name": "hours", "path": str(path)}], "state": state}))
    new = call.forecast(series=[{"id": "H0"}])
    assert new["model_version"] != old["model_version"]
    assert new["forecasts"][0]["time"][0] == "2024-01-09T10:00:00"  # the actuals count for this version, too
    (path / "model_0.json").write_text("{}")
    broken = {"models": [{"name": "hours", "path": str(path), "version": "3"}], "state": state}
    call.app.reload(ServingConfig.model_validate(broken))
    again = call.forecast(series=[{"id": "H0"}])
    assert again["model_version"] == new["model_version"]
    assert "checksum" in call("GET", "/v1/models").json()["refused"]["hours@3"]
    with pytest.raises(ArtifactError):
        ModelStore().apply(ServingConfig.model_validate(broken))


def test_forecasts_that_change_after_the_fit_fail_the_golden_windows(fresh, table, tmp_path, monkeypatch):
    call = fresh()
    version = call.forecast(series=[{"id": "H0"}])["model_version"]
    path = fitted(table, families=("drift",)).save(tmp_path / "second")
    whole = "serve.runtime.model.Served.forecast"
    from serve.runtime.model import ForecastBlock, Served

    real = Served.forecast

    def broken(self, panel, future, member=None):
        block = real(self, panel, future, member)
        return ForecastBlock(block.mean * (np.nan if "second" in str(path) else 1), block.quantiles, block.levels)

    monkeypatch.setattr(whole, broken)
    call.app.reload(ServingConfig.model_validate({"models": [{"name": "hours", "path": str(path)}]}))
    monkeypatch.undo()
    assert call.forecast(series=[{"id": "H0"}])["model_version"] == version
    assert "finite" in next(iter(call("GET", "/v1/models").json()["refused"].values()))


def test_models_beyond_the_memory_are_loaded_when_they_are_asked_for(table, tmp_path):
    from serve.testing.caller import served

    simple = {name: fitted(table, families=("naive",)) for name in "abc"}
    call = served(tmp_path, simple, max_loaded=2)

    def loaded() -> str:
        return "".join(m["name"] for m in call("GET", "/v1/models").json()["models"] if m["loaded"])

    assert loaded() == "ab"
    call.forecast(series=[{"id": "H0"}], model="a")
    call.forecast(series=[{"id": "H0"}], model="c")
    assert loaded() == "ac"
    every = call.forecast(series=[{"id": "H0"}], models="all", combine="none")
    assert [m["model"] for m in every["models"]] == ["a", "b", "c"]


def test_what_only_unseen_series_need_is_imported_after_the_model_is_ready(tmp_path):
    """A replica with Theta answers two seconds of imports earlier on a slow machine, and a new id still finds them."""
    folder = fitted(hourly(3, 100), families=("auto_theta",)).save(tmp_path / "p")
    program = f"""
import sys
from serve.runtime.config import ServingConfig
from serve.runtime.store import ModelStore
store = ModelStore()
store.commit(store.plan(ServingConfig.model_validate({{"models": [{{"name": "m", "path": {str(folder)!r}}}]}})))
assert store.ready and "statsforecast.theta" not in sys.modules and "scipy.stats" not in sys.modules
store.import_rest()
assert "statsforecast.theta" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
