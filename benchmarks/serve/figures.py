"""What ``zoo bench serve`` measures: the endpoint on Ray with its proxy, beside plain uvicorn and FastAPI."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autots.api import Pipeline
from autots.reading.read import read_panel
from benchmarks.serve.faults import canary_figures, kill_figures, overload_figures
from benchmarks.serve.load import WARM, Load, measure, start
from benchmarks.serve.queue import queue_figures
from benchmarks.serve.routing import routing_figures
from serve.deployments.deploy import Endpoint, deploy
from serve.protocol.request import RequestLimits, parse_forecast
from serve.runtime.config import ServingConfig
from serve.runtime.foreign import pack
from serve.runtime.manifest import TorchDeclaration
from serve.runtime.model import Served
from serve.runtime.torch_model import CODE, write_weights
from serve.testing.pipelines import fitted, hourly, of_panel
from zoo.errors import ClusterError

__all__ = ["FIGURES", "run"]

_SECONDS = 10.0
# Milliseconds within which 99 of 100 answers of a batching server must come.
_IN_TIME = 50.0
_Record = dict[str, Any]


def run(only: tuple[str, ...]) -> Iterator[_Record]:
    """Measure the figures of these names, all by default."""
    for name in only or tuple(FIGURES):
        begin = time.perf_counter()
        load = os.getloadavg()[0]
        for record in FIGURES[name]():
            took = round(time.perf_counter() - begin, 1)
            yield {"figure": name, **record, "machine_load": round(load, 1), "took": took}


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _up(what: Any, *, replicas: int = 1, checked: bool = False) -> Endpoint:
    return deploy(what, port=_free(), replicas=replicas, checked=checked)


def _shown(load: Load) -> _Record:
    return {
        "p50_ms": round(load.p50, 2),
        "p99_ms": round(load.p99, 2),
        "per_second": round(load.rate),
        "failed": load.failed,
        **({"statuses": load.statuses} if load.failed else {}),
    }


def _request(pipeline: Pipeline, id_: str, points: int = 200) -> bytes:
    """Return a request with the last values of a series."""
    panel = pipeline.panel
    row = panel.ids.tolist().index(id_)
    y = panel.series(row)[-points:].round(4).tolist()
    first = panel.times[panel.indptr[row + 1] - len(y)]
    return json.dumps({"series": [{"id": id_, "start": str(first)[:19], "y": y}]}).encode()


def _cpu(call: Callable[[], object], rounds: int = 300) -> float:
    """Return milliseconds of processor time: what a busy machine cannot make longer."""
    call()
    begin = time.process_time()
    for _ in range(rounds):
        call()
    return 1e3 * (time.process_time() - begin) / rounds


def one_series() -> Iterator[_Record]:
    """One series of 200 points: latency with one client, throughput with eight, and two replicas; plain uvicorn."""
    plain = _plain(_SECONDS / 2)
    for family in ("auto_theta", "linear_direct"):
        pipeline = fitted(hourly(20, 200), families=(family,))
        body = _request(pipeline, "H3")
        served = Served("m", "1", pipeline)
        ready = served.read(parse_forecast(body, RequestLimits()).series)
        assert ready.panel is not None
        panel, future = ready.panel, ready.future
        model = _cpu(lambda: served.forecast(panel, future))  # noqa: B023  # called right here
        with _up(pipeline) as endpoint:
            url = f"{endpoint.url}/v1/forecast"
            measure(start(url, [body], clients=8, seconds=WARM))
            one = measure(start(url, [body], clients=1, seconds=_SECONDS))
            used = _replica_cpu()
            eight = measure(start(url, [body], clients=8, seconds=_SECONDS))
            used = 1e3 * (_replica_cpu() - used) / max(eight.requests, 1)
        with _up(pipeline, replicas=2) as endpoint:
            url = f"{endpoint.url}/v1/forecast"
            measure(start(url, [body], clients=8, seconds=WARM))
            two = measure(start(url, [body], clients=8, seconds=_SECONDS))
        yield {
            "family": family,
            "proxy": endpoint.proxy,
            "model_cpu_ms": round(model, 2),
            "one_client": _shown(one),
            "eight_clients": _shown(eight),
            "eight_clients_two_replicas": _shown(two),
            "replica_cpu_ms": round(used, 2),
            "not_the_model_ms": round(one.p50 - model, 2),
            "uvicorn_fastapi": plain,
            "asked": "p50 <= 2.0, p99 <= 8 ms; >= 1200/s; not the model <= 1.2 ms",
        }


_PLAIN = """
from fastapi import FastAPI, Request
import json, sys, uvicorn
app = FastAPI()
@app.post("/v1/forecast")
async def forecast(request: Request):
    y = json.loads(await request.body())["series"][0]["y"]
    return {"mean": y[-24:]}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


def _plain(seconds: float) -> _Record:
    """Measure the same request on FastAPI and uvicorn without anything else."""
    port = _free()
    body = _request(fitted(hourly(4, 200), families=("naive",)), "H3")
    server = subprocess.Popen([sys.executable, "-c", _PLAIN, str(port)])  # noqa: S603  # our own program
    try:
        url = f"http://127.0.0.1:{port}/v1/forecast"
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        one = measure(start(url, [body], clients=1, seconds=seconds))
        eight = measure(start(url, [body], clients=8, seconds=seconds))
    finally:
        server.terminate()
        server.wait()
    return {"one_client": _shown(one), "eight_clients": _shown(eight)}


def batching() -> Iterator[_Record]:
    """LightGBM, our network, and LSTMs of torch served as they are: batched within 50 ms, against one at a time."""
    os.environ[CODE] = "serve"  # whose networks may be imported
    for name in ("trees_recursive", "trees_direct", "mlp", "torch Autoregressive", "torch Recurrent"):
        network = name.partition(" ")[2]
        params = {"effort": 0.2} if name == "mlp" else {}
        known = fitted(hourly(30, 400), families=("naive" if network else name,), params=params)
        bodies = [_request(known, f"H{i}") for i in range(16)]
        home = Path(tempfile.mkdtemp())
        folder = str(_network(network, known, home) if network else known.save(home / "p"))
        # One at a time: at its best, however long it takes. Batched: at its best among those in time.
        alone = max(_loaded(folder, 1, bodies, checked=bool(network)), key=lambda found: found["per_second"])
        sweep = _loaded(folder, 256, bodies, checked=bool(network))
        batched = max(sweep, key=lambda found: (found["p99_ms"] <= _IN_TIME, found["per_second"]))
        times = batched["per_second"] / max(alone["per_second"], 1)
        yield {
            "family": name,
            "unbatched": alone,
            "batched": batched,
            "times": round(times, 2),
            "sweep": {found["clients"]: (found["per_second"], found["p99_ms"]) for found in sweep},
            "asked": ">= 4 times, p99 <= 50 ms",
        }


def _loaded(folder: str, most: int, bodies: list[bytes], *, checked: bool) -> list[_Record]:
    """Return what several numbers of clients get from a server whose batches have at most so many series."""
    config = ServingConfig.model_validate({"models": [{"name": "m", "path": folder, "max_batch": most}]})
    made = []
    with _up(config, checked=checked) as endpoint:
        url = f"{endpoint.url}/v1/forecast"
        measure(start(url, bodies, clients=8, seconds=WARM))
        for clients in (4, 8, 16, 32):
            used = _replica_cpu()
            load = measure(start(url, bodies, clients=clients, seconds=_SECONDS / 2))
            used = 1e3 * (_replica_cpu() - used) / max(load.requests, 1)
            made.append({"clients": clients, **_shown(load), "replica_cpu_ms": round(used, 2)})
    return made


def _network(kind: str, known: Pipeline, home: Path) -> Path:
    """Train a small LSTM (two layers of 64, a week back) on the series of a pipeline, and pack it as others would."""
    from serve.testing import networks

    levels, horizon, lookback, hidden, layers = (0.1, 0.5, 0.9), 24, 168, 64, 2
    series = [known.panel.series(i) for i in range(known.panel.n_series)]
    network = networks.trained(
        getattr(networks, kind),
        series,
        lookback=lookback,
        horizon=horizon,
        levels=levels,
        hidden=hidden,
        layers=layers,
    )
    told = TorchDeclaration(
        network=f"serve.testing.networks:{kind}",
        arguments={"hidden": hidden, "horizon": horizon, "levels": len(levels), "layers": layers},
        lookback=lookback,
        horizon=horizon,
        quantiles=levels,
        freq="h",
    )
    return pack(write_weights(network, home / "weights"), home / "theirs", told)


def winners() -> Iterator[_Record]:
    """A hundred thousand series with a winner each, forecast from their state."""
    series, rows = 100_000, 200
    rng = np.random.default_rng(0)
    hour = np.arange(rows)
    season = rng.uniform(0, 3, series)[:, None] * np.sin(2 * np.pi * hour / 24)
    y = 20 + season + rng.normal(0, 0.05, series)[:, None] * hour + rng.normal(0, 1, (series, rows))
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    ids = np.array([f"S{i:06d}" for i in range(series)], dtype=object)
    frame = pd.DataFrame({"unique_id": np.repeat(ids, rows), "ds": np.tile(times, series), "y": y.ravel()})
    read = read_panel(frame, horizon=24)
    candidates = ["seasonal_naive", "naive", "drift", "mean", "seasonal_mean"]
    pipeline = of_panel(read.panel, read.schema, horizon=24, families=("winners",), params={"candidates": candidates})
    won = getattr(pipeline.members[0].model, "won", {})
    bodies = [json.dumps({"series": [{"id": str(i)}]}).encode() for i in rng.choice(ids, 500, replace=False)]
    del frame, read
    folder = str(pipeline.save(Path(tempfile.mkdtemp()) / "p"))
    del pipeline
    with _up(folder) as endpoint:
        url = f"{endpoint.url}/v1/forecast"
        measure(start(url, bodies, clients=4, seconds=WARM))
        used = _replica_cpu()
        load = measure(start(url, bodies, clients=4, seconds=_SECONDS))
        used = 1e3 * (_replica_cpu() - used) / max(load.requests, 1)
        memory = max((process.memory_info().rss for process in _replicas()), default=0)
    yield {
        "won": dict(won),
        **_shown(load),
        "replica_cpu_ms": round(used, 2),
        "replica_gb": round(memory / 1e9, 2),
        "asked": ">= 800/s, p99 <= 10 ms, <= 2 GB",
    }


def _replicas() -> list[Any]:
    """Return the processes of our own replicas: children of the Ray that this process has started."""
    import psutil

    every = psutil.Process().children(recursive=True)
    return [p for p in every if p.status() != "zombie" and (p.cmdline() or [""])[0].startswith("ray::ServeReplica:zoo")]


def _replica_cpu() -> float:
    """Return the processor seconds that the replicas have used: a busy machine does not make them longer."""
    return float(sum(sum(process.cpu_times()[:2]) for process in _replicas()))


def many() -> Iterator[_Record]:
    """Ten thousand series of 200 points in one request, flat JSON and Arrow."""
    import pyarrow as pa

    pipeline = fitted(hourly(20, 200), families=("linear_direct",))
    ids = [f"N{i}" for i in range(10_000)]
    y = np.tile(pipeline.panel.y, 500).round(4)
    flat = json.dumps({"ids": ids, "y": y.tolist(), "sizes": [200] * len(ids), "start": "2024-01-01"}).encode()
    lists = pa.ListArray.from_arrays(np.arange(0, len(y) + 1, 200, dtype=np.int32), pa.array(y))
    table = pa.table({"id": ids, "y": lists, "start": ["2024-01-01"] * len(ids)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    forms = {
        "flat": (flat, "application/json"),
        "arrow": (bytes(sink.getvalue()), "application/vnd.apache.arrow.stream"),
    }
    with _up(pipeline) as endpoint:
        for form, (body, kind) in forms.items():
            seconds = []
            for _ in range(3):
                begin = time.perf_counter()
                asked = urllib.request.Request(f"{endpoint.url}/v1/forecast", body, {"Content-Type": kind})  # noqa: S310
                with urllib.request.urlopen(asked) as response:  # noqa: S310  # our own URL
                    size = len(response.read())
                seconds.append(time.perf_counter() - begin)
            yield {
                "form": form,
                "seconds": round(min(seconds), 2),
                "request_mb": round(len(body) / 1e6, 1),
                "answer_mb": round(size / 1e6, 1),
                "asked": "<= 3 s",
            }


def reload() -> Iterator[_Record]:
    """A new version every ten seconds under load."""
    folder = Path(tempfile.mkdtemp())
    versions = [
        str(fitted(hourly(5, 200), families=(family,)).save(folder / family))
        for family in ("auto_theta", "seasonal_naive")
    ]
    body = json.dumps({"series": [{"id": "H1"}]}).encode()

    def config(i: int) -> ServingConfig:
        return ServingConfig.model_validate(
            {"models": [{"name": "m", "path": versions[i % 2]}], "state": str(folder / "state")}
        )

    with _up(config(0), replicas=2) as endpoint:
        load = start(f"{endpoint.url}/v1/forecast", [body], clients=8, seconds=60.0, rate=200.0)
        reloads = 0
        end = time.monotonic() + 50
        while time.monotonic() < end:
            time.sleep(5)
            reloads += 1
            endpoint.reload(config(reloads))
        found = measure(load)
    yield {"reloads": reloads, "requests": found.requests, **_shown(found), "asked": "0 failed"}


def first_answer() -> Iterator[_Record]:
    """From ``zoo serve RUN`` to the first answer, in a new process: admission and Ray's start are inside."""
    folder = fitted(hourly(5, 200), families=("auto_theta",)).save(Path(tempfile.mkdtemp()) / "p")
    port = _free()
    words = [sys.executable, "-m", "zoo.cli", "serve", str(folder), "--port", str(port), "--name", f"bench-{port}"]
    with tempfile.TemporaryFile() as told:
        begin = time.perf_counter()
        server = subprocess.Popen(words, stdout=told, stderr=told)  # noqa: S603  # our own command
        try:
            seconds = _answered(port, begin, server)
        except ClusterError as error:
            told.seek(0)
            raise ClusterError(f"{error.message}: {told.read().decode(errors='replace')[-2000:]}") from None
        finally:
            server.terminate()
            server.wait()
    yield {"seconds": round(seconds, 1), "asked": "<= 12 s"}


def _answered(port: int, begin: float, server: subprocess.Popen[bytes]) -> float:
    body = json.dumps({"series": [{"id": "H1"}]}).encode()
    while (spent := time.perf_counter() - begin) < 180 and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/forecast", body, timeout=5) as response:
                if response.status == 200:
                    return time.perf_counter() - begin
        except OSError:
            time.sleep(0.02)
    raise ClusterError(f"`zoo serve` must answer, but did not in {spent:.0f} s (ended with {server.poll()})")


FIGURES: Mapping[str, Callable[[], Iterator[_Record]]] = {
    "one": one_series,
    "batching": batching,
    "winners": winners,
    "many": many,
    "reload": reload,
    "canary": lambda: canary_figures(_up, _shown),
    "kill": lambda: kill_figures(_up, _replicas),
    "overload": lambda: overload_figures(_up, _shown),
    "start": first_answer,
    "routing": routing_figures,
    "queue": queue_figures,
}
