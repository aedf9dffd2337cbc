"""Starts an embedded Ray within a time limit: on a machine that lacks what it expects, Ray itself waits without end."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable

from zoo.errors import ClusterError

__all__ = ["PATIENCE", "check_loopback", "hanging", "start_within"]

#: Seconds: four on two idle cores, twenty where both are busy.
PATIENCE = 60.0
_HINT = "check free memory, disk space in the temporary directory, /dev/shm and the network, then run `zoo doctor`"
# A thread that has not come back; Ray cannot be started a second time beside it.
_stuck: list[threading.Thread] = []


def check_loopback(seconds: float = 5.0) -> None:
    """Raise if this machine cannot talk to itself over 127.0.0.1, by which all of Ray's processes find each other.

    Raises:
        ClusterError: It cannot: Ray would try again for minutes.
    """
    try:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            socket.create_connection(server.getsockname(), timeout=seconds).close()
    except OSError as error:
        raise ClusterError(
            f"Ray must be able to use the loopback interface (127.0.0.1), but it cannot: {error}",
            "bring it up (`ip link set lo up`), or allow local connections in the sandbox or firewall",
        ) from error


def start_within(start: Callable[[], object], *, seconds: float, undo: Callable[[], object]) -> Callable[[], None]:
    """Call ``start``, which starts Ray in this process, and wait for its end, but not for longer than ``seconds``.

    It runs in a thread of its own: what it waits for inside Ray's C++ code nothing else can interrupt. A start that is
    given up goes on there, and is undone when it ends after all; its processes end with this one. They must not be
    killed: the thread's connection to them would end this process a minute later.

    Args:
        start: What starts Ray in this process.
        seconds: How long to wait for it.
        undo: Called in that thread if the start ends after it was given up.

    Returns:
        To be called after Ray has been shut down: the thread ends. Before that it must not, as Linux sends a process
        its parent's death signal when the *thread* ends that made it.

    Raises:
        ClusterError: The time is over, now or in an earlier call whose thread still hangs.
        BaseException: What ``start`` raised.
    """
    if hanging():
        raise ClusterError("Ray must be able to start in this process, but an earlier start still hangs", _HINT)
    errors: list[BaseException] = []
    done, over, given_up, lock = threading.Event(), threading.Event(), threading.Event(), threading.Lock()

    def run() -> None:
        try:
            start()
        except BaseException as error:
            errors.append(error)
        with lock:
            done.set()
        if given_up.is_set():
            undo()
        elif not errors:
            over.wait()

    _handle_sigterm()
    thread = threading.Thread(target=run, name="ray-start", daemon=True)
    thread.start()
    try:
        done.wait(seconds)
    finally:
        with lock:
            if not done.is_set():  # the time is over, or Ctrl-C came
                _stuck[:] = [thread]
                given_up.set()
    if given_up.is_set():
        raise ClusterError(f"Ray must start within {seconds:.0f} s, but it did not", _HINT)
    if errors:
        raise errors[0]
    return over.set


def hanging() -> bool:
    """Whether a start that was given up has not ended yet."""
    return any(thread.is_alive() for thread in _stuck)


def _handle_sigterm() -> None:
    """End the process in order on SIGTERM, as Ray does where it is started in the main thread, and keep it from asking.

    Without this a terminated driver would leave its temporary directory behind.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
    # "SIGTERM handler is not set because current thread is not the main thread."
    logging.getLogger("ray._private.worker").setLevel(logging.ERROR)
