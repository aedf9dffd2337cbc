import numpy as np
import pandas as pd
import pytest

from autots.panel import Frequency
from autots.reading.grid import infer_frequency, place
from zoo.errors import ConfigError, DataError

ALIASES = (
    "5s 10min 30min h 6h D 3D B W-SUN W-WED 2W-MON MS ME BMS BME 2MS 6MS QS-JAN QS-FEB QS-MAR QE-DEC QE-OCT QE-NOV "
    "BQE-DEC YS-JAN YS-APR YE-DEC YE-JUN"
).split()


def series(*parts):
    codes = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    return codes.astype(np.int64), np.concatenate([np.asarray(p, dtype="datetime64[ns]") for p in parts])


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("kept", [1.0, 0.8])
def test_the_clock_is_seen_through_gaps_and_disorder(alias, kept):
    rng = np.random.default_rng(0)
    grids = [pd.date_range(start, periods=80, freq=alias) for start in ("2011-01-01", "2012-07-01")]
    parts = [g[rng.random(80) <= kept] for g in grids]
    codes, times = series(*parts)
    order = rng.permutation(len(times))
    codes, times = codes[order], times[order]
    freq, dissent = infer_frequency(codes, times)
    if alias not in ("3D", "2MS", "6MS", "2W-MON"):
        assert dissent == ""
    assert freq.alias == alias
    grid, _ = place(codes, times, freq)
    for s, part in enumerate(parts):
        own = grid.ordinals[codes == s]
        first, n = own.min(), own.max() - own.min() + 1
        laid = grid.times(np.array([s]), np.array([first]), np.array([n]))
        assert laid.dtype == np.dtype("datetime64[ns]")
        np.testing.assert_array_equal(laid[np.sort(own) - first], part.to_numpy("datetime64[ns]"))


def test_the_majority_of_series_decides():
    days = [pd.date_range(f"2020-01-0{k + 1}", periods=20, freq="D") for k in range(3)]
    codes, times = series(*days, pd.date_range("2020-01-01", periods=10, freq="2D"))
    freq, dissent = infer_frequency(codes, times)
    assert freq.alias == "D"
    assert dissent == "1 of 4 series look like another frequency than D"


def test_series_with_their_own_weekday_share_a_week():
    codes, times = series(*(pd.date_range("2020-01-01", periods=20, freq=f"W-{d}") for d in ("MON", "WED", "SUN")))
    assert infer_frequency(codes, times)[0].alias == "7D"


def test_series_with_their_own_minute_keep_it():
    codes, times = series(
        pd.date_range("2020-01-01 00:05", periods=9, freq="h"), pd.date_range("2020-01-01 00:30", periods=9, freq="h")
    )
    freq, _ = infer_frequency(codes, times)
    grid, _ = place(codes, times, freq)
    assert freq.alias == "h"
    assert not grid.moved.any()


def test_integer_clocks_find_their_step():
    codes = np.zeros(6, dtype=np.int64)
    assert infer_frequency(codes, np.array([0, 5, 10, 20, 25, 30]))[0] == Frequency("", 5)
    assert infer_frequency(codes, np.array([1500000000 + 3600 * k for k in range(6)]))[0] == Frequency("", 3600)


def test_small_jitter_is_moved_onto_the_clock():
    rng = np.random.default_rng(0)
    exact = pd.date_range("2020-01-01", periods=200, freq="h")
    codes, times = series(exact + pd.to_timedelta(rng.integers(-90, 90, 200), unit="s"))
    freq, _ = infer_frequency(codes, times)
    grid, _ = place(codes, times, freq)
    assert freq.alias == "h"
    first = grid.ordinals.min()
    np.testing.assert_array_equal(
        grid.times(np.array([0]), np.array([first]), np.array([200])), exact.to_numpy("datetime64[ns]")
    )


def test_the_middle_of_months_is_a_clock_and_days_around_it_are_refused_with_the_conversion():
    months = pd.date_range("2020", periods=24, freq="MS")
    codes, times = series(months + pd.Timedelta("14D"))
    freq, _ = infer_frequency(codes, times)
    assert freq.alias == "MD-15"
    assert not place(codes, times, freq)[0].moved.any()
    rng = np.random.default_rng(0)
    codes, times = series(months + pd.to_timedelta(rng.integers(10, 18, 24), unit="D"))
    with pytest.raises(DataError, match="do not lie on steps") as caught:
        place(codes, times, Frequency.parse("MS"))
    assert "resample" in caught.value.hint


def test_one_point_series_need_a_frequency():
    codes, times = series(*([["2020-01-01"]] * 3))
    with pytest.raises(DataError, match="no series has two different times"):
        infer_frequency(codes, times)


def test_a_frequency_of_the_wrong_kind_is_refused():
    codes, times = series(pd.date_range("2020", periods=5))
    with pytest.raises(ConfigError, match="got 1 for dates"):
        place(codes, times, Frequency("", 1))
    with pytest.raises(ConfigError, match="'D' for an integer clock"):
        place(codes, np.arange(5), Frequency.parse("D"))


def test_a_frequency_that_does_not_fit_names_the_one_that_does():
    codes, times = series(pd.date_range("2020", periods=24, freq="MS"))
    for wrong in ("ME", "QS", "W-SUN"):
        with pytest.raises(DataError, match="do not lie on steps") as caught:
            place(codes, times, Frequency.parse(wrong))
        assert "freq='MS'" in caught.value.hint
