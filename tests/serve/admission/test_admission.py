"""What may go live: our pipelines and others' ONNX models, checked in a process of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autots.panel import Future, Panel
from serve.admission import AdmissionError, AdmissionReport, CheckResult, Policy, admit
from serve.admission.child import play
from serve.admission.pipelines import checks
from serve.runtime.model import ForecastBlock, Served
from serve.testing.pipelines import fitted
from zoo.errors import ArtifactError, ConfigError

onnx = pytest.importorskip("onnx", reason="onnx is not installed (the extra 'onnx')")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra 'onnx')")

LOOKBACK, HORIZON = 48, 12


def graph(
    nodes: list[Any], *, weights: dict[str, Any] | None = None, shape: Any = ("batch", LOOKBACK), out: Any = None
) -> Any:
    """Return a model from ``x`` to ``y``."""
    helper, proto = onnx.helper, onnx.TensorProto
    inputs = [helper.make_tensor_value_info("x", proto.FLOAT, list(shape))]
    outputs = [helper.make_tensor_value_info("y", proto.FLOAT, out or ["o", "p"])]
    tensors = [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in (weights or {}).items()]
    made = helper.make_graph(nodes, "forecaster", inputs, outputs, tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("odd", 1)])
    model.ir_version = 9
    return model


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs, outputs, **attributes)


def linear() -> Any:
    """Each step is the mean of the window."""
    weights = np.full((LOOKBACK, HORIZON), 1.0 / LOOKBACK, dtype=np.float32)
    return graph([node("MatMul", ["x", "w"], ["y"])], weights={"w": weights})


def written(model: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


def verdicts(path: Path, policy: Policy | None = None, golden: Any = None) -> dict[str, Any]:
    """Run the checks in this process; only for models that do no harm."""
    from serve.admission.onnx import checks

    told: list[dict[str, Any]] = []
    play(checks(path, policy or Policy(), golden), told.append)
    return {t["check"]: t for t in told if "check" in t}


def test_a_good_foreign_model_is_admitted_by_its_own_process(tmp_path: Path):
    windows = np.random.default_rng(0).normal(10, 1, (3, LOOKBACK))
    golden = {"windows": windows.tolist(), "forecasts": np.repeat(windows.mean(1)[:, None], HORIZON, 1).tolist()}
    report = admit(written(linear(), tmp_path), golden=golden)
    report.check()
    assert report.admitted
    names = [verdict.check for verdict in report.verdicts]
    assert names[:6] == ["size", "operators", "load", "shapes", "golden windows", "latency"]
    assert "probe: missing values" in names
    assert json.loads(json.dumps(report.to_dict()))["admitted"] is True


def two_inputs() -> Any:
    model = linear()
    extra = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1])
    model.graph.input.append(extra)
    return model


def external() -> Any:
    model = linear()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model


def hidden_loop() -> Any:
    """A forbidden operator inside of a branch."""
    body = onnx.helper.make_graph(
        [node("RandomNormalLike", ["x"], ["r"])], "b", [], [onnx.helper.make_tensor_value_info("r", 1, ["a", "b"])]
    )
    return graph([node("If", ["c"], ["y"], then_branch=body, else_branch=body)], weights={"c": np.array(True)})


@pytest.mark.parametrize(
    ("make", "check", "words"),
    [
        (lambda: graph([node("Magic", ["x"], ["y"], domain="odd")]), "operators", "odd:Magic"),
        (hidden_loop, "operators", "RandomNormalLike"),
        (external, "operators", "in another one"),
        (two_inputs, "load", "one input"),
        (lambda: graph([node("Relu", ["x"], ["y"])], shape=("b", 3, 4), out=["o", "p", "q"]), "load", "one input"),
        (lambda: graph([node("ReduceSum", ["x"], ["y"], keepdims=0)], out=["o"]), "shapes", "shape"),
        (lambda: graph([node("Neg", ["x"], ["n"]), node("Sqrt", ["n"], ["y"])]), "shapes", "finite"),
        (lambda: graph([node("Reciprocal", ["x"], ["y"])]), "probe: zeros", "finite"),
    ],
)
def test_each_refusal_names_its_check(make: Callable[[], Any], check: str, words: str, tmp_path: Path):
    path = written(make(), tmp_path)
    found = verdicts(path)
    last = list(found.values())[-1]
    assert (last["check"], last["passed"]) == (check, False)
    assert words in last["detail"]


def test_other_files_are_no_models(tmp_path: Path):
    path = tmp_path / "model.onnx"
    for content in (b"", b"\x80\x04garbage", b"\x00" * 1000):
        path.write_bytes(content)
        assert not verdicts(path)["operators"]["passed"]


def test_wrong_golden_forecasts_and_a_latency_over_the_budget_are_refused(tmp_path: Path):
    path = written(linear(), tmp_path)
    golden = {"windows": [[1.0] * LOOKBACK], "forecasts": [[1.1] * HORIZON]}
    assert "differ by" in verdicts(path, golden=golden)["golden windows"]["detail"]
    assert not verdicts(path, golden={**golden, "forecasts": [[1.0]]})["golden windows"]["passed"]
    assert not verdicts(path, Policy(latency_ms=1e-4))["latency"]["passed"]
    assert verdicts(path, Policy(operators=frozenset({"Add"})))["operators"]["detail"].endswith("['MatMul']")


def test_a_model_that_eats_the_memory_is_ended(tmp_path: Path):
    shape = np.array([3, 1000, 1000, 1000], dtype=np.int64)
    nodes = [
        node("ReduceMean", ["x"], ["m"], keepdims=0, axes=[0, 1]),
        node("Expand", ["m", "s"], ["e"]),
        node("Neg", ["e"], ["n"]),
        node("ReduceMean", ["n"], ["r"], keepdims=0, axes=[0, 1, 2, 3]),
        node("Add", ["x", "r"], ["y"]),
    ]
    report = admit(written(graph(nodes, weights={"s": shape}), tmp_path), policy=Policy(memory_mb=700))
    assert not report.admitted
    assert report.verdicts[-1].check == "shapes"
    assert "memory" in report.verdicts[-1].detail or "alloc" in report.verdicts[-1].detail.lower()
    with pytest.raises(AdmissionError, match="'shapes'"):
        report.check()


@pytest.mark.slow
def test_a_model_that_takes_too_long_is_ended(tmp_path: Path):
    big = np.full((1500, 1500), 1e-4, dtype=np.float32)
    nodes = [node("ReduceMean", ["x"], ["m"], keepdims=0, axes=[0, 1]), node("Add", ["w", "m"], ["h0"])]
    nodes += [node("MatMul", ["w", f"h{i}"], [f"h{i + 1}"]) for i in range(400)]
    nodes += [node("ReduceMean", ["h400"], ["r"], keepdims=0), node("Add", ["x", "r"], ["y"])]
    path = written(graph(nodes, weights={"w": big}), tmp_path)
    report = admit(path, policy=Policy(seconds=4))
    assert not report.admitted
    assert "took more than 4 s" in report.verdicts[-1].detail


def test_a_process_that_dies_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import serve.admission.process as module

    path = written(linear(), tmp_path)
    out = b'{"check":"load","passed":true,"detail":"","seconds":0.1}\n{"begin":"shapes"}\n'
    verdict = module._verdicts(out, "its process ended with -11: segfault", -11)[-1]
    assert (verdict.check, verdict.passed) == ("shapes", False)
    assert "-11" in verdict.detail
    assert module._verdicts(b"", "it went away", 0)[-1].check == "process"
    monkeypatch.setenv("SECRET_TOKEN", "x")
    assert "SECRET_TOKEN" not in {name for name in module._ENVIRONMENT if name in os.environ}
    assert path.exists()


def test_the_latency_is_that_of_a_known_series(table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Found by hand: a slow machine refused the demo's own run, for the time in which ARIMA learns a new series."""
    path = fitted(table, families=("seasonal_naive",)).save(tmp_path / "hours")
    asked: list[str] = []
    forecast = Served.forecast

    def noted(self: Served, panel: Panel, future: Future, member: str | None = None) -> ForecastBlock:
        asked.extend(map(str, panel.ids))
        return forecast(self, panel, future, member)

    monkeypatch.setattr(Served, "forecast", noted)
    for name, check in checks(path, Policy(), None):
        asked.clear()
        check()
        if name == "latency":
            break
    assert len(asked) == 15 and set(asked) <= set(map(str, table["unique_id"]))


def test_our_pipelines_pass_and_a_tampered_one_does_not(table: pd.DataFrame, tmp_path: Path):
    path = fitted(table, families=("seasonal_naive",)).save(tmp_path / "hours")
    report = admit(path, policy=Policy(longest=5000))
    report.check()
    names = [verdict.check for verdict in report.verdicts]
    assert names[:5] == ["size", "load", "golden windows", "shapes", "latency"]
    assert "probe: one point" in names
    assert admit(path, policy=Policy(size_mb=0.001)).verdicts[-1].check == "size"
    file = next(f for f in path.iterdir() if f.name != "manifest.json")
    file.write_bytes(file.read_bytes() + b" ")
    told: list[dict[str, Any]] = []
    play(checks(path, Policy(), None), told.append)
    assert [(t["check"], t["passed"]) for t in told if "check" in t] == [("load", False)]
    assert "checksum" in told[1]["detail"]


def test_what_is_not_there_or_cannot_be_is_an_error():
    with pytest.raises(ArtifactError, match="nothing at"):
        admit("/nowhere")
    with pytest.raises(ConfigError):
        Policy(seconds=0)
    with pytest.raises(AdmissionError, match="'process'"):
        AdmissionReport("x", ()).check()
    assert not AdmissionReport("x", (CheckResult("size", False, ""),)).admitted
