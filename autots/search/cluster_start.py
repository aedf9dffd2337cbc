"""Ray, started while the table is read."""

from __future__ import annotations

import atexit
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from autots.search.budget import BudgetPolicy
from zoo.clock import Deadline

if TYPE_CHECKING:
    from autots.search.settings import FitSettings
    from zoo.cluster import Session

__all__ = ["ClusterStart", "has_cluster"]


# A cluster that was started for a table which could not be used: the next fit of this process takes it.
_left_over: list[tuple[int | None, Future[Session]]] = []


class ClusterStart:
    """Ray, started beside the reading of the table where a fit will need it whatever the table is.

    Args:
        workers: CPUs of the cluster; the machine's where None.
        starting: The start that is under way; None where there is none.
    """

    def __init__(self, workers: int | None = None, starting: Future[Session] | None = None) -> None:
        self._workers, self._starting = workers, starting

    @classmethod
    def beside_reading(cls, settings: FitSettings, policy: BudgetPolicy, deadline: Deadline) -> ClusterStart:
        """Start Ray now, unless the table must be known first or somebody has a cluster already.

        Args:
            settings: How many workers, on which cluster.
            policy: When a search needs workers.
            deadline: When the fit must be done.
        """
        left, workers = deadline.remaining, settings.workers
        while _left_over:
            before, starting = _left_over.pop()
            if before == workers and not (settings.address or os.environ.get("RAY_ADDRESS")):
                return cls(workers, starting)
            _close(starting)
        wanted = workers is not None or not policy.searches_inline(settings.budget, 0)
        if not wanted or has_cluster(settings.address) or not policy.can_start_pool(left, connected=False):
            return cls()
        starter = ThreadPoolExecutor(1, "ray-start")
        starting = starter.submit(_connected, workers, None, policy.pool_patience(left))
        starter.shutdown(wait=False)
        return cls(workers, starting)

    @property
    def started(self) -> bool:
        """Whether it starts, or has, and nobody has taken it."""
        return self._starting is not None

    def take(self, workers: int | None, address: str | None, patience: float) -> Session:
        """Return the session, waiting for it; start it now where it was not started before.

        Args:
            workers: CPUs of an embedded cluster; the machine's by default.
            address: Of a cluster that exists, see ``zoo.cluster.connect``.
            patience: Seconds that an embedded cluster may take to start.

        Raises:
            ClusterError: It cannot be started or reached.
        """
        if self._starting is None:
            return _connected(workers, address, patience)
        starting, self._starting = self._starting, None
        return starting.result()

    def close(self) -> None:
        """Leave a cluster that nobody took to the next fit of this process, or to its end; wait for nothing.

        Whoever waits for an error message does not wait for Ray as well.
        """
        if self._starting is not None:
            if not _left_over:
                atexit.register(_close, self._starting)
            _left_over.append((self._workers, self._starting))
            self._starting = None


def _connected(workers: int | None, address: str | None, patience: float) -> Session:
    from zoo.cluster import connect

    return connect(workers=workers, address=address, patience=patience)


def _close(started: Future[Session]) -> None:
    """End a cluster, as soon as it is there; one that is closed already stays so."""
    if started.exception() is None:
        started.result().close()


def has_cluster(address: str | None) -> bool:
    """Return whether somebody asked for a certain cluster, or this process has one."""
    from zoo.cluster import is_connected

    return bool(address or os.environ.get("RAY_ADDRESS") or is_connected())
