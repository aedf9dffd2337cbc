"""As a script: a study on a cluster of several nodes, from which nodes are removed and to which nodes come.

``python leaving_nodes.py FOLDER REPETITIONS`` prints one line of JSON per repetition.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# In this order: Ray reads its environment when it is imported.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# A dead node is noticed within a second instead of twenty.
os.environ |= {"RAY_health_check_period_ms": "300", "RAY_health_check_failure_threshold": "3"}
os.environ |= {"RAY_health_check_timeout_ms": "1000", "RAY_health_check_initial_delay_ms": "300"}

import ray
from long_training import SPACE, check, training
from ray.cluster_utils import Cluster

from zoo.cluster import connect
from zoo.search import Study, StudyOptions, Trial
from zoo.search.resources import Resources
from zoo.search.run import RunOptions, run

_TOTAL = 8
# Two per node (Ray takes our word for the GPU); none on the head: there is nowhere to go until the new node comes.
_HALF = Resources(cpu=0.5, gpu=0.5)


def waiting(notes: Path) -> Callable[[Trial], float]:
    """Return a training whose last two trials wait until both run, so that the new node must be used."""
    train, total = training(notes, 0.1), _TOTAL

    def wait(trial: Trial) -> float:
        while trial.number >= total - 2 and not (notes / "enough").exists():
            time.sleep(0.02)
        return train(trial)

    return wait


def once(cluster: Any, folder: Path, seed: int) -> dict[str, object]:
    """Run a study while a node is removed and another one comes; return what was seen."""
    chance = random.Random(seed)
    journal, notes = folder / "study.journal", folder / "notes"
    notes.mkdir(parents=True)
    node = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    endings: list[str] = []
    most = 0
    with Study.open(journal, SPACE, seed=1, budget=_TOTAL, options=StudyOptions(max_losses=9)) as study:

        def drive() -> None:
            with connect() as session:
                options = RunOptions(session=session, quiet=True, patience=120.0, resources=_HALF)
                endings.append(run(study, waiting(notes), "pool", options=options))

        # Ray adds nodes in the main thread only.
        driver = threading.Thread(target=drive)
        driver.start()
        while len(list(notes.glob("*.log"))) < 2:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 0.5))
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1, num_gpus=1)
        patience = time.monotonic() + 60
        while most < 2 and time.monotonic() < patience:
            time.sleep(0.05)
            most = len(study.running)
        (notes / "enough").touch()
        driver.join()
    found = check(journal, notes, _TOTAL)
    return {"ending": endings[0], "losses": sum(record.losses for record in found), "most": most}


def main() -> None:
    """Do it some times on one cluster."""
    folder, repetitions = Path(sys.argv[1]), [int(seed) for seed in sys.argv[2].split(",")]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        cluster.add_node(num_cpus=1, num_gpus=1)
        for seed in repetitions:
            print(json.dumps(once(cluster, folder / str(seed), seed)), flush=True)
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
