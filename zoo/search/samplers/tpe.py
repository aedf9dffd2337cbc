"""Tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023): cheap, and at home in conditional spaces.

On the unit cube of the space: parameters that exist under the same conditions are modelled together (what Optuna finds
out by ``group=True``, comparing all trials at each ask, the space knows).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from zoo.errors import ConfigError
from zoo.search.samplers.base import Request, Sampler
from zoo.search.samplers.encoding import Array
from zoo.search.samplers.fronts import good_rows
from zoo.search.samplers.history import History, Standing, Violations
from zoo.search.samplers.parzen import Parzen
from zoo.search.space import Categorical, Params, Space

__all__ = ["TPEOptions", "TPESampler"]


@dataclass(frozen=True)
class TPEOptions:
    """How the estimator is used.

    Args:
        startup: Random suggestions before it.
        candidates: Among so many the next one is chosen.
        liar: Pending trials count as bad ones, so that suggestions spread. False: they are ignored.
        prior_weight: A prior's density is taken to the power ``prior_weight / n`` after n observations.
    """

    startup: int = 10
    candidates: int = 24
    liar: bool = True
    prior_weight: float = 2.0

    def __post_init__(self) -> None:
        if self.startup < 0 or self.candidates < 1 or not self.prior_weight >= 0:
            raise ConfigError(f"options must not be negative, but got {self}", "leave them out for the defaults")


#: Share of good trials; of one objective at most so many.
_SHARE, _GOOD = 0.1, 25
#: With constraints, so many times more candidates are drawn, and so many times anew.
_MORE = 4
#: Draws of a whole point until the constraints allow it.
_TRIES = 5
#: Share of suggestions and candidates that ignore the priors.
_EVEN = 0.9


class TPESampler(Sampler):
    """Suggests where good trials are dense and bad ones are not."""

    name: ClassVar[str] = "tpe"

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        violations: Violations | None = None,
        max_step: int | None = None,
        options: TPEOptions | None = None,
    ) -> None:
        super().__init__(space, seed=seed, violations=violations, max_step=max_step)
        self.options = options or TPEOptions()
        self.history = History(self.encoding, violations, max_step=max_step)
        columns = {name: index for index, name in enumerate(self.encoding.names)}
        self._groups = [tuple(columns[name] for name in group) for group in space.groups()]
        self._choices = [_choices(space, name) for name in self.encoding.names]

    def propose(self, request: Request) -> Params:
        """Return the best candidate, group by group."""
        self.history.update(request.trials, request.directions, skip=request.number)
        standing = self.history.standing
        finished = int(np.count_nonzero(standing >= Standing.PAUSED))
        if finished < self.options.startup:
            believed = request.rng.random() < (1 - _EVEN) * self._trust()
            return self.encoding.params(self.allowed(request, 1, believed=believed)[0])
        good, bad = self._split(finished, len(request.directions))
        present = self.encoding.present(self.encoding.snap(self.history.points))
        point = np.full(len(self.encoding), 0.5)
        for _ in range(_TRIES if self.space.constraints else 1):
            point = self._draw_point(request, good, bad, present)
            if self.space.allows(self.encoding.params(point)):
                return self.encoding.params(point)
        return self.encoding.params(self.walk(point, request))

    def rate(self, points: Array, request: Request) -> Array | None:
        """Return how much denser good trials are than bad ones, over the groups that exist at each point."""
        standing = self.history.standing
        finished = int(np.count_nonzero(standing >= Standing.PAUSED))
        if finished < self.options.startup:
            return None
        good, bad = self._split(finished, len(request.directions))
        known, there = self.encoding.present(self.encoding.snap(self.history.points)), self.encoding.present(points)
        worth = np.zeros(len(points))
        for group in self._groups:
            columns, here = list(group), there[:, group[0]]
            if here.any():
                below = self._estimator(columns, good[known[good, group[0]]])
                above = self._estimator(columns, bad[known[bad, group[0]]])
                drawn = points[here][:, columns]
                worth[here] += below.log_density(drawn) - above.log_density(drawn)
        return worth

    # which trials are good

    def _split(self, finished: int, objectives: int) -> tuple[Array, Array]:
        """Return the rows of the good and of the bad trials, each in the order of their numbers."""
        history = self.history
        whole = np.flatnonzero(history.standing == Standing.COMPLETE)
        excess = np.array([sum(max(v, 0.0) for v in history.violations[row]) for row in whole])
        fine, beyond = whole[excess <= 0], whole[excess > 0]
        part = np.flatnonzero(np.isin(history.standing, (Standing.PAUSED, Standing.STOPPED)))
        failed = np.flatnonzero(history.standing == Standing.FAILED)
        count = math.ceil(_SHARE * finished)
        if objectives > 1:
            values = np.array([history.finals[row] for row in fine]).reshape(len(fine), objectives)
            good = good_rows(values, min(count, len(fine)))
            fine = np.concatenate([fine[good], fine[~good]])
        else:
            count = min(count, _GOOD)
            fine = fine[np.argsort([history.finals[row][0] for row in fine], kind="stable")]
        # Trials that came further are more to be trusted than what fewer steps promise.
        part = part[np.lexsort((self._last(part), -history.last_step[part]))]
        beyond = beyond[np.argsort(excess[excess > 0], kind="stable")]
        ranked = np.concatenate([fine, part, beyond, failed])
        good, bad = ranked[:count], ranked[count:]
        if self.options.liar:
            bad = np.concatenate([bad, np.flatnonzero(history.standing == Standing.PENDING)])
        number = history.numbers
        return good[np.argsort(number[good])], bad[np.argsort(number[bad])]

    def _last(self, rows: Array) -> Array:
        """Return the last values of unfinished trials."""
        values = self.history.values[rows]
        columns = np.where(np.isfinite(values), np.arange(values.shape[1]), -1).max(1, initial=-1)
        picked = values[np.arange(len(rows)), columns]
        return np.where(columns >= 0, picked, np.inf)

    # the draw

    def _draw_point(self, request: Request, good: Array, bad: Array, present: Array) -> Array:
        """Return a point, group by group: a group is drawn if it exists given its parents."""
        point = np.full(len(self.encoding), 0.5)
        fixed = self.encoding.hold(point, request.fixed)
        for group in self._groups:
            if not self.encoding.present(self.encoding.snap(point[None]))[0, group[0]]:
                continue
            free = [c for c in group if self.encoding.names[c] not in request.fixed]
            point[list(group)] = fixed[list(group)]
            if free:
                self._draw_group(request, point, free, good[present[good, group[0]]], bad[present[bad, group[0]]])
        snapped: Array = self.encoding.snap(point[None])[0]
        return snapped

    def _draw_group(self, request: Request, point: Array, columns: list[int], good: Array, bad: Array) -> None:
        """Set the values of a group in ``point``."""
        below, above = self._estimator(columns, good), self._estimator(columns, bad)
        count = self.options.candidates * (_MORE if self.space.constraints else 1)
        units = np.tile(point, (count, 1))
        units[:, columns] = below.sample(request.rng, count)
        if self.encoding.has_prior:
            half = round((1 - _EVEN) * count * self._trust())
            units[:half, columns] = self.encoding.sample(request.rng, half, believed=True)[:, columns]
        drawn = units[:, columns]
        worth = below.log_density(drawn) - above.log_density(drawn) + self._log_feasible(columns, drawn)
        if self.encoding.has_prior:
            told = max(int(np.count_nonzero(self.history.standing >= Standing.STOPPED)), 1)
            weight = self.options.prior_weight * self._trust() / told
            worth = worth + weight * self.encoding.log_prior(units, columns)
        if self.space.constraints:
            fits = [self.space.allows(self._known(unit, point, columns)) for unit in units]
            worth = np.where(fits, worth, -np.inf)
        point[:] = units[int(np.argmax(worth))]

    def _log_feasible(self, columns: list[int], drawn: Array) -> Array:
        """Return how much denser trials within each threshold are than those beyond (Watanabe & Hutter 2023, "c-TPE").

        The relative density ``1 / (share + (1 - share) g / l)`` is 1 / share where all were within, and 0 where none.
        """
        out = np.zeros(len(drawn))
        for within, beyond in self._feasible_splits():
            share = len(within) / (len(within) + len(beyond))
            inside = self._estimator(columns, within).log_density(drawn)
            outside = self._estimator(columns, beyond).log_density(drawn)
            out -= np.log(share + (1 - share) * np.exp(np.clip(outside - inside, -50, 50)))
        return out

    def _feasible_splits(self) -> list[tuple[Array, Array]]:
        """Return for each threshold, and for failures, the rows within and beyond, where there are both."""
        history = self.history
        failed = np.flatnonzero(history.standing == Standing.FAILED)
        fine = np.flatnonzero((history.standing >= Standing.PAUSED) & (history.standing != Standing.FAILED))
        splits = [(fine, failed)]
        judged = [row for row in np.flatnonzero(history.standing == Standing.COMPLETE) if history.violations[row]]
        for index in range(len(history.violations[judged[0]]) if judged else 0):
            over = np.array([history.violations[row][index] > 0 for row in judged])
            splits.append((np.array(judged)[~over], np.array(judged)[over]))
        return [(within, beyond) for within, beyond in splits if len(within) and len(beyond)]

    def _trust(self) -> float:
        """Return how far the study's own whole trainings bear the priors out."""
        history = self.history
        if not self.encoding.has_prior:
            return 0.0
        rows = np.flatnonzero((history.standing == Standing.COMPLETE) & (history.numbers >= 0))
        return self.encoding.trust(history.points[rows], np.array([history.finals[row][0] for row in rows]))

    def _known(self, unit: Array, point: Array, columns: list[int]) -> Params:
        """Return those params of a candidate that are chosen by now."""
        params = self.encoding.params(unit)
        ahead = [name for name in params if self.encoding.names.index(name) not in self._chosen(columns)]
        return {name: value for name, value in params.items() if name not in ahead}

    def _chosen(self, columns: list[int]) -> set[int]:
        done: set[int] = set()
        for group in self._groups:
            done.update(group)
            if columns[0] in group:
                break
        return done

    def _estimator(self, columns: list[int], rows: Array) -> Parzen:
        return Parzen(self.history.points[rows][:, columns], [self._choices[c] for c in columns])


def _choices(space: Space, name: str) -> int:
    domain = space[name]
    return len(domain.choices) if isinstance(domain, Categorical) else 0
