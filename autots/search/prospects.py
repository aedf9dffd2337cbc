"""What a search could do next, and what promises the ensemble most per second.

A candidate is a training in parts: a model of single series reaches more of them, a pooled one learns more. At each
free worker everything that could go on or begin is compared (freeze-thaw, Swersky et al. 2014), by what the *ensemble*
would gain: a good candidate that is like others gains it little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autots.evaluate import Backtest
from autots.recipes import Configuration, Portfolio
from autots.search.budget import BudgetPolicy
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.leaderboard import Leaderboard

__all__ = ["PausedCandidate", "Prospect", "Prospects"]

# Gains are counted in those of a new configuration of a family that holds the whole ensemble.
# Of a family whose members have no weight: every family has a chance.
_CHANCE = 0.15
# Of a family that has not been tried: the portfolio begins with what is known to be good for such panels.
_UNTRIED = 0.6
# Of a new configuration that is drawn, beside one of the portfolio; of the next one of the portfolio beside the former.
_DRAWN, _LATER = 0.5, 0.93
# How fast a family's configurations promise less, the more of them were tried: first ones teach most.
_TRIED_POWER = 1.5
# Of a model of single series whose series show no gain yet (few of them are noise), if it is no worse than the best;
# from one ratio of their scores to the other it falls to a twentieth.
_SAMPLED, _LEVEL, _LOST = 1.0, 1.05, 1.4
# Series from which on the noise falls, as the root of their number.
_FEW_SERIES = 24
# Of a pooled model that goes on, for the share that it has not learned.
_LEARNING = 2.0
# How much better the ensemble of the series that a candidate has reached must become to be worth one.
_UNIT = 0.01
# Times the best score from which on a family promises a third.
_BEHIND, _BEHIND_SHARE = 1.5, 0.3
# Seconds below which a cost makes nothing more attractive, and how strongly costs count.
_MIN_COST, _COST_POWER = 1.0, 0.5
# Units of cost from which on a trial says how fast this machine is: less is mostly what every trial takes.
_MIN_UNITS = 0.2
# Part of its seconds that something must be given to be begun: its schedule is fitted to them.
_ENOUGH = 0.45
# Series of its sample on which a candidate's gain is measured at most.
_MEASURED = 200


@dataclass(frozen=True)
class PausedCandidate:
    """A trial that could go on.

    Args:
        family: The name of its class in the catalog of models.
        progress: Share of its work that is done, in (0, 1).
        seconds: Seconds that the rest of it would take.
        gain: Relative gain of the ensemble's loss that the series show which it has reached; None for a pooled model.
        behind: Its score on those series as a ratio of the best candidate's.
        reached: How many series those are.
    """

    family: str
    progress: float
    seconds: float
    gain: float | None = None
    behind: float = 1.0
    reached: int = 1

    @property
    def promise(self) -> float:
        """What a model of single series promises for those that it has not reached."""
        assert self.gain is not None
        floor = float(np.clip((_LOST - self.behind) / (_LOST - _LEVEL), 0.05, 1.0)) if self.behind > 0 else 1.0
        noise = min(np.sqrt(_FEW_SERIES / self.reached), 1.0)
        return float(max(self.gain / _UNIT * (1.0 - 0.5 * noise), _SAMPLED * floor * noise))


@dataclass(frozen=True)
class Prospect:
    """One thing that a free worker could do.

    Args:
        family: The name of its class in the catalog of models.
        gain: What the ensemble would gain, relative to other prospects.
        seconds: What it would take; 0 where nothing is known.
        number: The paused trial that would go on, or None.
        configuration: The position in the portfolio of what would begin; None where the family's space is searched.
    """

    family: str
    gain: float
    seconds: float
    number: int | None = None
    configuration: int | None = None

    @property
    def worth(self) -> float:
        """The gain per second, about: what costs next to nothing does not go before all else."""
        return float(self.gain / max(self.seconds, _MIN_COST) ** _COST_POWER)


@dataclass
class Prospects:
    """All that a search could do next.

    Args:
        leaderboard: The candidates so far.
        ensemble: What they would make now.
        portfolio: The configurations to begin with, and the families to go on with.
        policy: How the budget is spent.
        left: Seconds that trials may still take; the search keeps it up to date.
        unit_seconds: What a unit of the portfolio's costs takes on this machine; trials that end make it known better.

    Attributes:
        paused: The trials that could go on, by number.
        begun: The positions of the portfolio's configurations that were handed out.
        running: The families of the trials that run.
    """

    leaderboard: Leaderboard
    ensemble: InterimEnsemble
    portfolio: Portfolio
    policy: BudgetPolicy
    left: float = float("inf")
    unit_seconds: float = 1.0
    paused: dict[int, PausedCandidate] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    running: Sequence[str] = ()
    _units: dict[str, list[float]] = field(default_factory=dict)

    def took(self, configuration: Configuration | None, seconds: float) -> None:
        """Learn how fast this machine is with a family's library, from a whole trial of the portfolio.

        Args:
            configuration: Which one it was; None for one that was drawn.
            seconds: Worker seconds that all its parts took together.
        """
        if configuration is not None and configuration.cost > _MIN_UNITS:
            self._units.setdefault(configuration.family, []).append(seconds / configuration.cost)

    def best(self) -> Prospect | None:
        """Return what promises most per second of what fits into the time left; None where nothing does."""
        open_ = [p for p in self._all() if _ENOUGH * p.seconds <= self.left]
        if np.isfinite(self.leaderboard.max_local_fit_seconds):
            open_ = [p for p in open_ if not self.leaderboard.family_too_dear(p.family)]
        return max(open_, key=lambda p: p.worth, default=None)

    def configuration(self, position: int) -> Configuration:
        """Return one of the portfolio's configurations."""
        return self.portfolio.configurations[position]

    @property
    def racing(self) -> bool:
        """Whether a family of the portfolio is still to be tried."""
        known = self._tries()
        return any(c.family not in known for c in self.portfolio.configurations)

    def measured_gain(self, backtest: Backtest) -> float:
        """Return how much smaller the ensemble's loss would be with a candidate, on the series that it has reached.

        Args:
            backtest: Its forecasts so far, of all series; NaN for those that it has not reached.
        """
        objective = self.leaderboard.objective
        rows = np.arange(backtest.mean.shape[1]) if backtest.rows is None else backtest.rows
        rows = rows[:: max(len(rows) // _MEASURED, 1)]
        members = {c.number: c.forecasts for c in self.leaderboard.complete}
        weights = {n: w for n, w in self.ensemble.weights.items() if n in members}
        if not weights:
            return 1.0
        total = sum(weights.values())
        own, of_rows = backtest.of_series(rows), [members[n].of_series(rows) for n in weights]
        mean = sum(w / total * m.mean for w, m in zip(weights.values(), of_rows, strict=True))
        quantiles = sum(w / total * m.quantiles for w, m in zip(weights.values(), of_rows, strict=True))
        together = Backtest(np.asarray(mean), np.asarray(quantiles), 0.0, 0.0)
        before = objective.value(together, rows=rows)
        after = []
        for share in (0.25, 0.5, 1.0):
            mixed = Backtest(
                (1 - share) * together.mean + share * own.mean,
                (1 - share) * together.quantiles + share * own.quantiles,
                0.0,
                0.0,
            )
            after.append(objective.value(mixed, rows=rows))
        gain = 1.0 - min(after) / before if before > 0 else 0.0
        return float(gain) if np.isfinite(gain) else 0.0

    def _tries(self) -> Counter[str]:
        tried = Counter(c.family for c in self.leaderboard.candidates if c.number >= 0)
        tried.update(p.family for n, p in self.paused.items())
        tried.update(self.running)
        return tried

    def _all(self) -> list[Prospect]:
        merit, tries = self._merits(), self._tries()
        out = []
        for number, one in self.paused.items():
            rest = 1.0 - one.progress
            gain = _LEARNING * merit(one.family) if one.gain is None else one.promise
            reachable = min(self.left / max(one.seconds, 1e-9), 1.0)
            # What is reached by parts can be left at any time.
            seconds = one.seconds if one.gain is None else min(one.seconds, self.left)
            out.append(Prospect(one.family, gain * rest * reachable, seconds, number=number))
        later = 1.0
        for position, configuration in enumerate(self.portfolio.configurations):
            if position in self.begun:
                continue
            name = configuration.family
            gain = (merit(name) if tries[name] else _UNTRIED) / (1 + tries[name]) ** _TRIED_POWER
            seconds = self._seconds(name, configuration.cost)
            out.append(Prospect(name, gain * later, seconds, configuration=position))
            later *= _LATER
        for name in self.portfolio.searched:
            if tries[name]:
                gain = _DRAWN * merit(name) / (1 + tries[name]) ** _TRIED_POWER
                out.append(Prospect(name, gain, self._seconds(name)))
        return out

    def _seconds(self, name: str, cost: float = 0.0) -> float:
        """Return what a trial takes: its cost at the speed of its family, or of all; else the mean of its family."""
        if cost > _MIN_UNITS:
            everything = [unit for units in self._units.values() for unit in units]
            units = self._units.get(name) or everything or [self.unit_seconds]
            return cost * float(np.median(units))
        took = self.leaderboard.family_seconds(name)
        return float(np.mean(took)) if took else 0.0

    def _merits(self) -> _Merits:
        return _Merits(self.leaderboard, self.ensemble.weights)


class _Merits:
    """What each family is worth to the ensemble now."""

    def __init__(self, leaderboard: Leaderboard, weights: Mapping[int, float]) -> None:
        best = leaderboard.best
        self._best = np.inf if best is None else best.score
        self._weights: dict[str, float] = {}
        self._scores: dict[str, float] = {}
        for one in leaderboard.complete:
            self._weights[one.family] = self._weights.get(one.family, 0.0) + weights.get(one.number, 0.0)
            self._scores.setdefault(one.family, one.score)

    def __call__(self, family: str) -> float:
        """Return the merit of a family."""
        behind = self._scores.get(family, self._best) > _BEHIND * self._best
        return (_CHANCE + self._weights.get(family, 0.0)) * (_BEHIND_SHARE if behind else 1.0)
