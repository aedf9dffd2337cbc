"""A whole fit over a clock change: a file of times with offsets, and the zone that is named."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def hours():
    times = pd.date_range("2024-02-20", "2024-04-03", freq="h", tz="Europe/Berlin")
    noise = np.random.default_rng(0).normal(size=len(times))
    return pd.DataFrame({"ds": times, "y": np.abs(times.hour - 12) * 5.0 + noise})


@pytest.fixture(scope="module")
def path(hours, tmp_path_factory):
    file = tmp_path_factory.mktemp("zones") / "hours.csv"
    hours[:-60].to_csv(file, index=False)  # until the evening of 31 March: the clock was changed that morning
    return file


@pytest.fixture(scope="module", params=["named", "written"])
def fitted(request, make, path):
    if request.param == "named":
        return make(24, trials=7, zone="Europe/Berlin").fit(path)
    return make(24, trials=7).fit(pd.read_csv(path))  # as text: a CSV reader that knows types makes UTC of them


def test_the_day_after_a_change_keeps_its_hours(fitted, hours):
    got, due = fitted.predict(), hours["ds"][-60:-36]
    assert list(got["ds"]) == list(due)
    wanted = np.abs(due.dt.hour.to_numpy() - 12) * 5.0
    assert np.abs(got["mean"] - wanted).mean() < 1.5
    assert fitted.evaluate(hours[-60:])["mae"] < 2
    found = [f for f in fitted.data_report["findings"] if f["kind"] == "clock_change"]
    assert len(found) == 1 and found[0]["count"] == 1


def test_charts_and_reports_show_the_clock_of_the_answers(fitted, hours, tmp_path):
    last = hours["ds"].iloc[-61].tz_convert(fitted.predict()["ds"].dt.tz).tz_localize(None)
    assert fitted.data_report["end"] == last.isoformat()
    assert max(w.times.max() for w in fitted.facts.windows) == last.to_datetime64()
    axes = fitted.plot().axes[0]
    assert axes.lines[0].get_xdata()[-1] == last.to_datetime64()
    assert "clock" in fitted.report(tmp_path / "report.html")
