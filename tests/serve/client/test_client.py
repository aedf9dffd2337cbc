"""The client: what it sends, when it asks again, what it raises."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pandas as pd
import pytest

from serve.client import AsyncClient, Client
from serve.client.arrow import ARROW
from serve.client.frames import Columns
from serve.client.retries import Attempts, RetryPolicy
from zoo.clock import ManualClock
from zoo.errors import ClusterError, ConfigError, DataError, ModelError

QUICK = RetryPolicy(attempts=4, base=0.001, most=0.002)
ANSWER = {
    "model": "air",
    "model_version": "3",
    "request_id": "r",
    "quantiles": [0.1, 0.9],
    "forecasts": [
        {
            "id": "a",
            "time": ["2024-01-03T00:00:00", "2024-01-04T00:00:00"],
            "mean": [1.0, None],
            "quantiles": {"0.1": [0.5, 0.6], "0.9": [2.0, 3.0]},
        }
    ],
    "errors": [{"id": "b", "error": "too short", "hint": "", "where": "series[1].y"}],
}


def table(rows: int = 2) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=rows)
    return pd.DataFrame({"shop": "a", "day": days[::-1], "sold": np.arange(rows, 0.0, -1)})


SHOP = Columns(id="shop", time="day", target="sold")


def client(answer: Callable[[httpx.Request], httpx.Response], **options: object) -> Client:
    retry = options.pop("retry", QUICK)
    return Client("http://test", retry=retry, transport=httpx.MockTransport(answer), **options)  # type: ignore[arg-type]


def test_a_table_goes_out_and_a_table_comes_back_under_the_users_names():
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    with client(answer, token="secret") as c:
        got = c.forecast(table(), 2, quantiles=[0.1, 0.9], model="air@3", columns=SHOP)
    body = json.loads(seen[0].content)
    assert body == {
        "series": [{"id": "a", "time": ["2024-01-01T00:00:00", "2024-01-02T00:00:00"], "y": [1.0, 2.0]}],
        "horizon": 2,
        "quantiles": [0.1, 0.9],
        "model": "air@3",
    }
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert 0 < float(seen[0].headers["x-request-timeout-ms"]) <= 30000
    assert list(got.frame.columns) == ["shop", "day", "mean", "0.1", "0.9"]
    assert got.frame["day"].tolist() == [pd.Timestamp("2024-01-03"), pd.Timestamp("2024-01-04")]
    assert np.isnan(got.frame["mean"][1])
    assert (got.model_version, got.errors[0]["error"]) == ("3", "too short")


def test_known_covariates_go_out_with_their_future_and_are_missed_without():
    frame = table().assign(price=[2.0, 1.0], rain=[0.0, np.nan], town=["x", "x"])
    columns = Columns("shop", "day", "sold", known=("price",), static=("town",))
    future = pd.DataFrame({"shop": ["a", "a"], "day": pd.date_range("2024-01-03", periods=2), "price": [3.0, 4.0]})
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json=ANSWER)

    with client(answer) as c:
        c.forecast(frame, columns=columns, future=future)
        with pytest.raises(DataError, match="must have a future"):
            c.forecast(frame, columns=columns)
        with pytest.raises(DataError, match="none"):
            c.forecast(frame.assign(shop="z"), columns=columns, future=future)
    one = bodies[0]["series"][0]
    assert one["known"] == {"price": [1.0, 2.0, 3.0, 4.0]}
    assert one["past"] == {"rain": [None, 0.0]}
    assert one["static"] == {"town": "x"}


def test_ids_alone_ask_for_the_stored_state():
    with client(lambda r: httpx.Response(200, json=json.loads(r.content) | ANSWER)) as c:
        assert c.forecast(["a", "b"]).body["series"] == [{"id": "a"}, {"id": "b"}]


def test_a_long_table_goes_as_arrow():
    import pyarrow as pa

    rows = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == ARROW
        assert request.url.params["horizon"] == "2"
        rows.append(pa.ipc.open_stream(request.content).read_all())
        out = pa.table({"id": ["a"], "time": [1], "mean": [2.0], "0.5": [2.0]})
        out = out.replace_schema_metadata({"model": "air", "model_version": "7"})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, out.schema) as writer:
            writer.write_table(out)
        return httpx.Response(200, content=bytes(sink.getvalue()), headers={"content-type": ARROW})

    with client(answer) as c:
        got = c.forecast(table(25_000), 2, columns=SHOP)
    assert rows[0]["y"].to_pylist()[:2] == [1.0, 2.0], "sorted by time"
    assert sorted(rows[0].column_names) == ["id", "time", "y"]
    assert (got.model_version, got.quantiles) == ("7", (0.5,))
    assert list(got.frame.columns) == ["shop", "day", "mean", "0.5"]


def test_busy_answers_are_tried_again_with_the_same_request_id():
    ids = []

    def answer(request: httpx.Request) -> httpx.Response:
        ids.append(request.headers["x-request-id"])
        if len(ids) < 3:
            return httpx.Response(429 if len(ids) == 1 else 503, json={"error": "busy"})
        return httpx.Response(200, json=ANSWER)

    with client(answer) as c:
        assert c.forecast(["a"]).model == "air"
    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_the_server_decides_how_long_to_wait_at_least():
    clock = ManualClock()
    attempts = Attempts(RetryPolicy(base=0.1), 10.0, clock, random.Random(0))
    busy = ClusterError("busy")
    assert 2.0 <= attempts.wait(busy, "2") <= 2.1
    waits = [attempts.wait(busy) for _ in range(4)]
    assert all(0 <= w <= 0.1 * 2**n for n, w in enumerate(waits, start=1))
    with pytest.raises(ClusterError):
        attempts.wait(busy)


def test_no_wait_goes_beyond_the_deadline():
    attempts = Attempts(RetryPolicy(), 1.0, ManualClock(), random.Random(0))
    with pytest.raises(ClusterError):
        attempts.wait(ClusterError("busy"), "5")
    clock = ManualClock()
    late = Attempts(RetryPolicy(), 1.0, clock, random.Random(0))
    clock.advance(2.0)
    assert late.remaining == 0.001


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, DataError), (413, DataError), (422, DataError), (401, ConfigError), (404, ConfigError), (500, ModelError)],
)
def test_errors_have_kinds_and_are_not_repeated(status: int, kind: type[Exception]):
    count = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return httpx.Response(status, json={"error": "y must be", "hint": "send it", "where": "series[0].y"})

    with client(answer) as c, pytest.raises(kind) as caught:
        c.forecast(["a"])
    assert count == 1
    assert "y must be (at series[0].y)" in str(caught.value)
    assert caught.value.hint == "send it"  # type: ignore[attr-defined]


def test_an_error_page_that_is_no_json_is_survived():
    with client(lambda r: httpx.Response(502, text="<html>")) as c, pytest.raises(ClusterError, match="502"):
        c.models()


@pytest.fixture
def flaky() -> Iterator[tuple[str, list[int]]]:
    """A server that cuts the first two connections: one at once, one in the middle of its answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[int] = []
    body = json.dumps(ANSWER).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                seen.append(len(connection.recv(65536)))
                if len(seen) == 2:
                    connection.sendall(head + body[:20])
                elif len(seen) > 2:
                    connection.sendall(head + body)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    listener.close()


def test_lost_connections_are_tried_again(flaky: tuple[str, list[int]]):
    with Client(flaky[0], retry=QUICK) as c:
        assert c.forecast(["a"]).model == "air"
    assert len(flaky[1]) == 3


def test_the_async_client_does_the_same(flaky: tuple[str, list[int]]):
    async def go() -> str:
        async with AsyncClient(flaky[0], retry=QUICK) as c:
            return (await c.forecast(["a"])).model

    assert asyncio.run(go()) == "air"


def test_nobody_there_is_said_within_the_deadline():
    began = time.monotonic()
    with Client("http://127.0.0.1:9", timeout=0.5, retry=RetryPolicy(attempts=100, base=0.05)) as c:
        with pytest.raises(ClusterError, match="must answer"):
            c.forecast(["a"])
        assert not c.ready()
    assert time.monotonic() - began < 2.0


def test_observations_come_from_a_table_and_are_named_once():
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if len(bodies) == 1:
            return httpx.Response(503, headers={"retry-after": "0"})
        return httpx.Response(200, json={"accepted": 2, "duplicates": 0, "late": 0})

    with client(answer) as c:
        assert c.observe(table(), columns=SHOP)["accepted"] == 2
    assert bodies[0] == bodies[1]
    assert [row["y"] for row in bodies[0]["observations"]] == [1.0, 2.0]
    assert bodies[0]["observation_id"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Client("ftp://x"),
        lambda: Client("http://x", timeout=0),
        lambda: RetryPolicy(attempts=0),
        lambda: Client("http://x").forecast(pd.DataFrame({"a": [1]})),
        lambda: Client("http://x").forecast(table(), columns=Columns(target="nope")),
    ],
)
def test_mistakes_are_found_before_anything_is_sent(make: Callable[[], object]):
    with pytest.raises((ConfigError, DataError)) as caught:
        make()
    assert caught.value.hint
