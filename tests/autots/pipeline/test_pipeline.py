"""One fitted pipeline: what it answers, how it moves on, and that it comes back from disk equal."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import autots
from autots.ensembles import Ensemble, SeriesWeights
from autots.metrics import METRICS, coverage, season_scale
from autots.pipeline import Pipeline
from zoo.errors import ArtifactError, ConfigError, DataError

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def split(table):
    """History, and the 11 days that follow it."""
    cut = table["day"].unique()[-11]
    return table[table["day"] < cut], table[table["day"] >= cut]


@pytest.fixture(scope="module")
def fitted(make, split, tmp_path_factory):
    """The folder of a pipeline with a learner in it; each test loads its own, so that none changes another's."""
    pipeline = make(trials=11, quantiles=LEVELS, known=["promo"]).fit(split[0], title="sales")
    pipeline.save(tmp_path_factory.mktemp("fitted") / "pipeline")
    return pipeline


@pytest.fixture
def pipeline(fitted, tmp_path):
    return autots.load(fitted.save(tmp_path / "copy"))


def next_days(split, n=4):
    test = split[1]
    return test[test["day"] < test["day"].min() + pd.Timedelta(n, "D")].drop(columns="sold")


def test_a_forecast_has_the_users_names_dtypes_and_levels(pipeline, split):
    made = pipeline.predict(next_days(split))
    assert list(made.columns) == ["shop", "day", "mean", "0.1", "0.5", "0.9"]
    assert made["shop"].dtype == split[0]["shop"].dtype
    assert made["day"].dtype == split[0]["day"].dtype
    assert len(made) == 3 * 4
    np.testing.assert_array_equal(made["day"].unique(), np.sort(split[1]["day"].unique())[:4])
    assert (made["0.1"] <= made["0.5"]).all()
    assert (made["0.5"] <= made["0.9"]).all()
    assert np.isfinite(made[["mean", "0.1", "0.5", "0.9"]].to_numpy()).all()


def test_predicting_changes_nothing(pipeline, split):
    pd.testing.assert_frame_equal(pipeline.predict(next_days(split)), pipeline.predict(next_days(split)))


def test_a_learner_is_in_it_and_the_known_covariate_moves_the_forecast(pipeline, split):
    assert {m.family for m in pipeline.members} & {"linear_direct", "trees_direct", "trees_recursive", "sarimax"}
    np.testing.assert_allclose(np.sum([m.weight for m in pipeline.members], axis=0), 1.0)
    future = next_days(split)
    low, high = (pipeline.predict(future.assign(promo=v))["mean"].mean() for v in (0.0, 1.0))
    assert high > low + 3


def test_known_covariates_must_be_known(pipeline, split):
    future = next_days(split)
    with pytest.raises(DataError, match="promo"):
        pipeline.predict()
    with pytest.raises(DataError, match="missing"):
        pipeline.predict(future[future["shop"] != "b"])
    with pytest.raises(DataError, match="promo"):
        pipeline.predict(future.drop(columns="promo"))
    with pytest.raises(DataError, match="known"):
        pipeline.predict(future.assign(promo=np.nan))


def test_the_order_of_rows_of_the_future_does_not_matter(pipeline, split):
    future = next_days(split)
    pd.testing.assert_frame_equal(pipeline.predict(future), pipeline.predict(future.sample(frac=1, random_state=0)))


def test_saving_and_loading_is_equal_to_the_last_bit(fitted, pipeline, split):
    pd.testing.assert_frame_equal(
        fitted.predict(next_days(split)), pipeline.predict(next_days(split)), check_exact=True
    )
    pd.testing.assert_frame_equal(fitted.leaderboard(), pipeline.leaderboard())
    for name in ("horizon", "levels", "metric_name", "task", "schema", "known"):
        assert getattr(fitted, name) == getattr(pipeline, name)
    assert dict(fitted.data_report) == dict(pipeline.data_report)


def test_a_series_leans_on_its_own_whoever_is_forecast_beside_it_and_after_saving(fitted, split, tmp_path):
    """One of three series prefers the first member; a new series has the common weights."""
    factors = np.ones((3, len(fitted.members)), dtype=np.float32)
    factors[1, 0] = 50.0
    ids = np.array([str(id_) for id_ in fitted.panel.ids], dtype=object)
    series_weights = SeriesWeights(ids, factors)
    leant = Pipeline(
        fitted.schema,
        fitted.panel,
        Ensemble(fitted.task, fitted.members, series_weights=series_weights),
        levels=LEVELS,
        metric_name=fitted.metric_name,
        facts=fitted.facts,
    )
    future = fitted.schema.read_future(next_days(split), fitted.panel, 4)
    whole, _ = leant.forecast(fitted.panel, future)
    again = autots.load(leant.save(tmp_path / "leant"))
    np.testing.assert_array_equal(again.forecast(fitted.panel, future)[0], whole)
    for i in range(3):
        one = leant.forecast(fitted.panel.select(np.array([i])), future.select(np.array([i])))[0]
        # A network's products may be rounded otherwise where there are more series.
        np.testing.assert_allclose(one, whole[[i]], rtol=1e-12)
    first = fitted.members[0].model.predict(fitted.panel, future).median(fitted.task.levels)
    common = Pipeline.load(fitted.save(tmp_path / "common"))
    common.ensemble = Ensemble(fitted.task, fitted.members)
    plain = common.forecast(fitted.panel, future)[0]
    # Weights times factors of one, summed: which of the two sums is fused differs between processors.
    np.testing.assert_allclose(whole[[0, 2]], plain[[0, 2]], rtol=1e-12)
    assert np.abs(whole[1] - first[1]).max() < np.abs(plain[1] - first[1]).max()
    stranger = replace(fitted.panel.select(np.array([1])), ids=np.array(["stranger"], dtype=object))
    assert (leant.forecast(stranger, future.select(np.array([1])))[0] != whole[[1]]).any()


def test_saving_twice_writes_the_same_model_files(fitted, tmp_path):
    a, b = fitted.save(tmp_path / "a"), autots.load(fitted.save(tmp_path / "c")).save(tmp_path / "b")
    names = sorted(f.name for f in a.iterdir())
    assert names == sorted(f.name for f in b.iterdir())
    for name in names:
        if name.startswith(("model_", "panel")):
            assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_an_update_is_a_forecast_from_the_longer_history(pipeline, fitted, split, tmp_path):
    new = split[1][split[1]["day"] < split[1]["day"].min() + pd.Timedelta(3, "D")]
    later = split[1][split[1]["day"] >= new["day"].max() + pd.Timedelta(1, "D")].drop(columns="sold")
    assert pipeline.update(new) is pipeline
    moved = pipeline.predict(later)
    whole = autots.load(fitted.save(tmp_path / "other")).predict(later, data=pd.concat([split[0], new]))
    pd.testing.assert_frame_equal(moved, whole, check_exact=False, rtol=1e-9)
    assert moved["day"].min() == new["day"].max() + pd.Timedelta(1, "D")


def test_a_whole_horizon_that_came_teaches_weights_level_and_intervals(pipeline, fitted, split, tmp_path):
    """Each series learns from its own rows; one that got none is forecast as after the fit."""
    days = np.sort(split[1]["day"].unique())
    new = split[1][split[1]["day"].isin(days[:4])]
    shops = pipeline.panel.ids.tolist()
    silent = new["shop"] == shops[0]
    pipeline.update(new[~silent])
    future = split[1].drop(columns="sold")
    whole = autots.load(fitted.save(tmp_path / "other"))
    moved, same = pipeline.predict(future), whole.predict(future, data=pd.concat([split[0], new[~silent]]))
    for shop in shops:
        ours, theirs = (made[made["shop"].astype(str) == shop]["mean"].to_numpy() for made in (moved, same))
        assert np.allclose(ours, theirs, rtol=1e-12) == (shop == shops[0])
    assert not np.allclose(moved["0.9"], same["0.9"])
    again = autots.load(pipeline.save(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.predict(future), moved, check_exact=True)


def test_rows_already_seen_are_ignored_by_an_update(pipeline, split):
    before = pipeline.panel.n_rows
    pipeline.update(pd.concat([split[0].tail(20), split[1]]))
    assert pipeline.panel.n_rows == before + len(split[1])


def test_an_update_without_a_new_row_changes_nothing(pipeline, split):
    rows = pipeline.panel.n_rows
    assert pipeline.update(split[0].tail(20)).panel.n_rows == rows
    with pytest.raises(DataError, match="seen before"):
        pipeline.evaluate(split[0].tail(20))


def test_an_update_in_pieces_equals_one_update(pipeline, fitted, split, tmp_path):
    days = np.sort(split[1]["day"].unique())
    other = autots.load(fitted.save(tmp_path / "other"))
    pipeline.update(split[1])
    for part in (days[:3], days[3:4], days[4:]):
        other.update(split[1][split[1]["day"].isin(part)])
        other.settle()
    np.testing.assert_array_equal(pipeline.panel.y, other.panel.y)
    pipeline.settle()
    np.testing.assert_allclose(pipeline._learned.online.weights.logs, other._learned.online.weights.logs, rtol=1e-9)


def test_intervals_widen_after_misses_and_stay_wide_after_saving(pipeline, split, tmp_path):
    before = pipeline.predict(next_days(split))
    pipeline.update(split[1].assign(sold=split[1]["sold"] * 30))
    future = split[1].drop(columns="sold").assign(day=lambda d: d["day"] + pd.Timedelta(11, "D"))
    again = autots.load(pipeline.save(tmp_path / "again"))
    assert again._learned.tracker == pipeline._learned.tracker
    after, loaded = pipeline.predict(future), again.predict(future)
    assert (after["0.9"] - after["mean"]).mean() > 2 * (before["0.9"] - before["mean"]).mean()
    pd.testing.assert_frame_equal(after, loaded, check_exact=True)
    assert pipeline._learned.tracker.above > 1.0


def test_an_updated_pipeline_comes_back_from_disk_equal(pipeline, split, tmp_path):
    pipeline.update(split[1])
    future = split[1].drop(columns="sold").assign(day=lambda d: d["day"] + pd.Timedelta(11, "D"))
    again = autots.load(pipeline.save(tmp_path / "again"))
    pd.testing.assert_frame_equal(pipeline.predict(future), again.predict(future), check_exact=True)


def test_a_refit_learns_from_all_rows_and_keeps_the_ensemble(pipeline, split):
    before = [(m.family, m.model.params, m.weight) for m in pipeline.members]
    old = pipeline.predict(next_days(split))
    pipeline.update(split[1])
    assert pipeline.refit() is pipeline
    assert [(m.family, m.model.params, m.weight) for m in pipeline.members] == before
    future = split[1].drop(columns="sold").assign(day=lambda d: d["day"] + pd.Timedelta(11, "D"))
    made = pipeline.predict(future)
    assert made["day"].min() == split[1]["day"].max() + pd.Timedelta(1, "D")
    assert not np.array_equal(made["mean"], old["mean"])


def test_a_refit_on_the_same_rows_gives_the_same_forecasts(pipeline, split):
    before = pipeline.predict(next_days(split))
    pd.testing.assert_frame_equal(pipeline.refit().predict(next_days(split)), before, rtol=1e-5)


def test_evaluate_agrees_with_our_own_arithmetic(pipeline, split):
    """Eleven days in windows of 4, 4 and 3: forecast, compare, take in what came, go on."""
    scores = pipeline.evaluate(split[1])
    assert {"series", "rows", "smape", "mase", "rmse", "mse", "mae", "wql", "coverage", "skill"} <= set(scores)
    assert (scores["series"], scores["rows"]) == (3, 33)
    days = np.sort(split[1]["day"].unique())
    scale = season_scale(pipeline.panel, pipeline.task.season)
    actual, point, quantiles = [], [], []
    for begin in (0, 4, 8):
        window = days[begin : begin + 4]
        rows = split[1][split[1]["day"].isin(window)]
        # The last window is shorter than the horizon; what lies behind the test is not looked at.
        last = rows.groupby("shop").tail(1)
        fill = [last.assign(day=last["day"] + pd.Timedelta(k, "D")) for k in range(1, 5 - len(window))]
        made = pipeline.predict(pd.concat([rows, *fill]).drop(columns="sold"))
        made = made[made["day"].isin(window)]
        rows = rows.sort_values(["shop", "day"])
        assert list(made["shop"]) == list(rows["shop"])
        actual += rows["sold"].tolist()
        point += made["mean"].tolist()
        quantiles += made[["0.1", "0.5", "0.9"]].to_numpy().tolist()
        pipeline.update(rows)
    actual, point, quantiles = np.array(actual), np.array(point), np.array(quantiles)
    assert scores["mae"] == pytest.approx(np.abs(actual - point).mean())
    assert scores["rmse"] == pytest.approx(np.sqrt(((actual - point) ** 2).mean()))
    assert scores["coverage"] == pytest.approx(coverage(actual[None], quantiles[None], LEVELS))
    assert (scale > 0).all()


def test_evaluate_says_the_skill_against_seasonal_naive(pipeline, split):
    scores = pipeline.evaluate(split[1])
    assert set(scores["skill"]) <= set(METRICS)
    assert scores["skill"]["mae"] > 0.3  # promotions are known, and seasonal naive knows nothing of them


def test_evaluate_changes_nothing(pipeline, split):
    before = pipeline.predict(next_days(split))
    pipeline.evaluate(split[1])
    pd.testing.assert_frame_equal(pipeline.predict(next_days(split)), before)


def test_evaluate_of_a_part_of_the_series_and_steps(pipeline, split):
    part = split[1][(split[1]["shop"] == "b") & (split[1]["day"] < split[1]["day"].min() + pd.Timedelta(2, "D"))]
    scores = pipeline.evaluate(part)
    assert (scores["series"], scores["rows"]) == (1, 2)


def test_evaluate_of_rows_already_seen_is_refused(pipeline, split):
    with pytest.raises(DataError, match="seen before"):
        pipeline.evaluate(split[0].tail(5))


def test_the_leaderboard_begins_with_the_ensemble(pipeline):
    board = pipeline.leaderboard()
    assert board["family"].iloc[0] == "ensemble"
    assert {"model", "score", "skill", "final_score", "weight", "status", "note", "params"} <= set(board.columns)
    assert {"seasonal_naive", "naive", "drift", "mean", "zero"} <= set(board["family"])
    assert board["score"].iloc[0] <= board[board["status"] == "complete"]["score"].min() * (1 + 1e-5)
    for text in board["params"]:
        json.loads(text)
    board.loc[0, "model"] = "mine"
    assert pipeline.leaderboard()["model"].iloc[0] != "mine"


def test_the_report_is_one_page_and_names_the_title(pipeline, tmp_path):
    page = pipeline.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert "sales" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_an_unknown_series_cannot_be_drawn(pipeline):
    with pytest.raises(ConfigError, match="'z'"):
        pipeline.plot("z")


@pytest.mark.parametrize("damage", ["edit", "drop", "extra manifest entry", "format", "no manifest"])
def test_a_damaged_folder_is_refused_with_a_reason(pipeline, tmp_path, damage):
    folder = pipeline.save(tmp_path / "damaged")
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    if damage == "edit":
        (folder / "pipeline.json").write_text((folder / "pipeline.json").read_text().replace("0.9", "0.8"))
    elif damage == "drop":
        (folder / "panel.safetensors").unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        content["files"]["../outside.json"] = {"sha256": "0" * 64, "bytes": 1}
        content["format"] = "other/1" if damage == "format" else content["format"]
        manifest.write_text(json.dumps(content))
    with pytest.raises(ArtifactError) as info:
        autots.load(folder)
    assert info.value.hint


def test_a_pipeline_is_not_saved_over_something_else(pipeline, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="something else"):
        pipeline.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    first = pipeline.save(tmp_path / "new")
    assert pipeline.save(tmp_path / "new") == first  # an older artifact is replaced
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
