"""The Open Inference Protocol, version 2 (KServe, Triton), with Triton's binary tensors.

Inputs: ``y`` (FP64, all series one after the other, or (S, T)), ``sizes`` (INT64, S), ``ids`` and ``start`` (BYTES or
INT64), ``known.NAME`` (S, H), ``past.NAME`` (as y), ``static.NAME`` (S), ``quantiles`` (FP64), ``horizon`` (INT64);
what has a value per series may have the usual batch dimension, (S, 1). Outputs: ``mean`` (S, H), ``quantiles``
(S, H, Q), ``levels`` (Q), ``ids`` (S), ``time`` (S, H). An input that nobody knows is refused, not left out.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from serve.protocol.answer import Answer, dumps
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown
from serve.protocol.request import ForecastRequest, RequestLimits, Series, check_limits, flat_series, validated
from serve.protocol.sagemaker import refuse_partial
from serve.protocol.tensors import Tensor, packed, per_series, read, whole

__all__ = ["SERVER", "Asked", "Covariates", "InferBody", "metadata", "parse", "write"]

#: ``known``, ``past``, ``static`` -> names that a model has.
Covariates: TypeAlias = Mapping[str, Collection[str]]

SERVER = {"name": "zoo-autots", "version": "1", "extensions": ["binary_tensor_data"]}
_INPUTS = ("y", "sizes", "ids", "start", "quantiles", "horizon")
_ROLES = ("known", "past", "static")
_LONGEST_ID = 500  # characters
_OUTPUTS = ("mean", "quantiles", "levels", "ids", "time")


class _Output(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    parameters: dict[str, Any] = {}


class InferBody(BaseModel):
    """``POST /v2/models/NAME/infer``: tensors, those with ``binary_data_size`` behind the JSON."""

    model_config = ConfigDict(extra="ignore")
    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[Tensor] = Field(min_length=1)
    outputs: list[_Output] = []


@dataclass(frozen=True)
class Asked:
    """An infer request.

    Args:
        request: What is asked for, in our own words.
        id: The client's own id, which the answer repeats; None without one.
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


def parse(
    body: bytes, model: str, limits: RequestLimits, *, header: int | None = None, covariates: Covariates | None = None
) -> Asked:
    """Read an infer request.

    Args:
        body: JSON, followed by raw tensors where some are binary.
        model: ``name`` or ``name@version`` of the path.
        limits: What one request may ask for.
        header: Bytes of the JSON, if there is more behind it.
        covariates: Role -> names that the model has; None to leave that to those who read the series.

    Raises:
        RequestError: It does not follow the protocol.
    """
    if header is not None and header > len(body):
        told = f"the JSON must lie within the body of {len(body)} bytes, but its length is told as {header}"
        raise RequestError(told, "", "inference-header-content-length", 400)
    head, rest = (body, b"") if header is None else (body[:header], body[header:])
    infer = validated(lambda: InferBody.model_validate_json(head))
    tensors: dict[str, Any] = {}
    for i, tensor in enumerate(infer.inputs):
        _check_name(tensor.name, tensors, f"inputs[{i}]", covariates)
        try:
            tensors[tensor.name], rest = read(tensor, rest)
        except (ValueError, TypeError, struct.error, OverflowError) as error:
            raise RequestError(f"input {tensor.name!r} cannot be read: {error}", "", f"inputs[{i}]") from None
    if rest:
        raise RequestError(f"raw tensors must fill the body, but {len(rest)} bytes are left", "", "inputs", 400)
    try:
        request = _meaning(tensors, infer.parameters, model, limits)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise RequestError(f"the inputs do not fit: {error}", "see the model's metadata", "inputs") from None
    default = infer.parameters.get("binary_data_output", False) is True
    wanted = {out.name: out.parameters.get("binary_data", default) is True for out in infer.outputs}
    unknown = sorted(set(wanted) - set(_OUTPUTS))
    if unknown:
        raise RequestError(f"outputs must be among {list(_OUTPUTS)}, but got {[shown(n) for n in unknown]}", "",
                           "outputs")  # fmt: skip
    return Asked(request, infer.id, model.partition("@")[0], wanted or dict.fromkeys(_OUTPUTS, default))


def _check_name(name: str, before: Mapping[str, Any], where: str, covariates: Covariates | None) -> None:
    if name in before:
        raise RequestError(f"every input must come once, but {shown(name)} comes twice", "", where, 400)
    role, dot, column = name.partition(".")
    if name in _INPUTS or (dot and role in _ROLES and (covariates is None or column in covariates.get(role, ()))):
        return
    have = ", ".join(f"{role}.{n}" for role in _ROLES for n in (covariates or {}).get(role, ()))
    raise RequestError(
        f"inputs must be {', '.join(_INPUTS)} or covariates of the model, but {shown(name)} is none",
        f"its covariates: {have}" if have else "this model has no covariates",
        where,
        400,
    )


def _meaning(
    tensors: Mapping[str, Any], parameters: Mapping[str, Any], model: str, limits: RequestLimits
) -> ForecastRequest:
    ids, y = tensors.get("ids"), tensors.get("y")
    if y is None and ids is None:
        raise RequestError("the inputs must have y, or ids to forecast from the state", "", "inputs")
    names = None if ids is None else [_id(v) for v in per_series(ids, "ids", whole_numbers=True)]
    if y is None:
        assert names is not None
        beside = sorted(name for name in tensors if name in ("sizes", "start") or name.startswith("past."))
        if beside:
            raise RequestError(f"{beside[0]} must come with y, but y is missing", "leave it out", beside[0], 400)
        count = len(names)
        series = [replace(one, y=None) for one in flat_series(names, np.zeros(count), np.ones(count, int), None)]
    else:
        series = _of_values(y, names, tensors)
    check_limits(series, limits)
    covariates = [name for name in tensors if name not in _INPUTS]
    if covariates:
        series = [_with_covariates(one, i, series, tensors, covariates) for i, one in enumerate(series)]
    return ForecastRequest(series, _horizon(tensors, parameters), _levels(tensors, parameters), model)


def _id(value: Any) -> str:
    text = str(value)
    if not 0 < len(text) <= _LONGEST_ID:
        raise RequestError(f"an id must have 1 to {_LONGEST_ID} characters, but one has {len(text)}", "", "ids", 400)
    return text


def _of_values(y: Any, names: Sequence[str] | None, tensors: Mapping[str, Any]) -> list[Series]:
    if y.dtype.kind not in "fiu":
        raise RequestError("y must be numbers", "", "inputs")
    given, start = tensors.get("sizes"), tensors.get("start")
    shape = [n for n in y.shape if n != 1] if y.ndim > 2 else list(y.shape)
    if given is not None:
        if given.dtype.kind not in "iu":
            raise RequestError("sizes must be of an INT type", "", "sizes", 400)
        sizes = np.array(per_series(given, "sizes"), dtype=np.int64)
        if (sizes < 1).any():
            raise RequestError("sizes must be at least 1", "", "inputs")
    elif len(shape) > 2:
        raise RequestError(f"y must be of shape (S, T), or flat with sizes, but is {list(y.shape)}", "", "y", 400)
    else:
        sizes = np.array([shape[1]] * shape[0] if len(shape) == 2 else [y.size])
    values = y.ravel().astype(np.float64)
    if np.isinf(values).any():
        raise RequestError("y must be finite, or NaN where missing", "", "inputs")
    starts: Any = None if start is None else per_series(start, "start", whole_numbers=True)
    return flat_series(names, values, sizes, starts[0] if starts is not None and len(starts) == 1 else starts)


def _levels(tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[float, ...] | None:
    given, told = tensors.get("quantiles"), parameters.get("quantiles")
    if given is not None and told is not None:
        raise RequestError("quantiles must be an input or a parameter, but are both", "", "parameters.quantiles", 400)
    if told is not None:
        if not isinstance(told, str):
            raise RequestError("quantiles must be text, such as '0.1,0.9'", "", "parameters.quantiles", 400)
        given = np.array([float(q) for q in told.split(",")])
    if given is None:
        return None
    if given.dtype.kind not in "fiu":
        raise RequestError("quantiles must be numbers", "", "quantiles", 400)
    levels = tuple(sorted({float(q) for q in given.ravel()}))
    if not levels or not all(0 < q < 1 for q in levels):
        raise RequestError("quantiles must lie between 0 and 1", "", "inputs")
    return levels


def _horizon(tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> int | None:
    steps, told = tensors.get("horizon"), parameters.get("horizon")
    if steps is not None and told is not None:
        raise RequestError("horizon must be an input or a parameter, but is both", "", "parameters.horizon", 400)
    horizon = told if steps is None else whole(steps, "horizon")
    if horizon is not None and (isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1):
        raise RequestError(
            f"horizon must be a whole number above 0, but got {shown(horizon)}", "", "parameters.horizon", 400
        )
    return horizon


def _with_covariates(one: Any, i: int, series: Sequence[Any], tensors: Mapping[str, Any], names: Sequence[str]) -> Any:
    begin = sum(0 if s.y is None else len(s.y) for s in series[:i])
    length = 0 if one.y is None else len(one.y)
    known, past, static = {}, {}, {}
    for name in names:
        role, _, column = name.partition(".")
        values = tensors[name]
        if role == "past":
            total = sum(0 if s.y is None else len(s.y) for s in series)
            if values.size != total:
                told = f"{name} must have a value per value of y ({total}), but has {values.size}"
                raise RequestError(told, "", name, 400)
            past[column] = values.ravel()[begin : begin + length].tolist()
        elif role == "known":
            if values.size % len(series) or (values.ndim > 1 and values.shape[0] != len(series)):
                raise RequestError(f"{name} must have a row per series, but is of shape {list(values.shape)}", "", name,
                                   400)  # fmt: skip
            known[column] = values.reshape(len(series), -1)[i].tolist()
        else:
            found = per_series(values, name)
            if len(found) != len(series):
                raise RequestError(f"{name} must have a value per series, but has {len(found)}", "", name, 400)
            static[column] = found[i]
    return replace(one, known=known, past=past, static=static)


def write(answer: Answer, asked: Asked) -> tuple[bytes, int | None]:
    """Return the body, and the bytes of its JSON where raw tensors follow.

    Raises:
        RequestError: A series has no forecast: the shapes have no place for that.
    """
    refuse_partial(answer)
    block = answer.forecasts[0]
    tensors: dict[str, tuple[str, list[int], Any]] = {
        "mean": ("FP64", list(block.mean.shape), block.mean),
        "quantiles": ("FP64", list(block.quantiles.shape), block.quantiles),
        "levels": ("FP64", [len(answer.levels)], np.array(answer.levels)),
        "ids": ("BYTES", [len(block.ids)], list(block.ids)),
        "time": ("BYTES", list(block.mean.shape), [str(t) for row in block.times for t in row]),
    }
    outputs, raw = [], []
    for name, binary in asked.outputs.items():
        datatype, shape, values = tensors[name]
        told: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
        if binary:
            part = packed(values) if datatype == "BYTES" else np.ascontiguousarray(values, dtype="<f8").tobytes()
            raw.append(part)
            told["parameters"] = {"binary_data_size": len(part)}
        else:
            told["data"] = values if datatype == "BYTES" else np.ascontiguousarray(values, dtype=np.float64).ravel()
        outputs.append(told)
    body = {"model_name": asked.model, "model_version": answer.version, "outputs": outputs}
    if asked.id is not None:
        body["id"] = asked.id
    head = dumps(body)
    return (b"".join([head, *raw]), len(head)) if raw else (head, None)
