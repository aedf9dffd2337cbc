"""The clock as users have it: each of these was read wrongly, or refused without a way out."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from autots.reading import Schema, date_formats, read_panel
from autots.reading.time_style import TimeStyle
from zoo.errors import ConfigError, DataError
from zoo.series.rules import parse
from zoo.series.zone_evidence import clock_change


def table(times, **columns):
    return pd.DataFrame({"date": times, "value": np.arange(float(len(times)))}).assign(**columns)


def due(got, steps=2):
    """The times of forecasts, as the user writes them."""
    ahead = got.panel.future_times(steps)
    zeros = np.zeros(ahead.shape)
    return got.schema.write(got.panel.ids, ahead, zeros, zeros[:, :, None], (0.5,)).iloc[:, 0].tolist()


DAYS = pd.date_range("2025-10-01", "2026-02-05")


@pytest.mark.parametrize("form", ["%d/%m/%y", "%d.%m.%y", "%d/%m/%Y %I:%M %p", "%-d-%b-%y", "%m/%d/%y", "%y/%m/%d"])
def test_one_order_holds_for_the_whole_column(form):
    got = read_panel(table(date_formats.write(DAYS, form)))
    np.testing.assert_array_equal(got.panel.times, DAYS.to_numpy("datetime64[ns]"))
    assert due(got) == date_formats.write(pd.DatetimeIndex(["2026-02-06", "2026-02-07"]), form).tolist()


@pytest.mark.parametrize(
    ("n", "freq", "form", "alias"),
    [
        (60, "MS", "%d/%m/%Y", "MS"),
        (24, "MS", "%d/%m/%y", "MS"),
        (24, "MS", "%m/%d/%Y", "MS"),
        (48, "QS", "%d/%m/%Y", "QS-JAN"),
        (168, "h", "%d/%m/%Y %H:%M", "h"),
        (11, "D", "%d.%m.%Y", "D"),
    ],
)
def test_the_regular_reading_is_taken_and_told(n, freq, form, alias):
    times = pd.date_range("2019-01-01", periods=n, freq=freq)
    got = read_panel(table(times.strftime(form)))
    assert got.panel.freq.alias == alias
    np.testing.assert_array_equal(got.panel.times, times.to_numpy("datetime64[ns]"))
    assert "read" in got.report.find("note").message


@pytest.mark.parametrize("freq", ["D", "MS"])
def test_two_regular_readings_are_refused_side_by_side_and_settled_by_date_format(freq):
    times = pd.date_range("2019-01-01", periods=11, freq=freq)
    with pytest.raises(DataError, match=r"is (2 January|1 February) 2019 or (1 February|2 January) 2019") as caught:
        read_panel(table(times.strftime("%d/%m/%Y")))
    assert "date_format='%d/%m/%Y'" in caught.value.hint
    got = read_panel(table(times.strftime("%d/%m/%Y")), date_format="%d/%m/%Y")
    np.testing.assert_array_equal(got.panel.times, times.to_numpy("datetime64[ns]"))
    with pytest.raises(ConfigError, match="date_format must be a format"):
        read_panel(table(times.strftime("%d/%m/%Y")), date_format="%d/%Q/%Y")


def test_later_rows_keep_the_writing_of_the_first():
    frame = table(DAYS.strftime("%d/%m/%Y"))
    got = read_panel(frame[:-5])
    schema = Schema.from_dict(json.loads(json.dumps(got.schema.to_dict())))
    new = frame[-5:]
    for form in ("%d/%m/%Y", "%Y-%m-%d", "%d %B %Y", "%d/%m/%Y 00:00", None):
        for n in (1, 5):
            dates = DAYS[-5:][:n]
            more = schema.read_more(new[:n].assign(date=dates if form is None else dates.strftime(form)))
            np.testing.assert_array_equal(more.panel.times, dates.to_numpy("datetime64[ns]"))
    with pytest.raises(DataError, match=r"written as day/month/year, as in the first table, but 'date' holds '01\.02"):
        schema.read_more(new.assign(date=DAYS[-5:].strftime("%d.%m.%Y")))
    with pytest.raises(DataError, match="read as day/month/year, would need"):
        schema.read_more(new.assign(date=DAYS[-5:].strftime("%m/%d/%Y")), panel=got.panel)


def test_a_saved_style_of_before_is_read():
    old = {"kind": "text", "dtype": "object", "zone": None, "wall": False, "format": "%d/%m/%Y"}
    assert TimeStyle.from_dict(old).reads == ("%d/%m/%Y",)
    assert TimeStyle.from_dict(old).describe() == "dates as day/month/year, e.g. '31/01/2026'"


KEYS = {
    "month": ([y * 100 + m for y in range(2015, 2021) for m in range(1, 13)], "MS", [202101, 202102]),
    "week": ([y * 100 + w for y in (2019, 2020) for w in range(1, 53)], "W-MON", [202053, 202101]),
    "quarter": ([y * 10 + q for y in range(2005, 2021) for q in range(1, 5)], "QS-JAN", [20211, 20212]),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("kind", [int, float, str])
def test_period_keys_are_periods_and_come_back(name, kind):
    keys, alias, ahead = KEYS[name]
    frame = pd.DataFrame({name: [kind(key) for key in keys], "sales": np.arange(float(len(keys)))})
    got = read_panel(frame)
    assert got.panel.freq.alias == alias
    assert got.report.missing == 0
    assert due(got) == [kind(key) for key in ahead]
    more = got.schema.read_more(frame[:1].assign(**{name: kind(ahead[0])}), panel=got.panel)
    assert got.panel.append(more.panel).n_rows == len(keys) + 1


def test_a_counter_stays_a_counter():
    assert read_panel(pd.DataFrame({"t": range(202001, 202012), "y": 1.0})).panel.freq.is_integer
    assert read_panel(pd.DataFrame({"year": range(2000, 2020), "y": 1.0})).panel.freq.is_integer


@pytest.mark.parametrize(
    ("days", "alias", "ahead"),
    [
        ([f"{y}-06-15" for y in range(1980, 2020)], "12MD-JUN-15", ["2020-06-15", "2021-06-15"]),
        (
            [f"{y}-{m:02d}-15" for y in range(2010, 2014) for m in (2, 5, 8, 11)],
            "3MD-FEB-15",
            ["2014-02-15", "2014-05-15"],
        ),
        ([f"{y}-{m}-10" for y in range(2000, 2012) for m in ("05", "11")], "6MD-MAY-10", ["2012-05-10", "2012-11-10"]),
        ([f"2015-{m:02d}-{k}" for m in range(1, 13) for k in (14, 28)], "MD-14-28", ["2016-01-14", "2016-01-28"]),
        (pd.date_range("2015", periods=60, freq="SMS"), "SMS-15", ["2017-07-01", "2017-07-15"]),
        (pd.date_range("2015", periods=60, freq="WOM-3FRI"), "WOM-3FRI", ["2020-01-17", "2020-02-21"]),
        (
            np.datetime64("2020-07-05") + np.cumsum([0] + [28, 28, 35] * 12),
            "445-2000-01-30",
            ["2023-07-30", "2023-08-27"],
        ),
        ([d for d in DAYS if d.dayofweek != 6], "D[MON-SAT]", ["2026-02-06", "2026-02-07"]),
    ],
)
def test_days_that_pandas_cannot_name_are_a_clock_without_holes(days, alias, ahead):
    got = read_panel(table(pd.DatetimeIndex(days)))
    assert got.panel.freq.alias == alias
    assert got.report.missing == 0
    assert due(got) == [pd.Timestamp(day) for day in ahead]


def hours(days, first, last, minutes=60):
    every = [d + pd.Timedelta(minutes=k) for d in days for k in range(first * 60, last * 60, minutes)]
    return pd.DatetimeIndex(every)


@pytest.mark.parametrize("freq", [None, "bh"])
def test_business_hours_are_right_and_quiet(freq):
    times = hours(pd.bdate_range("2024-01-01", periods=60), 9, 17)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = read_panel(table(times), freq=freq)
        assert due(got, 9)[::8] == [pd.Timestamp("2024-03-25 09:00"), pd.Timestamp("2024-03-26 09:00")]
    assert got.panel.n_rows == 480
    assert got.report.seasons == (8, 40)
    assert got.report.find("duplicates") is None


def test_shops_have_their_own_hours():
    days = pd.date_range("2024-01-01", periods=60)
    got = read_panel(table(hours(days[days.dayofweek < 6], 10, 20, 30)))
    assert got.panel.freq.alias == "30min[MON-SAT 10:00-20:00]"
    assert read_panel(table(hours(days, 8, 20))).panel.freq.alias == "h[08:00-20:00]"


def test_a_guessed_clock_of_holes_is_refused_unless_an_outage_explains_them():
    rng = np.random.default_rng(0)
    rare = pd.date_range("2024", periods=200)[rng.random(200) < 0.3]
    with pytest.raises(DataError, match=r"would need \d+ steps of 'D'.*73% of them without a row") as caught:
        read_panel(table(rare))
    assert "freq='D'" in caught.value.hint
    assert read_panel(table(rare), freq="D").report.find("gaps")
    counted = read_panel(table(rare), freq="count")
    assert counted.panel.times.tolist() == list(range(len(rare)))
    outage = pd.date_range("2024", periods=3000, freq="h").delete(range(1000, 2900))
    assert read_panel(table(outage)).panel.freq.alias == "h"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Chicago", "Australia/Sydney"])
@pytest.mark.parametrize("whole", [True, False])
def test_local_hours_without_a_zone_are_understood(zone, whole):
    local = pd.date_range("2023-03-01", "2023-11-12", freq="h", tz=zone).tz_localize(None)
    load = np.arange(len(local)) % 24 + (0 if whole else 0.5)
    got = read_panel(pd.DataFrame({"Datetime": local, "MW": load}))
    assert got.report.find("duplicates").count == 1
    assert got.report.find("gaps").count == 1
    assert got.report.find("clock_change").count == 2
    assert "local hours without their zone" in got.report.find("clock_change").message


def test_other_repeats_are_no_clock_change():
    noon = np.array(["2023-06-01T12:00", "2023-06-02T12:00"], dtype="datetime64[ns]")
    assert clock_change(noon, noon[:0]) is None


def test_a_repeated_row_of_counts_is_repaired_and_listed():
    days = pd.date_range("2024-01-01", periods=50).append(pd.DatetimeIndex(["2024-01-09"]))
    for frame in (table(days, value=range(51)), table(days, value=range(51), weather=["rain", "fog", "sun"] * 17)):
        got = read_panel(frame, target_col="value")
        assert got.panel.n_rows == 50
        assert got.report.find("duplicates").count == 1
    twice = pd.concat([table(days[:50])] * 2)
    assert read_panel(twice).report.find("duplicates").count == 50
    with pytest.raises(DataError, match="no column beside") as caught:
        read_panel(pd.concat([table(days[:50]), table(days[:50]).assign(value=7)]))
    assert "groupby" in caught.value.hint


Y = np.arange(60.0)
D = pd.date_range("2024-09-01", periods=60)
MESSAGES = {
    "excel": (44197 + Y / 24, "holds 44197.04", "origin='1899-12-30'"),
    "nanoseconds": (D.astype("int64"), "within 2", "unit='ns'"),
    "seconds of months": (pd.date_range("2020", periods=60, freq="MS").astype("int64") // 10**9, "regular", "unit='s'"),
    "time of day": (pd.date_range("2024", periods=60, freq="15min").strftime("%H:%M"), "'00:00' cannot", "its date"),
    "no year": (D.strftime("%d-%b"), "'01-Sep' cannot be read as one", "its year"),
    "contradiction": (["13/01/2024", *D.strftime("%m/%d/%Y")[1:]], "in row 0 is day first and", "ISO 8601"),
    "spreadsheet": ([*D[:30], *D[30:].strftime("%d/%m/%Y")], "'01/10/2024' in row 30 beside", "spreadsheets"),
    "word": (
        [*D[:29].strftime("%m/%d/%Y"), "soon", *D[30:].strftime("%m/%d/%Y")],
        r"'soon' cannot.*\(row 29\)",
        "drop",
    ),
    "week 53": ([f"2019-W{w:02d}" for w in range(1, 54)], "'2019-W53' cannot", "ISO 8601"),
    "century": (pd.date_range("1960", periods=60, freq="YS").strftime("%d/%m/%y"), "2068 or 1968", "four digits"),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_refusals_name_the_cell_and_the_way_out(case):
    times, message, hint = MESSAGES[case]
    with pytest.raises(DataError, match=message) as caught:
        read_panel(table(times), time_col="date")
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 600


def test_series_of_two_calendars_are_named():
    parts = [table(pd.date_range(s, periods=30, freq=f), id=i) for i, s, f in (
        ("a", "2010-01-01", "QS-JAN"), ("b", "2010-02-01", "QS-FEB"))]  # fmt: skip
    with pytest.raises(DataError, match="must follow one clock, but most follow 'QS-FEB' and 'a' follows 'QS-JAN'"):
        read_panel(pd.concat(parts))


def test_several_writings_of_one_order_are_read_and_told():
    mixed = [d.strftime("%m/%d/%Y" if d.day > 12 else "%m-%d-%Y") for d in D][::-1]
    got = read_panel(table(mixed))
    np.testing.assert_array_equal(got.panel.times, D.to_numpy("datetime64[ns]"))
    assert "mixes 2 writings" in got.report.find("note").message


@pytest.mark.parametrize("bad", ["MD-0", "5MD-JAN-3", "MD-29-30", "h[MON-FRI 9-17]", "h[17:00-09:00]", "3bh"])
def test_names_of_clocks_that_contradict_themselves_are_refused(bad):
    with pytest.raises(ValueError, match=r"are written|must|business|only one|divide"):
        parse(bad)
    with pytest.raises(ConfigError):
        read_panel(table(D), freq=bad)
