"""The error of the last horizon, and the share of it that comes again.

After a change of level every member is wrong on the same side, and no weights help; but where the errors of one horizon
after another resemble each other, the last one foretells the next (intercept correction, Clements & Hendry 1996). The
share is a regression on recent horizons, drawn towards zero. Axes: S series, W windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from autots.ensembles.per_series import PerSeriesArrays
from autots.panel import Floats, Ints

__all__ = ["LastErrors"]

# The share that comes again is estimated from about so many horizons, and as if so many more had shown none.
_MEMORY, _PRIOR = 50, 10.0
# It is never all; errors further than so many standard deviations count as this far.
_MAX_SHARE, _MAX_DEVIATIONS = 0.95, 3.0


@dataclass(frozen=True)
class LastErrors(PerSeriesArrays):
    """What the errors of each series were.

    Args:
        ids: (S,) series that were seen since the fit.
        last: (S,) central error of the last horizon, target less forecast, in the target's unit.
        product: (S,) discounted sum of the products of each central error with the one before.
        power: (S,) discounted sum of the squares of those before.
        variance: (S,) mean of the squares.
        windows: (S,) how many horizons were seen.
        begin: (S,) time of the last target: what lies before it is not foretold,
        end: (S,) nor what follows a history that ends here or later.
    """

    last: Floats
    product: Floats
    power: Floats
    variance: Floats
    windows: Ints
    begin: Ints
    end: Ints

    @classmethod
    def none(cls) -> Self:
        """Return the errors of a fit after which nothing has come yet."""
        none, zero = np.empty(0), np.empty(0, dtype=np.int64)
        return cls(np.array([], dtype=object), none, none, none, none, zero, zero, zero)

    def expected(self, rows: Ints, times: Ints) -> Floats:
        """Return (S',) errors that are to be expected, 0 where nothing is known.

        Args:
            rows: Positions of the series, -1 for those of which nothing is known.
            times: When their histories end.
        """
        current = (rows >= 0) & (self.begin[rows] <= times) & (times < self.end[rows])
        power = self.power[rows] + _PRIOR * self.variance[rows]
        known = current & (power > 0)
        share = np.where(known, self.product[rows] / np.where(known, power, 1.0), 0.0)
        return np.asarray(share.clip(0.0, _MAX_SHARE) * self.last[rows])

    def after(self, rows: Ints, error: Floats, begin: Ints, end: Ints) -> Self:
        """Return the errors after one more window of each of W series.

        Args:
            rows: (W,) positions of the series, each once.
            error: (W,) the mean or median errors.
            begin: (W,) times of the last targets.
            end: (W,) times from which on these errors foretell nothing.
        """
        windows, before = self.windows[rows] + 1, self.last[rows]
        variance = self.variance[rows] + (error**2 - self.variance[rows]) / np.minimum(windows, _MEMORY)
        far = _MAX_DEVIATIONS * np.sqrt(variance)
        error = error.clip(-far, far)
        keep = 1 - 1 / _MEMORY
        return self._with(
            rows,
            last=error,
            product=keep * self.product[rows] + error * before,
            power=keep * self.power[rows] + before**2,
            variance=variance,
            windows=windows,
            begin=begin,
            end=end,
        )
