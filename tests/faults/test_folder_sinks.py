"""Runs that write one folder at the same time, readers beside them, and ``kill -9`` in the middle."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from zoo import files
from zoo.features import Pipeline
from zoo.features.run import run
from zoo.features.sink import Folder

_RUNS = """
import sys
from zoo.errors import ConflictError
from zoo.features import Pipeline
from zoo.features.run import run
made = Pipeline([{"lags": [1]}], id="id", time="ts", target="y", source=sys.argv[1], sink=sys.argv[2], engine="pandas")
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    try:
        print("ok", run(made).checksum, flush=True)
    except ConflictError as error:
        print("refused", error.message, flush=True)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    frame = pd.DataFrame({"id": np.repeat(np.arange(30), 400), "ts": np.tile(times, 30), "y": 1.0})
    frame.to_parquet(tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def pipeline(source: Path, sink: Path) -> Pipeline:
    said = {"source": str(source), "sink": str(sink), "engine": "pandas"}
    return Pipeline([{"lags": [1]}], id="id", time="ts", target="y", **said)


def start(source: Path, sink: Path, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _RUNS, str(source), str(sink), str(times)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_runs_at_the_same_time_leave_whole_rows_and_the_refused_ones_name_the_writer(source: Path) -> None:
    sink = source.with_name("out")
    first = run(pipeline(source, sink))
    processes = [start(source, sink, 8) for _ in range(2)]
    read = 0
    while any(process.poll() is None for process in processes):
        assert len(pd.read_parquet(sink)) == first.rows_out, "a reader saw something else than a whole version"
        read += 1
    said = [line for process in processes for line in (process.communicate()[0] or "").splitlines()]
    assert read > 3 and sum(line.startswith("ok") for line in said) >= 8
    assert all(
        line == f"ok {first.checksum}" or "must be written by one at a time, but process" in line for line in said
    )
    assert names(source.parent) == ["in.parquet", "out"]


def _kills(source: Path, rounds: int) -> None:
    sink, chance = source.with_name("out"), random.Random(0)
    rows = run(pipeline(source, sink)).rows_out
    for _ in range(rounds):
        process = start(source, sink, 100)
        time.sleep(chance.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(pd.read_parquet(sink)) == rows
    assert run(pipeline(source, sink)).rows_out == rows
    assert names(source.parent) == ["in.parquet", "out"], "what dead runs left is not removed"


def test_a_run_that_is_killed_leaves_whole_rows(source: Path) -> None:
    _kills(source, 2)


@pytest.mark.slow
def test_runs_that_are_killed_twenty_times_leave_whole_rows(source: Path) -> None:
    _kills(source, 20)


def _dying(real: Any, left: list[int]) -> Any:
    """Return a function before whose last call the process ends."""

    def call(*given: Any, **options: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            os._exit(9)
        return real(*given, **options)

    return call


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("step", ["rename", "rmtree", "synchronise"])
def test_a_death_at_each_step_of_the_commit_leaves_the_old_or_the_new_rows(
    source: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool, step: str
) -> None:
    sink = source.with_name("out")
    before = run(pipeline(source, sink)).rows_out
    pd.concat([pd.read_parquet(source)] * 1).assign(y=2.0).iloc[:-400].to_parquet(source)
    if not exchanges:
        monkeypatch.setattr(files, "_exchanged", lambda one, other: False)
    for count in (1, 2):
        child = os.fork()
        if child == 0:  # a process that ends before its n-th call of one function
            if step == "rename":
                Path.rename = _dying(Path.rename, left := [count])  # type: ignore[method-assign]
                files._exchanged = _dying(files._exchanged, left)
            elif step == "rmtree":
                files.shutil.rmtree = _dying(files.shutil.rmtree, [count])  # type: ignore[attr-defined]
            else:
                files.synchronise = _dying(files.synchronise, [count])  # type: ignore[attr-defined]
            try:
                run(pipeline(source, sink))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert Folder(sink).manifest is not None
        assert len(pd.read_parquet(sink)) in (before, before - 400)
    assert run(pipeline(source, sink)).rows_out == before - 400
    assert names(source.parent) == ["in.parquet", "out"]


def test_a_link_to_a_folder_stays_a_link(source: Path) -> None:
    disk = source.with_name("disk")
    disk.mkdir()
    source.with_name("out").symlink_to(disk)
    for _ in range(2):
        report = run(pipeline(source, source.with_name("out")))
    assert source.with_name("out").is_symlink() and len(pd.read_parquet(disk)) == report.rows_out
