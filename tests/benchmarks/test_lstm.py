"""The LSTM figure: each target is trained on once per epoch with enough history, and nothing is known ahead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.search.lstm import _METRICS, _SPACE, _segments, _taxi, _train
from zoo.errors import DataError
from zoo.search import Study
from zoo.search.run import run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three weeks of half hours with a daily course, in the benchmark's layout and wrong order."""
    times = pd.date_range("2014-07-01", periods=1000, freq="30min")
    values = 1000 + 300 * np.sin(2 * np.pi * np.arange(1000) / 48) + np.arange(1000) / 10
    rows = pd.DataFrame({"unique_id": "realKnownCause/nyc_taxi", "ds": times, "y": values}).iloc[::-1]
    other = rows.assign(unique_id="other", y=0.0)
    pd.concat([other, rows]).to_parquet(tmp_path / "train.parquet")
    return tmp_path


def test_every_target_counts_once_behind_its_history(data: Path) -> None:
    taxi = _taxi(data)
    assert taxi.ends == (799, 899, 999)
    assert abs(taxi.inputs[:800, 0].mean()) < 1e-5 and abs(taxi.inputs[:800, 0].std() - 1) < 1e-5
    # The target is the next value, and the calendar is its own: the same time of the day, the same phase.
    np.testing.assert_array_equal(taxi.targets[:-1], taxi.inputs[1:, 0])
    np.testing.assert_allclose(taxi.inputs[0, 1:3], taxi.inputs[48, 1:3], atol=1e-4)
    for begin, end in [(48, 799), (799, 899), (899, 999)]:
        inputs, targets, weights = (part.numpy() for part in _segments(taxi, begin, end, 48))
        assert inputs.shape == (len(targets), 96, 5)
        np.testing.assert_array_equal(targets[weights == 1], taxi.targets[begin:end])
        np.testing.assert_array_equal(inputs[:, 49:, 0], targets[:, :-1])


def test_a_network_learns_the_daily_course(data: Path) -> None:
    taxi = _taxi(data)
    with Study.open(None, _SPACE, metrics=_METRICS, budget=1) as study:
        study.enqueue({"hidden": 16, "layers": 1, "lookback": 32, "rate": 0.02, "dropout": 0.0, "segments": 4})
        run(study, lambda trial: _train(trial, taxi=taxi, epochs=8), "inline")
        record = study.trials[0]
    assert record.value is not None and record.value < 0.2 * taxi.scale**2
    assert list(record.reports) == list(range(1, 9)) and record.metrics["test_mse"] > 0


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.parquet"):
        _taxi(tmp_path)
    pd.DataFrame({"unique_id": ["a"], "ds": [pd.Timestamp("2014")], "y": [1.0]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="nyc_taxi"):
        _taxi(tmp_path)
