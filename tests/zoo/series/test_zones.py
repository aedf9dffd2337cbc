"""Clocks on walls against Python's zoneinfo and pandas, around every change."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.series.zone_evidence import clock_change
from zoo.series.zones import changes_of, local_times, wall_clock

ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Australia/Sydney",
    "Australia/Lord_Howe", "Africa/Cairo", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "Antarctica/Troll",
    "UTC",
)  # fmt: skip
HOUR = 3_600_000_000
# Between these years every library has the same changes: before, local mean times; after, what their releases foresee.
FIRST, LAST = (int(np.datetime64(day, "us").astype(np.int64)) for day in ("1971-01-01", "2023-12-31"))


@st.composite
def moments(draw):
    """A zone, and microseconds in UTC: anywhere, or at and beside changes of its clock."""
    zone = draw(st.sampled_from(ZONES))
    starts = [s // 1000 for s in changes_of(zone).starts.tolist() if FIRST < s // 1000 < LAST]
    beside = st.tuples(
        st.sampled_from(starts or [FIRST]), st.integers(-2 * HOUR, 2 * HOUR) | st.sampled_from([-1, 0, 1])
    )
    one = st.integers(FIRST, LAST) | beside.map(sum)
    return zone, draw(st.lists(one, min_size=0, max_size=12))


@settings(max_examples=150, deadline=None)
@given(moments())
def test_a_wall_shows_what_zoneinfo_says(made):
    zone, times = made
    found = local_times(np.array(times, dtype=np.int64), zone)
    utc = [dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=t) for t in times]
    shown = [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in utc]
    assert found.tolist() == np.array(shown, dtype="datetime64[us]").view(np.int64).tolist()


@pytest.mark.parametrize("zone", ZONES)
def test_doubled_and_skipped_times_are_pandas_s(zone):
    changes = changes_of(zone)
    near = changes.starts[(changes.starts > FIRST * 1000) & (changes.starts < LAST * 1000)]
    steps = np.arange(-16, 17) * 15 * 60 * 10**9
    walls = np.unique(np.concatenate([(near[:, None] + changes.wall(near)[:, None] - near[:, None] + steps).ravel(),
                                      np.arange(FIRST, LAST, 997 * HOUR) * 1000]))  # fmt: skip
    index = pd.DatetimeIndex(walls.view("datetime64[ns]"))
    doubled = index.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
    skipped = index.tz_localize(zone, ambiguous=np.ones(len(index), bool), nonexistent="NaT").isna()
    np.testing.assert_array_equal(changes.doubled(walls), doubled)
    np.testing.assert_array_equal(changes.skipped(walls), skipped)


def test_without_a_zone_nothing_is_copied_and_far_times_have_the_nearest_offset():
    times = np.array([0, 1])
    assert local_times(times, None) is times
    assert local_times(times, "UTC") is times
    far = np.array([-(10**17), 10**17])  # the years -1199 and 5138, which no nanoseconds reach
    ends = changes_of("Asia/Kolkata").offsets[[0, -1]] // 1000
    assert (local_times(far, "Asia/Kolkata") - far).tolist() == ends.tolist()


@settings(max_examples=60, deadline=None)
@given(moments())
def test_a_regular_clock_agrees_with_the_wall_where_the_wall_is_regular(made):
    zone, times = made
    nanoseconds = np.array(times, dtype=np.int64) // HOUR * HOUR * 1000
    wall = changes_of(zone).wall(nanoseconds)
    np.testing.assert_array_equal(wall_clock(nanoseconds, zone), wall)
    laid = wall_clock(nanoseconds, zone, HOUR * 1000, 0)
    regular = wall % (HOUR * 1000) == 0
    np.testing.assert_array_equal(laid[regular], wall[regular])


@pytest.mark.parametrize(
    ("zone", "year"), [("Europe/Berlin", 2023), ("America/New_York", 2021), ("Australia/Sydney", 2019)]
)
def test_the_zone_of_local_hours_is_found_again(zone, year):
    hours = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", tz="UTC", inclusive="left")
    local = hours.tz_convert(zone).tz_localize(None)
    doubled = local[local.duplicated()].to_numpy("datetime64[ns]")
    whole = pd.date_range(local.min(), local.max(), freq="h")
    missing = whole.difference(local).to_numpy("datetime64[ns]")
    found = clock_change(doubled, missing)
    assert found is not None
    assert found.zone == zone
    assert found.twice.tolist() == doubled.tolist() and found.never.tolist() == missing.tolist()
