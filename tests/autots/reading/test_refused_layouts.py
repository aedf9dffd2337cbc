"""Tables that are refused, and later tables that must fit the first one."""

import numpy as np
import pandas as pd
import pytest

from autots.reading import read_panel
from tests.autots.reading.example_tables import DAYS, long
from zoo.errors import DataError


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
