"""What mutation testing of the trial ledger had found untested; docs/notes/mutation.md lists the mutants."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.clock import ManualClock
from zoo.search import FailureKind, Float, Space, Study, Trial

SPACE = Space(x=Float(0.0, 1.0))


def ask(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


def told(count: int) -> Study:
    study = Study.open(None, SPACE, seed=count)
    for _ in range(count):
        study.tell(ask(study).number, 1.0)
    return study


def test_what_failed_counts_again_after_a_restart_and_what_the_machine_lost_does_not(tmp_path: Path) -> None:
    path, clock = tmp_path / "study.journal", ManualClock()
    with Study.open(path, SPACE, clock=clock, budget=5) as study:
        for kind in (FailureKind.EXCEPTION, FailureKind.LOST):
            trial = ask(study)
            clock.advance(3.0)
            study.fail(trial.number, kind, "no")
        study.tell(ask(study).number, 1.0, cost=4.0)
        before = (study._ledger.asked, study._ledger.cost)
    assert before[0] == 2
    with Study.open(path, SPACE, clock=clock, budget=5) as study:
        assert (study._ledger.asked, study._ledger.cost) == before


def test_an_earlier_study_is_written_down_once_whatever_others_are_there() -> None:
    with told(2) as one, told(3) as two, Study.open(None, SPACE) as study:
        for earlier in (one, two, one, two):
            study.warm_start(earlier, first=0)
        assert [len(stored["trials"]) for stored in study._ledger.attributes.earlier] == [2, 3]
        assert len(study._ledger.earlier) == 2


def test_a_lost_trial_without_a_checkpoint_is_timed_from_its_beginning(tmp_path: Path) -> None:
    clock = ManualClock()
    with Study.open(tmp_path / "study.journal", SPACE, clock=clock) as study:
        trial = ask(study)
        clock.advance(8.0)
        study.report(trial, 1, 3.0)
        study.lose(trial.number, "node gone")
        again = ask(study)
        assert (again.number, again.step, again.checkpoint) == (trial.number, 0, None)
        clock.advance(2.0)
        study.report(again, 1, 3.0)
        study.tell(again.number)
        assert study.trials[0].clock == {1: 2.0}
        assert study.trials[0].seconds == 2.0


def test_without_a_folder_of_its_own_a_study_knows_checkpoints_while_they_are_there(tmp_path: Path) -> None:
    place = tmp_path / "weights"
    place.write_text("1")
    with Study.open(None, SPACE) as study:
        trial = ask(study)
        study.report(trial, 4, 1.0, checkpoint=place)
        assert study.checkpoint(trial.number) == place
        study.lose(trial.number, "node gone")
        again = ask(study)
        assert (again.step, again.checkpoint) == (4, str(place))
        place.unlink()
        assert study.checkpoint(trial.number) is None
        study.lose(trial.number, "node gone")
        again = ask(study)
        assert (again.step, again.checkpoint) == (0, None)


@pytest.mark.parametrize("count", [1, 3])
def test_costs_add_up_over_ends_of_every_kind(count: int) -> None:
    with Study.open(None, SPACE) as study:
        for i in range(count):
            study.tell(ask(study).number, 1.0, seconds=2.0, cost=float(i + 1))
            study.fail(ask(study).number, FailureKind.EXCEPTION, "no")
        assert study.cost == pytest.approx(count * (count + 1) / 2, abs=1.0)
