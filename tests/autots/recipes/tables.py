"""Small tables of a portfolio, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from autots.recipes.candidates import Recipe
from autots.recipes.table import PortfolioTable, SetRow
from autots.recipes.traits import Traits

__all__ = ["HOURLY", "RECIPES", "YEARLY", "row", "table"]

RECIPES = (
    Recipe("linear_direct", {"norm": "last"}),
    Recipe("linear_direct", {"norm": "mean"}),
    Recipe("auto_theta"),
    Recipe("smoothing"),
    Recipe("auto_arima"),
)
YEARLY = Traits(length=30, series=400, rows=12_000, season=1, longest_season=1, horizon=6)
HOURLY = Traits(length=5_000, series=3, rows=15_000, season=24, longest_season=168, horizon=168)


def row(
    name: str,
    traits: Traits,
    losses: Sequence[float],
    units: Sequence[float],
    *,
    alike: Mapping[tuple[int, int], float] | None = None,
    usually: float = 0.6,
) -> SetRow:
    """Return what was measured on a set whose members' errors correlate by ``usually``, or as ``alike`` says.

    The trivial forecaster comes first with a loss of 1; a loss of NaN is that of a candidate which was not measured.
    """
    all_losses = np.array([1.0, *losses])
    alike = {} if alike is None else alike
    pairs = np.empty((len(all_losses), len(all_losses)))
    for i, a in enumerate(all_losses):
        for j, b in enumerate(all_losses):
            together = 1.0 if i == j else alike.get((min(i, j), max(i, j)), usually)
            pairs[i, j] = np.sqrt((a * a + b * b + 2 * together * a * b) / 4)
    count = len(all_losses)
    return SetRow(name, traits, 3, np.array([0.01, *units]), np.ones(count), np.full(count, np.nan), pairs)


def table(*rows: SetRow, recipes: Sequence[Recipe] = RECIPES) -> PortfolioTable:
    return PortfolioTable(tuple(recipes), rows, 20.0)
