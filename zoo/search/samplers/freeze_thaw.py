"""Freeze-thaw search: trainings pause at rungs, and a model of final values says which of them goes on (the default).

At each free worker the paused trainings compete with a new configuration for the largest expected improvement of the
*final* value per second that is still to pay (Swersky et al. 2014, "Freeze-thaw Bayesian optimization"; the choice at
each free worker is that of asynchronous successive halving, Li et al. 2020, without its quotas). A configuration whose
first rung disappoints stays frozen; one that surprises goes on, rung after rung, each time against all others.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial

from zoo.search.samplers.base import Request
from zoo.search.samplers.encoding import Array
from zoo.search.samplers.gp import GPSampler
from zoo.search.samplers.history import Standing
from zoo.search.space import Params
from zoo.search.stoppers.rungs import ladder

__all__ = ["FreezeThawSampler"]

#: Paused trials that compete: the best so many.
_COMPETE = 60
#: At the end of a search a paused trial goes on if it beats the best one with at least this many standard deviations.
_HOPE = -1.6


class FreezeThawSampler(GPSampler):
    """The model of ``GPSampler``, which also says who goes on; use it with the stopper ``Rungs``."""

    name: ClassVar[str] = "freeze_thaw"

    _ready: tuple[object, int, Params] | None = None

    def propose(self, request: Request) -> Params:
        """Return the params of the best candidate."""
        if self._ready is not None:
            asking, number, params = self._ready
            self._ready = None
            if asking is request.study and number == request.number and not request.fixed:
                return params  # found while it was compared with the paused ones
        return super().propose(request)

    def resume(self, study: Study, *, last: bool = False) -> int | None:
        """Return the paused trial that promises most per second, or None if a new one promises more."""
        trials: list[FrozenTrial] = study.get_trials(deepcopy=False)
        number = max((trial.number for trial in trials), default=-1) + 1
        self._ready = None
        self._look(study, trials)
        self.tried.update(trials, skip=number)
        rows = self._paused()
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, number, len(trials), len(rows)]))
        if len(rows) == 0 or not self._model(rng, len(study.directions)):
            # At the end something must become whole, whatever the model has seen.
            return int(self.history.numbers[rows[0]]) if last and len(rows) and not self._any_whole() else None
        if last:
            return self._still_hopeful(rows)
        request = Request(study, trials, number, {}, rng)
        candidates = self._candidates(request)
        points = np.vstack([self.encoding.snap(self.history.points[rows]), candidates])
        x = self.encoding.features(points)
        worth = self.worth(points, x, self._to_pay(x, rows), believed=self._believes(request))
        mine, theirs = worth[: len(rows)], worth[len(rows) :]
        if mine.max() >= theirs.max():
            return int(self.history.numbers[rows[int(np.argmax(mine))]])
        point = self._best_of(candidates, theirs, request)
        self._ready = (study, number, self.encoding.params(point))
        return None

    def _paused(self) -> Array:
        """Return the rows of the most promising paused trials, best first."""
        history = self.history
        rows = np.flatnonzero((history.standing == Standing.PAUSED) & (history.numbers >= 0))
        values = history.values[rows]
        best = np.where(np.isfinite(values), values, np.inf).min(1) if len(rows) else np.zeros(0)
        return rows[np.argsort(best, kind="stable")[:_COMPETE]]

    def _any_whole(self) -> bool:
        history = self.history
        return bool(((history.standing == Standing.COMPLETE) & (history.numbers >= 0)).any())

    def _to_pay(self, x: Array, rows: Array) -> Array:
        """Return the seconds until the end, of paused trials (the first features) and of new ones."""
        history = self.history
        seconds = self.seconds(x)
        measured = history.seconds[rows] / np.maximum(history.last_step[rows], 1.0) * history.max_step
        known = np.isfinite(measured) & (measured > 0) & (self._cost.process is not None)
        whole = np.where(known & (self.options.cost_power > 0), measured, seconds[: len(rows)])
        left = 1.0 - history.last_step[rows] / max(history.max_step, 1)
        return np.concatenate([whole * np.maximum(left, 0.01), seconds[len(rows) :]])

    def _still_hopeful(self, rows: Array) -> int | None:
        """Return the paused trial to finish though no new one begins, if one may still become the best."""
        process = self._objective.process
        assert process is not None
        mean, std = process.predict(self.encoding.features(self.history.points[rows]), np.ones(len(rows)))
        best = self._incumbent()
        if best is None or not self._any_whole():
            return int(self.history.numbers[rows[int(np.argmin(mean))]])
        hope = (best - mean) / std
        index = int(np.argmax(hope))
        return int(self.history.numbers[rows[index]]) if hope[index] >= _HOPE else None

    def _pending_fidelity(self, rows: Array) -> Array:
        """Return the next rung of pending trials: they will pause there."""
        history = self.history
        rungs = np.array(ladder(max(history.max_step, 1)), dtype=float)
        next_rung = np.searchsorted(rungs, history.last_step[rows], side="right")
        steps = rungs[np.minimum(next_rung, len(rungs) - 1)]
        out: Array = np.log1p(steps) / np.log1p(max(history.max_step, 1))
        return out
