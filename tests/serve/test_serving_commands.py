"""What stands before and beside the endpoint on the command line: admission, and workers of a queue."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import serve.admission.record as record
from serve.admission import AdmissionError, Policy, Report, Verdict, ensure
from serve.commands.queue import QueueForecaster, queue
from serve.queue import InputQueue, OutputQueue, Worker, open_queue
from serve.testing.caller import Caller, same
from zoo.errors import ArtifactError, ConfigError


def test_requests_of_a_queue_get_the_answers_of_the_endpoint(call: Caller, table: pd.DataFrame, pipeline):
    requests = [
        {"model": "hours", "series": [{"id": "H0"}]},
        {"model": "hours", "series": [{"id": "H1"}], "horizon": 3},
        {"model": "nobody", "series": [{"id": "H1"}]},
        {"typo": 1},
    ]
    keeper = open_queue("memory:")
    names = InputQueue(keeper).enqueue_many(requests)
    assert Worker(keeper, QueueForecaster(call.app)).step() == 4
    good, short, unknown, typo = (OutputQueue(keeper).query(name) for name in names)
    assert same(good["forecasts"][0], pipeline.predict())
    assert len(short["forecasts"][0]["mean"]) == 3
    assert "nobody" in unknown["error"] and unknown["hint"] and unknown["where"] == "model"
    assert typo["error"] and typo["where"]
    assert keeper.dead() == []


def test_a_pipeline_is_checked_once_and_again_when_it_changes(
    pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, asked = pipeline.save(tmp_path / "hours"), []

    def admit(target: object, *, policy: Policy) -> Report:
        asked.append(target)
        return Report(str(target), (Verdict("latency", len(asked) < 3, "9 ms, at most 1"),))

    monkeypatch.setattr(record, "admit", admit)
    folder = tmp_path / "serving"
    assert ensure({"hours": path}, folder)["hours"] is not None
    assert ensure({"hours": path}, folder) == {"hours": None}
    assert ensure({"hours": path}, folder, policy=Policy(latency_ms=5))["hours"] is not None
    assert len(asked) == 2
    manifest = path / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    for _ in range(2):
        with pytest.raises(AdmissionError, match="'latency'"):
            ensure({"hours": path}, folder)
    assert len(asked) == 4, "a refusal is not remembered"
    (folder / "admitted.json").write_text("{")
    with pytest.raises(AdmissionError):
        ensure({"hours": path}, folder)
    with pytest.raises(ArtifactError, match="run directory"):
        ensure({"hours": tmp_path}, folder)


def test_a_queue_that_cannot_be_is_refused_before_anything_starts(tmp_path: Path):
    with pytest.raises(ConfigError, match="memory"):
        queue(str(tmp_path), "memory:")
    with pytest.raises(ConfigError, match="--workers"):
        queue(str(tmp_path), f"sqlite:{tmp_path / 'q.db'}", workers="many")
