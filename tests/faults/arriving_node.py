"""As a script: a pool of workers on a cluster of one node, to which a second one comes; prints one line of JSON."""

from __future__ import annotations

import json
import os
import time
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

from zoo.cluster import connect
from zoo.workers import Pool

_SETUP = "zoo.testing.workers:echo_setup"


def _processes(pool: Pool, count: int, seconds: float) -> set[Any]:
    """Return the processes that answered requests which all take some time."""
    for i in range(count):
        pool.submit(f"sleep {i} {time.monotonic_ns()}", ("sleep", 0.3))
        pool.submit(f"pid {i} {time.monotonic_ns()}", ("pid",))
    found, end = set(), time.monotonic() + seconds
    while pool.running and time.monotonic() < end:
        found |= {event.result for event in pool.wait(0.5) if event.key.startswith("pid")}
    return found


def main() -> dict[str, int]:
    """Count workers before and after the second node comes."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    with connect(address=cluster.address) as session:
        with Pool(session, _SETUP, workers=1, most=4) as pool:
            _processes(pool, 1, 60)
            before = pool.workers
            cluster.add_node(num_cpus=1)
            end = time.monotonic() + 40
            while pool.workers < 2 and time.monotonic() < end:
                _processes(pool, 1, 10)
            seen: set[Any] = set()
            while len(seen) < 2 and time.monotonic() < end:
                seen |= _processes(pool, 6, 20)
            after = pool.workers
        with Pool(session, _SETUP, workers=1) as pool:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                _processes(pool, 1, 5)
            bounded = pool.workers
    return {"before": before, "after": after, "processes": len(seen), "bounded": bounded}


if __name__ == "__main__":
    print(json.dumps(main()))
