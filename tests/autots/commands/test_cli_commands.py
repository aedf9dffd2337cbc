"""``zoo fit`` and its sisters, on one small finished run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autots import load

Zoo = Callable[..., int]
Capture = pytest.CaptureFixture[str]

_SCORES = {"smape", "mase", "rmse", "mse", "mae", "wql"}


def _answer(zoo: Zoo, capfd: Capture, *words: object) -> Any:
    """Run a command with --json and return its answer, which must be strict JSON alone on stdout."""
    capfd.readouterr()
    assert zoo(*words, "--json") == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(capfd.readouterr().out, parse_constant=refuse)


def _refusal(zoo: Zoo, capfd: Capture, *words: object) -> tuple[str, str]:
    """Run a command that must be refused, and return the two lines of the refusal."""
    capfd.readouterr()
    assert zoo(*words) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    what, hint = captured.err.splitlines()[-2:]
    assert what.startswith("error: ") and hint.startswith("hint: ") and len(hint) > len("hint: ")
    return what, hint


@pytest.mark.ray
def test_fit_leaves_a_run_directory(finished: Path) -> None:
    left = {entry.name for entry in finished.iterdir()}
    assert left >= {"study.journal", "oof", "run.json", "pipeline", "forecasts.parquet", "leaderboard.csv"}
    assert (finished / "report.html").read_text().lower().startswith("<!doctype html>")
    assert not [name for name in left if name.startswith(".")], "a file that was not finished"
    pipeline = load(finished)
    forecasts = pd.read_parquet(finished / "forecasts.parquet")
    pd.testing.assert_frame_equal(forecasts, pipeline.predict())
    assert list(forecasts.columns) == ["month", "mean", "0.1", "0.5", "0.9"]
    board = pd.read_csv(finished / "leaderboard.csv")
    assert board["model"].tolist() == pipeline.leaderboard()["model"].tolist()
    assert any(family in board["family"].tolist() for family in ("auto_theta", "linear_direct"))


@pytest.mark.ray
def test_forecast_writes_csv_and_parquet_into_new_folders(
    zoo: Zoo, finished: Path, tmp_path: Path, capfd: Capture
) -> None:
    table, columns = tmp_path / "new" / "folder" / "f.csv", tmp_path / "f.parquet"
    assert zoo("forecast", finished, "--out", table) == 0
    answer = _answer(zoo, capfd, "forecast", finished, "--out", columns)
    expected = load(finished).predict()
    pd.testing.assert_frame_equal(pd.read_csv(table, parse_dates=["month"]), expected, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(columns), expected)
    assert answer["rows"] == len(expected) == 6
    assert answer["series"] == 1 and answer["quantiles"] == [0.1, 0.5, 0.9]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.parquet", "new"]


@pytest.mark.ray
def test_forecast_starts_after_another_table(zoo: Zoo, finished: Path, tmp_path: Path, air_passengers: Path) -> None:
    assert zoo("forecast", finished, "--data", air_passengers, "--out", tmp_path / "f.csv") == 0
    assert pd.read_csv(tmp_path / "f.csv")["month"].iloc[0] == "1961-01-01"


@pytest.mark.ray
def test_evaluate_compares_with_what_came(zoo: Zoo, finished: Path, capfd: Capture) -> None:
    test = finished.parent / "test.csv"
    answer = _answer(zoo, capfd, "evaluate", finished, "--data", test)
    assert set(answer) >= {"series", "rows", "coverage", "skill", *_SCORES}
    assert (answer["series"], answer["rows"]) == (1, 12)
    assert answer["rmse"] ** 2 == pytest.approx(answer["mse"])
    assert list(answer["coverage"]) == ["0.8"]
    assert set(answer["skill"]) >= _SCORES
    assert zoo("evaluate", finished, "--data", test) == 0
    text = capfd.readouterr().out
    assert "mase" in text and "80 % interval" in text and "12 rows of 1 series" in text


@pytest.mark.ray
def test_leaderboard_tells_all_candidates(zoo: Zoo, finished: Path, capfd: Capture) -> None:
    answer = _answer(zoo, capfd, "leaderboard", finished)
    rows = answer["leaderboard"]
    assert rows[0]["family"] == "ensemble"
    assert {"seasonal_naive", "naive"} <= {row["family"] for row in rows}
    assert all(isinstance(row["params"], dict) for row in rows)
    assert sum(row["weight"] for row in rows[1:]) == pytest.approx(1.0)
    assert zoo("leaderboard", finished, "--limit", 2) == 0
    assert f"and {len(rows) - 2} more" in capfd.readouterr().out


@pytest.mark.ray
def test_report_goes_beside_the_pipeline_or_where_it_is_told(
    zoo: Zoo, finished: Path, tmp_path: Path, capfd: Capture
) -> None:
    answer = _answer(zoo, capfd, "report", finished, "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size == answer["bytes"]
    before = (finished / "report.html").read_text()
    (finished / "report.html").unlink()
    assert zoo("report", finished) == 0
    assert (finished / "report.html").read_text() == before


@pytest.mark.ray
def test_a_run_directory_is_not_overwritten(zoo: Zoo, finished: Path, capfd: Capture) -> None:
    before = (finished / "study.journal").read_bytes()
    data = finished.parent / "train.csv"
    what, hint = _refusal(zoo, capfd, "fit", data, "--horizon", 6, "--out", finished)
    assert "holds a run already" in what and "--resume" in hint
    assert (finished / "study.journal").read_bytes() == before


@pytest.mark.ray
def test_a_run_is_resumed_with_its_own_settings_only(zoo: Zoo, finished: Path, capfd: Capture) -> None:
    data = finished.parent / "train.csv"
    words = ("fit", data, "--out", finished, "--resume", "--horizon")
    assert "horizon was 6" in _refusal(zoo, capfd, *words, 7)[0]
    assert "seed was 0" in _refusal(zoo, capfd, *words, 6, "--seed", 1)[0]
    other = finished.parent / "test.csv"
    what, _ = _refusal(zoo, capfd, "fit", other, "--out", finished, "--resume", "--horizon", 6)
    assert "the data, or how they are read, differ" in what


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, zoo: Zoo) -> Path:
    """A run with a known covariate that is too short for a backtest: it needs no cluster."""
    folder = tmp_path_factory.mktemp("short")
    days = pd.date_range("2024-01-01", periods=6, freq="D")
    frame = pd.DataFrame({"day": days, "price": 1.0, "sold": [3.0, 4.0, 5.0, 4.0, 3.0, 4.0]})
    frame.to_csv(folder / "sales.csv", index=False)
    future = pd.DataFrame({"day": days + pd.Timedelta(days=6), "price": 1.0})
    future.to_csv(folder / "future.csv", index=False)
    words = ("--known", "price", "--target-col", "sold", "--out", folder / "run")
    assert zoo("fit", folder / "sales.csv", "--horizon", 6, "--budget", "5s", *words) == 0
    return folder


def test_known_covariates_need_a_future_table(zoo: Zoo, short: Path, tmp_path: Path, capfd: Capture) -> None:
    assert not (short / "run" / "forecasts.parquet").exists()
    what, hint = _refusal(zoo, capfd, "forecast", short / "run", "--out", tmp_path / "f.csv")
    assert "price" in what and "--future FILE" in hint
    assert zoo("forecast", short / "run", "--future", short / "future.csv", "--out", tmp_path / "f.csv") == 0
    assert len(pd.read_csv(tmp_path / "f.csv")) == 6


def test_answers_without_scores_are_strict_json(zoo: Zoo, short: Path, capfd: Capture) -> None:
    rows = _answer(zoo, capfd, "leaderboard", short / "run")["leaderboard"]
    assert rows[0]["score"] is None


def test_the_printed_next_steps_can_be_typed(zoo: Zoo, tmp_path: Path, capfd: Capture) -> None:
    data = tmp_path / "some data.csv"
    data.write_text("day,sold\n2024-01-01,3\n2024-01-02,4\n2024-01-03,5\n")
    run = tmp_path / "it's a run"
    assert zoo("fit", data, "--horizon", 5, "--budget", "5s", "--out", run) == 0
    printed = capfd.readouterr().out
    assert str(run) in printed
    steps = re.findall(r"^  zoo (.*)$", printed, flags=re.MULTILINE)
    assert [step.split()[0] for step in steps] == ["forecast", "evaluate", "leaderboard"]
    forecast = [word if word != "forecast.csv" else str(tmp_path / "f.csv") for word in shlex.split(steps[0])]
    assert zoo(*forecast) == 0 and zoo(*shlex.split(steps[2])) == 0
    assert len(pd.read_csv(tmp_path / "f.csv")) == 5


def test_a_run_directory_is_named_after_the_data_and_the_time(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sold.v2.csv").write_text("day,sold\n2024-01-01,3\n2024-01-02,4\n2024-01-03,5\n")
    answer = _answer(zoo, capfd, "fit", "sold.v2.csv", "--horizon", 5, "--budget", "5s")
    assert re.fullmatch(r"runs/sold-\d{8}-\d{6}", answer["run"])
    assert Path(answer["run"]).is_dir() and answer["score"] is None
    assert "forecasts.parquet" in answer["files"] and "pipeline/" in answer["files"]


_FIT = ("--horizon", "3", "--out", "run")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "nothere.csv", *_FIT], "does not exist"),
        (["fit", "empty.csv", *_FIT], "the file is empty"),
        (["fit", "header.csv", *_FIT], "only a header"),
        (["fit", "mixed", *_FIT], "must have the same columns"),
        (["fit", "good.json", *_FIT], "kind of a file"),
        (["fit", "good.csv", *_FIT, "--target-col", "foo"], "'foo'"),
        (["fit", "good.csv", *_FIT, "--known", "price"], "'price'"),
        (["fit", "good.csv", *_FIT, "--static", "nothere.csv"], "does not exist"),
        (["fit", "good.csv", *_FIT, "--freq", "bogus"], "freq must be"),
        (["fit", "good.csv", *_FIT, "--freq", "1"], "freq must fit the times"),
        (["fit", "good.csv", *_FIT, "--season", "week"], "--season must be whole numbers"),
        (["fit", "good.csv", *_FIT, "--metric", "foo"], "metric must be one of"),
        (["fit", "good.csv", *_FIT, "--budget", "soon"], "a budget must be a duration"),
        (["fit", "good.csv", *_FIT, "--budget", "0s"], "a budget must be positive"),
        (["fit", "good.csv", *_FIT, "--quantiles", "0.1,x"], "--quantiles must be numbers"),
        (["fit", "good.csv", *_FIT, "--quantiles", "1.5"], "quantiles must lie between"),
        (["fit", "good.csv", *_FIT, "--folds", "0"], "folds must be a whole number"),
        (["fit", "good.csv", *_FIT, "--folds", "500"], "500 folds"),
        (["fit", "good.csv", *_FIT, "--workers", "0"], "workers must be a whole number"),
        (["fit", "good.csv", "--horizon", "0"], "horizon must be a whole number"),
        (["fit", "good.csv"], "--horizon"),
        (["fit", "good.csv", "--horizon", "3", "--resume"], "--out is not given"),
        (["fit", "good.csv", "--horizon", "3", "--out", "good.csv"], "must be a folder that can be written to"),
        (["fit", "good.csv", "--horizon", "3", "--out", "good.csv/run"], "must be a folder that can be written to"),
        (["forecast", "nothere", "--out", "f.csv"], "there is nothing at nothere"),
        (["forecast", "mixed", "--out", "f.csv"], "mixed is neither"),
        (["forecast", "mixed", "--out", "f.txt"], "must be a file that ends with .csv or .parquet"),
        (["evaluate", "good.csv", "--data", "good.csv"], "manifest.json"),
        (["leaderboard", "mixed"], "mixed is neither"),
        (["report", "mixed", "--out", "mixed"], "must be a file"),
        (["demo", "--budget", "never"], "a budget must be a duration"),
    ],
)
def test_a_users_mistake_is_refused_before_anything_starts(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"2024-01-{day:02d},{day}\n" for day in range(1, 21))
    for name in ("good.csv", "good.json", "mixed/a.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("day,sold\n" + rows)
    Path("mixed/b.csv").write_text("day,bought\n" + rows)
    Path("header.csv").write_text("day,sold\n")
    Path("empty.csv").touch()
    before = sorted(tmp_path.rglob("*"))
    what, _ = _refusal(zoo, capfd, *words)
    assert message in what
    left = [path.name for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert set(left) <= {"run"}, "a refused command left something behind"


def test_a_run_that_has_not_ended_says_so(zoo: Zoo, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "run.json").write_text("{}")
    what, hint = _refusal(zoo, capfd, "leaderboard", tmp_path)
    assert "has no pipeline yet" in what and "--resume" in hint
