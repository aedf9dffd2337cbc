"""A fit with a feature pipeline takes raw rows, everywhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autots import load
from zoo.errors import ArtifactError, ConfigError
from zoo.features import Pipeline

STEPS = [
    {"resample": {"every": "1d", "how": "sum"}},
    {"calendar": ["weekday"]},
    {"fourier": {"period": 7, "order": 1}},
    {"lags": [1]},
    {"rolling": {"windows": [7], "how": ["mean"]}},
    {"scale": {"how": "standard", "per": "id"}},
]


def raw(days=80):
    """Two sales a day of two shops, with a weekly season."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2022-01-03", periods=2 * days, freq="12h")
    weekly = np.repeat(10.0 * np.isin(np.arange(days) % 7, (5, 6)), 2)
    parts = [pd.DataFrame({"shop": s, "at": hours, "sold": 5 + weekly + rng.random(2 * days)}) for s in ("a", "b")]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def fitted(make):
    table = raw()
    before = table[table["at"] < "2022-03-14"]
    steps = Pipeline(STEPS, id="shop", time="at", target="sold")
    return make(trials=5, features=steps, season=7).fit(before), table, before


def test_raw_rows_in_and_daily_forecasts_out_also_after_saving_and_updating(fitted, tmp_path):
    made, table, before = fitted
    columns = made.schema.layout.columns
    assert set(columns.known) == {"weekday", "sin_7_1", "cos_7_1"} and made.known == ()
    assert {"sold_lag_1", "sold_mean_7"} <= set(columns.past)
    first = made.predict()
    assert list(first.columns[:2]) == ["shop", "at"] and first["at"].min() == pd.Timestamp("2022-03-14")
    pd.testing.assert_frame_equal(made.predict(data=before), first)
    made.save(tmp_path / "saved")
    again = load(tmp_path / "saved")
    pd.testing.assert_frame_equal(again.predict(), first)
    assert again.evaluate(table)["mase"] == made.evaluate(table)["mase"] < 1.0
    new = table[(table["at"] >= "2022-03-14") & (table["at"] < "2022-03-18")]
    again.update(new)
    later = again.predict()
    assert later["at"].min() == pd.Timestamp("2022-03-18")
    whole = made.features.table(table[table["at"] < "2022-03-18"])
    for name, values in again.panel.past.items():
        wanted = whole.sort_values(["shop", "at"])[name].to_numpy()
        known = ~np.isnan(wanted)
        np.testing.assert_array_equal(values[known], wanted[known])
    again.update(new)
    pd.testing.assert_frame_equal(again.predict(), later)


def test_only_the_rows_that_later_ones_depend_on_are_kept(fitted):
    made, table, before = fitted
    kept = made.features
    assert len(kept.raw) < len(before) / 3
    whole = type(kept)(kept.pipeline, before.reset_index(drop=True), id=kept.id, known=kept.known)
    days = sorted(table.loc[table["at"] >= "2022-03-14", "at"].dt.normalize().unique())[:4]
    for day in days:
        new = table[table["at"].dt.normalize() == day]
        (kept, short), (whole, long) = kept.continued(new), whole.continued(new)
        short, long = (t[t["at"] >= day].reset_index(drop=True) for t in (short, long))
        pd.testing.assert_frame_equal(short, long, check_exact=True)
        assert len(kept.raw) <= len(made.features.raw) + 4


def test_a_changed_byte_of_the_saved_features_is_refused(fitted, tmp_path):
    made = fitted[0]
    made.save(tmp_path / "saved")
    file = tmp_path / "saved" / "features" / "state.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match=r"state.parquet .* must be as it was written"):
        load(tmp_path / "saved")


def test_a_pipeline_file_may_bring_its_own_rows_and_mistakes_are_named(make, tmp_path):
    raw().to_parquet(tmp_path / "sales.parquet")
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "source: {path: sales.parquet, id: shop, time: at, target: sold}\n"
        "steps:\n  - resample: {every: 1d, how: sum}\n  - lags: [1]\n"
    )
    made = make(trials=2, features=str(file)).fit()
    assert made.predict()["at"].min() == pd.Timestamp("2022-03-24")
    with pytest.raises(ConfigError, match="only one to name columns, but known"):
        make(features=str(file), known=["promo"])
    nowhere = Pipeline([{"lags": [1]}], time="at", target="sold")
    with pytest.raises(ConfigError, match="no table and the pipeline names no file"):
        make(features=nowhere).fit()
    scaling = Pipeline([{"scale": {"how": "standard", "columns": ["sold"]}}], id="shop", time="at", target="sold")
    with pytest.raises(ConfigError, match="units of the target"):
        make(features=scaling).fit(raw())
