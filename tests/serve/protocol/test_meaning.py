"""What goes over the wire means one thing: in every protocol, what cannot be meant is refused with its place."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve.app import ServingApp
from serve.protocol.arrow import CONTENT_TYPE as ARROW
from serve.runtime.config import ServingConfig
from serve.testing.caller import Caller, served
from serve.testing.pipelines import fitted, hourly

Y = [float(v % 7) for v in range(28)]


def post(call, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    response = call("POST", path, content=body if isinstance(body, str | bytes) else json.dumps(body))
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


def tensor(name: str, kind: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": shape, "data": data}


def infer(call, *inputs: dict[str, Any], status: int = 200, **more: Any) -> dict[str, Any]:
    body = post(call, "/v2/models/daily/infer", {"inputs": list(inputs), **more}, status)
    if status != 200:
        assert list(body) == ["error"]
        return body
    return {out["name"]: out["data"] for out in body["outputs"]}


@pytest.fixture(scope="module")
def daily(tmp_path_factory):
    """A model of whole-number ids, and one with covariates."""
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    rows = [pd.DataFrame({"unique_id": i, "ds": days, "y": np.arange(60.0) % 7 + i}) for i in (7, 8)]
    table = pd.concat(rows, ignore_index=True)
    plain = fitted(table, families=("seasonal_naive",), horizon=3)
    table["price"] = np.arange(len(table)) % 5.0
    priced = fitted(table, families=("linear_direct",), horizon=3, known=("price",))
    folder = tmp_path_factory.mktemp("meaning")
    models = [
        {"name": name, "path": str(p.save(folder / name))} for name, p in {"daily": plain, "priced": priced}.items()
    ]
    return Caller(ServingApp(ServingConfig.model_validate({"models": models, "state": str(folder / "state")})))


@pytest.mark.parametrize("shape", [[2], [2, 1], [1, 2], [2, 1, 1]])
@pytest.mark.parametrize(("kind", "ids"), [("INT64", [7, 8]), ("INT32", [7, 8]), ("BYTES", ["7", "8"])])
def test_ids_may_have_the_usual_batch_dimension(daily, shape, kind, ids):
    assert infer(daily, tensor("ids", kind, shape, ids))["ids"] == ["7", "8"]


def test_the_batch_dimension_of_y_makes_series(daily):
    flat = infer(daily, tensor("y", "FP64", [2, 28], [*Y, *Y]), tensor("ids", "INT64", [2, 1], [7, 8]))
    nested = infer(daily, tensor("y", "FP64", [2, 28, 1], [[[v] for v in Y]] * 2), tensor("ids", "INT64", [2], [7, 8]))
    whole = infer(daily, tensor("y", "FP64", [1, 28], Y), tensor("ids", "INT64", [1, 1], [7]))
    assert flat["ids"] == nested["ids"] == ["7", "8"]
    assert flat["mean"] == nested["mean"]
    assert flat["mean"][:3] == whole["mean"]
    raw = np.array([7, 8], dtype="<i8").tobytes()
    told = tensor("ids", "INT64", [2, 1], []) | {"data": None, "parameters": {"binary_data_size": len(raw)}}
    del told["data"]
    head = json.dumps({"inputs": [told]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    response = daily("POST", "/v2/models/daily/infer", content=head + raw, headers=headers)
    assert {o["name"]: o["data"] for o in response.json()["outputs"]}["ids"] == ["7", "8"]


y = tensor("y", "FP64", [28], Y)
WRONG_INPUTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "a covariate of a model without": ([y, tensor("known.price", "FP64", [1, 3], [1, 1, 1])], {}, "known.price"),
    "a name nobody knows": ([y, tensor("known_price", "FP64", [28], Y)], {}, "known_price"),
    "a role nobody knows": ([y, tensor("future.price", "FP64", [3], [1, 1, 1])], {}, "future.price"),
    "an upper case": ([tensor("Y", "FP64", [28], Y)], {}, "'Y'"),
    "y twice": ([y, y], {}, "twice"),
    "halves in an INT64": ([tensor("y", "INT64", [28], [1.5] * 28)], {}, "1.5"),
    "null in an INT64": ([tensor("y", "INT64", [1], [None])], {}, "None"),
    "too much for an INT8": ([tensor("y", "INT8", [1], [300])], {}, "300"),
    "less than a UINT8": ([tensor("y", "UINT8", [1], [-1])], {}, "-1"),
    "too much for an FP16": ([tensor("y", "FP16", [1], [1e6])], {}, "1000000.0"),
    "ids as FP64": ([y, tensor("ids", "FP64", [1], [7.0])], {}, "ids"),
    "ids as a matrix": ([tensor("ids", "INT64", [2, 2], [1, 2, 3, 4])], {}, "ids"),
    "an empty id": ([y, tensor("ids", "BYTES", [1], [""])], {}, "1 to 500"),
    "horizon 2.7": ([y, tensor("horizon", "FP64", [1], [2.7])], {}, "2.7"),
    "two horizons": ([y, tensor("horizon", "INT64", [2], [1, 2])], {}, "horizon"),
    "horizon twice": ([y, tensor("horizon", "INT64", [1], [1])], {"parameters": {"horizon": 2}}, "both"),
    "a horizon in text": ([y], {"parameters": {"horizon": "2"}}, "'2'"),
    "a horizon of 2.5": ([y], {"parameters": {"horizon": 2.5}}, "2.5"),
    "a horizon of true": ([y], {"parameters": {"horizon": True}}, "True"),
    "quantiles as a number": ([y], {"parameters": {"quantiles": 0.5}}, "text"),
    "sizes as FP64": ([y, tensor("sizes", "FP64", [1], [28.0])], {}, "sizes"),
    "start as FP64": ([y, tensor("start", "FP64", [1], [1.5])], {}, "start"),
    "start without y": ([tensor("ids", "INT64", [1], [7]), tensor("start", "BYTES", [1], ["2024-01-01"])], {}, "start"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_INPUTS)
def test_inputs_that_cannot_be_meant_are_a_400_that_says_what(daily, what):
    inputs, more, says = WRONG_INPUTS[what]
    assert says in infer(daily, *inputs, status=400, **more)["error"]


def test_covariates_of_open_inference_have_the_shapes_of_their_roles(daily):
    price = tensor("past.price", "FP64", [28], Y)
    ahead = tensor("known.price", "FP64", [1, 3], [1, 2, 3])
    good = post(daily, "/v2/models/priced/infer", {"inputs": [y, price, ahead]})
    assert good["outputs"][0]["shape"] == [1, 3]
    for bad in (price | {"shape": [27], "data": Y[1:]}, price | {"name": "past.prize"}, ahead | {"shape": [3, 1]}):
        inputs = [y, bad, ahead if bad["name"].startswith("past") else price]
        told = post(daily, "/v2/models/priced/infer", {"inputs": inputs}, 400)
        assert bad["name"] in told["error"]


def test_raw_bytes_that_belong_to_nobody_are_refused(daily):
    told = tensor("y", "FP64", [1], []) | {"parameters": {"binary_data_size": 8}}
    del told["data"]
    head = json.dumps({"inputs": [told]}).encode()
    for content, length in ((head + struct.pack("<d", 1.0) + b"more", len(head)), (head, len(head) + 1)):
        headers = {"inference-header-content-length": str(length)}
        assert daily("POST", "/v2/models/daily/infer", content=content, headers=headers).status_code == 400


def test_tables_are_put_in_the_order_of_their_times_not_of_their_texts(tmp_path):
    months = pd.date_range("2015-01-01", periods=48, freq="MS")
    table = pd.DataFrame({"unique_id": "n", "ds": months, "y": np.arange(48.0) ** 1.5})
    call = served(tmp_path, {"m": fitted(table, families=("drift",), horizon=2)})
    rows = [{"unique_id": "n", "ds": f"{2020 + i // 12}-{i % 12 + 1}-1", "y": float(i)} for i in range(24)]
    body = {"dataframe_records": rows, "params": {"horizon": 1}}
    made = post(call, "/invocations", body)["predictions"]
    same = {"id": "n", "time": [r["ds"] for r in rows], "y": [r["y"] for r in rows]}
    assert made[0]["mean"] == call.forecast(series=[same], horizon=1)["forecasts"][0]["mean"][0]
    assert made[0]["ds"] == "2022-01-01T00:00:00"
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(24)]
    assert post(call, "/invocations", body | {"dataframe_records": shuffled})["predictions"] == made
    split = {"columns": list(rows[0]), "data": [list(r.values()) for r in shuffled]}
    assert post(call, "/invocations", {"dataframe_split": split, "params": {"horizon": 1}})["predictions"] == made
    twice = post(call, "/invocations", {"dataframe_records": [*rows, rows[3]]}, 422)
    assert "time" in twice["where"]
    for text in ("now", "", "01/11/2024"):
        told = post(call, "/invocations", {"dataframe_records": [*rows, {"unique_id": "n", "ds": text, "y": 1.0}]}, 422)
        assert told["where"] == "[24].ds"


def test_a_table_needs_every_column_of_its_model(daily):
    rows = [{"unique_id": "7", "ds": f"2024-02-{d:02d}", "y": 1.0 * d, "price": 1.0} for d in range(1, 20)]
    ahead = [{"unique_id": "7", "ds": f"2024-02-{d:02d}", "price": 2.0} for d in (20, 21, 22)]
    body = {"dataframe_records": [*ahead, *rows], "params": {"model": "priced"}}
    assert len(post(daily, "/invocations", body)["predictions"]) == 3
    lacking = [{k: v for k, v in row.items() if k != "price"} | {"prize": 1.0} for row in rows + ahead]
    assert "['price']" in post(daily, "/invocations", body | {"dataframe_records": lacking}, 422)["error"]
    gap = [*rows, ahead[0], ahead[2], ahead[2] | {"ds": "2024-02-23"}]
    told = post(daily, "/invocations", body | {"dataframe_records": gap}, 422)
    assert ("step by step" in told["error"], told["where"]) == (True, "[20]")
    told = post(daily, "/invocations", body | {"params": {"model": "priced", "horizonn": 2}}, 422)
    assert "horizonn" in told["error"]


def test_covariates_that_a_model_does_not_have_are_refused(daily):
    for role, values in (("known", [1.0] * 3), ("static", 1.0)):
        one = {"id": "7", role: {"prize": values}}
        told = daily.refused(422, {"series": [one], "model": "daily"})
        assert told["where"] == f"series[0].{role}"


def test_sagemakers_words_mean_what_they_say(daily):
    one = {"target": Y, "item_id": "7", "start": "2024-01-01"}
    for freq in ("D", "1d", "24h"):
        post(daily, "/invocations", {"inputs": [one], "parameters": {"freq": freq}})
    for freq in ("h", "W", "MS", "soon", ""):
        told = post(daily, "/invocations", {"inputs": [one], "parameters": {"freq": freq}}, 422)
        assert told["where"] == "parameters.freq"
    post(daily, "/invocations", {"inputs": [one], "parametres": {"prediction_length": 2}}, 422)
    post(daily, "/invocations", {"inputs": [one | {"item_id": ""}]}, 422)


def test_quantiles_have_names_of_their_own(daily):
    for levels in ([0.5, 0.50000001], [0.3, 0.9, 0.3000000001]):
        told = daily.refused(422, {"series": [{"id": "7"}], "quantiles": levels})
        assert told["where"] == "quantiles"
    made = daily.forecast(series=[{"id": "7"}], quantiles=[0.5, 0.5, 0.50001])
    assert list(made["forecasts"][0]["quantiles"]) == ["0.5", "0.50001"]
    infer(daily, y, tensor("quantiles", "FP64", [2], [0.5, 0.50000001]), status=422)


HALF = "\\ud800"  # half of a character, as JSON may write it
CLIENTS_FAULTS = [
    ("/invocations", '{"inputs":[{"target":[1,2,3],"item_id":"HALF"}]}'),
    ("/invocations", '{"dataframe_records":[{"unique_id":"HALF","ds":"2024-01-01","y":1}]}'),
    ("/invocations", '{"dataframe_records":[{"unique_id":"a","ds":"2024-01-01","y":1,"HALF":1}]}'),
    ("/invocations", '{"dataframe_split":{"columns":["unique_id","ds","y","HALF"],"data":[["a","b",1,2]]}}'),
    ("/invocations", '{"inputs":[{"target":[1]}],"inputs":[]}'),
    ("/invocations", '{"dataframe_records":[{"unique_id":"a","ds":"2024-01-01","y":%s}]}' % ("9" * 5000)),
    ("/invocations", '{"dataframe_records":[{"unique_id":%s,"ds":"2024-01-01","y":1}]}' % ("9" * 4000)),
    ("/v1/forecast", '{"series":[{"id":"HALF","y":[1]}]}'),
    ("/v1/forecast", '{"series":[{"id":%s,"y":[1]}]}' % ("9" * 5000)),
    ("/v1/forecast", '{"series":[{"id":"n","y":[1],"start":%s}]}' % ("9" * 5000)),
    ("/v1/forecast", '{"series":[{"id":"n","y":[1],"start":""}]}'),
    ("/v1/forecast", '{"series":[{"id":"7"}],"horizon":%s}' % ("9" * 5000)),
    ("/v1/observe", '{"observations":[{"id":"HALF","time":"2024-03-01","y":1}]}'),
    ("/v1/observe", '{"observations":[{"id":"7","time":"2024-03-01","y":1}],"observation_id":"HALF"}'),
    ("/v1/observe", '{"observations":[{"id":"7","time":"2024-03-01","y":%s}]}' % ("9" * 400)),
    ("/v2/models/daily/infer", '{"inputs":[{"name":"ids","datatype":"BYTES","shape":[1],"data":["HALF"]}]}'),
    ("/v2/models/daily/infer", '{"id":"HALF","inputs":[]}'),
    ("/v2/models/daily/infer", '{"inputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[%s1]}]}' % ("[" * 150)),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), CLIENTS_FAULTS, ids=range(len(CLIENTS_FAULTS)))
def test_what_clients_write_is_never_our_bug(daily, path, body):
    response = daily("POST", path, content=body.replace("HALF", HALF))
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["error"]


@pytest.mark.parametrize("text", ["²", "٣", "9" * 5000, "-1", "0", "1.5", "", "1e3", " 7", "2001"])
def test_numbers_in_urls_and_headers_are_digits_within_bounds(daily, text):
    response = daily("GET", "/v1/history", params={"id": "7", "last": text})
    assert (response.status_code, response.json()["where"]) == (422, "last")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("y", pa.float64())])) as writer:
        writer.write_table(pa.table({"y": Y}))
    body, headers = bytes(sink.getvalue()), {"content-type": ARROW}
    if text != "2001":
        response = daily("POST", "/v1/forecast", params={"horizon": text}, content=body, headers=headers)
        assert (response.status_code, response.json()["where"]) == (422, "horizon")
    response = daily("POST", "/v1/forecast", params={"horizonn": "2"}, content=body, headers=headers)
    assert (response.status_code, response.json()["where"]) == (422, "horizonn")


@pytest.mark.parametrize("text", ["²", "9" * 5000, "-1", "1.5", "", "x"])
def test_the_length_of_a_header_is_a_number(daily, text):
    headers = {"inference-header-content-length": text.encode("latin-1")}
    response = daily("POST", "/v2/models/daily/infer", content=b"{}", headers=headers)
    assert response.status_code == 400
    assert list(response.json()) == ["error"]


def test_one_failing_series_does_not_spoil_its_request(tmp_path, monkeypatch):
    call = served(tmp_path, {"m": fitted(hourly(), families=("seasonal_naive",))})
    from serve.runtime.model import Served

    real = Served.forecast

    def fails(self, panel, future, member=None):
        if "bad" in panel.ids.tolist():
            raise RuntimeError("a matrix is singular")
        return real(self, panel, future, member)

    monkeypatch.setattr(Served, "forecast", fails)
    series = [{"id": f"s{i}", "y": Y, "start": "2024-01-01"} for i in range(5)]
    series.insert(2, {"id": "bad", "y": Y, "start": "2024-01-01"})
    answer = call.forecast(series=series)
    assert [f["id"] for f in answer["forecasts"]] == [f"s{i}" for i in range(5)]
    assert [(e["id"], e["where"]) for e in answer["errors"]] == [("bad", "series[2]")]
    assert call("POST", "/v1/forecast", content=json.dumps({"series": series[2:3]})).status_code == 500


WORDS = st.sampled_from(
    ["", "7", "8", "n", "\x00", "\ud800", "é", "2024-03-01", "2024-02-30", "now", "²", "9" * 5000, "daily", "y", "ids",
     "FP64", "INT64", "BYTES", "all", "none", "x" * 600]
)  # fmt: skip
NUMBERS = st.sampled_from(
    [0, 1, 2, -1, 7, 28, 0.5, 2.7, 1e308, -1e308, 1e-320, 10**30, 2**63, 2**31, True, float("nan"), float("inf")]
)
LEAVES = st.none() | NUMBERS | WORDS
FIELDS = st.sampled_from(
    ["series", "id", "start", "time", "y", "known", "past", "static", "ids", "sizes", "horizon", "quantiles", "model",
     "models", "combine", "weights", "observations", "observation_id", "correct", "withdraw", "by", "inputs", "outputs",
     "name", "shape", "datatype", "data", "parameters", "binary_data_size", "target", "item_id", "dataframe_split",
     "dataframe_records", "instances", "columns", "unique_id", "ds", "params", "prediction_length", "freq", "odd"]
)  # fmt: skip
ANYTHING = st.recursive(
    LEAVES, lambda s: st.lists(s, max_size=4) | st.dictionaries(FIELDS, s, max_size=5), max_leaves=12
)
SHAPES: dict[str, Any] = {
    "/v1/forecast": {"series": [{"id": "n", "y": Y, "start": "2024-01-01"}], "horizon": 2, "quantiles": [0.5]},
    "/v1/forecast?": {"y": Y, "sizes": [20, 8], "ids": ["a", "b"], "start": ["2024-01-01", "2024-02-01"]},
    "/v1/observe": {"observations": [{"id": "7", "time": "2024-03-01", "y": 1.0}], "observation_id": "o", "by": "me"},
    "/v2/models/daily/infer": {
        "inputs": [y, tensor("ids", "BYTES", [1], ["7"]), tensor("sizes", "INT64", [1], [28])],
        "outputs": [{"name": "mean"}], "parameters": {"horizon": 2}},
    "/invocations": {"dataframe_records": [{"unique_id": "7", "ds": "2024-01-01", "y": 1.0}], "params": {"horizon": 1}},
    "/invocations?": {"inputs": [{"target": Y, "item_id": "7", "start": "2024-01-01"}],
                      "parameters": {"prediction_length": 2, "quantile_levels": [0.5]}},
}  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    return [at, *(p for key, v in inner for p in places(v, (*at, key)))]


def put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    made = dict(value) if isinstance(value, dict) else list(value)
    made[at[0]] = put(value[at[0]], at[1:], new)
    return made


@given(data=st.data())
@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_law_whatever_is_posted_is_answered_or_refused(daily, data):
    """One place of a good body becomes anything at all; or the body is anything, or any bytes: never our bug."""
    path = data.draw(st.sampled_from(sorted(SHAPES)))
    good = SHAPES[path]
    at = data.draw(st.sampled_from(places(good)))
    text = json.dumps(put(good, at, data.draw(ANYTHING)))
    body = data.draw(st.sampled_from([text, text, text, text[: len(text) // 2]]) | st.binary(max_size=40))
    response = daily("POST", path.rstrip("?"), content=body)
    told = response.json()
    assert response.status_code < 500, (path, body, told)
    if response.status_code >= 400:
        assert told["error"]
        assert "where" in told or path.startswith("/v2")
    else:
        assert "NaN" not in response.text


TYPED: dict[Any, list[Any]] = {
    pa.float64(): [1.0, None, 1e308, float("nan"), float("inf")],
    pa.int64(): [0, None, 2**62, 7],
    pa.string(): ["7", None, "2024-01-01", ""],
    pa.bool_(): [True, None],
    pa.list_(pa.float64()): [[1.0, 2.0], [], None],
    pa.timestamp("s"): [0, None, 2**40, 10**11],
    pa.timestamp("ns", "UTC"): [0, None, 10**18],
    pa.date32(): [0, 9999999],
    pa.list_(pa.string()): [["a"], None],
    pa.uint64(): [2**64 - 1, 1],
    pa.null(): [None],
    pa.binary(): [b"\xff", None],
    pa.float16(): [np.float16(1.0), None],
}
COLUMNS = ["y", "id", "start", "time", "past_a", "static_b", "known_c", "z"]


@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_law_any_arrow_table_is_answered_or_refused(daily, data):
    size = data.draw(st.integers(0, 3))
    columns = {}
    for name in ["y", *data.draw(st.lists(st.sampled_from(COLUMNS[1:]), unique=True))]:
        kind = data.draw(st.sampled_from(list(TYPED)))
        columns[name] = pa.array([data.draw(st.sampled_from(TYPED[kind])) for _ in range(size)], kind)
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = bytes(sink.getvalue())
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(content)))
        content = content[:cut] + data.draw(st.binary(max_size=8)) + content[cut + 4 :]
    headers = {"content-type": ARROW, "accept": "application/json"}
    response = daily("POST", "/v1/forecast", content=content, headers=headers)
    assert response.status_code < 500, (table, response.text)
