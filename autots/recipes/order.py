"""In which order candidates are tried: greedily, by what each adds to the ensemble on sets like the panel at hand.

As in AutoGluon's zero-shot portfolios (Salinas & Erickson 2023) and Auto-sklearn 2 (Feurer et al. 2022), with three
differences: what counts is the loss of an ensemble, sets count by their likeness to the panel, and the gain is divided
by what it costs. Axes: R sets, C members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autots.panel import Floats
from autots.recipes.table import PortfolioTable
from autots.recipes.traits import Traits

__all__ = ["OrderPolicy", "likeness", "ordered"]

# A squared loss of nothing: its logarithm is finite.
_TINY = 1e-12
# Least squared loss of an average of two, of that of the better one: as if their errors were independent.
_MOST_GAIN = 0.5


@dataclass(frozen=True)
class OrderPolicy:
    """How sets are weighed and gains compared; they hold for sets left out as well as others tried.

    Args:
        width: Distance of traits at which a set counts e^-1/2 of one with the same traits.
        shared: Weight that all sets share evenly, whatever the panel: a panel unlike all gets the global order.
        overhead_share: Part of the budget that is added to every cost, so that next to nothing is not free.
        unknown: Weight of a gain of 0 that is added to what the sets say, so that few of them say little.
        dear_share: Part of the budget from which a candidate comes after all others.
        families_first: Whether every useful family comes once before any comes twice.
        least_gain: Part by which a candidate must lower the loss; where none does, the next best portfolio begins.
        useful_ratio: Loss of a family's best candidate, of the best of all, up to which it is useful.
    """

    width: float = 0.8
    shared: float = 2.0
    overhead_share: float = 0.02
    unknown: float = 0.2
    dear_share: float = 0.45
    families_first: bool = True
    least_gain: float = 2e-4
    useful_ratio: float = 1.25


def likeness(table: PortfolioTable, traits: Traits, policy: OrderPolicy) -> Floats:
    """Return (R,) how much each set counts for a panel; the weights sum to one."""
    distances = np.array([row.traits.distance(traits) for row in table.rows])
    near = np.exp(-0.5 * (distances / policy.width) ** 2)
    weights = near + policy.shared / len(table.rows)
    return np.asarray(weights / weights.sum())


def ordered(
    table: PortfolioTable,
    members: Sequence[int],
    weights: Floats,
    units: Floats,
    *,
    budget: float,
    policy: OrderPolicy,
) -> list[int]:
    """Return positions in ``members``, in the order in which they are tried.

    Args:
        table: What was measured on sets.
        members: Positions of members of the table, from 1 on.
        weights: (R,) how much each set counts, see ``likeness``.
        units: Expected cost of each of the members; 0 where it is unknown.
        budget: Units that may be spent.
        policy: How gains are compared.
    """
    race = _Race(table, members, weights, policy)
    families = [table.recipes[m - 1].family for m in members]
    cost = units + policy.overhead_share * budget
    dear = units > policy.dear_share * budget
    left, out = set(range(len(members))), list[int]()
    useful = {families[i] for i in race.useful(families)} if policy.families_first else set[str]()
    while left:
        fresh = [i for i in left if families[i] in useful and not dear[i]]
        cheap = fresh or [i for i in left if not dear[i]] or list(left)
        gains = race.gains()
        if gains[cheap].max() < policy.least_gain:
            # What the sets have is used up; what would be good without it is the next best.
            race.forget()
            gains = race.gains()
        # Sets are not sorted, and a tie must not be decided by that.
        best = min(cheap, key=lambda i: (-gains[i] / cost[i], cost[i], i))
        out.append(best)
        left.discard(best)
        useful.discard(families[best])
        race.add(best)
    return out


class _Race:
    """The ensembles of all sets, as they grow together.

    Args:
        table: What was measured on sets.
        members: Those that can be added.
        weights: (R,) how much each set counts.
        policy: How much a set that knows nothing of a member counts.
    """

    def __init__(self, table: PortfolioTable, members: Sequence[int], weights: Floats, policy: OrderPolicy) -> None:
        at = np.asarray([0, *members])
        self._weights, self._policy = weights, policy
        self._products = np.stack([row.products()[np.ix_(at, at)] for row in table.rows])
        self._known = np.isfinite(np.diagonal(self._products, axis1=1, axis2=2))[:, 1:]
        self._products = np.nan_to_num(self._products)
        self.forget()

    def forget(self) -> None:
        """Begin again with the trivial forecaster alone."""
        # (R,) squared loss of each set's ensemble, and (R, C) its products with all members.
        self._loss = self._products[:, 0, 0].copy()
        self._cross = self._products[:, 0].copy()

    def useful(self, families: Sequence[str]) -> list[int]:
        """Return the best member of each family that comes near the best of all."""
        own = np.diagonal(self._products, axis1=1, axis2=2)[:, 1:]
        logs = np.where(self._known, 0.5 * np.log(np.maximum(own, _TINY)), 0.0)
        mass = self._weights @ self._known
        usual = np.where(mass > 0, self._weights @ logs / np.where(mass > 0, mass, 1.0), np.inf)
        near = np.flatnonzero(usual <= usual.min() + np.log(self._policy.useful_ratio))
        best: dict[str, int] = {}
        for i in near[np.argsort(usual[near], kind="stable")].tolist():
            best.setdefault(families[i], i)
        return list(best.values())

    def gains(self) -> Floats:
        """Return what each member would take off the logarithm of the mean ensemble's loss."""
        share = self._shares()
        after = self._after(share)
        gain = 0.5 * np.log(np.maximum(self._loss[:, None], _TINY) / np.maximum(after, _TINY))
        mass = self._weights @ self._known + self._policy.unknown
        return np.asarray(self._weights @ np.where(self._known, gain, 0.0) / mass)

    def add(self, i: int) -> None:
        """Give a member its best share of every ensemble."""
        share = self._shares()[:, i]
        self._loss = self._after(self._shares())[:, i]
        grown = (1 - share)[:, None] * self._cross + share[:, None] * self._products[:, i + 1]
        self._cross = grown

    def _shares(self) -> Floats:
        """Return the (R, C) shares by which members would lower each set's loss most."""
        own, cross = np.diagonal(self._products, axis1=1, axis2=2)[:, 1:], self._cross[:, 1:]
        bend = self._loss[:, None] - 2 * cross + own
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.clip((self._loss[:, None] - cross) / bend, 0.0, 1.0)
        share = np.where(bend > 0, inner, (own < self._loss[:, None]).astype(float))
        return np.asarray(np.where(self._known, share, 0.0))

    def _after(self, share: Floats) -> Floats:
        own, cross = np.diagonal(self._products, axis1=1, axis2=2)[:, 1:], self._cross[:, 1:]
        after = (1 - share) ** 2 * self._loss[:, None] + 2 * share * (1 - share) * cross + share**2 * own
        # An interpolation of errors that are not squared may promise the impossible.
        least = _MOST_GAIN * np.minimum(own, self._loss[:, None])
        return np.asarray(np.clip(after, least, np.maximum(self._loss[:, None], least)))
