"""The as-of join against a slow loop, and its law: what was not known yet is not brought."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.features import Pipeline
from zoo.features.batch import FeatureRoles, batch_of
from zoo.features.steps.join import Known

quick = settings(max_examples=120, deadline=None)
KEYS = ("a", "b", "c")


@st.composite
def known_rows(draw):
    """Key, minute and value; a key occurs once at a time."""
    at = draw(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 30)), min_size=1, max_size=15, unique=True))
    return [(key, minute, float(i)) for i, (key, minute) in enumerate(at)]


asked_rows = st.lists(st.tuples(st.sampled_from((*KEYS, "z")), st.integers(-5, 40)), max_size=100)


def latest(known, key, minute, tolerance):
    """The slow way: look at every row."""
    old = [(m, v) for k, m, v in known if k == key and m <= minute and (tolerance is None or minute - m <= tolerance)]
    return max(old)[1] if old else np.nan


@quick
@given(known_rows(), asked_rows, st.sampled_from([None, 0, 1, 7]))
@example([("a", 0, 0.0), ("b", 0, 1.0)], [("b", 0), ("a", 0)] * 50, None)  # few long runs become many: another way
def test_each_row_finds_the_latest_row_that_was_known(known, asked, tolerance):
    frame = pd.DataFrame(known, columns=["key", "minute", "value"])
    side = Known(batch_of(frame, FeatureRoles("key", "minute", "value")))
    keys = np.array([key for key, _ in asked], dtype=object)
    times = np.array([minute for _, minute in asked], dtype=np.int64)
    at = side.rows(keys, times, tolerance)
    values = side.batch.columns["value"]
    found = [values[row] if row >= 0 else np.nan for row in at.tolist()]
    np.testing.assert_array_equal(found, [latest(known, key, minute, tolerance) for key, minute in asked])


def joined(known, rows, tolerance):
    begin = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame(known, columns=["station", "at", "value"])
    frame["at"] = begin + pd.to_timedelta(frame["at"], unit="min")
    table = pd.DataFrame(rows, columns=["station", "time"])
    table["time"] = begin + pd.to_timedelta(table["time"], unit="min")
    table["y"] = np.arange(len(table)) * 1.0
    step = {"table": frame, "on": "station", "asof": "at"}
    step |= {} if tolerance is None else {"tolerance": f"{tolerance}min"}
    pipeline = Pipeline([{"join": step}], id="station", time="time", target="y")
    return pipeline.transform(table).sort_values("y")["value"].to_numpy()


@quick
@given(known_rows(), asked_rows.filter(len), st.sampled_from([None, 1, 7]), st.integers(0, 40))
def test_rows_that_come_later_are_never_brought(known, asked, tolerance, cut):
    """The whole step in a pipeline: the slow loop's values, and later rows of the other table change nothing before."""
    found = joined(known, asked, tolerance)
    np.testing.assert_array_equal(found, [latest(known, key, minute, tolerance) for key, minute in asked])
    early = [row for row in known if row[1] < cut]
    changed = [*early, *((key, minute, -1.0) for key, minute, _ in known if minute >= cut)]
    before = np.array([minute < cut for _, minute in asked])
    np.testing.assert_array_equal(joined(changed, asked, tolerance)[before], found[before])
    if early:
        np.testing.assert_array_equal(joined(early, asked, tolerance)[before], found[before])
