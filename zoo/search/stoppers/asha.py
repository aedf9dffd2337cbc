"""Asynchronous successive halving (Li et al. 2020): at each rung the best 1/eta go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import ConfigError
from zoo.search.stoppers.base import Curve, Decision, Stopper

__all__ = ["ASHA"]


class ASHA(Stopper):
    """Compares trials at rungs ``min_step * eta ** k``; who is not among the best 1/eta there is stopped or paused.

    A rung's value is the first one reported at or beyond it. Without ``pause`` a trial goes on if it is among the best
    1/eta of those that have reached the rung so far (Ray Tune's and Optuna's variant: nothing is undone, so early
    trials go on lightly). With ``pause`` every trial that is not promotable yet waits with its checkpoint, and goes
    on when enough worse ones have come (the paper's Algorithm 2).

    Args:
        pause: Whether trials wait rather than end.
        eta: One in so many goes on.
        min_step: Step of the first rung.
        max_step: Of a whole training; no rung lies at or beyond it. None: rungs without end.
    """

    def __init__(self, *, pause: bool = False, eta: int = 3, min_step: int = 1, max_step: int | None = None) -> None:
        if eta < 2:
            raise ConfigError(f"`eta >= 2` must hold, but got {eta}", "use 3 or 4")
        if min_step < 1 or (max_step is not None and max_step < min_step):
            raise ConfigError(
                f"`1 <= min_step <= max_step` must hold, but got min_step={min_step}, max_step={max_step}",
                "give the steps of the first rung and of a whole training",
            )
        self.pause, self.eta, self.min_step, self.max_step = pause, eta, min_step, max_step

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Judge a trial that has just reached a rung."""
        mine = next(curve for curve in curves if curve.number == number)
        before = max((other for other in mine.values if other < step), default=-1)
        decision: Decision = "continue"
        for rung in self._rungs(step):
            if before < rung <= step and number not in self._promotable(curves, rung):
                decision = "pause" if self.pause else "stop"
        return decision

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Return a paused trial that is among the best of its rung, of the highest rung first."""
        if not self.pause:
            return None
        paused = {curve.number: curve for curve in curves if curve.state == "paused" and curve.values}
        top = max((max(curve.values) for curve in paused.values()), default=0)
        for rung in reversed(self._rungs(top)):
            here = [n for n, curve in paused.items() if self._rung_of(curve) == rung]
            if here:
                best = [n for n in self._promotable(curves, rung) if n in here]
                if best:
                    return best[0]
        return None

    def _rungs(self, step: int) -> list[int]:
        """Return the rungs up to ``step``."""
        rungs = []
        rung = self.min_step
        while rung <= step and (self.max_step is None or rung < self.max_step):
            rungs.append(rung)
            rung *= self.eta
        return rungs

    def _rung_of(self, curve: Curve) -> int:
        """Return the highest rung that a trial has reached."""
        return max(self._rungs(max(curve.values)), default=0)

    def _promotable(self, curves: Sequence[Curve], rung: int) -> list[int]:
        """Return the best 1/eta of those that have reached a rung, at least one, best first."""
        reached = []
        for curve in curves:
            at = min((step for step in curve.values if step >= rung), default=None)
            if at is not None:
                reached.append((curve.values[at], curve.number))
        reached.sort()
        # The first one at a rung goes on at once: something must become whole early.
        fewest = 0 if self.pause and len(reached) > 1 else 1
        return [number for _, number in reached[: max(len(reached) // self.eta, fewest)]]

    def describe(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {
            "type": "asha",
            "pause": self.pause,
            "eta": self.eta,
            "min_step": self.min_step,
            "max_step": self.max_step,
        }
