"""Series that several columns name together: the id of a request is a list or an object, and comes back as it was."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from autots.reading import read_panel
from serve.client.frames import Columns, Forecasts, series_of
from serve.testing.caller import served
from serve.testing.pipelines import of_panel

HOURS = pd.date_range("2024-01-01", periods=120, freq="h")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"item": item, "store": store, "ds": HOURS, "y": 10.0 * store + rng.normal(size=120)})
        for store in (1, 2)
        for item in ("a", "b | c")
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def pipeline(table):
    read = read_panel(table, id_col=["store", "item"], horizon=4)
    return of_panel(read.panel, read.schema, horizon=4, families=("linear_direct",))


@pytest.fixture(scope="module")
def call(pipeline, tmp_path_factory):
    return served(tmp_path_factory.mktemp("keys"), {"shops": pipeline})


def mean_of(pipeline, store, item):
    out = pipeline.predict()
    return out[(out["store"] == store) & (out["item"] == item)]["mean"].tolist()


@pytest.mark.parametrize(
    "id_",
    [["1", "b | c"], [1, "b | c"], {"store": 1, "item": "b | c"}, {"item": "b | c", "store": "1"}, "1 | b \\\\| c"],
    ids=str,
)
def test_a_key_is_a_list_an_object_or_the_label_and_comes_back_as_it_was(call, pipeline, table, id_):
    id_ = id_.replace("\\\\", "\\") if isinstance(id_, str) else id_
    one = call.forecast(series=[{"id": id_}, {"id": [2, "a"]}])["forecasts"]
    assert [f["id"] for f in one] == [id_, [2, "a"]]
    assert one[0]["mean"] == mean_of(pipeline, 1, "b | c")
    assert one[1]["mean"] == mean_of(pipeline, 2, "a")
    y = table.query("store == 1 and item == 'b | c'")["y"].tolist()
    flat = call.forecast(ids=[id_], y=y, sizes=[120], start="2024-01-01")["forecasts"]
    assert (flat[0]["id"], flat[0]["mean"]) == (id_, one[0]["mean"])


def test_actuals_name_their_series_by_the_key(call):
    rows = [{"id": {"item": "a", "store": 1}, "time": "2024-01-06T00:00:00", "y": 11.0}]
    rows += [{"id": [2, "a"], "time": "2024-01-06T00:00:00", "y": 21.0}]
    answer = call("POST", "/v1/observe", content=json.dumps({"observations": rows})).json()
    assert answer["accepted"] == 2
    again = call("POST", "/v1/observe", content=json.dumps({"observations": rows[::-1]})).json()
    assert again["duplicates"] == 2


@pytest.mark.parametrize(
    "id_", [["1"], [1, "a", "x"], {"store": 1}, {"store": 1, "thing": "a"}, {"shop": 1, "item": "a"}]
)
def test_other_parts_than_those_of_the_key_are_refused(call, id_):
    answer = call("POST", "/v1/forecast", content=json.dumps({"series": [{"id": id_}]}))
    assert answer.status_code == 422, answer.text
    assert "['store', 'item']" in answer.json()["error"]


@pytest.mark.parametrize("id_", [[], {}, [[1]], [None], [1.5], {"store": None}])
def test_what_is_no_id_is_refused(call, id_):
    call.refused(422, {"series": [{"id": id_}]})


def test_the_model_tells_its_key(call):
    told = call("GET", "/v1/models").json()
    assert "key" in json.dumps(told)


def test_mlflow_rows_keep_their_columns(call, pipeline, table):
    rows = table.query("store == 2").assign(ds=lambda t: t["ds"].astype(str)).to_dict("records")
    body = call("POST", "/invocations", content=json.dumps({"dataframe_records": rows})).json()
    first = body["predictions"][0]
    assert [first["store"], first["item"]] == ["2", "a"]
    assert [row["mean"] for row in body["predictions"][:4]] == mean_of(pipeline, 2, "a")


def test_the_client_turns_a_key_into_ids_and_back(call, pipeline, table):
    columns = Columns(id=("store", "item"), time="ds", target="y").found(table)
    series = series_of(table, columns)
    assert [one["id"] for one in series] == [["1", "a"], ["1", "b | c"], ["2", "a"], ["2", "b | c"]]
    body = call.forecast(series=series)
    frame = Forecasts("", "", "", (), body, columns).frame
    assert list(frame.columns[:3]) == ["store", "item", "ds"]
    assert frame["mean"].tolist() == pipeline.predict()["mean"].tolist()
