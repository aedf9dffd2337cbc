"""What is known of a panel before anything is fitted: the traits by which panels are compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log, sqrt
from typing import Any

import numpy as np

from autots.models.base import Task
from autots.panel import Panel
from autots.panel.season import usual_length

__all__ = ["Traits", "zero_share"]

# Weights of the parts of a distance. Others that were tried changed the mean loss of sets left out by .4 % at most.
# A unit of distance is a factor of e in length, series, rows or the horizon, and of e^2 in the season;
# all zeros against none; a season, or known covariates, against none.
_WEIGHTS = {"length": 0.7, "series": 0.4, "rows": 0.3, "season": 0.5, "horizon": 0.5, "zeros": 4.0, "known": 1.0}


@dataclass(frozen=True)
class Traits:
    """What is known of a panel and its task before anything is fitted.

    Args:
        length: Rows of the usual series.
        series: How many series there are.
        rows: Rows of all series together.
        season: The shortest season in rows, 1 for none.
        longest_season: The longest season in rows, 1 for none.
        horizon: Steps that are forecast.
        zero_share: Share of zeros among the known targets, 0 to 1.
        positive: Whether all known targets are above zero.
        known: How many covariates are known in the future.
    """

    length: int
    series: int
    rows: int
    season: int
    longest_season: int
    horizon: int
    zero_share: float = 0.0
    positive: bool = True
    known: int = 0

    @classmethod
    def of(cls, panel: Panel, task: Task) -> Traits:
        """Return the traits of a panel and its task."""
        targets = panel.y[~np.isnan(panel.y)]
        return cls(
            usual_length(panel.lengths, 2 * max(task.seasons)),
            panel.n_series,
            panel.n_rows,
            task.season,
            max(task.seasons),
            task.horizon,
            zero_share(panel),
            bool((targets > 0).all()),
            len(panel.known),
        )

    @property
    def learnable(self) -> bool:
        """Whether series are long enough for models that learn windows of a horizon."""
        return self.length > self.horizon + 3

    def distance(self, other: Traits) -> float:
        """Return how unlike two panels are: 0 for the same traits, above 3 or so for nothing in common."""
        parts = {
            "length": log(self.length / other.length),
            "series": log(self.series / other.series),
            "rows": log(self.rows / other.rows),
            "season": abs(log(self.season / other.season)) / 2 + ((self.season > 1) != (other.season > 1)),
            "horizon": log(self.horizon / other.horizon),
            "zeros": self.zero_share - other.zero_share,
            "known": float((self.known > 0) != (other.known > 0)),
        }
        return sqrt(sum((_WEIGHTS[name] * part) ** 2 for name, part in parts.items()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, from which the constructor builds equal traits."""
        return asdict(self)


def zero_share(panel: Panel) -> float:
    """Return the share of zeros among the known targets."""
    known = panel.y[~np.isnan(panel.y)]
    return float((known == 0).mean()) if len(known) else 0.0
