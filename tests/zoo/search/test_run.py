"""Running a study: resources, checkpoints of other machines, suggestions off the path of reports, Ctrl-C, progress."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from zoo.cluster import Session
from zoo.errors import ConfigError
from zoo.search import Budget, Float, Metric, Result, Space, Study, StudyOptions, Trial
from zoo.search.checkpoints import CheckpointStore, pack, unpack
from zoo.search.progress import StudyProgress
from zoo.search.replay import replay
from zoo.search.resources import Resources
from zoo.search.run import RunOptions, run
from zoo.search.runners import pool as runner
from zoo.search.samplers import TPESampler
from zoo.testing.runners import PauseOnce

SPACE = Space(x=Float(0.0, 1.0))


# resources


@pytest.mark.parametrize(
    ("resources", "nodes", "times"),
    [
        ({"cpu": 1}, [{"CPU": 4}, {"CPU": 2}], 6),
        ({"cpu": 1, "gpu": 0.5}, [{"CPU": 8, "GPU": 1}, {"CPU": 8}], 2),
        ({"cpu": 0.1, "gpu": 0.3}, [{"CPU": 1, "GPU": 1}], 3),
        ({"cpu": 3}, [{"CPU": 2}, {"CPU": 2}], 0),
        ({"cpu": 1, "tpu": 1}, [{"CPU": 2, "tpu": 1}], 1),
        ([{"cpu": 1, "gpu": 1}] * 2, [{"CPU": 2, "GPU": 1}, {"CPU": 3, "GPU": 3}], 2),
        ([{"cpu": 1}, {"cpu": 2}], [{"CPU": 2}, {"CPU": 1}], 1),
        ([{"cpu": 1}, {"cpu": 2}], [{"CPU": 1}, {"CPU": 1}, {"CPU": 1}], 0),
        ({"cpu": 1}, [], 0),
    ],
)
def test_resources_fit_so_often(resources: Any, nodes: Any, times: int) -> None:
    assert Resources.of(resources).fits(nodes) == times


@pytest.mark.parametrize(
    ("resources", "message"),
    [({"cpu": -1}, "cpu >= 0"), ({"gpu": 1.5}, "whole number"), ({"gpu": "one"}, "gpu >= 0"), ([], "have a bundle")],
)
def test_resources_that_mean_nothing_are_refused(resources: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Resources.of(resources)


def test_larger_resources_keep_whole_gpus() -> None:
    more = Resources(cpu=1, gpu=0.75, memory=100).scaled(2.0)
    assert (more.cpu, more.gpu, more.memory) == (2.0, 2.0, 200)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"driver": "by hand"}, "a driver must be"),
        ({"workers": 0}, "workers >= 1"),
        ({"time_limit": "soon"}, "duration"),
        ({"train": 3}, "must be a function"),
    ],
)
def test_what_cannot_be_run_is_refused(arguments: dict[str, Any], message: str) -> None:
    with Study.open(None, SPACE) as study, pytest.raises(ConfigError, match=message):
        run(study, **{"train": len, "driver": "inline", **arguments})


# checkpoints


def test_a_checkpoint_is_kept_under_its_step_and_the_former_ones_go(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "s.checkpoints")
    source = tmp_path / "model"
    source.mkdir()
    for step in (1, 2, 2):
        (source / "weights").write_text(str(step))
        name = store.keep(7, step, source)
        kept = store.path(name)
        assert kept is not None and (kept / "weights").read_text() == str(step)
    assert name == "7/2.1"  # repeated after a loss; the journal names which
    store.only(7, name)
    assert [path.name for path in (store.folder / "7").iterdir()] == ["2.1"]
    assert store.keep(7, 3, store.folder / name) == name  # there already
    store.only(7, "")
    assert store.path(name) is None


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    (tmp_path / "3" / ".unfinished-1-4").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    store.only(3, store.keep(3, 5, tmp_path / "file"))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["3", "3/5", "3/5/file", "file"]


def test_a_checkpoint_travels(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "weights").write_bytes(b"\x00\x01")
    unpack(pack(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b" / "deep" / "weights").read_bytes() == b"\x00\x01"
    with pytest.raises(ConfigError, match="nothing at"):
        pack(tmp_path / "nowhere")


def continued(trial: Trial) -> Result:
    """Add x up over four steps."""
    import tempfile

    total = float((Path(trial.checkpoint) / "total").read_text()) if trial.checkpoint else 0.0
    with tempfile.TemporaryDirectory() as folder:
        for step in range(trial.step + 1, 5):
            total += trial.params["x"]
            (Path(folder) / "total").write_text(repr(total))
            trial.report(step, total, checkpoint=folder)
    return Result(total, attrs={"from": trial.checkpoint or ""})


@pytest.mark.ray
def test_workers_that_do_not_see_the_studys_folder_send_and_get_checkpoints(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere(runner.FolderMark):
        """As on another machine: the workers do not find the driver's mark."""

        def __init__(self, store: CheckpointStore | None) -> None:
            super().__init__(store)
            self.store = (str(tmp_path / "not here"), str(tmp_path / "not here" / "mark"))

    monkeypatch.setattr(runner, "FolderMark", Elsewhere)
    with Study.open(tmp_path / "study.journal", SPACE, budget=2, stopper=PauseOnce(2)) as study:
        run(study, continued, options=RunOptions(workers=1, session=session, quiet=True))
        assert study.checkpoints is not None
        for record in study.trials:
            x = record.params["x"]
            assert record.value == ((x + x) + x) + x and len(record.runs) == 2
            assert not record.attrs["from"].startswith(str(study.checkpoints.folder))
        assert study.best is not None
        best = study.checkpoint(study.best.number)
        assert best is not None and float((best / "total").read_text()) == study.best.value
    assert not (tmp_path / "not here").exists()


@pytest.mark.ray
def test_several_bundles_are_one_placement_group(session: Session, tmp_path: Path) -> None:
    def train(trial: Trial) -> float:
        import ray

        group = ray.util.get_current_placement_group()
        return float(len(group.bundle_specs))

    with Study.open(None, SPACE, budget=2) as study:
        run(study, train, resources=[{"cpu": 1}, {"cpu": 1}], options=RunOptions(session=session, quiet=True))
        assert [record.value for record in study.trials] == [2.0, 2.0]


@pytest.mark.ray
def test_a_second_try_with_more_memory_gets_the_room_of_other_workers(session: Session, tmp_path: Path) -> None:
    def train(trial: Trial) -> Result:
        import ray

        if trial.number == 1 and trial.scale == 1.0:
            raise MemoryError("too much")
        return Result(1.0, attrs={"cpus": ray.get_runtime_context().get_assigned_resources()["CPU"]})

    with Study.open(tmp_path / "s", SPACE, budget=5, options=StudyOptions(memory_retry=2.0)) as study:
        run(study, train, options=RunOptions(workers=2, session=session, quiet=True))
        assert [record.attrs["cpus"] for record in study.trials] == [1.0, 2.0, 1.0, 1.0, 1.0]


# asking


class Slow(TPESampler):
    """A sampler that takes its time."""

    def before_trial(self, study: Any, trial: Any) -> None:
        time.sleep(0.4)
        super().before_trial(study, trial)


@pytest.mark.ray
def test_reports_are_answered_while_a_suggestion_is_drawn(session: Session, tmp_path: Path) -> None:
    def train(trial: Trial) -> Result:
        import time

        longest = 0.0
        for step in range(60 if trial.number % 2 else 5):
            time.sleep(0.02)
            begin = time.perf_counter()
            trial.report(step, trial.params["x"])
            longest = max(longest, time.perf_counter() - begin)
        return Result(trial.params["x"], attrs={"longest": longest})

    sampler = Slow(SPACE, seed=0)
    journal = tmp_path / "study.journal"
    with Study.open(journal, SPACE, budget=6, sampler=sampler) as study:
        run(study, train, options=RunOptions(workers=2, session=session, quiet=True))
        # The first suggestions are drawn at once: nobody knows yet that they take long.
        waited = [record.attrs["longest"] for record in study.trials if record.number > 1]
    assert min(waited) < 0.2 and sorted(waited)[len(waited) // 2] < 0.3, waited
    report = replay(journal, sampler=TPESampler(SPACE, seed=0))
    assert report.agrees and report.asked == 6


# Ctrl-C, progress


def test_ctrl_c_inline_gives_the_trial_back(tmp_path: Path) -> None:
    def train(trial: Trial) -> float:
        if trial.number == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return 1.0

    with Study.open(tmp_path / "s", SPACE, budget=3) as study:
        before = signal.getsignal(signal.SIGINT)
        assert run(study, train, "inline") == "interrupted"
        assert signal.getsignal(signal.SIGINT) is before
        assert [record.state for record in study.trials] == ["complete", "running"] and study.running == ()
        assert run(study, lambda trial: 2.0, "inline") == "done"
        assert [record.value for record in study.trials] == [1.0, 2.0, 2.0]


def test_a_late_training_fails_by_its_time_limit_inline() -> None:
    def train(trial: Trial) -> float:
        time.sleep(0.1)
        trial.report(1, 1.0)
        return 1.0

    with Study.open(None, SPACE, budget=1) as study:
        run(study, train, "inline", time_limit=0.05)
        assert study.trials[0].failure == "time_limit"


def test_thresholds_may_be_edited_while_a_study_runs() -> None:
    metrics = [Metric("loss", "minimize"), Metric("size", at_most=0.5)]
    with Study.open(None, SPACE, metrics=metrics, budget=6) as study:

        def train(trial: Trial) -> dict[str, float]:
            if trial.number == 3:
                study.set_threshold("size", at_most=2.0)
            return {"loss": float(trial.number), "size": 1.0}

        run(study, train, "inline")
        assert study.best is not None and study.best.number == 0
        assert all(record.feasible for record in study.trials)


def test_the_progress_line_says_where_a_study_stands() -> None:
    with Study.open(None, SPACE, budget=Budget(trials=5, time=3600)) as study:
        for value in (3.0, 2.5):
            trial = study.ask()
            assert trial is not None
            study.tell(trial.number, value)
        study.ask()
        line = StudyProgress(study).line()
    assert line.startswith("2 of 5 trials · 1 running · best 2.5 (trial 1) · 59:59 left")
    with Study.open(None, SPACE, metrics=[Metric("a", "minimize"), Metric("b", "minimize")]) as study:
        assert "0 on the front" in StudyProgress(study).line()


@pytest.mark.parametrize(("given", "size"), [("1GB", 10**9), ("512MiB", 2**29), (1e9, 10**9), ("2000000", 2_000_000)])
def test_memory_may_be_a_text_with_a_unit(given: Any, size: int) -> None:
    assert Resources.of({"memory": given}).memory == size


@pytest.mark.parametrize("given", ["much", "0", "", -1, float("nan"), True])
def test_memory_that_is_no_size_is_refused_with_examples(given: Any) -> None:
    with pytest.raises(ConfigError, match="memory must be a size") as refused:
        Resources.of({"memory": given})
    assert "GB" in str(refused.value.hint)
