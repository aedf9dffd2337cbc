"""Weights that follow what has come: each series moves to the members that forecast it well lately.

A choice made on past windows fails when the series changes: a member that was best is wrong for weeks, and the others
know it. So after each window whose targets came, a member's weight is multiplied by exp(-rate x its part in the error),
the gradient of the loss along its forecast (exponentiated gradient, Kivinen & Warmuth 1997; experts' aggregation as in
Gaillard & Goude 2015), and a small share returns to the weights of the fit, so that nobody is lost for ever (fixed
share, Herbster & Warmuth 1998). Axes: M members, S series, W windows, H steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from autots.ensembles.per_series import PerSeriesArrays
from autots.panel import Floats, Ints

__all__ = ["Experts"]

# How far a log weight moves for a part in the error as large as the usual loss, in a window of one target; longer
# windows tell more, up to so many targets.
_RATE, _MAX_TARGETS = 0.1, 100
# Share of the weights that returns to those of the fit after each window.
_SHARE = 0.01
# The usual loss is a mean over about so many windows; no part in the error counts as more than so many of it.
_WINDOWS, _MAX_LOSSES = 50, 3.0


@dataclass(frozen=True)
class Experts(PerSeriesArrays):
    """Factors on the weights of the members, by series, learned from what came after the fit.

    >>> weights = Experts.of_members(2).including(np.array(["a"], dtype=object))
    >>> points, actual = np.array([[[1.0]], [[3.0]]]), np.array([[1.0]])
    >>> for _ in range(30):
    ...     weights = weights.after(np.array([0]), points, actual, np.full((2, 1), 0.5), squared=True)
    >>> bool(weights.factors(np.array([0]))[0, 0] > 3 * weights.factors(np.array([0]))[1, 0])
    True

    Args:
        ids: (S,) series that were seen since the fit.
        logs: (S, M) logarithms of the factors.
        usual: (S,) mean loss of the ensemble, in the target's unit or its square.
        windows: (S,) how many it is the mean of.
    """

    logs: Floats
    usual: Floats
    windows: Ints

    @classmethod
    def of_members(cls, members: int) -> Self:
        """Return the weights of a fit after which nothing has come yet."""
        return cls(np.array([], dtype=object), np.empty((0, members)), np.empty(0), np.empty(0, dtype=np.int64))

    def factors(self, rows: Ints) -> Floats:
        """Return the (M, S') factors of series by position; 1 where it is -1."""
        logs = np.where(rows[:, None] < 0, 0.0, self.logs[rows])
        return np.asarray(np.exp(logs).T)

    def after(self, rows: Ints, points: Floats, actual: Floats, shares: Floats, *, squared: bool) -> Self:
        """Return the weights that have seen the outcome of one window of each of W series.

        Args:
            rows: (W,) positions of the series, each once.
            points: (M, W, H) the members' forecasts.
            actual: (W, H) targets, NaN where missing.
            shares: (M, W) the members' weights without these factors.
            squared: Whether squared errors count, or absolute ones.
        """
        seen = np.isfinite(actual)
        some = seen.any(axis=1)
        if not some.any():
            return self
        rows, points, actual, shares, seen = rows[some], points[:, some], actual[some], shares[:, some], seen[some]
        shares = shares / shares.sum(axis=0)
        now = shares * np.exp(self.logs[rows].T)
        now /= now.sum(axis=0)
        together = np.einsum("mw,mwh->wh", now, points)
        error = np.where(seen, together - actual, 0.0)
        targets = seen.sum(axis=1)
        loss = (error**2 if squared else np.abs(error)).sum(axis=1) / targets
        windows = self.windows[rows] + 1
        usual = self.usual[rows] + (loss - self.usual[rows]) / np.minimum(windows, _WINDOWS)
        slope = 2.0 * error if squared else np.sign(error)
        part = np.einsum("wh,mwh->mw", slope, points - together) / targets
        known = usual > 0
        part = np.where(known, part / np.where(known, usual, 1.0), 0.0).clip(-_MAX_LOSSES, _MAX_LOSSES)
        now *= np.exp(-_RATE * np.sqrt(np.minimum(targets, _MAX_TARGETS)) * part)
        now /= now.sum(axis=0)
        now = (1.0 - _SHARE) * now + _SHARE * shares
        # A member without weight has no factor that could be told.
        logs = np.log(np.divide(now, shares, out=np.ones_like(now), where=shares > 0))
        return self._with(rows, logs=logs.T, usual=usual, windows=windows)
