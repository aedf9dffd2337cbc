"""Ray's start has an end: a start that hangs, one that fails, and a machine without a loopback interface."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from zoo.cluster import session as module
from zoo.cluster import start
from zoo.errors import ClusterError


@pytest.fixture(autouse=True)
def _nothing_hangs_afterwards() -> Iterator[None]:
    yield
    start._stuck.clear()


def test_a_start_that_hangs_is_an_error_in_time_and_is_undone_when_it_ends() -> None:
    end, undone = threading.Event(), threading.Event()
    begin = time.monotonic()
    with pytest.raises(ClusterError, match=r"within 1 s") as caught:
        start.start_within(end.wait, seconds=1.0, undo=undone.set)
    assert time.monotonic() - begin < 10
    assert "zoo doctor" in caught.value.hint
    assert start.hanging() and not undone.is_set()
    with pytest.raises(ClusterError, match="still hangs"):
        start.start_within(lambda: None, seconds=5, undo=lambda: None)
    end.set()
    assert undone.wait(10)


def test_ctrl_c_gives_a_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    end, undone = threading.Event(), threading.Event()
    usual = threading.Event.wait

    def interrupted(event: threading.Event, timeout: float | None = None) -> bool:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return usual(event, timeout)

    with monkeypatch.context() as patch:
        # A thread's own start waits, too: only what comes after it is interrupted.
        patch.setattr(
            start.threading.Thread, "start", _then(lambda: patch.setattr(threading.Event, "wait", interrupted))
        )
        with pytest.raises(KeyboardInterrupt):
            start.start_within(lambda: usual(end), seconds=60, undo=undone.set)
    end.set()
    assert undone.wait(10)


def _then(more: Any) -> Any:
    usual = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        usual(thread)
        more()

    return started


def _starting() -> int:
    return sum(thread.name == "ray-start" for thread in threading.enumerate())


def test_the_thread_that_started_ray_lives_as_long_as_ray_does() -> None:
    before = _starting()
    stopped = start.start_within(lambda: None, seconds=5, undo=lambda: None)
    assert _starting() == before + 1
    stopped()
    end = time.monotonic() + 10
    while _starting() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert _starting() == before


def test_what_the_start_raises_is_raised() -> None:
    def fails() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        start.start_within(fails, seconds=5, undo=lambda: None)


def test_a_machine_that_cannot_talk_to_itself_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    start.check_loopback()
    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(ClusterError, match="loopback") as caught:
        module._embed(None, 1, 60.0)
    assert "ip link set lo up" in caught.value.hint
