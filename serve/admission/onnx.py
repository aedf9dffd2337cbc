"""The checks of somebody else's ONNX model: read before it is run, then run on windows of all kinds.

The contract of a forecaster in ONNX: one input of 32 or 64 bit floats, (batch, lookback); the first output floats,
(batch, horizon) or (batch, horizon, quantiles). The batch is free, or 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autots.panel import Floats
from serve.admission.policy import AdmissionError, Check, Policy, timed
from serve.runtime.foreign import OnnxModel
from zoo.errors import ConfigError

__all__ = ["checks"]

_LOOKBACK = 256  # of a model whose lookback is free


def checks(
    path: Path, policy: Policy, golden: Mapping[str, Any] | None, *, output: str | None = None
) -> Iterator[Check]:
    """Yield the checks of an ONNX file.

    Args:
        path: The ONNX file that is checked.
        policy: What a model may cost and how closely it must repeat itself.
        golden: What the model must answer, see ``admit``.
        output: The output that counts; the first if left out.
    """
    yield "operators", lambda: _operators(path, policy)
    loaded: list[OnnxModel] = []

    def load() -> str:
        loaded.append(OnnxModel(path, output))
        return f"lookback {loaded[0].lookback or 'free'}, batch {loaded[0].batch or 'free'}"

    yield "load", load

    def shapes() -> str:
        forecasts = _made(loaded[0], _windows(loaded[0], 1))
        several = loaded[0].batch or 3
        more = _made(loaded[0], _windows(loaded[0], several))
        if more.shape != (several, *forecasts.shape[1:]):
            raise AdmissionError(f"{several} windows must give {several} forecasts, but got {more.shape}")
        return f"one window gives {forecasts.shape[1:]}"

    yield "shapes", shapes
    yield "golden windows", lambda: _golden(loaded[0], policy, golden)

    def latency() -> str:
        window = _windows(loaded[0], 1)
        return timed(lambda: loaded[0].forecast(window), policy, "window")

    yield "latency", latency
    yield "probe: same window, same forecast", lambda: _repeats(loaded[0])
    yield "probe: missing values", lambda: _missing(loaded[0])
    for name, value in (("zeros", 0.0), ("constant", 5.0), ("large", 1e6)):
        yield f"probe: {name}", lambda value=value: _finite(loaded[0], value)  # type: ignore[misc]
    yield "probe: one point", lambda: _length(loaded[0], 1)
    yield "probe: long", lambda: _length(loaded[0], policy.longest)


def _operators(path: Path, policy: Policy) -> str:
    """Read the graph, and run nothing."""
    try:
        import onnx
    except ImportError as error:
        raise ConfigError("an ONNX model must have onnx to be read", "pip install 'zoo-autots[onnx]'") from error
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # of protobuf, whose errors have no name of onnx's
        raise AdmissionError(f"the file must be an ONNX model, but it cannot be read: {error}") from error
    if not model.graph.node:
        raise AdmissionError("the file must be an ONNX model, but it has no graph")
    counts: Counter[str] = Counter()
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        for tensor in graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise AdmissionError(f"the weights must be in the file, but {tensor.name!r} are in another one")
        for node in graph.node:
            counts[f"{node.domain}:{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type] += 1
            for attribute in node.attribute:
                graphs += [attribute.g, *attribute.graphs] if attribute.g.node else list(attribute.graphs)
                tensors = [attribute.t, *attribute.tensors]
                if any(t.data_location == onnx.TensorProto.EXTERNAL for t in tensors):
                    raise AdmissionError(f"the weights must be in the file, but those of {node.name!r} are not")
    strange = sorted(set(counts) - policy.operators)
    if strange:
        raise AdmissionError(f"operators must be among the allowed ones, but the graph has {strange}")
    if model.functions:
        raise AdmissionError("the model must define no functions of its own")
    onnx.checker.check_model(model)
    return f"{sum(counts.values())} nodes of {len(counts)} kinds"


def _windows(model: OnnxModel, count: int) -> Floats:
    length = model.lookback or _LOOKBACK
    steps = np.arange(length) + 7.0 * np.arange(max(count, model.batch or 1))[:, None]
    return np.asarray(10.0 + np.sin(2 * np.pi * steps / 24) + 0.01 * steps)


def _made(model: OnnxModel, windows: Floats) -> Floats:
    forecasts = model.forecast(windows)
    if forecasts.ndim not in (2, 3) or len(forecasts) != len(windows):
        raise AdmissionError(f"a forecast must have the shape (batch, horizon[, quantiles]), but has {forecasts.shape}")
    if not np.isfinite(forecasts).all():
        raise AdmissionError("forecasts must be finite, but some are not")
    return forecasts


def _golden(model: OnnxModel, policy: Policy, golden: Mapping[str, Any] | None) -> str:
    if golden is None:
        return "none were given"
    windows, wanted = np.asarray(golden["windows"], dtype=float), np.asarray(golden["forecasts"], dtype=float)
    forecasts = _made(model, windows)
    if forecasts.shape != wanted.shape:
        raise AdmissionError(f"golden forecasts have the shape {wanted.shape}, the model's {forecasts.shape}")
    if not np.allclose(forecasts, wanted, rtol=policy.tolerance, atol=policy.tolerance * float(np.abs(wanted).max())):
        raise AdmissionError(
            f"golden forecasts must come out, but differ by up to {np.abs(forecasts - wanted).max():g}"
        )
    return f"{len(windows)} windows"


def _repeats(model: OnnxModel) -> str:
    window = _windows(model, 1)
    if not np.array_equal(_made(model, window), _made(model, window)):
        raise AdmissionError("one window must have one forecast, but two calls differ")
    return "equal to the last bit"


def _missing(model: OnnxModel) -> str:
    """What is missing may be ignored or spread; it must not kill the process, nor be answered with infinity."""
    windows = _windows(model, 1)
    windows[:, ::7] = np.nan
    try:
        forecasts = model.forecast(windows)
    except Exception as error:
        return f"refused: {type(error).__name__}"
    if np.isinf(forecasts).any():
        raise AdmissionError("a window with missing values must not give infinite forecasts")
    return "missing values go through" if np.isnan(forecasts).any() else "missing values are ignored"


def _finite(model: OnnxModel, value: float) -> str:
    _made(model, np.full_like(_windows(model, 1), value))
    return "finite"


def _length(model: OnnxModel, length: int) -> str:
    """A window of another length is forecast or refused by the runtime."""
    try:
        forecasts = model.forecast(np.ones((model.batch or 1, length)))
    except Exception as error:
        return f"refused: {type(error).__name__}"
    if not np.isfinite(forecasts).all():
        raise AdmissionError(f"forecasts from {length} points must be finite, but some are not")
    return f"forecast from {length} points"
