"""What a forecaster learned, on disk: one JSON file for the tree, one safetensors file for its arrays.

The round trip is exact: types, dtypes, shapes, NaN, infinities and the order of keys all come back.
Many small arrays cost a header entry each, so models keep packed (S, k) arrays, not one array per series.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.models.base import State
from zoo.errors import ArtifactError

__all__ = ["dump", "load"]

# Version of the files; one that is read must have it.
_FORMAT = 1
_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?"} | {
    f"{k}{8 * n}": f"<{k.lower()}{n}" for k in "IU" for n in (1, 2, 4, 8)
}


def dump(tree: State, folder: Path, name: str) -> list[Path]:
    """Write a tree as ``name.json`` and, when it has arrays, ``name.safetensors``.

    Args:
        tree: Dicts with text keys, lists, tuples, numbers, texts, booleans, None and numpy arrays.
        folder: Where the files go; it exists.
        name: File name without a suffix.

    Returns:
        The files written.

    Raises:
        ArtifactError: Something in the tree is none of these.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[Any]] = {}
    text = json.dumps(
        {"format": _FORMAT, "tree": _encode(tree, arrays, name)}, allow_nan=False, separators=(",", ":"), indent=None
    )
    files = [folder / f"{name}.json"]
    files[0].write_text(text, encoding="utf-8")
    if arrays:
        files.append(folder / f"{name}.safetensors")
        save_file(arrays, files[1])
    return files


def load(folder: Path, name: str, *, mapped: bool = False) -> State:
    """Read a tree that ``dump`` wrote.

    Args:
        folder: Where ``dump`` wrote the files.
        name: File name without a suffix.
        mapped: Leave the arrays in their file, as memory that all processes of a machine share; a page that is written
            to is copied. The file must not be changed while they are used (replacing it by another is fine).

    Raises:
        ArtifactError: A file is missing, damaged or foreign.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / f"{name}.json"
    hint = "the folder may be incomplete or damaged: save the model again"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.get("format") != _FORMAT or "tree" not in document:
            raise ArtifactError(f"{path.name} must be a state of format {_FORMAT}, but it is not", hint)
        side = folder / f"{name}.safetensors"
        arrays = {} if not side.exists() else _mapped(side) if mapped else load_file(side)
        tree = _decode(document["tree"], arrays)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path.name} must be there, but it is missing", hint) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
        raise ArtifactError(f"{path.name} and its arrays must be readable, but got {error!r}", hint) from error
    if not isinstance(tree, dict):
        raise ArtifactError(f"{path.name} must hold a dict, but it holds a {type(tree).__name__}", hint)
    return tree


def _mapped(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a safetensors file as views of its pages; the library itself always copies.

    The format: eight bytes with the length of a JSON header (name -> dtype, shape, data_offsets), the header, the data.
    """
    whole = np.asarray(np.memmap(file, dtype=np.uint8, mode="c"))
    data = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    out: dict[str, npt.NDArray[Any]] = {}
    for name, facts in json.loads(whole[8:data].tobytes()).items():
        if name != "__metadata__":
            begin, end = facts["data_offsets"]
            out[name] = whole[data + begin : data + end].view(_KINDS[facts["dtype"]]).reshape(facts["shape"])
    return out


def _encode(value: Any, arrays: dict[str, npt.NDArray[Any]], where: str) -> Any:
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, where)
    if isinstance(value, np.generic):
        # Not np.float64 alone, which is a float: a scalar that comes back as another type is another state.
        return {"$scalar": _encode_array(np.asarray(value).reshape(1), arrays, where)}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if type(value) is list and all(type(item) is str for item in value):
        return value  # ids by the hundred thousand
    if isinstance(value, list | tuple):
        items = [_encode(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ArtifactError(f"keys of a state must be text, but got {list(value)[:3]!r} at {where}")
        pairs = {key: _encode(item, arrays, f"{where}.{key}") for key, item in value.items()}
        # A user's own "$..." key must not be read back as one of the marks.
        return {"$dict": pairs} if any(key.startswith("$") for key in pairs) else pairs
    raise ArtifactError(
        f"a state must hold plain values and arrays, but got a {type(value).__name__} at {where}",
        "turn it into numbers, texts, lists, dicts or numpy arrays in state()",
    )


def _encode_array(value: npt.NDArray[Any], arrays: dict[str, npt.NDArray[Any]], where: str) -> Any:
    kind = value.dtype.kind
    if kind in "OU":
        if not all(item is None or isinstance(item, str) for item in value.ravel()):
            raise ArtifactError(f"an object array of a state must hold text or None, but it does not at {where}")
        # dtype <U3 and <U5 differ, so the width is kept.
        return {"$texts": value.ravel().tolist(), "shape": list(value.shape), "dtype": value.dtype.str}
    if kind not in "fiubcmM" or not value.dtype.isnative or value.dtype.itemsize > 16 or value.dtype == np.longdouble:
        raise ArtifactError(f"an array of a state must be numbers or text, but got {value.dtype} at {where}")
    key = str(len(arrays))
    plain = np.ascontiguousarray(value)
    if kind in "mM":
        plain = plain.view(np.int64)
    elif kind == "c":
        plain = plain.ravel().view(np.float64 if value.dtype.itemsize == 16 else np.float32)
    arrays[key] = plain.ravel()
    return {"$array": key, "shape": list(value.shape), "dtype": value.dtype.str}


def _decode(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        flat = arrays[value["$array"]]
        return flat.view(np.dtype(value["dtype"])).reshape(value["shape"])
    if "$texts" in value:
        return np.array(value["$texts"], dtype=np.dtype(value["dtype"])).reshape(value["shape"])
    if "$scalar" in value:
        return _decode(value["$scalar"], arrays)[0]
    if "$float" in value:
        return float(value["$float"])
    if "$tuple" in value:
        return tuple(_decode(item, arrays) for item in value["$tuple"])
    pairs = value["$dict"] if "$dict" in value else value
    return {key: _decode(item, arrays) for key, item in pairs.items()}
