"""Forecast origins of a panel: the rows from which models that learn over all series are shown its future.

Axes: W origins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autots.panel import Ints, Panel
from zoo.series.offsets import Offsets, spans

__all__ = ["ForecastOrigins", "final_origins", "sample_origins"]


@dataclass(frozen=True)
class ForecastOrigins:
    """W forecast origins.

    Args:
        series: (W,) series of each origin.
        row: (W,) flat row of the last known value.
    """

    series: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.row)


def final_origins(panel: Panel) -> ForecastOrigins:
    """Return the origin at the end of every series."""
    return ForecastOrigins(np.arange(panel.n_series), panel.indptr[1:] - 1)


def sample_origins(
    panel: Panel,
    horizon: int,
    *,
    max_origins: int,
    rng: np.random.Generator,
    min_history: int,
    halflife: float = np.inf,
) -> ForecastOrigins:
    """Draw at most ``max_origins`` distinct origins with a whole horizon behind them, in flat order.

    Args:
        panel: The series that origins lie in.
        horizon: Rows that must follow an origin.
        max_origins: Upper bound on W; all there are where they are fewer.
        rng: Source of chance: equal states draw equal origins.
        min_history: Rows that an origin must have seen, itself included; short series give what they have.
        halflife: Rows after which an origin is half as likely as a recent one.
    """
    lengths = panel.lengths
    first = np.minimum(max(min_history, 1), np.maximum(lengths - horizon, 1)) - 1
    counts = np.maximum(lengths - horizon - first, 0)
    possible = Offsets.of_lengths(counts)
    series, within = possible.codes, possible.positions
    row = spans(panel.offsets.starts + first, counts)
    if len(row) > max_origins:
        if np.isfinite(halflife):
            age = (counts[series] - 1 - within) / halflife
            # Efraimidis & Spirakis (2006): a weighted sample without replacement by keys log(u) / w.
            keys = np.log(rng.random(len(row))) * np.exp2(age)
            chosen = np.argpartition(-keys, max_origins)[:max_origins]
        else:
            chosen = rng.choice(len(row), size=max_origins, replace=False)
        chosen.sort()
        series, row = series[chosen], row[chosen]
    return ForecastOrigins(series.astype(np.int64), row.astype(np.int64))
