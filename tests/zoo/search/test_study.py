"""The study's state machine and its journal."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from zoo.clock import ManualClock
from zoo.errors import ConfigError, StudyError
from zoo.search import Categorical, FailureKind, Float, Int, Space, Study, Trial

SPACE = Space(
    model=Categorical("tree", "linear"),
    depth=Int(1, 8, when={"model": "tree"}),
    rate=Float(1e-3, 1.0, log=True),
    share=Float(0.0, 1.0),
)


def objective(params: Any) -> float:
    return float((math.log(params["rate"]) + 3) ** 2 + params["share"] + params.get("depth", 3) / 10)


def ask(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


def run(study: Study, count: int) -> list[dict[str, Any]]:
    asked = []
    for _ in range(count):
        trial = ask(study)
        asked.append(dict(trial.params))
        study.tell(trial.number, objective(trial.params), seconds=1.0)
    return asked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "study.journal"


def test_suggestions_lie_in_the_space(path: Path) -> None:
    with Study.open(path, SPACE) as study:
        assert all(SPACE.contains(params) for params in run(study, 40))


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_same_seed_and_history_give_the_same_suggestions_across_reopening(tmp_path: Path, sampler: Any) -> None:
    with Study.open(tmp_path / "a", SPACE, seed=7, sampler=sampler) as study:
        whole = run(study, 25)
    split = []
    for _ in range(5):
        with Study.open(tmp_path / "b", SPACE, seed=7, sampler=sampler) as study:
            split += run(study, 5)
    assert split == whole
    with Study.open(tmp_path / "c", SPACE, seed=8, sampler=sampler) as study:
        assert run(study, 25) != whole


def test_tpe_beats_random_on_a_simple_objective(tmp_path: Path) -> None:
    def best(sampler: Any) -> float:
        values = []
        for seed in range(3):
            with Study.open(tmp_path / f"{sampler}{seed}", SPACE, seed=seed, sampler=sampler) as study:
                run(study, 40)
                assert study.best is not None and study.best.value is not None
                values.append(study.best.value)
        return statistics.median(values)

    assert best("tpe") < best("random")


def test_running_trials_change_the_next_suggestion(tmp_path: Path) -> None:
    suggestions = []
    for pending in (False, True):
        with Study.open(tmp_path / str(pending), SPACE) as study:
            run(study, 20)
            for waiting in [ask(study) for _ in range(10)]:
                if not pending:
                    study.fail(waiting.number, FailureKind.LOST, "gone", 0.0)
            suggestions.append(ask(study).params)
    assert suggestions[0] != suggestions[1]


def test_failures_of_the_configuration_teach_and_losses_do_not(tmp_path: Path) -> None:
    """Trees always crash: the sampler must come to prefer linear models."""
    shares = {}
    for kind in (FailureKind.EXCEPTION, FailureKind.LOST):
        with Study.open(tmp_path / kind, SPACE) as study:
            for _ in range(60):
                trial = ask(study)
                if trial.params["model"] == "tree":
                    study.fail(trial.number, kind, "broken", 0.1)
                else:
                    study.tell(trial.number, 1.0, seconds=1.0)
            models = [record.params["model"] for record in study.trials[30:]]
            shares[kind] = models.count("tree") / len(models)
    assert shares[FailureKind.EXCEPTION] < shares[FailureKind.LOST]


def test_any_number_of_failures_is_survived(path: Path) -> None:
    with Study.open(path, SPACE) as study:
        for number, kind in enumerate(list(FailureKind) * 6):
            trial = ask(study)
            assert trial.number == number and SPACE.contains(trial.params)
            study.fail(trial.number, kind, "no", 0.0)
        assert study.best is None


def test_queued_points_come_first_in_order_and_keep_their_values(path: Path) -> None:
    first = {"model": "tree", "depth": 20, "rate": 5.0, "share": 0.5}  # two values outside of their bounds
    with Study.open(path, SPACE) as study:
        assert study.enqueue(first, tag="prior") == 0
        assert study.enqueue({"model": "linear", "depth": 3}, tag="partial") == 1
        assert study.enqueue(first, tag="prior") == 0  # again: nothing
        assert [record.state for record in study.trials] == ["queued", "queued"]
    with Study.open(path, SPACE) as study:
        one, two, three = ask(study), ask(study), ask(study)
        assert (one.number, one.params, one.tag) == (0, first, "prior")
        assert (two.number, two.params["model"], two.tag) == (1, "linear", "partial")
        assert "depth" not in two.params and SPACE.contains(two.params)
        assert three.tag == ""
        study.tell(0, 1.0, seconds=1.0)
        assert study.trials[0].params == first
        run(study, 15)  # the sampler copes with the outsider


@pytest.mark.parametrize("params", [{"colour": 1}, {"model": "forest"}, {"depth": 2.5}, {"rate": float("nan")}])
def test_queued_points_must_be_understood(path: Path, params: dict[str, Any]) -> None:
    with Study.open(path, SPACE) as study:
        with pytest.raises(ConfigError):
            study.enqueue(params)
        assert study.trials == []


def test_records_say_everything_after_reopening(path: Path) -> None:
    clock = ManualClock(100.0)
    with Study.open(path, SPACE, clock=clock) as study:
        trial = ask(study)
        study.report(trial, 1, 0.5)
        study.report(trial.number, 2, 0.25)
        clock.advance(3.0)
        study.tell(trial.number, 0.2, attrs={"folds": [1, 2]})
        other = ask(study)
        study.fail(other.number, FailureKind.MEMORY, "too much", 2.0)
        third = ask(study)
        study.tell(third.number, float("inf"), seconds=1.0)
    with Study.open(path, SPACE) as study:
        done, failed, infinite = study.trials
        assert study.best == done
    assert (done.state, done.value, done.seconds, done.attrs) == ("complete", 0.2, 3.0, {"folds": [1, 2]})
    assert done.reports == {1: 0.5, 2: 0.25} and done.params == trial.params
    assert (failed.state, failed.failure, failed.message, failed.seconds) == (
        "failed", FailureKind.MEMORY, "too much", 2.0,
    )  # fmt: skip
    assert (infinite.failure, infinite.value) == (FailureKind.INFINITE, None)


def test_best_respects_the_direction(path: Path) -> None:
    with Study.open(path, SPACE, direction="maximize") as study:
        for value in (1.0, 3.0, 3.0, 2.0):
            study.tell(ask(study).number, value, seconds=0.0)
        assert study.best is not None and study.best.number == 1


def test_a_trial_is_told_once(path: Path) -> None:
    with Study.open(path, SPACE) as study:
        trial = ask(study)
        study.tell(trial.number, 1.0, seconds=1.0)
        calls: list[Callable[[], None]] = [
            lambda: study.tell(trial.number, 2.0, seconds=1.0),
            lambda: study.fail(trial.number, FailureKind.LOST, "", 0.0),
            lambda: study.report(trial, 1, 1.0),
            lambda: study.tell(99, 1.0, seconds=1.0),
        ]
        for call in calls:
            with pytest.raises(StudyError, match="only a running trial"):
                call()
        assert study.trials[0].value == 1.0


def test_attrs_that_are_not_json_change_nothing(path: Path) -> None:
    with Study.open(path, SPACE) as study:
        trial = ask(study)
        with pytest.raises(ConfigError, match="JSON"):
            study.tell(trial.number, 1.0, seconds=1.0, attrs={"x": object()})
        study.tell(trial.number, 1.0, seconds=1.0)


def test_running_trials_are_resumed_once_under_their_numbers(path: Path) -> None:
    with Study.open(path, SPACE) as study:
        run(study, 3)
        trial = ask(study)
        assert study.resume() == []
    with Study.open(path, SPACE) as study:
        (record,) = study.resume()
        assert (record.number, record.params, record.state) == (3, trial.params, "running")
        assert study.resume() == []
        study.tell(3, 1.0, seconds=1.0)
        assert ask(study).number == 4


def test_a_second_opening_is_refused_with_the_holders_pid(path: Path) -> None:
    # flock belongs to the open file, so the same lock refuses within a process and between processes
    with Study.open(path, SPACE), pytest.raises(StudyError, match=r"process \d+ has .* open") as caught:
        Study.open(path, SPACE)
    assert str(os.getpid()) in caught.value.message
    Study.open(path, SPACE).close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "other"}, "same fingerprint"),
        ({"direction": "maximize"}, "same metrics"),
        ({"space": Space(a=Int(1, 2))}, "same space"),
    ],
)
def test_another_identity_is_refused(path: Path, change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"space": SPACE, "fingerprint": "data", "direction": "minimize"}
    Study.open(path, **options).close()
    with pytest.raises(StudyError, match=message) as caught:
        Study.open(path, **{**options, **change})
    assert caught.value.hint
    Study.open(path, **options).close()


def test_every_truncation_of_the_journal_opens_with_whole_transactions(path: Path, tmp_path: Path) -> None:
    """Cut the file after each byte of its last transactions, as a crash could."""
    with Study.open(path, SPACE, sampler="random") as study:
        study.enqueue({"model": "linear"}, tag="prior")
        run(study, 2)
        full = study.trials
    data = path.read_bytes()
    sizes = set()
    for size in range(0, len(data), 7):
        torn = tmp_path / "torn"
        torn.write_bytes(data[:size])
        with Study.open(torn, SPACE, sampler="random") as study:
            for record, whole in zip(study.trials, full, strict=False):
                if record.state == "running":
                    assert record.params == whole.params  # never handed out half
                elif record.state == "complete":
                    assert record == whole
            sizes.add(len(study.trials))
            for orphan in study.resume():
                study.tell(orphan.number, objective(orphan.params), seconds=1.0)
            study.enqueue({"model": "linear"}, tag="prior")  # a driver repeats its start
            run(study, 2 - sum(record.state == "complete" for record in study.trials))
            assert [(r.number, r.params, r.value) for r in study.trials] == [
                (r.number, r.params, r.value) for r in full
            ]
    assert sizes == {0, 1, 2}


def test_damage_elsewhere_is_refused(path: Path) -> None:
    with Study.open(path, SPACE) as study:
        run(study, 2)
    data = path.read_bytes()
    path.write_bytes(b"#" + data[1:])
    with pytest.raises(StudyError, match="damaged in line 1"):
        Study.open(path, SPACE)
    path.write_text("a file of the user\nwith two lines\n")
    with pytest.raises(StudyError, match="must be an Optuna journal"):
        Study.open(path, SPACE)
    assert path.read_text().startswith("a file of the user")


def test_optuna_itself_can_read_the_journal(path: Path) -> None:
    with Study.open(path, SPACE) as study:
        run(study, 5)
        ask(study)
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    loaded = optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend))
    assert [trial.state.name for trial in loaded.trials] == ["COMPLETE"] * 5 + ["RUNNING"]
    assert all(json.loads(line)["op_code"] >= 0 for line in path.read_text().splitlines())


def test_a_full_disk_is_an_error_and_the_file_stays_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Study.open(path, SPACE) as study:
        run(study, 2)
        size = path.stat().st_size

        def full(fd: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.write", full)
            with pytest.raises(StudyError, match="No space left"):
                ask(study)
        with pytest.raises(StudyError, match="No space left"):
            ask(study)
    assert path.stat().st_size == size
    with Study.open(path, SPACE) as study:
        assert ask(study).number == 2


def test_a_closed_study_says_so(path: Path) -> None:
    study = Study.open(path, SPACE)
    study.close()
    study.close()
    with pytest.raises(StudyError, match="is closed"):
        ask(study)


def test_importing_the_search_does_not_import_optuna() -> None:
    code = "import sys, zoo.search; assert not {'optuna', 'ray', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_two_hundred_trials_take_moments(path: Path) -> None:
    start = time.process_time()
    with Study.open(path, SPACE) as study:
        run(study, 200)
    assert (time.process_time() - start) / 200 < 0.05  # 4 ms here; the bound only catches a quadratic mistake
