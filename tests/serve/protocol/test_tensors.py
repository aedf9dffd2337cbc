"""Tensors of the Open Inference Protocol: what is packed is read, whatever its type and shape, and nothing is cut."""

from __future__ import annotations

import gzip
import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.protocol.encoding import unpacked
from serve.protocol.errors import RequestError
from serve.protocol.tensors import Tensor, packed, per_series, read, whole

KINDS = {
    "FP64": "<f8", "FP32": "<f4", "FP16": "<f2", "INT64": "<i8", "INT32": "<i4", "INT16": "<i2", "INT8": "<i1",
    "UINT64": "<u8", "UINT32": "<u4", "UINT16": "<u2", "UINT8": "<u1",
}  # fmt: skip
SHAPES = st.lists(st.integers(0, 3), min_size=1, max_size=3)


def tensor(shape: list[int], datatype: str, data: Any = None, **parameters: Any) -> Tensor:
    return Tensor(name="y", shape=shape, datatype=datatype, data=data, parameters=parameters)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    dtype = np.dtype(KINDS[kind])
    shape = draw(SHAPES)
    if dtype.kind == "f":
        element: Any = st.floats(width={8: 64, 4: 32, 2: 16}[dtype.itemsize], allow_infinity=False, allow_nan=False)  # type: ignore[arg-type]
    else:
        element = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    size = math.prod(shape)
    values = draw(st.lists(element, min_size=size, max_size=size))
    return kind, np.array(values, dtype=dtype).reshape(shape)


@settings(deadline=None)
@given(arrays(), st.binary(max_size=9))
def test_raw_bytes_and_json_say_the_same_array_and_the_rest_is_left(made: tuple[str, Any], rest: bytes) -> None:
    kind, values = made
    raw = values.tobytes()
    got, left = read(tensor(list(values.shape), kind, binary_data_size=len(raw)), raw + rest)
    np.testing.assert_array_equal(got, values)
    assert (got.dtype, left) == (values.dtype, rest)
    for data in (values.tolist(), values.ravel().tolist()):
        told, left = read(tensor(list(values.shape), kind, json.loads(json.dumps(data))), rest)
        np.testing.assert_array_equal(told, values)
        assert (told.dtype, left) == (values.dtype, rest)


@given(st.lists(st.text(max_size=6), max_size=6), st.binary(max_size=5))
def test_texts_come_back_from_bytes_and_from_json(texts: list[str], rest: bytes) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    raw = packed(texts)
    got, left = read(tensor([len(texts)], "BYTES", binary_data_size=len(raw)), raw + rest)
    assert (got.tolist(), left) == (texts, rest)
    assert read(tensor([len(texts)], "BYTES", texts), b"")[0].tolist() == texts


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4), st.data())
def test_a_text_that_is_cut_is_refused(texts: list[str], data: st.DataObject) -> None:
    raw = packed(texts)
    cut = raw[: data.draw(st.integers(1, len(raw) - 1))]
    # struct.error where not even the length is whole: the handler answers 400 to either.
    with pytest.raises((ValueError, struct.error)):
        read(tensor([len(texts)], "BYTES", binary_data_size=len(cut)), cut)


@pytest.mark.parametrize(
    ("shape", "datatype", "data"),
    [([2], "INT8", [1, 128]), ([1], "UINT8", [-1]), ([1], "INT32", [1.5]), ([1], "INT32", [None]), 
     ([1], "FP32", [1e39]), ([1], "FP16", [70_000]), ([1], "UINT64", [2**64])],
)  # fmt: skip
def test_a_number_that_its_type_cannot_hold_is_refused_and_shown(shape: list[int], datatype: str, data: Any) -> None:
    with pytest.raises(RequestError, match=f"'y' of {datatype} must hold") as caught:
        read(tensor(shape, datatype, data), b"")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("made", "raw", "why"),
    [
        (tensor([2], "FP64", [1.0]), b"", "needs 2 values, but got 1"),
        (tensor([-1], "FP64", [1.0]), b"", "is impossible"),
        (tensor([-1, -1], "FP64", [1.0]), b"", "is impossible"),
        (tensor([2**31 + 1], "FP64", []), b"", "is impossible"),
        (tensor([1], "FP64"), b"", "it has no data"),
        (tensor([1], "FP64", [1.0], binary_data_size=8), b"12345678", "its binary size"),
        (tensor([1], "FP64", binary_data_size=9), b"12345678", "its binary size"),
        (tensor([1], "FP64", binary_data_size=-1), b"12345678", "its binary size"),
        (tensor([1], "INT8", binary_data_size=True), b"1", "its binary size"),
        (tensor([1], "FP64", ["1"]), b"", "data must be numbers"),
        (tensor([1], "FP64", [True]), b"", "data must be numbers"),
        (tensor([1], "BYTES", [1]), b"", "must be text"),
        (tensor([1], "BOOL", [1]), b"", "the datatype must be one of"),
    ],
)
def test_what_does_not_fit_says_why(made: Tensor, raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(made, raw)


def test_a_missing_number_is_a_missing_number() -> None:
    assert np.isnan(read(tensor([2], "FP32", [None, 1.0]), b"")[0]).tolist() == [True, False]


def test_lists_may_be_deeper_than_python_can_recurse() -> None:
    deep: Any = [3.0]
    for _ in range(5000):
        deep = [deep]
    assert read(tensor([1], "FP64", deep), b"")[0].tolist() == [3.0]


@given(st.integers(1, 5), st.sampled_from([(-1,), (-1, 1), (1, -1), (1, -1, 1)]))
def test_a_value_per_series_may_have_the_batch_dimension(count: int, shape: tuple[int, ...]) -> None:
    values = np.arange(count).reshape(shape)
    assert per_series(values, "ids", whole_numbers=True) == list(range(count))
    with pytest.raises(RequestError, match="of an FP type"):
        per_series(values.astype(float), "ids", whole_numbers=True)
    with pytest.raises(RequestError, match="a value per series"):
        per_series(np.zeros((2, count + 1)), "ids")


@pytest.mark.parametrize(("values", "number"), [([3], 3), ([[7.0]], 7), ([2.5], None), ([1, 2], None), ([], None)])
def test_one_whole_number_is_one_and_whole(values: Any, number: int | None) -> None:
    if number is not None:
        assert whole(np.array(values), "horizon") == number
    else:
        with pytest.raises(RequestError, match="horizon must be one whole number"):
            whole(np.array(values, dtype=float), "horizon")


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3), st.sampled_from(["gzip", " X-GZIP ", "GZip"]))
def test_packed_bodies_come_back_in_all_their_members_up_to_the_bound(parts: list[bytes], encoding: str) -> None:
    body, whole_body = b"".join(gzip.compress(part) for part in parts), b"".join(parts)
    assert unpacked(body, encoding, len(whole_body)) == whole_body
    if whole_body:
        with pytest.raises(RequestError, match="unpacks to more") as caught:
            unpacked(body, encoding, len(whole_body) - 1)
        assert caught.value.status == 413


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_packed_body_that_is_cut_is_refused(part: bytes, data: st.DataObject) -> None:
    body = gzip.compress(part)
    with pytest.raises(RequestError, match="must be whole") as caught:
        unpacked(body[: data.draw(st.integers(1, len(body) - 1))], "gzip", 1000)
    assert caught.value.status == 400


def test_other_packings_are_refused_and_none_is_left_alone() -> None:
    assert unpacked(b"as it is", "", 1) == unpacked(b"as it is", "Identity", 1) == b"as it is"
    with pytest.raises(RequestError, match="plain or gzip") as caught:
        unpacked(b"", "br", 10)
    assert caught.value.status == 415
