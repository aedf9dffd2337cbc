"""``zoo demo``: the data, the fit, and the commands that it tells to type."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from autots import load
from zoo.cli import main

Environment = dict[str, str]


def _zoo(environment: Environment, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoo.cli", *words]
    result = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.slow
def test_what_the_demo_tells_to_type_works(zoo_environment: Environment, tmp_path: Path) -> None:
    told = _zoo(zoo_environment, tmp_path, "demo", "--dataset", "shop", "--budget", "10s")
    assert "started, budget 10 s" in told.stderr
    steps = re.findall(r"^  zoo (.*)$", told.stdout, flags=re.MULTILINE)
    answers = [json.loads(_zoo(zoo_environment, tmp_path, *shlex.split(step), "--json").stdout) for step in steps]
    forecast, evaluation, board = answers
    assert forecast["rows"] == 8 * 28 == len(pd.read_csv(tmp_path / "forecast.csv"))
    assert evaluation["series"] == 8 and evaluation["rows"] == 8 * 28
    assert board["leaderboard"][0]["family"] == "ensemble"
    run = tmp_path / "zoo-demo"
    assert load(run).known == ("price", "promo")
    train, test = (pd.read_csv(run / "data" / f"{name}.csv") for name in ("train", "test"))
    assert train["ds"].max() < test["ds"].min() and len(test) == 8 * 28


@pytest.mark.slow
def test_each_demo_has_a_run_of_its_own(zoo_environment: Environment, tmp_path: Path) -> None:
    for name in ("zoo-demo", "zoo-demo-2"):
        out = _zoo(zoo_environment, tmp_path, "demo", "--dataset", "nile", "--budget", "1s", "--json").stdout
        assert json.loads(out)["run"] == name and (tmp_path / name / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "nil"], "did you mean 'nile'"),
        (["--budget", "never"], "a budget must be a duration"),
        (["--out", "taken"], "holds a run already"),
    ],
)
def test_a_users_mistake_is_refused_before_anything_is_written(
    tmp_path: Path,
    entry_points: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.syspath_prepend(str(entry_points))
    monkeypatch.chdir(tmp_path)
    Path("taken").mkdir()
    Path("taken/run.json").write_text("{}")
    assert main(["demo", *words]) == 2
    assert message in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["run.json", "taken"]
