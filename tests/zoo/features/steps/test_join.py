"""The as-of join against a slow reading: of all rows with the key, the latest that is not later and not too old."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.features.batch import Batch, FeatureRoles
from zoo.features.steps.join import Known
from zoo.series.offsets import Offsets

TABLE = st.dictionaries(st.integers(0, 5), st.sets(st.integers(0, 30), min_size=1, max_size=6), max_size=5)
ASKED = st.lists(st.tuples(st.integers(0, 6), st.integers(-2, 33)), max_size=12)


def known(table: dict[int, set[int]]) -> Known:
    keys = sorted(table)
    times = np.array([time for key in keys for time in sorted(table[key])], dtype=np.int64)
    offsets = Offsets.of_lengths([len(table[key]) for key in keys])
    return Known(Batch(np.array(keys, dtype=np.int64), offsets, times, {}, FeatureRoles("key", "time", "y")))


def slow(table: dict[int, set[int]], key: int, time: int, tolerance: int | None) -> int:
    rows = [(k, t) for k in sorted(table) for t in sorted(table[k])]
    fits = [
        row
        for row, (k, t) in enumerate(rows)
        if k == key and t <= time and (tolerance is None or time - t <= tolerance)
    ]
    return max(fits, default=-1)


@settings(max_examples=200, deadline=None)
@given(TABLE, ASKED, st.none() | st.integers(0, 8), st.sampled_from([1, 30]))
def test_each_row_gets_the_latest_known_one(
    table: dict[int, set[int]], asked: list[tuple[int, int]], tolerance: int | None, times_over: int
) -> None:
    asked = asked * times_over  # so many changes of the key that they are sorted first
    keys = np.array([key for key, _ in asked], dtype=np.int64)
    times = np.array([time for _, time in asked], dtype=np.int64)
    want = [slow(table, key, time, tolerance) for key, time in asked]
    assert known(table).rows(keys, times, tolerance).tolist() == want


def test_a_row_of_the_very_moment_counts_and_one_as_old_as_the_tolerance_too() -> None:
    one = known({3: {10}})
    keys, times = np.full(4, 3), np.array([9, 10, 14, 15])
    assert one.rows(keys, times, 4).tolist() == [-1, 0, 0, -1]
