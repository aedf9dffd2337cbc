"""A Ray node that is removed while it trains, and another one that comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

_HERE = Path(__file__).parent


def _run(folder: Path, seeds: range) -> None:
    # A process of its own: Ray has one cluster per process, and prints about dying nodes.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = f"{_HERE.parents[1]}{os.pathsep}{_HERE}"
    command = [sys.executable, str(_HERE / "leaving_nodes.py"), str(folder), ",".join(map(str, seeds))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=40 * len(seeds) + 120)
    seen = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"ending"')]
    assert len(seen) == len(seeds), done.stderr[-3000:]
    for once in seen:
        assert once["ending"] == "done"
        assert once["most"] >= 2, "the new node was not used"
    assert sum(once["losses"] for once in seen) > 0, "no node was removed with a training: nothing was tested"


def test_a_study_survives_the_removal_of_nodes_and_uses_new_ones(tmp_path: Path) -> None:
    _run(tmp_path, range(3))


def test_a_node_that_comes_is_used_by_a_pool_that_may_grow(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = str(_HERE.parents[1])
    command = [sys.executable, str(_HERE / "arriving_node.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["before"] == 1
    assert found["after"] == 2
    assert found["processes"] == 2
    assert found["bounded"] == 1, "a pool that may not grow has grown"


def test_a_sharded_fit_survives_the_loss_of_one_of_three_nodes(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = str(_HERE.parents[1])
    command = [sys.executable, str(_HERE / "lost_node_of_shards.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert "error" not in found, found
    assert found["seen"] < found["shards"], "all shards were there before the node was lost: nothing was tested"
    assert (found["series"], found["rows"]) == (600, 600 * 80)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_study_survives_the_removal_of_twenty_nodes(tmp_path: Path) -> None:
    _run(tmp_path, range(3, 23))
