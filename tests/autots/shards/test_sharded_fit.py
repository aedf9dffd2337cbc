"""A sharded fit in this process: every series is forecast, by the pipeline of its shard, and nothing is lost."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import autots
from autots.shards import ShardedAutoTS, ShardedPipeline
from zoo.errors import ArtifactError, ClusterError, ConfigError, DataError

_DAYS, _SERIES, _HORIZON = 60, 40, 7


def _sales(days=_DAYS, *, first=0, series=_SERIES):
    """Return daily sales with a week, one series of which has a gap of a day."""
    when = np.arange(first, first + days)
    frames = [
        pd.DataFrame(
            {
                "item": f"i{i:02d}",
                "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(when, "D"),
                "sold": 20 + i + 5 * np.sin(2 * np.pi * when / 7) + np.random.default_rng([i, first]).normal(size=days),
            }
        )
        for i in range(series)
    ]
    if not first:
        frames[3] = frames[3].drop(index=10)
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded")
    _sales().to_parquet(folder / "sales.parquet")
    made = ShardedAutoTS(
        _HORIZON, out=folder / "run", budget=12, workers=1, shard_rows=700, sample_series=8, folds=1
    ).fit(folder / "sales.parquet")
    return folder, made


def test_every_series_is_forecast_once_for_every_step(fitted):
    _, made = fitted
    assert (made.n_series, made.n_rows) == (_SERIES, _SERIES * _DAYS)
    frame = made.predict()
    assert frame.groupby("item").size().to_dict() == {f"i{i:02d}": _HORIZON for i in range(_SERIES)}
    assert frame["day"].min() == pd.Timestamp("2024-01-01") + pd.Timedelta(days=_DAYS)
    assert np.isfinite(frame[["mean", "0.1", "0.9"]].to_numpy()).all()


def test_a_series_is_forecast_by_the_ordinary_pipeline_of_its_shard(fitted):
    _, made = fitted
    shard = made.shard(made.shard_of("i07"))
    theirs = shard.predict().query("item == 'i07'").reset_index(drop=True)
    ours = made.predict().query("item == 'i07'").reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, theirs)


def test_the_search_saw_some_series_and_says_so(fitted):
    _, made = fitted
    assert made.search.panel.n_series == 8
    assert any("of about" in message and "drawn by chance" in message for message in made.messages)
    assert made.leaderboard()["model"].iloc[0].startswith("ensemble") or len(made.search.members) == 1


def test_what_was_repaired_is_told_of_all_shards(fitted):
    _, made = fitted
    assert any("in all shards" in message and "missing" in message for message in made.messages), made.messages


def test_forecasts_go_into_a_file_for_each_shard(fitted, tmp_path):
    _, made = fitted
    made.predict(out=tmp_path / "forecasts")
    files = sorted((tmp_path / "forecasts").glob("*.parquet"))
    whole = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    pd.testing.assert_frame_equal(whole, made.predict())
    with pytest.raises(ConfigError, match="must go into a new folder"):
        made.predict(out=tmp_path / "forecasts")


def test_a_test_is_scored_over_all_shards_together(fitted):
    _, made = fitted
    test = _sales(14, first=_DAYS)
    found = made.evaluate(test)
    assert (found["series"], found["rows"]) == (_SERIES, len(test))
    shards = sorted({made.shard_of(f"i{i:02d}") for i in range(_SERIES)})
    each = [made.shard(s).evaluate(test[test["item"].map(made.shard_of) == s]) for s in shards]
    assert found["mae"] == pytest.approx(np.average([e["mae"] for e in each], weights=[e["rows"] for e in each]))


def test_rows_that_come_move_the_state_of_their_shards(fitted, tmp_path):
    import shutil

    folder, _ = fitted
    shutil.copytree(folder / "run", tmp_path / "run")
    made = ShardedPipeline(tmp_path / "run", workers=1)
    more = _sales(5, first=_DAYS)
    made.update(more).update(more)  # a feed may repeat itself
    begins = pd.Timestamp("2024-01-01") + pd.Timedelta(days=_DAYS + 5)
    assert (made.predict().groupby("item")["day"].min() == begins).all()


def test_commands_take_a_sharded_fit(fitted, tmp_path, monkeypatch):
    from autots.shards.crew import workers_for

    # Ray's start, for each command, is not what is tested here.
    monkeypatch.setattr("autots.shards.pipeline.workers_for", lambda folder, _, __: workers_for(folder, 1, None))
    from autots.commands.evaluate import evaluate
    from autots.commands.forecast import forecast
    from autots.commands.leaderboard import leaderboard
    from autots.commands.report import report

    folder, _ = fitted
    run = folder / "run"
    assert forecast(run, tmp_path / "forecast.csv").data["rows"] == _SERIES * _HORIZON
    assert forecast(run, tmp_path / "parts").data["files"]
    with pytest.raises(ConfigError, match="from its own history"):
        forecast(run, tmp_path / "other", data="x.csv")
    _sales(7, first=_DAYS).to_csv(tmp_path / "new.csv", index=False)
    assert evaluate(run, str(tmp_path / "new.csv")).data["series"] == _SERIES
    assert leaderboard(run).data["leaderboard"]
    assert report(run, tmp_path / "page.html").data["bytes"] > 1000


def test_load_says_how_a_sharded_fit_is_opened(fitted):
    folder, _ = fitted
    with pytest.raises(ArtifactError, match="one for each shard"):
        autots.load(folder / "run")


def test_the_same_fit_is_not_made_twice_and_another_one_not_mixed_in(fitted):
    folder, made = fitted
    asked: dict[str, Any] = {"budget": 12, "workers": 1, "shard_rows": 700, "sample_series": 8, "folds": 1}
    with pytest.raises(ConfigError, match="must be new"):
        ShardedAutoTS(_HORIZON, out=folder / "run", **asked).fit(folder / "sales.parquet")
    again = ShardedAutoTS(_HORIZON, out=folder / "run", resume=True, **asked).fit(folder / "sales.parquet")
    assert again.seconds == made.seconds
    with pytest.raises(ConfigError, match="must be the same fit"):
        ShardedAutoTS(_HORIZON, out=folder / "run", resume=True, metric="mae", **asked).fit(folder / "sales.parquet")


def test_a_killed_fit_goes_on_and_does_nothing_twice(fitted, tmp_path, monkeypatch):
    folder, _ = fitted
    asked: dict[str, Any] = {"budget": 12, "workers": 1, "shard_rows": 700, "sample_series": 8, "folds": 1}
    from autots.shards import work

    real, calls = work._fit, []

    def dies(where, request):
        calls.append(request.shard)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(where, request)

    monkeypatch.setattr(work, "_fit", dies)
    with pytest.raises(KeyboardInterrupt):
        ShardedAutoTS(_HORIZON, out=tmp_path / "run", **asked).fit(folder / "sales.parquet")
    with pytest.raises(ArtifactError, match="must have ended"):
        ShardedPipeline(tmp_path / "run")
    first = list(calls)
    made = ShardedAutoTS(_HORIZON, out=tmp_path / "run", resume=True, **asked).fit(folder / "sales.parquet")
    assert not set(first[:2]) & set(calls[3:])
    assert made.n_series == _SERIES
    assert len(made.predict()) == _SERIES * _HORIZON


def test_rows_that_another_node_kept_to_itself_are_missed(fitted, tmp_path, monkeypatch):
    from autots.shards import work

    folder, _ = fitted
    monkeypatch.setattr(work, "split_piece", lambda *_, **__: 7)
    with pytest.raises(ClusterError, match="all nodes must reach the folder"):
        ShardedAutoTS(_HORIZON, out=tmp_path / "run", budget=12, workers=1).fit(folder / "sales.parquet")


def test_a_shard_without_time_keeps_what_needs_none(fitted, tmp_path):
    import shutil

    from autots.shards.layout import ShardFolder
    from autots.shards.source import pieces_of
    from autots.shards.split import split_piece
    from autots.shards.work import FitShard, setup

    folder, made = fitted
    shutil.copytree(folder / "run", tmp_path / "run")
    where = ShardFolder(tmp_path / "run")
    where.parts.mkdir()
    (piece,) = pieces_of(folder / "sales.parquet", tmp_path / "none")
    split_piece(piece, ["item", "day", "sold"], ["item"], 1, where.parts, "00000")
    done = setup({"folder": str(where.root)})(FitShard(0, None, 0.0, seed=0))
    local = {m.family for m in made.search.members if m.model.local}
    assert {why.split(":")[0] for why in done.left_out} == local
    members = ShardedPipeline(where.root, workers=1).shard(0).members
    assert sum(m.weight[0] for m in members) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "pipeline.yaml"}, "must do without features"),
        ({"strict": True}, "must do without strict"),
        ({"freq": "count"}, "must have times"),
        ({"static": pd.DataFrame({"item": ["a"], "size": [1]})}, "is no path"),
        ({"shard_rows": 0}, "shard_rows must be a whole number"),
        ({"metric": "guess"}, "guess"),
    ],
)
def test_what_a_shard_cannot_keep_is_refused_at_once(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        ShardedAutoTS(_HORIZON, out=tmp_path / "run", **options)


def test_a_table_without_a_column_of_names_is_refused(tmp_path):
    frame = pd.DataFrame({"day": pd.date_range("2024", periods=50), "sold": np.arange(50.0)})
    with pytest.raises(DataError, match="row per series and time"):
        ShardedAutoTS(_HORIZON, out=tmp_path / "run", budget=10, workers=1).fit(frame)
    with pytest.raises(DataError, match="must have the columns"):
        ShardedAutoTS(_HORIZON, out=tmp_path / "other", budget=10, workers=1, id_col="shop").fit(frame)


def test_a_static_table_reaches_every_shard(tmp_path, monkeypatch):
    _sales(series=12).to_parquet(tmp_path / "sales.parquet")
    sizes = pd.DataFrame({"item": [f"i{i:02d}" for i in range(12)], "size": np.arange(12.0)})
    sizes.to_parquet(tmp_path / "sizes.parquet")
    monkeypatch.chdir(tmp_path)
    made = ShardedAutoTS(
        _HORIZON, out="run", budget=12, workers=1, shard_rows=250, static="sizes.parquet", id_col="item", folds=1
    ).fit("sales.parquet")
    seen: dict[str, float] = {}
    for number in {made.shard_of(f"i{i:02d}") for i in range(12)}:
        panel = made.shard(number).panel
        seen |= dict(zip(panel.ids.tolist(), panel.static["size"].tolist(), strict=True))
    assert seen == {f"i{i:02d}": float(i) for i in range(12)}
