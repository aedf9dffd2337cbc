"""Laws of whole pipelines, over random steps on random tables: what no list of examples would hold together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import DataError
from zoo.features import Pipeline
from zoo.features.append import append, tail
from zoo.testing.features import assert_same

laws = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROWS = 60
BEGIN = pd.Timestamp("2024-03-30 20:00")  # the clock in Berlin changes five hours later


@st.composite
def tables(draw):
    """Series of quarters of an hour, with holes, missing numbers, repeated times and a text.

    The text is never missing: where all are, nobody can tell that it is one (the column is read as numbers).
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    zone = draw(st.sampled_from([None, "UTC", "Europe/Berlin"]))
    level = draw(st.sampled_from([0.0, 1e9]))
    parts = []
    for i in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(1, ROWS))
        quarters = np.sort(rng.choice(2 * rows, rows, replace=draw(st.booleans())))
        times = (BEGIN + pd.to_timedelta(15 * quarters, unit="min")).tz_localize("UTC" if zone else None)
        parts.append(
            pd.DataFrame(
                {
                    "id": f"series {i}",
                    "time": times.tz_convert(zone) if zone else times,
                    "y": np.where(rng.random(rows) < 0.15, np.nan, level + np.round(rng.normal(0, 5, rows), 2)),
                    "x": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(0, 1, rows)),
                    "kind": rng.choice(np.array(["a", "b", "c"], dtype=object), rows),
                }
            )
        )
    return pd.concat(parts, ignore_index=True).sample(frac=1, random_state=draw(st.integers(0, 999)))


def one_of(draw, *options):
    return draw(st.sampled_from(options))


@st.composite
def pipelines(draw):
    """Any steps in an order that is allowed."""
    steps = []
    if draw(st.booleans()):
        steps.append({"filter": one_of(draw, 'kind in ("a", "c") or x is None', "x > -1.5", "y is not None or x > 0")})
    steps.append({"deduplicate": {"keep": one_of(draw, "first", "last")}})
    if draw(st.booleans()):
        how = one_of(draw, "mean", "sum", "min", "max", "first", "last")
        steps.append({"resample": {"every": one_of(draw, "15min", "1h"), "how": how}})
    if draw(st.booleans()):
        how = one_of(draw, "linear", "previous", "value")
        steps.append({"impute": {"how": how, "limit": draw(st.integers(1, 4)), "value": 3.0}})
    if draw(st.booleans()):
        action = one_of(draw, "mark", "clip", "missing")
        steps.append({"outliers": {"how": one_of(draw, "iqr", "sigma"), "action": action, "window": 8}})
    back = [
        {"lags": {"rows": [1, draw(st.integers(2, 9))], "columns": ["y", "x"]}},
        {"rolling": {"windows": [draw(st.integers(2, 9))], "how": ["mean", "std", "max", "quantile:0.4"],
                     **({"least": 2} if draw(st.booleans()) else {}), "shift": draw(st.integers(0, 2))}},
        {"ewm": {"halflife": [0.5]}},
        {"difference": {"lag": draw(st.integers(1, 4))}},
        {"calendar": ["hour", "weekday", "week", "is_weekend"]},
    ]  # fmt: skip
    steps += draw(st.permutations(back))[: draw(st.integers(1, len(back)))]
    return Pipeline(steps, id="id", time="time", target="y", zone=None)


def features(pipeline, table):
    """The features; None where a filter leaves no row."""
    try:
        return pipeline.transform(table)
    except DataError:
        return None


@laws
@given(tables(), pipelines(), st.integers(0, 2 * ROWS), st.integers(0, 2**32 - 1))
def test_changing_the_future_leaves_the_past_unchanged(table, pipeline, quarters, seed):
    """Values behind a moment are changed, rows are removed and added: features before it keep their bits."""
    rng = np.random.default_rng(seed)
    hour = pd.Timedelta("1h")
    cut = (BEGIN + quarters * pd.Timedelta("15min")).ceil(hour)
    cut = cut.tz_localize("UTC") if table["time"].dt.tz is not None else cut
    late = (table["time"] >= cut).to_numpy()
    other = table.copy()
    other.loc[late, "y"] = other.loc[late, "y"] * -3 + 1e6
    other.loc[late, "x"] = rng.normal(0, 100, int(late.sum()))
    other = pd.concat([other[~late | (rng.random(len(table)) < 0.7)], other[late].assign(y=-1e6)[::2]])
    was, now, past = (features(pipeline, t) for t in (table, other, table[~late]))
    if past is None:
        return
    for whole in (was, now):
        assert whole is not None
        # A later row of a series brings the steps between: these are not there yet for those who see the past alone.
        there = pd.MultiIndex.from_frame(whole[["id", "time"]]).isin(pd.MultiIndex.from_frame(past[["id", "time"]]))
        assert_same(whole[there], past)


@laws
@given(tables(), pipelines(), st.integers(0, 2**32 - 1))
def test_shuffling_rows_and_columns_changes_nothing(table, pipeline, seed):
    order = np.random.default_rng(seed).permutation(table.shape[1])
    was, now = features(pipeline, table), features(pipeline, table.sample(frac=1, random_state=seed).iloc[:, order])
    if was is None or now is None:
        assert was is now
    else:
        assert_same(was, now[list(was.columns)])


@laws
@given(tables(), pipelines())
def test_each_series_has_the_features_that_it_has_alone(table, pipeline):
    whole = features(pipeline, table)
    if whole is None:
        return
    for name, part in table.groupby("id"):
        alone = features(pipeline, part)
        mine = whole[whole["id"] == name]
        if alone is None:
            assert not len(mine)
        else:
            assert_same(mine, alone)


@laws
@given(tables(), pipelines(), st.integers(0, 2 * ROWS))
def test_what_is_kept_of_the_past_gives_the_newest_row_its_bits(table, pipeline, quarters):
    cut = BEGIN + quarters * pd.Timedelta("15min")
    seen = table[
        table["time"].dt.tz_convert("UTC").dt.tz_localize(None) < cut if table["time"].dt.tz else table["time"] < cut
    ]
    whole = features(pipeline, seen)
    if whole is None or not len(seen):
        return
    short = tail(pipeline, seen)
    assert len(short) <= len(seen)
    newest = whole.groupby("id", sort=True).tail(1)
    assert_same(newest, pipeline.last(short))


@laws
@given(tables(), pipelines(), st.integers(0, 2**32 - 1))
def test_appending_rows_in_any_order_is_computing_everything_again(table, pipeline, seed):
    """Late rows and new series among them."""
    new = np.random.default_rng(seed).random(len(table)) < 0.3
    before, whole = features(pipeline, table[~new]), features(pipeline, table)
    if before is None or whole is None or not new.any():
        return
    update = append(pipeline, table[~new], table[new])
    assert_same(whole, update.applied(before, id="id", time="time"))
