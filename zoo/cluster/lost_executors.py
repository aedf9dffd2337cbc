"""An eye on Spark's executors: a job without any waits for ever, and says nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo.errors import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["watched"]

_EVERY = 1.0  # seconds between two looks


@contextmanager
def watched(session: SparkSession, patience: float) -> Iterator[None]:
    """Cancel the jobs of a session that has had no executor for too long, and say so.

    Ray starts a killed executor again within seconds. Where it cannot (the node has left, its memory is taken), Spark
    would wait without end.

    Args:
        session: The Spark session whose jobs are watched.
        patience: Seconds that a job may wait without any executor.

    Raises:
        ClusterError: A job was cancelled.
    """
    ended, lost = threading.Event(), threading.Event()
    thread = threading.Thread(target=_watch, args=(session, patience, ended, lost), name="executors", daemon=True)
    thread.start()
    try:
        yield
    except Exception as error:
        if not lost.is_set():
            raise
        raise ClusterError(
            f"a Spark job must have an executor, but had none for {patience:g} s, and was cancelled",
            "an executor was lost and Ray could not start it again: see `zoo doctor` for the memory and CPUs that are "
            "free, and ask for smaller executors",
        ) from error
    finally:
        ended.set()
        thread.join(timeout=10)


def _watch(session: SparkSession, patience: float, ended: threading.Event, lost: threading.Event) -> None:
    context = session.sparkContext
    since = time.monotonic()
    while not ended.wait(_EVERY):
        try:
            alone = context._jsc.sc().getExecutorMemoryStatus().size() <= 1  # the driver is in it
            waiting = bool(context.statusTracker().getActiveJobsIds())
        except Exception:
            return  # the session has been stopped, or its JVM has gone
        if not (alone and waiting):
            since = time.monotonic()
        elif time.monotonic() - since > patience:
            lost.set()
            context.cancelAllJobs()
            return
