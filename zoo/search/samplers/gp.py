"""Bayesian optimisation with Gaussian processes: asynchronous, cost-aware, with priors, limits and fidelities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial
from scipy.special import log_ndtr, ndtr

from zoo.errors import ConfigError
from zoo.search.samplers.base import Request, Sampler
from zoo.search.samplers.encoding import Array
from zoo.search.samplers.history import History, Standing, Violations
from zoo.search.samplers.surrogate import Observations, Surrogate
from zoo.search.space import Params, Space

__all__ = ["GPOptions", "GPSampler"]


@dataclass(frozen=True)
class GPOptions:
    """How the model is used.

    Args:
        startup: Random suggestions before the model; None: three more than there are parameters, at least ten.
        believe: Pending trials count as if they had already told the model's own expectation ("kriging believer").
            False: they are ignored, except that suggestions do not come twice.
        cost_power: Power of the expected seconds by which an improvement is divided: 0 ignores what a training costs.
        prior_weight: A prior's density is taken to the power ``prior_weight / n`` after n whole trainings (Hvarfner et
            al. 2022, "piBO").
        candidates: Random points among which the next one is chosen.
        local: Points near each of the best ones, likewise.
    """

    startup: int | None = None
    believe: bool = True
    cost_power: float = 1.0
    prior_weight: float = 10.0
    candidates: int = 200
    local: int = 15

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.local < 0 or not self.cost_power >= 0 or not self.prior_weight >= 0:
            raise ConfigError(f"options must not be negative, but got {self}", "leave them out for the defaults")


#: The best points near which candidates are drawn.
_BEST = 6
#: Share of even ones among random candidates where there are priors: a wrong prior must not sink.
_EVEN = 0.9
#: Share of suggestions that heed the priors: a wrong one wastes about that share of the trials.
_BELIEVED = 0.2
#: Below this probability of keeping all thresholds a candidate is held back, this strongly per factor e.
_SURE, _CAUTION = float(np.log(0.8)), 10.0
#: Among so many of the best observed points the model's leaders are looked for.
_OBSERVED = 100


class GPSampler(Sampler):
    """Suggests where improvement per second is expected to be largest.

    The model is a Gaussian process over parameters and fidelity. It uses whole trainings, what stopped and paused ones
    reported, and pending ones; failures and thresholds make regions improbable; a second process says what a training
    costs. Of several objectives each suggestion takes another weighting (Knowles 2006, "ParEGO").
    """

    name: ClassVar[str] = "gp"

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        violations: Violations | None = None,
        max_step: int | None = None,
        options: GPOptions | None = None,
    ) -> None:
        super().__init__(space, seed=seed, violations=violations, max_step=max_step)
        self.options = options or GPOptions()
        self.history = History(self.encoding, violations, max_step=max_step)
        self._objective = Surrogate(self.encoding, fidelity=True, ranked=True)
        self._cost = Surrogate(self.encoding, fidelity=False, ranked=False, max_observations=_OBSERVED)
        self._failure = Surrogate(self.encoding, fidelity=False, ranked=False)
        self._limits: list[Surrogate] = []

    @property
    def startup(self) -> int:
        """Trials that begin before the model chooses."""
        return self.options.startup if self.options.startup is not None else max(10, len(self.encoding) + 3)

    def propose(self, request: Request) -> Params:
        """Return the params of the best candidate."""
        self._look(request.study, request.trials, skip=request.number)
        if len(self.encoding) == 0:
            return {}
        if not self._model(request.rng, len(request.directions)):
            even = request.rng.random() >= _BELIEVED * self.trust()
            return self.encoding.params(self.allowed(request, 1, believed=not even)[0])
        points = self._candidates(request)
        worth = self.worth(points, self.encoding.features(points), believed=self._believes(request))
        return self.encoding.params(self._best_of(points, worth, request))

    def rate(self, points: Array, request: Request) -> Array | None:
        """Return the logarithm of the expected improvement per second."""
        if self._objective.process is None:
            return None
        return self.worth(points, self.encoding.features(points))

    def _look(self, study: Study, trials: Sequence[FrozenTrial], *, skip: int | None = None) -> None:
        self.history.update(trials, study.directions, skip=skip)

    # the models

    def _model(self, rng: np.random.Generator, objectives: int) -> bool:
        """Bring the models up to date; False as long as too little is known."""
        history = self.history
        begun = np.count_nonzero((history.standing != Standing.SILENT) & (history.numbers >= 0))
        data = self._observations(rng, objectives)
        known = len(np.unique(data.rows))
        evident = np.count_nonzero((history.standing == Standing.COMPLETE) & (history.numbers < 0))
        if (begun < self.startup and evident < self.startup) or known < 3:
            return False
        if not self._objective.update(history, data, rng):
            return False
        self._update_cost(rng)
        self._update_limits(rng)
        if self.options.believe:
            self._believe()
        return True

    def _observations(self, rng: np.random.Generator, objectives: int) -> Observations:
        """Return what is known of the objective, at all fidelities."""
        history = self.history
        if objectives > 1:
            return self._weighted(rng)
        told = np.isin(history.standing, (Standing.PAUSED, Standing.STOPPED, Standing.COMPLETE, Standing.PENDING))
        values = np.where(told[:, None], history.values, np.nan)
        rows, rungs = np.nonzero(np.isfinite(values))
        z, moments, y = history.fidelity[rows, rungs], history.moments[rows, rungs], values[rows, rungs]
        errors = np.where(rungs == values.shape[1] - 1, history.errors[rows], 0.0)
        failed = np.flatnonzero(history.standing == Standing.FAILED)
        if len(y) and len(failed):
            # As bad as the worst: ranks make no more of it than that.
            last = values.shape[1] - 1
            ends, worst = history.moments[failed, last], np.full(len(failed), y.max())
            rows, rungs = np.concatenate([rows, failed]), np.concatenate([rungs, np.full(len(failed), last)])
            z, moments = np.concatenate([z, np.ones(len(failed))]), np.concatenate([moments, ends])
            y, errors = np.concatenate([y, worst]), np.concatenate([errors, np.zeros(len(failed))])
        return Observations(rows, rungs, z, y, moments, errors)

    def _weighted(self, rng: np.random.Generator) -> Observations:
        """Return one number per whole training: a random weighting of the objectives' ranks."""
        history = self.history
        rows = np.flatnonzero(history.standing == Standing.COMPLETE)
        if len(rows) == 0:
            nothing = np.zeros(0)
            return Observations(nothing, nothing, nothing, nothing, nothing)
        finals = np.array([history.finals[row] for row in rows])
        low, high = finals.min(0), np.quantile(finals, 0.9, axis=0)
        scaled = (finals - low) / np.where(high > low, high - low, 1.0)
        weights = rng.dirichlet(np.ones(finals.shape[1]))
        y = (weights * scaled).max(1) + 0.05 * scaled @ weights
        last = history.values.shape[1] - 1
        moments = history.moments[rows, last]
        return Observations(rows, np.full(len(rows), last), np.ones(len(rows)), y, moments)

    def _update_cost(self, rng: np.random.Generator) -> None:
        """Model the logarithm of the seconds per step."""
        history = self.history
        used = np.isin(history.standing, (Standing.PAUSED, Standing.STOPPED, Standing.COMPLETE))
        rows = np.flatnonzero(used & (history.seconds > 0) & (history.numbers >= 0))
        steps = np.maximum(history.last_step[rows], 1.0)
        self._rate = np.log(history.seconds[rows] / steps)
        self._cost.update(history, _flat(rows, self._rate), rng)

    def _update_limits(self, rng: np.random.Generator) -> None:
        """Model failures and thresholds."""
        history = self.history
        failed = history.standing == Standing.FAILED
        fine = np.isin(history.standing, (Standing.PAUSED, Standing.STOPPED, Standing.COMPLETE))
        self._failure.process = None
        if failed.any():
            rows = np.flatnonzero(failed | fine)
            self._failure.update(history, _flat(rows, failed[rows].astype(float)), rng)
        judged = [row for row in np.flatnonzero(history.standing == Standing.COMPLETE) if history.violations[row]]
        count = len(history.violations[judged[0]]) if judged else 0
        self._limits = [*self._limits, *self._new_limits(count - len(self._limits))][:count]
        rows = np.array([row for row in judged if len(history.violations[row]) == count], dtype=int)
        for index, limit in enumerate(self._limits):
            over = np.array([history.violations[row][index] for row in rows])
            width = float(np.median(np.abs(over))) or 1.0
            # Beyond a few widths it does not matter how much; the sign does.
            limit.update(history, _flat(rows, np.clip(over / width, -3.0, 3.0)), rng)

    def _new_limits(self, count: int) -> list[Surrogate]:
        return [Surrogate(self.encoding, fidelity=False, ranked=False) for _ in range(count)]

    def _believe(self) -> None:
        """Let pending trials count as if they had told what the model expects of them."""
        history, process = self.history, self._objective.process
        rows = np.flatnonzero(history.standing == Standing.PENDING)
        if len(rows) and process is not None:
            x = self.encoding.features(history.points[rows])
            self._objective.process = process.believing(x, self._pending_fidelity(rows))

    def _pending_fidelity(self, rows: Array) -> Array:
        """Return the fidelity at which pending trials will tell something."""
        return np.ones(len(rows))

    # the choice

    def _candidates(self, request: Request) -> Array:
        """Return random points, and points near the best ones."""
        options, rng = self.options, request.rng
        believed = round((1 - _EVEN) * options.candidates * self.trust()) if self.encoding.has_prior else 0
        parts = [self.encoding.sample(rng, options.candidates - believed)]
        parts.append(self.encoding.sample(rng, believed, believed=True))
        for centre in self._leaders():
            size = 10.0 ** rng.uniform(-2.3, -0.5, (options.local, 1))
            mask = rng.random((options.local, len(centre))) < 0.6
            parts.append(np.clip(centre + mask * size * rng.standard_normal(mask.shape), 0.0, 1.0))
        points = self.encoding.hold_all(np.vstack(parts), request.fixed)
        return self.encoding.snap(points)

    def _leaders(self) -> Array:
        """Return the best known points, by what the model thinks of the observed ones."""
        process = self._objective.process
        assert process is not None
        history = self.history
        known = np.isin(history.standing, (Standing.PAUSED, Standing.STOPPED, Standing.COMPLETE))
        rows = np.flatnonzero(known)
        if len(rows) > _OBSERVED:
            whole = history.values[rows]
            last = np.where(np.isfinite(whole), whole, np.inf).min(1)
            rows = rows[np.argsort(last)[:_OBSERVED]]
        x = self.encoding.features(history.points[rows])
        mean = process.mean(x, np.ones(len(rows)))
        return history.points[rows[np.argsort(mean)[:_BEST]]]

    def _believes(self, request: Request) -> bool:
        """Return whether this suggestion heeds the priors: as most do not, a wrong one costs no more than a share."""
        return self.encoding.has_prior and bool(request.rng.random() < _BELIEVED)

    def worth(self, points: Array, x: Array, seconds: Array | None = None, *, believed: bool = False) -> Array:
        """Return the logarithm of the expected improvement per second, or of how likely a point is allowed at all.

        Args:
            points: (N, D) points of the unit cube, snapped to values that exist.
            x: (N, F) features of the points.
            seconds: (N,) seconds that it takes to finish them; by default those of whole trainings.
            believed: Whether the priors count.
        """
        process = self._objective.process
        assert process is not None
        z = np.ones(len(points))
        mean, std = process.predict(x, z)
        allowed = self._log_allowed(x, z)
        best = self._incumbent()
        score: Array = allowed
        if best is not None:
            score = score + log_improvement(mean, std, best)
        cost = self.seconds(x) if seconds is None else seconds
        score = score - self.options.cost_power * np.log(cost)
        if believed:
            weight = self.options.prior_weight * self.trust() / max(self._evidence(), 1.0)
            score = score + weight * self.encoding.log_prior(points)
        return score

    def trust(self) -> float:
        """Return how far the study's own whole trainings bear the priors out."""
        history = self.history
        if not self.encoding.has_prior:
            return 0.0
        rows = np.flatnonzero((history.standing == Standing.COMPLETE) & (history.numbers >= 0))
        return self.encoding.trust(history.points[rows], history.values[rows, -1])

    def _evidence(self) -> float:
        """Return how many whole trainings the study's own observations amount to."""
        history = self.history
        told = np.isin(history.standing, (Standing.PAUSED, Standing.STOPPED, Standing.COMPLETE))
        return float(
            np.where(np.isfinite(history.values), history.fidelity, 0.0)[told & (history.numbers >= 0)].max(1).sum()
        )

    def seconds(self, x: Array) -> Array:
        """Return the seconds that whole trainings are expected to take, given their features."""
        process = self._cost.process
        if process is None or self.options.cost_power == 0:
            return np.ones(len(x))
        mean = process.mean(x, np.zeros(len(x)))
        width, centre = float(self._rate.std()) + 1e-9, float(self._rate.mean())
        return np.exp(centre + width * mean) * max(self.history.max_step, 1)

    def _incumbent(self) -> float | None:
        """Return the value to improve on, on the model's scale; None as long as nothing allowed is known."""
        objective, history = self._objective, self.history
        process = objective.process
        assert process is not None
        whole = history.standing == Standing.COMPLETE
        if not self._limits:
            if objective.best is not None:
                return objective.best
            return float(process.data.y.min())
        rows = [row for row in np.flatnonzero(whole) if all(v <= 0 for v in history.violations[row])]
        if not rows:
            return None
        x = self.encoding.features(history.points[np.array(rows)])
        return float(process.mean(x, np.ones(len(rows))).min())

    def _log_allowed(self, x: Array, z: Array) -> Array:
        """Return the logarithm of the probability that a training neither fails nor misses a threshold."""
        out = np.zeros(len(x))
        limited = np.zeros(len(x))
        if self._failure.process is not None:
            mean, std = self._failure.process.predict(x, z)
            # Half-way between fine and failed.
            middle = self._failure.zero + 0.5 * (1.0 / self._failure.width)
            out += log_ndtr((middle - mean) / np.maximum(std, 0.1))
        for limit in self._limits:
            if limit.process is not None:
                mean, std = limit.process.predict(x, z)
                limited += log_ndtr((limit.zero - mean) / std)
        # At the border of what is allowed the best gain is half a chance: most users want fewer misses than that.
        return out + limited - _CAUTION * np.maximum(_SURE - limited, 0.0)

    def _best_of(self, points: Array, worth: Array, request: Request) -> Array:
        """Return the best point that is allowed and was not tried yet."""
        known = self.tried.known(self.encoding.canonical(points))
        order = np.argsort(-worth)
        for index in order:
            point = points[index]
            if not known[index] and self.space.allows(self.encoding.params(point)):
                return cast(Array, point)
        # All tried, or none allowed: a small space, or a thin one.
        for index in order:
            if self.space.allows(self.encoding.params(points[index])):
                return cast(Array, points[index])
        return self.walk(points[order[0]], request)


def log_improvement(mean: Array, std: Array, best: float) -> Array:
    """Return the logarithm of the expected improvement below ``best``; also far from it a number that has a slope."""
    z = (best - mean) / std
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    near = np.log(np.maximum(z * ndtr(z) + density, 1e-300))
    # h(z) ~ phi(z) / z^2 far out in the tail.
    far = -0.5 * z * z - 0.5 * np.log(2 * np.pi) - 2 * np.log(np.maximum(-z, 1.0))
    return cast(Array, np.where(z > -6, near, far) + np.log(std))


def _flat(rows: Array, y: Array) -> Observations:
    """Return observations without fidelities, in the order of their rows."""
    zeros = np.zeros(len(rows))
    return Observations(rows, zeros, zeros, y, np.arange(len(rows), dtype=float))
