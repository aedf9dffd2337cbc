"""Nothing is trained twice: which configurations a study knows, and how one is found that it does not.

A training of hours that is repeated teaches nothing, unless its result is noise: where a trial has told a standard
error, configurations may come again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from zoo.search.samplers.encoding import Array, Encoding
from zoo.search.samplers.history import Standing, standing_of
from zoo.search.space import Params
from zoo.search.trial_attributes import TrialAttributes

__all__ = ["Tried", "tells_noise"]

#: Neighbours drawn at once, before a finite space is listed.
_NEIGHBOURS = 64
#: Draws of neighbours, each with one more changed parameter.
_ROUNDS = 4
#: Of those drawn, so many lie anywhere: all neighbours may be known.
_ANYWHERE = 16


def tells_noise(trials: Sequence[FrozenTrial]) -> bool:
    """Return whether some trial of the study has told a standard error above zero."""
    return any(error > 0 for trial in trials if trial.number >= 0 for error in TrialAttributes(trial).stderr.values())


class Tried:
    """The configurations that ran, run or wait paused, kept up to date at the cost of what is new.

    Args:
        encoding: Between the space and the unit cube.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        #: Number -> the trial, and its point as a key; None if it teaches nothing.
        self._seen: dict[int, tuple[FrozenTrial, bytes | None]] = {}
        self._known: set[bytes] = set()
        self._listed: tuple[list[Params], Array] | None = None

    def update(self, trials: Sequence[FrozenTrial], *, skip: int) -> None:
        """Take in the study's own trials, but that of number ``skip``: it is the one that is asked for.

        What the machine lost for good was not trained, and what earlier studies found was another task.
        """
        self._known = set()
        for trial in trials:
            if trial.number < 0 or trial.number == skip:
                continue
            seen = self._seen.get(trial.number)
            if seen is None or seen[0] is not trial:  # a trial is replaced, never changed
                silent = standing_of(trial) is Standing.SILENT
                seen = trial, None if silent else self._key(TrialAttributes(trial).params or trial.params)
                self._seen[trial.number] = seen
            if seen[1] is not None:
                self._known.add(seen[1])

    def _key(self, params: Mapping[str, Any]) -> bytes:
        return self._encoding.canonical(self._encoding.point(params)[None]).tobytes()

    def __contains__(self, params: Mapping[str, Any]) -> bool:
        return self._key(params) in self._known

    def known(self, points: Array) -> Array:
        """Return (N,) which of (N, D) canonical points are known."""
        return np.array([point.tobytes() in self._known for point in points], dtype=bool)

    def fresh(self, points: Array) -> Array:
        """Return those canonical points that are not known and that the constraints allow, each once."""
        found = {}
        for point in points:
            key = point.tobytes()
            if key not in self._known and key not in found and self._allows(point):
                found[key] = point
        return np.array(list(found.values())).reshape(len(found), points.shape[1])

    def _allows(self, point: Array) -> bool:
        space = self._encoding.space
        return not space.constraints or space.allows(self._encoding.params(point))

    def near(self, params: Params, fixed: Mapping[str, Any], rng: np.random.Generator) -> Array:
        """Return points that are not known: neighbours of ``params`` and some from anywhere, or what a list has left.

        Args:
            params: Parameters that are known already.
            fixed: Values that must stay.
            rng: The chance of this trial.

        Returns:
            Canonical points, one per row; none if the space has no more.
        """
        encoding = self._encoding
        centre = encoding.point(params)
        for count in range(1, _ROUNDS + 1):
            drawn = encoding.sample(rng, _NEIGHBOURS)
            # One changed parameter at first, more of them later: what exists below it is drawn anew, too.
            order = np.argsort(rng.random(drawn.shape), axis=1)
            changed = (order < count) | (centre == 0.5)
            changed[-_ANYWHERE:] = True
            moved = encoding.hold_all(np.where(changed, drawn, centre), fixed)
            found = self.fresh(encoding.canonical(moved))
            if len(found):
                return found
        return self.left(fixed)

    def left(self, fixed: Mapping[str, Any] | None = None) -> Array:
        """Return the points of a finite space that are not known; none if it cannot be listed."""
        if self._listed is None:
            listed = self._encoding.space.configurations() or []
            points = np.array([self._encoding.point(params) for params in listed])
            points = points.reshape(len(listed), len(self._encoding))
            self._listed = listed, self._encoding.canonical(points)
        listed, points = self._listed
        held = [all(params.get(name) == value for name, value in (fixed or {}).items()) for params in listed]
        return self.fresh(points[np.array(held, dtype=bool)])
