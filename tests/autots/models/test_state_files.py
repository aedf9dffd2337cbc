from __future__ import annotations

import json
import math

import numpy as np
import pytest

from autots.models.base import Task
from autots.models.state_files import dump, load
from zoo.errors import ArtifactError

TREE = {
    "none": None,
    "flag": True,
    "whole": 3,
    "big": 2**70,
    "real": 0.1,
    "odd": [math.inf, -math.inf],
    "text": "käse\n",
    "nested": {"list": [1, [2.0, "x"]], "tuple": (1, (2, None)), "empty": {}, "none": []},
    "$array": {"$tuple": "a key that looks like a mark"},
    "scalar": np.int64(7),
    "arrays": {
        "float": np.array([[1.5, np.nan], [np.inf, -0.0]]),
        "float32": np.arange(3, dtype=np.float32),
        "int": np.array([1, -2], dtype=np.int8),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3)),
        "point": np.array(2.5),
        "complex": np.array([1 + 2j, 3j]),
        "times": np.array(["2020-01-01", "NaT"], dtype="datetime64[ns]"),
        "texts": np.array([["a", None]], dtype=object),
        "wide": np.array(["a", "bcd"]),
        "turned": np.arange(6.0).reshape(2, 3).T,
    },
}


def assert_same(left, right):
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert_same(a, b)
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    else:
        assert left == right


def test_the_round_trip_is_exact(tmp_path):
    files = dump(TREE, tmp_path, "model")
    assert [f.name for f in files] == ["model.json", "model.safetensors"]
    assert_same(load(tmp_path, "model"), TREE)


def test_nan_comes_back_as_nan(tmp_path):
    dump({"x": float("nan")}, tmp_path, "m")
    assert math.isnan(load(tmp_path, "m")["x"])


def test_the_sign_of_zero_survives(tmp_path):
    dump({"x": -0.0, "a": np.array([-0.0])}, tmp_path, "m")
    back = load(tmp_path, "m")
    assert math.copysign(1, back["x"]) == -1
    assert math.copysign(1, back["a"][0]) == -1


def test_a_tree_without_arrays_is_one_file_of_strict_json(tmp_path):
    (path,) = dump({"x": [1.0, float("inf")]}, tmp_path, "m")
    json.loads(path.read_text(), parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))


@pytest.mark.parametrize(
    "value", [{1: 2}, {1, 2}, object(), b"bytes", np.array([object()]), np.array([1], dtype=">i8"), lambda: None]
)
def test_what_is_not_plain_is_refused(tmp_path, value):
    with pytest.raises(ArtifactError, match="must"):
        dump({"deep": [value]}, tmp_path, "m")


def test_the_refusal_names_the_place(tmp_path):
    with pytest.raises(ArtifactError, match=r"m\.a\[1\]\.b"):
        dump({"a": [0, {"b": object()}]}, tmp_path, "m")


def test_a_missing_file_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError, match="missing"):
        load(tmp_path, "m")


def test_missing_arrays_are_an_artifact_error(tmp_path):
    _, arrays = dump(TREE, tmp_path, "m")
    arrays.unlink()
    with pytest.raises(ArtifactError, match="readable"):
        load(tmp_path, "m")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format":99,"tree":{}}', '{"format":1,"tree":[1]}', "\x80abc"])
def test_a_foreign_file_is_an_artifact_error(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ArtifactError):
        load(tmp_path, "m")


def test_damaged_arrays_are_an_artifact_error(tmp_path):
    _, arrays = dump(TREE, tmp_path, "m")
    arrays.write_bytes(arrays.read_bytes()[:50])
    with pytest.raises(ArtifactError):
        load(tmp_path, "m")


def test_a_task_survives():
    task = Task(7, (24, 168), (0.1, 0.5), True)
    assert Task.from_dict(task.to_dict()) == task


def test_mapped_arrays_are_the_same_and_a_write_stays_with_the_writer(tmp_path):
    dump(TREE, tmp_path, "model")
    before = (tmp_path / "model.safetensors").read_bytes()
    first, second = (load(tmp_path, "model", mapped=True) for _ in range(2))
    assert_same(first, load(tmp_path, "model"))
    first["arrays"]["float"][0, 0] = 99.0
    assert second["arrays"]["float"][0, 0] == 1.5
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_mapped_arrays_outlive_the_folder(tmp_path):
    dump(TREE, tmp_path, "model")
    mapped = load(tmp_path, "model", mapped=True)
    (tmp_path / "model.safetensors").unlink()
    assert mapped["arrays"]["turned"][1, 1] == 4.0


def test_mapped_arrays_of_a_damaged_file_are_refused(tmp_path):
    dump(TREE, tmp_path, "model")
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ArtifactError, match="must be readable"):
        load(tmp_path, "model", mapped=True)
