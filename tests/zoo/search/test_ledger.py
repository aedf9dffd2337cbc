"""What becomes of a trial: metrics, reports, pauses, losses, failures, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest

from zoo.clock import ManualClock
from zoo.errors import ConfigError, StudyError
from zoo.search import FailureKind, Float, Int, Metric, Result, Space, Study, StudyOptions, Trial
from zoo.search.stoppers import Curve, Decision, Stopper

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))
THREE = [Metric("loss", "minimize"), Metric("latency", at_most=5.0), Metric("size", store=True)]


class Scripted(Stopper):
    """Does what the test says, and remembers what it was shown."""

    def __init__(
        self, decide: Callable[[int, int], Decision], promote: Callable[[], int | None] = lambda: None
    ) -> None:
        self._decide, self._promote = decide, promote
        self.shown: list[list[Curve]] = []

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        self.shown.append([Curve(c.number, dict(c.values), c.state) for c in curves])
        return self._decide(number, step)

    def promote(self, curves: Sequence[Curve]) -> int | None:
        return self._promote()

    def describe(self) -> dict[str, Any]:
        return {"name": "scripted"}


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


# metrics


def test_metrics_are_kept_and_thresholds_decide_who_is_best(journal: Path) -> None:
    with Study.open(journal, SPACE, metrics=THREE) as study:
        study.tell(ask(study).number, {"loss": 1.0, "latency": 7.0, "size": 9}, stderr={"loss": 0.1})
        study.tell(ask(study).number, {"loss": 2.0, "latency": 4.0})
        assert study.best is not None and study.best.number == 1
        study.set_threshold("latency", at_most=8.0)
        assert study.best.number == 0
        assert study.trials[0].metrics == {"loss": 1.0, "latency": 7.0, "size": 9.0}
        assert study.trials[0].stderr == {"loss": 0.1}
    with Study.open(journal, SPACE, metrics=THREE) as study:
        assert study.best is not None and study.best.number == 0
        assert study.thresholds["latency"].at_most == 8.0
        study.set_threshold("latency", at_most=3.0)
        assert study.best is None
        assert [record.feasible for record in study.trials] == [False, False]


def test_samplers_see_the_constraints_as_the_thresholds_are_now() -> None:
    with Study.open(None, SPACE, metrics=THREE) as study:
        study.tell(ask(study).number, {"loss": 1.0, "latency": 7.0})
        draft = study.plan()
        assert draft is not None and not isinstance(draft, Trial)
        assert draft._history.trials[0].constraints == {"latency": 2.0}
        study.set_threshold("latency", at_most=9.0)
        draft = study.plan()
        assert draft is not None and not isinstance(draft, Trial)
        assert draft._history.trials[0].constraints == {"latency": -2.0}


def test_several_objectives_have_a_front_and_no_best(path: Path | None) -> None:
    metrics = [Metric("loss", "minimize"), Metric("speed", "maximize")]
    with Study.open(path, SPACE, metrics=metrics) as study:
        for loss, speed in [(1.0, 1.0), (2.0, 3.0), (2.0, 2.0), (0.5, 0.5), (1.0, 1.0)]:
            study.tell(ask(study).number, {"loss": loss, "speed": speed})
        assert [record.number for record in study.pareto] == [3, 0, 1]
        with pytest.raises(StudyError, match="only one objective"):
            _ = study.best
        ask(study)  # the sampler copes with two objectives


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Metric("a"), "objective, a constraint or stored"),
        (lambda: Metric("a", "up"), "'minimize' or 'maximize'"),
        (lambda: Metric("a", store=True, at_most=1), "no direction and no threshold"),
        (lambda: Metric("a", at_least=2, at_most=1), "at_least <= at_most"),
        (lambda: Metric(""), "must have a name"),
        (lambda: Study.open(None, SPACE, metrics=[Metric("a", store=True)]), "must have an objective"),
        (lambda: Study.open(None, SPACE, metrics=[Metric("a", "minimize")] * 2), "different names"),
        (lambda: Study.open(None, SPACE, budget=1.5), "number of trials, a duration"),
        (lambda: Study.open(None, SPACE, budget=-1), "trials >= 0"),
        (lambda: Study.open(None, SPACE, parallel=0), "parallel >= 1"),
        (lambda: Study.open(None, SPACE, stopper="sometimes"), "a stopper must be"),
        (lambda: Study.open(None, SPACE, sampler="crystal ball"), "sampler must be"),
        (lambda: StudyOptions(max_losses=0), "max_losses >= 1"),
        (lambda: StudyOptions(memory_retry=1.0), "memory_retry > 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"loss": 1.0}, "latency is missing"),
        ({"loss": 1, "latency": 1, "x": 1}, "'x'"),
        ({"loss": "a", "latency": 1}, "number"),
    ],
)
def test_values_must_be_the_metrics(value: Any, message: str) -> None:
    with Study.open(None, SPACE, metrics=THREE) as study:
        trial = ask(study)
        with pytest.raises(ConfigError, match=message):
            study.tell(trial.number, value)
        assert study.trials[0].state == "running"


# reports


def test_without_a_return_value_the_last_report_counts(path: Path | None) -> None:
    with Study.open(path, SPACE, metrics=THREE) as study:
        trial = ask(study)
        study.report(trial, 1, {"loss": 3.0, "latency": 1.0})
        study.report(trial, 2, {"loss": 2.0, "latency": 1.5})
        study.tell(trial.number, Result(cost=4.0, attrs={"note": "x"}))
        (record,) = study.trials
    assert (record.value, record.metrics["latency"], record.cost) == (2.0, 1.5, 4.0)
    assert (record.reports, record.attrs) == ({1: 3.0, 2: 2.0}, {"note": "x"})


def test_a_training_that_gives_nothing_is_refused() -> None:
    with Study.open(None, SPACE) as study, pytest.raises(ConfigError, match="did neither"):
        study.tell(ask(study).number)


def test_the_stopper_sees_oriented_curves_and_its_word_is_done(path: Path | None) -> None:
    stopper = Scripted(lambda number, step: "stop" if number == 1 else "pause" if step == 2 else "continue")
    with Study.open(path, SPACE, direction="maximize", stopper=stopper) as study:
        first, second = ask(study), ask(study)
        assert study.report(first, 1, 5.0) == "continue"
        assert study.report(second, 1, 4.0) == "stop"
        assert study.report(first, 2, 6.0) == "pause"
        assert stopper.shown[-1] == [Curve(0, {1: -5.0, 2: -6.0}, "running"), Curve(1, {1: -4.0}, "stopped")]
        assert [record.state for record in study.trials] == ["paused", "stopped"]
        assert study.trials[1].failure is None and study.trials[1].value is None
        for call in (lambda: study.report(first, 3, 1.0), lambda: study.tell(1, 1.0)):
            with pytest.raises(StudyError, match="only a running trial"):
                call()


def test_a_paused_trial_goes_on_from_its_checkpoint_before_a_new_one(tmp_path: Path, journal: Path) -> None:
    wanted: list[int] = []
    stopper = Scripted(
        lambda number, step: "pause" if step == 1 else "continue", lambda: wanted.pop() if wanted else None
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("one")
    with Study.open(journal, SPACE, stopper=stopper) as study:
        trial = ask(study)
        study.report(trial, 1, 1.0, checkpoint=tmp_path / "model")
        assert ask(study).number == 1
        study.tell(1, 1.0)
    (tmp_path / "model" / "weights").write_text("two")
    with Study.open(journal, SPACE, stopper=stopper) as study:
        assert study.trials[0].state == "paused"
        assert study.resume() == []
        wanted.append(0)
        again = ask(study)
        assert (again.number, again.params, again.step) == (0, trial.params, 1)
        assert again.checkpoint is not None and (Path(again.checkpoint) / "weights").read_text() == "one"
        assert study.trials[0].state == "running"
        study.report(again, 2, 0.5)
        study.tell(0)
        assert study.trials[0].reports == {1: 1.0, 2: 0.5}


def test_only_the_newest_checkpoint_and_in_the_end_the_best_is_kept(tmp_path: Path, journal: Path) -> None:
    with Study.open(journal, SPACE) as study:
        assert study.checkpoints is not None
        folder = study.checkpoints.folder
        for value in (2.0, 1.0, 3.0):
            trial = ask(study)
            for step in (1, 2):
                (tmp_path / "weights").write_text(f"{trial.number} {step}")
                study.report(trial, step, value, checkpoint=tmp_path / "weights")
                assert [path.name for path in (folder / str(trial.number)).iterdir()] == [str(step)]
            study.tell(trial.number)
        assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == ["1", "1/2", "1/2/weights"]
        best = study.checkpoint(1)
        assert best is not None and (best / "weights").read_text() == "1 2"
        assert study.checkpoint(0) is None
    with Study.open(None, SPACE) as study, pytest.raises(ConfigError, match="whole number"):
        study.report(ask(study), -1, 1.0)


def test_a_missing_checkpoint_is_an_error_of_the_report(journal: Path) -> None:
    with Study.open(journal, SPACE) as study, pytest.raises(ConfigError, match="there is nothing at"):
        study.report(ask(study), 1, 1.0, checkpoint="nowhere")


def test_time_does_not_run_while_a_trial_is_paused(journal: Path) -> None:
    clock = ManualClock(1000.0)
    wanted: list[int] = []
    stopper = Scripted(lambda n, step: "pause" if step == 1 else "continue", lambda: wanted.pop() if wanted else None)
    with Study.open(journal, SPACE, stopper=stopper, clock=clock) as study:
        trial = ask(study)
        clock.advance(3.0)
        study.report(trial, 1, 1.0, checkpoint=journal)
        clock.advance(50.0)
        wanted.append(0)
        assert ask(study).number == 0
        clock.advance(2.0)
        study.report(0, 2, 1.0)
        study.report(0, 3, 1.0, seconds=10.0)  # the training knows better
        study.tell(0)
    with Study.open(journal, SPACE, stopper=stopper, clock=ManualClock(7.0)) as study:
        (record,) = study.trials
        assert record.clock == {1: 3.0, 2: 5.0, 3: 15.0}
        assert (record.seconds, record.cost) == (15.0, 15.0)
        assert record.runs == ((0.0, 3.0), (53.0, 55.0))
        assert study.elapsed == 55.0 and study.cost == 15.0


# the machine's fault


def test_a_lost_trial_comes_back_first_from_its_checkpoint_and_is_judged_when_further(journal: Path) -> None:
    clock = ManualClock()
    stopper = Scripted(lambda number, step: "continue")
    with Study.open(journal, SPACE, stopper=stopper, clock=clock, budget=1) as study:
        trial = ask(study)
        clock.advance(1.0)
        study.report(trial, 1, 3.0, checkpoint=journal)
        clock.advance(1.0)
        study.report(trial, 2, 2.0)
        study.lose(trial.number, "node gone")
        assert not study.done and study.running == ()
        with pytest.raises(StudyError, match="waiting to be asked again"):
            study.report(trial, 3, 1.0)
        again = ask(study)  # although the budget is spent: it is free of cost
        assert (again.number, again.step, again.params) == (0, 1, trial.params)
        shown = len(stopper.shown)
        clock.advance(1.0)
        assert study.report(again, 2, 2.5) == "continue"
        assert len(stopper.shown) == shown
        study.report(again, 3, 1.0)
        assert len(stopper.shown) == shown + 1
        study.tell(0)
        assert study.trials[0].reports == {1: 3.0, 2: 2.5, 3: 1.0}
        assert (study.trials[0].losses, study.trials[0].seconds) == (1, 2.0)
        assert study.done and study.ask() is None


def test_a_trial_that_is_lost_too_often_is_set_aside_and_teaches_nothing(path: Path | None) -> None:
    with Study.open(path, SPACE, options=StudyOptions(max_losses=2), budget=1) as study:
        ask(study)
        study.lose(0, "killed")
        assert ask(study).number == 0
        study.lose(0, "killed")
        assert ask(study).number == 1  # it did not count
        (record,) = study.set_aside
    assert (record.number, record.losses, record.failure) == (0, 2, FailureKind.LOST)
    assert "killed" in record.message and record.cost == 0.0


def test_a_released_trial_is_no_loss(journal: Path) -> None:
    with Study.open(journal, SPACE) as study:
        study.release(ask(study).number)
        assert ask(study).number == 0
        assert study.trials[0].losses == 0


# the configuration's fault


def test_each_failure_has_its_own_kind(path: Path | None) -> None:
    with Study.open(path, SPACE, options=StudyOptions(diverged_at=100.0)) as study:
        reports: list[Any] = [float("nan"), float("-inf"), 101.0]
        for value in reports:
            assert study.report(ask(study), 1, value) == "stop"
        for value in (float("nan"), float("inf"), 1e9):
            study.tell(ask(study).number, value)
        for kind in (FailureKind.EXCEPTION, FailureKind.MEMORY, FailureKind.TIME_LIMIT):
            study.fail(ask(study).number, kind, "no")
        kinds = [record.failure for record in study.trials]
        assert {record.state for record in study.trials} == {"failed"}
        ask(study)
    first = [FailureKind.NAN, FailureKind.INFINITE, FailureKind.DIVERGENCE]
    assert kinds == [*first, *first, FailureKind.EXCEPTION, FailureKind.MEMORY, FailureKind.TIME_LIMIT]


def test_exhausted_memory_is_tried_once_more_with_larger_resources(journal: Path) -> None:
    options = StudyOptions(memory_retry=2.0)
    with Study.open(journal, SPACE, options=options) as study:
        assert ask(study).scale == 1.0
        study.fail(0, FailureKind.MEMORY, "too much")
    with Study.open(journal, SPACE, options=options) as study:
        again = ask(study)
        assert (again.number, again.scale) == (0, 2.0)
        study.fail(0, FailureKind.MEMORY, "still too much")
        assert study.trials[0].failure is FailureKind.MEMORY
        assert ask(study).number == 1


# what the journal is to others


def test_optuna_reads_all_of_it(journal: Path) -> None:
    stopper = Scripted(lambda number, step: "stop" if number == 1 else "pause" if number == 2 else "continue")
    with Study.open(journal, SPACE, metrics=THREE, stopper=stopper) as study:
        study.enqueue({"x": 0.5})
        for _ in range(4):
            trial = ask(study)
            study.report(trial, 1, {"loss": 1.0, "latency": 6.0}, seconds=2.0)
        study.tell(0)
        study.fail(3, FailureKind.MEMORY, "much")
        ours = [dict(trial.__dict__) for trial in study._ledger.storage.trials]
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    theirs = optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend))
    assert [trial.state.name for trial in theirs.trials] == ["COMPLETE", "PRUNED", "RUNNING", "PRUNED"]
    assert theirs.trials[0].constraints == {"latency": 1.0}
    for trial, own in zip(theirs.trials, ours, strict=True):
        assert {**trial.user_attrs.get("clock", {}), "1": 2.0} == {"1": 2.0}
        assert (trial.params, trial.values, trial.intermediate_values) == (own["_params"], own["_values"], {1: 1.0})
        assert trial.datetime_start == own["_datetime_start"]


def test_a_trial_asked_by_hand_has_no_driver_to_report_to() -> None:
    with Study.open(None, SPACE) as study, pytest.raises(ConfigError, match="needs a driver"):
        ask(study).report(1, 1.0)
