"""The same command, unchanged, as a job of a Ray cluster that asks for a token."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from autots import load
from zoo.cluster import java
from zoo.testing.features import raw_table

_ROOT = Path(__file__).parents[3]
_RAY = [sys.executable, "-m", "ray.scripts.scripts"]
_PATIENCE = 60.0  # seconds until the job agent of a fresh cluster answers


@dataclass(frozen=True)
class _Cluster:
    dashboard: str
    environment: dict[str, str]


def _free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _processes_of(folder: str) -> list[psutil.Process]:
    """Return the processes that name the cluster's own directory, and no others: ``ray stop`` would end every Ray."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(folder in word for word in process.cmdline()):
                found += [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[_Cluster]:
    folder = tempfile.mkdtemp(prefix="zoo-head-", dir="/tmp")  # short: Ray's sockets lie in it
    port, dashboard, client, agent, grpc, metrics, runtime = _free_ports(7)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    runtime_java = java.find()  # Spark starts on the Java that a node had on its PATH when Ray started there
    if runtime_java is not None:
        environment["PATH"] = f"{runtime_java.path.parent}{os.pathsep}{environment['PATH']}"
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    options = {
        "--port": port,
        "--dashboard-port": dashboard,
        "--ray-client-server-port": client,
        "--dashboard-agent-listen-port": agent,
        "--dashboard-agent-grpc-port": grpc,
        "--metrics-export-port": metrics,
        "--runtime-env-agent-port": runtime,
        "--temp-dir": folder,
        "--num-cpus": "2",
        "--node-ip-address": "127.0.0.1",
        "--min-worker-port": "0",
        "--max-worker-port": "0",
    }
    words = [f"{name}={value}" for name, value in options.items()]
    head = subprocess.Popen(
        [*_RAY, "start", "--head", "--block", "--disable-usage-stats", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield _Cluster(f"http://127.0.0.1:{dashboard}", environment)
    finally:
        members = {process.pid: process for process in _processes_of(folder)}
        for process in members.values():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        head.kill()
        head.wait()
        psutil.wait_procs(list(members.values()), timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


def _submit(cluster: _Cluster, working_dir: Path, *entrypoint: str) -> str:
    """Submit a job and wait for its end; a cluster that is not ready yet is asked again."""
    job = f"fit-{secrets.token_hex(4)}"
    words = ["job", "submit", "--address", cluster.dashboard, "--submission-id", job]
    command = [*_RAY, *words, "--working-dir", str(working_dir), "--", *entrypoint]
    end = time.monotonic() + _PATIENCE
    while True:
        result = subprocess.run(
            command, env=cluster.environment, capture_output=True, text=True, timeout=150, check=False
        )
        output = result.stdout + result.stderr
        not_ready = "No available agent" in output or "Failed to connect" in output or "Connection refused" in output
        if result.returncode == 0 or not not_ready or time.monotonic() > end:
            assert result.returncode == 0, output
            return output
        time.sleep(2.0)


@pytest.mark.slow
@pytest.mark.ray
def test_a_job_without_the_token_is_refused(cluster: _Cluster, tmp_path: Path) -> None:
    stranger = {name: value for name, value in cluster.environment.items() if not name.startswith("RAY_AUTH_")}
    address = cluster.dashboard.removeprefix("http://").split(":")
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection((address[0], int(address[1])), timeout=1).close()
            break
        except OSError:
            assert time.monotonic() < end, "the dashboard did not start"
            time.sleep(0.5)
    command = [*_RAY, "job", "list", "--address", cluster.dashboard]
    result = subprocess.run(command, env=stranger, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode != 0 and "token" in (result.stdout + result.stderr).lower()


@pytest.mark.ray
def test_a_fit_runs_unchanged_as_a_job_of_a_cluster(
    cluster: _Cluster, entry_points: Path, air_passengers: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    for package in ("zoo", "autots"):
        shutil.copytree(_ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(entry_points, work, dirs_exist_ok=True)
    shutil.copy(air_passengers, work / "air.csv")
    run = tmp_path / "run"
    fit = ("fit", "air.csv", "--horizon", "12", "--budget", "25s", "--out", str(run), "--json")
    output = _submit(cluster, work, sys.executable, "-m", "zoo.cli", *fit)
    assert '"score": ' in output
    pipeline = load(run)
    assert np.isfinite(pipeline.predict()["mean"]).all()
    assert (run / "study.journal").stat().st_size > 0 and (run / "report.html").exists()
    learned = [row for row in pipeline.leaderboard()["family"] if row.startswith(("linear", "trees", "auto"))]
    assert learned, "no trial ended on the cluster"


@pytest.mark.slow
@pytest.mark.ray
def test_a_feature_pipeline_runs_on_spark_as_a_job_of_a_cluster(
    cluster: _Cluster, entry_points: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    for package in ("zoo", "autots"):
        shutil.copytree(_ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(entry_points, work, dirs_exist_ok=True)
    raw_table().to_parquet(work / "t.parquet")
    (work / "p.yaml").write_text(
        "source: {path: t.parquet, id: meter, time: ts, target: kwh}\n"
        "steps:\n  - deduplicate: {}\n  - resample: {every: 1h}\n  - lags: [1, 24]\n  - scale: {how: robust}\n"
        f"sink: {{table: {tmp_path / 'features'}}}\n"
    )
    sums = set()
    for engine in ("spark", "pandas"):
        run = ("features", "run", "p.yaml", "--engine", engine, "--json")
        output = _submit(cluster, work, sys.executable, "-m", "zoo.cli", *run)
        line = next(each for each in output.splitlines() if each.startswith("{"))
        report = json.loads(line)
        assert report["engine"] == engine
        sums.add(report["checksum"])
    assert len(sums) == 1
