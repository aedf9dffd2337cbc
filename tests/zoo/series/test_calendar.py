"""The calendar against Python's own, day by day."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ConfigError
from zoo.series.calendar import (
    PARTS,
    calendar_part,
    check_part,
    days_of,
    iso_week,
    iso_week_start,
    iso_year,
    month_start,
    varying_parts,
)
from zoo.series.frequency import Frequency


def parts(start, freq, n=800):
    times = pd.date_range(start, periods=n, freq=freq).to_numpy("datetime64[ns]")
    return times, Frequency.parse(freq).calendar(times)


@pytest.mark.parametrize(
    ("freq", "there", "absent"),
    [
        ("10min", {"minute_of_day", "hour", "weekday", "month"}, set()),
        ("h", {"hour", "is_weekend", "christmas"}, {"minute_of_day"}),
        ("D", {"weekday", "day", "day_of_year", "week"}, {"hour"}),
        ("B", {"weekday"}, {"is_weekend", "hour"}),
        ("W-SUN", {"week", "month", "new_year"}, {"weekday", "day"}),
        ("MS", {"month", "quarter"}, {"week", "christmas"}),
        ("QE", {"quarter"}, {"month"}),
        ("YS", set(), {"quarter", "month"}),
    ],
)
def test_only_parts_that_vary_at_the_frequency_are_there(freq, there, absent):
    times, found = parts("2019-03-01", freq, 200)
    assert there <= set(found)
    assert not absent & set(found)
    assert all(v.shape == times.shape and v.dtype == np.float64 and np.isfinite(v).all() for v in found.values())


def test_parts_agree_with_the_calendar():
    times, found = parts("2020-02-28", "h")
    for i in (0, 25, 130, 799):
        t = pd.Timestamp(times[i])
        assert found["hour"][i] == t.hour
        assert found["weekday"][i] == t.dayofweek
        assert found["day_of_year"][i] == t.dayofyear
        assert found["week"][i] == t.isocalendar().week


def test_days_and_weeks_know_christmas():
    _, daily = parts("2020-12-01", "D", 40)
    assert np.flatnonzero(daily["christmas"]).tolist() == [23, 24, 25]
    assert np.flatnonzero(daily["year_end"]).tolist() == [30]
    assert np.flatnonzero(daily["new_year"]).tolist() == [31]
    _, weekly = parts("2020-11-01", "W-SUN", 12)
    assert 1 <= weekly["christmas"].sum() <= 2


def test_the_shape_of_the_horizon_is_kept_and_integers_have_no_calendar():
    times, _ = parts("2020-01-01", "D", 12)
    assert Frequency.parse("D").calendar(times.reshape(3, 4))["weekday"].shape == (3, 4)
    assert Frequency("", 1).calendar(np.arange(5)) == {}


def test_weeks_and_feasts_agree_with_pandas_on_every_day_of_two_centuries():
    days, found = parts("1890-01-01", "D", 80_000)
    when = pd.DatetimeIndex(days)
    assert (found["week"] == when.isocalendar().week.to_numpy()).all()
    assert (found["new_year"] == ((when.month == 1) & (when.day == 1))).all()
    assert (found["year_end"] == ((when.month == 12) & (when.day == 31))).all()
    assert (found["christmas"] == ((when.month == 12) & (when.day >= 24) & (when.day <= 26))).all()


@pytest.mark.parametrize(
    "part", ["hour", "minute", "weekday", "day", "day_of_year", "month", "quarter", "year", "week"]
)
def test_parts_of_the_calendar_agree_with_pandas(part):
    when = pd.date_range("1959-12-20", "2031-02-03", freq="7h13min")
    told = {"weekday": "dayofweek", "day_of_year": "dayofyear"}.get(part, part)
    slow = when.isocalendar().week if part == "week" else getattr(when, told)
    ours = calendar_part(when.to_numpy("datetime64[us]").view(np.int64), part)
    np.testing.assert_array_equal(ours, np.asarray(slow, dtype=float))


EPOCH = dt.date(1970, 1, 1).toordinal()
EVERY_DAY = np.arange(dt.date(1900, 1, 1).toordinal(), dt.date(2101, 1, 1).toordinal()) - EPOCH
DATES = [dt.date.fromordinal(int(day) + EPOCH) for day in EVERY_DAY]
OF_DATE = {
    "weekday": lambda date: date.weekday(),
    "is_weekend": lambda date: date.weekday() >= 5,
    "day": lambda date: date.day,
    "day_of_year": lambda date: date.timetuple().tm_yday,
    "week": lambda date: date.isocalendar().week,
    "month": lambda date: date.month,
    "quarter": lambda date: (date.month - 1) // 3 + 1,
    "year": lambda date: date.year,
}


@pytest.mark.parametrize("part", OF_DATE)
def test_every_day_from_1900_to_2100_has_the_parts_that_python_gives_it(part):
    expected = [float(OF_DATE[part](date)) for date in DATES]
    assert calendar_part(EVERY_DAY * 86_400_000_000, part).tolist() == expected
    assert calendar_part(EVERY_DAY * 86_400_000_000 + 86_399_999_999, part).tolist() == expected, "its last moment, too"


def test_weeks_of_iso_8601_are_python_s_there_and_back():
    assert [(y, w) for y, w in zip(iso_year(EVERY_DAY), iso_week(EVERY_DAY), strict=True)] == [
        tuple(date.isocalendar())[:2] for date in DATES
    ]
    weeks = sorted({tuple(date.isocalendar())[:2] for date in DATES})
    years, numbers = (np.array(part) for part in zip(*weeks, strict=True))
    mondays = [dt.date.fromisocalendar(year, week, 1).toordinal() - EPOCH for year, week in weeks]
    assert iso_week_start(years, numbers).tolist() == mondays


def test_months_begin_when_python_says():
    firsts = [date.toordinal() - EPOCH for date in DATES if date.day == 1]
    assert month_start(np.arange(-70 * 12, 131 * 12 + 0)).tolist() == firsts
    assert days_of(np.array(["1969-12-31T23:59:59.999999999", "1970-01-01"], "datetime64[ns]")).tolist() == [-1, 0]


@pytest.mark.parametrize("where", ["DE", "DE-BY", "US-CA", "JP"])
def test_holidays_are_the_library_s_and_of_their_year(where):
    import holidays

    country, _, region = where.partition("-")
    free = holidays.country_holidays(country, subdiv=region or None, years=range(1995, 2031))
    days = np.arange(dt.date(1995, 1, 1).toordinal(), dt.date(2031, 1, 1).toordinal()) - EPOCH
    found = calendar_part(days * 86_400_000_000, f"holiday:{where}")
    assert found.tolist() == [float(dt.date.fromordinal(int(day) + EPOCH) in free) for day in days]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 12, 31)), min_size=0, max_size=20),
    st.sampled_from([part for part in PARTS if part != "holiday:CC"]),
)
def test_any_moments_have_the_parts_that_python_gives_them(moments, part):
    """However far apart they are: what is remembered of other tables must not be in the way."""
    times = np.array(moments, dtype="datetime64[us]").view(np.int64)
    slow = {"hour": lambda at: at.hour, "minute": lambda at: at.minute, **OF_DATE}[part]
    assert calendar_part(times, part).tolist() == [float(slow(at)) for at in moments]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 12, 31)), min_size=1, max_size=12))
def test_what_panels_see_is_what_feature_tables_see(moments):
    ours = varying_parts(np.array(moments, dtype="datetime64[ns]"), 60 * 10**9)
    times = np.array(moments, dtype="datetime64[us]").view(np.int64)
    assert ours.pop("minute_of_day").tolist() == [at.hour * 60 + at.minute for at in moments]
    assert ours.pop("christmas").tolist() == [at.month == 12 and 24 <= at.day <= 26 for at in moments]
    assert ours.pop("year_end").tolist() == [at.month == 12 and at.day == 31 for at in moments]
    assert ours.pop("new_year").tolist() == [at.month == 1 and at.day == 1 for at in moments]
    for part, values in ours.items():
        np.testing.assert_array_equal(values, calendar_part(times, part))


@pytest.mark.parametrize("part", ["moonday", "holiday:XX", "holiday:DE-XX", "holiday:", ""])
def test_parts_that_are_none_are_refused(part):
    with pytest.raises(ConfigError):
        check_part(part)
