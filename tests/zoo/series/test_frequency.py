import warnings

import numpy as np
import pandas as pd
import pytest

from autots.panel import Frequency
from zoo.errors import ConfigError


@pytest.mark.parametrize(
    ("alias", "seasons"),
    [
        ("s", (3600, 86400, 604800)),
        ("min", (60, 1440, 10080)),
        ("10min", (144, 1008)),
        ("30min", (48, 336)),
        ("h", (24, 168)),
        ("D", (7,)),
        ("B", (5,)),
        ("7D", (52,)),
        ("W-SUN", (52,)),
        ("2W-MON", (26,)),
        ("MS", (12,)),
        ("ME", (12,)),
        ("BME", (12,)),
        ("SMS", (24,)),
        ("QS-OCT", (4,)),
        ("QE-DEC", (4,)),
        ("YS", (1,)),
        ("YE-MAR", (1,)),
    ],
)
def test_usual_seasons_follow_from_the_clock(alias, seasons):
    assert Frequency.parse(alias).seasons == seasons


def test_old_pandas_spellings_are_read_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Frequency.parse("M").alias == "ME"
        assert Frequency.parse("H").alias == "h"


@pytest.mark.parametrize("bad", ["fortnight", "", 0, -2, "-1D", True, None, 1.5])
def test_a_clock_that_does_not_go_forward_is_refused(bad):
    with pytest.raises(ConfigError):
        Frequency.parse(bad)


@pytest.mark.parametrize("alias", ["h", "D", "B", "W-WED", "MS", "ME", "QS-FEB", "QE-DEC", "YS-JAN", "YE-DEC", "2MS"])
def test_advance_agrees_with_date_range(alias):
    grid = pd.date_range("2019-01-01", periods=40, freq=alias).to_numpy(dtype="datetime64[ns]")
    freq = Frequency.parse(alias)
    np.testing.assert_array_equal(freq.advance(grid[:30], 10), grid[10:])
    np.testing.assert_array_equal(freq.advance(grid[:30].reshape(5, 6), 0), grid[:30].reshape(5, 6))
    np.testing.assert_array_equal(freq.advance(grid[:30].reshape(5, 6), 3).ravel(), grid[3:33])


def test_an_integer_clock_advances_by_its_step():
    np.testing.assert_array_equal(Frequency.parse(5).advance(np.array([0, 7]), 2), [10, 17])
    assert Frequency.parse(5).seasons == (1,)
