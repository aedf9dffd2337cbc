"""The checks of a foreign model's folder: the graph is read, run by itself, then held to its word behind the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from serve.admission import onnx, pipelines
from serve.admission.policy import AdmissionError, Check, Policy
from serve.runtime.foreign import ForeignModel, declared, opened
from serve.runtime.manifest import Declaration, TorchDeclaration

__all__ = ["checks"]


def checks(path: Path, policy: Policy, golden: Any) -> Iterator[Check]:
    """Yield the checks of a folder of a foreign model; those behind the wire are named ``served: ...``."""

    def declaration() -> str:
        told = declared(path)
        if told is None or not (path / told.file).is_file():
            raise AdmissionError("a foreign model must have manifest.json and the file it names, but one is missing")
        return f"{told.lookback} steps to {told.horizon}, {len(told.quantiles)} quantiles, freq {told.freq}"

    yield "declaration", declaration
    told = declared(path)
    assert told is not None  # the check before has ended otherwise
    if isinstance(told, Declaration):
        yield from onnx.checks(path / told.file, policy, golden, output=told.output)
    else:
        yield "load", lambda: _loads(path, told)
    yield "declared shapes", lambda: _kept(opened(path, told), told)
    for name, check in pipelines.checks(path, policy, None):
        yield f"served: {name}", check


def _loads(path: Path, told: TorchDeclaration) -> str:
    """Raise unless the network takes its arguments and the weights of its manifest."""
    opened(path, told)
    return f"{told.network}, weights as its manifest says"


def _kept(model: ForeignModel, told: Declaration | TorchDeclaration) -> str:
    """Raise unless (1, T) gives (1, H, Q)."""
    if model.lookback not in (None, told.lookback):
        raise AdmissionError(f"the input must take the declared {told.lookback} steps, but takes {model.lookback}")
    forecast = model.forecast(np.ones((model.batch or 1, told.lookback)))[:1]
    wanted = (1, told.horizon, len(told.quantiles))
    if forecast.shape != wanted:
        raise AdmissionError(f"the quantiles must have the shape {wanted}, but have {forecast.shape}")
    return f"{told.lookback} steps give {forecast.shape[1:]}"
