"""The laws of workers, as tests for anyone's implementation.

Derive a test class from ``WorkersConformance`` and say how they are made::

    class TestMyWorkers(WorkersConformance):
        def make(self, **payload):
            return MyWorkers(SETUP, payload=payload)

The set-up ``SETUP`` answers requests that are tuples: ("echo", value), ("add", n), ("raise", text), ("sleep", seconds),
("allocate", bytes), ("print", text), ("pid",), ("calls",), ("unpicklable",), ("exit",), ("environment", name) and
("writable",).
"""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.errors import ClusterError, ConfigError
from zoo.workers.base import Event, Handler, Workers

__all__ = ["SETUP", "WorkersConformance", "broken_setup", "collect", "echo_setup"]

SETUP = "zoo.testing.workers:echo_setup"
_BROKEN = "zoo.testing.workers:broken_setup"


def echo_setup(payload: Mapping[str, Any]) -> Handler:
    """Return a handler that obeys simple commands."""
    calls = 0

    def handle(request: tuple[Any, ...]) -> Any:
        nonlocal calls
        calls += 1
        command, *args = request
        if command == "raise":
            raise _Unpicklable(args[0])
        if command == "exit":
            raise SystemExit(3)
        if command == "print":
            os.write(1, f"{args[0]}\n".encode())
        return _ANSWERS[command](payload, calls, *args)

    return handle


def broken_setup(payload: Mapping[str, Any]) -> Handler:
    """Fail to set up."""
    raise ValueError("no handler today")


class _Unpicklable(Exception):
    """An exception that cannot cross a process boundary."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def _allocate(size: int) -> int:
    return int(np.ones(size // 8).sum())


_ANSWERS: dict[str, Any] = {
    "echo": lambda payload, calls, value: value,
    "add": lambda payload, calls, value: int(payload["base"].sum()) + value,
    "sleep": lambda payload, calls, seconds: time.sleep(seconds),
    "allocate": lambda payload, calls, size: _allocate(size),
    "print": lambda payload, calls, text: None,
    "pid": lambda payload, calls: os.getpid(),
    "calls": lambda payload, calls: calls,
    "unpicklable": lambda payload, calls: threading.Lock(),
    "environment": lambda payload, calls, name: os.environ.get(name),
    "writable": lambda payload, calls: payload["base"].flags.writeable,
}


def collect(workers: Workers, count: int, *, patience: float = 60.0) -> dict[str, Event]:
    """Return ``count`` events by key.

    Raises:
        TimeoutError: They did not come.
    """
    events: dict[str, Event] = {}
    end = time.monotonic() + patience
    while len(events) < count:
        for event in workers.wait(1.0):
            assert event.key not in events, f"two events for {event.key}"
            events[event.key] = event
        if time.monotonic() > end:
            raise TimeoutError(f"{count} events were expected, but only {sorted(events)} came")
    return events


class WorkersConformance(ABC):
    """Tests of the contract; every method is one law."""

    @abstractmethod
    def make(self, setup: str = SETUP, **payload: object) -> Workers:
        """Return new workers with the given set-up and payload."""

    def test_each_key_comes_back_once_with_its_own_result(self) -> None:
        """Law 1."""
        with self.make() as workers:
            for number in range(20):
                workers.submit(f"k{number}", ("echo", number))
            events = collect(workers, 20)
            assert {key: event.result for key, event in events.items()} == {f"k{n}": n for n in range(20)}
            assert workers.wait(0.1) == []
            assert workers.running == ()

    def test_an_outstanding_key_cannot_be_submitted_again(self) -> None:
        """Law 1."""
        with self.make() as workers:
            workers.submit("k", ("echo", 1))
            try:
                workers.submit("k", ("echo", 2))
            except ConfigError:
                pass
            else:
                raise AssertionError("the second submission was accepted")
            assert collect(workers, 1)["k"].result == 1
            workers.submit("k", ("echo", 3))
            assert collect(workers, 1)["k"].result == 3

    def test_idle_and_busy_count_outstanding_requests(self) -> None:
        """Law 2."""
        with self.make() as workers:
            assert (workers.busy, workers.idle) == (0, workers.workers)
            for number in range(workers.workers + 2):
                workers.submit(f"k{number}", ("echo", number))
            assert (workers.busy, workers.idle) == (workers.workers, 0)
            assert workers.running == tuple(f"k{number}" for number in range(workers.workers + 2))
            collect(workers, workers.workers + 2)
            assert workers.idle == workers.workers

    def test_wait_with_nothing_outstanding_returns_at_once(self) -> None:
        """Law 3."""
        with self.make() as workers:
            assert workers.wait(None) == []

    def test_an_exception_becomes_text_and_the_next_request_runs(self) -> None:
        """Law 4."""
        with self.make() as workers:
            workers.submit("bad", ("raise", "broken on purpose"))
            workers.submit("exit", ("exit",))
            workers.submit("good", ("echo", 1))
            events = collect(workers, 3)
            assert events["bad"].status == "failed"
            assert "_Unpicklable: broken on purpose" in events["bad"].error
            assert "in handle" in events["bad"].traceback
            assert (events["exit"].status, events["exit"].error) == ("failed", "SystemExit: 3")
            assert events["good"].result == 1

    def test_exhausted_memory_is_told_apart(self) -> None:
        """Law 4: four petabytes are too much anywhere."""
        with self.make() as workers:
            workers.submit("k", ("allocate", 2**52))
            assert collect(workers, 1)["k"].status == "memory"

    def test_a_request_beyond_its_timeout_is_a_timeout(self) -> None:
        """Law 6."""
        with self.make() as workers:
            workers.submit("slow", ("sleep", 1.5), timeout=0.5)
            workers.submit("quick", ("echo", 1), timeout=30)
            events = collect(workers, 2)
            assert events["slow"].status == "timeout"
            assert events["slow"].seconds >= 0.5
            assert events["quick"].status == "done"

    def test_a_cancelled_request_brings_no_event(self) -> None:
        """Law 1."""
        with self.make() as workers:
            workers.submit("gone", ("sleep", 0.2))
            workers.cancel("gone")
            workers.cancel("unknown")
            workers.submit("kept", ("echo", 1))
            assert list(collect(workers, 1)) == ["kept"]
            assert workers.wait(0.1) == []

    def test_the_payload_arrives(self) -> None:
        """Arrays are shared values of all requests."""
        with self.make(base=np.arange(1000)) as workers:
            workers.submit("k", ("add", 1))
            assert collect(workers, 1)["k"].result == 499501

    def test_a_broken_setup_is_an_error_of_wait(self) -> None:
        """Law 7."""
        with self.make(_BROKEN) as workers:
            workers.submit("k", ("echo", 1))
            try:
                collect(workers, 1)
            except ClusterError as error:
                assert "ValueError: no handler today" in error.message
            else:
                raise AssertionError("the broken set-up went unnoticed")
