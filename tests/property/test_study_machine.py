"""A study against a model in memory: whatever is done to it in whatever order, both say the same.

A kill is an opening of what the file holds at that moment: the former driver neither closes nor gives anything back.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zoo.clock import ManualClock
from zoo.errors import StudyError
from zoo.search import FailureKind, Float, Space, Study, StudyOptions, Trial
from zoo.search.states import LedgerState, Move, after
from zoo.search.stoppers import Curve, Decision, Stopper

SPACE = Space(x=Float(0.0, 1.0))
MAX_LOSSES = 2
ENDS = ("complete", "stopped", "failed")


class OnDemand(Stopper):
    """Lets everybody go on; of the paused ones that which is wanted."""

    wanted: int | None = None

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        return "continue"

    def promote(self, curves: Sequence[Curve]) -> int | None:
        wanted, self.wanted = self.wanted, None
        return wanted

    def describe(self) -> dict[str, Any]:
        return {"name": "on demand"}


@dataclass
class Expected:
    """What the model knows of one trial."""

    state: LedgerState
    params: dict[str, float] | None = None
    value: float | None = None
    failure: FailureKind | None = None
    reports: dict[int, float] = field(default_factory=dict)
    losses: int = 0
    scale: float = 1.0

    def move(self, move: Move, number: int, state: LedgerState) -> None:
        """Go where the model says, if the table says the same."""
        assert after(self.state, move, number) == state
        self.state = state


class StudyMachine(RuleBasedStateMachine):
    """Rules are what drivers, users and machines do."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zoo-machine-"))
        self.copies = 0
        self.stopper = OnDemand()
        self.clock = ManualClock()
        self.model: list[Expected] = []
        self.waiting: list[int] = []
        self.queue: list[int] = []
        self.told: list[int] = []
        self.open(self.folder / "study.journal")

    def open(self, path: Path) -> None:
        self.path = path
        options = StudyOptions(max_losses=MAX_LOSSES, memory_retry=2.0)
        self.study = Study.open(path, SPACE, sampler="random", stopper=self.stopper, clock=self.clock, options=options)

    def teardown(self) -> None:
        if hasattr(self, "study"):
            self.study.close()
            shutil.rmtree(self.folder)

    def among(self, *states: LedgerState) -> list[int]:
        return [number for number, expected in enumerate(self.model) if expected.state in states]

    # what drivers and users do

    @rule(x=st.floats(0.0, 1.0))
    def enqueue(self, x: float) -> None:
        known = {expected.params["x"] for expected in self.model if expected.params is not None}
        if x in known:
            return  # the same point again does nothing; that is told elsewhere
        number = self.study.enqueue({"x": x})
        assert number == len(self.model)
        self.model.append(Expected(after("absent", Move.ENQUEUE, number), {"x": x}))
        self.queue.append(number)

    @rule(promote=st.booleans(), choice=st.integers(0, 99))
    def ask(self, promote: bool, choice: int) -> None:
        paused = self.among("paused")
        self.stopper.wanted = paused[choice % len(paused)] if promote and paused else None
        wanted = self.stopper.wanted
        trial = self.study.ask()
        assert trial is not None
        if self.waiting:  # what was lost comes first, once
            self.again(trial, self.waiting.pop(0), Move.HAND_OUT)
        elif wanted is not None:
            self.again(trial, wanted, Move.RESUME)
        elif self.queue:
            number = self.queue.pop(0)
            assert (trial.number, trial.params) == (number, self.model[number].params)
            self.model[number].move(Move.BEGIN, number, "running")
        else:
            assert trial.number == len(self.model)
            self.model.append(Expected(after("absent", Move.BEGIN, trial.number), dict(trial.params)))
        assert trial.scale == self.model[trial.number].scale
        self.stopper.wanted = None

    def again(self, trial: Trial, number: int, move: Move) -> None:
        assert (trial.number, dict(trial.params)) == (number, self.model[number].params)
        self.model[number].move(move, number, "running")

    def some(self, choice: int) -> tuple[int, Expected]:
        running = self.among("running")
        number = running[choice % len(running)]
        return number, self.model[number]

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99), step=st.integers(0, 5), value=st.floats(-9.0, 9.0))
    def report(self, choice: int, step: int, value: float) -> None:
        number, expected = self.some(choice)
        assert self.study.report(number, step, value) == "continue"
        expected.reports[step] = value
        expected.move(Move.REPORT, number, "running")

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99))
    def report_nan(self, choice: int) -> None:
        number, expected = self.some(choice)
        assert self.study.report(number, 9, math.nan) == "stop"
        expected.failure = FailureKind.NAN
        expected.move(Move.FAIL, number, "failed")

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99), value=st.floats(-9.0, 9.0))
    def tell(self, choice: int, value: float) -> None:
        number, expected = self.some(choice)
        self.study.tell(number, value)
        expected.value = value
        expected.move(Move.COMPLETE, number, "complete")
        self.told.append(number)

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99), kind=st.sampled_from(list(FailureKind)))
    def fail(self, choice: int, kind: FailureKind) -> None:
        number, expected = self.some(choice)
        self.study.fail(number, kind, "broken")
        if kind is FailureKind.MEMORY and expected.scale == 1.0:  # it may try again with more
            expected.scale = 2.0
            expected.move(Move.RETURN, number, "waiting")
            self.waiting.append(number)
        else:
            expected.failure = kind
            expected.move(Move.FAIL, number, "failed")

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99))
    def stop(self, choice: int) -> None:
        number, expected = self.some(choice)
        self.study.stop(number, "enough")
        expected.move(Move.STOP, number, "stopped")

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99))
    def pause(self, choice: int) -> None:
        number, expected = self.some(choice)
        self.study.pause(number)
        expected.move(Move.PAUSE, number, "paused")

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99))
    def lose(self, choice: int) -> None:
        number, expected = self.some(choice)
        self.study.lose(number, "the node is gone")
        expected.losses += 1
        if expected.losses >= MAX_LOSSES:
            expected.failure = FailureKind.LOST
            expected.move(Move.FAIL, number, "failed")
        else:
            expected.move(Move.RETURN, number, "waiting")
            self.waiting.append(number)

    @precondition(lambda self: self.among("running"))
    @rule(choice=st.integers(0, 99))
    def release(self, choice: int) -> None:
        number, expected = self.some(choice)
        self.study.release(number)
        expected.move(Move.RETURN, number, "waiting")
        self.waiting.append(number)

    @precondition(lambda self: len(self.among("running")) < len(self.model))
    @rule(choice=st.integers(0, 99))
    def meddle_with_one_that_does_not_run(self, choice: int) -> None:
        others = [number for number, expected in enumerate(self.model) if expected.state != "running"]
        number = others[choice % len(others)]
        before = self.study.trials
        for act in (
            lambda: self.study.tell(number, 0.0),
            lambda: self.study.fail(number, FailureKind.EXCEPTION, ""),
            lambda: self.study.stop(number, ""),
            lambda: self.study.pause(number),
            lambda: self.study.lose(number, ""),
            lambda: self.study.release(number),
            lambda: self.study.report(number, 1, 0.0),
        ):
            with pytest.raises(StudyError, match="only a running trial can be"):
                act()
        assert self.study.trials == before

    @rule(seconds=st.floats(0.0, 9.0))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # what becomes of drivers

    @rule()
    def close_and_open(self) -> None:
        elapsed = self.study.elapsed
        self.study.close()
        self.open(self.path)
        assert self.study.elapsed <= elapsed + 1e-9
        self.driver_is_gone()

    @rule()
    def kill_and_open(self) -> None:
        self.copies += 1
        copy = self.folder / f"copy{self.copies}.journal"
        shutil.copy(self.path, copy)
        self.study.close()  # its locks are this process' own; what it writes now nobody reads
        self.open(copy)
        self.driver_is_gone()

    def driver_is_gone(self) -> None:
        self.waiting = self.among("running", "waiting")
        for number in self.waiting:
            self.model[number].state = "waiting"

    # what holds at every moment

    @invariant()
    def both_say_the_same(self) -> None:
        if not hasattr(self, "study"):
            return
        records = self.study.trials
        assert [record.number for record in records] == list(range(len(self.model)))
        for record, expected in zip(records, self.model, strict=True):
            state = "running" if expected.state == "waiting" else expected.state
            assert (record.state, record.value, record.failure) == (state, expected.value, expected.failure)
            assert (dict(record.params), dict(record.reports)) == (expected.params, expected.reports)
            assert record.losses == expected.losses
            assert self.study._ledger.state(record.number) == expected.state
        assert sorted(self.study.running) == self.among("running")
        assert list(self.study._ledger.again) == self.waiting
        assert len(self.told) == len(set(self.told)) == len(self.among("complete"))
        best = min((e.value for e in self.model if e.value is not None), default=None)
        assert (None if self.study.best is None else self.study.best.value) == best


TestStudyMachine = StudyMachine.TestCase
TestStudyMachine.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
