"""Ray's start has an end: a start that hangs, one that fails, and a machine without a loopback interface."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.cluster import session as module
from zoo.cluster import start
from zoo.errors import ClusterError


@pytest.fixture(autouse=True)
def _nothing_hangs_afterwards() -> Iterator[None]:
    yield
    start._stuck.clear()


class _Hanging:
    """Starts a process, as Ray does, and then waits for ever."""

    def __init__(self, directory: Path) -> None:
        self.end = threading.Event()
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        code = "import time; time.sleep(60)"
        self.process = subprocess.Popen([sys.executable, "-c", code, str(self.directory / "session")])
        self.end.wait()


def test_a_start_that_hangs_is_an_error_in_time_and_leaves_no_process(tmp_path: Path) -> None:
    hanging = _Hanging(tmp_path)
    begin = time.monotonic()
    with pytest.raises(ClusterError, match=r"within 1 s") as caught:
        start.start_within(hanging, seconds=1.0, directory=tmp_path)
    assert time.monotonic() - begin < 10
    assert "zoo doctor" in caught.value.hint
    assert hanging.process is not None
    assert hanging.process.wait(10) < 0  # by a signal
    with pytest.raises(ClusterError, match="still hangs"):
        start.start_within(lambda: None, seconds=5, directory=tmp_path)
    hanging.end.set()


def _starting() -> int:
    return sum(thread.name == "ray-start" for thread in threading.enumerate())


def test_the_thread_that_started_ray_lives_as_long_as_ray_does(tmp_path: Path) -> None:
    before = _starting()
    stopped = start.start_within(lambda: None, seconds=5, directory=tmp_path)
    assert _starting() == before + 1
    stopped()
    end = time.monotonic() + 10
    while _starting() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert _starting() == before


def test_what_the_start_raises_is_raised(tmp_path: Path) -> None:
    def fails() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        start.start_within(fails, seconds=5, directory=tmp_path)


def test_a_machine_that_cannot_talk_to_itself_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    start.check_loopback()
    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(ClusterError, match="loopback") as caught:
        module._embed(None, 1, 60.0)
    assert "ip link set lo up" in caught.value.hint
