"""Time zones: which clock is kept inside, what models see of it, and what is told."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.models.wall_clock import fit_local, predict_local
from autots.panel import Frequency, Future
from autots.panel.local import local_panel
from autots.reading import Schema, read_panel
from zoo.errors import ConfigError, DataError
from zoo.series.zones import LocalClock, changes_of, wall_clock, zone_name

HOUR, DAY = 3_600_000_000_000, 86_400_000_000_000


def table(times, y=None):
    return pd.DataFrame({"time": times, "y": np.arange(len(times)) * 1.0 if y is None else y})


def daily(zone, begin, n, freq="D"):
    """Rows at the same local time, where a day without it begins an hour later."""
    walls = pd.date_range(begin, periods=n, freq=freq)
    return walls.tz_localize(zone, ambiguous=np.ones(n, bool), nonexistent="shift_forward")


def people(times):
    """What people do at a local hour."""
    hour = times.hour + times.minute / 60
    return np.asarray(np.abs(hour - 12) * 5.0 + (times.dayofweek >= 5) * 8)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_changes_are_those_of_pandas(zone):
    moments = pd.date_range("1960-01-01 00:17", "2035-01-01", periods=20_011, tz="UTC").as_unit("ns")
    walls = moments.tz_convert(zone).tz_localize(None)
    changes = changes_of(zone)
    np.testing.assert_array_equal(changes.wall(moments.view(np.int64)), walls.to_numpy("datetime64[ns]").view(np.int64))
    for start, jump in zip(changes.starts[-20:], changes.jumps[-20:], strict=True):
        around = pd.DatetimeIndex([start - 1, start], tz="UTC").tz_convert(zone).tz_localize(None)
        assert (around[1] - around[0]).value == jump + 1


def test_a_clock_shows_some_times_twice_and_others_never():
    changes = changes_of("Europe/Berlin")
    at = pd.DatetimeIndex(["2024-10-27T00:30Z", "2024-10-27T01:30Z", "2024-10-27T02:30Z"]).view(np.int64)
    assert changes.repeated(at).tolist() == [False, True, False]
    walls = pd.DatetimeIndex(["2024-03-31T01:59", "2024-03-31T02:00", "2024-03-31T02:59", "2024-03-31T03:00"])
    assert changes.skipped(walls.view(np.int64)).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (dt.timezone(dt.timedelta(hours=5, minutes=30)), "UTC+05:30"),
        (dt.UTC, "UTC"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("tzfile('/usr/share/zoneinfo/Asia/Beirut')", "Asia/Beirut"),
        ("America/Nowhere", "UTC"),
    ],
)
def test_zones_have_a_name_that_can_be_looked_up(zone, name):
    assert zone_name(zone) == name


def test_zones_of_other_libraries_are_read():
    pytz, tz = pytest.importorskip("pytz"), pytest.importorskip("dateutil.tz")
    for zone in (
        pytz.FixedOffset(60),
        pytz.timezone("Europe/Berlin"),
        tz.gettz("Europe/Berlin"),
        tz.tzoffset(None, 60),
    ):
        times = pd.date_range("2024-03-30", periods=60, freq="h", tz=zone)
        got = read_panel(table(times))
        assert list(pd.DatetimeIndex(got.schema.clock.write(got.panel.times))) == list(times)


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("America/Sao_Paulo", "2018-11-04"),
        ("Africa/Cairo", "2024-04-26"),
        ("Asia/Beirut", "2024-03-31"),
        ("America/Havana", "2024-03-10"),
    ],
)
@pytest.mark.parametrize("before", [1, 3, 20])
def test_days_stay_days_where_the_clock_changes_at_midnight(zone, change, before):
    begin = pd.Timestamp(change) - pd.Timedelta(days=before)
    times = daily(zone, begin, 31)
    assert times[before].hour == 1  # there is no midnight
    for n in (before + 1, before + 5, before):
        got = read_panel(table(times[:n]), freq="D")
        assert got.schema.clock.wall and got.panel.n_rows == n and got.report.find("off_grid") is None
        assert list(got.schema.clock.write(got.panel.future_times(31 - n)[0])) == list(times[n:])
        assert got.schema.read_more(table(times[n:]), panel=got.panel).panel.n_rows == 31 - n


@pytest.mark.parametrize("freq", ["2h", "3h", "4h", "6h", "12h"])
def test_rows_at_fixed_local_times_are_regular_on_the_wall(freq):
    times = daily("Europe/Berlin", "2024-03-20", 20 * 24 // int(freq[:-1]), freq)
    got = read_panel(table(times))
    assert got.panel.freq.alias == freq and got.schema.clock.wall and got.panel.n_rows == len(times)
    assert got.report.find("gaps") is None and got.report.find("duplicates") is None


def test_an_hour_that_is_skipped_is_no_gap():
    times = daily("Europe/Berlin", "2024-03-20", 20 * 12, "2h")
    got = read_panel(table(times[times != pd.Timestamp("2024-03-31T03:00+02:00")].delete(50)))
    assert got.report.find("clock_change").count == 1 and got.report.find("gaps").count == 1
    assert got.panel.n_rows == len(times)


def test_rows_at_fixed_moments_stay_in_utc_with_the_hours_of_one_offset():
    times = pd.date_range("2024-03-20", periods=160, freq="6h", tz="Europe/Berlin")
    got = read_panel(table(times))
    assert not got.schema.clock.wall and got.panel.freq.local == LocalClock("Europe/Berlin", HOUR)
    assert list(got.schema.clock.write(got.panel.times)) == list(times)
    utc_days = pd.date_range("2024-02-20", periods=60, freq="24h", tz="UTC").tz_convert("America/New_York")
    got = read_panel(table(utc_days))
    assert not got.schema.clock.wall and got.panel.freq == Frequency.parse("D")


@pytest.mark.parametrize(("freq", "season"), [("2h", 12), ("3h", 8), ("4h", 6)])
@pytest.mark.parametrize("end", ["2024-03-30 08:00", "2024-04-02 01:00", "2024-07-02 01:00", "2024-10-26 13:00"])
def test_long_steps_in_utc_keep_local_hours(freq, season, end):
    """A line through two rows is right but where the pattern has an edge: at noon and midnight."""
    times = pd.date_range("2023-09-01", end, freq=freq, tz="Europe/Berlin")
    due = pd.date_range(times[-1], periods=2 * season + 1, freq=freq)[1:]

    def day(times):
        return np.abs(times.hour.to_numpy() - 12.0)

    got = read_panel(table(times, day(times)).assign(x=day(times)), known=["x"])
    assert got.panel.freq.local is not None
    seen = local_panel(got.panel)
    for y in (seen.y, seen.known["x"]):
        hours = (times.tz_convert("UTC").hour + times[-1].utcoffset().seconds // 3600) % 24
        edge = np.isin(hours, (0, 1, 11, 12, 13, 23))
        np.testing.assert_allclose(y[1:][~edge[1:]], np.abs(hours - 12)[1:][~edge[1:]], atol=1e-9)
    model = fit_local(create("seasonal_naive", season=season), got.panel, Task(len(due)), Context())
    made = predict_local(model, got.panel, Future({"x": day(due)[None, :]}), len(due))
    edge = np.isin(due.hour, (0, 1, 2, 10, 11, 12, 13, 14, 22, 23))
    np.testing.assert_allclose(made.mean[0][~edge], day(due)[~edge], atol=1e-9)
    assert (np.diff(made.quantiles, axis=2) >= -1e-12).all()


def test_far_from_a_change_nothing_is_blended():
    times = pd.date_range("2024-05-01", "2024-10-01", freq="6h", tz="Europe/Berlin")
    noise = np.random.default_rng(0).normal(size=len(times))
    rows = table(times, noise)
    early = pd.date_range(end=times[0], periods=480, freq="6h")[:-1]
    got = read_panel(pd.concat([table(early, np.ones(len(early))), rows], ignore_index=True))
    assert got.panel.freq.local is not None
    np.testing.assert_array_equal(local_panel(got.panel).y[-len(times) :], noise)


def test_rows_that_did_not_follow_a_change_go_on():
    times = pd.date_range("2024-03-01", periods=300, freq="6h", tz="Europe/Berlin")
    got = read_panel(table(times[:80]))  # until 20 March: no change yet
    assert got.schema.clock.wall
    more = got.schema.read_more(table(times[80:]), panel=got.panel)
    assert more.panel.n_rows == 220 and more.report.find("gaps") is None


def test_hours_are_kept_in_utc_and_seen_as_the_wall_shows_them():
    times = pd.date_range("2024-10-20", "2024-11-05", freq="h", tz="Europe/Berlin")
    got = read_panel(table(times))
    assert list(got.schema.clock.write(got.panel.times)) == list(times)
    assert got.report.find("clock_change").count == 1
    assert (got.report.start, got.report.end) == ("2024-10-20T00:00:00", "2024-11-05T00:00:00")
    seen = local_panel(got.panel)
    assert seen.freq == Frequency.parse("h") and seen.n_rows == len(times) - 1
    night = np.flatnonzero(seen.times == np.datetime64("2024-10-27T02:00"))[0]
    assert seen.y[night - 1 : night + 2].tolist() == [169.0, 170.5, 172.0]


def test_a_skipped_hour_is_a_missing_target():
    times = pd.date_range("2024-03-25", "2024-04-05", freq="30min", tz="Europe/Berlin")
    got = read_panel(table(times).assign(x=1.0), known=["x"])
    seen = local_panel(got.panel)
    assert np.flatnonzero(np.isnan(seen.y)).tolist() == [292, 293] and (seen.known["x"] == 1).all()
    assert got.report.find("clock_change").count == 2 and got.report.find("gaps") is None


def test_series_that_end_within_the_hour_that_repeats():
    times = pd.date_range("2024-10-25", periods=240, freq="15min", tz="Europe/Berlin")
    for end in range(191, 216):
        got = read_panel(table(times[:end], np.asarray(times.hour * 60.0 + times.minute)[:end]), freq="15min")
        seen = local_panel(got.panel)
        assert seen.times[-1] == times[end - 1].tz_localize(None)
        model = fit_local(create("seasonal_naive", season=96), got.panel, Task(20, (96,)), Context())
        made = predict_local(model, got.panel, Future(), 20).mean[0]
        np.testing.assert_array_equal(made, (times.hour * 60.0 + times.minute)[end : end + 20])


@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Australia/Sydney", "Asia/Beirut"])
@pytest.mark.parametrize("freq", ["15min", "h"])
def test_the_season_of_a_day_keeps_local_hours_through_every_change(zone, freq):
    per_day = 24 if freq == "h" else 96
    changes = changes_of(zone)
    recent = (changes.starts > pd.Timestamp("2023").value) & (changes.starts < pd.Timestamp("2025").value)
    for start in changes.starts[recent]:
        for hours in (-30, -1, 0, 1, 20):
            end = pd.Timestamp(int(start) + hours * HOUR, tz="UTC").tz_convert(zone)
            times = pd.date_range(end=end, periods=20 * per_day, freq=freq)
            due = pd.date_range(end, periods=2 * per_day + 1, freq=freq)[1:]
            panel = read_panel(table(times, people(times))).panel
            model = fit_local(create("seasonal_naive", season=7 * per_day), panel, Task(len(due)), Context())
            made = predict_local(model, panel, Future(), len(due)).mean[0]
            np.testing.assert_allclose(made, people(due), atol=1e-9)


def test_longer_horizons_than_the_skipped_hour_are_forecast_behind_it():
    times = pd.date_range("2024-03-28", "2024-03-31 01:50", freq="min", tz="Europe/Berlin")
    panel = read_panel(table(times, np.asarray(times.hour * 60.0 + times.minute))).panel
    for horizon in (5, 9, 10, 40, 100):
        model = fit_local(create("seasonal_naive", season=1440), panel, Task(horizon), Context())
        due = pd.date_range(times[-1], periods=horizon + 1, freq="min")[1:]
        made = predict_local(model, panel, Future(), horizon)
        assert made.quantiles.shape == (1, horizon, 9)
        np.testing.assert_array_equal(made.mean[0], due.hour * 60.0 + due.minute)


def test_what_keeps_to_utc_is_modelled_in_utc():
    times = pd.date_range("2024-02-01", "2024-04-10", freq="h", tz="Europe/Berlin")
    noise = np.random.default_rng(0).normal(size=len(times))
    sun = read_panel(table(times, people(times.tz_convert("UTC")) + noise))
    assert sun.panel.freq.local is None and "keeps to UTC" in sun.report.find("clock_change").message
    assert read_panel(table(times, people(times) + noise)).panel.freq.local is not None
    assert read_panel(table(times, noise)).panel.freq.local is not None  # no pattern, no matter


def test_zones_without_changes_have_their_own_hours():
    times = pd.date_range("2024-03-20", periods=100, freq="h", tz="Asia/Kolkata")
    got = read_panel(table(times))
    assert got.report.find("clock_change") is None
    np.testing.assert_array_equal(local_panel(got.panel).times, times.tz_localize(None).to_numpy())
    assert read_panel(table(times.tz_convert("UTC"))).panel.freq.local is None


def test_the_schema_keeps_the_clock_and_old_ones_are_read_as_they_were():
    hours = read_panel(table(pd.date_range("2024-03-20", periods=400, freq="h", tz="Europe/Berlin"))).schema
    days = read_panel(table(daily("Africa/Cairo", "2024-04-20", 20))).schema
    for schema in (hours, days):
        assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    old = hours.to_dict()
    del old["local"], old["clock"]["step"], old["clock"]["phase"]
    assert Schema.from_dict(old).freq.local is None and Schema.from_dict(old).clock == hours.clock


def test_messages_name_moments_in_the_user_s_zone():
    times = pd.date_range("2024-03-25", periods=60, freq="h", tz="Europe/Berlin")
    got = read_panel(table(times).assign(x=1.0), known=["x"])
    with pytest.raises(Exception, match=r"2024-03-27 13:00:00\+01:00"):
        got.schema.read_future(pd.DataFrame({"time": times[-1:] + pd.Timedelta("1h"), "x": 1.0}), got.panel, 2)


def test_a_regular_clock_is_laid_over_the_wall():
    gap = pd.DatetimeIndex(["2018-11-04T03:00Z", "2018-11-05T02:00Z", "2018-11-06T03:00Z"]).view(np.int64)
    walls = wall_clock(gap, "America/Sao_Paulo", DAY, 0).view("datetime64[ns]")
    assert walls.astype(str).tolist() == [
        "2018-11-04T00:00:00.000000000",
        "2018-11-05T00:00:00.000000000",
        "2018-11-06T00:00:00.000000000",
    ]


def offsets(times):
    return [t.isoformat() for t in times]


def test_text_with_offsets_is_utc_with_advice_or_the_zone_that_is_named():
    times = pd.date_range("2024-03-01", periods=1000, freq="h", tz="Europe/Berlin")
    plain = read_panel(table(offsets(times)))
    notes = [f.message for f in plain.report.findings if f.kind == "note"]
    assert any("Europe/Berlin" in note and "zone=" in note for note in notes)
    assert plain.schema.clock.zone == "UTC"
    assert Schema.from_dict(json.loads(json.dumps(plain.schema.to_dict()))) == plain.schema
    # The hours that were written are those of the pattern, before and after the change.
    np.testing.assert_array_equal(local_panel(plain.panel).times[[0, -1]], times[[0, -1]].tz_localize(None))
    assert plain.report.find("clock_change").count == 1
    named = read_panel(table(offsets(times), people(times)), zone="Europe/Berlin")
    assert not any("zone=" in f.message for f in named.report.findings)
    np.testing.assert_array_equal(named.panel.times, plain.panel.times)
    assert named.panel.freq.local == LocalClock("Europe/Berlin")
    assert list(named.schema.clock.write(named.panel.times)) == list(times)
    later = pd.date_range(times[-1], periods=4, freq="h")[1:]
    more = named.schema.read_more(table(offsets(later.tz_convert("UTC"))), panel=named.panel)
    assert list(named.schema.clock.write(more.panel.times)) == list(later)


def test_a_zone_may_be_named_for_moments_in_utc():
    times = pd.date_range("2024-03-01", periods=1000, freq="h", tz="UTC")
    got = read_panel(table(times.as_unit("us")), zone="America/New_York")
    written = pd.Series(got.schema.clock.write(got.panel.times))
    assert str(written.dtype) == "datetime64[us, America/New_York]" and list(written) == list(times)
    days = daily("America/New_York", "2024-03-01", 30).tz_convert("UTC")
    assert read_panel(table(days), zone="America/New_York").schema.clock.wall


def test_zones_that_are_none_or_mean_nothing_are_refused():
    times = pd.date_range("2024-03-01", periods=50, freq="h")
    with pytest.raises(DataError, match="no zone or offset"):
        read_panel(table(times), zone="Europe/Berlin")
    with pytest.raises(ConfigError, match="Europe/Berln"):
        read_panel(table(times.tz_localize("UTC")), zone="Europe/Berln")


def test_offsets_of_several_clocks_side_by_side_are_no_clock():
    times = pd.date_range("2024-03-25", periods=200, freq="h", tz="Europe/Berlin")
    both = [*offsets(times), *offsets(times.tz_convert("America/New_York"))]
    rows = pd.DataFrame({"id": np.repeat(["a", "b"], 200), "time": both, "y": np.arange(400.0)})
    got = read_panel(rows)
    assert got.panel.freq.local is None and got.panel.lengths.tolist() == [200, 200]


@pytest.mark.parametrize("text", [True, False])
def test_hours_with_offsets_keep_local_hours(text):
    times = pd.date_range("2024-02-01", "2024-04-02", freq="h", tz="Europe/Berlin")
    due = pd.date_range(times[-1], periods=49, freq="h")[1:]
    column = offsets(times) if text else [t.tz_convert(dt.timezone(t.utcoffset())) for t in times]
    panel = read_panel(table(pd.Series(column, dtype=object), people(times))).panel
    model = fit_local(create("seasonal_naive", season=168), panel, Task(48), Context())
    np.testing.assert_array_equal(predict_local(model, panel, Future(), 48).mean[0], people(due))
