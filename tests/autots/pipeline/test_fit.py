"""Fits of tables of every shape; each with few trials."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import autots
from autots import AutoTS
from autots.metrics import METRICS
from zoo.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def plain(make, table):
    """The table without its covariate, and what a fit of it forecasts."""
    bare = table.drop(columns="promo")
    return bare, make().fit(bare).predict()


def numbers(made):
    return made.reset_index()[["mean", "0.1", "0.5", "0.9"]].to_numpy()


def test_the_same_seed_gives_the_same_forecasts(make, plain):
    pd.testing.assert_frame_equal(make().fit(plain[0]).predict(), plain[1])


def test_shuffling_rows_and_renaming_columns_changes_nothing_but_names(make, plain):
    bare, expected = plain
    renamed = bare.rename(columns={"shop": "Filiale", "day": "Tag", "sold": "Absatz"}).sample(frac=1, random_state=0)
    made = (
        make(id_col="Filiale", time_col="Tag", target_col="Absatz").fit(renamed[["Absatz", "Tag", "Filiale"]]).predict()
    )
    assert list(made.columns)[:2] == ["Filiale", "Tag"]
    np.testing.assert_array_equal(numbers(made), numbers(expected))


@pytest.mark.parametrize("layout", ["wide", "multi-index", "arrow", "csv", "parquet"])
def test_every_layout_gives_the_same_forecasts(make, plain, layout, tmp_path):
    bare, expected = plain
    if layout == "wide":
        data = bare.pivot(index="day", columns="shop", values="sold")
    elif layout == "multi-index":
        data = bare.set_index(["shop", "day"])
    elif layout == "arrow":
        data = pa.Table.from_pandas(bare, preserve_index=False)
    elif layout == "csv":
        data = tmp_path / "sales.csv"
        bare.to_csv(data, index=False)
    else:
        data = tmp_path / "sales.parquet"
        bare.to_parquet(data, index=False)
    made = make().fit(data).predict()
    np.testing.assert_array_equal(numbers(made), numbers(expected))
    assert made.index.names == (["shop", "day"] if layout == "multi-index" else [None])


def test_a_single_series(make, plain):
    one = plain[0][plain[0]["shop"] == "a"].set_index("day")["sold"]
    made = make().fit(one).predict()
    assert list(made.columns)[:2] == ["day", "mean"]
    assert len(made) == 4


def test_static_covariates_from_a_table_of_their_own(make, plain, tmp_path):
    static = pd.DataFrame({"shop": ["a", "b", "c"], "area": [10.0, 20.0, 30.0], "kind": ["x", "y", "x"]})
    pipeline = make(static=static).fit(plain[0])
    assert set(pipeline.panel.static) == {"area", "kind"}
    made = pipeline.predict()
    pd.testing.assert_frame_equal(autots.load(pipeline.save(tmp_path / "p")).predict(), made)


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric_can_be_minimised(make, plain, metric):
    pipeline = make(metric=metric, trials=6).fit(plain[0])
    board = pipeline.leaderboard()
    assert np.isfinite(board["score"].iloc[0])
    made = pipeline.predict()
    # Absolute errors reward the median.
    assert METRICS[metric].squared or np.array_equal(made["mean"], made["0.5"])


def test_quantiles_need_not_hold_the_median(make, plain):
    made = make(quantiles=(0.05, 0.95), trials=6).fit(plain[0]).predict()
    assert list(made.columns) == ["shop", "day", "mean", "0.05", "0.95"]
    assert ((made["0.05"] <= made["mean"]) & (made["mean"] <= made["0.95"])).all()


def series(values, freq="D"):
    return pd.Series(np.asarray(values, dtype=float), index=pd.date_range("2022-01-03", periods=len(values), freq=freq))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], 5.0),
        ([5.0] * 40, 5.0),
        ([0.0] * 40, 0.0),
        ([5.0, 5.0, 5.0], 5.0),
    ],
    ids=["one point", "constant", "zero", "three points"],
)
def test_trivial_series_get_trivial_forecasts(make, values, expected, tmp_path):
    pipeline = make(freq="D").fit(series(values), title="flat")
    made = pipeline.predict()
    np.testing.assert_allclose(made[["mean", "0.1", "0.5", "0.9"]], expected, atol=1e-5)
    assert pipeline.report()
    pd.testing.assert_frame_equal(autots.load(pipeline.save(tmp_path / "p")).predict(), made)


@pytest.mark.parametrize("n", [2, 5, 9, 13])
def test_series_shorter_than_the_horizon_or_hardly_longer(make, n):
    rng = np.random.default_rng(0)
    pipeline = make(horizon=12).fit(series(10 + rng.normal(size=n)))
    made = pipeline.predict()
    assert len(made) == 12
    assert np.isfinite(made.select_dtypes("number").to_numpy()).all()
    assert pipeline.leaderboard()["weight"].iloc[0] == 1.0


def test_one_point_alone_has_no_clock_unless_it_is_given(make):
    with pytest.raises(DataError, match="frequency") as info:
        make().fit(series([5.0]))
    assert "freq=" in info.value.hint


def test_series_of_unequal_length_and_with_holes(make, table):
    bare = table.drop(columns="promo")
    keep = (bare["shop"] != "b") | (bare["day"] > bare["day"].max() - pd.Timedelta(6, "D"))
    ragged = bare[keep].copy()
    ragged.loc[ragged.index[5:9], "sold"] = np.nan
    pipeline = make().fit(ragged)
    made = pipeline.predict()
    assert len(made) == 12
    assert np.isfinite(made.select_dtypes("number").to_numpy()).all()


def test_an_integer_clock(make):
    frame = pd.DataFrame({"unique_id": "s", "ds": np.arange(100, 180), "y": np.tile([1.0, 5.0, 3.0, 9.0], 20)})
    made = make().fit(frame).predict()
    np.testing.assert_array_equal(made["ds"], [180, 181, 182, 183])
    np.testing.assert_allclose(made["mean"], [1.0, 5.0, 3.0, 9.0], atol=0.2)


def test_no_trial_fits_into_the_budget_and_a_trivial_forecaster_is_returned(plain):
    pipeline = AutoTS(4, budget=1).fit(plain[0])
    assert np.isfinite(pipeline.predict()["mean"]).all()
    assert "too small" in " ".join(pipeline.facts.messages)


def test_a_run_directory_is_resumed_with_the_same_answer(make, plain, tmp_path):
    first = make(out=tmp_path / "run").fit(plain[0])
    again = make(out=tmp_path / "run", resume=True).fit(plain[0])
    pd.testing.assert_frame_equal(first.predict(), again.predict())
    with pytest.raises(ConfigError, match="must be new"):
        make(out=tmp_path / "run").fit(plain[0])
    with pytest.raises(ConfigError, match="resumed on the same"):
        make(out=tmp_path / "run", resume=True, seed=1).fit(plain[0])
    with pytest.raises(ConfigError, match="resumed on the same"):
        make(out=tmp_path / "run", resume=True).fit(plain[0].assign(sold=plain[0]["sold"] + 1))
    pd.testing.assert_frame_equal(autots.load(tmp_path / "run").predict(), again.predict())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 1.5}, "horizon"),
        ({"horizon": True}, "horizon"),
        ({"horizon": "4"}, "horizon"),
        ({"horizon": None}, "horizon"),
        ({"horizon": float("nan")}, "horizon"),
        ({"budget": "soon"}, "budget"),
        ({"budget": -1}, "budget"),
        ({"metric": "accuracy"}, "metric"),
        ({"quantiles": (0.0, 0.5)}, "quantiles"),
        ({"quantiles": ()}, "quantiles"),
        ({"quantiles": ("low",)}, "quantiles"),
        ({"seed": -1}, "seed"),
        ({"season": 0}, "season"),
        ({"folds": 0}, "folds"),
        ({"workers": 0}, "workers"),
        ({"known": "promo"}, "known"),
        ({"resume": True}, "out"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused_by_name(options, named):
    with pytest.raises(ConfigError, match=named):
        AutoTS(**{"horizon": 4, **options})


def test_a_table_that_cannot_be_used_starts_nothing(make, tmp_path):
    with pytest.raises(DataError):
        make(out=tmp_path / "run").fit(pd.DataFrame({"x": ["a", "b"]}))
    assert not (tmp_path / "run" / "study.journal").exists()


@pytest.mark.ray
def test_workers_give_the_same_forecasts_as_this_process(make, plain, session, monkeypatch):
    monkeypatch.setattr("zoo.cluster.is_connected", lambda: True)
    made = make(budget=60).fit(plain[0]).predict()
    assert len(made) == len(plain[1])
    np.testing.assert_allclose(made["mean"], plain[1]["mean"], rtol=0.2)
