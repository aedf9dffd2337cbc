"""Workers that are killed, hang, or take too much memory; a cluster that has no room."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zoo.cluster import Session
from zoo.errors import ClusterError
from zoo.testing.workers import SETUP, collect
from zoo.workers import Pool

pytestmark = pytest.mark.ray

_HANDLERS = """
import os, signal, time

def setup(payload):
    def handle(request):
        command, path, deaths = request
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\\n")
        starts = len(open(path).read().splitlines())
        if command == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            while True:
                pass
        if starts <= deaths:
            time.sleep(60)  # the test kills this process meanwhile
        return starts
    return handle
"""


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that only the driver's sys.path knows."""
    (tmp_path / "fault_handlers.py").write_text(_HANDLERS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return "fault_handlers:setup"


def _kill(pool: Pool, path: Path, deaths: int) -> None:
    """Kill each process that starts on the request, ``deaths`` times."""
    killed: list[int] = []
    end = time.monotonic() + 60
    while len(killed) < deaths:
        assert time.monotonic() < end, "the request was not started again"
        assert pool.wait(0.1) == []
        pids = [int(line) for line in path.read_text().split()] if path.exists() else []
        for pid in pids[len(killed) :]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
    assert len(set(killed)) == deaths


def test_a_killed_worker_is_replaced_and_its_request_runs_again(
    session: Session, handlers: str, tmp_path: Path
) -> None:
    path = tmp_path / "starts"
    with Pool(session, handlers, workers=1) as pool:
        pool.submit("k", ("work", str(path), 2))
        _kill(pool, path, 2)
        event = collect(pool, 1)["k"]
    assert (event.status, event.result) == ("done", 3)


def test_a_request_whose_worker_dies_three_times_is_lost(
    session: Session, handlers: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "starts"
    with Pool(session, handlers, workers=1) as pool:
        pool.submit("k", ("work", str(path), 99))
        _kill(pool, path, 3)
        event = collect(pool, 1)["k"]
        assert event.status == "lost"
        assert "died 3 times" in event.error
        pool.submit("next", ("work", str(tmp_path / "other"), 0))
        assert collect(pool, 1)["next"].result == 1
    # Ray would print a paragraph about each death on the driver's stdout.
    assert tuple(capfd.readouterr()) == ("", "")


def test_a_hang_is_killed_at_its_timeout_and_the_pool_goes_on(session: Session, handlers: str, tmp_path: Path) -> None:
    path = tmp_path / "starts"
    with Pool(session, handlers, workers=1) as pool:
        pool.submit("hang", ("hang", str(path), 0), timeout=1.0)
        pool.submit("next", ("work", str(tmp_path / "other"), 0), timeout=30.0)
        events = collect(pool, 2)
    assert events["hang"].status == "timeout"
    assert events["next"].status == "done"
    assert _dies(int(path.read_text()))


def test_a_cancelled_request_frees_its_worker(session: Session, handlers: str, tmp_path: Path) -> None:
    path = tmp_path / "starts"
    with Pool(session, handlers, workers=1) as pool:
        pool.submit("hang", ("hang", str(path), 0))
        while not path.exists():
            assert pool.wait(0.1) == []
        pool.cancel("hang")
        pool.submit("next", ("work", str(tmp_path / "other"), 0))
        assert list(collect(pool, 1)) == ["next"]


def _dies(pid: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA bounds memory on Linux only")
def test_a_request_beyond_the_memory_limit_is_told_and_the_pool_goes_on(session: Session) -> None:
    big = np.ones(2**27 // 8)  # the shared payload itself does not count
    with Pool(session, SETUP, workers=1, memory_limit=2**30, payload={"base": big}) as pool:
        pool.submit("big", ("allocate", 3 * 2**30))
        pool.submit("small", ("allocate", 2**29))
        pool.submit("payload", ("add", 1))
        pool.submit("writable", ("writable",))
        events = collect(pool, 4)
    assert events["big"].status == "memory"
    assert "MemoryError" in events["big"].error
    assert events["small"].status == "done"
    assert events["payload"].result == 2**24 + 1
    assert events["writable"].result is False  # in shared memory, not a copy


def test_unpicklable_requests_and_results_are_failures(session: Session) -> None:
    with Pool(session, SETUP, workers=1) as pool:
        pool.submit("result", ("unpicklable",))
        pool.submit("request", ("echo", sys._getframe()))
        pool.submit("good", ("echo", 1))
        events = collect(pool, 3)
    assert [events[key].status for key in ("result", "request", "good")] == ["failed", "failed", "done"]
    assert "pickle" in events["result"].error


def test_workers_are_quiet_and_have_the_asked_threads(session: Session, capfd: pytest.CaptureFixture[str]) -> None:
    with Pool(session, SETUP, workers=2, threads=1) as pool:
        pool.submit("print", ("print", "noise"))
        pool.submit("threads", ("environment", "OMP_NUM_THREADS"))
        events = collect(pool, 2)
        time.sleep(1.0)  # Ray forwards logs twice a second
    assert events["threads"].result == "1"
    assert "noise" not in capfd.readouterr().out


def test_a_cluster_without_a_free_cpu_is_an_error_with_a_hint(session: Session) -> None:
    with Pool(session, SETUP, workers=2) as holder:
        holder.submit("k", ("echo", 1))
        collect(holder, 1)
        for number in range(2):
            holder.submit(f"busy{number}", ("sleep", 60))
        with Pool(session, SETUP, workers=1, patience=2.0) as starved:
            starved.submit("k", ("echo", 1))
            with pytest.raises(ClusterError, match="must have a free CPU") as caught:
                collect(starved, 1)
        assert caught.value.hint


def test_a_trivial_request_costs_milliseconds(session: Session) -> None:
    with Pool(session, SETUP, workers=2) as pool:
        pool.submit("warm", ("echo", 0))
        collect(pool, 1)
        start = time.monotonic()
        for number in range(200):
            pool.submit(str(number), ("echo", number))
        collect(pool, 200)
        per_request = (time.monotonic() - start) / 200
    assert per_request < 0.1  # 2 ms here; the bound only catches a poll or a sleep on the path
