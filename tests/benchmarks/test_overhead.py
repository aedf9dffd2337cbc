"""The overhead's measurement measures; the figure itself is no test."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.ray
def test_the_overhead_of_pool_and_ray_tune_can_be_measured() -> None:
    # A process of its own: it starts and ends a cluster.
    code = "from benchmarks.search.overhead import overhead; print(overhead(trials=60, tune_trials=30))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=250)
    figures = ast.literal_eval(done.stdout)
    assert 0 < figures["pool_ms"] < figures["tune_ms"]
