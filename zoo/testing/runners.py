"""The laws of running a study, as tests for anyone's driver.

Derive a test class from ``RunConformance`` and say how a study is run::

    class TestMyDriver(RunConformance):
        def run(self, study, train):
            return zoo.search.run.run(study, train, "mine", workers=1)

Trainings may run in another process: they tell what they saw through their results alone.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.search import (
    Diverged,
    FailureKind,
    Float,
    Int,
    Metric,
    Result,
    Space,
    Stopped,
    Study,
    StudyOptions,
    Trial,
    TrialRecord,
)
from zoo.search.stoppers import Curve, Decision, Stopper

__all__ = ["BelowHalf", "PauseOnce", "RunConformance"]

_SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))


class BelowHalf(Stopper):
    """Stops whoever reports more than 0.5, but never the best."""

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Compare with a constant."""
        value = next(curve.values[step] for curve in curves if curve.number == number)
        best = min(min(curve.values.values()) for curve in curves if curve.values)
        return "stop" if value > 0.5 and value > best else "continue"

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Nobody is paused."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return its name."""
        return {"name": "below half"}


class PauseOnce(Stopper):
    """Pauses every trial at step 2, and lets the best paused one go on once ``together`` are paused."""

    def __init__(self, together: int) -> None:
        self._together = together

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Pause at step 2."""
        return "pause" if step == 2 else "continue"

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Return the best paused one."""
        begun = sum(max(curve.values, default=0) >= 2 for curve in curves)
        paused = [curve for curve in curves if curve.state == "paused"]
        if begun < self._together or not paused:
            return None
        return min(paused, key=lambda curve: (curve.values[2], curve.number)).number

    def describe(self) -> dict[str, Any]:
        """Return its name."""
        return {"name": "pause once", "together": self._together}


class RunConformance(ABC):
    """Tests of the contract of ``zoo.search.run``; every method is one law."""

    @abstractmethod
    def run(self, study: Study, train: Callable[[Trial], Any]) -> object:
        """Run the study to its end with one worker."""

    def study(self, **options: Any) -> Study:
        """Return a new study on disk."""
        folder = tempfile.mkdtemp(prefix="zoo-study-")
        study = Study.open(Path(folder) / "study.journal", _SPACE, **{"seed": 3, "sampler": "tpe", **options})
        weakref.finalize(study, shutil.rmtree, folder, ignore_errors=True)
        return study

    def test_results_are_those_of_a_loop_by_hand(self) -> None:
        """With one worker a driver adds nothing and loses nothing."""

        def objective(params: Any) -> float:
            return float((params["x"] - 0.3) ** 2 + params["n"])

        with self.study(budget=15) as study:
            while (trial := study.ask()) is not None:
                study.tell(trial.number, objective(trial.params))
            by_hand = [(record.number, record.params, record.value) for record in study.trials]
        with self.study(budget=15) as study:
            self.run(study, lambda trial: objective(trial.params))
            assert [(record.number, record.params, record.value) for record in study.trials] == by_hand
            assert study.done and study.running == ()

    def test_a_closure_can_be_trained_and_told_in_all_forms(self) -> None:
        """A number, values by name, a ``Result``, or nothing but reports."""
        offset = 10.0
        metrics = [Metric("loss", "minimize"), Metric("size", store=True)]

        def train(trial: Trial) -> Any:
            value = offset + trial.number
            if trial.number == 0:
                return value
            if trial.number == 1:
                return {"loss": value, "size": 3}
            if trial.number == 2:
                return Result({"loss": value}, stderr={"loss": 0.5}, cost=7.0, attrs={"seed": trial.seed})
            trial.report(1, value + 1)
            trial.report(2, {"loss": value, "size": 4})
            return None

        with self.study(budget=4, metrics=metrics) as study:
            self.run(study, train)
            records = study.trials
        assert [record.value for record in records] == [10.0, 11.0, 12.0, 13.0]
        assert [record.metrics.get("size") for record in records] == [None, 3.0, None, 4.0]
        assert (records[2].stderr, records[2].cost) == ({"loss": 0.5}, 7.0)
        assert 0 < records[2].attrs["seed"] < 2**31
        assert records[3].reports == {1: 14.0, 2: 13.0}

    def test_each_kind_of_failure_is_told_apart(self) -> None:
        """And the study goes on after each."""

        def train(trial: Trial) -> Any:
            if trial.number == 0:
                raise ValueError("broken on purpose")
            if trial.number == 1:
                return float("nan")
            if trial.number == 2:
                trial.report(1, float("inf"))
            if trial.number == 3:
                raise Diverged("the loss explodes")
            if trial.number == 4:
                raise MemoryError("too much")
            if trial.number == 5:
                raise SystemExit(3)
            return 1.0

        with self.study(budget=7) as study:
            self.run(study, train)
            records = study.trials
        assert [record.failure for record in records] == [
            FailureKind.EXCEPTION,
            FailureKind.NAN,
            FailureKind.INFINITE,
            FailureKind.DIVERGENCE,
            FailureKind.MEMORY,
            FailureKind.EXCEPTION,
            None,
        ]
        assert records[0].message == "ValueError: broken on purpose"
        assert "in train" in records[0].attrs["traceback"]
        assert records[6].state == "complete"

    def test_a_stopped_training_is_told_by_an_exception_that_nobody_catches_by_mistake(self) -> None:
        """``except Exception`` lets ``Stopped`` pass, and ``finally`` runs."""

        def train(trial: Trial) -> float:
            try:
                for step in range(1, 4):
                    trial.report(step, trial.params["x"] if trial.number else 0.0)
            except Exception:
                return -1.0
            return trial.params["x"]  # type: ignore[no-any-return]

        with self.study(budget=12, stopper=BelowHalf()) as study:
            self.run(study, train)
            records = study.trials
        stopped = [record for record in records if record.state == "stopped"]
        assert {record.state for record in records} == {"complete", "stopped"}
        assert all(record.reports == {1: record.params["x"]} for record in stopped)
        assert all(record.params["x"] > 0.5 for record in stopped)

    def test_a_training_that_swallows_the_stop_is_told_again(self) -> None:
        """It ends at its next report at the latest."""

        def train(trial: Trial) -> float:
            for step in range(1, 50):
                try:
                    trial.report(step, trial.number + 0.0)
                except Stopped:
                    continue
            return 0.0

        with self.study(budget=2, stopper=BelowHalf()) as study:
            self.run(study, train)
            assert [record.state for record in study.trials] == ["complete", "stopped"]
            assert study.trials[1].reports == {1: 1.0}

    def test_a_paused_training_goes_on_from_its_checkpoint(self) -> None:
        """Its state is what it was, its number and its parameters too, and others ran meanwhile."""

        def train(trial: Trial) -> Result:
            total = 0.0
            if trial.checkpoint is not None:
                total = float((Path(trial.checkpoint) / "total").read_text())
            begun = trial.step
            with tempfile.TemporaryDirectory() as folder:
                for step in range(trial.step + 1, 5):
                    total += trial.params["x"]
                    (Path(folder) / "total").write_text(repr(total))
                    trial.report(step, total, checkpoint=folder)
            return Result(total, attrs={"begun": begun})

        with self.study(budget=3, stopper=PauseOnce(3)) as study:
            self.run(study, train)
            records = study.trials
            assert study.done
        assert [record.state for record in records] == ["complete"] * 3
        for record in records:
            x = record.params["x"]
            assert record.attrs["begun"] == 2
            assert record.value == ((x + x) + x) + x
            assert sorted(record.reports) == [1, 2, 3, 4]
            assert len(record.runs) == 2

    def test_a_training_that_returns_what_the_study_does_not_know_is_refused(self) -> None:
        """At once, not after all of the budget."""
        with self.study(budget=5) as study:
            try:
                self.run(study, lambda trial: {"loss": 1.0})
            except ConfigError as error:
                assert "value" in error.message and error.hint
            else:
                raise AssertionError("it was accepted")
            assert len(study.trials) == 1 and study.trials[0].state == "failed"

    def test_a_report_that_the_study_does_not_know_is_refused(self) -> None:
        """As the value at the end is."""

        def train(trial: Trial) -> float:
            trial.report(1, {"loss": 1.0})
            return 1.0

        with self.study(budget=5) as study:
            try:
                self.run(study, train)
            except ConfigError as error:
                assert "value is missing" in error.message
            else:
                raise AssertionError("it was accepted")
            assert [record.failure for record in study.trials] == [FailureKind.EXCEPTION]

    def test_divergence_and_a_second_try_with_more_memory(self) -> None:
        """Options of the study hold under every driver."""

        def train(trial: Trial) -> float:
            if trial.number == 0 and trial.scale == 1.0:
                raise MemoryError("too much")
            return 1e9 if trial.number == 1 else 0.5

        with self.study(budget=2, options=StudyOptions(memory_retry=1.5, diverged_at=1e6)) as study:
            self.run(study, train)
            first, second = study.trials
        assert (first.state, second.failure) == ("complete", FailureKind.DIVERGENCE)

    def test_what_was_lost_before_goes_on_first(self) -> None:
        """A new driver begins with what the former one left."""
        with self.study(budget=3) as study:
            left = study.ask()
            assert left is not None
            study.report(left, 1, 5.0)
            study.release(left.number)
            self.run(study, lambda trial: trial.params["x"])
            records: list[TrialRecord] = study.trials
        assert [record.number for record in records] == [0, 1, 2]
        assert records[0].params == left.params
        assert [record.value for record in records] == [record.params["x"] for record in records]
