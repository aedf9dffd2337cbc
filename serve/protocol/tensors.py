"""The tensors of the Open Inference Protocol: JSON or raw bytes -> arrays of what they say, nothing cut off."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from serve.protocol.errors import RequestError
from serve.protocol.iso import shown

__all__ = ["Tensor", "packed", "per_series", "read", "whole"]

_TYPES = {
    "FP64": "<f8", "FP32": "<f4", "FP16": "<f2", "INT64": "<i8", "INT32": "<i4", "INT16": "<i2", "INT8": "<i1",
    "UINT64": "<u8", "UINT32": "<u4", "UINT16": "<u2", "UINT8": "<u1",
}  # fmt: skip
_MOST = 2**31  # elements of one tensor


class Tensor(BaseModel):
    """One input as it is told."""

    model_config = ConfigDict(extra="ignore")
    name: str
    shape: list[Annotated[int, Field(strict=True)]]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


def read(tensor: Tensor, rest: bytes) -> tuple[Any, bytes]:
    """Return the values of a tensor in its shape (texts as an array of objects), and the raw bytes behind them.

    Raises:
        ValueError: The data are not what datatype and shape say.
        RequestError: 400: a number that its datatype cannot hold.
    """
    size = math.prod(tensor.shape)
    if size < 0 or size > _MOST or any(n < 0 for n in tensor.shape):
        raise ValueError(f"the shape {tensor.shape} is impossible")
    raw = tensor.parameters.get("binary_data_size")
    if raw is not None:
        if tensor.data is not None or isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= len(rest):
            raise ValueError("its binary size does not fit the body")
        values: Any = _texts(rest[:raw]) if tensor.datatype == "BYTES" else np.frombuffer(rest[:raw], _dtype(tensor))
        rest = rest[raw:]
    else:
        if tensor.data is None:
            raise ValueError("it has no data")
        flat = _flat(tensor.data)
        values = _of_texts(flat) if tensor.datatype == "BYTES" else _of_numbers(flat, tensor)
    if len(values) != size:
        raise ValueError(f"the shape {tensor.shape} needs {size} values, but got {len(values)}")
    return values.reshape(tensor.shape), rest


def _flat(data: list[Any]) -> list[Any]:
    """Return nested lists as one; an own stack, since a client decides how deep they are."""
    if not any(isinstance(value, list) for value in data):
        return data
    out: list[Any] = []
    stack = [iter(data)]
    while stack:
        for value in stack[-1]:
            if isinstance(value, list):
                stack.append(iter(value))
                break
            out.append(value)
        else:
            stack.pop()
    return out


def _of_texts(flat: list[Any]) -> Any:
    if not all(isinstance(v, str) for v in flat):
        raise ValueError("BYTES in JSON must be text")
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return out


def _of_numbers(flat: list[Any], tensor: Tensor) -> Any:
    kind = np.dtype(_dtype(tensor))
    if any(isinstance(v, str | bool | dict) for v in flat):
        raise ValueError("data must be numbers")
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # told below
            out = np.array([math.nan if v is None else v for v in flat], dtype=np.float64).astype(kind)
        if np.isinf(out).any():
            raise _unfit(tensor, "finite numbers", next(v for v, o in zip(flat, out, strict=True) if math.isinf(o)))
        return out
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    for v in flat:
        if v is None or (isinstance(v, float) and not v.is_integer()) or not least <= v <= most:
            raise _unfit(tensor, f"whole numbers from {least} to {most}", v)
    return np.array([int(v) for v in flat], dtype=kind)


def _unfit(tensor: Tensor, rule: str, value: object) -> RequestError:
    return RequestError(f"input {tensor.name!r} of {tensor.datatype} must hold {rule}, but holds {shown(value)}",
                        "send it in another datatype", tensor.name, 400)  # fmt: skip


def _dtype(tensor: Tensor) -> str:
    if tensor.datatype not in _TYPES:
        raise ValueError(f"the datatype must be one of {[*_TYPES, 'BYTES']}, but is {shown(tensor.datatype)}")
    return _TYPES[tensor.datatype]


def _texts(raw: bytes) -> Any:
    out, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4 + length
        if at > len(raw):
            raise ValueError("a text is cut off")
        out.append(raw[at - length : at].decode("utf-8"))
    return _of_texts(out)


def per_series(values: Any, name: str, *, whole_numbers: bool = False) -> list[Any]:
    """Return one value for each series: of shape (S,), or (S, 1) and (1, S) with the usual batch dimension.

    Args:
        values: The array of a tensor, in its shape.
        name: The name of the tensor, for messages.
        whole_numbers: Whether numbers must be whole: ids, times and sizes.

    Raises:
        RequestError: 400: another shape or kind.
    """
    if sum(n != 1 for n in values.shape) > 1:
        raise RequestError(
            f"{name} must have a value per series, of shape (S,) or (S, 1), but has {list(values.shape)}", "", name, 400
        )
    if whole_numbers and values.dtype.kind not in "Oiu":
        raise RequestError(f"{name} must be BYTES or of an INT type, but is of an FP type", "", name, 400)
    found: list[Any] = values.ravel().tolist()
    return found


def whole(values: Any, name: str) -> int:
    """Return the one whole number of a tensor.

    Raises:
        RequestError: 400: it is none.
    """
    if values.size != 1 or values.dtype.kind not in "iuf" or float(values.ravel()[0]) % 1 != 0:
        given = [shown(v) for v in values.ravel()[:3].tolist()]
        raise RequestError(f"{name} must be one whole number, but got {', '.join(given) or 'none'}", "", name, 400)
    return int(values.ravel()[0])


def packed(texts: Sequence[str]) -> bytes:
    """Return texts as raw bytes, each after its length."""
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
