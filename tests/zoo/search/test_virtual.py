"""Trainings in virtual time: their order, their clock, their end."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from zoo.clock import ManualClock
from zoo.search import FailureKind, Float, Space, Study, Trial
from zoo.search.budget import Budget
from zoo.search.replay import replay
from zoo.search.run import RunOptions, run
from zoo.search.stoppers import ASHA, Rungs, Stopper

SPACE = Space(x=Float(0.0, 1.0))


def study(**options: Any) -> Study:
    return Study.open(None, SPACE, **{"clock": ManualClock(), "sampler": "random", "seed": 0, **options})


def virtually(study: Study, train: Any, **options: Any) -> None:
    assert run(study, train, "virtual", options=RunOptions(quiet=True, **options)) == "done"


def test_workers_share_virtual_time_and_are_never_idle() -> None:
    def train(trial: Trial) -> float:
        trial.report(1, trial.params["x"], seconds=1.0 + trial.number % 3)
        return float(trial.params["x"])

    searched = study(budget=24)
    virtually(searched, train, workers=4)
    total = sum(1.0 + number % 3 for number in range(24))
    assert total / 4 <= searched.elapsed <= total / 4 + 3.0
    # Whoever has the smallest end time is next: at no moment do more than four run.
    spans = [record.runs[0] for record in searched.trials]
    moments = sorted({start for start, _ in spans})
    assert max(sum(start <= moment < end for start, end in spans) for moment in moments) == 4


@pytest.mark.parametrize("stopper", [None, ASHA(max_step=9), ASHA(pause=True, max_step=9), Rungs(9)])
def test_two_runs_are_equal_to_the_last_bit(stopper: Stopper | None) -> None:
    def train(trial: Trial) -> None:
        for step in range(trial.step + 1, 10):
            value = (trial.params["x"] - 0.3) ** 2 + 1 / step
            trial.report(step, value, checkpoint=".", seconds=0.5 + trial.params["x"])

    def once() -> list[Any]:
        searched = study(sampler="auto", stopper=stopper, budget=Budget(time=25.0))
        virtually(searched, train, workers=3)
        return [(r.number, r.params, r.state, r.reports, r.runs, r.clock) for r in searched.trials]

    assert once() == once()


def test_a_budget_of_time_is_virtual() -> None:
    def train(trial: Trial) -> None:
        for step in range(1, 100):
            trial.report(step, 1.0 / step, seconds=3600.0)

    searched = study(budget="10h")
    virtually(searched, train, workers=2)
    assert [record.state for record in searched.trials] == ["paused", "paused"]
    assert searched.elapsed == pytest.approx(10 * 3600.0)


def test_a_training_that_takes_too_long_fails_at_its_limit() -> None:
    def train(trial: Trial) -> float:
        for step in range(1, 4):
            trial.report(step, 1.0, seconds=10.0 if trial.number == 1 else 1.0)
        return 1.0

    searched = study(budget=3)
    virtually(searched, train, workers=1, time_limit=15.0)
    assert [record.failure for record in searched.trials] == [None, FailureKind.TIME_LIMIT, None]
    assert searched.trials[1].runs[0][1] - searched.trials[1].runs[0][0] == pytest.approx(15.0)


def test_no_thread_is_left_behind() -> None:
    def train(trial: Trial) -> float:
        trial.report(1, 0.0, seconds=1.0)
        raise ValueError("no")

    before = threading.active_count()
    searched = study(budget=5)
    virtually(searched, train, workers=3)
    assert all(record.failure is FailureKind.EXCEPTION for record in searched.trials)
    for thread in threading.enumerate():
        if thread.name == "virtual worker":
            thread.join(5.0)
    assert threading.active_count() <= before


def test_who_goes_on_is_replayed_too_also_after_a_new_opening(tmp_path: Path) -> None:
    def train(trial: Trial) -> None:
        for step in range(trial.step + 1, 10):
            trial.report(step, (trial.params["x"] - 0.3) ** 2 + 1 / step, checkpoint=str(saved), seconds=1.0)

    saved = tmp_path / "weights"
    saved.write_text("w")
    path = tmp_path / "journal" / "study.journal"
    resumed = 0
    for hours in (25.0, 50.0):
        given = {
            "sampler": "auto",
            "stopper": Rungs(9),
            "seed": 1,
            "budget": Budget(time=hours),
            "clock": ManualClock(),
        }
        with Study.open(path, SPACE, **given) as searched:
            virtually(searched, train, workers=3)
            resumed = sum(len(record.runs) > 1 for record in searched.trials)
    assert resumed > 3
    report = replay(path)
    assert report.asked > 20
    assert report.agrees
