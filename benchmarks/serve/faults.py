"""What ``zoo bench serve`` measures while something goes wrong: a canary, a killed replica, too many requests."""

from __future__ import annotations

import json
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.serve.load import WARM, Load, measure, start
from serve.client import Client
from serve.runtime.config import ServingConfig
from serve.testing.pipelines import fitted, hourly
from zoo.errors import ZooError

__all__ = ["canary_figures", "kill_figures", "overload_figures"]

_Record = dict[str, Any]
_Up = Callable[..., Any]
_SERIES, _ROWS = 5, 200


def canary_figures(up: _Up, shown: Callable[[Load], _Record]) -> Iterator[_Record]:
    """A good candidate is promoted and a bad one rolled back, under load, with actuals that come in meanwhile."""
    folder = Path(tempfile.mkdtemp())
    table = hourly(_SERIES, _ROWS)
    paths = {f: str(fitted(table, families=(f,)).save(folder / f)) for f in ("seasonal_naive", "auto_theta", "zero")}
    for candidate, wanted in (("auto_theta", "promoted"), ("zero", "rolled back")):
        route = {
            "kind": "canary",
            "stable": "m@1",
            "candidate": "m@2",
            "steps": [0.1, 0.5],
            "least": 40,
            "guardrails": [{"metric": "failures", "worse_by": 0.0}, {"metric": "loss", "worse_by": 0.02}],
        }
        models = [
            {"name": "m", "version": "2", "path": paths[candidate]},
            {"name": "m", "version": "1", "path": paths["seasonal_naive"]},
        ]
        state = str(folder / f"state-{candidate}")
        config = ServingConfig.model_validate({"models": models, "state": state, "routes": {"m": route}})
        with up(config, replicas=2) as endpoint:
            bodies = [json.dumps({"series": [{"id": f"H{i}"}]}).encode() for i in range(_SERIES)]
            begin = time.monotonic()
            load = start(f"{endpoint.url}/v1/forecast", bodies, clients=8, seconds=60.0, rate=200.0)
            ended, took = _observed(endpoint.url, begin + 55)
            found = measure(load)
        yield {
            "candidate": candidate,
            "ended": ended,
            "after_s": None if took is None else round(took - begin, 1),
            "requests": found.requests,
            **shown(found),
            "asked": f"{wanted}, 0 failed",
        }


def _observed(url: str, end: float) -> tuple[str, float | None]:
    """Send the actuals of an hour twice a second; return how the canary ended, and when."""
    rng = np.random.default_rng(1)
    ended: tuple[str, float | None] = ("running", None)
    step = 0
    while time.monotonic() < end:
        moment = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=_ROWS + step)
        values = [20 + i + 5 * np.sin(2 * np.pi * (_ROWS + step) / 24 + i) + rng.normal() for i in range(_SERIES)]
        rows = [{"id": f"H{i}", "time": moment.isoformat(), "y": float(y)} for i, y in enumerate(values)]
        _post(f"{url}/v1/observe", {"observations": rows})
        step += 1
        with urllib.request.urlopen(f"{url}/v1/routes", timeout=10) as response:  # noqa: S310  # our own URL
            told = json.load(response)["routes"]["m"]
        if ended[1] is None and told["state"] != "running":
            ended = (f"{told['state']}: {told['why']}" if told["why"] else told["state"]), time.monotonic()
        time.sleep(0.5)
    return ended


def _post(url: str, body: Any) -> Any:
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=10) as response:  # noqa: S310  # our own URL
        return json.load(response)


def kill_figures(up: _Up, replicas: Callable[[], list[Any]], *, seconds: float = 30.0) -> Iterator[_Record]:
    """``kill -9`` of one of two replicas while eight clients ask: lost answers, and the time until two are back."""
    pipeline = fitted(hourly(_SERIES, _ROWS), families=("auto_theta",))
    table = hourly(_SERIES, _ROWS).query("unique_id == 'H1'")
    with up(pipeline, replicas=2) as endpoint:
        over = threading.Event()
        took: list[float] = []
        lost: list[str] = []

        def ask() -> None:
            with Client(endpoint.url, timeout=30) as client:
                while not over.is_set():
                    begin = time.monotonic()
                    try:
                        client.forecast(table, 24)
                        took.append(time.monotonic() - begin)
                    except ZooError as error:
                        lost.append(error.message)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(5)
        before, calm = len(took), sorted(took)
        victim = replicas()[0].pid
        replicas()[0].kill()
        killed = time.monotonic()
        back = None
        while back is None and time.monotonic() < killed + 60:
            time.sleep(0.05)
            if len([p for p in replicas() if p.pid != victim]) >= 2 and endpoint.ready >= 2:
                back = time.monotonic() - killed
        time.sleep(max(0.0, seconds - (time.monotonic() - killed) - 5))
        over.set()
        for thread in threads:
            thread.join()
    yield {
        "answers": len(took),
        "before_the_kill": before,
        "lost": len(lost),
        "first_lost": lost[:1],
        "p99_before_ms": round(1e3 * calm[int(0.99 * len(calm))], 1) if calm else None,
        "longest_ms": round(1e3 * max(took, default=float("nan"))),
        "two_replicas_again_s": None if back is None else round(back, 1),
        "asked": "0 lost through the client",
    }


def overload_figures(up: _Up, shown: Callable[[Load], _Record], *, seconds: float = 10.0) -> Iterator[_Record]:
    """Five times what the server can do: who is refused is told when to come back, who is not is answered soon.

    The load opens 500 connections in a few milliseconds, which the replica takes one at a time between requests, so
    the first two seconds count apart.
    """
    pipeline = fitted(hourly(_SERIES, _ROWS), families=("auto_theta",))
    body = json.dumps({"series": [{"id": "H1"}]}).encode()
    with up(pipeline) as endpoint:
        url = f"{endpoint.url}/v1/forecast"
        measure(start(url, [body], clients=8, seconds=WARM))
        capacity = measure(start(url, [body], clients=32, seconds=seconds / 2))
        over = measure(start(url, [body], clients=500, seconds=2 * seconds, rate=5 * capacity.rate, settle=2.0))
        after = measure(start(url, [body], clients=8, seconds=seconds / 2))
    yield {
        "capacity": shown(capacity),
        "offered_per_second": round(5 * capacity.rate),
        "overloaded": shown(over),
        "statuses": over.statuses,
        "after": shown(after),
        "p99_since_sent_ms": round(over.sent_p99, 1),
        "p99_while_connecting_ms": round(over.settling_p99, 1),
        "p99_times": round(over.sent_p99 / capacity.sent_p99, 1),
        "asked": "429/503 with Retry-After, p99 of the accepted <= 3 times the normal one",
    }
