"""Layouts of tables: long, wide, by index, single; what is recognised, and what comes back."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from autots.reading import read_panel
from tests.autots.reading.example_tables import DAYS, answer, check_two, long
from zoo.errors import DataError


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"unique_id": "item_id", "ds": "timestamp", "y": "target"},
        {"unique_id": "series", "ds": "Date", "y": "Sales"},
        {"unique_id": "ID", "ds": "month", "y": "close"},
        {"unique_id": "shop", "ds": "moment", "y": "stuff"},
    ],
)
def test_long_tables_are_recognised_by_names_or_by_values(names):
    got = read_panel(long(**names))
    check_two(got)
    out = answer(got)
    assert list(out.columns) == [
        names.get("unique_id", "unique_id"),
        names.get("ds", "ds"),
        "mean",
        "0.1",
        "0.5",
        "0.9",
    ]
    assert out.dtypes.iloc[1] == "datetime64[ns]"
    assert out.iloc[2, 0] == "b"
    assert out.iloc[2, 1] == pd.Timestamp("2020-01-31")


def test_given_names_win_over_usual_ones():
    frame = long().assign(target=1.0, other=np.repeat(["p", "q"], 30))
    got = read_panel(frame, id_col="other", target_col="target", time_col="ds")
    assert list(got.panel.ids) == ["p", "q"]
    assert (got.panel.y == 1.0).all()
    assert set(got.panel.past) == {"unique_id", "y"}


@pytest.mark.parametrize("order", [["item_id", "timestamp"], ["timestamp", "item_id"]])
@pytest.mark.parametrize("named", [True, False])
def test_a_multiindex_comes_back(order, named):
    frame = long(unique_id="item_id", ds="timestamp", y="target").set_index(order)
    if not named:
        frame.index.names = [None, None]
    got = read_panel(frame)
    check_two(got)
    out = answer(got)
    assert list(out.index.names) == (order if named else [None, None])
    assert out.index.get_level_values(order.index("timestamp"))[0] == pd.Timestamp("2020-01-31")
    assert list(out.columns) == ["mean", "0.1", "0.5", "0.9"]


def test_a_series_with_a_multiindex_is_long():
    got = read_panel(long(unique_id="item_id", ds="timestamp").set_index(["item_id", "timestamp"])["y"])
    check_two(got)


def test_an_index_of_times_beside_an_id_column_comes_back():
    got = read_panel(long().set_index("ds"))
    check_two(got)
    assert answer(got).index.name == "ds"


@pytest.mark.parametrize("kind", ["index", "column", "text index"])
def test_a_wide_table_has_a_series_per_column(kind):
    wide = pd.DataFrame({"b": np.arange(30.0, 60), "a": np.arange(30.0)}, index=DAYS)
    if kind == "column":
        wide = wide.reset_index(names="day")
    if kind == "text index":
        wide.index = pd.DatetimeIndex(wide.index).strftime("%Y-%m-%d")
    got = read_panel(wide)
    assert got.schema.layout.kind == "wide"
    check_two(got)
    out = answer(got)
    assert list(out.columns[:2]) == ["unique_id", "day" if kind == "column" else "ds"]


def test_a_wide_table_names_its_axes():
    wide = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0, 60)}, index=DAYS.rename("when"))
    got = read_panel(wide.rename_axis(columns="shop"))
    assert list(answer(got).columns[:2]) == ["shop", "when"]


def test_a_wide_table_with_numbers_for_names_keeps_them():
    out = answer(read_panel(pd.DataFrame({10: np.arange(30.0), 9: np.arange(30.0)}, index=DAYS)))
    assert out["unique_id"].tolist() == [9, 9, 10, 10]


def test_a_wide_table_shares_known_covariates():
    wide = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0, 60), "promo": np.arange(30) % 2}, index=DAYS)
    got = read_panel(wide, known=["promo"])
    check_two(got)
    np.testing.assert_array_equal(got.panel.known["promo"], np.tile(np.arange(30) % 2, 2))


def test_several_columns_and_a_target_are_one_series_with_covariates():
    frame = pd.DataFrame({"date": DAYS, "HUFL": np.arange(30.0), "OT": np.ones(30)})
    got = read_panel(frame, target_col="OT")
    assert list(got.panel.past) == ["HUFL"]
    assert got.panel.n_series == 1
    assert list(answer(got).columns) == ["date", "mean", "0.1", "0.5", "0.9"]


@pytest.mark.parametrize("index", [DAYS, DAYS.to_period("D"), pd.RangeIndex(30), pd.Index(range(0, 300, 10), name="t")])
def test_one_series_keeps_its_kind_of_index(index):
    series = pd.Series(np.arange(30.0), index=index, name="load")
    got = read_panel(series)
    assert list(got.panel.ids) == ["load"]
    np.testing.assert_array_equal(got.panel.y, np.arange(30.0))
    out = answer(got)
    assert out.columns[0] == (index.name or "ds")
    assert out.iloc[:, 0].dtype == index.dtype
    assert out.iloc[0, 0] == index[-1] + (index[1] - index[0])


@pytest.mark.parametrize(
    ("names", "target"), [(("date", "value"), "value"), (("Month", "#Passengers"), "#Passengers"), (("t", "q"), "q")]
)
def test_a_single_series_needs_no_id(names, target):
    frame = pd.DataFrame({names[0]: np.arange(30) if names[0] == "t" else DAYS, names[1]: np.arange(30.0)})
    got = read_panel(frame)
    assert got.schema.layout.columns.target == target
    assert list(answer(got).columns)[:2] == [names[0], "mean"]


def test_a_column_that_numbers_rows_is_no_id():
    frame = pd.DataFrame({"id": range(30), "date": DAYS, "y": np.arange(30.0)})
    assert read_panel(frame).panel.n_series == 1


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ([10, 9, 10, 9], ["9", "10"]),
        (pd.Categorical(["z", "a", "z", "a"]), ["a", "z"]),
        (pd.Categorical([10, 9, 10, 9], categories=[9, 10, 11], ordered=True), ["9", "10"]),
        (pd.array([10, 9, 10, 9], dtype="Int64"), ["9", "10"]),
        (pd.array(["z", "a", "z", "a"], dtype="string"), ["a", "z"]),
        ([1.5, 1.0, 1.5, 1.0], ["1", "1.5"]),
        ([True, False, True, False], ["False", "True"]),
        (np.array([10, 9, 10, 9], dtype="uint8"), ["9", "10"]),
    ],
    ids=lambda v: str(getattr(v, "dtype", v[0])),
)
def test_identifiers_of_any_kind_come_back(values, order):
    frame = pd.DataFrame({"unique_id": values, "ds": DAYS[[0, 0, 1, 1]], "y": 1.0})
    got = read_panel(frame)
    assert list(got.panel.ids) == order
    out = answer(got)["unique_id"]
    if not pd.api.types.is_bool_dtype(frame["unique_id"].dtype):
        assert out.dtype == frame["unique_id"].dtype
        assert set(out) == set(frame["unique_id"])


def test_mixed_text_and_numbers_are_one_kind_of_text():
    frame = pd.DataFrame({"unique_id": [1, "1", "b", "b"], "ds": DAYS[[0, 1, 0, 1]], "y": np.arange(4.0)})
    got = read_panel(frame)
    assert list(got.panel.ids) == ["1", "b"]


def test_extra_columns_are_covariates():
    frame = long().assign(
        promo=np.arange(60) % 2 == 0,
        price=pd.array(np.arange(60), dtype="Int64"),
        paid=[Decimal("1.5")] * 60,
        colour=["red", "green"] * 30,
        seen=pd.Timestamp("2020"),
    )
    got = read_panel(frame, known=["promo", "colour"])
    assert set(got.panel.known) == {"promo", "colour"}
    assert set(got.panel.past) == {"price", "paid"}
    assert got.panel.categorical == {"colour"}
    assert got.schema.categories["colour"] == ("green", "red")
    assert got.panel.known["colour"][:2].tolist() == [1.0, 0.0]
    assert got.panel.known["promo"][:2].tolist() == [1.0, 0.0]
    assert (got.panel.past["paid"] == 1.5).all()
    assert "'seen' holds dates and is left out" in got.report.summary()


@pytest.mark.parametrize("where", ["column", "index", "file", "columns of the data"])
def test_static_covariates_come_from_a_table_or_from_columns(where, tmp_path):
    static = pd.DataFrame({"unique_id": ["b", "a", "c"], "size": [2.0, 1.0, 3.0], "town": ["x", "y", "x"]})
    frame = long()
    if where == "columns of the data":
        got = read_panel(frame.merge(static), static=["size", "town"])
    elif where == "file":
        static.to_csv(tmp_path / "s.csv", index=False)
        got = read_panel(frame, static=tmp_path / "s.csv")
    else:
        got = read_panel(frame, static=static if where == "column" else static.set_index("unique_id"))
    assert got.panel.static["size"].tolist() == [1.0, 2.0]
    assert got.panel.static["town"].tolist() == [1.0, 0.0]
    assert got.panel.categorical == {"town"}
    assert not got.panel.past


def test_static_tables_must_fit():
    static = pd.DataFrame({"unique_id": ["a", "a"], "size": [1.0, 2.0]})
    with pytest.raises(DataError, match="one row per series, but 'a' has more"):
        read_panel(long(), static=static)
    with pytest.raises(DataError, match="must name its series in column 'unique_id'"):
        read_panel(long(), static=static.rename(columns={"unique_id": "shop"}))
    with pytest.raises(DataError, match="'y2' varies in 'a'"):
        read_panel(long().assign(y2=np.arange(60)), static=["y2"])
    lone = read_panel(long(), static=static.iloc[:1])
    assert np.isnan(lone.panel.static["size"][1])
    missing = lone.report.find("static_missing")
    assert missing is not None and missing.series == ("b",)


def test_unknown_columns_come_with_a_guess():
    with pytest.raises(DataError, match="got 'unique-id'") as caught:
        read_panel(long(), id_col="unique-id")
    assert caught.value.hint == "did you mean 'unique_id'?"
    for argument in ({"time_col": "when"}, {"target_col": "sales"}, {"known": ["promo"]}, {"static": ["town"]}):
        with pytest.raises(DataError, match=r"the table has \['unique_id', 'ds', 'y'\]"):
            read_panel(long(), **argument)


def test_one_column_plays_one_role():
    with pytest.raises(DataError, match="must play one role"):
        read_panel(long(), target_col="y", known=["y"])
