"""What ``/metrics`` tells Prometheus: latency, batches, queues, errors, versions, the age of forecasts.

Replicas on one machine share their numbers through files where ``PROMETHEUS_MULTIPROC_DIR`` is set before
prometheus_client is imported, so that whichever replica is asked tells of all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    multiprocess,
    values,
)

from serve.runtime.model import Served
from serve.runtime.store import ModelStore

__all__ = ["CONTENT_TYPE", "ServerMetrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16)
# Upper bounds of the buckets, in requests or series of a batch.
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 10_000, 100_000)


class ServerMetrics:
    """The numbers of one process; several apps of a process have their own."""

    def __init__(self) -> None:
        # The library looks at the variable when it is imported, which Ray may have done before anybody set it.
        self._shared = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR")) and values.ValueClass._multiprocess
        own = self._registry = CollectorRegistry()
        self._requests = Counter("zoo_serve_requests", "Answered requests", ["route", "status"], registry=own)
        self._seconds = Histogram(
            "zoo_serve_request_seconds", "From headers to answer", ["route"], buckets=_SECONDS, registry=own
        )
        self._errors = Counter("zoo_serve_errors", "Refused requests and series", ["status"], registry=own)
        self._model = Histogram(
            "zoo_serve_model_seconds", "Of one batch", ["model", "version"], buckets=_SECONDS, registry=own
        )
        self._batch = Histogram(
            "zoo_serve_batch_requests", "Requests of a batch", ["model"], buckets=_SIZES, registry=own
        )
        self._series = Histogram("zoo_serve_batch_series", "Series of a batch", ["model"], buckets=_SIZES, registry=own)
        self._observed = Counter("zoo_serve_observations", "Actuals", ["outcome"], registry=own)
        self._queue = Gauge(
            "zoo_serve_queue", "Requests that wait for a batch", registry=own, multiprocess_mode="livesum"
        )
        self._info = Gauge(
            "zoo_serve_model_info",
            "1 for each loaded version",
            ["model", "version", "default"],
            registry=own,
            multiprocess_mode="livemax",
        )
        self._age = Gauge(
            "zoo_serve_forecast_age_seconds",
            "Since the newest value that forecasts of the state start from",
            ["model"],
            registry=own,
            multiprocess_mode="livemin",
        )

        # Finding a number by its labels costs more than counting.
        self._of_model: dict[tuple[str, str], tuple[Histogram, Histogram, Histogram]] = {}
        self._of_route: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def batch(self, served: Served, requests: int, series: int, seconds: float) -> None:
        """Note a batch."""
        key = (served.name, served.version)
        if key not in self._of_model:
            self._of_model[key] = (
                self._model.labels(*key),
                self._batch.labels(served.name),
                self._series.labels(served.name),
            )
        for family, value in zip(self._of_model[key], (seconds, requests, series), strict=True):
            family.observe(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Note an answer."""
        if (route, status) not in self._of_route:
            self._of_route[route, status] = (self._requests.labels(route, status), self._seconds.labels(route))
        count, took = self._of_route[route, status]
        count.inc()
        took.observe(seconds)
        if status >= 400:
            self._errors.labels(status).inc()

    def observed(self, accepted: int, duplicates: int, late: int) -> None:
        """Note actuals."""
        self._observed.labels("accepted").inc(accepted)
        self._observed.labels("duplicate").inc(duplicates)
        self._observed.labels("late").inc(late)

    def text(self, store: ModelStore) -> bytes:
        """Return all numbers as Prometheus reads them."""
        self._info.clear()
        self._queue.set(sum(live.waiting for live in store.live.values()))
        for (name, version), live in store.live.items():
            default = store.current(name) == version
            self._info.labels(name, version, str(default).lower()).set(1)
            if default and not live.served.clock.freq.is_integer:
                newest = max(live.served.history.end, live.served.history.newest or 0)
                self._age.labels(name).set(time.time() - newest / 1e9)
        if not self._shared:
            return bytes(generate_latest(self._registry))
        return bytes(generate_latest(_ReplicaFiles()))  # all it needs is ``collect``


class _ReplicaFiles:
    """The files of all replicas, without what Ray's own processes write beside them."""

    def collect(self) -> Iterator[Metric]:
        found = multiprocess.MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        return (family for family in found.collect() if family.name.startswith("zoo_"))  # type: ignore[no-untyped-call]
