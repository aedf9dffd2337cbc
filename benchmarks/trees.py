"""Ways to walk LightGBM's trees: seconds of each beside LightGBM's own, and how far the values are from its."""

from __future__ import annotations

import ctypes
import importlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from autots.panel import Floats
from zoo.commands import Outcome

__all__ = ["bench_trees", "packed", "trees"]

Matrix = npt.NDArray[np.float32]
Walk = Callable[[Matrix], Floats]

# Columns of a table of windows with two seasons and a calendar, about.
_FEATURES = 40
_TRAINING_ROWS = 40_000


def bench_trees(
    rounds: Annotated[int, typer.Option(min=1, help="Trees.")] = 200,
    leaves: Annotated[int, typer.Option(min=2, help="Leaves of a tree at most.")] = 63,
    repeats: Annotated[int, typer.Option(min=1, help="Walks whose fastest counts.")] = 5,
) -> Outcome:
    """Print one JSON line per way and number of rows."""
    records = []
    for record in trees(rounds=rounds, leaves=leaves, repeats=repeats):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def trees(
    *, rounds: int = 200, leaves: int = 63, repeats: int = 5, rows: tuple[int, ...] = (1, 414, 19_872)
) -> Iterator[dict[str, Any]]:
    """Yield the milliseconds of each way; a way whose library is not installed, or that fails, says so.

    The features are numbers and NaN. Categories, which packed arrays would need bit sets for, are left out: what does
    not win without them does not win with them.

    Args:
        rounds: Trees of the booster; 200 is the default of ``BoostingParams``.
        leaves: Leaves of each tree at most; 63 is the default of ``BoostingParams``.
        repeats: Walks of each way, of which the fastest counts.
        rows: Sizes of the matrix: a request, a recursive step of M4 hourly, all its 48 steps at once (direct).
    """
    import lightgbm

    rng = np.random.default_rng(0)
    x = rng.normal(size=(max(_TRAINING_ROWS, *rows), _FEATURES)).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    y = np.nan_to_num(x[:, :8]) @ rng.normal(size=8) + np.sin(3 * np.nan_to_num(x[:, 8])) + rng.normal(size=len(x))
    settings = {"num_leaves": leaves, "max_bin": 127, "verbosity": -1, "num_threads": 1, "learning_rate": 0.08}
    learned = lightgbm.train(settings, lightgbm.Dataset(x, y, params={"max_bin": 127, "verbosity": -1}), rounds)
    booster = lightgbm.Booster(model_str=learned.model_to_string())
    base: dict[int, float] = {}
    for way, make in _WAYS.items():
        record = {"figure": "trees", "way": way, "trees": rounds, "leaves": leaves, "features": _FEATURES}
        began = time.perf_counter()
        try:
            walk = make(booster)
            walk(x[:2])
        except Exception as error:  # a benchmark of optional libraries: the reason is the record
            yield {**record, "failed": f"{type(error).__name__}: {error}"[:160]}
            continue
        prepared = time.perf_counter() - began
        for n in rows:
            if n > 1 and way == "lightgbm fast single row":
                continue
            part = np.ascontiguousarray(x[:n])
            seconds = min(_timed(walk, part) for _ in range(repeats))
            base.setdefault(n, seconds)
            gap = float(np.max(np.abs(walk(part) - booster.predict(part, num_threads=1))))
            yield {
                **record,
                "rows": n,
                "prepare_s": round(prepared, 3),
                "ms": round(seconds * 1e3, 3),
                "times_faster": round(base[n] / seconds, 2),
                "largest_difference": gap,
                "asked": "times_faster >= 2, largest_difference <= 1e-9",
            }


def packed(booster: Any) -> tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int64], npt.NDArray[np.bool_], Floats]:
    """Return all trees as complete arrays whose leaves point at themselves.

    Args:
        booster: A booster of LightGBM whose splits are numerical.

    Returns:
        Of (T, N) nodes each: feature, threshold, left and right child (T, N, 2), whether NaN goes left, value.
    """
    dumped = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    size = max(2 * tree["num_leaves"] - 1 for tree in booster.dump_model()["tree_info"])
    feature = np.zeros((len(dumped), size), np.int64)
    threshold = np.full((len(dumped), size), np.inf)
    child = np.tile(np.arange(size)[None, :, None], (len(dumped), 1, 2))
    left = np.ones((len(dumped), size), np.bool_)
    value = np.zeros((len(dumped), size))
    for t, root in enumerate(dumped):
        waiting, used = [(root, 0)], 1
        while waiting:
            node, i = waiting.pop()
            if "leaf_value" in node:
                value[t, i] = node["leaf_value"]
                continue
            if node["decision_type"] != "<=":
                raise ValueError(f"splits must be numerical, but got {node['decision_type']!r}")
            feature[t, i], threshold[t, i] = node["split_feature"], node["threshold"]
            # Where a split saw no NaN, LightGBM takes NaN for zero.
            left[t, i] = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
            child[t, i] = used, used + 1
            waiting += [(node["left_child"], used), (node["right_child"], used + 1)]
            used += 2
    return feature, threshold, child, left, value


def _timed(walk: Walk, x: Matrix) -> float:
    began = time.perf_counter()
    walk(x)
    return time.perf_counter() - began


def _own(**options: Any) -> Callable[[Any], Walk]:
    return lambda booster: lambda x: np.asarray(booster.predict(x, **options))


def _single_row(booster: Any) -> Walk:
    """Return LightGBM's prepared call for one row; more rows are called one by one."""
    from lightgbm.basic import _LIB

    handle, length = ctypes.c_void_p(), ctypes.c_int64()
    args = (0, 0, -1, 0, _FEATURES, b"num_threads=1")  # values, all iterations, float32
    if _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, *map(ctypes.c_int, args[:4]), ctypes.c_int32(args[4]), args[5], ctypes.byref(handle)
    ):
        raise RuntimeError(_LIB.LGBM_GetLastError())

    def walk(x: Matrix) -> Floats:
        out = np.empty(len(x))
        for i in range(len(x)):
            _LIB.LGBM_BoosterPredictForMatSingleRowFast(
                handle,
                x[i : i + 1].ctypes.data_as(ctypes.c_void_p),
                ctypes.byref(length),
                out[i : i + 1].ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            )
        return out

    return walk


def _numpy(booster: Any) -> Walk:
    """Return level by level, all trees times a block of rows."""
    feature, threshold, child, left, value = packed(booster)
    n_trees, size = feature.shape
    first = (np.arange(n_trees) * size)[:, None]
    flat = (child + first[:, :, None]).reshape(-1, 2)
    feature, threshold, left, value = feature.ravel(), threshold.ravel(), left.ravel(), value.ravel()

    def walk(x: Matrix) -> Floats:
        out = np.empty(len(x))
        for start in range(0, len(x), 512):
            block = x[start : start + 512]
            at, rows = np.repeat(first, len(block), axis=1), np.arange(len(block))
            while True:
                seen = block[rows, feature[at]]
                goes_left = np.where(np.isnan(seen), left[at], seen <= threshold[at])
                following = flat[at, np.where(goes_left, 0, 1)]
                if np.array_equal(following, at):
                    break
                at = following
            out[start : start + 512] = value[at].sum(axis=0)
        return out

    return walk


def _numba(booster: Any) -> Walk:
    """Return numba's loop over the packed arrays, tree by tree for a block of rows."""
    numba: Any = importlib.import_module("numba")
    arrays = packed(booster)

    def loop(x: Any, feature: Any, threshold: Any, child: Any, left: Any, value: Any) -> Any:
        out = np.zeros(len(x))
        for start in range(0, len(x), 64):
            for t in range(feature.shape[0]):
                for r in range(start, min(start + 64, len(x))):
                    i = 0
                    while child[t, i, 0] != i:
                        seen = x[r, feature[t, i]]
                        goes_left = left[t, i] if np.isnan(seen) else seen <= threshold[t, i]
                        i = child[t, i, 0 if goes_left else 1]
                    out[r] += value[t, i]
        return out

    compiled = numba.njit(loop)
    return lambda x: compiled(x, *arrays)


def _lleaves(booster: Any) -> Walk:
    lleaves: Any = importlib.import_module("lleaves")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.txt"
        booster.save_model(path)
        model = lleaves.Model(model_file=str(path))
        model.compile()
    return lambda x: np.asarray(model.predict(x, n_jobs=1))


def _treelite(booster: Any) -> Walk:
    treelite: Any = importlib.import_module("treelite")
    model = treelite.frontend.from_lightgbm(booster)
    return lambda x: np.asarray(treelite.gtil.predict(model, x.astype(np.float64), nthread=1)).ravel()


def _tl2cgen(booster: Any) -> Walk:
    treelite: Any = importlib.import_module("treelite")
    tl2cgen: Any = importlib.import_module("tl2cgen")
    folder = tempfile.mkdtemp()
    library = f"{folder}/trees.so"
    tl2cgen.export_lib(treelite.frontend.from_lightgbm(booster), toolchain="gcc", libpath=library)
    predictor = tl2cgen.Predictor(library, nthread=1)
    return lambda x: np.asarray(predictor.predict(tl2cgen.DMatrix(x, dtype="float64"))).ravel()


def _onnx(booster: Any) -> Walk:
    onnxmltools: Any = importlib.import_module("onnxmltools")
    types: Any = importlib.import_module("onnxmltools.convert.common.data_types")
    runtime: Any = importlib.import_module("onnxruntime")
    made = onnxmltools.convert_lightgbm(booster, initial_types=[("x", types.FloatTensorType([None, _FEATURES]))])
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run(None, {"x": x})[0], np.float64).ravel()


# The first is what the others are compared with.
_WAYS: dict[str, Callable[[Any], Walk]] = {
    "lightgbm": _own(num_threads=1),
    "lightgbm raw_score": _own(num_threads=1, raw_score=True),
    "lightgbm 2 threads": _own(num_threads=2),
    "lightgbm no shape check": _own(num_threads=1, predict_disable_shape_check=True),
    "lightgbm fast single row": _single_row,
    "numpy": _numpy,
    "numba": _numba,
    "lleaves": _lleaves,
    "treelite": _treelite,
    "tl2cgen": _tl2cgen,
    "onnxruntime": _onnx,
}
