"""A pipeline that makes its columns from raw rows is served like any other, with the numbers of ``predict``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from serve.testing.caller import same, served
from serve.testing.pipelines import fitted
from zoo.features import Pipeline

STEPS = [
    {"resample": {"every": "1d", "how": "sum"}},
    {"calendar": ["weekday"]},
    {"lags": [1]},
    {"rolling": {"windows": [7], "how": ["mean"]}},
    {"scale": {"how": "standard", "per": "id"}},
]


@pytest.fixture(scope="module")
def rows():
    """Two sales a day of two shops, at odd times, with a price."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2022-01-03", periods=160, freq="12h") + pd.Timedelta("37min")
    weekly = np.repeat(10.0 * np.isin(np.arange(80) % 7, (5, 6)), 2)
    parts = [
        pd.DataFrame({"shop": s, "at": hours, "sold": 5 + weekly + rng.random(160), "price": rng.random(160)})
        for s in ("a", "b")
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def shops(rows):
    steps = Pipeline(STEPS, id="shop", time="at", target="sold")
    return fitted(rows, horizon=7, features=steps)


@pytest.fixture(scope="module")
def shop_call(shops, tmp_path_factory):
    return served(tmp_path_factory.mktemp("raw"), {"shops": shops})


def _sent(rows, shop, **changed):
    some = rows[rows["shop"] == shop]
    return {
        "id": shop,
        "time": [t.isoformat() for t in some["at"]],
        "y": some["sold"].tolist(),
        "past": {"price": some["price"].tolist()},
    } | changed


def _as_hours(table):
    return table.rename(columns={"shop": "unique_id", "at": "ds"})


def test_raw_rows_are_forecast_as_predict_does_with_the_same_rows(shops, shop_call, rows):
    recent = rows[rows["at"] > "2022-02-01"]
    truth = _as_hours(shops.predict(data=recent))
    answer = shop_call.forecast(series=[_sent(recent, "b"), _sent(recent, "a")])
    assert [one["id"] for one in answer["forecasts"]] == ["b", "a"]
    assert all(same(one, truth) for one in answer["forecasts"])


def test_the_stored_state_is_forecast_as_predict_does(shops, shop_call):
    truth = _as_hours(shops.predict())
    answer = shop_call.forecast(series=[{"id": "a"}, {"id": "b"}])
    assert all(same(one, truth) for one in answer["forecasts"])


def test_what_does_not_fit_is_refused_and_spares_the_other_series(shops, shop_call, rows):
    good = _sent(rows, "a")
    bad = _sent(rows, "b", past={"prize": [1.0] * 160})
    answer = shop_call.forecast(series=[bad, good])
    assert [one["id"] for one in answer["forecasts"]] == ["a"]
    assert "['prize']" in answer["errors"][0]["error"] and answer["errors"][0]["where"] == "series[0].past"
    for wrong, says in (
        ({"time": None, "start": "2022-01-03"}, "raw rows must have a time each"),
        ({"known": {"weekday": [1.0] * 7}}, "takes no known or static"),
        ({"time": ["never"] * 160}, "times must be dates"),
        ({"time": [good["time"][0]] * 160, "y": [None] * 160}, "must"),
        ({"past": {"price": [1.0]}}, "must be as long as y"),
        ({"past": {"price": ["dear"] * 160}}, "must"),
    ):
        told = shop_call.refused(422, {"series": [good | wrong]})
        assert says in told["error"], wrong
    shop_call.refused(404, {"series": [{"id": "nobody"}]})
    shop_call.refused(422, {"observations": [{"id": "a", "time": "2022-03-24", "y": 1.0}]}, "/v1/observe")


def test_the_admission_checks_probe_it_with_raw_rows(shops, tmp_path):
    from serve.admission import Policy
    from serve.admission.child import play
    from serve.admission.pipelines import checks

    told = []
    play(checks(shops.save(tmp_path / "shops"), Policy(longest=2000), None), told.append)
    assert told[-1] == {"end": True}
    found = {one["check"]: one for one in told if "check" in one}
    assert all(one["passed"] for one in found.values()), found
    assert "from 80 points" in found["probe: constant"]["detail"]
