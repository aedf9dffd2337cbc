import numpy as np
import pandas as pd
import pytest

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
