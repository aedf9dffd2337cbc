"""The bench measures what it says; its figures are read, not asserted."""

from __future__ import annotations

import json

import pytest

from benchmarks.features.memory import request, throughput
from zoo.cli import main


def test_a_request_has_forty_features_and_less_than_four_hundred_rows_of_history():
    record = request(calls=3)
    assert "400 rows, 40 features" in record["figure"] and record["lookback"] < 400 and record["p50"] > 0


def test_parts_that_do_not_exist_are_refused(capfd):
    assert main(["bench", "features", "--only", "coffee"]) == 2
    assert "a part must be one of agreement" in capfd.readouterr().err
    assert main(["bench", "features", "--only", "agreement"]) == 2


@pytest.mark.slow
def test_the_engine_in_memory_is_measured_beside_others():
    first, second, third = throughput(20_000)
    assert first["times_groupby_apply"] > 1 and second["peak_mb"] > 0
    json.dumps([first, second, third])
