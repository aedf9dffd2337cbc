"""What a candidate will cost on a panel: what it cost on others like it, by the work that both are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from autots.models.base import Task
from autots.models.catalog import create
from autots.panel import Floats
from autots.recipes.candidates import Recipe
from autots.recipes.sizes import fixed_sizes, tree_size
from autots.recipes.table import PortfolioTable
from autots.recipes.traits import Traits

__all__ = ["expected_units", "work"]

# Exponent of the horizon in a learner's fit, and what a row of all windows' histories costs its forecasts, of what a
# row of the fit does: chosen by what they say of sets left out, where costs are then within a factor of 1.4 to 2.2.
_LEARNED: Mapping[str, tuple[float, float]] = {
    "linear_direct": (1.0, 0.1),
    "trees_direct": (0.75, 0.03),
    "trees_recursive": (0.0, 0.01),
    "mlp": (0.25, 0.01),
    "rvfl": (0.0, 0.3),
}
# The same of models of single series: what a row of a history costs a forecast, and what a step does.
_FILTERED, _STEP = 0.03, 0.3
# Rounds and leaves of the trees to which works are relative, and the exponent of the leaves.
_TREE_ROUNDS, _TREE_LEAVES, _LEAVES_EXPONENT = 120, 15, 0.5


def work(recipe: Recipe, traits: Traits, *, windows: int, fits: int, seconds: float) -> float:
    """Return how much a backtest has to do, in an arbitrary unit of its family: rows that it fits and forecasts from.

    Args:
        recipe: Its family and size decide which rows count.
        traits: Rows, series, seasons and horizon of the panel.
        windows: How many windows are forecast.
        fits: How often it is fitted.
        seconds: The budget that decides on the sizes of learners.
    """
    task = Task(traits.horizon, tuple(sorted({traits.season, traits.longest_season})))
    params = dict(fixed_sizes(task, seconds).get(recipe.family, {}))
    if not recipe.learner:
        seen = traits.series * min(traits.length, params.get("max_history") or traits.length)
        return float((fits + _FILTERED * windows) * seen + _STEP * windows * traits.series * traits.horizon)
    times = 1.0
    if recipe.family.startswith("trees"):
        size = tree_size(recipe.family, traits.rows, seconds, large=recipe.large)
        times = size["rounds"] / _TREE_ROUNDS * (size["leaves"] / _TREE_LEAVES) ** _LEAVES_EXPONENT
        params |= size
    learned = min(traits.rows, create(recipe.family, **params, **recipe.params).max_training_rows(traits.horizon))
    exponent, looked_up = _LEARNED[recipe.family]
    return float(times * fits * learned * traits.horizon**exponent + looked_up * windows * traits.rows)


def expected_units(
    table: PortfolioTable,
    members: Sequence[int],
    weights: Floats,
    traits: Traits,
    *,
    windows: int,
    fits: int,
    seconds: float,
) -> Floats:
    """Return the expected cost of some members on a panel, in units; 0 where no set tells.

    Args:
        table: What was measured on sets.
        members: Positions of members of the table, from 1 on.
        weights: (R,) how much each set of the table counts.
        traits: Of the panel that is asked about.
        windows: How many windows its backtests forecast.
        fits: How often its backtests fit.
        seconds: The budget of its fit.
    """
    out = np.zeros(len(members))
    for i, member in enumerate(members):
        recipe = table.recipes[member - 1]
        there = [(w, row) for w, row in zip(weights, table.rows, strict=True) if row.units[member] > 0]
        if not there:
            continue
        rates = [
            np.log(
                row.units[member]
                / work(recipe, row.traits, windows=row.windows, fits=int(row.fits[member]), seconds=table.seconds)
            )
            for _, row in there
        ]
        here = work(recipe, traits, windows=windows, fits=fits, seconds=seconds)
        out[i] = here * np.exp(np.average(rates, weights=[w for w, _ in there]))
    return out
