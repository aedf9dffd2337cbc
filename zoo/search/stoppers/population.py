"""Population based training (Jaderberg et al. 2017), the half that selects: the worst of a population make room.

The other half is ``samplers/population.py``: who takes the place goes on from a good trial's checkpoint with changed
parameters. Each is a trial of its own, so the value of a trial stays that of its parameters (from its origin on).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoo.errors import ConfigError
from zoo.search.stoppers.base import Curve, Decision, Stopper

__all__ = ["Population"]

#: Others that must have been seen before anybody is judged.
_MIN_SIZE = 3


class Population(Stopper):
    """Keeps ``size`` trainings alive; they take turns if there are fewer workers, and the worst are stopped.

    At every ``interval`` steps a trial is compared with what the others last reported at that step or before.

    Args:
        size: Trainings that are alive: running or paused.
        interval: Steps from one comparison to the next.
        share: So many of the population are the worst, and stop.
        max_step: Of a whole training; who has come so far is left alone, and nobody goes on from there. None: as far as
            the longest one came.
    """

    def __init__(self, *, size: int = 8, interval: int = 3, share: float = 0.25, max_step: int | None = None) -> None:
        if size <= _MIN_SIZE or interval < 1 or not 0 < share < 1:
            raise ConfigError(
                f"`size > {_MIN_SIZE}`, `interval >= 1` and `0 < share < 1` must hold, but got size={size}, "
                f"interval={interval}, share={share}",
                "for example Population(size=8, interval=3, share=0.25)",
            )
        self.size, self.interval, self.share, self.max_step = size, interval, share, max_step

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Stop one of the worst; let others wait where somebody else's turn is due."""
        mine = next(curve for curve in curves if curve.number == number)
        before = max((other for other in mine.values if other < step), default=0)
        complete = (max(curve.values) for curve in curves if curve.state == "complete" and curve.values)
        whole = self.max_step or max(complete, default=math.inf)
        if step // self.interval == before // self.interval or step >= whole:
            return "continue"
        alive = [curve for curve in curves if curve.number != number and curve.state in ("running", "paused")]
        if self._is_poor(mine, step, curves, alive):
            return "stop"
        waiting = len(alive) + 1 < self.size or any(curve.state == "paused" for curve in alive)
        return "pause" if waiting else "continue"

    def _is_poor(self, mine: Curve, step: int, curves: Sequence[Curve], alive: Sequence[Curve]) -> bool:
        best = min(min(curve.values.values()) for curve in curves if curve.values)
        if min(mine.values.values()) <= best:
            return False
        others = [curve.values[max(at)] for curve in alive if (at := [s for s in curve.values if s <= step])]
        better = sum(value < mine.values[step] for value in others)
        return len(others) >= _MIN_SIZE and better >= math.ceil((1 - self.share) * (len(others) + 1))

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Return the paused trial that is furthest behind, once the population is complete."""
        alive = sum(curve.state in ("running", "paused") for curve in curves)
        return self.last(curves) if alive >= self.size else None

    def last(self, curves: Sequence[Curve]) -> int | None:
        """Return the paused trial that is furthest behind."""
        paused = [curve for curve in curves if curve.state == "paused"]
        return min(paused, key=lambda curve: (max(curve.values, default=0), curve.number)).number if paused else None

    def describe(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {
            "type": "population",
            "size": self.size,
            "interval": self.interval,
            "share": self.share,
            "max_step": self.max_step,
        }
