"""As a script: a sharded fit on a cluster of three nodes, of which one is killed while shards are fitted.

``python lost_node_of_shards.py FOLDER`` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# A dead node is noticed within a second instead of twenty.
os.environ |= {"RAY_health_check_period_ms": "300", "RAY_health_check_failure_threshold": "3"}
os.environ |= {"RAY_health_check_timeout_ms": "1000", "RAY_health_check_initial_delay_ms": "300"}

import numpy as np
import pandas as pd
from ray.cluster_utils import Cluster

from autots.shards import ShardedAutoTS, ShardedPipeline

_SERIES, _DAYS, _HORIZON = 600, 80, 7


def table(folder: Path) -> Path:
    """Write files of some days of all series each."""
    chance = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=_DAYS)
    for i, part in enumerate(np.array_split(np.arange(_DAYS), 4)):
        frame = pd.DataFrame(
            {
                "item": np.repeat([f"i{s:03d}" for s in range(_SERIES)], len(part)),
                "day": np.tile(days[part], _SERIES),
                "sold": chance.poisson(5 + 3 * (np.tile(part, _SERIES) % 7 > 4)).astype(float),
            }
        )
        frame.to_parquet(folder / f"{i}.parquet")
    return folder


def main(folder: Path) -> dict[str, object]:
    """Fit while a node is killed, and return what is there afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table").mkdir()
    source, run = table(folder / "table"), folder / "run"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    errors: list[str] = []

    def drive() -> None:
        asked = {"budget": 40, "address": cluster.address, "workers": 2, "shard_rows": 4000, "sample_series": 40}
        try:
            ShardedAutoTS(_HORIZON, out=run, folds=1, **asked).fit(source)
        except BaseException as error:
            errors.append(repr(error))

    driver = threading.Thread(target=drive)
    driver.start()
    shards = run / "shards"
    while driver.is_alive() and not (shards.is_dir() and len(list(shards.iterdir())) >= 2):
        time.sleep(0.02)
    seen = len(list(shards.iterdir())) if shards.is_dir() else 0
    cluster.remove_node(nodes[0], allow_graceful=False)
    driver.join()
    if errors:
        return {"error": errors[0], "seen": seen}
    made = ShardedPipeline(run, workers=1)
    files = len(list((run / "shards").iterdir()))
    return {"seen": seen, "shards": files, "series": made.n_series, "rows": made.n_rows}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
