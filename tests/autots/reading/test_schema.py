import json

import numpy as np
import pandas as pd
import pytest

from autots.reading import Schema, read_panel
from zoo.errors import DataError

DAYS = pd.date_range("2020-01-01", periods=20)


def table(**columns):
    base = pd.DataFrame(
        {
            "shop": np.repeat([7, 11], 20),
            "day": np.tile(DAYS, 2),
            "sold": np.arange(40.0),
            "promo": np.arange(40.0) % 3,
            "colour": ["r", "g"] * 20,
        }
    )
    return base.assign(**columns)


def ingest(frame=None, **options):
    frame = table() if frame is None else frame
    return read_panel(frame, id_col="shop", time_col="day", target_col="sold", known=["promo", "colour"], **options)


def ahead(steps=3):
    days = pd.date_range("2020-01-21", periods=steps)
    return pd.DataFrame(
        {
            "day": np.tile(days, 2),
            "shop": np.repeat([11, 7], steps),
            "promo": np.arange(2.0 * steps),
            "colour": ["g", "r"] * steps,
        }
    )


def written(got, horizon=2):
    times = got.panel.future_times(horizon)
    shape = times.shape
    return got.schema.write(got.panel.ids, times, np.zeros(shape), np.zeros((*shape, 1)), (0.5,))


@pytest.mark.parametrize(
    "frame",
    [
        table(),
        table(shop=pd.Categorical(["x"] * 20 + ["y"] * 20, categories=["y", "x", "z"], ordered=True)),
        table(day=np.tile(DAYS.tz_localize("Europe/Berlin"), 2)),
        table(day=np.tile(DAYS.strftime("%d.%m.%Y"), 2)),
        table(day=np.tile(np.arange(20), 2)),
    ],
)
def test_a_schema_survives_json(frame):
    got = ingest(frame)
    again = Schema.from_dict(json.loads(json.dumps(got.schema.to_dict())))
    assert again == got.schema
    assert again.read_more(frame).panel.n_rows == 40
    times = got.panel.future_times(2)
    zeros = np.zeros(times.shape)
    a, b = (s.write(got.panel.ids, times, zeros, zeros[:, :, None], (0.5,)) for s in (got.schema, again))
    pd.testing.assert_frame_equal(a, b)


def test_future_covariates_are_laid_out_by_series_and_step():
    got = ingest()
    future = got.schema.read_future(ahead().sample(frac=1, random_state=0), got.panel, 3)
    assert future.known["promo"].tolist() == [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]]
    assert future.known["colour"].tolist() == [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_future_rows_beyond_the_horizon_and_of_other_series_are_ignored():
    got = ingest()
    other = ahead(6).assign(shop=99)
    future = got.schema.read_future(pd.concat([other, table(), ahead(6)]), got.panel, 2)
    assert future.known["promo"].tolist() == [[6.0, 7.0], [0.0, 1.0]]


def test_a_future_without_series_holds_for_all():
    got = ingest()
    future = got.schema.read_future(ahead().iloc[:3].drop(columns="shop"), got.panel, 3)
    assert future.known["promo"].tolist() == [[0.0, 1.0, 2.0]] * 2


def test_a_future_serves_series_that_repeat_or_end_at_other_times():
    got = ingest(table().drop(index=[39]))
    rest = pd.concat([table().iloc[[39]], ahead()])
    future = got.schema.read_future(rest, got.panel.select([1, 0, 1]), 2)
    assert future.known["promo"].tolist() == [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]


def test_a_single_series_reads_its_future():
    frame = pd.DataFrame({"day": DAYS, "sold": 1.0, "promo": 0.0})
    got = read_panel(frame, target_col="sold", known=["promo"])
    future = got.schema.read_future(ahead().iloc[:2][["day", "promo"]], got.panel, 2)
    assert future.known["promo"].tolist() == [[0.0, 1.0]]


def test_a_known_covariate_missing_in_the_future_is_named():
    got = ingest()
    with pytest.raises(DataError, match=r"\['promo'\] are missing from \['day', 'shop', 'colour'\]"):
        got.schema.read_future(ahead().drop(columns="promo"), got.panel, 3)
    with pytest.raises(DataError, match="no future table came"):
        got.schema.read_future(None, got.panel, 3)


def test_missing_future_rows_are_named():
    got = ingest()
    with pytest.raises(DataError, match=r"1 of 6 are missing: '11' at 2020-01-22T00:00:00"):
        got.schema.read_future(ahead().drop(index=1), got.panel, 3)
    with pytest.raises(DataError, match="2 of 8 are missing"):
        got.schema.read_future(ahead(3), got.panel, 4)
    with pytest.raises(DataError, match="it is empty"):
        got.schema.read_future(ahead().iloc[:0], got.panel, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_unknown_future_values_are_named(bad):
    got = ingest()
    future = ahead()
    future.loc[4, "promo"] = bad
    with pytest.raises(DataError, match="'promo' is missing in 1 rows of the future, first '7' at 2020-01-22"):
        got.schema.read_future(future, got.panel, 3)


def test_unseen_categories_are_minus_one():
    got = ingest()
    future = got.schema.read_future(ahead().assign(colour=["g", "blue", None, "r", "r", "r"]), got.panel, 3)
    assert future.known["colour"].tolist() == [[1.0, 1.0, 1.0], [0.0, -1.0, -1.0]]


def test_nothing_known_needs_no_future():
    got = read_panel(table()[["shop", "day", "sold"]], id_col="shop")
    assert got.schema.read_future(None, got.panel, 3).known == {}


def test_more_rows_continue_the_panel():
    whole = ingest()
    start = ingest(table().drop(index=[18, 19, 39]))
    more = start.schema.read_more(table(), panel=start.panel)
    joined = start.panel.append(more.panel)
    np.testing.assert_array_equal(joined.y, whole.panel.y)
    np.testing.assert_array_equal(joined.times, whole.panel.times)
    np.testing.assert_array_equal(joined.known["promo"], whole.panel.known["promo"])
    assert more.report.find("already_seen").count == 37


def test_more_rows_after_a_hole_bring_the_hole():
    start = ingest(table().iloc[:10])
    more = start.schema.read_more(table().iloc[13:15], panel=start.panel)
    np.testing.assert_array_equal(more.panel.y, [np.nan, np.nan, np.nan, 13.0, 14.0])
    assert start.panel.append(more.panel).n_rows == 15


def test_more_rows_may_bring_new_series_and_unseen_categories():
    got = ingest()
    fresh = table(shop=np.repeat([11, 99], 20)).assign(colour="blue", day=np.tile(DAYS + pd.Timedelta("20D"), 2))
    more = got.schema.read_more(fresh, panel=got.panel)
    joined = got.panel.append(more.panel)
    assert list(joined.ids) == ["7", "11", "99"]
    assert joined.lengths.tolist() == [20, 40, 20]
    assert (more.panel.known["colour"] == -1).all()
    times = joined.future_times(1)
    out = got.schema.write(joined.ids, times, np.zeros(times.shape), np.zeros((3, 1, 0)), ())
    assert out["shop"].tolist() == [7, 11, 99]


def test_one_new_row_at_a_time_is_enough():
    got = ingest()
    row = table().iloc[[19]].assign(day=pd.Timestamp("2020-01-21"), sold=5.0)
    more = got.schema.read_more(row, panel=got.panel)
    assert got.panel.append(more.panel).series(0)[-1] == 5.0


@pytest.mark.parametrize("kind", ["wide", "series", "multi", "months"])
def test_every_layout_reads_more_of_itself(kind):
    if kind == "wide":
        frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0)}, index=DAYS)
    elif kind == "series":
        frame = pd.Series(np.arange(20.0), index=DAYS, name="load")
    elif kind == "months":
        frame = pd.Series(np.arange(20.0), index=pd.date_range("2019-01-31", periods=20, freq="ME"))
    else:
        frame = table().set_index(["shop", "day"])[["sold"]]
    whole = read_panel(frame)
    by_time = frame.index.get_level_values(-1)
    head = frame[by_time <= by_time[16]]
    start = read_panel(head)
    assert start.panel.n_rows < whole.panel.n_rows
    more = start.schema.read_more(frame[by_time > by_time[16]], panel=start.panel)
    joined = start.panel.append(more.panel)
    np.testing.assert_array_equal(joined.y, whole.panel.y)
    np.testing.assert_array_equal(joined.times, whole.panel.times)
    assert list(joined.ids) == list(whole.panel.ids)


def test_a_table_indexed_at_first_may_send_columns_later():
    got = read_panel(table().set_index(["shop", "day"])[["sold"]])
    row = pd.DataFrame({"shop": [7], "day": [pd.Timestamp("2020-01-21")], "sold": [1.0]})
    assert got.schema.read_more(row, panel=got.panel).panel.n_rows == 1


def test_more_rows_must_look_like_the_first():
    got = ingest()
    with pytest.raises(DataError, match="known covariate 'promo' must be in the table"):
        got.schema.read_more(table().drop(columns="promo"))
    with pytest.raises(DataError, match="the target column must be in the table, but got 'sold'"):
        got.schema.read_more(table().drop(columns="sold"))
    with pytest.raises(DataError, match="must stay of one kind"):
        got.schema.read_more(table(day=np.tile(np.arange(20), 2)))
    with pytest.raises(DataError, match="must keep their zone"):
        got.schema.read_more(table(day=np.tile(DAYS.tz_localize("UTC"), 2)))
    with pytest.raises(DataError, match="were seen before"):
        got.schema.read_more(table(), panel=got.panel)


def test_static_covariates_of_new_series_are_read_or_missing():
    static = pd.DataFrame({"shop": [7, 11], "size": [1.0, 2.0], "town": ["x", "y"]})
    got = ingest(static=static)
    fresh = table().iloc[:20].assign(shop=5)
    bare = got.schema.read_more(fresh, panel=got.panel).panel
    assert np.isnan(bare.static["size"]).all()
    assert bare.static["town"].tolist() == [-1.0]
    told = got.schema.read_more(fresh, panel=got.panel, static=static.assign(shop=[5, 6])).panel
    assert got.panel.append(told).static["size"].tolist() == [1.0, 2.0, 1.0]
    assert told.categorical == got.panel.categorical


def test_identifiers_with_zeros_survive_a_file(tmp_path):
    table(shop=np.repeat(["007", "011"], 20)).to_csv(tmp_path / "a.csv", index=False)
    got = ingest(tmp_path / "a.csv")
    assert list(got.panel.ids) == ["007", "011"]
    assert written(got)["shop"].tolist() == ["007", "007", "011", "011"]


def test_levels_are_named_shortly():
    got = ingest()
    times = got.panel.future_times(1)
    levels = (0.025, 0.1, 0.5, 0.995)
    out = got.schema.write(got.panel.ids, times, np.zeros((2, 1)), np.arange(8.0).reshape(2, 1, 4), levels)
    assert list(out.columns) == ["shop", "day", "mean", "0.025", "0.1", "0.5", "0.995"]
    assert out["0.5"].tolist() == [2.0, 6.0]
