"""Workers for the shards of one folder, and what becomes of their requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from autots.search.cluster_start import has_cluster
from autots.shards.layout import ShardFolder
from autots.shards.work import Request, ShardDone
from zoo.errors import ArtifactError, BudgetError, ClusterError, ConfigError, DataError, ModelError, ZooError
from zoo.workers import Event, Inline, Pool, Workers

__all__ = ["answers", "told", "workers_for"]

_SETUP = "autots.shards.work:setup"
_KINDS: Mapping[str, type[ZooError]] = {
    kind.__name__: kind for kind in (ArtifactError, BudgetError, ClusterError, ConfigError, DataError, ModelError)
}
_WAIT = 1.0  # seconds between two looks at what ended
_MOST = 64  # workers at most where nobody says how many, on a cluster that grows


@contextmanager
def workers_for(folder: ShardFolder, workers: int | None, address: str | None) -> Iterator[Workers]:
    """Yield what works on the shards of a folder: this process where one worker was asked for, else actors of Ray.

    Args:
        folder: The folder, which all workers reach.
        workers: How many; all CPUs of the cluster if None.
        address: Of a Ray cluster, see ``zoo.cluster.connect``.

    Raises:
        ClusterError: Ray cannot be started or reached.
    """
    payload = {"folder": str(folder.root.absolute())}
    if workers == 1 and not has_cluster(address):
        with Inline(_SETUP, payload=payload) as inline:
            yield inline
        return
    from zoo.cluster import connect

    with connect(workers=workers, address=address) as session:
        count = max(1, min(int(session.cpus), workers or int(session.cpus)))
        most = count if session.embedded else workers or _MOST
        with Pool(session, _SETUP, workers=count, most=most, payload=payload) as pool:
            yield pool


def answers(pool: Workers, requests: Mapping[str, Request]) -> Iterator[tuple[str, ShardDone, float]]:
    """Yield what becomes of requests, as they end: key, answer and worker seconds.

    Raises:
        ZooError: One failed; the rest is cancelled.
    """
    for key, request in requests.items():
        pool.submit(key, request)
    left = set(requests)
    try:
        while left:
            for event in pool.wait(_WAIT):
                left.discard(event.key)
                if event.status != "done":
                    raise _error(event)
                yield event.key, event.result, event.seconds
    finally:
        for key in left:
            pool.cancel(key)


def _error(event: Event) -> ZooError:
    """Return a failed request as the error that it was."""
    kind, _, message = event.error.partition(": ")
    if event.status == "failed" and kind in _KINDS:
        return _KINDS[kind](f"{event.key}: {message}", "")
    if event.status == "memory":
        return ClusterError(f"{event.key} needs more memory than its worker has", "make shards smaller: shard_rows=...")
    return ClusterError(
        f"{event.key} could not be done: {event.status}, {event.error}", "go on with the same folder: resume=True"
    )


def told(done: Sequence[ShardDone]) -> list[str]:
    """Return what was found in all shards together, and which members are missing in which."""
    found: Counter[str] = Counter()
    for one in done:
        found.update({sentence: count for (_, sentence), count in one.findings.items()})
    missing: Counter[str] = Counter(why for one in done for why in one.left_out)
    return [
        *(f"in all shards {sentence} ({count:,} in total)" for sentence, count in found.most_common()),
        *(f"in {count} of {len(done)} shards a member is missing: {why}" for why, count in missing.most_common(10)),
    ]
