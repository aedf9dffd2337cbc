"""Configurations that are known to be good, in the order in which they help an ensemble most for what they cost.

The order is learned from a table of backtests on public sets, on windows before their test windows (``table.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autots.evaluate import plan_cutoffs
from autots.models.base import Task
from autots.panel import Panel
from autots.recipes.candidates import CANDIDATES, INTERMITTENT, LEARNERS, Recipe
from autots.recipes.expected_cost import expected_units
from autots.recipes.order import OrderPolicy, likeness, ordered
from autots.recipes.sizes import fixed_sizes, tree_size
from autots.recipes.table import PortfolioTable, portfolio_table
from autots.recipes.traits import Traits, zero_share

__all__ = ["Configuration", "Portfolio", "baselines", "portfolio"]


@dataclass(frozen=True)
class Configuration:
    """A family with hyper-parameters.

    Args:
        family: The name of its class in the catalog of models.
        params: Hyper-parameters that differ from the family's defaults; none by default.
        cost: What its backtest is expected to take on the panel at hand, in units of ``machine_unit.unit_seconds``;
            0 if unknown.
    """

    family: str
    params: Mapping[str, Any] = field(default_factory=dict)
    cost: float = 0.0


@dataclass(frozen=True)
class Portfolio:
    """What a search begins with.

    Args:
        configurations: In the order in which they are tried.
        searched: Families that the Bayesian search goes on with.
        fixed: Family -> hyper-parameters that the size of the panel and the budget decide; those of a configuration go
            before them.
    """

    configurations: tuple[Configuration, ...]
    searched: tuple[str, ...]
    fixed: Mapping[str, Mapping[str, Any]]


def baselines(panel: Panel, task: Task) -> tuple[Configuration, ...]:
    """Return the trivial forecasters that belong into every search; seasonal naive comes first."""
    traits = Traits.of(panel, task)
    out = [Configuration("seasonal_naive")]
    out += [Configuration("seasonal_naive", {"season": m}) for m in task.seasons[1:] if 2 * m <= traits.length]
    out += [Configuration("naive"), Configuration("drift"), Configuration("mean"), Configuration("zero")]
    if task.season > 1:
        out.append(Configuration("seasonal_mean"))
    if zero_share(panel) > INTERMITTENT:
        out.append(Configuration("empirical"))
    return tuple(out)


def portfolio(
    panel: Panel,
    task: Task,
    *,
    seconds: float,
    table: PortfolioTable | None = None,
    policy: OrderPolicy | None = None,
) -> Portfolio:
    """Return the configurations to begin with.

    Args:
        panel: The series, with all rows that the fit looks at.
        task: Horizon, seasons and quantile levels.
        seconds: The budget; it decides on the sizes of the learners, and how much a cost counts.
        table: What the order is learned from; that of the package by default.
        policy: How the order is learned; the usual way by default.
    """
    table, policy = table or portfolio_table(), policy or OrderPolicy()
    traits = Traits.of(panel, task)
    members = [i + 1 for i, recipe in enumerate(table.recipes) if recipe.of_use(traits)]
    weights = likeness(table, traits, policy)
    plan = plan_cutoffs(panel.lengths, task.horizon, season=task.season)
    windows, fits = (1, 1) if plan is None else (len(plan.cutoffs), len(plan.fits))
    units = expected_units(table, members, weights, traits, windows=windows, fits=fits, seconds=seconds)
    chosen = ordered(table, members, weights, units, budget=seconds, policy=policy)
    made = [_configuration(table.recipes[members[i] - 1], traits, seconds, float(units[i])) for i in chosen]
    # What nobody has measured yet is tried, too, but last.
    unmeasured = [recipe for recipe in CANDIDATES if recipe not in table.recipes and recipe.of_use(traits)]
    made += [_configuration(recipe, traits, seconds, 0.0) for recipe in unmeasured]
    return Portfolio(tuple(made), LEARNERS if traits.learnable else (), fixed_sizes(task, seconds))


def _configuration(recipe: Recipe, traits: Traits, seconds: float, units: float) -> Configuration:
    """Return a candidate with the size that the panel and the budget give its trees."""
    size: Mapping[str, Any] = {}
    if recipe.family.startswith("trees"):
        size = tree_size(recipe.family, traits.rows, seconds, large=recipe.large)
    return Configuration(recipe.family, {**recipe.params, **size}, units)
