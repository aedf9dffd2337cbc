"""``zoo study``: a study from a YAML file to its report, as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from zoo.cli import main
from zoo.cluster import Session
from zoo.errors import ConfigError
from zoo.search import Categorical, Float, Int, Metric, Normal, Ordinal, Space, Study
from zoo.search.budget import Budget
from zoo.search.commands.study_file import read_spec
from zoo.spec.lines import read_yaml

_TRAINING = """
import os, time
from zoo.search import Float, Space

SPACE = Space(lr=Float(1e-3, 1.0, log=True))

def train(trial):
    loss = trial.params["lr"] + 1.0
    for epoch in range(1, 4):
        time.sleep(float(os.environ.get("SLEEP", 0)))
        loss -= 0.1
        if trial.params["lr"] > 0.8:
            raise ValueError("too fast")
        trial.report(epoch, {"loss": loss, "size": 1.0})
"""
_STUDY = """\
train: tuned:train      # beside this file
space:
  lr: {type: float, low: 1e-3, high: 1.0, log: true}
  opt: {type: categorical, choices: [adam, sgd, off]}
metrics: {loss: minimize, size: {at_most: 2}}
budget: 15
driver: inline
sampler: random
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "tuned.py").write_text(_TRAINING)
    (tmp_path / "files" / "study.yaml").write_text(_STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "tuned", raising=False)
    return tmp_path


def zoo(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    status = main(["study", *words])
    out, err = capfd.readouterr()
    assert status == code, err
    return out


def zoo_json(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    out = zoo(capfd, *words, "--json", code=code)
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out)
    return found


def refusal(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    status = main(["study", *words])
    out, err = capfd.readouterr()
    what, hint = err.splitlines()
    assert status == 2 and out == ""
    assert what.startswith("error: ") and hint.startswith("hint: ") and len(hint) > 10
    return what, hint


# from the file to the report


def test_a_study_goes_from_its_file_to_all_commands(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = zoo(capfd, "run", "files/study.yaml")
    assert "15 of 15" in said and "zoo study report study.journal" in said
    found = zoo_json(capfd, "show", "study.journal")
    assert found["trials"] == 15 and sum(found["states"].values()) == 15 and found["running"] == []
    assert found["best"]["metrics"]["loss"] == pytest.approx(found["best"]["params"]["lr"] + 0.7)
    assert found["failures"].keys() <= {"exception"}
    best = zoo_json(capfd, "best", "study.journal", "--limit", "3")["best"]
    assert best[0] == found["best"]
    assert [item["value"] for item in best] == sorted(item["value"] for item in best)
    text = zoo(capfd, "best", "study.journal")
    assert repr(found["best"]["params"]["lr"]) in text  # in full, to be copied
    replayed = zoo_json(capfd, "replay", "study.journal")
    assert replayed["agrees"] is True and replayed["asked"] == 15
    assert zoo_json(capfd, "report", "study.journal")["report"] == "study.html"
    assert Path("study.html").read_text(encoding="utf-8").endswith("</html>\n")


def test_exports_agree(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import pandas as pd

    zoo(capfd, "run", "files/study.yaml", "--out", "deep/s.journal", "--budget", "8")
    rows = list(csv.DictReader(io.StringIO(zoo(capfd, "export", "deep/s.journal"))))
    assert len(rows) == 8 and {"number", "state", "params_lr", "metrics_loss", "started"} <= rows[0].keys()
    for name in ("t.csv", "t.json", "t.parquet"):
        assert zoo_json(capfd, "export", "deep/s.journal", "--out", f"out/{name}")["format"] == name[2:]
    full = json.loads(Path("out/t.json").read_text(encoding="utf-8"))
    for table in (pd.read_csv("out/t.csv", float_precision="round_trip"), pd.read_parquet("out/t.parquet")):
        assert table["params_lr"].tolist() == [row["params"]["lr"] for row in full]
        assert table["params_opt"].tolist() == [row["params"]["opt"] for row in full]
    done = [row for row in full if row["state"] == "complete"]
    assert all(row["reports"].keys() == {"1", "2", "3"} for row in done) and done
    assert zoo_json(capfd, "export", "deep/s.journal")["rows"] == full


def test_choices_of_several_types_can_be_exported(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import pandas as pd

    with Study.open("mixed", Space(x=Categorical("a", 1, None, 2.5)), sampler="random") as study:
        while (trial := study.ask()) is not None:  # each of the four choices once
            study.tell(trial.number, 1.0)
        given = [record.params["x"] for record in study.trials]
    zoo(capfd, "export", "mixed", "--out", "t.parquet")
    assert pd.read_parquet("t.parquet")["params_x"].tolist() == [None if x is None else str(x) for x in given]


def test_resume_goes_on_with_the_file_that_the_journal_holds(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    zoo(capfd, "run", "files/study.yaml", "--out", "s", "--budget", "5", "--seed", "7")
    Path("files/study.yaml").unlink()
    assert zoo_json(capfd, "resume", "s")["trials"] == 5  # nothing is left to do
    more = zoo_json(capfd, "resume", "s", "--budget", "9")
    assert more["trials"] == 9 and more["budget"] == 9 and more["settings"]["seed"] == "7"
    assert zoo_json(capfd, "replay", "s")["agrees"]


def test_a_killed_run_is_resumed(
    folder: Path, capfd: pytest.CaptureFixture[str], zoo_environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "zoo.cli", "study", "run", "files/study.yaml", "--out", "s"]
    process = subprocess.Popen(command, env={**zoo_environment, "SLEEP": "0.05"}, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if os.path.exists("s") and Path("s").read_text(encoding="utf-8").count('"ended"') >= 3:
            break
        time.sleep(0.01)
    running = zoo_json(capfd, "show", "s")  # while the other process has it open
    assert running["trials"] >= 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = zoo_json(capfd, "resume", "s")
    assert found["trials"] == 15 and "running" not in found["states"]


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(folder: Path, zoo_environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "zoo.cli", "study", "run", "files/study.yaml", "--out", "s"]
    process = subprocess.Popen(command, env={**zoo_environment, "SLEEP": "0.2"}, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while time.monotonic() < end and not (os.path.exists("s") and '"ended"' in Path("s").read_text(encoding="utf-8")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "zoo study resume s" in out


@pytest.mark.ray
def test_workers_find_the_module_beside_the_file(
    folder: Path, session: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    found = zoo_json(capfd, "run", "files/study.yaml", "--driver", "pool", "--workers", "2", "--budget", "6")
    assert found["trials"] == 6 and found["states"].get("complete", 0) >= 4


def test_replay_says_what_came_out_otherwise(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    zoo(capfd, "run", "files/study.yaml", "--out", "s", "--budget", "4")
    text = Path("s").read_text(encoding="utf-8")
    assert '"seed":0' in text
    Path("s").write_text(text.replace('"seed":0', '"seed":1'), encoding="utf-8")
    found = zoo_json(capfd, "replay", "s", code=1)
    assert not found["agrees"] and len(found["differences"]) == 4
    assert "4 of 4 suggestions came out otherwise" in zoo(capfd, "replay", "s", code=1)


def test_several_objectives_show_their_front(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    metrics = [Metric("loss", "minimize"), Metric("speed", "maximize")]
    with Study.open("s", Space(x=Float(0, 1)), metrics=metrics, sampler="random") as study:
        for _ in range(6):
            trial = study.ask()
            assert trial is not None
            study.tell(trial.number, {"loss": trial.params["x"], "speed": trial.params["x"]})
        front = [record.number for record in study.pareto]
    shown = zoo_json(capfd, "show", "s")
    assert [item["number"] for item in shown["front"]] == front and shown["best"] is None
    assert [item["number"] for item in zoo_json(capfd, "best", "s")["front"]] == front
    assert "front" in zoo(capfd, "show", "s")


# the user's mistakes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("high: 1.0", "high: one", "study.yaml, line 3, space.lr.high: should be a valid number, but got 'one'"),
        ("high: 1.0, ", "", "study.yaml, line 3, space.lr.high: is needed"),
        ("log: true", "logarithmic: true", "study.yaml, line 3, space.lr.logarithmic: is no field"),
        ("low: 1e-3", "low: 2", "study.yaml, line 3, space.lr: finite `low <= high` must hold"),
        ("type: float", "type: flot", "study.yaml, line 3, space.lr: type must be one of 'float'"),
        ("type: float, ", "", "study.yaml, line 3, space.lr: must have a type"),
        ("choices: [adam, sgd, off]", "choices: []", "study.yaml, line 4, space.opt: choices must be at least one"),
        ("off]", "off], when: {lt: 1}", "study.yaml, line 4, space.opt: a condition must name a parameter"),
        ("log: true}", "log: true, prior: {type: normal, mean: 5, sd: 1}}", "line 3, space.lr: a prior must lie"),
        ("loss: minimize", "loss: minimise", "study.yaml, line 5, metrics.loss"),
        ("loss: minimize, ", "", "study.yaml, line 5, metrics: a study must have an objective"),
        ("budget: 15", "budget: soon", "study.yaml, line 6, budget: a budget must be a duration"),
        ("budget: 15", "budget: 15\nbudgett: 3", "study.yaml, line 7, budgett: is no field"),
        ("budget: 15", "budget: 15\nbudget: 16", "'budget' must occur once, but line 7 has it again"),
        ("budget: 15", "stopper: {name: hyperbond}", "study.yaml, line 6, stopper: a stopper must be known"),
        ("budget: 15", "constraints: [lr <= depth]", "study.yaml, line 6, constraints.0: a constraint must name"),
        ("budget: 15", "options: {max_losses: 0}", "study.yaml, line 6, options: `max_losses >= 1`"),
        ("budget: 15", "enqueue: [{lr: 0.1}, {le: 0.1}]", "study.yaml, line 6, enqueue.1: a parameter must belong"),
        ("tuned:train", "tuned:trian", "study.yaml, line 1, train: must name something in tuned"),
        ("tuned:train", "tunde:train", "study.yaml, line 1, train: must name a module, but there is no tunde"),
        ("tuned:train", "tuned", "study.yaml, line 1, train: must be 'module:name'"),
        ("tuned:train", "tuned:SPACE", "study.yaml, line 1, train: must name a function"),
        ("space:", "space: [", "study.yaml, line"),
        ("sampler: random", "sampler: tep", "a sampler must be known"),
        ("driver: inline", "driver: outline", "a driver must be one of"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(
    folder: Path, capfd: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    assert _STUDY.count(old) == 1
    Path("files/study.yaml").write_text(_STUDY.replace(old, new))
    what, _ = refusal(capfd, "run", "files/study.yaml")
    assert message in what


def test_other_mistakes_are_two_lines(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "readable" in refusal(capfd, "run", "nothing.yaml")[0]
    zoo(capfd, "run", "files/study.yaml", "--out", "s", "--budget", "2")
    what, hint = refusal(capfd, "run", "files/study.yaml", "--out", "s")
    assert "new file" in what and "zoo study resume s" in hint
    for command in ("show", "best", "report", "replay", "export", "resume"):
        assert "none.journal" in refusal(capfd, command, "none.journal")[0]
        Path("text.txt").write_text("hello\nworld\n")
        assert "text.txt" in refusal(capfd, command, "text.txt")[0]
    assert "format" in refusal(capfd, "export", "s", "--out", "t.xlsx")[0]
    assert "parquet" in refusal(capfd, "export", "s", "--format", "parquet")[0]
    assert "writable" in refusal(capfd, "report", "s", "--out", "s/page.html")[0]
    for words in (("report", "s", "--out", "./s"), ("export", "s", "--out", "s", "--format", "csv")):
        assert "must not be written over" in refusal(capfd, *words)[0]
    assert "no such command: 'study rnu'" in refusal(capfd, "rnu")[0]
    with Study.open("python", Space(x=Float(0, 1))):
        assert "begun by `zoo study run`" in refusal(capfd, "resume", "python")[0]
    with Study.open(
        "s",
        read_spec(Path("files/study.yaml"), {}).space,
        metrics=[Metric("loss", "minimize"), Metric("size", at_most=2)],
    ):
        assert str(os.getpid()) in refusal(capfd, "resume", "s", "--budget", "4")[0]


def test_a_study_without_a_complete_trial_can_be_looked_at(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Study.open("s", Space(x=Float(0, 1))) as study:
        study.ask()
    assert zoo_json(capfd, "show", "s")["best"] is None
    assert "no trial is complete yet" in zoo(capfd, "show", "s")
    assert zoo_json(capfd, "best", "s")["best"] == []
    zoo(capfd, "report", "s")


def test_the_group_is_listed_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"]):
        out = zoo(capfd, *words)
        assert "study run" in out and "study replay" in out and "doctor" not in out


# the file


def test_every_field_of_the_file_arrives(folder: Path) -> None:
    text = """
train: tuned:train
space:
  lr: {type: float, low: 1e-5, high: 1e-1, log: true, default: 1e-3, prior: {type: normal, mean: 1e-3, sd: 0.5}}
  layers: {type: int, low: 1, high: 8}
  opt: {type: categorical, choices: [adam, sgd, no], weights: [3, 1, 1]}
  momentum: {type: float, low: 0, high: 1, when: {opt: [sgd, no]}}
  batch: {type: ordinal, choices: [16, 32, 64]}
constraints: [layers * batch <= 400]
metrics: {val_loss: minimize, speed: {direction: maximize, at_least: 3}, latency: {at_most: 5}, size: store}
budget: {trials: 10, cost: 1e3, time: 2h}
sampler: tpe
stopper: {name: asha, max_step: 27}
driver: inline
workers: 3
parallel: 4
resources: {cpu: 2, gpu: 0.5, memory: 1000000, tpu: 1}
time_limit: 10min
seed: 5
enqueue: [{lr: 0.01, opt: sgd, momentum: 0.9}]
warm_start: [old.journal]
options: {max_losses: 5, diverged_at: 100.0}
"""
    Path("files/study.yaml").write_text(text)
    plan = read_spec(Path("files/study.yaml"), {})
    wanted = Space(
        lr=Float(1e-5, 1e-1, log=True, default=1e-3, prior=Normal(1e-3, 0.5)),
        layers=Int(1, 8),
        opt=Categorical("adam", "sgd", "no", weights=[3, 1, 1]),
        momentum=Float(0, 1, when={"opt": ("sgd", "no")}),
        batch=Ordinal(16, 32, 64),
        constraints=["layers * batch <= 400"],
    )
    assert plan.space.describe() == wanted.describe()
    assert plan.metrics == [
        Metric("val_loss", "minimize"),
        Metric("speed", "maximize", at_least=3),
        Metric("latency", at_most=5),
        Metric("size", store=True),
    ]
    assert plan.budget == Budget(trials=10, cost=1e3, time=7200.0)
    assert plan.stopper is not None and plan.stopper.describe()["max_step"] == 27
    assert plan.resources == {"cpu": 2, "gpu": 0.5, "memory": 1_000_000, "tpu": 1}
    assert (plan.options.max_losses, plan.options.diverged_at) == (5, 100.0)
    assert (plan.spec.seed, plan.spec.workers, plan.spec.parallel, plan.spec.time_limit) == (5, 3, 4, "10min")
    assert plan.train.__name__ == "train" and plan.folder == folder / "files"


def test_a_space_may_be_written_in_python(folder: Path) -> None:
    text = "train: tuned:train\nspace: tuned:SPACE\nbudget: 3\n"
    Path("files/study.yaml").write_text(text)
    plan = read_spec(Path("files/study.yaml"), {"budget": "1h"})
    assert list(plan.space) == ["lr"] and plan.budget.time == 3600.0
    assert plan.metrics == [Metric("value", "minimize")]
    Path("files/study.yaml").write_text(text.replace("tuned:SPACE", "tuned:train"))
    with pytest.raises(ConfigError, match=r"study.yaml, line 2, space: must name a Space"):
        read_spec(Path("files/study.yaml"), {})


def test_numbers_and_words_mean_what_people_think() -> None:
    text = "[1e-4, 1E3, -2.5e+7, 1.5, .5, 1., 3, 0x10, on, off, yes, no, y, true, False, null, ~, 1_0, .inf, 1e, '2']"
    value, _ = read_yaml(text, "t", hint="fix it")
    assert value[:8] == [1e-4, 1e3, -2.5e7, 1.5, 0.5, 1.0, 3, 16]
    assert value[8:17] == ["on", "off", "yes", "no", "y", True, False, None, None]
    assert value[18:] == [float("inf"), "1e", "2"]


def test_a_file_cannot_make_objects() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        read_yaml("a: 1\nb: !!python/object/apply:os.system [ls]\n", "t", hint="fix it")
