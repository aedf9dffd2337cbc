"""Actuals mean one thing: times that nobody guesses, values that can be put right, and a journal that says so."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autots import load
from serve.protocol.errors import RequestError
from serve.runtime.history import SeriesHistory
from serve.runtime.model import Served
from serve.testing.caller import same, served
from serve.testing.pipelines import fitted, hourly
from zoo.errors import ArtifactError
from zoo.journal.mending import codec_of, mend

NO_TIMES = [
    "now", "today", "", " ", "NaT", "nan", "12:00", "01/11/2024", "13/02/2020", "1.2.2024", "27-10-2024", "Jan 2024",
    "2024-01", "2024", "2024-W01-1", "2024-02-30", "2024-01-01T25:00", "２０２４-01-01", "2024-01-01 ", "0",
    "1704067200", "\x00", "2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00Z", "1600-01-01", "2300-01-01",
    "+2024-01-01",
]  # fmt: skip


def later(rows: int, ids=("H0", "H1", "H2")) -> pd.DataFrame:
    times = pd.date_range("2024-01-09 08:00", periods=rows, freq="h")
    rng = np.random.default_rng(7)
    parts = [pd.DataFrame({"unique_id": i, "ds": times, "y": 20 + rng.normal(0, 3, rows)}) for i in ids]
    return pd.concat(parts, ignore_index=True)


def rows_of(table: pd.DataFrame) -> list[dict]:
    return [{"id": r.unique_id, "time": r.ds.isoformat(), "y": float(r.y)} for r in table.itertuples()]


def observe(call, *rows, status=200, **more) -> dict:
    response = call("POST", "/v1/observe", content=json.dumps({"observations": rows, **more}))
    assert response.status_code == status, response.text
    return {k: v for k, v in response.json().items() if k != "request_id"}


def forecasts(call, *ids):
    return call.forecast(series=[{"id": i} for i in ids])["forecasts"]


def one(time: str, y: float | None = None, **more) -> dict:
    return {"id": "H0", "time": time, **({} if y is None else {"y": y}), **more}


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused_with_its_place_everywhere(fresh, text):
    call = fresh()
    before = forecasts(call, "H0")
    asked = {"series": [{"id": "n", "y": [1.0] * 8, "start": text}]}
    assert call.refused(422, asked)["where"] == "series[0].start"
    asked = {"series": [{"id": "n", "y": [1.0, 2.0], "time": ["2024-01-01", text]}]}
    assert call.refused(422, asked)["where"] == "series[0].time[1]"
    assert call.refused(422, {"y": [1.0], "sizes": [1], "start": text})["where"] == "series[0].start"
    told = call.refused(422, {"observations": [one(text, 5.0)]}, "/v1/observe")
    assert told["where"] == "observations[0].time"
    assert told["hint"]
    assert forecasts(call, "H0") == before


def test_all_writings_of_iso_8601_say_the_same(call):
    y = [float(v) for v in range(8)]
    starts = ["2024-01-05T13:00:00", "2024-01-05 13:00", "2024-01-05T13", "20240105T130000", "2024-1-5T13:00:00.000"]
    made = call.forecast(series=[{"id": f"s{i}", "y": y, "start": start} for i, start in enumerate(starts)])
    assert {tuple(f["time"]) for f in made["forecasts"]} == {tuple(made["forecasts"][0]["time"])}
    assert made["forecasts"][0]["time"][0] == "2024-01-05T21:00:00"


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d"])
def test_the_writing_of_the_models_own_table_is_read_as_it_was(tmp_path, form):
    """What answers say can be sent back, in the model's order of day and month."""
    days = pd.date_range("2024-01-13", periods=60, freq="D")
    pipeline = fitted(pd.DataFrame({"day": days.strftime(form), "y": 5 + np.arange(60.0) % 7}), horizon=3,
                      families=("seasonal_naive",))  # fmt: skip
    if pipeline.schema.clock.format != form:
        pytest.skip("this writing is not kept in the schema")
    call = served(tmp_path, {"m": pipeline})
    coming = call.forecast(series=[{}])["forecasts"][0]["time"]
    assert coming == [d.strftime(form) for d in pd.date_range("2024-03-13", periods=3)]
    assert observe(call, {"time": coming[0], "y": 5.0}) == {"accepted": 1, "duplicates": 0, "late": 0}
    assert observe(call, {"time": "2024-03-13", "y": 5.0})["duplicates"] == 1
    body = {"y": [1.0] * 9, "start": days[5].strftime(form)}
    assert call.forecast(series=[body])["forecasts"][0]["time"][0] == days[14].strftime(form)
    for text in ("now", "", "31/31/2024", "2024/01/05"):
        call.refused(422, {"series": [{"y": [1.0], "start": text}]})


def test_months_are_times_where_steps_are_months(tmp_path):
    times = pd.date_range("2015-01-01", periods=60, freq="MS")
    call = served(tmp_path, {"m": fitted(pd.DataFrame({"ds": times, "y": np.arange(60.0) % 12}), horizon=2)})
    made = call.forecast(series=[{"y": [1.0] * 12, "start": "2020-01"}])["forecasts"][0]
    assert made["time"] == ["2021-01-01T00:00:00", "2021-02-01T00:00:00"]
    for text in ("", "now", "2020-13", "2020-01-15", "202"):
        assert call.refused(422, {"series": [{"y": [1.0] * 3, "start": text}]})["where"] == "series[0].start"


def test_an_actual_beside_the_clock_or_far_ahead_is_refused(fresh):
    call = fresh()
    assert "nearest step" in observe(call, one("2024-01-09T08:20:00", 5.0), status=422)["hint"]
    far = observe(call, one("2024-02-09T08:00:00", 5.0), status=422)  # 744 steps, and the series has 200
    assert (far["where"], "limits.gap" in far["hint"]) == ("observations[0].time", True)
    early = observe(call, one("2023-12-31T08:00:00", 5.0), status=422)
    assert "begins later" in early["error"]
    assert observe(call, one("2024-01-09T12:00:00", 5.0))["accepted"] == 1


def test_the_gap_can_be_allowed(tmp_path, pipeline):
    call = served(tmp_path, {"hours": pipeline}, limits={"gap": 1000})
    assert observe(call, one("2024-02-09T08:00:00", 5.0))["accepted"] == 1
    call = served(tmp_path / "b", {"hours": pipeline}, limits={"gap": 2})
    observe(call, one("2024-01-09T11:00:00", 5.0), status=422)
    # Those that fill the gap may come in the same request, in any order.
    assert observe(call, *rows_of(later(9, ids=("H0",)))[::-1])["accepted"] == 9


def test_a_new_series_may_begin_earlier_than_its_first_actual(fresh, pipeline):
    call, new = fresh(), later(10, ids=("new",))
    rows = rows_of(new)
    assert observe(call, *rows[4:])["accepted"] == 6
    assert observe(call, *rows[:4]) == {"accepted": 4, "duplicates": 0, "late": 4}
    assert forecasts(call, "new")[0]["mean"] == pipeline.predict(data=new)["mean"].tolist()


def changed(rows: list[dict], i: int, **what) -> dict:
    return {k: v for k, v in rows[i].items() if k != "y"} | what


@pytest.mark.parametrize("length", [5, 26, 50])
@pytest.mark.parametrize("how", ["correct", "withdraw"])
def test_after_a_change_all_is_as_if_the_right_value_had_come(fresh, tmp_path, length, how):
    """Also where whole horizons went into weights and intervals meanwhile, in every replica, and after a restart."""
    call, other = fresh(), fresh()
    rows = rows_of(later(length))
    wrong = [dict(row) for row in rows]
    wrong[2]["y"] = 5e5
    for begin in range(0, len(rows), 7):
        observe(call, *wrong[begin : begin + 7])
    forecasts(other, "H0")
    change = {"correct": True, "y": rows[2]["y"]} if how == "correct" else {"withdraw": True}
    told = observe(call, changed(rows, 2, **change), by="ann")
    assert told["corrected" if how == "correct" else "withdrawn"] == 1
    (tmp_path / "right").mkdir()
    right = served(tmp_path / "right", {"hours": load(tmp_path / "hours")})
    for begin in range(0, len(rows), 7):
        part = rows[begin : begin + 7]
        kept = part if how == "correct" else [row for row in part if row is not rows[2]]
        observe(right, *kept)
    ids = ("H0", "H1", "H2")
    truth = forecasts(right, *ids)
    assert forecasts(call, *ids) == forecasts(other, *ids) == forecasts(fresh(), *ids) == truth
    lines = [json.loads(line) for line in (tmp_path / "state" / "hours.observed.jsonl").read_text().splitlines()]
    assert (lines[-1]["by"], lines[-1]["changes"][0][-1], lines[-1]["at"][:2]) == ("ann", how, "20")
    assert any(row[2] == 5e5 for line in lines for row in line["rows"]), "what was said first stays readable"


def test_what_was_withdrawn_can_be_told_again(fresh):
    call = fresh()
    before = forecasts(call, "H0")
    observe(call, one("2024-01-09T08:00:00", 1e6))
    assert forecasts(call, "H0") != before
    assert observe(call, one("2024-01-09T08:00:00", withdraw=True))["withdrawn"] == 1
    assert forecasts(call, "H0") == before
    assert observe(call, one("2024-01-09T08:00:00", 20.0))["accepted"] == 1
    assert observe(call, one("2024-01-09T08:00:00", 21.0))["duplicates"] == 1


def test_a_change_under_a_name_counts_once(fresh):
    call = fresh()
    observe(call, one("2024-01-09T08:00:00", 7.0))
    for _ in range(2):
        observe(call, one("2024-01-09T08:00:00", withdraw=True), observation_id="taken back")
    assert observe(call, one("2024-01-09T08:00:00", 8.0))["accepted"] == 1


@pytest.mark.parametrize(
    ("row", "where"),
    [
        (one("2024-01-09T08:00:00", withdraw=True), "observations[0].time"),
        (one("2024-01-09T08:00:00", 1.0, correct=True), "observations[0].time"),
        (one("2024-01-05T08:00:00", 1.0, correct=True), "observations[0].time"),
        (one("2024-01-05T08:00:00", withdraw=True), "observations[0].time"),
        (one("2024-01-09T08:00:00", correct=True), "observations[0].y"),
        (one("2024-01-09T08:00:00", 1.0, withdraw=True), "observations[0]"),
        (one("2024-01-09T08:00:00", 1.0, withdraw=True, correct=True), "observations[0]"),
        (one("2024-01-09T08:00:00", 1.0, correct="yes"), "observations[0].correct"),
        ({"id": "nobody", "time": "2024-01-09T08:00:00", "withdraw": True}, "observations[0].time"),
    ],
)
def test_changes_of_what_was_never_told_are_refused(fresh, row, where):
    call = fresh()
    before = forecasts(call, "H0")
    assert observe(call, row, status=422)["where"] == where
    assert forecasts(call, "H0") == before


def test_duplicates_that_say_something_else_are_told(fresh):
    call = fresh()
    observe(call, one("2024-01-09T08:00:00", 7.0))
    body = {"observations": [one("2024-01-09T08:00:00", 8.0), one("2024-01-09T08:00:00", 7.0)]}
    response = call("POST", "/v1/observe", content=json.dumps(body))
    assert (response.json()["duplicates"], response.headers["x-duplicates-differing"]) == (2, "1")


@pytest.mark.parametrize("value", [1e308, -1e308, 1e300, 1e155, 1e39, 5e-324])
def test_an_actual_never_makes_forecasts_that_are_no_numbers(fresh, value):
    call = fresh()
    before = forecasts(call, "H0")
    response = call("POST", "/v1/observe", content=json.dumps({"observations": [one("2024-01-09T08:00:00", value)]}))
    if response.status_code == 422:
        assert response.json()["where"] == "observations[0].y"
        assert forecasts(call, "H0") == before
    else:
        assert np.isfinite(forecasts(call, "H0")[0]["mean"]).all()


DAMAGED = [b"\x00" * 60, b"{", b"[]", b"7", b'{"id":null}', b'{"id":7,"rows":[]}', b'{"id":null,"rows":[[1]]}',
           b'{"id":null,"rows":[["H0",1.5,1.0,{},{}]]}', b'{"id":null,"rows":[["H0",1704787200000000000,"x",{},{}]]}',
           b'{"id":null,"rows":[["H0",1e400,1.0,{},{}]]}', b'{"id":null,"rows":[["H0",1704787200000000000,NaN,{},{}]]}',
           b"\xff\xfe", b"[" * 50_000, b'{"id":null,"rows":[],"changes":[["H0",1,1.0,{},{},"boil"]]}',
           b"", b"a\rb", "{\u2028}".encode()]  # fmt: skip


@pytest.mark.parametrize("bad", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_line_stops_what_comes_and_not_the_forecasts_until_it_is_set_aside(fresh, tmp_path, caplog, bad):
    call = fresh()
    observe(call, one("2024-01-09T08:00:00", 7.0))
    path = tmp_path / "state" / "hours.observed.jsonl"
    first = path.read_bytes()
    with open(path, "ab") as file:
        file.write(bad + b"\n" + first.replace(b"7.0", b"7.5"))
    before = forecasts(call, "H0")
    assert before[0]["time"][0] == "2024-01-09T09:00:00", "what was read before the damage stays"
    told = observe(call, one("2024-01-09T09:00:00", 8.0), status=503)
    assert "damaged in line 2" in told["error"] and f"zoo journal mend {path}" in told["hint"]
    assert "damaged in line 2" in call("GET", "/v1/models").json()["models"][0]["damaged"][0]
    assert forecasts(call, "H0") == before
    assert caplog.text.count("no actuals are taken in") == 1, "said once, not at each request"
    with pytest.raises(ArtifactError, match="damaged in line 2") as caught:
        fresh()
    assert f"zoo journal mend {path}" in caught.value.hint

    done = mend(path, codec_of(path))
    assert [one.line for one in done.lines] == [2]
    (aside,) = [json.loads(line) for line in done.aside.read_text().splitlines()]
    assert aside["line"] == 2 and aside["text"].encode("utf-8", "surrogateescape") == bad
    assert observe(call, one("2024-01-09T09:00:00", 8.0))["accepted"] == 1, "the endpoint goes on by itself"
    assert "damaged" not in call("GET", "/v1/models").json()["models"][0]
    again = fresh()
    assert forecasts(again, "H0") == forecasts(call, "H0")
    assert forecasts(again, "H0")[0]["time"][0] == "2024-01-09T10:00:00"


def test_a_full_disk_is_told_and_nothing_is_taken_in(fresh, tmp_path, monkeypatch):
    call = fresh()
    observe(call, one("2024-01-09T08:00:00", 7.0))
    before, real = forecasts(call, "H0"), os.write

    def full(fd: int, data: bytes) -> int:
        if bytes(data).startswith(b'{"id"'):
            return real(fd, data[:10])  # the first bytes still find room
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.write", full)
    told = observe(call, one("2024-01-09T09:00:00", 7.0), status=507)
    assert set(told) == {"error", "hint", "where"}
    monkeypatch.undo()
    assert forecasts(call, "H0") == before
    assert observe(call, one("2024-01-09T09:00:00", 7.0))["accepted"] == 1
    assert not fresh()("GET", "/v1/models").json()["models"][0].get("damaged")
    assert len((tmp_path / "state" / "hours.observed.jsonl").read_text().splitlines()) == 2


STEP = 3_600_000_000_000
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["tell", "tell", "correct", "withdraw"]), st.sampled_from(["H0", "new"]),
        st.integers(0, 9), st.floats(1, 40),
    ),
    max_size=25,
)  # fmt: skip


@pytest.fixture(scope="module")
def short():
    return fitted(hourly(1, 60), families=("linear_direct",), horizon=3)


@given(acts=ACTS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_law_of_changes_a_replica_that_saw_all_equals_one_that_starts_now(short, tmp_path_factory, acts):
    """Whatever is told, corrected and withdrawn: a restart knows the same, and so does one who never saw an error."""
    folder: Path = tmp_path_factory.mktemp("law")
    live = Served("m", "1", short.branch(), journal=folder / "j").history
    base = int(short.panel.times[-1].view(np.int64)) + STEP
    for what, id_, step, value in acts:
        row: tuple = (id_, base + step * STEP, value, {}, {})
        if what != "tell":
            row = (*row[:2], None if what == "withdraw" else value, {}, {}, what)
        try:
            live.observe(None, [row])
        except RequestError:
            continue
    started = Served("m", "1", short.branch(), journal=folder / "j").history
    started.refresh()
    assert list(live.ids) == list(started.ids)
    for id_ in live.ids:
        np.testing.assert_array_equal(live.stored(id_).y, started.stored(id_).y)
        assert live.stored(id_).first == started.stored(id_).first


def test_history_without_a_journal_can_be_changed_too(short):
    history: SeriesHistory = Served("m", "1", short.branch()).history
    base = int(short.panel.times[-1].view(np.int64)) + STEP
    history.observe(None, [("H0", base + i * STEP, float(i), {}, {}) for i in range(7)])
    counts = history.observe(
        None, [("H0", base, None, {}, {}, "withdraw"), ("H0", base + STEP, 9.0, {}, {}, "correct")]
    )
    assert (counts.withdrawn, counts.corrected) == (1, 1)
    kept = history.stored("H0").y[-7:]
    assert np.isnan(kept[0])
    assert kept[1:].tolist() == [9.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_values_that_overflow_are_errors_of_their_series(call, table):
    good = {"id": "H0"}
    wild = {"id": "wild", "y": [1e308, -1e308] * 20, "start": "2024-01-01"}
    flat = {"id": "flat", "y": [1e308] * 40, "start": "2024-01-01"}
    tiny = {"id": "tiny", "y": [5e-324, 0.0, 1e-310] * 20, "start": "2024-01-01"}
    for model in ("hours", "naive"):
        answer = call.forecast(series=[wild, good, flat, tiny], model=model)
        assert "H0" in [f["id"] for f in answer["forecasts"]]
        for f in answer["forecasts"]:
            numbers = [*f["mean"], *(v for q in f["quantiles"].values() for v in q)]
            assert all(isinstance(v, float) for v in numbers), f["id"]
        listed = {e["id"] for e in answer["errors"]} | {f["id"] for f in answer["forecasts"]}
        assert listed == {"wild", "H0", "flat", "tiny"}
        assert all(e["where"].startswith("series[") and e["hint"] for e in answer["errors"])
    told = call.refused(422, {"series": [wild]})
    assert "finite" in told["error"]
    every = call.forecast(series=[wild, good], models="all", combine="none")
    assert all(None not in f["mean"] for m in every["models"] for f in m["forecasts"])


def test_same_forecast_as_before_for_usual_values(call, pipeline):
    assert same(call.forecast(series=[{"id": "H0"}])["forecasts"][0], pipeline.predict())
