"""Hours of a zone through clock changes: tables, saved folders and the wire give the same answers."""

import numpy as np
import pandas as pd
import pytest

from autots.api import load
from serve.testing.caller import same, served
from serve.testing.pipelines import fitted

ENDS = {
    "before a skipped hour": "2024-03-30 20:00",
    "right before it": "2024-03-31 01:00",
    "within it": "2024-10-27 00:00+00:00",
    "in its second half": "2024-10-27 01:00+00:00",
}


def hours(end, rows=24 * 15, freq="h", zone="Europe/Berlin", series=("a", "b")):
    """Two series of what people do at a local hour, with a known covariate."""
    last = pd.Timestamp(end)
    times = pd.date_range(end=last.tz_convert(zone) if last.tz else last.tz_localize(zone), periods=rows, freq=freq)
    rng = np.random.default_rng(0)
    parts = []
    for i, name in enumerate(series):
        y = 30 + 10 * i - np.abs(times.hour - 12) * 2.0 + rng.normal(0, 0.1, rows)
        parts.append(pd.DataFrame({"unique_id": name, "ds": times, "y": y, "open": (times.hour > 8) * 1.0}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module", params=ENDS.values(), ids=ENDS.keys())
def made(request):
    table = hours(request.param)
    return table, fitted(table.drop(columns="open"), families=("linear_direct", "seasonal_naive"), horizon=30)


def test_the_forecast_is_for_real_hours_and_keeps_local_ones(made):
    table, pipeline = made
    got = pipeline.predict()
    due = pd.date_range(table["ds"].iloc[-1], periods=31, freq="h")[1:]
    assert list(got["ds"]) == [*due, *due] and got["ds"].dtype == table["ds"].dtype
    wanted = np.concatenate([30 + 10 * i - np.abs(due.hour - 12) * 2.0 for i in range(2)])
    assert np.abs(got["mean"] - wanted).mean() < 0.5
    assert (got["0.1"] <= got["0.9"]).all()


def test_saved_served_and_sent_histories_give_the_same_bits(made, tmp_path):
    table, pipeline = made
    truth = pipeline.predict()
    pd.testing.assert_frame_equal(load(pipeline.save(tmp_path / "p")).predict(), truth)
    pd.testing.assert_frame_equal(pipeline.predict(data=table.drop(columns="open")), truth)
    call = served(tmp_path, {"berlin": pipeline})
    for id_ in ("a", "b"):
        rows = table[table["unique_id"] == id_]
        mine = truth[truth["unique_id"] == id_]
        texts = [t.isoformat() for t in rows["ds"]]
        for body in (
            {"id": id_},
            {"id": id_, "y": rows["y"].tolist(), "time": texts},
            {"id": id_, "y": rows["y"].tolist(), "start": texts[0]},
        ):
            answer = call.forecast(series=[body])["forecasts"][0]
            assert same(answer, mine)
            assert answer["time"] == [t.isoformat() for t in mine["ds"]]
    parts = call.forecast(series=[{"id": "a"}], combine="none")["models"]
    assert len(parts) == 2
    naive = next(part for part in parts if part["model"] == "berlin/seasonal_naive")["forecasts"][0]
    assert naive["time"] == [t.isoformat() for t in truth["ds"][:30]] and np.isfinite(naive["mean"]).all()


def test_rows_that_come_later_are_one_by_one_what_they_are_at_once(made):
    table, _ = made
    table = table.drop(columns="open")
    late = table["ds"] > table["ds"].max() - pd.Timedelta("30h")
    one, all_, told = (fitted(table[~late], families=("seasonal_naive",), horizon=30) for _ in range(3))
    for moment in table["ds"][late].unique():
        one.update(table[table["ds"] == moment])
        one.update(table[table["ds"] == moment])  # a feed that repeats itself
    all_.update(table[late])
    pd.testing.assert_frame_equal(one.predict(), all_.predict())
    np.testing.assert_array_equal(one.panel.y, all_.panel.y)
    scores = told.evaluate(table[late])
    assert scores["rows"] == 60 and scores["mae"] < 1.0


def test_actuals_of_an_hour_that_comes_twice_are_two(tmp_path):
    pipeline = fitted(hours("2024-10-27 01:00").drop(columns="open"), families=("seasonal_naive",), horizon=30)
    call = served(tmp_path, {"berlin": pipeline})
    rows = [{"id": "a", "time": f"2024-10-27T02:00:00+0{n}:00", "y": 9.0 + n} for n in (2, 1)]
    response = call("POST", "/v1/observe", json={"observations": rows})
    assert response.status_code == 200 and response.json()["accepted"] == 2
    answer = call.forecast(series=[{"id": "a"}])["forecasts"][0]
    assert answer["time"][0] == "2024-10-27T03:00:00+01:00"


def test_known_covariates_are_looked_up_by_real_time():
    for end in ("2024-03-30 20:00", "2024-10-26 20:00", "2024-10-27 00:00+00:00"):
        whole = hours(pd.Timestamp(end).tz_localize("Europe/Berlin") + pd.Timedelta("30h") if "+" not in end else
                      pd.Timestamp(end) + pd.Timedelta("30h"), rows=24 * 15 + 30)  # fmt: skip
        later = whole["ds"] > whole["ds"].max() - pd.Timedelta("30h")
        whole["y"] += 50 * whole["open"] * (np.arange(len(whole)) % 5 > 1)
        whole["open"] *= np.arange(len(whole)) % 5 > 1
        pipeline = fitted(whole[~later], families=("linear_direct",), known=["open"], horizon=30)
        got = pipeline.predict(future=whole[later].drop(columns="y").sample(frac=1.0, random_state=0))
        assert np.abs(got["mean"].to_numpy() - whole["y"][later].to_numpy()).mean() < 6
