from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from autots.reading import read_panel
from zoo.errors import DataError

DAYS = pd.date_range("2020-01-01", periods=30)
NS = DAYS.to_numpy("datetime64[ns]")


def long(**names):
    frame = pd.DataFrame(
        {"unique_id": np.repeat(["a", "b"], 30), "ds": np.tile(DAYS, 2), "y": np.arange(60.0)},
    )
    return frame.rename(columns=names)


def check_two(got, ids=("a", "b")):
    assert list(got.panel.ids) == list(ids)
    assert got.panel.freq.alias == "D"
    np.testing.assert_array_equal(got.panel.times, np.tile(NS, 2))
    np.testing.assert_array_equal(got.panel.y, np.arange(60.0))


def answer(got, horizon=2):
    """Forecasts of the right shape, written in the user's way."""
    times = got.panel.future_times(horizon)
    mean = np.arange(times.size, dtype=float).reshape(times.shape)
    return got.schema.write(got.panel.ids, times, mean, mean[:, :, None] + np.array([-1, 0, 1]), (0.1, 0.5, 0.9))


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
        wide.index = wide.index.strftime("%Y-%m-%d")
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


def with_times(values):
    return pd.DataFrame({"unique_id": "a", "ds": values, "y": np.arange(float(len(values)))})


@pytest.mark.parametrize(
    "values",
    [
        DAYS.strftime("%Y-%m-%d"),
        DAYS.strftime("%Y-%m-%d %H:%M:%S"),
        DAYS.strftime("%m/%d/%Y"),
        DAYS.strftime("%d.%m.%Y"),
        DAYS.strftime("%Y%m%d"),
        pd.Series(DAYS.strftime("%Y-%m-%d"), dtype="string"),
        pd.Series(DAYS.date, dtype=object),
        pd.Series(DAYS.to_pydatetime(), dtype=object),
        DAYS.to_period("D"),
        DAYS.astype("datetime64[s]"),
        DAYS.astype("datetime64[us]"),
        pd.Categorical(DAYS.strftime("%Y-%m-%d")),
    ],
    ids=lambda v: str(v[0]) + str(v.dtype),
)
def test_times_in_any_writing_are_read_and_written_back(values):
    frame = with_times(values)
    got = read_panel(frame)
    np.testing.assert_array_equal(got.panel.times, NS)
    out = answer(got)
    if not isinstance(frame["ds"].dtype, pd.CategoricalDtype):
        assert out["ds"].dtype == frame["ds"].dtype
    assert type(out["ds"].iloc[0]) is type(frame["ds"].iloc[0])
    both = pd.concat([frame, out])  # what is written can be read again, as a continuation
    assert read_panel(both.assign(y=1.0)[["unique_id", "ds", "y"]]).panel.n_rows == 32


@pytest.mark.parametrize("freq", ["M", "Q-DEC", "Y-DEC", "W-SUN", "h"])
def test_periods_are_read_by_their_start_and_come_back(freq):
    index = pd.period_range("2010-01-04", periods=30, freq=freq)
    got = read_panel(pd.Series(np.arange(30.0), index=index))
    assert got.panel.n_rows == 30
    assert list(answer(got)["ds"]) == [index[-1] + 1, index[-1] + 2]


def test_integers_are_a_clock_of_steps_and_no_moments():
    got = read_panel(with_times(np.arange(1_600_000_000, 1_600_000_000 + 3600 * 20, 3600)))
    assert got.panel.freq.is_integer
    assert got.panel.freq.step == 3600
    assert answer(got)["ds"].tolist() == [1_600_000_000 + 3600 * 20, 1_600_000_000 + 3600 * 21]


def test_dates_written_as_one_number_are_refused_with_the_conversion():
    with pytest.raises(DataError, match="looks like dates") as caught:
        read_panel(with_times([20200101, 20200102, 20200103]))
    assert "format='%Y%m%d'" in caught.value.hint
    # Numbers that were floats for a while, as beside a missing value, are no less dates.
    with pytest.raises(DataError, match="looks like dates") as caught:
        read_panel(with_times([20200131.0, 20200201.0, 20200202.0]))
    assert "astype('int64'), format='%Y%m%d'" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "freq"),
    [("KW", "W-MON"), ("Woche", "W-MON"), ("semaine", "W-MON"), ("Monat", "MS"), ("mes", "MS"), ("Kalenderjahr", "MS")],
)
def test_keys_of_one_year_are_read_by_the_column_s_name_in_other_languages_too(name, freq):
    frame = pd.DataFrame({name: 202401 + np.arange(10), "y": np.arange(10.0)})
    assert read_panel(frame, time_col=name).panel.freq.alias == freq


def test_a_column_of_times_without_a_name_is_refused():
    with pytest.raises(DataError, match="must have a name"):
        read_panel(pd.DataFrame({None: DAYS, "y": np.arange(30.0)}))


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
    assert lone.report.find("static_missing").series == ("b",)


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


@pytest.mark.parametrize(
    ("frame", "message", "hint"),
    [
        (long(y="q").assign(z=1.0), r"must be the target, but it could be any of \['q', 'z'\]", "target_col"),
        (long(ds="one").assign(two=DAYS[0]), r"must be the time, but it could be any of \['one', 'two'\]", "time_col"),
        (long(unique_id="s").assign(t2=["x", "y"] * 30), r"any of \['s'\]|a column must name the series", "id_col"),
        (long(unique_id="s").assign(s=np.repeat([1, 2], 30)), r"times repeat in 30 of 60 rows.*\['s'\]", "id_col"),
        (long().drop(columns="ds"), "must have a clock", "time_col"),
        (long().drop(columns="y"), "a column of numbers to forecast", "target_col"),
        (long().drop(columns="y").assign(c="text"), "a column of numbers to forecast", "target_col"),
    ],
)
def test_ambiguous_tables_say_what_was_seen_and_what_settles_it(frame, message, hint):
    if "t2" in frame:
        frame = frame.assign(t2=frame["s"] + "2")
        message = r"could be any of \['s', 't2'\]"
    with pytest.raises(DataError, match=message) as caught:
        read_panel(frame)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame(), long().iloc[:0], pd.DataFrame(index=DAYS), pd.Series([], dtype=float)],
)
def test_empty_tables_are_refused(frame):
    with pytest.raises(DataError):
        read_panel(frame)


def test_the_parts_of_a_split_clock_are_no_series():
    hours = pd.date_range("2020", periods=60, freq="h")
    split = pd.DataFrame({"date": hours.strftime("%Y-%m-%d"), "time": hours.strftime("%H:%M"), "v": 1.0})
    with pytest.raises(DataError, match="times repeat in 57 of 60 rows") as caught:
        read_panel(split)
    assert "join the parts of the clock" in caught.value.hint


def test_times_beyond_the_inside_clock_are_refused():
    for unit, value in (("s", "1500-01-01"), ("s", "2300-01-01")):
        times = np.array([value, "2000-01-01"], dtype=f"datetime64[{unit}]")
        with pytest.raises(DataError, match="between the years 1680 and 2250"):
            read_panel(pd.DataFrame({"ds": times, "y": 1.0}))
    with pytest.raises(DataError, match="within 2"):
        read_panel(pd.DataFrame({"t": [-(2**62), 2**62], "y": 1.0}))


def test_columns_of_the_same_name_or_of_two_levels_are_refused():
    frame = long()
    with pytest.raises(DataError, match="'y' occurs more than once"):
        read_panel(pd.concat([frame, frame[["y"]]], axis=1))
    with pytest.raises(DataError, match="one level, but got 2"):
        read_panel(pd.concat({"x": frame}, axis=1))


def wide_and_schema():
    first = read_panel(pd.DataFrame({"date": DAYS, "A": np.arange(30.0), "B": np.arange(30.0) * 2}))
    days = pd.date_range(DAYS[-1] + pd.Timedelta(days=1), periods=3)
    return first, days


def test_a_long_table_after_a_wide_one_is_refused_and_not_averaged():
    first, days = wide_and_schema()
    later = pd.DataFrame({"date": days, "A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]}).melt("date")
    with pytest.raises(DataError, match="a column each, as in the first table") as caught:
        first.schema.read_more(later, panel=first.panel)
    assert "pivot" in caught.value.hint


def test_a_later_wide_table_loses_no_series_in_silence():
    first, days = wide_and_schema()
    later = pd.DataFrame({"date": days, "A": ["x", "y", "z"], "B": [4.0, 5.0, 6.0]})
    with pytest.raises(DataError, match="'A' holds 'x'"):
        first.schema.read_more(later, panel=first.panel)
    later = pd.DataFrame({"date": days, "A": [1.0, 2.0, 3.0], "note": ["x", "y", "z"]})
    more = first.schema.read_more(later, panel=first.panel)
    assert list(more.panel.ids) == ["A"]
    assert any("'note' holds no numbers" in finding.message for finding in more.report.findings)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_later_table_with_times_across_may_bring_few_times(n):
    months = [f"2023-{m:02d}" for m in range(1, 13)]
    table = pd.DataFrame(np.arange(48.0).reshape(4, 12), columns=months)
    table.insert(0, "shop", list("abcd"))
    first = read_panel(table)
    later = pd.DataFrame({"shop": list("abcd"), **{f"2024-{m + 1:02d}": [1.0, 2.0, 3.0, 4.0] for m in range(n)}})
    more = first.schema.read_more(later, panel=first.panel)
    assert list(more.panel.lengths) == [n] * 4
    np.testing.assert_array_equal(more.panel.y, np.repeat([1.0, 2.0, 3.0, 4.0], n))
    assert str(more.panel.times[0]).startswith("2024-01-01")


def test_a_later_year_of_months_may_be_unfinished():
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    table = pd.DataFrame({"year": range(2010, 2022), **{m: np.arange(12.0) + i for i, m in enumerate(months)}})
    first = read_panel(table)
    more = first.schema.read_more(pd.DataFrame({"year": [2022], "Jan": [5.0], "Feb": [6.0]}), panel=first.panel)
    np.testing.assert_array_equal(more.panel.y, [5.0, 6.0])


@pytest.mark.parametrize("as_text", [False, True])
def test_quarters_with_a_leading_zero_are_not_read_as_months_with_holes(as_text):
    keys = [year * 100 + quarter for year in range(2018, 2024) for quarter in range(1, 5)]
    frame = pd.DataFrame({"quarter": [str(k) for k in keys] if as_text else keys, "y": np.arange(24.0)})
    with pytest.raises(DataError, match="quarters, or the months") as caught:
        read_panel(frame)
    assert "Q" in caught.value.hint
    frame["quarter"] = frame["quarter"].astype(str).str.replace(r"0(.)$", r"Q\1", regex=True)
    assert read_panel(frame).panel.freq.alias == "QS-JAN"
