"""What `zoo serve status` says of models, and what `zoo serve queue` refuses before anything starts."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from serve.commands.queue import queue
from serve.commands.status import _lines, _models
from zoo.errors import ConfigError

MODEL = {"name": "sales", "version": "ab12", "loaded": True, "default": True, "last_time": "2024-01-09T07:00:00"}


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers with the body that the test wants, and remembers who asked."""

    body = b""
    asked: list[str | None] = []  # noqa: RUF012  # one server a test

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Authorization"))
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    Endpoint.asked.clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_each_model_is_a_line_and_the_default_is_marked() -> None:
    spare = {**MODEL, "name": "old", "loaded": False, "default": False}
    del spare["last_time"]
    lines = _lines({"models": [MODEL, spare], "refused": {"new": "latency"}})
    assert lines == [
        "  * sales@ab12  loaded  up to 2024-01-09 07:00",
        "    old@ab12  on disk  up to ?",
        "    refused new: latency",
    ]
    assert _lines({}) == []
    assert _lines({"unreachable": "refused"}) == ["    does not answer: refused"]


def test_an_endpoint_is_asked_with_its_owners_token(endpoint: str) -> None:
    Endpoint.body = json.dumps({"models": [MODEL]}).encode()
    assert _models(endpoint) == {"models": [MODEL]} == _models(endpoint, "secret")
    assert Endpoint.asked == [None, "Bearer secret"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff"])
def test_what_is_no_answer_is_said_and_not_raised(endpoint: str, body: bytes) -> None:
    Endpoint.body = body
    assert list(_models(endpoint)) == ["unreachable"]


def test_an_endpoint_that_starts_or_has_gone_is_no_error(endpoint: str) -> None:
    assert _models("") == {}
    assert "unreachable" in _models("http://127.0.0.1:9")
    assert "404" in _models(f"{endpoint}/elsewhere")["unreachable"]


@pytest.mark.parametrize("workers", ["0", "-1", "", "many", "2.5"])
def test_workers_of_a_queue_are_a_number_or_auto(workers: str) -> None:
    with pytest.raises(ConfigError, match="--workers must be a number above 0 or auto"):
        queue("run", url="sqlite:queue.db", workers=workers)


def test_a_queue_in_memory_is_nobody_elses() -> None:
    with pytest.raises(ConfigError, match="must be redis:// or sqlite:"):
        queue("run", url="memory:")
