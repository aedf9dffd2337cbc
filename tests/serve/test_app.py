"""Raw rows in, calibrated quantiles out, equal to ``pipeline.predict``; whatever does not fit gets a 4xx."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from serve.testing.caller import same, sent, served
from serve.testing.pipelines import fitted, hourly


def test_the_stored_state_is_forecast_as_predict_does(call, pipeline):
    truth = pipeline.predict()
    answer = call.forecast(series=[{"id": "H2"}, {"id": "H0"}])
    assert [f["id"] for f in answer["forecasts"]] == ["H2", "H0"]
    assert all(same(f, truth) for f in answer["forecasts"])
    assert answer["errors"] == []


def test_values_in_the_request_are_forecast_as_predict_does_with_a_table(call, pipeline, table):
    shorter = table.groupby("unique_id").head(150)
    truth = pipeline.predict(data=shorter)
    answer = call.forecast(series=[sent(shorter, id_) for id_ in ("H0", "H1", "H2")])
    assert all(same(f, truth) for f in answer["forecasts"])


def test_gaps_and_missing_values_are_repaired_as_predict_does(call, pipeline, table):
    rough = table[table["unique_id"] == "H1"].copy()
    rough.loc[rough.index[[0, 5, 60, 199]], "y"] = np.nan
    rough = rough.drop(rough.index[[20, 21]])
    truth = pipeline.predict(data=rough)
    times = [t.isoformat() for t in rough["ds"]]
    one = {"id": "H1", "time": times, "y": [None if np.isnan(v) else v for v in rough["y"]]}
    assert same(call.forecast(series=[one])["forecasts"][0], truth)


def test_series_of_different_lengths_and_new_ids_share_a_request(call, pipeline):
    new = hourly(4, 120, seed=5).query("unique_id != 'H2' or ds < '2024-01-03'")
    truth = pipeline.predict(data=new)
    answer = call.forecast(series=[sent(new, id_) for id_ in ("H3", "H2", "H0")])
    assert all(same(f, truth) for f in answer["forecasts"])


def test_the_flat_form_says_the_same_as_the_list_form(call, table):
    ids = ["H0", "H1"]
    parts = [table[table["unique_id"] == i]["y"].tolist() for i in ids]
    flat = {"ids": ids, "y": parts[0] + parts[1][:100], "sizes": [200, 100], "start": "2024-01-01"}
    start = {"start": "2024-01-01"}
    lists = [{"id": "H0", "y": parts[0], **start}, {"id": "H1", "y": parts[1][:100], **start}]
    assert call.forecast(**flat)["forecasts"] == call.forecast(series=lists)["forecasts"]


def test_horizon_and_quantiles_are_those_that_were_asked_for(call, pipeline):
    answer = call.forecast(series=[{"id": "H0"}], horizon=3, quantiles=[0.9, 0.25, 0.2, 0.3])
    one = answer["forecasts"][0]
    assert answer["quantiles"] == [0.2, 0.25, 0.3, 0.9]
    assert [len(one["time"]), len(one["mean"]), len(one["quantiles"]["0.25"])] == [3, 3, 3]
    between = (np.array(one["quantiles"]["0.2"]) + one["quantiles"]["0.3"]) / 2
    assert one["quantiles"]["0.25"] == pytest.approx(between)


def test_requests_at_the_same_time_get_the_answers_that_they_get_alone(call, table):
    bodies = [{"series": [sent(table, f"H{i % 3}")], "horizon": 5 + i} for i in range(12)]
    alone = [call.forecast(**body)["forecasts"] for body in bodies]
    at_once = call.together(*(("POST", "/v1/forecast", {"content": json.dumps(body)}) for body in bodies))
    assert [response.json()["forecasts"] for response in at_once] == alone
    assert 'zoo_serve_batch_requests_bucket{le="1.0",model="hours"}' in call("GET", "/metrics").text


def test_every_answer_names_the_version_and_the_request(call):
    response = call("POST", "/v1/forecast", content='{"series":[{"id":"H0"}]}', headers={"X-Request-Id": "my-1"})
    assert response.headers["x-request-id"] == response.json()["request_id"] == "my-1"
    version = response.json()["model_version"]
    again = call.forecast(series=[{"id": "H0"}], model=f"hours@{version}")
    assert again["forecasts"] == response.json()["forecasts"]
    assert again["request_id"] != "my-1"


def test_some_series_may_fail_and_the_others_are_answered(call):
    answer = call.forecast(series=[{"id": "H0"}, {"id": "nobody"}, {"id": "x", "y": [None]}])
    assert [f["id"] for f in answer["forecasts"]] == ["H0"]
    assert [(e["id"], e["where"]) for e in answer["errors"]] == [("nobody", "series[1]"), ("x", "series[2].y")]


def test_several_models_in_one_request(call, pipeline):
    every = call.forecast(series=[{"id": "H0"}], models="all", combine="none")
    assert [m["model"] for m in every["models"]] == ["hours", "naive"]
    assert same(every["models"][0]["forecasts"][0], pipeline.predict())
    means = np.array([m["forecasts"][0]["mean"] for m in every["models"]])
    for combine, expected in (("mean", means.mean(axis=0)), ("median", np.median(means, axis=0))):
        made = call.forecast(series=[{"id": "H0"}], models="all", combine=combine)
        assert made["forecasts"][0]["mean"] == pytest.approx(expected.tolist())
        assert made["combined"] == ["hours", "naive"]
    tilted = call.forecast(
        series=[{"id": "H0"}], models=["hours", "naive"], combine="weighted", weights={"hours": 3, "naive": 1}
    )
    assert tilted["forecasts"][0]["mean"] == pytest.approx((0.75 * means[0] + 0.25 * means[1]).tolist())


def test_members_of_the_ensemble_answer_one_by_one(call):
    told = call.forecast(series=[{"id": "H0"}], combine="none")["models"]
    assert [m["model"] for m in told] == ["hours/linear_direct", "hours/auto_theta"]
    one = call.forecast(series=[{"id": "H0"}], models=["hours/auto_theta"])
    assert one["forecasts"][0]["mean"] == told[1]["forecasts"][0]["mean"]


def test_quantiles_of_a_combination_do_not_cross(call):
    made = call.forecast(series=[{"id": "H0"}, {"id": "H1"}], models="all", combine="ensemble")
    for one in made["forecasts"]:
        assert (np.diff([one["quantiles"][q] for q in ("0.1", "0.5", "0.9")], axis=0) >= 0).all()


def test_covariates_come_with_the_request(tmp_path):
    rng = np.random.default_rng(0)
    table = hourly(2, 150)
    table["promo"] = (rng.random(len(table)) < 0.2).astype(float)
    table["kind"] = rng.choice(["x", "y"], len(table))
    table["wind"] = rng.normal(size=len(table))
    table["y"] += 10 * table["promo"]
    pipeline = fitted(table, families=("trees_direct",), known=("promo", "kind"), horizon=6)
    call = served(tmp_path, {"m": pipeline})
    ahead = pd.DataFrame({"ds": pd.date_range(table["ds"].max(), periods=7, freq="h")[1:]})
    ahead["promo"], ahead["kind"] = [0.0, 1.0, 0.0, 0.0, 1.0, 1.0], ["x", "y", "unseen", "x", "x", "y"]
    truth = pipeline.predict(future=ahead)
    known = {"promo": ahead["promo"].tolist(), "kind": ahead["kind"].tolist()}
    assert same(call.forecast(series=[{"id": "H1", "known": known}])["forecasts"][0], truth)
    rows = table[table["unique_id"] == "H1"]
    past = {name: rows[name].tolist() for name in ("promo", "kind", "wind")}
    body = sent(table, "H1") | {"known": known, "past": past}
    assert same(call.forecast(series=[body])["forecasts"][0], truth)
    whole = {name: past[name] + known[name] for name in known}
    body = sent(table, "H1") | {"known": whole, "past": {"wind": past["wind"]}}
    assert same(call.forecast(series=[body])["forecasts"][0], truth)
    assert "promo" in call.refused(422, {"series": [{"id": "H1"}]})["error"]
    lacking = sent(table, "H1") | {"known": known, "past": {"wind": past["wind"]}}
    assert call.refused(422, {"series": [lacking]})["where"] == "series[0].past.promo"


@pytest.mark.parametrize(
    ("freq", "start"), [("MS", "2001-01-01"), ("W-SUN", "2020-01-05"), ("2h", "2020-03-01T01:00:00")]
)
def test_other_clocks(tmp_path, freq, start):
    times = pd.date_range(start, periods=60, freq=freq)
    y = 10 + np.sin(np.arange(60)) + np.arange(60) / 50
    table = pd.DataFrame({"when": times, "sales": y})
    pipeline = fitted(table, families=("auto_theta", "linear_direct"), horizon=4)
    call = served(tmp_path, {"m": pipeline})
    truth = pipeline.predict().rename(columns={"when": "ds"})
    assert same(call.forecast(series=[{}])["forecasts"][0], truth)
    body = {"y": y.tolist(), "start": start}
    assert same(call.forecast(series=[body])["forecasts"][0], truth)
    assert same(call.forecast(series=[{"y": y.tolist()}])["forecasts"][0], truth)


def test_integer_clocks_and_zones(tmp_path):
    y = (5 + np.sin(np.arange(50))).tolist()
    counted = fitted(pd.DataFrame({"t": np.arange(50) * 2, "y": y}), families=("seasonal_naive",), horizon=3)
    zoned = pd.DataFrame({"ds": pd.date_range("2024-03-29", periods=50, freq="h", tz="Europe/Berlin"), "y": y})
    berlin = fitted(zoned, families=("seasonal_naive",), horizon=30)
    call = served(tmp_path, {"counted": counted, "berlin": berlin})
    made = call.forecast(series=[{"y": y, "start": 0}], model="counted")["forecasts"][0]
    assert made["time"] == [100, 102, 104]
    made = call.forecast(series=[{}], model="berlin")["forecasts"][0]
    assert made["time"] == [t.isoformat() for t in berlin.predict()["ds"]]
    body = {"y": y, "start": "2024-03-29T00:00:00+01:00"}
    assert call.forecast(series=[body], model="berlin")["forecasts"][0] == made


BAD = {
    "no JSON": (400, "{"),
    "not even text": (400, b"\xff\xfe\x00"),
    "a list": (422, "[]"),
    "nothing": (422, "{}"),
    "no series": (422, {"series": []}),
    "both forms": (422, {"series": [{"id": "H0"}], "y": [1.0], "sizes": [1]}),
    "text among numbers": (422, {"series": [{"y": [1, "a"]}]}),
    "a number as text": (422, {"series": [{"y": ["1"]}]}),
    "a boolean": (422, {"series": [{"y": [True]}]}),
    "NaN": (422, '{"series": [{"y": [1, NaN]}]}'),
    "Infinity": (422, '{"series": [{"y": [1, Infinity]}]}'),
    "a huge number": (422, '{"series": [{"y": [1, 1e999]}]}'),
    "no value": (422, {"series": [{"y": []}]}),
    "only missing values": (422, {"series": [{"y": [None, None]}]}),
    "an unknown field": (422, {"series": [{"y": [1]}], "horizonn": 3}),
    "sizes that do not sum": (422, {"y": [1, 2], "sizes": [3]}),
    "a negative size": (422, {"y": [1, 2], "sizes": [3, -1]}),
    "unsorted times": (422, {"series": [{"y": [1, 2], "time": ["2024-01-02", "2024-01-01"]}]}),
    "equal times": (422, {"series": [{"y": [1, 2], "time": ["2024-01-02", "2024-01-02"]}]}),
    "fewer times": (422, {"series": [{"y": [1, 2], "time": ["2024-01-02"]}]}),
    "times beside the clock": (422, {"series": [{"y": [1, 2], "time": ["2024-01-01T00:00", "2024-01-01T00:31"]}]}),
    "times centuries apart": (422, {"series": [{"y": [1, 2], "time": ["1900-01-01", "2100-01-01"]}]}),
    "no time": (422, {"series": [{"y": [1, 2], "start": "yesterday"}]}),
    "a time far away": (422, {"series": [{"y": [1, 2], "start": "9999-01-01"}]}),
    "a time of another zone": (422, {"series": [{"y": [1, 2], "start": "2024-01-01T00:00:00Z"}]}),
    "a number for a date": (422, {"series": [{"y": [1, 2], "start": 20240101}]}),
    "ids that repeat": (422, {"series": [{"id": "a", "y": [1]}, {"id": "a", "y": [2]}]}),
    "a horizon of 0": (422, {"series": [{"id": "H0"}], "horizon": 0}),
    "a horizon too long": (422, {"series": [{"id": "H0"}], "horizon": 25}),
    "half a step": (422, {"series": [{"id": "H0"}], "horizon": 2.5}),
    "a quantile of 1": (422, {"series": [{"id": "H0"}], "quantiles": [1.0]}),
    "a quantile of 0": (422, {"series": [{"id": "H0"}], "quantiles": [0]}),
    "quantiles further out than fitted": (422, {"series": [{"id": "H0"}], "quantiles": [0.001]}),
    "an unknown model": (404, {"series": [{"id": "H0"}], "model": "nobody"}),
    "an unknown version": (404, {"series": [{"id": "H0"}], "model": "hours@7"}),
    "a path for a model": (404, {"series": [{"id": "H0"}], "model": "../../etc"}),
    "an unknown member": (404, {"series": [{"id": "H0"}], "models": ["hours/oracle"]}),
    "an empty list of models": (422, {"series": [{"id": "H0"}], "models": []}),
    "an unknown series": (404, {"series": [{"id": "nobody"}]}),
    "weights of nobody": (422, {"series": [{"id": "H0"}], "combine": "weighted", "weights": {"x": 1}}),
    "weights of 0": (422, {"series": [{"id": "H0"}], "combine": "weighted", "weights": {"linear_direct": 0}}),
    "deep nesting": (400, "[" * 100_000),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_requests_are_refused_with_a_reason(call, what):
    status, body = BAD[what]
    found = call.refused(status, body)
    assert set(found) == {"error", "hint", "where", "request_id"}


def test_limits(tmp_path, pipeline):
    call = served(tmp_path, {"m": pipeline}, limits={"series": 3, "points": 500, "horizon": 10, "body": 20_000})
    call.refused(413, {"series": [{"id": f"s{i}", "y": [1.0, 2.0]} for i in range(4)]})
    call.refused(413, {"y": [1.0] * 501, "sizes": [501]})
    call.refused(413, '{"series": [' + " " * 20_000 + "]}")
    call.refused(413, {"series": [{"id": "H0"}]})  # the model's own horizon of 24
    assert call.forecast(series=[{"id": "H0"}], horizon=10)["errors"] == []


def test_one_point_and_constant_series_get_a_forecast(call):
    answer = call.forecast(series=[{"id": "one", "y": [7.0]}, {"id": "flat", "y": [3.0] * 100}])
    assert not answer["errors"]
    assert [round(m) for one in answer["forecasts"] for m in one["mean"]] == [7] * 24 + [3] * 24


def test_a_deadline_that_has_passed_is_a_504(call):
    headers = {"X-Request-Timeout-Ms": "0.000001"}
    response = call("POST", "/v1/forecast", content='{"series":[{"id":"H0"}]}', headers=headers)
    assert response.status_code == 504
    response = call("POST", "/v1/forecast", content='{"series":[{"id":"H0"}]}', headers={"X-Request-Timeout-Ms": "x"})
    assert response.status_code == 400


def test_the_models_are_described(call):
    told = call("GET", "/v1/models").json()
    assert told["default"] == "hours"
    first = told["models"][0]
    assert (first["name"], first["horizon"], first["freq"], first["series"]) == ("hours", 24, "h", 3)
    assert first["last_time"] == "2024-01-09T07:00:00"


def test_the_description_of_the_api_is_whole(call):
    document = call("GET", "/openapi.json").json()
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(document["components"]["schemas"])
    assert {"/v1/forecast", "/v1/observe", "/v2/models/{model}/infer", "/invocations"} <= set(document["paths"])
    assert call("GET", "/docs").status_code == 200
