"""The endpoint on Ray Serve: the same answers, several replicas, reloads without a failed request, kills survived."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil
import pytest
import yaml

import serve
from benchmarks.serve.load import measure, start
from serve.commands import processes
from serve.deployments.configuration import configured
from serve.deployments.deploy import Endpoint
from serve.deployments.ingress import Ingress
from serve.identity import HEADER
from serve.rpc.messages import SERVICE, message
from serve.testing.caller import same
from serve.testing.pipelines import fitted, hourly
from zoo.errors import ArtifactError, ConfigError

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def replicas() -> list[psutil.Process]:
    mine = psutil.process_iter(["cmdline"])
    return [p for p in mine if (p.info["cmdline"] or [""])[0].startswith("ray::ServeReplica:zoo:Ingress")]


@pytest.fixture(scope="module")
def endpoint(session, pipeline, tmp_path_factory) -> Iterator[Endpoint]:
    state = str(tmp_path_factory.mktemp("state"))
    with serve.deploy(pipeline, model="hours", port=free_port(), replicas=2, state=state, checked=False) as endpoint:
        yield endpoint


@pytest.mark.ray
def test_the_endpoint_answers_as_predict_does(endpoint, pipeline):
    with httpx.Client(base_url=endpoint.url) as client:
        answers = [client.post("/v1/forecast", json={"series": [{"id": "H1"}]}) for _ in range(20)]
        assert all(same(a.json()["forecasts"][0], pipeline.predict()) for a in answers)
        assert client.get("/v2/health/ready").json() == {"ready": True}
        assert client.post("/v1/forecast", json={"series": []}).json()["where"] == "series"
        assert "zoo_serve_requests_total" in client.get("/metrics").text


@pytest.mark.ray
def test_replicas_run_at_the_priority_of_who_started_them(endpoint):
    assert {process.nice() for process in replicas()} == {psutil.Process().nice()}  # Ray's default is 15


@pytest.mark.ray
def test_what_one_replica_observes_all_know(endpoint):
    rows = [{"id": "H0", "time": "2024-01-09T08:00:00", "y": 21.0}]
    with httpx.Client(base_url=endpoint.url) as client:
        assert client.post("/v1/observe", json={"observations": rows}).json()["accepted"] == 1
        bodies = [client.post("/v1/forecast", json={"series": [{"id": "H0"}]}).json() for _ in range(20)]
    assert {b["forecasts"][0]["time"][0] for b in bodies} == {"2024-01-09T09:00:00"}


@pytest.mark.ray
def test_a_reload_under_load_fails_no_request(endpoint, table, tmp_path):
    path = fitted(table, families=("seasonal_naive",)).save(tmp_path / "next")
    url = f"{endpoint.url}/v1/forecast"
    load = start(url, [b'{"series":[{"id":"H1"}]}'], clients=4, seconds=6, rate=100.0)
    before = {p.pid for p in replicas()}
    endpoint.reload(configured(str(path), model="hours", state=str(tmp_path / "state")))
    with httpx.Client(base_url=endpoint.url) as client:
        told = [client.get("/v1/models").json()["models"][0]["members"] for _ in range(20)]
    assert told == 20 * [{"seasonal_naive": 1.0}], "no replica may answer with the version before"
    assert {p.pid for p in replicas()} == before, "replicas load the next version beside their work"
    found = measure(load)
    assert found.failed == 0
    assert found.requests > 100


@pytest.mark.ray
def test_a_killed_proxy_is_back_before_anybody_has_given_up(endpoint):
    """Ray sees it after half a minute: its manager, ours, looks for itself."""
    port = int(endpoint.url.rpartition(":")[2])
    listening = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "haproxy"]
    (proxy,) = [p for p in listening if any(c.laddr.port == port and c.status == "LISTEN" for c in p.net_connections())]
    proxy.kill()
    began = time.monotonic()
    answer = None
    while answer is None and time.monotonic() < began + 10:
        try:
            answer = httpx.get(f"{endpoint.url}/v2/health/live", timeout=2)
        except httpx.HTTPError:
            time.sleep(0.05)
    assert answer is not None and answer.status_code == 200
    assert answer.headers[HEADER] == f"zoo/{endpoint.identity.instance}"
    assert endpoint.told()["versions"] == {"hours": endpoint.config.models[0].digest}


@pytest.mark.slow
@pytest.mark.ray
def test_a_killed_replica_costs_the_client_no_answer(endpoint, table):
    before = {p.pid for p in replicas()}
    with serve.Client(endpoint.url, timeout=30) as client:
        for i in range(50):
            if i == 5:
                replicas()[0].kill()
            assert len(client.forecast(table.query("unique_id == 'H1'"), 24).body["forecasts"][0]["mean"]) == 24
        end = time.monotonic() + 60
        while len({p.pid for p in replicas()} - before) < 1 and time.monotonic() < end:
            time.sleep(0.1)
    assert len(replicas()) == len(before)


def zoo(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoo.cli", *words, "--json"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


@pytest.mark.slow
@pytest.mark.ray
def test_serve_from_the_command_line(pipeline, table, tmp_path, zoo_environment):
    first = str(pipeline.save(tmp_path / "first"))
    second = str(fitted(table, families=("naive",)).save(tmp_path / "second"))
    port, name = str(free_port()), f"test-{os.getpid()}"
    grpc, answer = pytest.importorskip("grpc"), message("ServerReadyResponse")
    gate, words = f"127.0.0.1:{free_port()}", ["--name", name, "--port", port, "--detach"]
    begun = zoo("serve", first, *words, "--grpc-port", gate.rpartition(":")[2], environment=zoo_environment)
    assert begun.returncode == 0, begun.stderr
    url = json.loads(begun.stdout)["url"]
    try:
        with grpc.insecure_channel(gate) as channel:
            ready = channel.unary_unary(f"/{SERVICE}/ServerReady", response_deserializer=answer.FromString)
            assert ready(b"", timeout=30).ready
        with httpx.Client(base_url=url) as client:
            assert same(
                client.post("/v1/forecast", json={"series": [{"id": "H1"}]}).json()["forecasts"][0], pipeline.predict()
            )
            again = zoo("serve", second, "--name", name, environment=zoo_environment)
            assert again.returncode == 0, again.stderr
            assert client.get("/v1/models").json()["models"][0]["members"] == {"naive": 1.0}
        told = json.loads(zoo("serve", "status", environment=zoo_environment).stdout)["endpoints"]
        assert url in [one["url"] for one in told]
        pid = next(one["pid"] for one in told if one["url"] == url)
    finally:
        stopped = zoo("serve", "stop", "--name", name, environment=zoo_environment)
    assert stopped.returncode == 0, stopped.stderr
    assert processes.began(pid) == 0, "nothing of it runs; whether somebody has reaped it is the system's business"


@pytest.mark.slow
@pytest.mark.ray
def test_an_endpoint_of_a_joined_cluster_is_found_and_stopped_by_others(endpoint, zoo_environment):
    """The fixture's cluster, seen from processes that did not deploy: as after a deploying process has ended."""
    address = endpoint.session.address
    tokens = {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH_")}
    elsewhere = zoo_environment | tokens | {"RAY_ADDRESS": address}
    shown = zoo("serve", "status", "--name", "zoo", environment=elsewhere)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    (found,) = json.loads(shown.stdout)["endpoints"]
    assert (found["url"], found["status"]) == (endpoint.url, "RUNNING")
    assert found["models"][0]["name"] == "hours"
    refused = zoo("serve", "stop", "--name", "nobody", environment=elsewhere)
    assert (refused.returncode, "nobody" in refused.stderr + refused.stdout) == (2, True)
    stopped = zoo("serve", "stop", "--name", "zoo", environment=elsewhere)
    assert stopped.returncode == 0, stopped.stderr
    assert replicas() == [], "the endpoint has gone"
    assert endpoint.session.cpus > 0, "the cluster goes on"
    gone = zoo("serve", "status", environment=zoo_environment | {"RAY_ADDRESS": f"127.0.0.1:{free_port()}"})
    assert gone.returncode == 1
    assert "reachable" in json.loads(gone.stdout)["cluster"]


@pytest.mark.slow
@pytest.mark.ray
def test_a_start_that_is_called_off_leaves_no_process(pipeline, tmp_path, zoo_environment):
    words = [
        "serve",
        str(pipeline.save(tmp_path / "hours")),
        "--name",
        f"off-{os.getpid()}",
        "--port",
        str(free_port()),
    ]
    begun = psutil.Popen([sys.executable, "-m", "zoo.cli", *words], env=zoo_environment, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while not any("raylet" in child.name() for child in begun.children()) and time.monotonic() < end:
        time.sleep(0.1)
    children = begun.children(recursive=True)
    assert children, "Ray must have begun to start"
    begun.send_signal(signal.SIGTERM)
    _, told = begun.communicate(timeout=60)
    assert (begun.returncode, told.decode().strip()) == (143, "stopping after SIGTERM, before it answered")
    _, left = psutil.wait_procs(children, timeout=60)  # Ray's agents look for their raylet now and then
    assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []


def test_what_cannot_be_served_is_refused_before_ray_starts(tmp_path):
    with pytest.raises(ArtifactError, match="nothing at"):
        serve.deploy(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="models"):
        serve.deploy({"models": []})
    with pytest.raises(ConfigError, match="name"):
        serve.deploy({"models": [{"name": "../x", "path": "."}]})


def test_a_port_that_somebody_has_is_refused_before_ray_starts(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr("serve.deployments.deploy.is_connected", lambda: False)
    monkeypatch.setattr("serve.deployments.ports.who", lambda url: "the endpoint 'other'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} must be free, but the endpoint 'other' has it"):
            serve.deploy(pipeline.save(tmp_path / "hours"), port=port, address="local")


def test_a_pipeline_that_is_not_served_leaves_no_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ConfigError, match="replicas"):
        serve.deploy(fitted(hourly(2, 100), families=("naive",)), replicas=0)
    assert list(tmp_path.iterdir()) == []


def test_rays_own_reader_takes_the_configurations():
    from ray.serve.schema import ServeDeploySchema

    for path in sorted((ROOT / "configs" / "serving").glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        schema = ServeDeploySchema.model_validate(document)
        told = schema.applications[0].deployments[0].user_config
        assert [m.name for m in configured(told).models] == ["sales", "load"]


def test_what_is_imported_late_is_frozen_too():
    """A collection over the late libraries stopped a replica for 80 ms, every 2,000 requests."""
    imported = []
    ingress = object.__new__(Ingress.func_or_class)
    ingress._app = SimpleNamespace(
        store=SimpleNamespace(import_rest=lambda: imported.append([[] for _ in range(1000)]))
    )
    ingress._settled = False
    before = gc.get_freeze_count()
    try:
        ingress._settle()
        frozen = gc.get_freeze_count()
        ingress._settle()  # after a reload
        assert len(imported) == 2
        assert frozen >= before + 1000
        assert gc.get_freeze_count() <= frozen  # nothing more; what is frozen may die in other threads
    finally:
        gc.unfreeze()
