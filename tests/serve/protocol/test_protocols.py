"""Clients of other servers get the same numbers as ``pipeline.predict``, each in its own words."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from serve.protocol.arrow import CONTENT_TYPE


def post(call, path, body, status=200):
    response = call("POST", path, content=json.dumps(body))
    assert response.status_code == status, response.text
    return response.json()


def y_of(table, id_="H1"):
    return table[table["unique_id"] == id_]["y"].tolist()


@pytest.fixture(scope="module")
def truth(pipeline):
    return pipeline.predict()


def mean_of(truth, id_="H1"):
    return truth[truth["unique_id"] == id_]["mean"].tolist()


def test_open_inference_tells_of_server_and_models(call):
    assert call("GET", "/v2").json()["name"] == "zoo-autots"
    assert call("GET", "/v2/health/live").status_code == call("GET", "/v2/health/ready").status_code == 200
    told = call("GET", "/v2/models/hours").json()
    assert told["inputs"][0] == {"name": "y", "datatype": "FP64", "shape": [-1]}
    version = told["versions"][0]
    assert call("GET", f"/v2/models/hours/versions/{version}/ready").json() == {"name": "hours", "ready": True}
    missing = call("GET", "/v2/models/nobody")
    assert (missing.status_code, list(missing.json())) == (404, ["error"])


def test_open_inference_infers(call, table, truth):
    y = y_of(table, "H0") + y_of(table, "H1")
    inputs = [
        {"name": "y", "shape": [400], "datatype": "FP64", "data": y},
        {"name": "sizes", "shape": [2], "datatype": "INT64", "data": [200, 200]},
        {"name": "ids", "shape": [2], "datatype": "BYTES", "data": ["H0", "H1"]},
        {"name": "start", "shape": [1], "datatype": "BYTES", "data": ["2024-01-01T00:00:00"]},
    ]
    body = post(call, "/v2/models/hours/infer", {"id": "r7", "inputs": inputs})
    assert (body["id"], body["model_name"]) == ("r7", "hours")
    outputs = {o["name"]: o for o in body["outputs"]}
    assert outputs["mean"]["shape"] == [2, 24]
    assert outputs["mean"]["data"] == mean_of(truth, "H0") + mean_of(truth, "H1")
    quantiles = np.reshape(outputs["quantiles"]["data"], outputs["quantiles"]["shape"])
    assert quantiles[1, :, 0].tolist() == truth[truth["unique_id"] == "H1"]["0.1"].tolist()
    some = {"inputs": [inputs[2] | {"shape": [1], "data": ["H1"]}], "outputs": [{"name": "mean"}]}
    found = post(call, "/v2/models/hours/infer", some | {"parameters": {"horizon": 2}})["outputs"]
    assert [(o["name"], o["data"]) for o in found] == [("mean", mean_of(truth)[:2])]


def test_open_inference_speaks_tritons_binary_tensors(call, table, truth):
    values = np.array(y_of(table), dtype="<f8").tobytes()
    names, start = (struct.pack("<I", len(t)) + t for t in (b"H1", b"2024-01-01T00:00:00"))
    raw = {"y": ([200], "FP64", values), "ids": ([1], "BYTES", names), "start": ([1], "BYTES", start)}
    inputs = [
        {"name": n, "shape": s, "datatype": d, "parameters": {"binary_data_size": len(v)}}
        for n, (s, d, v) in raw.items()
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    response = call(
        "POST",
        "/v2/models/hours/infer",
        content=head + b"".join(v for _, _, v in raw.values()),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    size = int(response.headers["inference-header-content-length"])
    told = json.loads(response.content[:size])["outputs"][0]
    length = told["parameters"]["binary_data_size"]
    got = np.frombuffer(response.content[size : size + length], "<f8")
    assert (told["name"], got.tolist()) == ("mean", mean_of(truth))


@pytest.mark.parametrize(
    "tensor",
    [
        {"shape": [3], "datatype": "FP64", "data": [1.0]},
        {"shape": [-1], "datatype": "FP64", "data": [1.0]},
        {"shape": [1], "datatype": "FP99", "data": [1.0]},
        {"shape": [1], "datatype": "FP64", "data": ["x"]},
        {"shape": [1], "datatype": "BYTES", "data": ["x"]},
        {"shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}},
        {"shape": [1], "datatype": "FP64"},
    ],
)
def test_tensors_that_do_not_fit_are_refused(call, tensor):
    body = post(call, "/v2/models/hours/infer", {"inputs": [{"name": "y", **tensor}]}, 422)
    assert list(body) == ["error"]


def test_mlflow_tables(call, table, truth):
    rows = table[table["unique_id"] != "H2"].assign(ds=lambda t: t["ds"].astype(str))
    expected = truth[truth["unique_id"] != "H2"]
    split = {"dataframe_split": json.loads(rows.to_json(orient="split", double_precision=15))}
    records = {"dataframe_records": rows.to_dict("records")}
    columns = {"inputs": {name: rows[name].tolist() for name in rows}}
    for body in (records, columns, split):
        made = pd.DataFrame(post(call, "/invocations", body)["predictions"])
        assert made["mean"].to_numpy() == pytest.approx(expected["mean"].to_numpy(), rel=1e-12)
        assert list(made) == ["unique_id", "ds", "mean", "0.1", "0.5", "0.9"]
    assert made["unique_id"].tolist() == expected["unique_id"].tolist()
    short = post(call, "/invocations", {**records, "params": {"horizon": 2, "quantiles": [0.5]}})["predictions"]
    assert (len(short), list(short[0])) == (4, ["unique_id", "ds", "mean", "0.5"])
    for bad in ({}, {"instances": [], "inputs": {}}, {"inputs": {"a": [1], "b": [1, 2]}}, {"instances": [{"ds": 1}]}):
        response = call("POST", "/invocations", content=json.dumps(bad))
        assert response.status_code in (400, 422)


def test_sagemakers_shape(call, table, truth):
    one = {"target": y_of(table), "item_id": "H1", "start": "2024-01-01 00:00:00"}
    asked = {"prediction_length": 5, "quantile_levels": [0.1, 0.9], "freq": "1h", "batch_size": 4}
    found = post(call, "/invocations", {"inputs": [one], "parameters": asked})["predictions"]
    assert list(found[0]) == ["mean", "0.1", "0.9", "item_id", "start"]
    assert found[0]["mean"] == mean_of(truth)[:5]
    post(call, "/invocations", {"inputs": [{"target": ["a"]}]}, 422)


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow(call, table, query="", status=200):
    headers = {"Content-Type": CONTENT_TYPE}
    response = call("POST", f"/v1/forecast{query}", content=stream(table), headers=headers)
    assert response.status_code == status, response.text
    return pa.ipc.open_stream(response.content).read_all() if status == 200 else response.json()


def test_arrow_with_a_row_per_series_and_with_a_row_per_value(call, table, truth):
    ids = ["H0", "H1"]
    lists = pa.table({"id": ids, "y": [y_of(table, i) for i in ids], "start": [pd.Timestamp("2024-01-01")] * 2})
    rows = table[table["unique_id"] != "H2"].rename(columns={"unique_id": "id", "ds": "time"})
    expected = truth[truth["unique_id"] != "H2"].reset_index(drop=True)
    for body in (lists, pa.Table.from_pandas(rows, preserve_index=False)):
        got = arrow(call, body)
        frame = got.to_pandas().rename(columns={"id": "unique_id", "time": "ds"})
        pd.testing.assert_frame_equal(frame, expected, check_exact=True, check_dtype=False)
    assert got.schema.metadata[b"model"] == b"hours"
    short = arrow(call, lists, "?horizon=3&quantiles=0.5&model=naive")
    assert (short.num_rows, short.column_names) == (6, ["id", "time", "mean", "0.5"])


def test_arrow_that_does_not_fit_is_refused(call):
    headers = {"Content-Type": CONTENT_TYPE}
    assert call("POST", "/v1/forecast", content=b"PAR1....", headers=headers).status_code == 400
    for bad in (pa.table({"x": [1.0]}), pa.table({"y": ["a"]}), pa.table({"y": pa.array([], pa.float64())})):
        arrow(call, bad, status=422)
    good = pa.table({"y": [[1.0, 2.0]]})
    for query in ("?horizon=x", "?quantiles=a,b", "?combine=best", "?horizon=0"):
        arrow(call, good, query, status=422)


ONE = {"name": "y", "shape": [1], "datatype": "FP64", "data": [1]}
ODD = [
    ("/v1/forecast", '{"series":[{"y":[1%s]}]}' % ("0" * 400)),
    ("/v1/forecast", '{"series":[{"y":[1,2],"start":"2239-12-31T23:00:00"}]}'),
    ("/v1/forecast", json.dumps({"y": [1.0] * 300_000, "sizes": [300_000], "start": "2230-01-01"})),
    ("/v1/observe", '{"observations":[{"id":"H0","time":99999999999999999999999,"y":1}]}'),
    ("/v1/observe", '{"observations":[]}'),
    ("/invocations", '{"instances":[{"unique_id":"H0","ds":"2024-01-01","y":1e999}]}'),
    ("/invocations", '{"instances":[{"unique_id":"H0","ds":"2024-01-01","y":1%s}]}' % ("0" * 400)),
    ("/invocations", '{"instances":[{"unique_id":null,"ds":"2024-01-01","y":1}]}'),
    ("/invocations", '{"instances":[{"unique_id":"a","ds":"x","y":1}]}'),
    ("/invocations", '{"inputs":[{"target":[1],"start":"x"}]}'),
    ("/invocations", "[" * 50_000),
    ("/invocations", "7"),
    ("/v2/models/hours/infer", '{"inputs":[]}'),
    ("/v2/models/hours/infer", '{"inputs":[{"name":"q","shape":[1],"datatype":"FP64","data":[1]}]}'),
    *(
        ("/v2/models/hours/infer", json.dumps({"inputs": [ONE, extra]}))
        for extra in (
            {"name": "horizon", "shape": [1], "datatype": "BYTES", "data": ["x"]},
            {"name": "horizon", "shape": [0], "datatype": "INT64", "data": []},
            {"name": "sizes", "shape": [1], "datatype": "INT64", "data": [7]},
            {"name": "sizes", "shape": [1], "datatype": "INT64", "data": [10**30]},
            {"name": "quantiles", "shape": [1], "datatype": "FP64", "data": [3]},
            {"name": "ids", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
            {"name": "start", "shape": [1], "datatype": "BYTES", "data": ["x"]},
        )
    ),
    ("/v2/models/hours/infer", json.dumps({"parameters": {"quantiles": "a,b"}, "inputs": [ONE]})),
]


@pytest.mark.parametrize(("path", "body"), ODD, ids=range(len(ODD)))
def test_odd_requests_are_the_clients_fault(call, path, body):
    response = call("POST", path, content=body)
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["error"]
