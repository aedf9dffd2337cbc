"""LCBench as a surrogate (Zimmer et al. 2021; Pfisterer et al. 2022, "YAHPO Gym"): any configuration's whole curve.

One network predicts, for 34 data sets, 7 hyper-parameters and an epoch from 1 to 52, the accuracy on validation data
and the seconds since the beginning. It is deterministic. The files are not part of this project: ``model.onnx``,
``encoding.json`` and ``config_space.json`` of YAHPO's "lcbench".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ConfigError, DataError
from zoo.search.space import Float, Int, Space
from zoo.search.trial import Trial

__all__ = ["EPOCHS", "LCBench", "SurrogateTask", "reported_tasks"]

#: Epochs of a whole training.
EPOCHS = 52
#: In the order of the network's inputs, after the epoch.
_NAMES = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
#: Columns of the network's output.
_TIME, _ACCURACY = 0, 1
_REPORTED, _EVERY = 8, 4


def reported_tasks(tasks: list[str]) -> list[str]:
    """Return the tasks that are reported: of the ids in ascending order every fourth from the first, the first eight.

    Methods are developed on the others.

    >>> reported_tasks([str(number) for number in range(40)])[:3]
    ['0', '4', '8']
    """
    return sorted(tasks, key=int)[::_EVERY][:_REPORTED]


class LCBench:
    """The surrogate in a folder.

    Args:
        folder: With the three files.

    Raises:
        DataError: A file is missing.
        ConfigError: onnxruntime is not installed.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("model.onnx", "encoding.json", "config_space.json"):
            if not (folder / name).is_file():
                raise DataError(f"the folder must hold LCBench's surrogate, but {folder} has no {name}", "see --data")
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError(
                "the benchmark needs onnxruntime, but it is not installed", "pip install 'zoo-autots[bench]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._codes: Mapping[str, int] = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]
        described = json.loads((folder / "config_space.json").read_text())["hyperparameters"]
        self._ranges: dict[str, Any] = {one["name"]: one for one in described}
        self.tasks: list[str] = list(self._ranges["OpenML_task_id"]["choices"])

    def space(self, **changed: Any) -> Space:
        """Return the seven hyper-parameters; ``changed`` ones take the place of their namesakes."""
        domains = {}
        for name in _NAMES:
            one = self._ranges[name]
            kind = Int if one["type"] == "uniform_int" else Float
            domains[name] = changed.get(name) or kind(one["lower"], one["upper"], log=one["log"])
        return Space(constraints=(), **domains)

    def task(self, name: str) -> SurrogateTask:
        """Return one data set."""
        return SurrogateTask(self, name)

    def curves(self, task: str, params: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return accuracies in percent and seconds since the beginning, both (configurations, epochs)."""
        count = len(params)
        rows = np.empty((count, EPOCHS, 1 + len(_NAMES)), dtype=np.float32)
        rows[:, :, 0] = np.arange(1, EPOCHS + 1)
        rows[:, :, 1:] = np.array([[one[name] for name in _NAMES] for one in params])[:, None]
        code = np.full((count * EPOCHS, 1), self._codes[task], dtype=np.int32)
        feed = dict(zip(self._inputs, (code, rows.reshape(-1, rows.shape[2])), strict=True))
        out = self._session.run(None, feed)[0].reshape(count, EPOCHS, -1).astype(float)
        # The network's time is not quite monotone on some tasks.
        seconds = np.maximum.accumulate(np.maximum(out[:, :, _TIME], 1e-3), axis=1)
        return out[:, :, _ACCURACY], np.maximum(seconds, 1e-3 * np.arange(1, EPOCHS + 1))


class SurrogateTask:
    """Trainings on one data set."""

    def __init__(self, bench: LCBench, name: str) -> None:
        self.bench, self.name = bench, name

    def curve(self, params: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the accuracies and seconds of one configuration, by epoch."""
        accuracy, seconds = self.bench.curves(self.name, [params])
        return accuracy[0], seconds[0]

    def best(self, count: int = 2000, *, seed: int = 0) -> tuple[dict[str, Any], float]:
        """Return the best of random configurations: where a good prior would be centred."""
        rng = np.random.default_rng(seed)
        params = [draw(self.bench.space(), rng) for _ in range(count)]
        finals = np.concatenate(
            [self.bench.curves(self.name, params[i : i + 200])[0][:, -1] for i in range(0, count, 200)]
        )
        return params[int(np.argmax(finals))], float(finals.max())

    def trainer(self, steps: tuple[int, ...], checkpoint: str) -> Callable[[Trial], Any]:
        """Return a training for the virtual driver that reports its accuracy at ``steps``."""

        def train(trial: Trial) -> None:
            accuracy, seconds = self.curve(trial.params)
            before = trial.step
            for step in steps:
                if step > trial.step:
                    took = seconds[step - 1] - (seconds[before - 1] if before else 0.0)
                    trial.report(step, float(accuracy[step - 1]), checkpoint, seconds=float(took))
                    before = step

        return train


def draw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """Return a random configuration of LCBench's space."""
    params: dict[str, Any] = {}
    for name in space:
        domain = space[name]
        assert isinstance(domain, Int | Float)
        value = domain.scale.value(float(rng.random()))
        params[name] = round(value) if isinstance(domain, Int) else value
    return params
