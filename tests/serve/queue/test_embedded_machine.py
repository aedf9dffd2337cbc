"""The queue in this process against a model: each record has one result, whoever dies, and nothing is handed out twice.

The clock is moved by hand: a worker that took records and was not heard of for longer than ``patience`` has died.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serve.queue.base import QueueFullError, QueueOptions, QueueRecord, QueueTask
from serve.queue.embedded import EmbeddedBackend

OPTIONS = QueueOptions(most=6, patience=30.0, attempts=3)
IDS = st.sampled_from([f"r{i}" for i in range(9)])


class QueueMachine(RuleBasedStateMachine):
    """One queue; the model knows of each record whether it waits, who has it since when, or that it is over."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.queue = EmbeddedBackend(options=OPTIONS, now=lambda: self.now)
        self.waits: list[str] = []  # in the order of their coming
        self.out: dict[str, tuple[QueueTask, float]] = {}
        self.attempts: dict[str, int] = {}
        self.results: dict[str, bytes] = {}
        self.fetched: set[str] = set()
        self.buried: list[str] = []

    def teardown(self) -> None:
        self.queue.close()

    @rule(ids=st.lists(IDS, min_size=1, max_size=4))
    def put(self, ids: list[str]) -> None:
        known = {*self.waits, *self.out, *self.results}
        new = [id_ for id_ in dict.fromkeys(ids) if id_ not in known]
        records = [QueueRecord(id_, id_.encode()) for id_ in ids]
        if len(self.waits) + len(self.out) + len(new) > OPTIONS.most:
            with pytest.raises(QueueFullError, match="must hold at most 6 records"):
                self.queue.put(records)
            return
        assert self.queue.put(records) == len(new)
        self.waits += new
        self.attempts |= dict.fromkeys(new, 0)

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        late = sorted((since, id_) for id_, (_, since) in self.out.items() if since < self.now - OPTIONS.patience)
        tasks = self.queue.take("w", count, 0.0)
        taken = [task.id for task in tasks]
        assert len(set(taken)) == len(taken) <= count
        again, new = [id_ for id_ in taken if id_ in self.out], [id_ for id_ in taken if id_ not in self.out]
        assert set(again) <= {id_ for _, id_ in late}, "nobody's record is taken from him while he may live"
        assert new == self.waits[: len(new)], "first come, first served"
        assert taken or not (late or self.waits), "what can be done is handed out"
        for task in tasks:
            self.attempts[task.id] += 1
            assert (task.attempt, task.body) == (self.attempts[task.id], task.id.encode())
            self.out[task.id] = (task, self.now)
            if task.id in again and task.attempt == OPTIONS.attempts:
                assert len(tasks) == 1, "who may have killed his workers goes alone"
        self.waits = self.waits[len(new) :]

    @rule(id_=IDS, text=st.binary(max_size=3))
    def done(self, id_: str, text: bytes) -> None:
        if id_ in self.out:
            task, _ = self.out.pop(id_)
            self.queue.done([(task, text), (task, b"the second one is not heard")])
            self.results[id_] = text

    @rule(id_=IDS)
    def bury(self, id_: str) -> None:
        if id_ in self.out:
            task, _ = self.out.pop(id_)
            self.queue.bury(task, "it broke", b"no")
            self.results[id_] = b"no"
            self.buried.append(id_)

    @rule(seconds=st.sampled_from([0.5, 29.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 5))
    def fetch(self, count: int) -> None:
        told = self.queue.fetch("reader", count)
        open_ = {id_: body for id_, body in self.results.items() if id_ not in self.fetched}
        assert len(told) == min(count, len(open_))
        assert all(open_[id_] == body for id_, body in told)
        self.queue.fetched("reader", [id_ for id_, _ in told])
        self.fetched |= {id_ for id_, _ in told}

    @invariant()
    def every_record_is_somewhere_once(self) -> None:
        assert self.queue.waiting() == len(self.waits) + len(self.out)
        assert [(letter.id, letter.reason) for letter in self.queue.dead()] == [
            (id_, "it broke") for id_ in self.buried
        ]
        for id_, body in self.results.items():
            assert self.queue.result(id_) == (None if id_ in self.fetched else body)
        for id_ in (*self.waits, *self.out):
            assert self.queue.result(id_) is None


TestEmbeddedQueue = QueueMachine.TestCase
TestEmbeddedQueue.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
