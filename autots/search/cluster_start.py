"""Ray, started while the table is read."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from autots.search.budget import BudgetPolicy
from zoo.clock import Deadline

if TYPE_CHECKING:
    from autots.search.settings import FitSettings
    from zoo.cluster import Session

__all__ = ["ClusterStart", "has_cluster"]


class ClusterStart:
    """Ray, started beside the reading of the table where a fit will need it whatever the table is.

    A cluster that nobody took ends with ``close``.
    """

    def __init__(self) -> None:
        self._starting: Future[Session] | None = None

    @classmethod
    def beside_reading(cls, settings: FitSettings, policy: BudgetPolicy, deadline: Deadline) -> Self:
        """Start Ray now, unless the table must be known first or somebody has a cluster already.

        Args:
            settings: How many workers, on which cluster.
            policy: When a search needs workers.
            deadline: When the fit must be done.
        """
        self, left = cls(), deadline.remaining
        wanted = settings.workers is not None or not policy.searches_inline(settings.budget, 0)
        if wanted and not has_cluster(settings.address) and policy.can_start_pool(left, connected=False):
            starter = ThreadPoolExecutor(1, "ray-start")
            self._starting = starter.submit(_connected, settings, policy.pool_patience(left))
            starter.shutdown(wait=False)
        return self

    @property
    def started(self) -> bool:
        """Whether it starts, or has, and nobody has taken it."""
        return self._starting is not None

    def take(self, settings: FitSettings, patience: float) -> Session:
        """Return the session, waiting for it; start it now where it was not started before.

        Raises:
            ClusterError: It cannot be started or reached.
        """
        if self._starting is None:
            return _connected(settings, patience)
        starting, self._starting = self._starting, None
        return starting.result()

    def close(self) -> None:
        """End a cluster that nobody took, without waiting for it."""
        if self._starting is not None:
            # Whoever waits for an error message does not wait for Ray as well; the process does, at its end.
            self._starting.add_done_callback(_close)
            self._starting = None


def _connected(settings: FitSettings, patience: float) -> Session:
    from zoo.cluster import connect

    return connect(workers=settings.workers, address=settings.address, patience=patience)


def _close(started: Future[Session]) -> None:
    if started.exception() is None:
        started.result().close()


def has_cluster(address: str | None) -> bool:
    """Return whether somebody asked for a certain cluster, or this process has one."""
    from zoo.cluster import is_connected

    return bool(address or os.environ.get("RAY_ADDRESS") or is_connected())
