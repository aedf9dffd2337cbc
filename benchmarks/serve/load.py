"""Requests from a process of its own: closed loop (each client waits for its answer) or open loop (a rate is kept).

In the open loop a latency counts from the moment a request was due, so a server that stalls cannot hide it
(coordinated omission). The client parses just enough HTTP to be cheaper than any server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

__all__ = ["WARM", "Load", "measure", "start"]

#: Seconds of load before a measurement: a replica imports the last libraries some seconds after it is ready.
WARM = 8.0


@dataclass(frozen=True)
class Load:
    """What was measured.

    Args:
        requests: How many good answers came.
        failed: Other answers, and lost connections.
        seconds: Length of the whole measurement, in seconds.
        p50: Median latency, in milliseconds.
        p99: Latency that 99 of 100 requests kept, in milliseconds.
        longest: The longest latency, in milliseconds.
        sent_p99: As ``p99``, from the moment that a request was really sent: where a server is offered more than it can
            even refuse, the requests that were due before tell nothing of it. Those sent while it settled do not count.
        settling_p99: As ``sent_p99``, of those sent while it settled; NaN if there was no such time.
        statuses: Answers by status; 0 for lost connections, negative for a refusal without ``Retry-After``.
    """

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float
    longest: float
    sent_p99: float
    settling_p99: float
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.requests / self.seconds


def start(
    url: str,
    bodies: Sequence[bytes],
    *,
    clients: int,
    seconds: float,
    rate: float | None = None,
    settle: float = 0.0,
) -> subprocess.Popen[bytes]:
    """Begin to send requests from another process; ``measure`` waits for its result.

    Args:
        url: Where the requests are posted.
        bodies: Bodies of the requests, sent in turn.
        clients: Number of connections at once.
        seconds: How long requests are sent, in seconds.
        rate: Requests per second over all clients; None for a closed loop.
        settle: Seconds at the begin, while all connections are opened, whose latencies from sending count apart.
    """
    words = [
        sys.executable,
        "-m",
        "benchmarks.serve.load",
        url,
        str(clients),
        str(seconds),
        str(rate or 0.0),
        str(settle),
    ]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
    assert process.stdin is not None
    process.stdin.write(json.dumps([body.decode() for body in bodies]).encode())
    process.stdin.close()
    process.stdin = None  # nothing is left to write for `communicate`
    return process


def measure(process: subprocess.Popen[bytes]) -> Load:
    """Return what a started load has measured."""
    out, _ = process.communicate()
    return Load(**json.loads(out))


class _Client(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests, self._turn = requests, 0
        self._buffer = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(0)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or self._answer is None:
            return
        at = self._buffer.lower().find(b"content-length:", 0, head)
        length = int(self._buffer[at + 15 : self._buffer.find(b"\r", at)]) if at >= 0 else 0
        if len(self._buffer) >= head + 4 + length and not self._answer.done():
            status = int(self._buffer[9:12])
            told = self._buffer[:head].lower()
            if status in (429, 503) and b"retry-after:" not in told:
                status = -status  # nobody is told when to come back
            if b"connection: close" in told and self._transport is not None:
                # A proxy that hands over to its successor says so: the next request needs a new connection.
                self._transport.abort()
                self._transport = None
            self._buffer.clear()
            self._answer.set_result(status)

    @property
    def lost(self) -> bool:
        return self._transport is None

    async def ask(self) -> int:
        """Return the status; 0 for a lost connection."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._requests[self._turn % len(self._requests)])
        self._turn += 1
        return await self._answer


async def _run(url: str, bodies: list[bytes], clients: int, seconds: float, rate: float, settle: float) -> Load:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()
    end = begin + seconds
    latencies: list[float] = []
    sent: list[float] = []
    settling: list[float] = []
    statuses: dict[str, int] = {}

    async def one(number: int) -> None:
        turned = requests[number % len(requests) :] + requests[: number % len(requests)]
        client: _Client | None = None
        due = begin + (number / rate if rate else 0.0)
        while (now := time.perf_counter()) < end:
            if rate:
                if due > now:
                    await asyncio.sleep(due - now)
                since = due
                due += clients / rate
            else:
                since = now
            try:
                if client is None or client.lost:
                    _, client = await loop.create_connection(lambda: _Client(turned), host, port)
                begun = time.perf_counter()
                status = await client.ask()
            except OSError:
                status = 0
                await asyncio.sleep(0.01)
            statuses[str(status)] = statuses.get(str(status), 0) + 1
            if status == 200:
                now = time.perf_counter()
                latencies.append(now - since)
                (sent if begun - begin >= settle else settling).append(now - begun)

    await asyncio.gather(*(one(i) for i in range(clients)))
    took = time.perf_counter() - begin
    good = len(latencies)
    return Load(
        good,
        sum(statuses.values()) - good,
        took,
        p50=_quantile(latencies, 0.5),
        p99=_quantile(latencies, 0.99),
        longest=_quantile(latencies, 1.0),
        sent_p99=_quantile(sent, 0.99),
        settling_p99=_quantile(settling, 0.99),
        statuses=statuses,
    )


def _quantile(seconds: list[float], level: float) -> float:
    """Return a quantile in milliseconds."""
    return 1e3 * sorted(seconds)[min(int(len(seconds) * level), len(seconds) - 1)] if seconds else math.nan


def main() -> None:
    """Measure, and print one JSON object."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("rate", type=float)
    parser.add_argument("settle", type=float)
    given = parser.parse_args()
    bodies = [text.encode() for text in json.load(sys.stdin)]
    found = uvloop.run(_run(given.url, bodies, given.clients, given.seconds, given.rate, given.settle))
    print(json.dumps(found.__dict__))


if __name__ == "__main__":
    main()
