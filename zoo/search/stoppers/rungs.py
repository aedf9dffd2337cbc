"""Pause at rungs: each training stops for a moment where others have been compared before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import ConfigError
from zoo.search.stoppers.base import Curve, Decision, Stopper

__all__ = ["Rungs", "ladder"]


def ladder(max_step: int, *, eta: int = 3, rungs: int = 3) -> tuple[int, ...]:
    """Return the steps at which a training is looked at, the last of them its end.

    >>> ladder(52), ladder(81), ladder(2)
    ((6, 17, 52), (9, 27, 81), (1, 2))
    """
    return tuple(sorted({max(1, round(max_step / eta**power)) for power in range(rungs)}))


class Rungs(Stopper):
    """Pauses every training at every rung, and leaves it to the sampler who goes on (freeze-thaw).

    Give checkpoints: a training without them begins anew when it goes on.

    Args:
        max_step: Of a whole training; None: that of the longest complete one, and nobody pauses before there is one.
        eta: Ratio of neighbouring rungs.
        rungs: How many, with the end.
    """

    #: The sampler decides who goes on.
    leaves_choice = True

    def __init__(self, max_step: int | None = None, *, eta: int = 3, rungs: int = 3) -> None:
        if max_step is not None and max_step < 1:
            raise ConfigError(f"`max_step >= 1` must hold, but got {max_step}", "give the steps of a whole training")
        if eta < 2 or rungs < 1:
            raise ConfigError(f"`eta >= 2` and `rungs >= 1` must hold, but got eta={eta}, rungs={rungs}", "use 3 and 3")
        self.max_step, self.eta, self.rungs = max_step, eta, rungs

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Pause at the first report at or beyond each rung but the last."""
        longest = self.max_step or _longest(curves)
        if longest == 0 or step >= longest:
            return "continue"
        mine = next(curve for curve in curves if curve.number == number)
        before = max((other for other in mine.values if other < step), default=-1)
        rungs = ladder(longest, eta=self.eta, rungs=self.rungs)[:-1]
        return "pause" if any(before < rung <= step for rung in rungs) else "continue"

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Promote nobody: the sampler does."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {"type": "rungs", "max_step": self.max_step, "eta": self.eta, "rungs": self.rungs}


def _longest(curves: Sequence[Curve]) -> int:
    return max((max(c.values) for c in curves if c.state == "complete" and c.values), default=0)
