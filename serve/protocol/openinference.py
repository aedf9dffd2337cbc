"""The Open Inference Protocol, version 2 (KServe, Triton), with Triton's binary tensors.

Inputs: ``y`` (FP64, all series one after the other, or (S, T)), ``sizes`` (INT64, S), ``ids`` and ``start`` (BYTES),
``known.NAME`` (S, H), ``past.NAME`` (as y), ``static.NAME`` (S), ``quantiles`` (FP64), ``horizon`` (INT64). Outputs:
``mean`` (S, H), ``quantiles`` (S, H, Q), ``levels`` (Q), ``ids`` (S), ``time`` (S, H).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from serve.protocol.answer import Answer, dumps
from serve.protocol.errors import RequestError
from serve.protocol.request import ForecastRequest, Limits, check_limits, flat_series, validated
from serve.protocol.sagemaker import refuse_partial

__all__ = ["SERVER", "Asked", "metadata", "parse", "write"]

SERVER = {"name": "zoo-autots", "version": "1", "extensions": ["binary_tensor_data"]}
_TYPES = {
    "FP64": "<f8", "FP32": "<f4", "FP16": "<f2", "INT64": "<i8", "INT32": "<i4", "INT16": "<i2", "INT8": "<i1",
    "UINT64": "<u8", "UINT32": "<u4", "UINT16": "<u2", "UINT8": "<u1",
}  # fmt: skip
_OUTPUTS = ("mean", "quantiles", "levels", "ids", "time")


class _Tensor(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class _Output(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    parameters: dict[str, Any] = {}


class _Infer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[_Tensor] = Field(min_length=1)
    outputs: list[_Output] = []


@dataclass(frozen=True)
class Asked:
    """An infer request.

    Args:
        request: What it means.
        id: To be echoed.
        model: The model's name in the path.
        outputs: Which to give, and whether each as raw bytes.
    """

    request: ForecastRequest
    id: str | None
    model: str
    outputs: Mapping[str, bool]


def metadata(name: str, versions: Sequence[str], levels: Sequence[float], horizon: int) -> dict[str, Any]:
    """Return what a model takes and gives."""

    def tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
        return {"name": name, "datatype": datatype, "shape": shape}

    return {
        "name": name,
        "versions": list(versions),
        "platform": "zoo-autots",
        "inputs": [
            tensor("y", "FP64", [-1]),
            tensor("sizes", "INT64", [-1]),
            tensor("ids", "BYTES", [-1]),
            tensor("start", "BYTES", [-1]),
        ],
        "outputs": [
            tensor("mean", "FP64", [-1, horizon]),
            tensor("quantiles", "FP64", [-1, horizon, len(levels)]),
            tensor("levels", "FP64", [len(levels)]),
            tensor("ids", "BYTES", [-1]),
            tensor("time", "BYTES", [-1, horizon]),
        ],
    }


def parse(body: bytes, model: str, limits: Limits, *, header: int | None = None) -> Asked:
    """Read an infer request.

    Args:
        body: JSON, followed by raw tensors where some are binary.
        model: ``name`` or ``name@version`` of the path.
        limits: Of a request.
        header: Bytes of the JSON, if there is more behind it.

    Raises:
        RequestError: It does not follow the protocol.
    """
    head, rest = (body, b"") if header is None else (body[:header], body[header:])
    infer = validated(lambda: _Infer.model_validate_json(head))
    tensors: dict[str, Any] = {}
    for i, tensor in enumerate(infer.inputs):
        try:
            tensors[tensor.name], rest = _values(tensor, rest)
        except (ValueError, TypeError, struct.error, OverflowError) as error:
            raise RequestError(f"input {tensor.name!r} cannot be read: {error}", "", f"inputs[{i}]") from None
    try:
        request = _meaning(tensors, infer.parameters, model, limits)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise RequestError(f"the inputs do not fit: {error}", "see the model's metadata", "inputs") from None
    default = bool(infer.parameters.get("binary_data_output"))
    wanted = {out.name: bool(out.parameters.get("binary_data", default)) for out in infer.outputs}
    unknown = sorted(set(wanted) - set(_OUTPUTS))
    if unknown:
        raise RequestError(f"outputs must be among {list(_OUTPUTS)}, but got {unknown}", "", "outputs")
    return Asked(request, infer.id, model.partition("@")[0], wanted or dict.fromkeys(_OUTPUTS, default))


def _values(tensor: _Tensor, rest: bytes) -> tuple[Any, bytes]:
    """Return the values of a tensor, and the raw bytes behind them."""
    size = math.prod(tensor.shape)
    if size < 0 or size > 2**31 or any(n < 0 for n in tensor.shape):
        raise ValueError(f"the shape {tensor.shape} is impossible")
    raw = tensor.parameters.get("binary_data_size")
    if raw is not None:
        if tensor.data is not None or not isinstance(raw, int) or not 0 <= raw <= len(rest):
            raise ValueError("its binary size does not fit the body")
        values: Any = _texts(rest[:raw]) if tensor.datatype == "BYTES" else np.frombuffer(rest[:raw], _dtype(tensor))
        rest = rest[raw:]
    elif tensor.datatype == "BYTES":
        values = list(np.array(tensor.data, dtype=object).ravel())
        if not all(isinstance(v, str) for v in values):
            raise ValueError("BYTES in JSON must be text")
    else:
        flat = np.array(tensor.data, dtype=object).ravel()
        if any(isinstance(v, str | bool | list | dict) for v in flat):
            raise ValueError("data must be numbers")
        values = flat.astype(np.float64).astype(_dtype(tensor)) if tensor.datatype.startswith("FP") else flat.astype(
            np.dtype(_dtype(tensor)))  # fmt: skip
    if len(values) != size:
        raise ValueError(f"the shape {tensor.shape} needs {size} values, but got {len(values)}")
    return (values if tensor.datatype == "BYTES" else values.reshape(tensor.shape)), rest


def _dtype(tensor: _Tensor) -> str:
    if tensor.datatype not in _TYPES:
        raise ValueError(f"the datatype must be one of {[*_TYPES, 'BYTES']}, but is {tensor.datatype!r}")
    return _TYPES[tensor.datatype]


def _texts(raw: bytes) -> list[str]:
    out, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4 + length
        if at > len(raw):
            raise ValueError("a text is cut off")
        out.append(raw[at - length : at].decode("utf-8"))
    return out


def _meaning(tensors: Mapping[str, Any], parameters: Mapping[str, Any], model: str, limits: Limits) -> ForecastRequest:
    def tensor(name: str) -> Any:
        return tensors.get(name)

    ids, y, sizes = tensor("ids"), tensor("y"), tensor("sizes")
    if y is None and ids is None:
        raise RequestError("the inputs must have y, or ids to forecast from the state", "", "inputs")
    if y is not None and (isinstance(y, list) or y.dtype.kind not in "fiu"):
        raise RequestError("y must be numbers", "", "inputs")
    if y is not None and sizes is None:
        sizes = np.array([y.shape[1]] * y.shape[0] if y.ndim == 2 else [y.size])
    start = tensor("start")
    if start is not None:
        starts = [str(s) if isinstance(s, str) else int(s) for s in np.asarray(start, dtype=object).ravel().tolist()]
        start = starts[0] if len(starts) == 1 else starts
    if y is None:
        series = [replace(one, y=None) for one in flat_series(ids, np.zeros(len(ids)), np.ones(len(ids), int), None)]
    else:
        counts = np.asarray(sizes).ravel().astype(np.int64)
        if (counts < 1).any():
            raise RequestError("sizes must be at least 1", "", "inputs")
        values = y.ravel().astype(np.float64)
        if np.isinf(values).any():
            raise RequestError("y must be finite, or NaN where missing", "", "inputs")
        series = flat_series(ids, values, counts, start)
    check_limits(series, limits)
    covariates = [name for name in tensors if name.partition(".")[0] in ("known", "past", "static") and "." in name]
    if covariates:
        series = [_with_covariates(one, i, series, tensors, covariates) for i, one in enumerate(series)]
    quantiles = tensor("quantiles")
    if quantiles is None and isinstance(parameters.get("quantiles"), str):
        quantiles = np.array([float(q) for q in str(parameters["quantiles"]).split(",")])
    levels = None if quantiles is None else tuple(sorted({float(q) for q in np.asarray(quantiles).ravel()}))
    if levels is not None and not all(0 < q < 1 for q in levels):
        raise RequestError("quantiles must lie between 0 and 1", "", "inputs")
    steps = tensor("horizon")
    horizon = parameters.get("horizon") if steps is None else int(np.asarray(steps).ravel()[0])
    if horizon is not None and (isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1):
        raise RequestError(f"horizon must be a whole number above 0, but got {horizon!r}", "", "parameters.horizon")
    return ForecastRequest(series, horizon, levels, model)


def _with_covariates(one: Any, i: int, series: Sequence[Any], tensors: Mapping[str, Any], names: Sequence[str]) -> Any:
    begin = sum(0 if s.y is None else len(s.y) for s in series[:i])
    end = begin + (0 if one.y is None else len(one.y))
    known, past, static = {}, {}, {}
    for name in names:
        role, _, column = name.partition(".")
        values = np.asarray(tensors[name], dtype=object)
        if role == "past":
            past[column] = values.ravel()[begin:end].tolist()
        elif len(series) != len(values.reshape(len(series), -1) if values.size % len(series) == 0 else ()):
            raise RequestError(f"{name} must have a row per series", "", "inputs")
        elif role == "known":
            known[column] = values.reshape(len(series), -1)[i].tolist()
        else:
            static[column] = values.ravel()[i]
    return replace(one, known=known, past=past, static=static)


def write(answer: Answer, asked: Asked) -> tuple[bytes, int | None]:
    """Return the body, and the bytes of its JSON where raw tensors follow.

    Raises:
        RequestError: A series has no forecast: the shapes have no place for that.
    """
    refuse_partial(answer)
    made = answer.forecasts[0]
    tensors: dict[str, tuple[str, list[int], Any]] = {
        "mean": ("FP64", list(made.mean.shape), made.mean),
        "quantiles": ("FP64", list(made.quantiles.shape), made.quantiles),
        "levels": ("FP64", [len(answer.levels)], np.array(answer.levels)),
        "ids": ("BYTES", [len(made.ids)], list(made.ids)),
        "time": ("BYTES", list(made.mean.shape), [str(t) for row in made.times for t in row]),
    }
    outputs, raw = [], []
    for name, binary in asked.outputs.items():
        datatype, shape, values = tensors[name]
        told: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
        if binary:
            packed = _packed(values) if datatype == "BYTES" else np.ascontiguousarray(values, dtype="<f8").tobytes()
            raw.append(packed)
            told["parameters"] = {"binary_data_size": len(packed)}
        else:
            told["data"] = values if datatype == "BYTES" else np.ascontiguousarray(values, dtype=np.float64).ravel()
        outputs.append(told)
    body = {"model_name": asked.model, "model_version": answer.version, "outputs": outputs}
    if asked.id is not None:
        body["id"] = asked.id
    head = dumps(body)
    return (b"".join([head, *raw]), len(head)) if raw else (head, None)


def _packed(texts: Sequence[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
