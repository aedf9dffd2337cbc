"""The laws of a queue, as tests for anyone's keeper.

Derive a test class from ``QueueConformance`` and say how the keeper is made::

    class TestMyBackend(QueueConformance):
        def make(self, options):
            return MyBackend(options)
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from serve.queue import (
    Backend,
    InputQueue,
    OutputQueue,
    QueueFullError,
    QueueOptions,
    QueueRecord,
    QueueWorker,
    WorkerOptions,
)
from zoo.errors import DataError

__all__ = ["QueueConformance", "double"]


def double(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
    """Answer ``{"x": 1}`` with ``{"y": 2}``."""
    return [{"y": 2 * request["x"]} for request in requests]


class QueueConformance(ABC):
    """Tests of the contract of ``serve.queue.base``; every method is one law."""

    @abstractmethod
    def make(self, options: QueueOptions) -> Backend:
        """Return a keeper of an empty queue."""

    def drained(self, queue: Backend, forecast: Any = double, *, steps: int = 20) -> int:
        """Let one worker do what is there; return how many requests were answered."""
        worker = QueueWorker(queue, forecast, WorkerOptions(wait=0.05))
        return sum(worker.step() for _ in range(steps) if queue.waiting())

    def test_what_goes_in_comes_out_under_its_name(self) -> None:
        """By name, and in any order."""
        queue = self.make(QueueOptions())
        names = InputQueue(queue).enqueue_many([{"x": i} for i in range(50)])
        out = OutputQueue(queue)
        assert out.query(names[0]) is None
        assert self.drained(queue) == 50
        assert out.query(names[7]) == {"y": 14}
        assert out.query(names[7]) == {"y": 14}, "a query leaves it there"
        got = out.dequeue(30)
        assert len(got) == 30
        got |= out.dequeue(30)
        assert got == {name: {"y": 2 * i} for i, name in enumerate(names)}
        assert out.dequeue(30) == {}
        assert out.query(names[0]) is None
        assert queue.waiting() == 0

    def test_a_name_is_worked_on_once(self) -> None:
        """Before, while and after it is worked on, also within one batch."""
        queue = self.make(QueueOptions())
        assert queue.put([QueueRecord("a", b'{"x":1}'), QueueRecord("a", b'{"x":1}')]) == 1
        assert queue.put([QueueRecord("a", b'{"x":9}'), QueueRecord("b", b'{"x":2}')]) == 1
        taken = queue.take("w", 10, 0.05)
        assert queue.put([QueueRecord("a", b'{"x":1}')]) == 0
        queue.done([(task, b'{"y":1}') for task in taken])
        assert queue.put([QueueRecord("a", b'{"x":1}')]) == 0
        assert OutputQueue(queue).query("a") == {"y": 1}
        assert queue.waiting() == 0

    def test_a_full_queue_takes_no_more_until_something_is_done(self) -> None:
        """A batch goes in whole or not at all."""
        queue = self.make(QueueOptions(most=10))
        sender = InputQueue(queue)
        sender.enqueue_many([{"x": i} for i in range(8)])
        try:
            sender.enqueue_many([{"x": i} for i in range(3)])
        except QueueFullError as error:
            assert error.retryable
            assert error.hint
        else:
            raise AssertionError("it was full")
        assert queue.waiting() == 8
        sender.enqueue_many([{"x": 1}, {"x": 2}])
        threading.Timer(0.2, self.drained, [queue]).start()
        sender.enqueue({"x": 3}, wait=10.0)

    def test_a_lost_workers_records_go_to_another_one(self) -> None:
        """And a result that comes late changes nothing."""
        queue = self.make(QueueOptions(patience=0.2))
        InputQueue(queue).enqueue_many([{"x": 1}, {"x": 2}], ids=["a", "b"])
        lost = queue.take("lost", 10, 0.05)
        assert [task.attempt for task in lost] == [1, 1]
        assert queue.take("other", 10, 0.05) == []
        time.sleep(0.25)
        again = queue.take("other", 10, 0.5)
        assert sorted((task.id, task.attempt) for task in again) == [("a", 2), ("b", 2)]
        queue.done([(task, b'{"from":"other"}') for task in again])
        queue.done([(task, b'{"from":"lost"}') for task in lost])
        got = OutputQueue(queue).dequeue()
        assert got == {"a": {"from": "other"}, "b": {"from": "other"}}
        assert queue.waiting() == 0

    def test_a_record_that_kills_its_workers_is_put_aside(self) -> None:
        """After the queue's number of attempts, and whoever asks for it is told."""
        queue = self.make(QueueOptions(patience=0.05, attempts=2))
        InputQueue(queue).enqueue({"x": 1}, id="killer")
        for _ in range(2):
            assert len(queue.take("dies", 1, 0.5)) == 1
            time.sleep(0.1)
        assert self.drained(queue) == 0
        assert [(letter.id, letter.body) for letter in queue.dead()] == [("killer", b'{"x":1}')]
        told = OutputQueue(queue).query("killer")
        assert told is not None
        assert "2 times" in told["error"]
        assert queue.waiting() == 0

    def test_the_record_that_kills_its_workers_takes_no_other_along(self) -> None:
        """A worker dies with its batch, again and again: only the one is put aside, the others are answered."""
        for attempts in (1, 2, 3, 4):
            queue = self.make(QueueOptions(patience=0.05, attempts=attempts))
            InputQueue(queue).enqueue_many([{"x": i} for i in range(6)], ids=[f"{attempts}-{i}" for i in range(6)])

            def dies(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
                if any(request["x"] == 2 for request in requests):
                    raise KeyboardInterrupt  # as a kill: nothing of the batch is told
                return double(requests)

            end = time.monotonic() + 20
            while queue.waiting() and time.monotonic() < end:
                with contextlib.suppress(KeyboardInterrupt):
                    QueueWorker(queue, dies, WorkerOptions(wait=0.01)).step()
                time.sleep(0.02)
            out = OutputQueue(queue)
            answers = [out.query(f"{attempts}-{i}") for i in range(6)]
            assert [a for i, a in enumerate(answers) if i != 2] == [{"y": 2 * i} for i in range(6) if i != 2]
            assert f"{attempts}-2" in [letter.id for letter in queue.dead()]
            assert len([letter for letter in queue.dead() if letter.id.startswith(f"{attempts}-")]) == 1

    def test_bodies_of_any_bytes_are_answered(self) -> None:
        """What is no request is told so; nobody dies of it."""
        queue = self.make(QueueOptions())
        bodies = [b"", b"\xff\xfe", b"\x00", b"[" * 100_000, b"[]", b"7", b"9" * 5000, b'{"x":', b'"\\ud800"', b"null"]
        queue.put([QueueRecord(f"odd {i}", body) for i, body in enumerate(bodies)] + [QueueRecord("good", b'{"x":1}')])
        assert self.drained(queue) == len(bodies) + 1
        out = OutputQueue(queue).dequeue()
        assert out.pop("good") == {"y": 2}
        assert all("JSON" in told["error"] for told in out.values())
        assert len(out) == len(bodies)

    def test_an_answer_that_cannot_be_written_is_put_aside_alone(self) -> None:
        """Not JSON, or no number: a fault of the worker's, of which the others hear nothing."""
        queue = self.make(QueueOptions(attempts=2, patience=0.05))

        def odd(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
            return [{"y": {1: object(), 2: float("nan")}.get(request["x"], 0)} for request in requests]

        InputQueue(queue).enqueue_many([{"x": i} for i in range(4)], ids=list("abcd"))
        for _ in range(4):
            self.drained(queue, odd, steps=1)
            time.sleep(0.06)
        got = OutputQueue(queue).dequeue()
        assert (got["a"], got["d"]) == ({"y": 0}, {"y": 0})
        assert sorted(letter.id for letter in queue.dead()) == ["b", "c"]

    def test_one_bad_request_does_not_spoil_its_batch(self) -> None:
        """The client's mistake is answered; a fault is tried again and then put aside."""
        queue = self.make(QueueOptions(patience=0.05, attempts=2))

        def forecast(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
            if any(request["x"] == 13 for request in requests):
                raise RuntimeError("a bug")
            return [DataError("x must be even", "double it") if r["x"] % 2 else r for r in requests]

        InputQueue(queue).enqueue_many([{"x": i} for i in (2, 3, 13)], ids=["even", "odd", "bug"])
        queue.put([QueueRecord("torn", b'{"x":')])
        for _ in range(3):
            self.drained(queue, forecast, steps=1)
            time.sleep(0.1)
        got = OutputQueue(queue).dequeue()
        assert got["even"] == {"x": 2}
        assert got["odd"] == {"error": "x must be even", "hint": "double it", "where": ""}
        assert "JSON" in got["torn"]["error"]
        assert "RuntimeError" in got["bug"]["error"]
        assert [letter.reason for letter in queue.dead()] == ["RuntimeError: a bug"]

    def test_answers_come_again_until_they_are_confirmed(self) -> None:
        """A reader that dies between two calls loses nothing."""
        queue = self.make(QueueOptions())
        InputQueue(queue).enqueue({"x": 1}, id="a")
        self.drained(queue)
        assert OutputQueue(queue).dequeue() == {"a": {"y": 2}}
        reader = OutputQueue(queue)
        assert reader.dequeue() == {"a": {"y": 2}}
        reader.confirm()
        assert OutputQueue(queue).dequeue() == {}

    def test_many_workers_share_the_work(self) -> None:
        """Each record is done, by one of them."""
        queue = self.make(QueueOptions())
        seen: Counter[int] = Counter()
        lock = threading.Lock()

        def forecast(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
            with lock:
                seen.update(int(request["x"]) for request in requests)
            return double(requests)

        stop = threading.Event()
        workers = [QueueWorker(queue, forecast, WorkerOptions(batch=10, wait=0.05)) for _ in range(3)]
        threads = [threading.Thread(target=worker.run, args=[stop]) for worker in workers]
        for thread in threads:
            thread.start()
        names = InputQueue(queue).enqueue_many([{"x": i} for i in range(200)])
        last = [OutputQueue(queue).query(name, wait=20.0) for name in names]
        stop.set()
        for thread in threads:
            thread.join()
        assert last == [{"y": 2 * i} for i in range(200)]
        assert set(seen.values()) == {1}
