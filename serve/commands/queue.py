"""``zoo serve queue``: workers that forecast what is in a queue."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["QueueForecaster", "queue"]

_POLL = 2.0  # seconds between two looks at the length of the queue
_PER_SECOND = 200.0  # requests that a worker is taken to answer


class QueueForecaster:
    """The engine of the endpoint behind a queue: requests of one batch are forecast together.

    Args:
        app: A ``serve.app.ServingApp`` with models.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
        """Answer requests in the form of ``POST /v1/forecast``."""
        return asyncio.run(self._all(requests))

    async def _all(self, requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Exception]:
        found = await asyncio.gather(*(self._one(request) for request in requests), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, Exception):
                raise one
        return [one for one in found if not isinstance(one, BaseException) or isinstance(one, Exception)]

    async def _one(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        from serve.protocol.request import parse_forecast

        engine = self._app.engine
        answer = await engine.forecast(parse_forecast(json.dumps(request).encode(), engine.limits))
        told: Mapping[str, Any] = json.loads(answer.to_json(""))
        return told


def queue(
    run: Annotated[str, typer.Argument(help="A run directory, or a saved pipeline.")],
    url: Annotated[str, typer.Option(help="redis://host:port/0, or sqlite:PATH on this machine.")],
    name: Annotated[str, typer.Option(help="Name of the queue.")] = "forecast",
    model: Annotated[str, typer.Option(help="What requests call the model.")] = "default",
    workers: Annotated[str, typer.Option(help="Processes; auto follows the length of the queue.")] = "1",
    state: Annotated[Path | None, typer.Option(help="Folder for actuals; RUN/serving by default.")] = None,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when nothing waits any more.")] = False,
) -> Outcome:
    """Forecast until Ctrl-C."""
    from serve.queue import QueueOptions, open_queue

    if url == "memory:":
        raise ConfigError("a queue of another process must be redis:// or sqlite:, but got memory:", "sqlite:queue.db")
    if workers != "auto" and (not workers.isdigit() or int(workers) < 1):
        raise ConfigError(f"--workers must be a number above 0 or auto, but got {workers!r}", "for example 2")
    keeper = open_queue(url, QueueOptions(name))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if workers != "1":
        return _crew(keeper, stop, workers, until_empty=until_empty)
    answered = _work(keeper, run, model, state, stop, until_empty=until_empty)
    return Outcome({"answered": answered, "waiting": keeper.waiting()}, f"{answered} requests answered")


def _work(keeper: Any, run: str, model: str, state: Path | None, stop: threading.Event, *, until_empty: bool) -> int:
    from serve.admission import ensure
    from serve.app import ServingApp
    from serve.queue import QueueWorker
    from serve.runtime.config import ServingConfig

    where = None if state is None else str(state.absolute())
    config = ServingConfig.model_validate({"models": [{"name": model, "path": run}], "state": where})
    ensure({model: run}, config.folder())
    worker = QueueWorker(keeper, QueueForecaster(ServingApp(config)))
    print(f"{keeper.options.name}: {keeper.waiting()} requests wait; Ctrl-C stops", file=sys.stderr, flush=True)
    if not until_empty:
        return worker.run(stop)
    answered = 0
    while keeper.waiting() and not stop.is_set():
        answered += worker.step()
    return answered


def _crew(keeper: Any, stop: threading.Event, workers: str, *, until_empty: bool) -> Outcome:
    """Keep as many processes of one worker as are wanted; one that dies is replaced, its requests are not lost."""
    from serve.queue import replicas_for

    most = os.cpu_count() or 1
    words = [word for word in sys.argv[1:] if word != "--json"]
    at = next(i for i, word in enumerate(words) if word.startswith("--workers"))
    words = words[:at] + words[at + (1 if "=" in words[at] else 2) :]
    crew: list[subprocess.Popen[bytes]] = []
    peak = 0
    try:
        while not stop.wait(_POLL if crew else 0.0):
            waiting = keeper.waiting()
            if until_empty and not waiting:
                break
            crew = [child for child in crew if child.poll() is None]
            wanted = replicas_for(waiting, per_second=_PER_SECOND, most=most) if workers == "auto" else int(workers)
            for child in crew[wanted:]:
                child.send_signal(signal.SIGTERM)  # it answers what it has taken
            while len(crew) < wanted:
                command = [sys.executable, "-m", "zoo.cli", *words]
                crew.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))  # noqa: S603  # our own command
            peak = max(peak, len(crew))
    finally:
        for child in crew:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        end = time.monotonic() + 30
        for child in crew:
            try:
                child.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
    return Outcome({"waiting": keeper.waiting(), "most_workers": peak}, f"up to {peak} workers")
