"""Population based training through a study: children go on from a parent's checkpoint, under a number of their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from zoo.clock import ManualClock
from zoo.cluster import Session
from zoo.errors import ConfigError
from zoo.search import Float, Space, Study, Trial
from zoo.search.replay import replay
from zoo.search.run import RunOptions, run
from zoo.search.samplers import PopulationOptions
from zoo.search.stoppers import Population

SPACE = Space(rate=Float(0.01, 1.0, log=True))
STEPS = 24


def after(loss: float, rate: float) -> float:
    """A step of noisy descent: fast with a high rate, precise with a low one, so that a schedule beats any constant."""
    return loss * (1 - rate) ** 2 + 0.5 * rate**2


def train(trial: Trial, home: Path) -> None:
    loss = float(Path(trial.checkpoint, "loss").read_text()) if trial.checkpoint else 1.0
    for step in range(trial.step + 1, STEPS + 1):
        loss = after(loss, trial.params["rate"])
        folder = home / f"checkpoint-{trial.number}"
        folder.mkdir(exist_ok=True)
        (folder / "loss").write_text(str(loss))
        trial.report(step, loss, checkpoint=folder, seconds=1.0)


def searched(path: Path, *, driver: str = "virtual", **options: Any) -> Study:
    study = Study.open(
        path / "study.journal",
        SPACE,
        sampler="population",
        stopper=Population(size=6, interval=3, max_step=STEPS),
        budget=40,
        clock=ManualClock() if driver == "virtual" else None,
    )
    with study:
        assert run(study, partial(train, home=path), driver, options=RunOptions(quiet=True, **options)) == "done"
    return study


def test_a_population_finds_a_schedule_that_no_constant_reaches(tmp_path):
    study = searched(tmp_path, workers=3)
    losses = []
    for rate in [0.01 * 1.1**power for power in range(49)]:
        loss = 1.0
        for _ in range(STEPS):
            loss = after(loss, rate)
        losses.append(loss)
    assert study.best.value < 0.95 * min(losses)
    assert all(record.state in ("complete", "stopped") for record in study.trials)


def test_children_go_on_where_their_parent_was_and_a_replay_agrees(tmp_path):
    study = searched(tmp_path, workers=3)
    children = [record for record in study.trials if record.origin is not None]
    assert len(children) > 5
    for child in children:
        parent = study.trials[child.origin]
        first = min(child.reports)
        assert first > 1
        # Its first value is its parent's, one step on with its own rate.
        assert child.reports[first] == pytest.approx(after(parent.reports[first - 1], child.params["rate"]))
    assert replay(tmp_path / "study.journal").agrees


@pytest.mark.ray
@pytest.mark.parametrize("driver", ["pool", pytest.param("tune", marks=pytest.mark.slow)])
def test_a_population_runs_on_a_cluster(driver, session: Session, tmp_path):
    study = searched(tmp_path, driver=driver, session=session, workers=2)
    assert any(record.origin is not None for record in study.trials)
    assert replay(tmp_path / "study.journal").agrees


@pytest.mark.parametrize(
    "make",
    [
        lambda: Population(size=3),
        lambda: Population(interval=0),
        lambda: Population(share=1.0),
        lambda: PopulationOptions(share=0),
        lambda: PopulationOptions(factors=(0.0, 1.2)),
    ],
)
def test_sizes_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError):
        make()
