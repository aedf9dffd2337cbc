"""The one place where routing has a state: the table of now, the promises that wait, and the journal of both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serve.routing.base import RoutingChoice, RoutingOutcome, RoutingRequest
from serve.routing.journal import RoutingCodec, RoutingLine, snapshot
from serve.routing.ledger import Ledger, Promise, promise_from, time_key
from serve.routing.table import AnyRouter, RoutingTable, design, router_from_dict
from zoo.errors import ArtifactError, ConfigError
from zoo.journal import Journal, json_line

__all__ = ["LiveRouting"]

_log = logging.getLogger(__name__)
# Lines after which the journal begins anew with a snapshot.
_MAX_LINES = 50_000


class LiveRouting:
    """Routes requests and learns from what becomes of them. Safe to use from several threads.

    What happens is written down first and then folded into the table by the same pure functions as after a restart, so
    the state that comes back is the state that was. Processes that share a journal (the replicas on one machine) share
    the state: each folds the lines of all, in the order of the file.

    Where a line of the journal is damaged while it is open, requests go on being routed by what was read before it, and
    nothing is learned until the file was mended; ``damaged`` says so.

    Args:
        path: The journal; None keeps all in memory.
        seed: The seed of the choices: with the same one the same requests go to the same models.

    Raises:
        ConfigError: The journal cannot be written.
        ArtifactError: A line of the journal is damaged.

    >>> from serve.routing import Split
    >>> routing = LiveRouting()
    >>> routing.put("demand", Split({"demand@1": 1, "demand@2": 1}))
    >>> routing.choose(RoutingRequest("r1", "H1", "demand")).reason
    'split'
    """

    def __init__(self, path: str | Path | None = None, *, seed: int = 0) -> None:
        self.seed = seed
        self._lock = threading.Lock()
        self._table, self._ledger = RoutingTable(), Ledger()
        #: Why nothing is learned at present; empty if all is well.
        self.damaged = ""
        self._journal = None if path is None else _opened(Path(path))
        if self._journal is not None:
            try:
                with self._journal.held():
                    self._catch_up(self._journal)
            except BaseException:
                self._journal.close()
                raise

    @property
    def table(self) -> RoutingTable:
        """The table of now."""
        return self._table

    @property
    def waiting(self) -> int:
        """Forecasts whose actuals have not all come."""
        return len(self._ledger)

    def choose(self, request: RoutingRequest) -> RoutingChoice:
        """Say who answers."""
        return self._table.choose(request, self.seed)

    def learns(self, name: str) -> bool:
        """Whether forecasts and outcomes of this name are of any use."""
        router = self._table.routes.get(name)
        return router is not None and router.learns

    def configure(self, routes: Mapping[str, Mapping[str, Any]]) -> None:
        """Become what a configuration says; a router of the same design keeps what it has learned.

        Raises:
            ConfigError: A router cannot be; nothing has changed.
        """
        routers = {name: router_from_dict(values) for name, values in routes.items()}
        wanted = RoutingTable()
        for name, router in routers.items():
            wanted = wanted.put(name, router)
        with self._lock:
            self._refresh()
            for name in set(self._table.routes) - set(routers):
                self._commit({"do": "drop", "route": name})
            for name, router in routers.items():
                known = self._table.routes.get(name)
                if known is None or design(known) != design(router):
                    self._commit({"do": "put", "route": name, "router": dict(routes[name])})

    def put(self, name: str, router: AnyRouter | Mapping[str, Any]) -> None:
        """Set the router of a name.

        Raises:
            ConfigError: It is none.
        """
        known = router_from_dict(router) if isinstance(router, Mapping) else router
        alone = RoutingTable().put(name, known).to_dict()["routes"][name]
        with self._lock:
            self._commit({"do": "put", "route": name, "router": alone})

    def drop(self, name: str) -> None:
        """Forget the router of a name."""
        with self._lock:
            self._commit({"do": "drop", "route": name})

    def answered(self, name: str, model: str, *, failed: bool, latency_ms: float | None = None) -> None:
        """Take in how a request for ``name`` went."""
        if self.learns(name):
            line = {"do": "outcome", "route": name, "model": model, "failed": failed, "latency_ms": latency_ms}
            with self._lock, self._learning():
                self._commit(line)

    def promise(self, promises: Sequence[Promise]) -> None:
        """Keep forecasts until their actuals come; those of routers that do not learn are left out."""
        rows = [
            {"do": "promise"} | {name: value for name, value in asdict(each).items() if value != ()}
            for each in promises
            if self.learns(each.route)
        ]
        with self._lock, self._learning():
            for row in rows:
                self._commit(row)

    def observe(self, series: str, time: object, y: float) -> int:
        """Take in an actual; one that comes again changes nothing.

        Returns:
            How many forecasts it was compared with.
        """
        line = {"do": "observe", "series": series, "time": time_key(time), "y": float(y)}
        found = 0
        with self._lock, self._learning():
            self._refresh()
            if self._ledger.awaits(series, str(line["time"])):
                found = self._commit(line)
        return found

    def refresh(self) -> None:
        """Take in what other processes have learned; costs a look at the file where there is nothing new."""
        with self._lock, self._learning():
            self._refresh()

    def close(self) -> None:
        """Let go of the journal."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    @contextmanager
    def _learning(self) -> Iterator[None]:
        """Go on without learning where the journal is damaged: requests are answered all the same."""
        try:
            yield
        except ArtifactError as error:
            if self.damaged != error.message:
                _log.error("the routers learn nothing more: %s\nhint: %s", error.message, error.hint)
            self.damaged = error.message
        else:
            self.damaged = "" if self._journal is None or self._journal.damage is None else self.damaged

    def _refresh(self) -> None:
        if self._journal is not None and self._journal.behind():
            with self._journal.held():
                self._catch_up(self._journal)

    def _commit(self, line: RoutingLine) -> int:
        if self._journal is None:
            return self._apply(line)
        with self._journal.held():
            self._catch_up(self._journal)
            self._journal.write(json_line(line))
            done = self._apply(line)
            if self._journal.count > _MAX_LINES:
                self._snapshot(self._journal)
        return done

    def _catch_up(self, journal: Journal[RoutingLine]) -> None:
        journal.take(self._apply)
        if not journal.count:
            self._snapshot(journal)  # a journal begins with one

    def _apply(self, line: RoutingLine) -> int:
        route = line.get("route", "")
        if "format" in line:
            self._table = RoutingTable.from_dict(line["state"]["table"])
            self._ledger = Ledger.from_list(line["state"]["ledger"])
        elif line["do"] == "promise":
            self._ledger.add(promise_from(line))
        elif line["do"] == "outcome":
            outcome = RoutingOutcome(line["model"], failed=line["failed"], latency_ms=line["latency_ms"])
            self._table = self._table.learn(route, outcome)
        elif line["do"] == "put":
            self._table = self._table.put(route, router_from_dict(line["router"]))
        elif line["do"] == "drop":
            self._table = self._table.drop(route)
        else:
            found = self._ledger.settle(line["series"], line["time"], line["y"])
            for name, outcome in found:
                self._table = self._table.learn(name, outcome)
            return len(found)
        return 1

    def _snapshot(self, journal: Journal[RoutingLine]) -> None:
        journal.replace(snapshot({"table": self._table.to_dict(), "ledger": self._ledger.to_list()}))


def _opened(path: Path) -> Journal[RoutingLine]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Journal(path, RoutingCodec())
    except OSError as error:
        raise ConfigError(
            f"a routing journal must be writable, but {path} is not: {error.strerror or error}", "choose another path"
        ) from error
