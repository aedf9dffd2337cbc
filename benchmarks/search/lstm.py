"""A real training: 24 small LSTMs on New York's taxi trips, 20 epochs each, as the ancestor's AutoTS tuned them.

The next half hour is forecast from the trips and the calendar so far (10,320 half hours; the last tenth is the test
part, the tenth before it decides, all of the rest is trained on in every epoch).

What an epoch costs is a matter of how often a value is looked at. Cut into windows of 50, each with one target, every
value goes through the network 50 times. Here the series is cut into segments of twice the lookback, which overlap by
one half: the first half only warms the state up, at every step of the second one the next value is a target. So each
target is trained on once per epoch with at least the lookback's history, as with windows, and a value goes through the
network twice. The series itself travels to the workers once.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.cluster import Session, connect
from zoo.errors import DataError
from zoo.search.metrics import Metric, Result
from zoo.search.run import RunOptions, run
from zoo.search.space import Float, Int, Ordinal, Space
from zoo.search.stoppers import make_stopper
from zoo.search.study import Study
from zoo.search.trial import Trial

if TYPE_CHECKING:
    import torch

__all__ = ["EPOCHS", "TRIALS", "lstm"]

TRIALS, EPOCHS = 24, 20
#: Trials per hour and core of the ancestor: 24 in 323.7 s on 10 cores.
_ANCESTOR = 26.7
_SERIES = "realKnownCause/nyc_taxi"
_HALF_HOURS = 48
_SPACE = Space(
    hidden=Int(16, 128, log=True),
    layers=Int(1, 2),
    lookback=Ordinal(32, 48, 64),
    rate=Float(1e-3, 3e-2, log=True),
    dropout=Float(0.0, 0.3),
    segments=Ordinal(4, 8, 16),
)
_METRICS = [Metric("validation_mse", "minimize"), Metric("test_mse", store=True), Metric("cpu", store=True)]


@dataclass(frozen=True)
class _Taxi:
    """The series, standardised by its training part.

    Args:
        inputs: (T, F): the value, and the calendar of the next half hour.
        targets: (T,): the next value.
        ends: Where the training, the validation and the test targets end.
        scale: Standard deviation of the training part.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    ends: tuple[int, int, int]
    scale: float


def lstm(data: Path, *, workers: int = 2, trials: int = TRIALS, epochs: int = EPOCHS) -> list[dict[str, Any]]:
    """Tune the LSTMs on ``workers`` cores, all epochs of each first, then with early stopping.

    Args:
        data: Folder with ``train.parquet`` of the Numenta Anomaly Benchmark.
        workers: Trainings at a time, one core each.
        trials: Number of configurations that are trained.
        epochs: Of a whole training.

    Returns:
        A record per figure: trials per hour and core (of the wall clock, with the start of the workers, and of the
        processors' time of the trainings alone), the best validation error, its test error, and what an epoch costs
        beside the usual windows.

    Raises:
        DataError: The file is missing, or has no such series.
    """
    taxi = _taxi(data)
    with tempfile.TemporaryDirectory() as folder, connect(workers=workers) as session:
        records = [_tuned(session, Path(folder), taxi, stopper, workers, trials, epochs) for stopper in (None, "asha")]
    ours, windows = _epoch_seconds(taxi)
    for record in records:
        record |= {"epoch_seconds": round(ours, 3), "epoch_seconds_windows": round(windows, 3)}
    return records


def _tuned(
    session: Session, folder: Path, taxi: _Taxi, stopper: str | None, workers: int, trials: int, epochs: int
) -> dict[str, Any]:
    options = RunOptions(workers=workers, session=session, quiet=True)
    with Study.open(
        folder / f"{stopper}.journal", _SPACE, metrics=_METRICS, budget=trials, stopper=make_stopper(stopper, epochs)
    ) as study:
        began = time.perf_counter()
        run(study, partial(_train, taxi=taxi, epochs=epochs), "pool", options=options)
        seconds = time.perf_counter() - began
        records, best = study.trials, study.best
    assert best is not None, "every training failed"
    spent = sum(record.metrics.get("cpu", 0.0) for record in records)
    rate = 3600 * trials / seconds / workers
    return {
        "comparison": "7 trainings per hour and core" + (f", stopped by {stopper}" if stopper else ", all epochs"),
        "per_hour_and_core": round(rate, 1),
        "asked": f">= {10 * _ANCESTOR:g}, ten times the ancestor's {_ANCESTOR}",
        "reached": rate >= 10 * _ANCESTOR,
        "per_hour_and_core_of_processor_time": round(3600 * trials / spent, 1),
        "seconds": round(seconds, 1),
        "trials": trials,
        "epochs": sum(len(record.reports) for record in records),
        "states": {state: sum(record.state == state for record in records) for state in ("complete", "stopped")},
        "workers": workers,
        "validation_mse": round(best.metrics["validation_mse"]),
        "test_mse": round(best.metrics["test_mse"]),
        "naive_test_mse": round(_naive(taxi)),
        "params": dict(best.params),
        "load": round(os.getloadavg()[0], 2),
    }


def _taxi(data: Path) -> _Taxi:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = data / "train.parquet"
    if not path.is_file():
        raise DataError(f"the folder must hold the benchmark's series, but {data} has no train.parquet", "see --data")
    table = pq.read_table(path, columns=["unique_id", "ds", "y"])
    table = table.filter(pc.equal(table["unique_id"], _SERIES)).sort_by("ds")
    if not table.num_rows:
        raise DataError(f"the file must hold {_SERIES}, but {path} does not", "see --data")
    values = table["y"].to_numpy().astype(np.float64)
    last_validation = len(values) - len(values) // 10
    last_training = last_validation - len(values) // 10
    mean, scale = values[:last_training].mean(), values[:last_training].std()
    # Half hours since the Monday before; the calendar is that of the half hour to be forecast.
    moments = table["ds"].to_numpy().astype("datetime64[m]").astype(np.int64) // 30 - 4 * _HALF_HOURS
    angles = [2 * math.pi * (moments + 1) / period for period in (_HALF_HOURS, 7 * _HALF_HOURS)]
    calendar = [part for angle in angles for part in (np.sin(angle), np.cos(angle))]
    standard = (values - mean) / scale
    inputs = np.stack([standard, *calendar], axis=1)[:-1].astype(np.float32)
    # Target t is value t + 1.
    ends = (last_training - 1, last_validation - 1, len(values) - 1)
    return _Taxi(inputs, standard[1:].astype(np.float32), ends, float(scale))


def _naive(taxi: _Taxi) -> float:
    """Return the test error of the last value."""
    begin, end = taxi.ends[1:]
    return float(np.mean((taxi.targets[begin:end] - taxi.inputs[begin:end, 0]) ** 2)) * taxi.scale**2


def _segments(taxi: _Taxi, begin: int, end: int, lookback: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut the targets from ``begin`` to ``end`` into segments of ``lookback``, each behind so much history.

    Returns:
        Inputs (segments, 2 lookback, F), targets and their weights (segments, lookback). The last segment reaches back
        to be full, and what it repeats has the weight 0.
    """
    import torch

    starts = [*range(begin, end - lookback, lookback), end - lookback]
    inputs = np.stack([taxi.inputs[start - lookback : start + lookback] for start in starts])
    targets = np.stack([taxi.targets[start : start + lookback] for start in starts])
    weights = np.ones_like(targets)
    if len(starts) > 1:
        weights[-1, : starts[-2] + lookback - starts[-1]] = 0.0
    return torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(weights)


def _train(trial: Trial, *, taxi: _Taxi, epochs: int) -> Result:
    """Train one network, an epoch per report."""
    import torch

    torch.manual_seed(trial.seed)
    params = trial.params
    lookback, batch = params["lookback"], params["segments"]
    network, head = _network(params["hidden"], params["layers"], params["dropout"], taxi.inputs.shape[1])
    parts = [
        _segments(taxi, begin, end, lookback) for begin, end in zip((lookback, *taxi.ends[:2]), taxi.ends, strict=True)
    ]
    inputs, targets, weights = parts[0]
    weight_list = [*network.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(weight_list, lr=params["rate"])
    steps = epochs * math.ceil(len(inputs) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, params["rate"], total_steps=steps, pct_start=0.2)
    began = time.process_time()
    values: dict[str, float] = {}
    for epoch in range(1, epochs + 1):
        network.train()
        for chosen in _batches(len(inputs), batch):
            optimiser.zero_grad()
            forecast = head(network(inputs[chosen])[0][:, lookback:]).squeeze(-1)
            loss = ((forecast - targets[chosen]) ** 2 * weights[chosen]).sum() / weights[chosen].sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weight_list, 1.0)
            optimiser.step()
            schedule.step()
        network.eval()
        errors = [_error(network, head, part, lookback) * taxi.scale**2 for part in parts[1:]]
        values = {"validation_mse": errors[0], "test_mse": errors[1], "cpu": time.process_time() - began}
        trial.report(epoch, values)
    return Result(values)


def _batches(count: int, size: int) -> tuple[torch.Tensor, ...]:
    import torch

    return torch.split(torch.randperm(count), size)


def _network(hidden: int, layers: int, dropout: float, features: int) -> tuple[torch.nn.LSTM, torch.nn.Linear]:
    import torch

    between = dropout if layers > 1 else 0.0
    network = torch.nn.LSTM(features, hidden, layers, dropout=between, batch_first=True)
    return network, torch.nn.Linear(hidden, 1)


def _error(
    network: torch.nn.LSTM,
    head: torch.nn.Linear,
    part: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    lookback: int,
) -> float:
    import torch

    inputs, targets, weights = part
    with torch.inference_mode():
        forecast = head(network(inputs)[0][:, lookback:]).squeeze(-1)
        return float(((forecast - targets) ** 2 * weights).sum() / weights.sum())


def _epoch_seconds(taxi: _Taxi, hidden: int = 45, lookback: int = 48) -> tuple[float, float]:
    """Return the processor seconds of an epoch: with segments, and with windows of one target in batches of 64."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        inputs, targets, weights = _segments(taxi, lookback, taxi.ends[0], lookback)
        ours = _one_epoch(inputs, targets, weights, hidden, 8)
        views = np.lib.stride_tricks.sliding_window_view(taxi.inputs[: taxi.ends[0]], lookback, axis=0)
        windows = torch.from_numpy(np.ascontiguousarray(views.transpose(0, 2, 1)))
        last = torch.from_numpy(taxi.targets[lookback - 1 : taxi.ends[0]]).unsqueeze(-1)
        return ours, _one_epoch(windows, last, torch.ones_like(last), hidden, 64)
    finally:
        torch.set_num_threads(threads)


def _one_epoch(inputs: Any, targets: Any, weights: Any, hidden: int, batch: int) -> float:
    import torch

    network, head = _network(hidden, 1, 0.0, inputs.shape[2])
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()])
    began = time.process_time()
    for chosen in _batches(len(inputs), batch):
        optimiser.zero_grad()
        forecast = head(network(inputs[chosen])[0][:, -targets.shape[1] :]).squeeze(-1)
        (((forecast - targets[chosen]) ** 2 * weights[chosen]).sum() / weights[chosen].sum()).backward()
        optimiser.step()
    return time.process_time() - began
