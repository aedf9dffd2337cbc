"""Others' ONNX models: declared, checked in a process of their own, then served like a pipeline."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import serve
from serve.admission import AdmissionError, Policy, admit, ensure
from serve.admission.child import play
from serve.admission.foreign import checks
from serve.app import ServingApp
from serve.commands.serve import serve as command
from serve.deployments.configuration import admitted, configured
from serve.deployments.deploy import Endpoint
from serve.runtime.config import ServingConfig
from serve.runtime.foreign import declared, foreign_pipeline, pack
from serve.runtime.manifest import Declaration
from serve.runtime.model import version_of
from serve.testing.caller import Caller
from zoo.cluster import Session
from zoo.errors import ArtifactError, ConfigError, ModelError

onnx = pytest.importorskip("onnx", reason="onnx is not installed (the extra 'onnx')")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra 'onnx')")

LOOKBACK, HORIZON, LEVELS = 6, 3, (0.1, 0.5, 0.9)


def graph(path: Path, *, extra: str | None = None, horizon: int = HORIZON, batch: Any = "batch") -> Path:
    """Write a model whose quantiles are the last value of the window -1, +0, +1, at every step."""
    helper, proto = onnx.helper, onnx.TensorProto
    pick = np.zeros((LOOKBACK, horizon * 3), dtype=np.float32)
    pick[-1] = 1.0
    weights = {
        "w": pick,
        "b": np.tile(np.array([-1.0, 0.0, 1.0], dtype=np.float32), horizon),
        "s": np.array([-1, horizon, 3], dtype=np.int64),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["a"]),
        *([helper.make_node(extra, ["a"], ["e"])] if extra else []),
        helper.make_node("Reshape", ["e" if extra else "a", "s"], ["quantiles"]),
        helper.make_node("ReduceMean", ["x"], ["mean"]),
    ]
    made = helper.make_graph(
        nodes,
        "f",
        [helper.make_tensor_value_info("x", proto.FLOAT, [batch, LOOKBACK])],
        [
            helper.make_tensor_value_info("mean", proto.FLOAT, ["o", "p"]),  # the output is taken by its name
            helper.make_tensor_value_info("quantiles", proto.FLOAT, ["o", "h", "q"]),
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(path))
    return path


def told(**changes: Any) -> Declaration:
    return Declaration(**({"lookback": LOOKBACK, "horizon": HORIZON, "quantiles": LEVELS, "freq": "h"} | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pack(graph(tmp_path / "m.onnx"), tmp_path / "foreign", told())


def test_a_foreign_model_is_admitted_by_its_own_process_and_remembered(folder: Path, tmp_path: Path):
    found = ensure({"their": folder}, tmp_path / "serving")["their"]
    assert found is not None
    names = [verdict.check for verdict in found.verdicts]
    assert names[:3] == ["size", "declaration", "operators"]
    assert {"declared shapes", "latency", "served: golden windows", "served: probe: missing values"} <= set(names)
    assert ensure({"their": folder}, tmp_path / "serving") == {"their": None}
    pack(graph(tmp_path / "m.onnx", extra="Neg"), folder, told())
    assert ensure({"their": folder}, tmp_path / "serving")["their"] is not None, "other weights are checked again"


@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_it_answers_forecasts_like_a_pipeline(batch: Any, tmp_path: Path):
    folder = pack(graph(tmp_path / "m.onnx", batch=batch), tmp_path / "foreign", told())
    values = {"models": [{"name": "their", "path": str(folder)}], "state": str(tmp_path / "state")}
    call = Caller(ServingApp(ServingConfig.model_validate(values)))
    series = [
        {"id": "long", "start": "2024-01-01T00:00:00", "y": [9.0] * 10 + [5.0]},
        {"id": "short", "start": "2024-01-01T00:00:00", "y": [4.0]},
        {"id": "gaps", "start": "2024-01-01T00:00:00", "y": [1.0, None, 3.0]},
    ]
    got = call.forecast(series=series)
    assert got["model_version"] == version_of(folder)
    assert [f["mean"] for f in got["forecasts"]] == [[5.0] * HORIZON, [4.0] * HORIZON, [3.0] * HORIZON]
    assert got["forecasts"][0]["quantiles"]["0.9"] == [6.0] * HORIZON
    assert got["forecasts"][1]["time"][0] == "2024-01-01T01:00:00"
    call.refused(422, {"series": series, "horizon": HORIZON + 1})
    assert call("GET", "/v1/models").json()["models"][0]["members"] == {"onnx": 1.0}


def spoiled(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\0\0")


@pytest.mark.parametrize(
    ("make", "check", "words"),
    [
        (lambda path: pack(graph(path), path.parent / "f", told(horizon=4)), "declared shapes", "shape"),
        (lambda path: pack(graph(path), path.parent / "f", told(lookback=7)), "declared shapes", "declared 7"),
        (lambda path: pack(graph(path), path.parent / "f", told(output="q")), "load", "'q' must be there"),
        (lambda path: pack(graph(path), path.parent / "f", told(freq="odd")), "served: load", "odd"),
        (lambda path: pack(graph(path, extra="Asinh"), path.parent / "f", told()), "operators", "Asinh"),
        (lambda path: pack(graph(path, extra="Reciprocal"), path.parent / "f", told()), "probe: zeros", "finite"),
    ],
)
def test_each_refusal_names_its_check(make: Callable[[Path], Path], check: str, words: str, tmp_path: Path):
    verdicts: list[dict[str, Any]] = []
    play(checks(make(tmp_path / "m.onnx"), Policy(), None), verdicts.append)
    last = [one for one in verdicts if "check" in one][-1]
    assert (last["check"], last["passed"]) == (check, False), last["detail"]
    assert words in last["detail"]


def test_a_file_that_was_changed_or_a_manifest_that_does_not_fit_is_refused(folder: Path):
    spoiled(folder)
    with pytest.raises(ArtifactError, match="checksum"):
        foreign_pipeline(folder)
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(values | {"quantiles": [0.9, 0.1]}))
    with pytest.raises(ArtifactError, match="quantiles"):
        declared(folder)
    assert admit(folder).verdicts[-1].check == "declaration"
    with pytest.raises(ArtifactError, match="none at"):
        pack(folder / "nothing.onnx", folder, told())


def test_a_run_directory_that_also_declares_a_foreign_model_is_none(folder: Path):
    """Its admission is remembered by the pipeline's manifest, which says nothing of the graph beside it."""
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "manifest.json").write_text("{}")
    assert declared(folder) is None
    assert not admit(folder).admitted


def test_without_the_checks_it_does_not_go_live(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match="must be checked"):
        serve.deploy(folder, checked=False)
    with pytest.raises(ConfigError, match="must be checked"):
        command(str(folder), unchecked=True)
    with pytest.raises(AdmissionError, match="'operators'"):
        strange = pack(graph(folder / "m.onnx", extra="Asinh"), folder.parent / "strange", told())
        Endpoint("", "zoo", "ray", Session(embedded=False, joined=False), {}).reload(configured(strange))
    with pytest.raises(AdmissionError, match="'latency'"):
        admit(folder, policy=Policy(latency_ms=1e-5)).check()
    whole = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if "onnx" in name else whole(name, *rest))
    with pytest.raises(ConfigError, match="onnxruntime") as missing:
        admitted(configured(folder))
    assert "pip install 'zoo-autots[onnx]'" in missing.value.hint


def test_a_series_without_a_value_is_an_error_of_the_request(folder: Path):
    pipeline = foreign_pipeline(folder)
    panel = pipeline.panel
    panel.y[:] = np.nan
    with pytest.raises(ModelError, match="missing"):
        pipeline.predict()
