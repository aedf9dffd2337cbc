"""The one place where routing has a state: the table of now, the promises that wait, and the journal of both."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serve.routing.base import Choice, Outcome, Request
from serve.routing.journal import Journal
from serve.routing.ledger import Ledger, Promise, promise_from, time_key
from serve.routing.table import AnyRouter, RoutingTable, router_from_dict

__all__ = ["LiveRouting"]

# Lines after which the journal begins anew with a snapshot.
_MOST_LINES = 50_000


class LiveRouting:
    """Routes requests and learns from what becomes of them. Safe to use from several threads.

    What happens is written down first and then folded into the table by the same pure functions as after a restart, so
    the state that comes back is the state that was.

    Args:
        path: The journal; None keeps all in memory.
        seed: Of the choices.

    Raises:
        ConfigError: Another process uses the journal.
        ArtifactError: The journal cannot be read.

    >>> from serve.routing import Split
    >>> routing = LiveRouting()
    >>> routing.put("demand", Split({"demand@1": 1, "demand@2": 1}))
    >>> routing.choose(Request("r1", "H1", "demand")).reason
    'split'
    """

    def __init__(self, path: str | Path | None = None, *, seed: int = 0) -> None:
        self.seed = seed
        self._lock = threading.Lock()
        self._table, self._ledger = RoutingTable(), Ledger()
        self._journal = None if path is None else Journal(path)
        if self._journal is not None:
            self._restore(self._journal)

    @property
    def table(self) -> RoutingTable:
        """The table of now."""
        return self._table

    @property
    def waiting(self) -> int:
        """Forecasts whose actuals have not all come."""
        return len(self._ledger)

    def choose(self, request: Request) -> Choice:
        """Say who answers."""
        return self._table.choose(request, self.seed)

    def learns(self, name: str) -> bool:
        """Whether forecasts and outcomes of this name are of any use."""
        router = self._table.routes.get(name)
        return router is not None and router.learns

    def put(self, name: str, router: AnyRouter | Mapping[str, Any]) -> None:
        """Set the router of a name.

        Raises:
            ConfigError: It is none.
        """
        made = router_from_dict(router) if isinstance(router, Mapping) else router
        table = self._table.put(name, made)
        with self._lock:
            self._table = table
            self._snapshot()

    def drop(self, name: str) -> None:
        """Forget the router of a name."""
        with self._lock:
            self._table = self._table.drop(name)
            self._snapshot()

    def answered(self, name: str, model: str, *, failed: bool, latency_ms: float | None = None) -> None:
        """Take in how a request for ``name`` went."""
        if self.learns(name):
            self._do({"do": "outcome", "route": name, "model": model, "failed": failed, "latency_ms": latency_ms})

    def promise(self, promises: Sequence[Promise]) -> None:
        """Keep forecasts until their actuals come; those of routers that do not learn are left out."""
        for each in promises:
            if self.learns(each.route):
                row = {name: value for name, value in asdict(each).items() if value != ()}
                self._do({"do": "promise"} | row)

    def observe(self, series: str, time: object, y: float) -> int:
        """Take in an actual; one that comes again changes nothing.

        Returns:
            How many forecasts it was compared with.
        """
        return self._do({"do": "observe", "series": series, "time": time_key(time), "y": float(y)})

    def close(self) -> None:
        """Write a snapshot and let go of the journal."""
        with self._lock:
            self._snapshot()
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    def _do(self, line: Mapping[str, Any]) -> int:
        with self._lock:
            if line["do"] == "observe" and not self._ledger.awaits(line["series"], line["time"]):
                return 0
            if self._journal is not None:
                self._journal.append(line)
                if self._journal.lines > _MOST_LINES:
                    done = self._apply(line)
                    self._snapshot()
                    return done
            return self._apply(line)

    def _apply(self, line: Mapping[str, Any]) -> int:
        if line["do"] == "promise":
            self._ledger.add(promise_from(line))
            return 1
        if line["do"] == "outcome":
            outcome = Outcome(line["model"], failed=line["failed"], latency_ms=line["latency_ms"])
            self._table = self._table.learn(line["route"], outcome)
            return 1
        found = self._ledger.settle(line["series"], line["time"], line["y"])
        for route, outcome in found:
            self._table = self._table.learn(route, outcome)
        return len(found)

    def _snapshot(self) -> None:
        if self._journal is not None:
            self._journal.replace({"table": self._table.to_dict(), "ledger": self._ledger.to_list()})

    def _restore(self, journal: Journal) -> None:
        try:
            state, lines = journal.read()
            if state is None:
                self._snapshot()
                return
            self._table = RoutingTable.from_dict(state["table"])
            self._ledger = Ledger.from_list(state["ledger"])
            for line in lines:
                self._apply(line)
        except BaseException:
            journal.close()
            raise
