import json

import numpy as np
import pandas as pd
import pytest

from autots.reading import read_panel
from zoo.errors import DataError

DAYS = pd.date_range("2020-01-01", periods=20)


def frame(**columns):
    base = pd.DataFrame({"unique_id": np.repeat(["a", "b"], 20), "ds": np.tile(DAYS, 2), "y": np.arange(1.0, 41.0)})
    return base.assign(**columns)


def holding(values, at):
    y = np.arange(1.0, 41.0)
    y[at] = values
    return frame(y=y)


def same(a, b):
    assert list(a.ids) == list(b.ids)
    np.testing.assert_array_equal(a.indptr, b.indptr)
    np.testing.assert_array_equal(a.times, b.times)
    np.testing.assert_array_equal(a.y, b.y)


def test_a_clean_table_has_no_findings():
    report = read_panel(frame()).report
    assert report.findings == ()
    assert (report.series, report.rows, report.freq, report.lengths) == (2, 40, "D", (20, 20.0, 20))
    assert (report.start, report.end) == ("2020-01-01T00:00:00", "2020-01-20T00:00:00")
    assert report.seasons == (7,)


def test_the_users_table_is_left_alone():
    table = holding(np.inf, 3)
    before = table.copy()
    got = read_panel(table)
    got.panel.y[:] = -1.0
    pd.testing.assert_frame_equal(table, before)


def test_unsorted_rows_are_sorted_and_counted():
    got = read_panel(frame().sample(frac=1.0, random_state=0))
    same(got.panel, read_panel(frame()).panel)
    assert got.report.find("unsorted").count > 5
    by_time = read_panel(frame().sort_values(["ds", "unique_id"]))
    same(by_time.panel, got.panel)
    assert by_time.report.find("unsorted") is None


def test_equal_duplicates_collapse_and_different_ones_are_averaged():
    extra = pd.DataFrame({"unique_id": ["a", "a", "b"], "ds": DAYS[[2, 2, 4]], "y": [5.0, 10.0, 25.0]})
    got = read_panel(pd.concat([frame(), extra]))
    assert got.panel.series(0)[2] == pytest.approx((3 + 5 + 10) / 3)
    assert got.panel.series(1)[4] == 25.0
    assert got.panel.n_rows == 40
    assert got.report.find("duplicates").count == 3
    assert got.report.find("duplicates").series == ("a", "b")


def test_a_missing_duplicate_gives_way_to_a_known_one():
    extra = pd.DataFrame({"unique_id": ["a"], "ds": DAYS[[2]], "y": [np.nan]})
    for table in (pd.concat([frame(), extra]), pd.concat([extra, frame()])):
        assert read_panel(table).panel.series(0)[2] == 3.0


def test_gaps_become_missing_rows_on_the_clock():
    got = read_panel(frame().drop(index=[3, 4, 30]))
    assert np.flatnonzero(np.isnan(got.panel.y)).tolist() == [3, 4, 30]
    np.testing.assert_array_equal(got.panel.times, np.tile(DAYS.to_numpy("datetime64[ns]"), 2))
    assert got.report.find("gaps").count == 3
    assert got.report.find("missing_target") is None
    assert got.report.missing == pytest.approx(3 / 40)


def test_month_starts_with_gaps_stay_months():
    months = pd.date_range("2018-01-01", periods=30, freq="MS").delete([4, 5, 11])
    got = read_panel(pd.DataFrame({"month": months, "sales": np.arange(27.0)}))
    assert got.panel.freq.alias == "MS"
    assert got.panel.n_rows == 30
    assert got.report.find("gaps").count == 3


def test_irregular_clocks_are_refused_with_advice():
    rng = np.random.default_rng(0)
    moments = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 10**6, 60)), unit="s")
    with pytest.raises(DataError, match="times must lie on a regular clock") as caught:
        read_panel(pd.DataFrame({"ds": moments, "y": 1.0}))
    assert "resample" in caught.value.hint
    with pytest.raises(DataError, match="do not lie on steps of 'D'"):
        read_panel(pd.DataFrame({"ds": moments, "y": 1.0}), freq="D")


def test_small_jitter_is_moved_and_counted():
    rng = np.random.default_rng(1)
    hours = pd.date_range("2020-01-01", periods=100, freq="h")
    late = hours + pd.to_timedelta(np.where(rng.random(100) < 0.3, 40, 0), unit="s")
    got = read_panel(pd.DataFrame({"ds": late, "y": np.arange(100.0)}))
    np.testing.assert_array_equal(got.panel.times, hours.to_numpy("datetime64[ns]"))
    np.testing.assert_array_equal(got.panel.y, np.arange(100.0))
    assert 10 < got.report.find("off_grid").count < 60


def test_one_absurd_date_does_not_fill_the_memory():
    table = pd.DataFrame({"ds": [*pd.date_range("2020-01-01", periods=50, freq="h"), pd.Timestamp("1970-01-01")]})
    with pytest.raises(DataError, match=r"would need .* steps of 'h'"):
        read_panel(table.assign(y=1.0))


def test_a_given_frequency_overrides_the_guess():
    sparse = pd.DataFrame({"ds": DAYS[[0, 7, 14]], "y": [1.0, 2.0, 3.0]})
    assert read_panel(sparse).panel.freq.alias == "W-WED"
    got = read_panel(sparse, freq="D")
    assert got.panel.freq.alias == "D"
    assert got.panel.n_rows == 15


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("freq", ["h", "D", "MS"])
def test_aware_times_keep_their_zone_through_daylight_saving(zone, freq):
    times = pd.date_range("2020-03-01", periods=400, freq=freq, tz=zone)
    got = read_panel(pd.DataFrame({"ds": times, "y": np.arange(400.0)}))
    assert got.panel.freq.alias == freq
    assert got.panel.n_rows == 400
    assert got.report.find("off_grid") is None
    assert zone in got.report.find("note").message
    ahead = got.panel.future_times(48)
    out = got.schema.write(got.panel.ids, ahead, np.zeros((1, 48)), np.zeros((1, 48, 0)), ())
    want = pd.date_range("2020-03-01", periods=448, freq=freq, tz=zone)[400:]
    assert out["ds"].dtype == times.dtype
    assert list(out["ds"]) == list(want)


@pytest.mark.parametrize("text", [True, False])
def test_several_zones_are_compared_in_utc_and_listed(text):
    utc = pd.date_range("2020-01-01", periods=10, freq="h", tz="UTC")
    mixed = [t.tz_convert("Etc/GMT-1" if i % 2 else "Etc/GMT-3") for i, t in enumerate(utc)]
    values = [t.isoformat() for t in mixed] if text else mixed
    got = read_panel(pd.DataFrame({"ds": pd.Series(values, dtype=object), "y": np.arange(10.0)}))
    np.testing.assert_array_equal(got.panel.times, utc.tz_localize(None).to_numpy("datetime64[ns]"))
    assert "several zones" in got.report.find("note").message
    assert got.schema.clock.zone == "UTC"


@pytest.mark.parametrize("text", [True, False])
def test_times_with_and_without_a_zone_are_not_mixed(text):
    values = [pd.Timestamp("2020-01-01 01:00", tz="UTC"), pd.Timestamp("2020-01-01 02:00")]
    values = [str(v) for v in values] if text else values
    with pytest.raises(DataError, match="'ds' mixes both"):
        read_panel(pd.DataFrame({"ds": pd.Series(values, dtype=object), "y": 1.0}), time_col="ds")


def test_missing_targets_inside_are_kept_and_counted():
    got = read_panel(holding(np.nan, [3, 4, 25]))
    assert np.flatnonzero(np.isnan(got.panel.y)).tolist() == [3, 4, 25]
    assert got.report.find("missing_target").count == 3


def test_infinite_targets_become_missing():
    got = read_panel(holding([np.inf, -np.inf], [3, 25]))
    assert np.flatnonzero(np.isnan(got.panel.y)).tolist() == [3, 25]
    assert got.report.find("infinite_target").count == 2


def test_series_begin_and_end_with_a_known_target():
    got = read_panel(holding(np.nan, [0, 1, 18, 19, 39]))
    assert got.panel.lengths.tolist() == [16, 19]
    assert got.report.find("leading_missing").count == 2
    trailing = got.report.find("trailing_missing")
    assert (trailing.count, trailing.series) == (3, ("a", "b"))
    ahead = got.panel.future_times(1)[:, 0]
    np.testing.assert_array_equal(ahead, np.array(["2020-01-19", "2020-01-20"], dtype="datetime64[ns]"))
    assert got.report.find("early_end").series == ("a",)


def test_series_without_any_target_are_left_out_and_named():
    got = read_panel(holding(np.nan, slice(20, 40)))
    assert list(got.panel.ids) == ["a"]
    assert got.report.find("dropped_series").series == ("b",)
    with pytest.raises(DataError, match="at least one target must be known, but all 40 rows"):
        read_panel(holding(np.nan, slice(0, 40)))


def test_constant_one_point_and_short_series_are_kept_and_named():
    parts = [
        frame(),
        pd.DataFrame({"unique_id": "const", "ds": DAYS, "y": 7.0}),
        pd.DataFrame({"unique_id": "one", "ds": DAYS[:1], "y": 7.0}),
        pd.DataFrame({"unique_id": "short", "ds": DAYS[-3:], "y": [1.0, 2.0, 3.0]}),
    ]
    got = read_panel(pd.concat(parts), horizon=5)
    assert list(got.panel.ids) == ["a", "b", "const", "one", "short"]
    for kind, name in (("constant", "const"), ("one_point", "one"), ("short", "short")):
        assert got.report.find(kind).series == (name,)


def test_a_finding_names_at_most_five_series():
    table = pd.concat([frame(unique_id=[f"s{i}"] * 40, ds=pd.date_range("2020", periods=40), y=1.0) for i in range(9)])
    finding = read_panel(table).report.find("constant")
    assert finding.count == 9
    assert len(finding.series) == 5


def test_text_in_the_target_names_value_and_row():
    with pytest.raises(DataError, match=r"'y' holds 'closed' in row 21 \(2 such rows\)"):
        read_panel(frame(y=["1.5"] * 21 + ["closed"] * 2 + ["2"] * 17))


def test_numbers_written_as_text_are_converted_and_reported():
    got = read_panel(frame(y=["1.5", " 2 ", "", "NaN", None, "n/a", "1e3"] + ["4"] * 33))
    np.testing.assert_array_equal(got.panel.y[:7], [1.5, 2, np.nan, np.nan, np.nan, np.nan, 1000])
    assert "36 numbers in 'y' were written as text" in got.report.find("note").message


@pytest.mark.parametrize(
    "cells",
    [
        [1 + 2j] * 40,
        [[1, 2]] * 40,
        [{"a": 1}] * 40,
        pd.date_range("2020", periods=40),
        pd.to_timedelta(np.arange(40), unit="D"),
        [1.0] * 39 + [2j],
    ],
    ids=["complex", "list", "dict", "date", "duration", "one complex"],
)
def test_cells_that_are_no_numbers_are_refused(cells):
    with pytest.raises(DataError, match="'y'"):
        read_panel(frame(y=cells), target_col="y", time_col="ds", id_col="unique_id")
    if not isinstance(cells, list):
        return
    with pytest.raises(DataError, match="'x'"):
        read_panel(frame(x=cells), known=["x"])


@pytest.mark.parametrize("column", ["unique_id", "ds"])
def test_rows_without_series_or_time_are_refused_by_number(column):
    table = frame()
    table.loc[7, column] = None
    with pytest.raises(DataError, match=rf"{column!r} is missing in 1 rows, first in row 7"):
        read_panel(table, id_col="unique_id", time_col="ds")


def test_times_that_cannot_be_read_are_named():
    with pytest.raises(DataError, match="'someday' cannot be read"):
        read_panel(frame(ds=[*np.tile(DAYS.strftime("%Y-%m-%d"), 2)[:-1], "someday"]), time_col="ds")


def test_holes_in_covariates_are_filled_forward_then_by_the_median():
    price = np.arange(40.0)
    price[[0, 1, 5, 20]] = np.nan
    price[6] = np.inf
    got = read_panel(frame(price=price, colour=[None, "r"] + ["g"] * 38).drop(index=[10]))
    x = got.panel.past["price"]
    middle = np.median(np.delete(price, [0, 1, 5, 6, 10, 20]))
    assert x[[0, 1, 20]].tolist() == [middle] * 3
    assert x[[5, 6, 10]].tolist() == [4.0, 4.0, 9.0]
    assert got.panel.past["colour"][:3].tolist() == [-1.0, 1.0, 0.0]
    assert {f.kind for f in got.report.findings} >= {"covariate_missing", "infinite_covariate", "gaps"}
    assert np.isfinite(read_panel(frame(price=np.nan)).panel.past["price"]).all()


def test_the_report_is_json_and_text():
    report = read_panel(holding(np.nan, [3, 19]), horizon=30).report
    again = json.loads(json.dumps(report.to_dict()))
    assert again["findings"][0]["kind"]
    assert "2 series, 39 rows, clock D, from 2020-01-01T00:00:00" in report.summary()
    assert "kept as missing" in report.summary()
