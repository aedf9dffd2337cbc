"""What an ensemble learns from the targets that come after the fit: weights that follow, errors that persist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from autots.ensembles.experts import Experts
from autots.ensembles.intercept_correction import LastErrors
from autots.panel import Floats, Ints

__all__ = ["OnlineUpdates", "shifted"]

_LARGEST = 1e100  # errors beyond it are no errors of a forecast, and their squares would overflow


def shifted(values: Floats, more: Floats, floor: float) -> Floats:
    """Return values moved by ``more``, but for those on a bound of the targets: a zero among many is no wrong level."""
    return np.asarray(np.where(values > floor, np.maximum(values + more, floor), values))


@dataclass(frozen=True)
class OnlineUpdates:
    """Factors on the weights of the members and corrections of the level, by series.

    Args:
        weights: Factors on the weights of the members.
        trust: Factors on the weights of the forecast as it is, and of the corrected one.
        errors: What the errors of each series were.
    """

    weights: Experts
    trust: Experts = field(default_factory=lambda: Experts.of_members(2))
    errors: LastErrors = field(default_factory=LastErrors.none)

    @classmethod
    def of_members(cls, members: int) -> Self:
        """Return what is known right after a fit."""
        return cls(Experts.of_members(members))

    @property
    def empty(self) -> bool:
        """Whether nothing has come yet."""
        return not len(self.weights.ids)

    def factors(self, ids: npt.NDArray[np.object_]) -> Floats:
        """Return the (M, S) factors of some series on the members' weights."""
        return self.weights.factors(self.weights.rows(ids))

    def corrections(self, ids: npt.NDArray[np.object_], times: npt.NDArray[Any]) -> Floats:
        """Return (S,) values to add to the forecasts of some series whose histories end at these times."""
        rows = self.weights.rows(ids)
        return self._trusted(rows) * self.errors.expected(rows, times.view(np.int64))

    def _trusted(self, rows: Ints) -> Floats:
        plain, corrected = self.trust.factors(rows)
        return np.asarray(corrected / (plain + corrected))

    def including(self, ids: npt.NDArray[np.object_]) -> Self:
        """Return the same with these series."""
        return type(self)(self.weights.including(ids), self.trust.including(ids), self.errors.including(ids))

    def after(
        self,
        ids: npt.NDArray[np.object_],
        points: Floats,
        together: Floats,
        actual: Floats,
        shares: Floats,
        times: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]],
        *,
        squared: bool,
        floor: float = -np.inf,
    ) -> Self:
        """Return what is known after the outcome of one window of each of W series, all of them included before.

        Args:
            ids: (W,) the series, each once.
            points: (M, W, H) the members' forecasts.
            together: (W, H) the ensemble's points, not corrected.
            actual: (W, H) targets, NaN where missing.
            shares: (M, W) the members' weights without factors.
            times: (W,) when the history ended, when the window did, and one horizon later.
            squared: Whether squared errors count, or absolute ones.
            floor: A bound of the targets.
        """
        # Errors whose squares are no number teach nothing, as missing targets do.
        actual = np.where(np.abs(actual - together) < _LARGEST, actual, np.nan)
        seen = np.isfinite(actual)
        some = np.flatnonzero(seen.any(axis=1))
        if not len(some):
            return self
        points, together, actual, shares, seen = (
            points[:, some],
            together[some],
            actual[some],
            shares[:, some],
            seen[some],
        )
        rows = self.weights.rows(ids[some])
        last, begin, end = (t[some].view(np.int64) for t in times)
        corrected = shifted(together, self.errors.expected(rows, last)[:, None], floor)
        # Each point metric's own centre: where targets are skewed, the mean error of a median is no wrong level.
        error = (np.nanmean if squared else np.nanmedian)(actual - together, axis=1)
        even = np.full((2, len(some)), 0.5)
        return type(self)(
            self.weights.after(rows, points, actual, shares, squared=squared),
            self.trust.after(rows, np.stack([together, corrected]), actual, even, squared=squared),
            self.errors.after(rows, error, begin, end),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and arrays."""
        return {name: getattr(self, name).to_dict() for name in ("weights", "trust", "errors")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` wrote."""
        weights, trust = (Experts.from_dict(values[name]) for name in ("weights", "trust"))
        return cls(weights, trust, LastErrors.from_dict(values["errors"]))
