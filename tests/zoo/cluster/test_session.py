"""One Ray context: embedded, joined, adopted; Ctrl-C and kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from zoo.cluster import Session, connect
from zoo.cluster import session as module
from zoo.errors import ClusterError, ConfigError
from zoo.workers import Pool

_ROOT = Path(__file__).parents[3]
_CODE = """
import sys
from zoo.cluster import connect
from zoo.workers import Pool
from zoo.testing.workers import SETUP, collect
with connect(workers=2) as session:
    assert session.embedded
    with Pool(session, SETUP, workers=2) as pool:
        pool.submit("a", ("pid",)); pool.submit("b", ("pid",))
        collect(pool, 2)
        pool.submit("a", ("sleep", 4)); pool.submit("b", ("sleep", 4))
        try:
            print("running", flush=True)
            collect(pool, 2)
        except KeyboardInterrupt:
            events = collect(pool, 2)
            print("interrupted", sorted(event.status for event in events.values()), flush=True)
"""


def _driver() -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


@pytest.mark.slow
@pytest.mark.ray
def test_ctrl_c_reaches_the_driver_and_spares_the_workers() -> None:
    process = _driver()
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "interrupted ['done', 'done']\n", "")


@pytest.mark.slow
@pytest.mark.ray
def test_the_cluster_dies_with_a_killed_driver() -> None:
    process = _driver()
    # Two idle agents of Ray wait a minute for the head that is gone before they end.
    children = [child for child in psutil.Process(process.pid).children(recursive=True) if "Agent" not in child.name()]
    assert any(child.name() == "raylet" for child in children)
    assert any("Worker" in child.name() for child in children)
    process.kill()
    process.communicate()
    end = time.monotonic() + 30
    while any(map(_lives, children)) and time.monotonic() < end:
        time.sleep(0.2)
    assert [child for child in children if _lives(child)] == []


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.ray
def test_an_embedded_cluster_starts_neither_monitors_nor_a_dashboard(session: Session) -> None:
    assert session.embedded
    started = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    raylet = next(words for words in started if "raylet" in words)
    # With the port of every other Ray, two clusters on a machine would wait four seconds for each other.
    assert "--listen-port=0" in raylet and "--listen-port=52365" not in raylet
    own = [one for one in started if "raylet" not in one]  # which names the agents that it starts
    assert [one for one in own if "monitor.py" in one or "dashboard.py" in one] == []


@pytest.mark.ray
def test_a_running_context_is_adopted_and_left_running(session: Session) -> None:
    import ray

    with connect() as adopted:
        assert not adopted.embedded
        assert adopted.cpus == session.cpus == 2.0
        assert adopted.address == session.address
    assert ray.is_initialized()
    assert ray.cluster_resources()["CPU"] == 2.0


@pytest.mark.ray
def test_another_process_joins_over_ray_address_and_leaves_it_running(session: Session) -> None:
    code = (
        "from zoo.cluster import connect\n"
        "from zoo.workers import Pool\n"
        "from zoo.testing.workers import SETUP, collect\n"
        "with connect(workers=7) as session, Pool(session, SETUP, workers=1) as pool:\n"
        "    pool.submit('k', ('echo', 41))\n"
        "    print(session.embedded, session.cpus, collect(pool, 1)['k'].result)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "RAY_ADDRESS": session.address}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.returncode) == ("False 2.0 41\n", 0), result.stderr
    assert session.cpus == 2.0


@pytest.mark.ray
def test_pools_of_one_session_follow_each_other(session: Session) -> None:
    for _ in range(2):
        with Pool(session, "zoo.testing.workers:echo_setup", workers=1) as pool:
            pool.submit("k", ("echo", 1))
            assert [event.result for event in pool.wait(60)] == [1]


def test_an_address_where_nothing_listens_is_an_error_with_a_hint() -> None:
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1") as caught:
        module._check_listening("127.0.0.1:1")
    assert "RAY_AUTH" in caught.value.hint


def test_workers_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="workers >= 1"):
        connect(workers=0)


def test_a_long_temporary_directory_is_avoided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(long))
    root = module._temp_root()
    assert root != str(long)
    sockets = "/zoo-ray-12345678/session_2026-11-23_13-05-11_146083_4194304/sockets/plasma_store"
    assert len(root + sockets) <= 107


def test_errors_of_the_cluster_are_retryable() -> None:
    assert ClusterError.retryable
