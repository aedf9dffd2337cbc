"""Large bodies: parsed in a process of their own, with the same result, and nobody waits for them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serve.app import ServingApp
from serve.parsing import BodyParser
from serve.protocol.errors import RequestError
from serve.protocol.request import RequestLimits, parse_forecast
from serve.runtime.config import ServingConfig
from serve.testing.pipelines import fitted


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[BodyParser]:
    made = BodyParser(thread=0, process=0)
    yield made
    made.close()


def test_the_process_says_what_the_function_says(elsewhere: BodyParser):
    body = json.dumps({"series": [{"id": "a", "y": [1.5, None, 3.0], "start": "2024-01-01"}, {"id": 7, "y": [2.0]}]})
    there = asyncio.run(elsewhere.call(len(body), parse_forecast, body.encode(), RequestLimits()))
    here = parse_forecast(body.encode(), RequestLimits())
    assert [(one.id, one.start) for one in there.series] == [(one.id, one.start) for one in here.series]
    assert all(np.array_equal(a.y, b.y, equal_nan=True) for a, b in zip(there.series, here.series, strict=True))
    with pytest.raises(RequestError) as refused:
        asyncio.run(elsewhere.call(9, parse_forecast, b'{"series": [{"y": ["x"]}]}', RequestLimits()))
    assert (refused.value.status, refused.value.where) == (422, "series[0].y[0]")
    with pytest.raises(RequestError) as broken:
        asyncio.run(elsewhere.call(9, parse_forecast, b"{", RequestLimits()))
    assert broken.value.status == 400


def test_a_process_that_is_killed_over_a_body_is_replaced(elsewhere: BodyParser):
    assert asyncio.run(elsewhere.call(9, os.getpid)) != os.getpid()
    with pytest.raises(RequestError) as told:
        asyncio.run(elsewhere.call(9, signal.raise_signal, signal.SIGKILL))
    assert told.value.status == 503
    assert asyncio.run(elsewhere.call(9, os.getppid)) == os.getpid()


def test_the_process_ends_with_the_one_that_started_it():
    code = (
        "import asyncio, os, signal\nfrom serve.parsing import BodyParser\n"
        "print(asyncio.run(BodyParser(thread=0, process=0).call(9, os.getpid)), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(ended.stdout)
    end = time.monotonic() + 10
    while time.monotonic() < end and _runs(pid):
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/observe", "/invocations", "/v2/models/hours/infer"])
def test_a_long_body_holds_up_nobody(table: Any, tmp_path: Path, path: str):
    """16 MB hold the lock for half a second and more where they are parsed in the process that answers."""
    config = {"models": [{"name": "hours", "path": str(fitted(table, families=("naive",)).save(tmp_path / "hours"))}]}
    front = ServingApp(ServingConfig.model_validate(config))
    row = json.dumps({"unique_id": "a", "ds": "2020-01-01", "y": 1.0})
    number, times = "123456.789012", 16_000_000
    body = {
        "/v1/forecast": '{"series":[{"id":"a","y":[' + ",".join([number] * (times // 14)) + "]}]}",
        "/v1/observe": '{"observations":[' + ",".join(['{"id":"H0","y":1.0}'] * (times // 20)) + "]}",
        "/invocations": '{"dataframe_records":[' + ",".join([row] * (times // len(row))) + "]}",
        "/v2/models/hours/infer": '{"inputs":[{"name":"y","shape":[1],"datatype":"FP64","data":['
        + ",".join([number] * (times // 14)) + "]}]}",
    }[path]  # fmt: skip

    async def run() -> tuple[int, float]:
        slowest, done = 0.0, asyncio.Event()

        async def watch() -> None:
            nonlocal slowest
            while not done.is_set():
                began = time.monotonic()
                await asyncio.sleep(0.005)
                slowest = max(slowest, time.monotonic() - began - 0.005)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(front.asgi), base_url="http://x") as client:
            watching = asyncio.ensure_future(watch())
            told = await client.post(path, content=body.encode(), timeout=60)
            done.set()
            await watching
        return told.status_code, slowest

    try:
        status, slowest = asyncio.run(run())
        assert (front.parser._child is not None) == (path != "/v1/observe")
    finally:
        front.parser.close()
    assert status == (413 if path == "/v1/observe" else 200 if path == "/v1/forecast" else 422)
    assert slowest < 1.0
