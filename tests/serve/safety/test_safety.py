"""The guard in front of an application, on a real uvicorn: tokens, rates, limits, deadlines, slow and cut
connections."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from serve.safety import Guard, ServerLimits, Token, impatient_protocol, issue, read_tokens, write_tokens
from serve.safety.guard import Receive, Scope, Send
from zoo.errors import ArtifactError, ConfigError


class Application:
    """Answers with the length of the body, after as many seconds as the query says; counts what it finished."""

    def __init__(self) -> None:
        self.begun = self.finished = self.cancelled = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        self.begun += 1
        body = (await receive())["body"]
        seen = dict(scope["headers"])[b"x-request-id"]
        try:
            await asyncio.sleep(float(scope["query_string"] or b"0"))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await send({"type": "http.response.start", "status": 200, "headers": [(b"seen", seen)]})
        await send({"type": "http.response.body", "body": str(len(body)).encode()})
        self.finished += 1


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[str, Application, Guard]]]:
    """Start uvicorn on a free port, in a thread, with a guarded application."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(**options: Any) -> tuple[str, Application, Guard]:
        application = Application()
        guard = Guard(application, **options)
        protocol = impatient_protocol(0.5)
        config = uvicorn.Config(guard, port=0, log_level="error", http=protocol, lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        running.append((server, thread))
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}", application, guard

    yield start
    for server, thread in running:
        server.should_exit = True
        server.force_exit = True
        thread.join(5)


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)


def until(condition: Callable[[], bool], seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_every_answer_names_its_request_and_the_application_sees_the_same_name(serve: Any):
    url, _, _ = serve()
    own = httpx.post(f"{url}/x", headers={"x-request-id": "mine-7"})
    assert own.headers["x-request-id"] == own.headers["seen"] == "mine-7"
    made = httpx.post(f"{url}/x", headers={"x-request-id": "no spaces allowed"})
    assert made.headers["x-request-id"] == made.headers["seen"] != "no spaces allowed"


def test_where_a_proxy_names_requests_the_guard_does_not(serve: Any):
    url, _, _ = serve(echo_id=False)
    answer = httpx.post(f"{url}/x", headers={"x-request-id": "mine-7"})
    assert answer.headers["seen"] == "mine-7"
    assert "x-request-id" not in answer.headers


def test_only_holders_of_a_token_are_answered_but_health_is_open(serve: Any):
    text, token = issue("dashboard")
    url, application, _ = serve(tokens=(token,))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {text}"}):
        refused = httpx.post(f"{url}/x", headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json()["error"] and refused.headers["x-request-id"]
    assert application.begun == 0
    assert httpx.post(f"{url}/x", headers={"authorization": f"bearer {text}"}).status_code == 200
    assert httpx.get(f"{url}/v2/health/live").status_code == 200
    assert httpx.post(f"{url}/v2/health/live").status_code == 401


def test_each_token_has_its_own_rate(serve: Any):
    fast, token = issue("fast")
    slow, other = issue("slow", rate=0.5, burst=2)
    url, _, _ = serve(tokens=(token, other))
    codes = [httpx.post(f"{url}/x", headers={"authorization": f"Bearer {slow}"}) for _ in range(4)]
    assert [c.status_code for c in codes] == [200, 200, 429, 429]
    assert int(codes[-1].headers["retry-after"]) >= 1
    assert all(httpx.post(f"{url}/x", headers={"authorization": f"Bearer {fast}"}).is_success for _ in range(5))


def test_a_path_can_have_a_smaller_limit(serve: Any):
    url, _, _ = serve(limits=ServerLimits(body=1000, bodies={"/small": 10}))
    assert [httpx.post(f"{url}{path}", content=b"x" * 11).status_code for path in ("/x", "/small")] == [200, 413]
    told = httpx.post(f"{url}/small", content=b"x" * 11).json()
    assert "10 bytes" in told["error"] and told["hint"]
    huge = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
    huge.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 18 + b"\r\n\r\n")
    assert b" 413 " in huge.recv(1000).splitlines()[0]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_whatever_its_header_says(serve: Any, chunked: bool):
    url, application, _ = serve(limits=ServerLimits(body=1000))
    body: Any = (b"x" * 300 for _ in range(10)) if chunked else b"x" * 1001
    refused = httpx.post(f"{url}/x", content=body)
    assert refused.status_code == 413
    assert application.begun == 0
    assert httpx.post(f"{url}/x", content=b"x" * 1000).text == "1000"


def test_the_deadline_ends_the_work_and_the_client_may_shorten_it(serve: Any):
    url, application, _ = serve(limits=ServerLimits(answer=0.4))
    began = time.monotonic()
    assert httpx.post(f"{url}/x?30").status_code == 504
    assert httpx.post(f"{url}/x?30", headers={"x-request-timeout-ms": "100"}).status_code == 504
    assert httpx.post(f"{url}/x?30", headers={"x-request-timeout-ms": "100000"}).status_code == 504
    assert time.monotonic() - began < 3.0
    assert until(lambda: application.cancelled == 3)
    for wrong in ("soon", "-1", "nan", "0"):
        assert httpx.post(f"{url}/x", headers={"x-request-timeout-ms": wrong}).status_code == 400


def test_more_than_fits_waits_and_more_than_may_wait_is_told_to_come_back(serve: Any):
    url, application, guard = serve(limits=ServerLimits(running=2, waiting=3))
    with httpx.Client() as client, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.post(f"{url}/x?0.3", timeout=10), range(12)))
        assert client.get(f"{url}/v2/health/live?0").status_code == 200
    codes = [a.status_code for a in answers]
    assert codes.count(200) == 5
    assert codes.count(503) == 7
    assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 503)
    assert guard.waiting == 0
    assert httpx.post(f"{url}/x").status_code == 200
    assert application.finished == 7


def test_refusals_are_held_apart_so_that_who_came_together_does_not_come_back_together(serve: Any):
    url, application, _ = serve(limits=ServerLimits(running=1, waiting=0, hold=0.4))

    def refused(_: int) -> float:
        began = time.monotonic()
        assert client.post(f"{url}/x", timeout=10).status_code == 503
        return time.monotonic() - began

    with httpx.Client() as client, ThreadPoolExecutor(21) as pool:
        pool.submit(client.post, f"{url}/x?2", timeout=10)
        assert until(lambda: application.begun == 1)
        seconds = sorted(pool.map(refused, range(20)))
    assert seconds[0] >= 0.19
    assert seconds[-1] < 1.5
    assert seconds[-1] - seconds[0] > 0.1


def test_more_refusals_than_may_be_held_are_told_at_once(serve: Any):
    url, application, _ = serve(limits=ServerLimits(running=1, waiting=0, hold=20.0, held=0))
    with httpx.Client() as client, ThreadPoolExecutor(1) as pool:
        pool.submit(client.post, f"{url}/x?0.5", timeout=10)
        assert until(lambda: application.begun == 1)
        assert client.post(f"{url}/x", timeout=3).status_code == 503


def test_who_has_his_answer_finds_his_place_free():
    class Slow(Application):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().__call__(scope, receive, send)
            await asyncio.sleep(0.5)  # what it does after its answer

    async def go() -> None:
        guard = Guard(Slow(), limits=ServerLimits(running=1, waiting=0))
        answered = asyncio.Event()
        statuses: list[int] = []

        async def ask() -> None:
            given = iter([{"type": "http.request", "body": b"", "more_body": False}])

            async def receive() -> Any:
                for message in given:
                    return message
                await asyncio.sleep(9)

            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                else:
                    answered.set()

            await guard(
                {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": []}, receive, send
            )

        first = asyncio.ensure_future(ask())
        await answered.wait()
        assert not first.done()
        await ask()
        assert statuses == [200, 200]
        await first

    asyncio.run(go())


def test_a_request_whose_deadline_passes_in_the_queue_never_begins(serve: Any):
    url, application, _ = serve(limits=ServerLimits(running=1, waiting=5))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{url}/x?0.5")
        assert until(lambda: application.begun == 1)
        late = httpx.post(f"{url}/x", headers={"x-request-timeout-ms": "100"})
        assert (late.status_code, application.begun) == (503, 1)
        assert first.result().status_code == 200
    assert httpx.post(f"{url}/x").status_code == 200


def test_a_slow_body_is_given_up_and_holds_no_place(serve: Any):
    url, application, _ = serve(limits=ServerLimits(receive=0.3, running=1))
    with connect(url) as slow:
        slow.sendall(b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
        assert httpx.post(f"{url}/x").status_code == 200, "others are served meanwhile"
        assert b"408" in slow.recv(4096)
    assert application.begun == 1


def test_a_slow_head_is_cut(serve: Any):
    url, _, _ = serve()
    with connect(url) as slow, connect(url) as silent:
        slow.sendall(b"POST /x HTTP/1.1\r\nhost: ")
        began = time.monotonic()
        assert slow.recv(4096) == b""
        assert silent.recv(4096) == b""
        assert time.monotonic() - began < 3.0
    with httpx.Client() as client:
        assert client.post(f"{url}/x?0.7").status_code == 200, "a long answer is no slow head"
        assert client.post(f"{url}/x").status_code == 200


def test_nobody_works_for_a_client_that_has_gone(serve: Any):
    url, application, guard = serve(limits=ServerLimits(running=1))
    for body in (b"", b"half of"):
        with connect(url) as cut:
            length = 0 if not body else 100
            cut.sendall(b"POST /x?30 HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % length + body)
            assert until(lambda: application.begun == 1)
        assert until(lambda: application.cancelled == 1)
    assert httpx.post(f"{url}/x").status_code == 200
    assert guard.waiting == 0


def test_an_application_that_breaks_keeps_no_place():
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("a bug")

    async def go() -> None:
        guard = Guard(broken, limits=ServerLimits(running=1))
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            for _ in range(3):
                with pytest.raises(RuntimeError, match="a bug"):
                    await client.post("/x")

    asyncio.run(go())


def test_thousands_of_half_heads_keep_nobody_out():
    """Also where the process may open fewer files than there are half heads."""
    protocol = impatient_protocol(30, max_heads=50, max_each=40)
    config = uvicorn.Config(Guard(Application()), port=0, log_level="error", http=protocol, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = server.servers[0].sockets[0].getsockname()
    held = []
    try:
        for _ in range(300):
            held.append(socket.create_connection(address, timeout=5))
            held[-1].sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        began = time.monotonic()
        for _ in range(5):
            assert httpx.get(f"http://127.0.0.1:{address[1]}/v2/health/live", timeout=5).status_code == 200
        assert time.monotonic() - began < 1.0
        assert len(server.server_state.connections) < 60
    finally:
        for one in held:
            one.close()
        server.should_exit = True
        thread.join(10)


def test_the_address_with_most_half_heads_gives_way():
    from serve.safety.heads import _WaitingHeads

    waiting = _WaitingHeads(5, 4)
    assert [waiting.add(f"a{i}", "a") for i in range(5)] == [[], [], [], [], ["a0"]]
    assert waiting.add("b0", "b") == []
    assert waiting.add("c0", "c") == ["a1"]
    waiting.remove("a2")
    waiting.remove("a2")
    assert waiting.add("c1", "c") == []


def test_tokens_are_kept_as_hashes_for_the_owner_only(tmp_path: Path):
    text, token = issue("dashboard", rate=2.5, burst=3)
    path = tmp_path / "tokens.json"
    write_tokens(path, [token])
    assert text not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_tokens(path) == (token,)
    path.chmod(0o644)
    with pytest.raises(ArtifactError, match="owner only"):
        read_tokens(path)
    path.chmod(0o600)
    for wrong in ("{", "[1]", json.dumps([{"name": "x", "token": "secret"}]), '[{"name": "x"}]'):
        path.write_text(wrong)
        with pytest.raises(ArtifactError):
            read_tokens(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServerLimits(body=0),
        lambda: ServerLimits(waiting=-1),
        lambda: Token("x", "secret"),
        lambda: issue("x", rate=-1),
        lambda: impatient_protocol(0),
        lambda: impatient_protocol(10, max_heads=0),
        lambda: ServerLimits(bodies={"/x": 0}),
    ],
)
def test_limits_that_cannot_be_are_refused(make: Callable[[], object]):
    with pytest.raises(ConfigError):
        make()
