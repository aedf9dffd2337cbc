"""Writings of time: dates, text, periods, steps; read by their start, and written back as they came."""

import numpy as np
import pandas as pd
import pytest

from autots.reading import read_panel
from tests.autots.reading.example_tables import DAYS, NS, answer
from zoo.errors import DataError


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
