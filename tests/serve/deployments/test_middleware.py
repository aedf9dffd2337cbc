"""Whose answers: a request that meant another endpoint is not answered by this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serve.app import ServingApp
from serve.deployments import ports
from serve.deployments.copies import pinned
from serve.deployments.middleware import Own
from serve.identity import HEADER, Identity
from serve.safety import issue
from tests.serve.deployments.one_application import answered, configuration
from zoo.errors import ConfigError


def says(status: int, body: bytes) -> Any:
    """Return an application that is not ours."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


def test_a_request_for_another_endpoint_is_not_answered():
    own = Own(ServingApp(identity=Identity("a", "aaa")).asgi, "aaa")
    assert answered(own).headers[HEADER] == "a/aaa"
    assert answered(own, x_zoo_instance="aaa").headers[HEADER] == "a/aaa"
    other = answered(own, x_zoo_instance="bbb")
    assert (other.status_code, other.headers["retry-after"]) == (503, "1")
    assert HEADER not in other.headers


def test_rays_404_is_a_503_and_an_applications_stays_one():
    lost = b"Path '/v1/forecast' not found. Ping http://.../-/routes for available routes."
    told = answered(Own(says(404, lost), "aaa"))
    assert (told.status_code, told.headers["retry-after"], HEADER in told.headers) == (503, "1", False)
    assert told.json()["error"]
    assert answered(Own(ServingApp(identity=Identity("a", "aaa")).asgi, "aaa"), "/nowhere").status_code == 404
    # Other applications of the cluster pass its proxy, too.
    for status in (200, 404):
        other = answered(Own(says(status, b"theirs"), "aaa"))
        assert (other.status_code, other.text, other.headers[HEADER]) == (status, "theirs", "-/aaa")


def test_where_nobody_can_listen_the_reason_is_told():
    for host, port in (("203.0.113.9", 8299), ("127.0.0.1", 70_000), ("no such host", 8299)):
        with pytest.raises(ConfigError, match="must be able to listen"):
            ports.check_free(host, port)


def test_an_endpoint_says_who_it_is_and_to_its_owner_what_it_serves(pipeline: Any, tmp_path: Path):
    text, token = issue("owner")
    config = pinned(configuration(pipeline.save(tmp_path / "hours")))
    app = ServingApp(config, identity=Identity.new("mine", "aaa", token.sha256)).asgi
    told = answered(app, "/v1/endpoint").json()
    assert (told["name"], told["instance"], told["ready"]) == ("mine", "aaa", True)
    assert set(told) == {"name", "instance", "started", "ready"}
    own = answered(app, "/v1/endpoint", authorization=f"Bearer {text}").json()
    assert own["versions"] == {"hours": config.models[0].digest}
    assert own["tokens"] is None and own["refused"] == {}
