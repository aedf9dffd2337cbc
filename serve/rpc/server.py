"""A gRPC server that asks an endpoint over HTTP: tensors go through as raw bytes, answers are the endpoint's own."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from typing import Any, Self
from urllib.parse import quote, urlsplit

import grpc
import numpy as np

from serve.protocol.request import RequestLimits
from serve.rpc.messages import METHODS, SERVICE, message
from zoo.errors import ConfigError

__all__ = ["Rpc"]

_THREADS = 16
_LONGEST = 120.0  # seconds of a request without a deadline
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT, 401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED, 404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED, 408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.INVALID_ARGUMENT, 415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT, 507: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED, 503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}  # fmt: skip
#: Datatype -> the field of its values, and how they lie in raw bytes.
_CONTENTS = {
    "INT8": ("int_contents", "<i1"), "INT16": ("int_contents", "<i2"), "INT32": ("int_contents", "<i4"),
    "INT64": ("int64_contents", "<i8"), "UINT8": ("uint_contents", "<u1"), "UINT16": ("uint_contents", "<u2"),
    "UINT32": ("uint_contents", "<u4"), "UINT64": ("uint64_contents", "<u8"),
    "FP32": ("fp32_contents", "<f4"), "FP64": ("fp64_contents", "<f8"),
}  # fmt: skip


class _Refused(Exception):
    """What the client is told."""

    def __init__(self, code: grpc.StatusCode, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Rpc:
    """A running server; a context manager that ends it.

    Args:
        url: The address of the endpoint that is asked.
        address: ``host:port`` to listen at; port 0 for a free one.
        max_bytes: Bytes that a message may have, as a body of HTTP by default.

    Raises:
        ConfigError: Nothing can listen there.
    """

    def __init__(self, url: str, address: str = "127.0.0.1:0", *, max_bytes: int = RequestLimits.body) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._local = threading.local()
        sizes = [("grpc.max_receive_message_length", max_bytes), ("grpc.max_send_message_length", -1)]
        # Without this a second server would share the port in silence.
        options = [*sizes, ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc"), options=options)
        answers = {name: getattr(self, f"_{name}") for name in METHODS}
        handlers = {name: self._handler(name, answer) for name, answer in answers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigError(f"gRPC must be able to listen at {address}, but {error}", "is the port taken?") from None
        #: Where it listens.
        self.address = f"{address.rpartition(':')[0]}:{port}"
        self._server.start()

    def stop(self, patience: float = 5.0) -> None:
        """Take no more requests, and wait for those under way, at most so many seconds."""
        self._server.stop(patience).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _handler(self, name: str, answer: Callable[[Any, Any], Any]) -> Any:
        def answered(request: Any, context: Any) -> Any:
            try:
                return answer(request, context)
            except _Refused as refused:
                context.abort(refused.code, refused.words)

        return grpc.unary_unary_rpc_method_handler(
            answered,
            request_deserializer=message(f"{name}Request").FromString,
            response_serializer=message(f"{name}Response").SerializeToString,
        )

    def _ServerLive(self, request: Any, context: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    def _ServerReady(self, request: Any, context: Any) -> Any:
        return message("ServerReadyResponse")(ready=self._ready("/v2/health/ready", context))

    def _ModelReady(self, request: Any, context: Any) -> Any:
        return message("ModelReadyResponse")(
            ready=self._ready(f"{_path(request.name, request.version)}/ready", context)
        )

    def _ServerMetadata(self, request: Any, context: Any) -> Any:
        return message("ServerMetadataResponse")(**self._asked("GET", "/v2", context)[0])

    def _ModelMetadata(self, request: Any, context: Any) -> Any:
        return message("ModelMetadataResponse")(**self._asked("GET", _path(request.name, request.version), context)[0])

    def _ModelInfer(self, request: Any, context: Any) -> Any:
        head, raw = _read(request)
        body = json.dumps(head).encode()
        headers = {"Inference-Header-Content-Length": str(len(body))}
        path = f"{_path(request.model_name, request.model_version)}/infer"
        told, rest = self._asked("POST", path, context, b"".join([body, *raw]), headers)
        return _written(told, rest)

    def _ready(self, path: str, context: Any) -> bool:
        try:
            return bool(self._asked("GET", path, context)[0].get("ready"))
        except _Refused as refused:
            if refused.code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE):
                return False
            raise

    def _asked(
        self, method: str, path: str, context: Any, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Return the JSON of the endpoint's answer, and what follows it; tokens and the deadline go along."""
        sent = dict(headers or {})
        for name, value in context.invocation_metadata():
            if name in ("authorization", "x-request-id", "x-routing-key"):
                sent[name] = value
        left = context.time_remaining()
        if left is not None and left < _LONGEST:
            sent["X-Request-Timeout-Ms"] = str(max(1, int(1000 * left)))
        try:
            response, content = self._sent(method, path, body, sent)
        except (OSError, HTTPException) as error:
            raise _Refused(grpc.StatusCode.UNAVAILABLE, f"the endpoint does not answer: {error}") from None
        length = response.getheader("inference-header-content-length")
        head, rest = (content, b"") if length is None else (content[: int(length)], content[int(length) :])
        try:
            told = json.loads(head)
        except ValueError:
            told = {"error": head[:200].decode(errors="replace")}
        if response.status != 200 and "ready" not in told:
            words = str(told.get("error", response.reason))
            raise _Refused(_CODES.get(response.status, grpc.StatusCode.INTERNAL), words)
        return told, rest

    def _sent(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[Any, bytes]:
        """Send on this thread's connection; a new one if the endpoint has closed it meanwhile."""
        kept: HTTPConnection | None = getattr(self._local, "connection", None)
        for connection in filter(None, (kept, HTTPConnection(self._host, self._port, timeout=_LONGEST))):
            self._local.connection = connection
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                return response, response.read()
            except (OSError, HTTPException):
                connection.close()
                self._local.connection = None
                if connection is not kept:
                    raise
        raise AssertionError("the second connection returns or raises")


def _path(name: str, version: str) -> str:
    return f"/v2/models/{quote(name, safe='')}" + (f"/versions/{quote(version, safe='')}" if version else "")


def _read(request: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Return the JSON of an infer request, and the raw bytes of its tensors."""
    given = list(request.raw_input_contents)
    if given and len(given) != len(request.inputs):
        words = f"raw_input_contents must have an entry per input, but got {len(given)} for {len(request.inputs)}"
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, words)
    both = next((t.name for t in request.inputs if given and t.HasField("contents") and t.contents.ByteSize()), None)
    if both is not None:
        words = f"an input must have contents or raw contents, but {both!r} has both"
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, words)
    raw = given or [_packed(tensor) for tensor in request.inputs]
    inputs = [
        {"name": t.name, "datatype": t.datatype, "shape": list(t.shape), "parameters": {"binary_data_size": len(part)}}
        for t, part in zip(request.inputs, raw, strict=True)
    ]
    parameters = {name: _plain(value) for name, value in request.parameters.items()}
    head: dict[str, Any] = {"inputs": inputs, "parameters": {**parameters, "binary_data_output": True}}
    if request.outputs:
        head["outputs"] = [{"name": out.name, "parameters": {"binary_data": True}} for out in request.outputs]
    return head | ({"id": request.id} if request.id else {}), raw


def _plain(parameter: Any) -> Any:
    chosen = parameter.WhichOneof("parameter_choice")
    return None if chosen is None else getattr(parameter, chosen)


def _packed(tensor: Any) -> bytes:
    wanted = "bytes_contents" if tensor.datatype == "BYTES" else _CONTENTS.get(tensor.datatype, ("", ""))[0]
    other = next((f.name for f, _ in tensor.contents.ListFields() if wanted and f.name != wanted), None)
    if other is not None:
        words = f"input {tensor.name!r} of {tensor.datatype} must come in {wanted}, but came in {other}"
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, words)
    if tensor.datatype == "BYTES":
        return b"".join(struct.pack("<I", len(text)) + text for text in tensor.contents.bytes_contents)
    if tensor.datatype not in _CONTENTS:
        words = f"the datatype must be one of {[*_CONTENTS, 'BYTES']}, but {tensor.name!r} has {tensor.datatype!r}"
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, words)
    field, kind = _CONTENTS[tensor.datatype]
    try:
        # Of Python's numbers numpy refuses those that do not fit; of protobuf's own container it would cut bits off.
        return np.array(list(getattr(tensor.contents, field)), dtype=kind).tobytes()
    except OverflowError as error:
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"input {tensor.name!r}: {error}") from None


def _written(told: dict[str, Any], rest: bytes) -> Any:
    response = message("ModelInferResponse")(
        model_name=told["model_name"], model_version=told["model_version"], id=told.get("id", "")
    )
    at = 0
    for one in told["outputs"]:
        response.outputs.add(name=one["name"], datatype=one["datatype"], shape=one["shape"])
        size = one["parameters"]["binary_data_size"]
        response.raw_output_contents.append(rest[at : at + size])
        at += size
    return response
