"""Steps that change which rows there are: where days and weeks begin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zoo.errors import DataError
from zoo.features import Pipeline


def hours(zone: str | None, n: int = 600) -> pd.DataFrame:
    times = pd.date_range("2024-01-03 05:00", periods=n, freq="h", tz=zone)
    return pd.DataFrame({"ts": times, "kwh": np.arange(float(n)) % 31})


def resampled(table: pd.DataFrame, every: str) -> pd.Series:
    made = Pipeline([{"resample": {"every": every, "how": "sum"}}], time="ts", target="kwh").fit_transform(table)
    return pd.Series(made["kwh"].to_numpy(), pd.DatetimeIndex(made["ts"]))


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata", "America/Bogota"])
@pytest.mark.parametrize(("every", "theirs"), [("1d", "D"), ("7d", "W-MON"), ("6h", "6h")])
def test_days_are_local_and_weeks_begin_on_monday_as_in_pandas(every, theirs, zone):
    table = hours(zone)
    got = resampled(table, every)
    wanted = table.set_index("ts")["kwh"].resample(theirs, label="left", closed="left").sum()
    assert list(got.index) == list(wanted.index)
    np.testing.assert_array_equal(got.to_numpy(), wanted.to_numpy())


def test_days_of_a_zone_that_changes_its_clock_are_refused_with_a_way_out():
    with pytest.raises(DataError, match="the clock in Europe/Berlin changes") as refused:
        resampled(hours("Europe/Berlin"), "1d")
    assert "tz_localize(None)" in str(refused.value.hint)
    assert len(resampled(hours("Europe/Berlin"), "1h")) == 600
