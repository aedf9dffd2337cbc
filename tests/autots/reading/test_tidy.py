import io
import json

import numpy as np
import pandas as pd
import pytest

from autots.reading import Schema, read_panel
from zoo.errors import DataError

DAYS = pd.date_range("2023-01-01", periods=60)
LOAD = np.arange(60) % 7 + 0.5


def one(**columns):
    return pd.DataFrame({"date": DAYS, "kwh": LOAD, **columns})


def two():
    return pd.concat([one(id="a"), one(id="b")])


def kinds(got):
    return [finding.kind for finding in got.report.findings]


def csv(table, **options):
    return pd.read_csv(io.StringIO(table.to_csv(**options)))


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (csv(one()), "Unnamed: 0"),
        (one().reset_index(), "index"),
        (one().reset_index(names="level_0"), "level_0"),
        (one().reset_index(names=""), ""),
        (csv(csv(one())), "Unnamed: 0.1"),
        (csv(two()), "Unnamed: 0"),
        (two().reset_index(), "index"),
        (csv(two()).sample(frac=1, random_state=0), "Unnamed: 0"),
        (csv(one().iloc[7:]), "Unnamed: 0"),
        (one(**{"index": np.arange(1, 61)}), "index"),
        (one(**{"index": np.arange(60.0)}), "index"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_the_index_that_a_program_wrote_is_left_out_and_listed(table, name):
    got = read_panel(table)
    assert not got.panel.past
    assert set(got.panel.ids) <= {"kwh", "a", "b"}
    assert name in got.report.find("index_column").message
    assert name in got.schema.layout.dropped
    assert any(what == "left out" and name in how for what, how in got.report.reading)
    # A later table may have it or not.
    later = table.assign(date=pd.to_datetime(table["date"]) + pd.Timedelta(days=60))
    for more in (later, later.drop(columns=name)):
        assert set(got.schema.read_more(more, panel=got.panel).panel.ids) == set(got.panel.ids)


@pytest.mark.parametrize(
    "values",
    [LOAD * 100, np.arange(60) * 2, np.r_[np.arange(59), 7], DAYS.strftime("%d"), ["x"] * 60],
)
def test_a_column_called_index_that_numbers_no_rows_is_data(values):
    got = read_panel(one(index=values), target_col="kwh")
    assert list(got.panel.past) == ["index"]


def test_a_counter_that_the_user_names_stays():
    got = read_panel(one(index=np.arange(60)), target_col="kwh", known=["index"])
    assert list(got.panel.known) == ["index"]
    assert read_panel(pd.DataFrame({"index": np.arange(60), "y": LOAD}), time_col="index").panel.freq.is_integer


def test_empty_rows_and_columns_are_left_out_and_listed():
    table = one().iloc[np.repeat(np.arange(60), 2)].reset_index(drop=True).assign(note=None, other=" ")
    table.loc[1::2, ["date", "kwh"]] = None
    got = read_panel(table)
    assert got.panel.n_series == 1
    np.testing.assert_array_equal(got.panel.y, LOAD)
    assert got.report.find("dropped_rows").message == "60 rows are empty"
    assert kinds(got).count("empty_column") >= 1


def test_ids_among_empty_rows_stay_whole_numbers():
    table = pd.concat([one(id=1), one(id=2)]).reset_index(drop=True)
    table = table.reindex(range(len(table) + 1))
    got = read_panel(table)
    assert got.schema.ids.columns(got.panel.ids)[0].dtype == "int64"


@pytest.mark.parametrize(
    "foot",
    [
        [["Total", 210.0]],
        [["Source: Eurostat", None]],
        [[None, None], ["Total", "210"], ["* preliminary", None]],
        [["Grand total", "1,234.5"], ["Notes: made by hand", None], ["Copyright 2024", None]],
    ],
)
def test_totals_and_sources_under_a_table_are_left_out_and_listed(foot):
    text = one().assign(date=DAYS.strftime("%Y-%m-%d")).astype(object)
    rest = pd.DataFrame(foot, columns=["date", "kwh"], dtype=object)
    got = read_panel(pd.concat([text, rest], ignore_index=True))
    np.testing.assert_array_equal(got.panel.y, LOAD)
    assert "dropped_rows" in kinds(got)
    moments = pd.concat([one().astype(object), rest], ignore_index=True)
    np.testing.assert_array_equal(read_panel(moments).panel.y, LOAD)


def test_units_under_the_header_are_left_out_and_listed():
    text = one().astype(str)
    table = pd.concat([pd.DataFrame([["yyyy-mm-dd", "kWh"]], columns=text.columns), text], ignore_index=True)
    got = read_panel(table)
    np.testing.assert_array_equal(got.panel.y, LOAD)
    assert "'yyyy-mm-dd', 'kWh'" in got.report.find("dropped_rows").message


def test_other_rows_without_a_time_are_refused_not_dropped():
    text = one().assign(date=DAYS.strftime("%Y-%m-%d"))
    with pytest.raises(DataError, match="'someday'"):
        read_panel(pd.concat([text, pd.DataFrame([["someday", 5.0]], columns=text.columns)]), time_col="date")
    with pytest.raises(DataError, match="missing in 1 rows"):
        read_panel(pd.concat([text, pd.DataFrame([[None, 5.0]], columns=text.columns)]), time_col="date")


def across(names=None, **first):
    rows = pd.DataFrame({k: LOAD + i for i, k in enumerate("abc")}).T.reset_index(drop=True)
    rows.columns = pd.Index(names if names is not None else DAYS.strftime("%Y-%m-%d"), dtype=object)
    for name, values in first.items():
        rows.insert(0, name, values)
    return rows


@pytest.mark.parametrize("names", [None, list(DAYS), [d.date() for d in DAYS], DAYS.strftime("%d/%m/%Y")])
def test_a_table_with_times_across_is_turned(names):
    table = across(names, Page=["x", "y", "z"])
    got = read_panel(table)
    assert list(got.panel.ids) == ["x", "y", "z"]
    np.testing.assert_array_equal(got.panel.y, np.concatenate([LOAD, LOAD + 1, LOAD + 2]))
    np.testing.assert_array_equal(got.panel.times[:60], DAYS.to_numpy("datetime64[ns]"))
    assert got.report.find("turned").message == "the names of 60 columns are times"
    again = Schema.from_dict(json.loads(json.dumps(got.schema.to_dict())))
    assert again == got.schema
    assert again.read_more(table).panel.n_rows == 180
    times = got.panel.future_times(1)
    out = again.write(got.panel.ids, times, np.zeros((3, 1)), np.zeros((3, 1, 1)), (0.5,))
    assert list(out.columns) == ["Page", "ds", "mean", "0.5"]


def test_years_across_and_several_names_are_turned():
    table = across(list(range(1960, 2020)), kind=["p", "p", "p"], code=["x", "x", "y"], place=["u", "v", "u"])
    got = read_panel(table)
    assert got.schema.layout.columns.key == ("place", "code")
    assert got.panel.n_series == 3
    assert got.panel.freq.alias == "YS-JAN"
    assert read_panel(table, id_col=["code", "place"]).schema.layout.columns.key == ("code", "place")


def test_rows_across_that_nothing_names_are_refused_with_melt():
    with pytest.raises(DataError, match="must name the series of each row") as caught:
        read_panel(across(place=["u", "u", "v"]))
    assert "melt" in caught.value.hint
    one_row = across().head(1)
    assert read_panel(one_row).panel.n_series == 1


def test_one_row_for_each_series_is_refused_clearly():
    with pytest.raises(DataError, match="'unique_id' differs in all 60 rows, while their times repeat"):
        read_panel(pd.DataFrame({"unique_id": range(60), "ds": DAYS[0], "y": LOAD}))


def test_a_message_does_not_list_hundreds_of_columns():
    table = pd.DataFrame([["p1", *range(550)]], columns=["Page", *(f"d_{i}" for i in range(550))])
    with pytest.raises(DataError, match=r"and 539 more\]") as caught:
        read_panel(table)
    assert len(str(caught.value)) < 600
    assert "melt" in caught.value.hint


def test_a_row_for_each_year_and_a_column_for_each_month_are_turned():
    values = np.arange(240.0).reshape(20, 12)
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    table = pd.DataFrame(values, columns=months)
    table.insert(0, "Year", range(2000, 2020))
    got = read_panel(table.assign(Total=values.sum(axis=1)).sample(frac=1, random_state=0))
    np.testing.assert_array_equal(got.panel.y, np.arange(240.0))
    assert (got.panel.n_series, got.panel.freq.alias) == (1, "MS")
    assert got.report.find("turned") is not None
    several = pd.concat([table.assign(place="a"), table.assign(place="b")])
    assert list(read_panel(several).panel.ids) == ["a", "b"]
    assert got.schema.read_more(table).panel.n_rows == 240


@pytest.mark.parametrize("form", ["%-d-%b-%y", "%d %B %Y", "%b %d, %Y", "%Y-%m-%d"])
def test_dates_with_names_of_months_are_a_clock(form):
    got = read_panel(pd.DataFrame({"Date": DAYS.strftime(form), "kwh": LOAD}))
    np.testing.assert_array_equal(got.panel.times, DAYS.to_numpy("datetime64[ns]"))


def test_hours_of_the_day_alone_are_no_clock():
    table = pd.DataFrame({"time": pd.date_range("2024", periods=60, freq="15min").strftime("%H:%M"), "load": LOAD})
    with pytest.raises(DataError, match=r"must have a clock|must hold times"):
        read_panel(table)
