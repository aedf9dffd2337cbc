"""What a sampler can learn from: a study's trials as arrays, kept up to date at the cost of what changed.

States mean what the study says: COMPLETE is final; PRUNED with a failure is the configuration's fault; PRUNED without
one was stopped at its last report; RUNNING is pending, or paused if its attribute says so; FAIL teaches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from zoo.search.samplers.encoding import Encoding
from zoo.search.stoppers.rungs import ladder
from zoo.search.trial_attributes import TrialAttributes

__all__ = ["History", "Standing", "Violations", "standing_of"]

#: Rungs of a ladder, and the whole training.
_COLUMNS = 4
#: How far each threshold is missed; zero or less is feasible.
Violations: TypeAlias = Callable[[FrozenTrial], Sequence[float]]


class Standing(IntEnum):
    """What a trial tells."""

    SILENT = 0  # lost by the machine, queued, or not seen now
    PENDING = 1
    PAUSED = 2
    STOPPED = 3
    COMPLETE = 4
    FAILED = 5


def standing_of(trial: FrozenTrial) -> Standing:
    """Return what a trial tells."""
    if trial.state == TrialState.COMPLETE:
        return Standing.COMPLETE
    if trial.state == TrialState.RUNNING:
        paused = TrialAttributes(trial).paused and trial.intermediate_values
        return Standing.PAUSED if paused else Standing.PENDING
    if trial.state == TrialState.PRUNED:
        failed = TrialAttributes(trial).failed or not trial.intermediate_values
        return Standing.FAILED if failed else Standing.STOPPED
    return Standing.SILENT


class History:
    """The trials of a study as arrays, one row per trial; a trial that did not change is not read again.

    Args:
        encoding: Between the space and the unit cube.
        violations: Thresholds; by default those that Optuna's trials carry.
        max_step: Of a whole training; by default the last step of the longest one that was seen.
    """

    def __init__(
        self, encoding: Encoding, violations: Violations | None = None, *, max_step: int | None = None
    ) -> None:
        self._encoding = encoding
        self._violations = violations or _carried
        self._given_max = max_step
        self.max_step = max_step or 0
        self._clear()

    def _clear(self) -> None:
        self._trials: list[FrozenTrial] = []
        self._signs: tuple[float, ...] = ()
        self.numbers = np.zeros(0, dtype=np.int64)
        self.points = np.zeros((0, len(self._encoding)))
        self.standing = np.zeros(0, dtype=np.int8)
        #: Values per rung, NaN where there is none; the last column is that of the whole training.
        self.values = np.zeros((0, _COLUMNS))
        #: Fidelity in [0, 1] at which they were taken.
        self.fidelity = np.zeros((0, _COLUMNS))
        #: Study time at which they were taken.
        self.moments = np.zeros((0, _COLUMNS))
        self.last_step = np.zeros(0)
        self.seconds = np.zeros(0)
        #: Standard error of the final value of the first objective; 0 where none was told.
        self.errors = np.zeros(0)
        self.finals: list[tuple[float, ...]] = []
        self.violations: list[tuple[float, ...]] = []

    def __len__(self) -> int:
        return len(self._trials)

    def update(
        self, trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], *, skip: int | None = None
    ) -> None:
        """Take in the trials; that of number ``skip``, for which a suggestion is wanted, is silent.

        Rows are in the order of the trials' numbers, those of earlier studies after the study's own: it is the same
        in a process that has read all the history at once.
        """
        signs = tuple(-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions)
        longest = self._given_max or _longest(trials)
        if signs != self._signs or longest != self.max_step:
            self._clear()
            self._signs, self.max_step = signs, longest
        own = [trial for trial in trials if trial.number >= 0]
        ordered = [*own, *(trial for trial in trials if trial.number < 0)]
        self.standing[len(ordered) :] = Standing.SILENT
        del self._trials[len(ordered) :], self.finals[len(ordered) :], self.violations[len(ordered) :]
        self._grow(len(ordered))
        for row, trial in enumerate(ordered):
            if self._trials[row] is not trial:
                self._read(row, trial)
        hidden = np.flatnonzero(self.numbers[: len(own)] == (-1 if skip is None else skip))
        self.standing[hidden] = Standing.SILENT
        for index in hidden:
            self._trials[index] = _NOBODY  # read again when it is there for others

    def _grow(self, count: int) -> None:
        missing = count - len(self.standing)
        if missing > 0:
            missing = max(missing, len(self.standing) // 2, 16)
            for name in (
                "numbers",
                "points",
                "standing",
                "values",
                "fidelity",
                "moments",
                "last_step",
                "seconds",
                "errors",
            ):
                array = getattr(self, name)
                fill = np.zeros((missing, *array.shape[1:]), dtype=array.dtype)
                setattr(self, name, np.concatenate([array, fill]))
        while len(self._trials) < count:
            self._trials.append(_NOBODY)
            self.finals.append(())
            self.violations.append(())

    def _read(self, row: int, trial: FrozenTrial) -> None:
        attrs = TrialAttributes(trial)
        standing = standing_of(trial)
        self._trials[row] = trial
        self.numbers[row] = trial.number
        self.standing[row] = standing
        self.points[row] = self._encoding.point(attrs.params or trial.params)
        complete = standing == Standing.COMPLETE
        self.finals[row] = tuple(s * v for s, v in zip(self._signs, trial.values, strict=True)) if complete else ()
        self.violations[row] = tuple(self._violations(trial)) if complete else ()
        self.errors[row] = _error(trial) if complete else 0.0
        clock, took = attrs.clock, attrs.result.seconds
        steps = sorted(step for step, value in trial.intermediate_values.items() if math.isfinite(value))
        last = steps[-1] if steps else 0
        self.last_step[row] = self.max_step if complete else last
        self.seconds[row] = np.nan if took is None and last not in clock else float(clock.get(last, took or 0.0))
        self._read_curve(row, trial, steps, clock)
        self.moments[row, -1] = attrs.ended
        if complete:
            self.values[row, -1], self.fidelity[row, -1] = self.finals[row][0], 1.0
            if took is not None:
                self.seconds[row] = float(took)

    def _read_curve(self, row: int, trial: FrozenTrial, steps: list[int], clock: Mapping[int, float]) -> None:
        """Note the last value up to each rung; more of a curve would say little more."""
        self.values[row] = np.nan
        if self.max_step < 1:
            return
        begun = TrialAttributes(trial).started or 0.0
        before = -1
        for column, rung in enumerate(ladder(self.max_step)):
            step = max((step for step in steps if before < step <= rung), default=None)
            before = rung
            if step is None or step >= self.max_step:
                continue
            self.values[row, column] = self._signs[0] * trial.intermediate_values[step]
            self.fidelity[row, column] = math.log1p(step) / math.log1p(self.max_step)
            self.moments[row, column] = begun + clock.get(step, 0.0)


_NOBODY = FrozenTrial.__new__(FrozenTrial)


def _longest(trials: Sequence[FrozenTrial]) -> int:
    """Return the last step of the longest complete training, or of any as long as there is none."""
    complete, other = 0, 0
    for trial in trials:
        if trial.intermediate_values:
            last = max(trial.intermediate_values)
            if trial.state == TrialState.COMPLETE:
                complete = max(complete, last)
            else:
                other = max(other, last)
    return complete or other


def _error(trial: FrozenTrial) -> float:
    """Return the standard error of the first objective, which the journal knows by its name."""
    result = TrialAttributes(trial).result
    told, metrics = result.stderr, result.metrics or {}
    first = [error for name, error in told.items() if len(told) == 1 or metrics.get(name) == trial.values[0]]
    return abs(float(first[0])) if first and math.isfinite(first[0]) else 0.0


def _carried(trial: FrozenTrial) -> list[float]:
    found = trial.constraints
    return [float(found[name]) for name in sorted(found)]
