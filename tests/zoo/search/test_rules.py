"""When a study ends: budgets of trials, cost and time, stagnation, how many are out."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.clock import ManualClock
from zoo.search import Budget, FailureKind, Float, Int, Metric, Result, Space, Study, StudyOptions, Trial

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))


def ask(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "study.journal" if request.param == "file" else None


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def test_a_budget_of_trials_counts_what_taught_something(path: Path | None) -> None:
    with Study.open(path, SPACE, budget=3, parallel=2) as study:
        study.fail(ask(study).number, FailureKind.EXCEPTION, "")
        study.fail(ask(study).number, FailureKind.BUDGET, "")  # does not count
        assert ask(study) and ask(study)
        assert study.ask() is None and not study.done
        study.tell(2, 1.0)
        study.tell(3, 1.0)
        assert study.ask() is None and study.done


def test_parallel_bounds_what_is_out(path: Path | None) -> None:
    with Study.open(path, SPACE, parallel=2) as study:
        ask(study), ask(study)
        assert study.ask() is None
        study.tell(0, 1.0)
        assert study.ask() is not None


def test_a_budget_of_cost_ends_new_trials_only(path: Path | None) -> None:
    with Study.open(path, SPACE, budget=Budget(cost=5.0)) as study:
        ask(study), ask(study)
        study.tell(0, Result(1.0, cost=5.0))
        assert study.ask() is None and not study.done
        study.lose(1, "gone")
        assert ask(study).number == 1
        study.tell(1, 1.0, cost=2.0)
        assert study.done and study.cost == 7.0


def test_a_budget_of_time_pauses_and_survives_reopening(journal: Path) -> None:
    clock = ManualClock(50.0)
    with Study.open(journal, SPACE, budget="10s", clock=clock) as study:
        trial = ask(study)
        clock.advance(6.0)
        study.tell(trial.number, 1.0)
    clock = ManualClock(0.0)
    with Study.open(journal, SPACE, budget="10s", clock=clock) as study:
        trial = ask(study)
        clock.advance(3.0)
        assert study.report(trial, 1, 1.0) == "continue"
        clock.advance(2.0)
        assert study.report(trial, 2, 1.0) == "pause"
        assert study.ask() is None and study.done
        assert [record.state for record in study.trials] == ["complete", "paused"]


def test_time_that_a_killed_driver_used_is_not_forgotten(journal: Path) -> None:
    clock = ManualClock()
    study = Study.open(journal, SPACE, budget="10s", clock=clock)
    clock.advance(1.0)
    trial = ask(study)
    clock.advance(8.0)
    study.report(trial, 1, 1.0)
    study.close()  # as a kill would leave it: the trial runs
    with Study.open(journal, SPACE, budget="10s", clock=ManualClock()) as study:
        assert study.elapsed == 9.0 and study.time_left == 1.0


@pytest.mark.parametrize("metrics", [[Metric("a", "maximize")], [Metric("a", "maximize"), Metric("b", "minimize")]])
def test_a_study_that_stagnates_ends_where_that_is_wanted(path: Path | None, metrics: list[Metric]) -> None:
    for converge in (False, True):
        options = StudyOptions(converge=converge)
        with Study.open(None, SPACE, metrics=metrics, options=options) as study:
            for number in range(25):
                assert not study.converged or number > 14
                trial = study.ask()
                if trial is None:
                    break
                # Better and better until the tenth, then worse than five before.
                good = float(number if number < 10 else 0)
                study.tell(trial.number, {m.name: good if m.name == "a" else -good for m in metrics})
            assert study.converged
            assert study.done is converge and len(study.trials) == (20 if converge else 25)
