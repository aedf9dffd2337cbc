"""An as-of join brings the latest row that was known: held to a loop that looks at every row, and to its refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.errors import ConfigError, DataError
from zoo.features import Pipeline

START = pd.Timestamp("2024-05-01")


def table(rows: list[tuple[Any, int]], **columns: Any) -> pd.DataFrame:
    """A table of (key, minutes after the start)."""
    times = START + pd.to_timedelta([minutes for _, minutes in rows], unit="min")
    return pd.DataFrame({"shop": [key for key, _ in rows], "ts": times}).assign(**columns)


def joined(here: pd.DataFrame, other: pd.DataFrame, **options: Any) -> pd.DataFrame:
    step = {"join": {"table": other, "on": "shop", "asof": "ts"} | options}
    return Pipeline([step], id="till", time="ts", target="y").fit_transform(here)


def latest(here: pd.DataFrame, other: pd.DataFrame, tolerance: int | None) -> list[float]:
    """What the join must bring, row by row: the oracle has no idea of sorting or of runs of keys."""
    found = []
    for key, now in zip(here["shop"], here["ts"], strict=True):
        known = other[(other["shop"] == key) & (other["ts"] <= now)]
        if tolerance is not None:
            known = known[now - known["ts"] <= pd.Timedelta(tolerance, "min")]
        found.append(float(known.sort_values("ts")["price"].iloc[-1]) if len(known) else np.nan)
    return found


_KEYS = st.sampled_from(["a", "b", "c", "d"])
_MINUTES = st.integers(0, 30)


@settings(max_examples=60, deadline=None)
@given(
    here=st.lists(st.tuples(_KEYS, _MINUTES), min_size=1, max_size=30),
    other=st.lists(st.tuples(st.sampled_from(["a", "b", "c", "z"]), _MINUTES), min_size=1, max_size=20, unique=True),
    tolerance=st.none() | st.integers(1, 20),
)
@example(here=[("a", 5)], other=[("a", 5)], tolerance=1)  # known at the very moment
@example(here=[("a", 6)], other=[("a", 5)], tolerance=1)  # just young enough
@example(here=[("a", 7)], other=[("a", 5)], tolerance=1)  # just too old
@example(here=[("a", 4)], other=[("a", 5)], tolerance=None)  # only later
def test_a_row_gets_the_latest_that_was_known_and_young_enough(
    here: list[tuple[str, int]], other: list[tuple[str, int]], tolerance: int | None
) -> None:
    # One till has all rows, so its shops alternate; times within a till are told apart by seconds.
    mine = table(here, till="t", y=1.0)
    mine["ts"] += pd.to_timedelta(np.arange(len(mine)), unit="ms")
    theirs = table(other, price=np.arange(len(other), dtype=float))
    options = {} if tolerance is None else {"tolerance": f"{tolerance}min"}
    got = joined(mine, theirs, **options).sort_values("ts")
    mine = mine.sort_values("ts")
    np.testing.assert_array_equal(got["price"].to_numpy(), latest(mine, theirs, tolerance))


def test_keys_that_change_with_nearly_every_row_are_sorted_and_put_back() -> None:
    rows = [(f"s{i % 97}", i) for i in range(600)]
    mine, theirs = table(rows, till="t", y=1.0), table([(f"s{i}", 3 * i) for i in range(90)], price=np.arange(90.0))
    np.testing.assert_array_equal(joined(mine, theirs)["price"].to_numpy(), latest(mine, theirs, None))


def test_a_row_is_too_old_one_microsecond_after_the_tolerance() -> None:
    mine, theirs = table([("a", 10), ("a", 10)], till=["t", "u"], y=1.0), table([("a", 0)], price=1.0)
    mine.loc[1, "ts"] += pd.Timedelta(1, "us")
    got = joined(mine, theirs, tolerance="10min").set_index("till")["price"]
    assert got["t"] == 1.0 and np.isnan(got["u"])


def test_texts_are_joined_and_missing_where_nothing_was_known() -> None:
    mine, theirs = table([("a", 1), ("b", 1), ("a", 3)], till=["t", "u", "v"], y=1.0), table([("a", 2)], note=["x"])
    got = joined(mine, theirs).set_index("till")["note"]
    assert got["v"] == "x" and got[["t", "u"]].isna().all()


def test_without_a_key_every_row_looks_into_one_history() -> None:
    mine = table([("a", 1), ("b", 5)], till=["t", "u"], y=1.0)
    got = joined(mine, table([("a", 2)], price=7.0)[["ts", "price"]], on=None).set_index("till")["price"]
    assert np.isnan(got["t"]) and got["u"] == 7.0


def test_columns_are_chosen_and_renamed() -> None:
    mine, theirs = table([("a", 1)], till="t", y=1.0), table([("a", 0)], price=1.0, size=2.0)
    got = joined(mine, theirs, columns={"size": "room"})
    assert list(got["room"]) == [2.0] and not {"price", "size"} & set(got.columns)
    with pytest.raises(ConfigError, match="the joined table must have 'colour'"):
        joined(mine, theirs, columns=["colour"])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (table([("a", 0), ("a", 0), ("a", 0)], price=1.0), "has shop=a 3 times or more at 2024-05-01T00:00"),
        (table([("a", 0), ("b", 0), ("b", 0)], price=1.0), "has shop=b 2 times or more"),
        (table([("a", 0)]), "must have columns to bring"),
        (table([("a", 0)], price=1.0).drop(columns="shop"), "must have the column 'shop'"),
        (table([("a", 0)], price=1.0).drop(columns="ts"), "must have the column 'ts'"),
        (table([("a", 0)], price=1.0)[:0], "must hold rows"),
        (table([(1, 0)], price=1.0), "'shop' must be of one type in both tables"),
        (table([("a", 0)], price=1.0).assign(ts=[5]), "the same kind of clock"),
        (table([("a", 0)], price=1.0).assign(ts=lambda t: t["ts"].dt.tz_localize("UTC")), "must have a zone, or none"),
    ],
)
def test_a_table_that_cannot_be_joined_is_refused_with_what_is_wrong(other: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        joined(table([("a", 1)], till="t", y=1.0), other)


def test_a_column_that_is_there_already_must_be_renamed() -> None:
    with pytest.raises(ConfigError, match="'y' is there already"):
        joined(table([("a", 1)], till="t", y=1.0), table([("a", 0)], y=1.0))


def test_numeric_keys_are_compared_as_numbers_and_a_missing_one_joins_nothing() -> None:
    mine, theirs = table([(1.0, 1), (np.nan, 1), (2.0, 1)], till=["t", "u", "v"], y=1.0), table([(1, 0)], price=5.0)
    got = joined(mine, theirs).set_index("till")["price"]
    assert got["t"] == 5.0 and got[["u", "v"]].isna().all()


def test_a_key_without_any_value_is_of_the_other_tables_type() -> None:
    mine = table([(np.nan, 1), (np.nan, 2)], till=["t", "u"], y=1.0)
    assert joined(mine, table([("a", 0)], price=5.0))["price"].isna().all()
    assert joined(mine, table([(1, 0)], price=5.0))["price"].isna().all()


@pytest.mark.parametrize("tolerance", ["soon", "-1h", "0s"])
def test_a_tolerance_must_be_a_length_of_time(tolerance: str) -> None:
    # Already when the step is described: no table is read for it.
    with pytest.raises(ConfigError, match="tolerance"):
        Pipeline([{"join": {"table": "no_such.csv", "tolerance": tolerance, "asof": "ts"}}], time="ts", target="y")
