"""What an order is worth on a set that it was not learned from: candidates in order until a budget is spent.

The ensemble is weighed on the windows that choose, and scored on those that no choice saw; then the other way round, so
that every window is scored once, by weights that have not seen it. All are before the test window. A candidate that
does not fit into what is left is passed over, as the search does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autots.ensembles import combine, ensemble_weights
from autots.evaluate import Backtest, Part
from autots.recipes.candidates import CANDIDATES
from autots.recipes.expected_cost import expected_units
from autots.recipes.order import OrderPolicy, likeness, ordered
from autots.recipes.table import PortfolioTable
from autots.recipes.traits import Traits
from benchmarks.portfolio.measure import Measured, SetData
from benchmarks.portfolio.written import written_order

__all__ = ["BUDGETS", "Replay", "learned_order", "left_out", "summary"]

#: Units of the machine that are spent; the sets are thinned, so that 60 buy nearly everything.
BUDGETS = (2.0, 5.0, 10.0, 25.0, 60.0)
# Weights of all members together are found in fewer rounds and on fewer targets than in a fit.
_ROUNDS, _ENOUGH = 12, 12_000


@dataclass
class Replay:
    """A set on which orders can be tried without computing anything but ensembles.

    Args:
        one: The set with its windows.
        found: Name of the candidate -> fidelity -> what was measured.
    """

    one: SetData
    found: Mapping[str, Mapping[str, Measured]]
    _known: dict[frozenset[str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {recipe.name for recipe in CANDIDATES}
        ended = {name: f["all"] for name, f in self.found.items() if "all" in f and f["all"].forecasts is not None}
        self._units = {name: made.measurement.units for name, made in ended.items()}
        self._forecasts = {name: made.forecasts for name, made in ended.items() if made.forecasts is not None}
        self._trivial = [name for name in ended if name not in names]

    def loss(self, order: Sequence[str], budget: float) -> float:
        """Return the loss on unseen windows of what a budget of units buys of an order."""
        taken, left = list(self._trivial), budget
        for name in order:
            if self._units.get(name, np.inf) <= left:
                taken.append(name)
                left -= self._units[name]
        return self._ensemble(frozenset(taken))

    def _ensemble(self, names: frozenset[str]) -> float:
        if names not in self._known:
            last = len(self.one.objective.plan.cutoffs) - self.one.objective.plan.n_selection
            if not last:
                self._known[names] = self._scored(names, "all", "all")
            else:
                scores = [self._scored(names, "selection", "final"), self._scored(names, "final", "selection")]
                self._known[names] = float(np.average(scores, weights=[last, self.one.objective.plan.n_selection]))
        return self._known[names]

    def _scored(self, names: frozenset[str], weighed: Part, scored: Part) -> float:
        """Return the loss on some windows of the ensemble that others weigh."""
        chosen, middle = sorted(names), self.one.objective.middle
        members: list[Backtest] = [self._forecasts[name] for name in chosen]
        kinds = [tuple(name.split()) for name in chosen]
        weights = ensemble_weights(
            self.one.objective, members, part=weighed, rounds=_ROUNDS, enough=_ENOUGH, kinds=kinds
        )
        together = combine(members, [(w, w) for w in weights.tolist()], middle)
        return self.one.objective.value(together, scored)


def learned_order(table: PortfolioTable, traits: Traits, windows: int, budget: float, policy: OrderPolicy) -> list[str]:
    """Return the names of the candidates in the order that a table gives a panel.

    Args:
        table: What was measured on sets.
        traits: Of the panel that is asked about.
        windows: How many windows a backtest has.
        budget: Units that may be spent.
        policy: How the order is learned.
    """
    members = [i + 1 for i, recipe in enumerate(table.recipes) if recipe.of_use(traits)]
    weights = likeness(table, traits, policy)
    units = expected_units(table, members, weights, traits, windows=windows, fits=1, seconds=table.seconds)
    order = ordered(table, members, weights, units, budget=budget, policy=policy)
    return [table.recipes[members[i] - 1].name for i in order]


def left_out(
    table: PortfolioTable, replays: Sequence[Replay], *, policy: OrderPolicy, budgets: Sequence[float] = BUDGETS
) -> Iterator[dict[str, Any]]:
    """Yield a record per set: losses of the learned, written and best order, of the best that is known on the set.

    Args:
        table: What was measured on all sets; each is left out where its own order is learned.
        replays: The sets with their forecasts.
        policy: How the order is learned.
        budgets: Units that are spent, one after another.
    """
    for replay in replays:
        one = replay.one
        row = next(row for row in table.rows if row.name == one.name)
        others = table.without(one.name)
        alone = replace(table, rows=(row,))
        losses: dict[str, list[float]] = {"learned": [], "written": [], "global": [], "own": []}
        for budget in budgets:
            orders = {
                "learned": learned_order(others, one.traits, row.windows, budget, policy),
                "written": [recipe.name for recipe in written_order(one.whole)],
                "global": learned_order(others, one.traits, row.windows, budget, replace(policy, shared=1e9)),
                "own": learned_order(alone, one.traits, row.windows, budget, policy),
            }
            for name, order in orders.items():
                losses[name].append(replay.loss(order, budget))
        best = min(min(values) for values in losses.values())
        relative = {name: [round(value / best, 4) for value in values] for name, values in losses.items()}
        # What is possible is at least what any of the orders reached with this budget.
        relative["best"] = [min(values) for values in zip(*relative.values(), strict=True)]
        yield {"set": one.name, "budgets": list(budgets), "loss": round(best, 4), **relative}


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the geometric means over sets of the relative losses, by order and budget, and over all budgets."""
    out: dict[str, Any] = {"sets": len(records), "budgets": records[0]["budgets"]}
    for name in ("learned", "written", "global", "own", "best"):
        logs = np.log([record[name] for record in records])
        out[name] = [round(float(v), 4) for v in np.exp(logs.mean(axis=0))]
        out[f"{name}_mean"] = round(float(np.exp(logs.mean())), 4)
    return out
