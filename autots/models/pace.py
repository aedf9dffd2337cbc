"""How far a fit of many equal units of work is, and where it ends: at its last unit, or where its time does.

A fit that is cut off has learned something, but its schedule (a learning rate that falls to zero, trees that each
correct a little) was made for more. So the schedule is fitted to the units that the time left pays for, measured by
those that were done, and ends as it would have ended.
"""

from __future__ import annotations

from zoo.clock import Deadline
from zoo.errors import BudgetError

__all__ = ["FitPace"]

# Units after which their speed is believed.
_BELIEVED = 5


class FitPace:
    """The pace of one fit.

    Where the time suffices (or there is no deadline) the share after ``done`` units is exactly ``done / units``.

    Args:
        deadline: When the fit must end; None for no limit.
        units: Units of work of the whole schedule: gradient steps, trees, chunks of windows.
        rest_ratio: Seconds of what comes after the last unit, for each second that the units took; 0 by default.
    """

    def __init__(self, deadline: Deadline | None, units: int, *, rest_ratio: float = 0.0) -> None:
        self._deadline, self._units, self._rest = deadline, units, rest_ratio
        self._done = 0
        # Units and seconds at the first look: the first unit may have a set-up in it.
        self._first: tuple[int, float] | None = None
        #: Units that will be done, as far as the time left tells.
        self.planned = float(units)

    def share(self, done: int) -> float:
        """Return how much of the schedule is over after ``done`` units, from 0 to 1; at 1 it ends.

        Raises:
            BudgetError: The time is over before a single unit was done.
        """
        self._done = done
        if self._deadline is not None:
            left = self._deadline.remaining
            if left <= 0 and done == 0:
                raise BudgetError("the trial's time is over before it began", "allow more time")
            if self._first is None and done > 0:
                self._first = done, self._deadline.elapsed
            if left <= 0:
                self.planned = float(done)
            elif self._first is not None and done >= self._first[0] + _BELIEVED:
                spent = max(self._deadline.elapsed - self._first[1], 1e-9)
                affordable = (left - self._rest * spent) * (done - self._first[0]) / (spent * (1.0 + self._rest))
                self.planned = min(float(self._units), done + max(affordable, 0.0))
        return min(done / max(self.planned, 1.0), 1.0)

    @property
    def progress(self) -> float:
        """Share of all units that were done when ``share`` was last asked, from 0 to 1."""
        return min(self._done / max(self._units, 1), 1.0)
