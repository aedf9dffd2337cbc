"""The laws of a stopper, as tests for anyone's implementation.

Derive a test class from ``StopperConformance`` and say how the stopper is made::

    class TestMyStopper(StopperConformance):
        def make(self):
            return MyStopper()
"""

from __future__ import annotations

import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from zoo.search.stoppers import Curve, Decision, Stopper

__all__ = ["StopperConformance", "play"]

# Of a whole training: three rungs of a ladder with base 3.
_STEPS = 27


def play(stopper: Stopper, trials: int = 40, *, workers: int = 4, seed: int = 0) -> list[Curve]:
    """Return the curves after a search under ``stopper``: workers report in a random order, paused trials go on."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    curves: dict[int, Curve] = {}
    quality: dict[int, float] = {}
    running: list[int] = []
    while running or len(curves) < trials or stopper.last(list(curves.values())) is not None:
        while len(running) < workers:
            number = (stopper.promote if len(curves) < trials else stopper.last)(list(curves.values()))
            if number is not None:
                assert curves[number].state == "paused", "only a paused trial can be promoted"
                curves[number] = replace(curves[number], state="running")
            elif len(curves) < trials:
                number = len(curves)
                quality[number] = chance.random()
                curves[number] = Curve(number, {}, "running")
            else:
                break
            running.append(number)
        if not running:
            break
        number = chance.choice(running)
        step = max(curves[number].values, default=0) + 1
        value = quality[number] + math.exp(-step / 5)
        curves[number] = Curve(number, {**curves[number].values, step: value}, "running")
        decision = stopper.decide(list(curves.values()), number, step)
        if decision == "stop":
            best = min(min(curve.values.values()) for curve in curves.values() if curve.values)
            assert min(curves[number].values.values()) > best, "the best curve so far must not be stopped"
            curves[number] = replace(curves[number], state="stopped")
        elif decision == "pause":
            curves[number] = replace(curves[number], state="paused")
        elif step == _STEPS:
            curves[number] = replace(curves[number], state="complete")
        if curves[number].state != "running":
            running.remove(number)
    return list(curves.values())


class StopperConformance(ABC):
    """Tests of the contract of ``zoo.search.stoppers.base``; every method is one law."""

    @abstractmethod
    def make(self) -> Stopper:
        """Return a new stopper."""

    def test_the_best_so_far_is_never_stopped_and_only_paused_trials_are_promoted(self) -> None:
        """Over whole searches; ``play`` asserts it at each step."""
        for seed in range(5):
            curves = play(self.make(), seed=seed)
            assert len(curves) == 40

    def test_something_becomes_whole(self) -> None:
        """Also in a search of a single trial, unless the choice is the sampler's."""
        for trials in (1, 2, 40):
            curves = play(self.make(), trials)
            finished = any(curve.state == "complete" for curve in curves)
            assert finished or self.make().leaves_choice

    def test_a_decision_depends_on_the_curves_alone(self) -> None:
        """Not on the order in which they are listed, on former calls, or on which object is asked."""
        curves = play(self.make(), seed=1)
        used, chance = self.make(), random.Random(2)  # noqa: S311
        for curve in curves:
            if not curve.values:
                continue
            shuffled = list(curves)
            chance.shuffle(shuffled)
            step = max(curve.values)
            assert _decide(self.make(), curves, curve) == _decide(used, shuffled, curve)
            assert step in curve.values
        assert self.make().promote(curves) == used.promote(curves)

    def test_failed_and_empty_curves_are_survived(self) -> None:
        """A trial that failed before its first report, and the first report of all."""
        curves = [Curve(0, {}, "failed"), Curve(1, {}, "running"), Curve(2, {1: 0.5}, "running")]
        assert self.make().decide(curves, 2, 1) in ("continue", "pause")
        assert self.make().promote([]) is None

    def test_it_describes_itself_in_json(self) -> None:
        """The description is part of a study's identity."""
        assert json.loads(json.dumps(self.make().describe())) == self.make().describe()


def _decide(stopper: Stopper, curves: Sequence[Curve], curve: Curve) -> Decision:
    return stopper.decide(curves, curve.number, max(curve.values))
