"""What everybody who keeps Ray actors needs: waiting for some of many answers, and telling deaths from errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoo.errors import ClusterError

__all__ = ["LOW_MEMORY", "MAX_DEATHS", "answered", "deaths", "last_line", "unreachable"]

#: Deaths in a row after which something is wrong with all workers, or with the request that they died of.
MAX_DEATHS = 3
#: Ray's memory monitor says so when it kills a worker since the whole machine is short of memory.
LOW_MEMORY = "running low on memory"


def answered(references: Iterable[Any], seconds: float) -> list[Any]:
    """Return all references that have an answer, waiting at most ``seconds`` for the first.

    Raises:
        ClusterError: The cluster is gone.
    """
    import ray

    waiting = list(references)
    try:
        ready, _ = ray.wait(waiting, num_returns=1, timeout=seconds) if waiting else ([], [])
        if ready and len(waiting) > 1:
            ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
    except ray.exceptions.RayError as error:
        raise unreachable(error) from error
    return list(ready)


def deaths() -> tuple[type[Exception], ...]:
    """Return the errors of Ray that say that a worker is gone."""
    from ray import exceptions as errors

    return errors.RayActorError, errors.WorkerCrashedError, errors.ObjectLostError, errors.OutOfMemoryError


def unreachable(error: Exception) -> ClusterError:
    """Return the error of a cluster whose workers cannot be kept."""
    return ClusterError(
        f"the cluster must keep its workers alive, but: {type(error).__name__}: {last_line(error)}",
        "look at the cluster's logs and its free memory",
    )


def last_line(error: BaseException) -> str:
    """Return the last line of an error's text: Ray's begin with tracebacks, and end with the cause."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
