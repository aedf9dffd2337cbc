"""The Open Inference Protocol over gRPC: the same answers as over HTTP, errors as gRPC's own codes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from serve.testing.caller import Caller
from zoo.errors import ConfigError

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (the extra 'grpc')")
from serve.rpc import SERVICE, Rpc, message  # noqa: E402  # only where gRPC is


@pytest.fixture(scope="module")
def url(call: Caller) -> Iterator[str]:
    import uvicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(call.app.api, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def ask(url: str) -> Iterator[Any]:
    with Rpc(url) as rpc, grpc.insecure_channel(rpc.address) as channel:

        def ask(call: str, **fields: Any) -> Any:
            method = channel.unary_unary(
                f"/{SERVICE}/{call}",
                request_serializer=message(f"{call}Request").SerializeToString,
                response_deserializer=message(f"{call}Response").FromString,
            )
            return method(message(f"{call}Request")(**fields), timeout=30)

        yield ask


def tensor(name: str, kind: str, shape: list[int], **contents: Any) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": shape, "contents": contents}


def outputs(answer: Any) -> dict[str, Any]:
    pairs = zip(answer.outputs, answer.raw_output_contents, strict=True)
    return {o.name: np.frombuffer(raw, "<f8").reshape(o.shape) for o, raw in pairs if o.datatype == "FP64"}


def test_health_and_metadata_are_those_of_the_endpoint(ask: Any, pipeline: Any):
    assert ask("ServerLive").live
    assert ask("ServerReady").ready
    assert ask("ModelReady", name="hours").ready
    assert not ask("ModelReady", name="nobody").ready
    assert ask("ServerMetadata").name == "zoo-autots"
    told = ask("ModelMetadata", name="hours")
    assert [t.name for t in told.inputs] == ["y", "sizes", "ids", "start"]
    assert list(told.outputs[0].shape) == [-1, pipeline.horizon]


def test_contents_and_raw_bytes_give_the_answer_of_http_to_the_last_bit(ask: Any, call: Caller):
    y = 20 + np.arange(48) % 24.0
    want = call.forecast(model="hours", series=[{"id": "new", "start": "2024-01-01T00:00:00", "y": y.tolist()}])
    typed = [
        tensor("y", "FP64", [1, 48], fp64_contents=y.tolist()),
        tensor("ids", "BYTES", [1], bytes_contents=[b"new"]),
        tensor("start", "BYTES", [1], bytes_contents=[b"2024-01-01T00:00:00"]),
    ]
    made = ask("ModelInfer", model_name="hours", id="mine", inputs=typed)
    assert (made.id, made.model_name, made.model_version) == ("mine", "hours", want["model_version"])
    assert outputs(made)["mean"].tolist() == [want["forecasts"][0]["mean"]]
    bare = [{"name": "y", "datatype": "FP64", "shape": [1, 48]}]
    only = ask("ModelInfer", model_name="hours", inputs=bare, outputs=[{"name": "mean"}],
               raw_input_contents=[y.astype("<f8").tobytes()], parameters={"horizon": {"int64_param": 3}})  # fmt: skip
    assert list(outputs(only)) == ["mean"]
    assert outputs(only)["mean"].tolist() == [want["forecasts"][0]["mean"][:3]]


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"model_name": "nobody", "inputs": [tensor("ids", "BYTES", [1], bytes_contents=[b"H1"])]}, "NOT_FOUND", "nob"),
        ({"model_name": "hours", "inputs": []}, "INVALID_ARGUMENT", ""),
        ({"model_name": "hours", "inputs": [tensor("y", "FP8", [1])]}, "INVALID_ARGUMENT", "FP8"),
        ({"model_name": "hours", "inputs": [tensor("y", "FP64", [3], fp64_contents=[1])]}, "INVALID_ARGUMENT", "3 val"),
        ({"model_name": "hours", "inputs": [tensor("y", "INT8", [1], int_contents=[300])]}, "INVALID_ARGUMENT", "300"),
        ({"model_name": "hours", "inputs": [], "raw_input_contents": [b"x"]}, "INVALID_ARGUMENT", "per input"),
        ({"model_name": "../../v1", "inputs": [tensor("y", "FP64", [1], fp64_contents=[1])]}, "NOT_FOUND", ""),
    ],
)
def test_what_does_not_fit_is_an_error_of_the_caller(ask: Any, fields: dict[str, Any], code: str, words: str):
    with pytest.raises(grpc.RpcError) as error:
        ask("ModelInfer", **fields)
    assert error.value.code().name == code, error.value.details()
    assert words in error.value.details()


Y = ("y", "FP64", [2])


@pytest.mark.parametrize(
    ("inputs", "more", "words"),
    [
        (
            [tensor(*Y, fp64_contents=[1, 2]), tensor("known_price", "FP64", [2], fp64_contents=[1, 2])],
            {},
            "known_price",
        ),
        ([tensor(*Y, fp64_contents=[1, 2]), tensor("known.x", "FP64", [1], fp64_contents=[1])], {}, "known.x"),
        ([tensor(*Y, fp64_contents=[1, 2]), tensor(*Y, fp64_contents=[1, 2])], {}, "twice"),
        ([tensor(*Y, fp64_contents=[1, 2]), tensor("horizon", "FP64", [1], fp64_contents=[2.7])], {}, "2.7"),
        ([tensor(*Y, int64_contents=[1, 2])], {}, "int64_contents"),
        ([tensor("ids", "FP64", [1], fp64_contents=[7])], {}, "ids"),
        ([tensor(*Y, fp64_contents=[1, 2])], {"raw_input_contents": [bytes(16)]}, "both"),
        ([tensor(*Y, fp64_contents=[1, 2])], {"parameters": {"horizon": {"string_param": "2"}}}, "horizon"),
    ],
)
def test_what_cannot_be_meant_is_refused_as_over_http(ask: Any, inputs: list[Any], more: dict[str, Any], words: str):
    with pytest.raises(grpc.RpcError) as error:
        ask("ModelInfer", model_name="hours", inputs=inputs, **more)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in error.value.details()


def test_ids_may_have_the_usual_batch_dimension(ask: Any):
    names = tensor("ids", "BYTES", [2, 1], bytes_contents=[b"H0", b"H1"])
    made = ask("ModelInfer", model_name="hours", inputs=[names])
    raw = {o.name: r for o, r in zip(made.outputs, made.raw_output_contents, strict=True)}
    assert raw["ids"] == b"\x02\x00\x00\x00H0\x02\x00\x00\x00H1"


def test_an_endpoint_that_is_gone_is_unavailable_and_a_taken_port_is_told(url: str):
    with Rpc("http://127.0.0.1:9") as rpc, grpc.insecure_channel(rpc.address) as channel:
        method = channel.unary_unary(
            f"/{SERVICE}/ServerMetadata", response_deserializer=message("ServerMetadataResponse").FromString
        )
        with pytest.raises(grpc.RpcError) as error:
            method(b"", timeout=10)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(ConfigError, match="listen"):
            Rpc(url, rpc.address)
