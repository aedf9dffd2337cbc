"""Somebody else's forecaster, an ONNX graph or a torch network, behind the same wire as a pipeline.

It is a folder of two files: ``model.onnx`` or ``model.safetensors``, and ``manifest.json`` with what the model says of
itself (``Declaration``, ``TorchDeclaration``) and the checksum of the first. Inside it becomes a pipeline of one member
without calibration, so that every protocol, limit and probe holds for it as for our own models.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import pandas as pd
from pydantic import ValidationError

from autots.ensembles import Ensemble, Member
from autots.models.base import Context, Forecast, Forecaster, State, Task, crossing_free
from autots.panel import Floats, Future, Panel
from autots.pipeline import Pipeline
from autots.reading.read import read_panel
from autots.report import Facts
from serve.runtime.manifest import Declaration, TorchDeclaration
from serve.runtime.torch_model import TorchModel
from zoo.errors import ArtifactError, ConfigError, ModelError, ZooError
from zoo.files import digest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = [
    "ForeignModel",
    "OnnxModel",
    "declared",
    "foreign_pipeline",
    "opened",
    "pack",
    "require",
]

_MANIFEST, _EXAMPLE = "manifest.json", "example"
_MAX_MANIFEST_BYTES = 100_000  # bytes
_INSTALL = "pip install 'zoo-autots[onnx]'"


class ForeignModel(Protocol):
    """What runs a foreign model; ``batch`` and ``lookback`` are None where they are free."""

    batch: int | None
    lookback: int | None

    def forecast(self, windows: Floats) -> Floats:
        """Return (W, H, Q) forecasts of (W, T) windows."""


_KINDS: Mapping[str, type[Declaration] | type[TorchDeclaration]] = {
    "foreign-onnx": Declaration,
    "foreign-torch": TorchDeclaration,
}


def pack(model: str | Path, folder: str | Path, declaration: Declaration | TorchDeclaration) -> Path:
    """Write the folder that ``zoo serve`` takes; nothing is loaded or run.

    Args:
        model: The ONNX file, or the safetensors of a network (``serve.runtime.torch_model.write_weights``).
        folder: Made if need be; a manifest in it is replaced.
        declaration: Its checksum is computed here.

    Raises:
        ArtifactError: There is no such file.
    """
    source, target = Path(model), Path(folder)
    if not source.is_file():
        raise ArtifactError(f"a foreign model must be a file, but there is none at {source}", "check the path")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target / declaration.file)
    whole = declaration.model_copy(update={"sha256": digest(target / declaration.file)})
    (target / _MANIFEST).write_text(whole.model_dump_json(indent=2), encoding="utf-8")
    return target


def declared(path: str | Path) -> Declaration | TorchDeclaration | None:
    """Return what a folder declares; None where it is no foreign model. Only the manifest is read.

    Raises:
        ArtifactError: It is one, but the manifest does not fit.
    """
    file = Path(path) / _MANIFEST
    if (Path(path) / "pipeline" / _MANIFEST).is_file():
        return None  # a run directory: its version and its admission are those of the pipeline in it
    try:
        if not file.is_file() or file.stat().st_size > _MAX_MANIFEST_BYTES:
            return None
        values = json.loads(file.read_text(encoding="utf-8"))
        kind = _KINDS.get(str(values.get("kind"))) if isinstance(values, dict) else None
        return None if kind is None else kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ArtifactError(
            f"the manifest of a foreign model must fit, but {'.'.join(map(str, first['loc']))}: {first['msg']}",
            "write it with serve.runtime.foreign.pack",
        ) from None
    except (OSError, ValueError):
        return None


def require(folders: Iterable[str | Path]) -> None:
    """Raise unless the foreign models of some folders can be read and run here; nothing is imported.

    Raises:
        ConfigError: A package of the extra ``onnx`` is missing.
    """
    if not any(isinstance(declared(folder), Declaration) for folder in folders):
        return
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"a foreign model must have {' and '.join(missing)} to be served", _INSTALL)


class OnnxModel:
    """An ONNX graph with one input of windows.

    Args:
        path: The ONNX file to load.
        output: Name of the output that counts; the first if left out.

    Raises:
        ConfigError: onnxruntime is not installed.
        ModelError: The file cannot be loaded, or its inputs and outputs are not a forecaster's.
    """

    def __init__(self, path: Path, output: str | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError("an ONNX model must have onnxruntime", _INSTALL) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no base of their own
            raise ModelError(f"an ONNX model must be loadable, but {type(error).__name__}: {error}") from None
        self._session: InferenceSession = session
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or inputs[0].type not in ("tensor(float)", "tensor(double)") or len(inputs[0].shape) != 2:
            told = [(i.name, i.type, i.shape) for i in inputs]
            raise ModelError(f"a forecaster must have one input of floats (batch, lookback), but has {told}")
        if output is not None and output not in {o.name for o in outputs}:
            raise ModelError(f"the output {output!r} must be there, but there are {[o.name for o in outputs]}")
        chosen = next((o for o in outputs if o.name == output), outputs[0] if outputs else None)
        if chosen is None or chosen.type not in ("tensor(float)", "tensor(double)"):
            raise ModelError(f"the output must be floats, but is {[(o.name, o.type) for o in outputs]}")
        self._type = np.float32 if inputs[0].type == "tensor(float)" else np.float64
        self._input, self._output = inputs[0].name, chosen.name
        batch, lookback = inputs[0].shape
        self.batch = batch if isinstance(batch, int) else None
        self.lookback = lookback if isinstance(lookback, int) else None

    def forecast(self, windows: Floats) -> Floats:
        """Return (W, H) or (W, H, Q) forecasts of (W, T) windows."""
        given = np.asarray(windows, dtype=self._type)
        rows = [given] if self.batch is None else [given[i : i + self.batch] for i in range(0, len(given), self.batch)]
        forecasts = [self._session.run([self._output], {self._input: part})[0] for part in rows]
        return np.concatenate([np.atleast_1d(part) for part in forecasts]).astype(np.float64)


class _Foreign(Forecaster):
    """A foreign model as a member of a pipeline; it was fitted elsewhere."""

    name = "foreign"
    local = False

    def __init__(self, model: ForeignModel, declaration: Declaration | TorchDeclaration) -> None:
        super().__init__()
        self._model, self._declaration = model, declaration

    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        raise ModelError("a foreign model cannot be fitted", "train it where it comes from")

    def predict(self, history: Panel, future: Future) -> Forecast:
        """Forecast each series from its last T values; see ``_window`` for short and missing ones."""
        told, width = self._declaration, self._model.batch or 1
        ends = history.indptr
        parts = [history.y[ends[i] : ends[i + 1]] for i in range(history.n_series)]
        windows = np.stack([_window(y, told.lookback) for y in parts])
        # A graph with a batch of its own is asked with whole ones; what fills the last is thrown away.
        full = windows[np.resize(np.arange(len(windows)), -(-len(windows) // width) * width)]
        try:
            forecasts = self._model.forecast(full)[: len(windows)]
        except Exception as error:  # of onnxruntime, see OnnxModel, or of a foreign network
            raise ModelError(f"the foreign model failed: {type(error).__name__}: {error}") from None
        wanted = (len(windows), told.horizon, len(told.quantiles))
        if forecasts.shape != wanted:
            raise ModelError(f"the quantiles must have the shape {wanted}, but have {forecasts.shape}")
        if not np.isfinite(forecasts).all():
            raise ModelError("forecasts must be finite, but the foreign model's are not")
        quantiles = crossing_free(forecasts)
        return Forecast(quantiles[:, :, told.quantiles.index(0.5)], quantiles)

    def state(self) -> State:
        raise ModelError("a foreign model has no state that could be saved", "keep its folder")

    def restore(self, state: State) -> Self:
        raise ModelError("a foreign model has no state that could be restored", "load its folder")


def _window(y: Floats, lookback: int) -> Floats:
    """Return the last T values: missing ones repeat the value before, a short series its first one at the left.

    >>> _window(np.array([np.nan, 2.0, np.nan, 3.0]), 6).tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0, 3.0]
    """
    seen = np.flatnonzero(np.isfinite(y))
    if not len(seen):
        raise ModelError("a series must have a value to be forecast, but all of them are missing")
    last = np.maximum.accumulate(np.where(np.isfinite(y), np.arange(len(y)), seen[0]))
    filled = y[last][-lookback:]
    return np.concatenate([np.full(lookback - len(filled), filled[0]), filled])


def foreign_pipeline(path: str | Path) -> Pipeline:
    """Load a foreign model as a pipeline of one member, without calibration; its own series is named ``example``.

    Raises:
        ArtifactError: The folder does not hold what its manifest says.
        ConfigError: onnxruntime is not installed.
        ModelError: The graph is not what its manifest says.
    """
    told = declared(path)
    if told is None or not (Path(path) / told.file).is_file():
        wanted = _MANIFEST if told is None else told.file
        raise ArtifactError(
            f"a foreign model must have a manifest and its file, but {path} has no {wanted}", "see pack()"
        )
    model = opened(path, told)
    if model.lookback not in (None, told.lookback):
        raise ModelError(f"the input must take the declared {told.lookback} steps, but takes {model.lookback}")
    rows = max(told.lookback, 16)
    try:
        times = pd.date_range("2000-01-01", periods=rows, freq=told.freq)
        table = pd.DataFrame({"unique_id": _EXAMPLE, "ds": times, "y": 10.0 + np.sin(np.arange(rows))})
        read = read_panel(table, horizon=told.horizon, freq=told.freq)
    except (ValueError, ZooError) as error:
        raise ArtifactError(f"the declared freq must be a clock, but {told.freq!r}: {error}", "such as h, D") from None
    return _pipeline(read.panel, read.schema, told, [Member(told.member, _Foreign(model, told), (1.0, 1.0))])


def opened(path: str | Path, told: Declaration | TorchDeclaration) -> ForeignModel:
    """Return what runs the model of a folder.

    Raises:
        ArtifactError: The file is not the one of the manifest.
        ZooError: See OnnxModel and TorchModel.
    """
    file = Path(path) / told.file
    if digest(file) != told.sha256:
        raise ArtifactError(f"the checksum of {file} must be that of its manifest, but is not", "pack it again")
    return OnnxModel(file, told.output) if isinstance(told, Declaration) else TorchModel(file, told)


def _pipeline(panel: Panel, schema: Any, told: Declaration | TorchDeclaration, members: Sequence[Member]) -> Pipeline:
    facts = Facts("a foreign model", {}, {}, {}, pd.DataFrame(), {}, {}, (), (), pd.DataFrame())
    ensemble = Ensemble(Task(told.horizon, (1,), told.quantiles), tuple(members))
    return Pipeline(schema, panel, ensemble, levels=told.quantiles, metric_name="mae", facts=facts)
