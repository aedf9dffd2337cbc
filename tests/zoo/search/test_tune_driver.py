"""A study under Ray Tune: what Tune adds (storage, callbacks, loggers), and what it must not spoil."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from zoo.cluster import Session
from zoo.errors import ConfigError
from zoo.search import FailureKind, Float, Metric, Space, Study, Trial
from zoo.search.replay import replay
from zoo.search.resources import Resources
from zoo.search.run import RunOptions, run
from zoo.testing.runners import PauseOnce

SPACE = Space(x=Float(0.0, 1.0))


def count_up(trial: Trial) -> None:
    """Add x up over four steps; the second trial's worker dies once after its third."""
    total = float((Path(trial.checkpoint) / "total").read_text()) if trial.checkpoint else 0.0
    for step in range(trial.step + 1, 5):
        total += trial.params["x"]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "total").write_text(repr(total))
            trial.report(step, {"loss": total, "begun": trial.step}, checkpoint=folder)
        if trial.number == 1 and step == 3 and trial.step < 3:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.ray
def test_tunes_callbacks_and_storage_see_one_trial_per_number_through_pause_and_death(
    session: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from ray import tune

    class Seen(tune.Callback):  # type: ignore[misc]
        results: list[tuple[str, int, float]] = []  # noqa: RUF012

        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
            assert not [key for key in result if key.startswith("zoo")]
            self.results.append((str(trial), result["training_iteration"], result["loss"]))

    config = tune.RunConfig(name="mine", storage_path=str(tmp_path / "tune"), callbacks=[Seen()], verbose=0)
    options = RunOptions(workers=1, session=session, quiet=True, run_config=config)
    metrics = [Metric("loss", "minimize"), Metric("begun", store=True)]
    journal = tmp_path / "study.journal"
    settings = {name: value for name, value in os.environ.items() if name.startswith("TUNE_")}
    with Study.open(journal, SPACE, metrics=metrics, budget=3, stopper=PauseOnce(3)) as study:
        assert run(study, count_up, "tune", options=options) == "done"
        records = study.trials
    assert [record.state for record in records] == ["complete"] * 3
    assert [record.losses for record in records] == [0, 1, 0]
    # Paused at 2; the second lost its worker after 3.
    assert [record.metrics["begun"] for record in records] == [2.0, 3.0, 2.0]
    for record in records:
        x = record.params["x"]
        assert record.value == ((x + x) + x) + x
        heard = [step for name, step, _ in Seen.results if name == f"trial_{record.number:05d}"]
        assert list(dict.fromkeys(heard)) == [1, 2, 3, 4]
        folder = tmp_path / "tune" / "mine" / f"trial_{record.number:05d}"
        lines = [json.loads(line) for line in (folder / "result.json").read_text().splitlines()]
        assert lines[-1]["loss"] == record.value and lines[0]["config"] == {"x": x}
        kept = sorted(folder.glob("checkpoint_*"))
        assert float((kept[-1] / "total").read_text()) == record.value
    assert capfd.readouterr().out == ""
    assert {name: value for name, value in os.environ.items() if name.startswith("TUNE_")} == settings
    assert replay(journal).agrees


@pytest.mark.slow
@pytest.mark.ray
def test_hanging_trainings_end_and_ctrl_c_gives_back_under_tune(session: Session, tmp_path: Path) -> None:
    def train(trial: Trial) -> float:
        if trial.number == 0:
            time.sleep(60)
        if trial.number == 2:
            os.kill(trial.params["driver"], signal.SIGINT)
            time.sleep(60)
        return 1.0

    space = Space(x=Float(0.0, 1.0))
    begun = time.monotonic()
    with Study.open(tmp_path / "s", space, budget=4) as study:
        driver = os.getpid()

        def with_pid(trial: Trial) -> float:
            from dataclasses import replace

            return train(replace(trial, params={**trial.params, "driver": driver}))

        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGUSR1)
        options = RunOptions(resources=Resources(cpu=1), workers=1, session=session, quiet=True, time_limit=2.0)
        assert run(study, with_pid, "tune", options=options) == "interrupted"
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGUSR1)) == before
        assert [record.state for record in study.trials] == ["failed", "complete", "running"]
        assert study.trials[0].failure is FailureKind.TIME_LIMIT
        assert study.running == () and study.trials[2].losses == 0
        assert run(study, lambda trial: 2.0, "inline") == "done"
        assert [record.value for record in study.trials] == [None, 1.0, 2.0, 2.0]
    assert time.monotonic() - begun < 55, "it waited for a training that hangs"


@pytest.mark.ray
def test_what_tune_cannot_do_is_refused(session: Session) -> None:
    from ray import tune

    with Study.open(None, SPACE, budget=1) as study:
        stopping = RunOptions(session=session, run_config=tune.RunConfig(stop={"training_iteration": 3}))
        with pytest.raises(ConfigError, match="leave `stop`"):
            run(study, len, "tune", options=stopping)
        with pytest.raises(ConfigError, match="is Ray Tune's"):
            run(study, len, "pool", options=stopping)
        with pytest.raises(ConfigError, match="fits on no node"):
            run(study, len, "tune", options=RunOptions(resources=Resources(cpu=99), session=session))
        lock = threading.Lock()
        with pytest.raises(ConfigError, match="able to travel"):
            run(study, lambda trial: lock, "tune", options=RunOptions(session=session))
        assert study.trials == []
