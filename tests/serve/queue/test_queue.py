"""Requests through a queue: in memory, in a file, and in a real Redis that is killed in between."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serve.queue import (
    Backend,
    InputQueue,
    OutputQueue,
    QueueOptions,
    QueueRecord,
    QueueWorker,
    WorkerOptions,
    open_queue,
)
from serve.queue.embedded import EmbeddedBackend
from serve.testing.queues import QueueConformance, double
from serve.testing.redis import RedisServer, redis_binary
from zoo.errors import ClusterError, ConfigError, DataError

needs_redis = pytest.mark.skipif(redis_binary() is None, reason="no redis-server (apt-get install redis-server)")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


class TestMemory(QueueConformance):
    def make(self, options: QueueOptions) -> Backend:
        return open_queue("memory:", options)


class TestFile(QueueConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "queue.db"

    def make(self, options: QueueOptions) -> Backend:
        return open_queue(f"sqlite:{self.path}", options)


@needs_redis
class TestRedis(QueueConformance):
    @pytest.fixture(autouse=True)
    def _server(self, redis: RedisServer) -> None:
        self.url = redis.url

    def make(self, options: QueueOptions) -> Backend:
        fresh = QueueOptions(uuid.uuid4().hex, options.most, options.attempts, options.patience, options.keep)
        return open_queue(self.url, fresh)


@needs_redis
def test_a_redis_killed_in_mid_stream_loses_nothing(tmp_path: Path):
    count = 1500
    with RedisServer(tmp_path) as server:
        queue = open_queue(server.url, QueueOptions(patience=2.0))
        stop = threading.Event()
        worker = QueueWorker(queue, double, WorkerOptions(batch=20, wait=0.05))
        sender = InputQueue(open_queue(server.url))
        got: dict[str, dict[str, object]] = {}

        def send() -> None:
            for i in range(0, count, 10):
                sender.enqueue_many([{"x": j} for j in range(i, i + 10)], ids=[str(j) for j in range(i, i + 10)])

        threads = [threading.Thread(target=send), threading.Thread(target=worker.run, args=[stop])]
        for thread in threads:
            thread.start()
        reader = OutputQueue(open_queue(server.url))
        kills = 0
        end = time.monotonic() + 60
        while len(got) < count and time.monotonic() < end:
            got |= reader.dequeue(100)
            if kills < 2 and len(got) > 300 * (kills + 1):
                server.kill()
                time.sleep(0.2)
                server.start()
                kills += 1
        stop.set()
        for thread in threads:
            thread.join()
    assert kills == 2
    assert got == {str(i): {"y": 2 * i} for i in range(count)}


@needs_redis
def test_a_redis_without_memory_is_a_full_queue(tmp_path: Path):
    with RedisServer(tmp_path, options=("maxmemory", "3mb", "maxmemory-policy", "noeviction")) as server:
        sender = InputQueue(open_queue(server.url))
        with pytest.raises(ClusterError) as caught:
            for _ in range(200):
                sender.enqueue_many([{"x": "y" * 10_000} for _ in range(10)])
        assert caught.value.retryable


@needs_redis
def test_a_flushed_redis_begins_anew(redis: RedisServer):
    import redis as client

    options = QueueOptions("flushed")
    queue = open_queue(redis.url, options)
    client.Redis.from_url(redis.url).flushall()
    assert queue.take("w", 1, 0.01) == []
    name = InputQueue(queue).enqueue({"x": 1})
    assert QueueWorker(queue, double, WorkerOptions(wait=0.2)).step() == 1
    assert OutputQueue(queue).query(name) == {"y": 2}


FOREIGN = [
    {"payload": "{}"},
    {"id": "no body"},
    {"body": '{"x":1}'},
    {b"id": b"\xff\xfe", b"body": b'{"x":1}'},
    {b"\xff": b"\x00"},
    {"id": "", "body": "not JSON"},
    {"reason": "mine", "id": "with a reason"},
]


@needs_redis
@pytest.mark.parametrize("entry", FOREIGN, ids=range(len(FOREIGN)))
def test_an_entry_that_nobody_here_wrote_is_a_dead_letter(redis: RedisServer, entry, caplog):
    import redis as client

    raw = client.Redis.from_url(redis.url)
    queue = open_queue(redis.url, QueueOptions(uuid.uuid4().hex, patience=0.05))
    stream = f"zoo:{{{queue.options.name}}}:in"
    InputQueue(queue).enqueue({"x": 1}, id="before")
    raw.xadd(stream, entry)
    InputQueue(queue).enqueue({"x": 2}, id="after")
    assert QueueWorker(queue, double, WorkerOptions(wait=0.05)).step() >= 2
    assert OutputQueue(queue).query("before") == {"y": 2}
    assert OutputQueue(queue).query("after") == {"y": 4}
    assert raw.xpending(stream, "workers")["pending"] == queue.waiting() == 0
    if entry.get("body") != "not JSON":  # that one has a name, under which it is answered
        [letter] = queue.dead()
        assert "another program" in letter.reason
        assert letter.id
        assert "another program" in caplog.text


@needs_redis
def test_a_foreign_entry_that_a_dead_worker_held_is_a_dead_letter_too(redis: RedisServer):
    import redis as client

    raw = client.Redis.from_url(redis.url)
    queue = open_queue(redis.url, QueueOptions(uuid.uuid4().hex, patience=0.05))
    stream = f"zoo:{{{queue.options.name}}}:in"
    raw.xadd(stream, {"payload": "{}"})
    InputQueue(queue).enqueue({"x": 1}, id="good")
    raw.xreadgroup("workers", "an old version", {stream: ">"})
    time.sleep(0.1)
    assert QueueWorker(queue, double, WorkerOptions(wait=0.05)).step() == 1
    assert OutputQueue(queue).query("good") == {"y": 2}
    assert len(queue.dead()) == 1


@needs_redis
def test_foreign_results_do_not_hold_up_their_reader(redis: RedisServer):
    import redis as client

    raw = client.Redis.from_url(redis.url)
    queue = open_queue(redis.url, QueueOptions(uuid.uuid4().hex))
    base = f"zoo:{{{queue.options.name}}}"
    raw.xadd(f"{base}:out", {"odd": "1"})
    raw.xadd(f"{base}:out", {b"id": b"\xff"})
    raw.set(f"{base}:id:no JSON", b"\xff")
    raw.xadd(f"{base}:out", {"id": "no JSON"})
    InputQueue(queue).enqueue({"x": 1}, id="good")
    QueueWorker(queue, double, WorkerOptions(wait=0.05)).step()
    reader = OutputQueue(queue)
    got = reader.dequeue() | reader.dequeue()
    assert got["good"] == {"y": 2}
    assert "must be JSON" in got["no JSON"]["error"]
    assert raw.xlen(f"{base}:out") == 0


def test_foreign_rows_of_a_file_are_dead_letters(tmp_path: Path):
    import sqlite3

    queue = open_queue(f"sqlite:{tmp_path / 'q.db'}")
    InputQueue(queue).enqueue({"x": 1}, id="good")
    with sqlite3.connect(tmp_path / "q.db") as base:
        base.execute("insert into records(id, body) values(null, null)")
        base.execute("insert into records(id, body) values(?, ?)", (b"\xff", 7))
        base.execute("insert into records(id, body) values('text', '{}')")
    base.close()
    assert QueueWorker(queue, double, WorkerOptions(wait=0.05)).step() == 1
    assert OutputQueue(queue).query("good") == {"y": 2}
    assert len(queue.dead()) == 3
    assert queue.waiting() == 0


def test_a_worker_goes_on_after_whatever_happens(caplog: pytest.LogCaptureFixture):
    class Odd(EmbeddedBackend):
        calls = 0

        def take(self, worker: str, count: int, wait: float):  # type: ignore[no-untyped-def]
            self.calls += 1
            if self.calls == 1:
                raise KeyError("id")
            stop.set()
            return super().take(worker, count, wait)

    stop = threading.Event()
    queue = Odd()
    InputQueue(queue).enqueue({"x": 1})
    assert QueueWorker(queue, double).run(stop) == 1
    assert "a batch failed" in caplog.text


def test_a_file_outlives_its_process(tmp_path: Path):
    url = f"sqlite:{tmp_path / 'queue.db'}"
    first = open_queue(url, QueueOptions(patience=0.01))
    InputQueue(first).enqueue_many([{"x": 1}, {"x": 2}], ids=["a", "b"])
    first.take("lost", 1, 0.01)
    first.close()
    time.sleep(0.02)
    second = open_queue(url, QueueOptions(patience=0.01))
    assert QueueWorker(second, double, WorkerOptions(wait=0.1)).step() == 2
    assert OutputQueue(second).dequeue() == {"a": {"y": 2}, "b": {"y": 4}}


def test_names_and_results_are_forgotten_in_the_end():
    now = 1000.0
    queue = EmbeddedBackend(None, QueueOptions(keep=100.0), now=lambda: now)
    InputQueue(queue).enqueue({"x": 1}, id="a")
    QueueWorker(queue, double).step()
    now += 200.0
    queue.waiting()
    assert OutputQueue(queue).query("a") is None
    assert queue.put([QueueRecord("a", b"{}")]) == 1


def test_a_worker_outlives_a_keeper_that_is_away(caplog: pytest.LogCaptureFixture):
    class Away(EmbeddedBackend):
        calls = 0

        def take(self, worker: str, count: int, wait: float):  # type: ignore[no-untyped-def]
            self.calls += 1
            if self.calls == 1:
                raise ClusterError("the queue's Redis must answer, but it does not", "wait")
            stop.set()
            return super().take(worker, count, wait)

    stop = threading.Event()
    queue = Away()
    InputQueue(queue).enqueue({"x": 1})
    assert QueueWorker(queue, double).run(stop) == 1
    assert "must answer" in caplog.text


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: open_queue("kafka://x"), ConfigError),
        (lambda: open_queue("sqlite:"), ConfigError),
        (lambda: open_queue("sqlite:/proc/none/queue.db"), ClusterError),
        (lambda: QueueOptions(most=0), ConfigError),
        (lambda: QueueOptions("a b"), ConfigError),
        (lambda: InputQueue("memory:").enqueue({"y": float("nan")}), DataError),
        (lambda: InputQueue("memory:").enqueue({"y": object()}), DataError),
        (lambda: InputQueue("memory:").enqueue({}, id=""), DataError),
        (lambda: InputQueue("memory:").enqueue_many([{}, {}], ids=["a"]), DataError),
    ],
)
def test_what_no_queue_can_do_is_refused(make: Callable[[], object], kind: type[Exception]):
    with pytest.raises(kind) as caught:
        make()
    assert caught.value.hint  # type: ignore[attr-defined]


@needs_redis
def test_a_redis_that_is_not_there_is_said_so():
    from serve.queue.streams import RedisBackend

    with pytest.raises(ClusterError, match="must answer"):
        RedisBackend("redis://127.0.0.1:9/0", retry=0.2)
