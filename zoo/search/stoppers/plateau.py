"""Stop a training that does not get better any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import ConfigError
from zoo.search.stoppers.base import Curve, Decision, Stopper

__all__ = ["Plateau"]


class Plateau(Stopper):
    """Stops a trial whose best value has not improved over its last reports, unless it is the best of all.

    Args:
        patience: Reports without an improvement.
        min_gain: What counts as one, as a share of the range of the trial's own values.
        min_step: Nobody is stopped before.
    """

    def __init__(self, *, patience: int = 10, min_gain: float = 0.001, min_step: int = 1) -> None:
        if patience < 1 or min_step < 0 or not 0 <= min_gain < 1:
            raise ConfigError(
                f"`patience >= 1`, `min_step >= 0` and `0 <= min_gain < 1` must hold, but got patience={patience}, "
                f"min_step={min_step}, min_gain={min_gain}",
                "leave them out for the defaults",
            )
        self.patience, self.min_gain, self.min_step = patience, min_gain, min_step

    def decide(self, curves: Sequence[Curve], number: int, step: int) -> Decision:
        """Compare the last reports with the ones before."""
        mine = next(curve for curve in curves if curve.number == number)
        values = [mine.values[at] for at in sorted(mine.values)]
        if step < self.min_step or len(values) <= self.patience:
            return "continue"
        before, after = min(values[: -self.patience]), min(values[-self.patience :])
        if before - after > self.min_gain * (max(values) - min(values)):
            return "continue"
        others = [min(c.values.values()) for c in curves if c.number != number and c.state != "failed" and c.values]
        return "continue" if min(values) <= min(others, default=min(values)) else "stop"

    def promote(self, curves: Sequence[Curve]) -> int | None:
        """Promote nobody: nobody pauses."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {
            "type": "plateau",
            "patience": self.patience,
            "min_gain": self.min_gain,
            "min_step": self.min_step,
        }
