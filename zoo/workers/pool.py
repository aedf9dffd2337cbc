"""Requests on persistent Ray actors: milliseconds each, and any of them may be killed at any time."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.cluster.session import Session
from zoo.errors import ClusterError, ConfigError
from zoo.workers.actors import LOW_MEMORY, MAX_DEATHS, answered, deaths, unreachable
from zoo.workers.base import Event, Status, Workers
from zoo.workers.worker import RequestWorker

__all__ = ["Pool"]

# Seconds between two looks at whether the cluster has grown.
_LOOK_SECONDS = 3.0


@dataclass
class _Request:
    key: str
    request: object
    timeout: float | None
    losses: int = 0


@dataclass
class _Seat:
    """One place for a worker; its phase is told by what it waits for."""

    actor: Any
    ref: Any  # the answer to ping, then to prepare, then to run; None while idle
    phase: str  # "scheduling" -> "preparing" -> "idle" <-> "running"
    since: float
    job: _Request | None = None
    faults: int = 0  # deaths before it was ready, in a row


class Pool(Workers):
    """The driver contract on Ray.

    Args:
        session: The Ray cluster that the workers are placed in.
        setup: ``"module:function"``, given the payload, returns the handler; imported by the workers only.
        workers: Processes. Fewer run as long as the cluster has no room for all.
        most: Processes at most, if more CPUs come to the cluster: nodes that join are used; ``workers`` by default.
        payload: Shared values, put into the object store once; arrays arrive without a copy, read-only.
        memory_limit: Bytes one request may allocate (Linux); beyond it the event is "memory".
        threads: CPUs that each worker reserves, and the number of threads of its numerical libraries.
        patience: Seconds to wait for the first worker to be scheduled.
    """

    def __init__(
        self,
        session: Session,
        setup: str,
        *,
        workers: int,
        most: int | None = None,
        payload: Mapping[str, object] | None = None,
        memory_limit: int | None = None,
        threads: int = 1,
        patience: float = 30.0,
    ) -> None:
        import ray

        if workers < 1 or threads < 1:
            raise ConfigError(f"`workers, threads >= 1` must hold, but got {workers}, {threads}", "use at least 1")
        if setup.startswith("__main__:") or ":" not in setup:
            raise ConfigError(
                f"a set-up must be an importable 'module:function', but got {setup!r}",
                "put the function into a module beside your script",
            )
        self._ray = ray
        self._session = session
        self._setup = setup
        self._patience = patience
        self._memory_limit = memory_limit
        self._payload = {name: ray.put(value) for name, value in (payload or {}).items()}
        # No automatic restarts: the pool must know which request was lost.
        self._actor_class = ray.remote(RequestWorker).options(num_cpus=threads, max_restarts=0)
        self._threads = threads
        self._queue: deque[_Request] = deque()
        self._order: dict[str, None] = {}
        self._events: list[Event] = []
        self._slots = [self._start(0) for _ in range(workers)]
        self._most = max(workers, most or workers)
        self._alive = self._looked = time.monotonic()

    def submit(self, key: str, request: object, *, timeout: float | None = None) -> None:
        """Queue a request; it starts at once if a worker is ready."""
        if key in self._order:
            raise ConfigError(f"a key must be outstanding once, but {key!r} is already", "use another key")
        self._order[key] = None
        self._queue.append(_Request(key, request, timeout))
        self._dispatch()

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return the events that have come, waiting at most ``timeout`` seconds for the first."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self._dispatch()
            self._poll(0.0 if self._events or not self._order else self._nap(end))
            if self._events or not self._order or (end is not None and time.monotonic() >= end):
                events, self._events = self._events, []
                return events

    def cancel(self, key: str) -> None:
        """Forget a request; if it runs, its worker is killed and replaced."""
        if self._order.pop(key, "unknown") == "unknown":
            return
        self._queue = deque(job for job in self._queue if job.key != key)
        for slot in self._slots:
            if slot.job is not None and slot.job.key == key:
                self._replace(slot)

    def close(self) -> None:
        """Kill the workers."""
        for slot in self._slots:
            self._ray.kill(slot.actor)
        self._slots = []
        self._payload = {}
        self._queue.clear()
        self._order.clear()
        self._events.clear()

    @property
    def running(self) -> tuple[str, ...]:
        """Keys that are outstanding (running or queued), in the order of submission."""
        return tuple(self._order)

    @property
    def workers(self) -> int:
        """The number of processes asked for, and of those that were added for nodes that came."""
        return len(self._slots)

    def _start(self, faults: int) -> _Seat:
        actor = self._actor_class.remote(list(sys.path), self._threads, self._memory_limit)
        return _Seat(actor, actor.ping.remote(), "scheduling", time.monotonic(), faults=faults)

    def _grow(self, now: float) -> None:
        """Add workers for the CPUs of nodes that have come."""
        if len(self._slots) >= self._most or now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        room = int(self._session.cpus) // self._threads
        self._slots += [self._start(0) for _ in range(min(room, self._most) - len(self._slots))]

    def _replace(self, slot: _Seat) -> None:
        """Put a new worker into the slot; its job, if any, is the caller's."""
        faults = slot.faults + 1 if slot.phase in ("scheduling", "preparing") else 0
        self._ray.kill(slot.actor)
        self._slots[self._slots.index(slot)] = self._start(faults)

    def _dispatch(self) -> None:
        for slot in self._slots:
            if not self._queue:
                return
            if slot.phase != "idle":
                continue
            job = self._queue.popleft()
            try:
                slot.ref = slot.actor.run.remote(job.request)
            except Exception as error:  # the request cannot be pickled
                self._finish(job, Event(job.key, "failed", error=f"{type(error).__name__}: {error}"))
                continue
            slot.job, slot.phase, slot.since = job, "running", time.monotonic()

    def _nap(self, end: float | None) -> float:
        """Return how long to wait for an answer: until a deadline passes, or a second to look at the cluster."""
        now = time.monotonic()
        moments = [now + 1.0] + ([] if end is None else [end])
        for slot in self._slots:
            if slot.job is not None and slot.job.timeout is not None:
                moments.append(slot.since + slot.job.timeout)
        return max(min(moments) - now, 0.0)

    def _poll(self, seconds: float) -> None:
        """Take in answers and deaths, then stop what has taken too long."""
        waiting = {slot.ref: slot for slot in self._slots if slot.ref is not None}
        for ref in answered(waiting, seconds):
            self._take(waiting[ref])
        now = time.monotonic()
        for slot in list(self._slots):
            job = slot.job
            if job is not None and job.timeout is not None and now - slot.since >= job.timeout:
                self._replace(slot)
                text = f"TimeoutError: more than {job.timeout:g} s"
                self._finish(job, Event(job.key, "timeout", error=text, seconds=now - slot.since))
        self._grow(now)
        self._check_scheduling(now)

    def _take(self, slot: _Seat) -> None:
        """Take in the answer that a slot waits for."""
        try:
            answer: Any = self._ray.get(slot.ref)
        except deaths() as error:
            self._lost(slot, error)
            return
        except Exception as error:  # the result could not be pickled, or not be read here
            if slot.job is None:
                raise unreachable(error) from error
            answer = ("failed", None, f"{type(error).__name__}: {error}", "", time.monotonic() - slot.since)
        if slot.phase == "scheduling":
            slot.phase, slot.since = "preparing", time.monotonic()
            slot.ref = slot.actor.prepare.remote(self._setup, list(self._payload), *self._payload.values())
        elif slot.phase == "preparing":
            error_text, trace = answer
            if error_text:
                raise ClusterError(
                    f"the workers must be able to start, but the set-up {self._setup} failed: {error_text}",
                    trace.strip() or "see the cause above",
                )
            slot.phase, slot.ref, slot.faults = "idle", None, 0
        else:
            job = slot.job
            assert job is not None
            status, result, error_text, trace, seconds = answer
            slot.phase, slot.ref, slot.job = "idle", None, None
            if status == "memory":
                self._replace(slot)  # a process that once ran out of memory is not to be trusted
            self._finish(job, Event(job.key, status, result, error_text, trace, seconds))

    def _lost(self, slot: _Seat, error: Exception) -> None:
        """The worker died by itself: replace it, and run its request again."""
        job, seconds = slot.job, time.monotonic() - slot.since
        self._replace(slot)
        if job is None:
            if slot.faults + 1 >= MAX_DEATHS:
                raise unreachable(error) from error
            return
        job.losses += 1
        if job.losses < MAX_DEATHS:
            self._queue.appendleft(job)
            return
        status: Status = "memory" if LOW_MEMORY in str(error) else "lost"
        text = f"{type(error).__name__}: the worker died {job.losses} times"
        self._finish(job, Event(job.key, status, error=text, traceback=str(error), seconds=seconds))

    def _finish(self, job: _Request, event: Event) -> None:
        self._order.pop(job.key, None)
        self._events.append(event)

    def _check_scheduling(self, now: float) -> None:
        """Raise if no worker can be placed at all; some workers are enough to go on."""
        if any(slot.phase != "scheduling" for slot in self._slots) or not self._slots:
            self._alive = now
        elif now - max(self._alive, min(slot.since for slot in self._slots)) > self._patience:
            free = self._ray.available_resources().get("CPU", 0.0)
            raise ClusterError(
                f"the cluster must have a free CPU for a worker, but for {self._patience:g} s it had none "
                f"(total {self._session.cpus:g}, free {free:g})",
                "end other jobs on the cluster, add nodes, or use fewer threads per worker",
            )
