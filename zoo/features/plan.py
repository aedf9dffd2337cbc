"""From a list of steps to what is done in which order, and how far it looks back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from zoo.errors import ConfigError
from zoo.features.steps import Aggregate, ColumnStep, Impute, Join, Resample, RowStep, Scale, Scope, Step
from zoo.series.offsets import Ints

__all__ = ["FeaturePlan", "Planned", "StepError", "aggregated", "make_plan"]


class StepError(ConfigError):
    """A step does not fit the table or the steps before it.

    Args:
        message: The rule, and what was found instead.
        hint: What the user may do about it.
        index: Position of the step.
    """

    def __init__(self, message: str, hint: str = "", index: int = 0) -> None:
        super().__init__(message, hint)
        self.index = index


class Planned(NamedTuple):
    """A column step with its columns.

    Args:
        place: Position in the list of steps.
        step: The step as it was written.
        reads: Columns it looks at.
        writes: Columns it adds or replaces.
    """

    place: int
    step: ColumnStep
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class FeaturePlan:
    """What is done.

    Args:
        rows: Row steps, in order; joins of later steps are among them.
        columns: Column steps but ``scale``, in order.
        scales: ``scale`` steps: they come last, since they change every row by itself.
        before: The columns of the source.
        scope: The columns after the row steps.
        outputs: All columns but id and time, in order.
        depth: Column -> rows before a row that it depends on.
    """

    rows: tuple[RowStep, ...]
    columns: tuple[Planned, ...]
    scales: tuple[Planned, ...]
    before: Scope
    scope: Scope
    outputs: tuple[str, ...]
    depth: dict[str, int]

    @cached_property
    def lookback(self) -> int:
        """Rows of the grid before a row that its columns depend on."""
        return max(self.depth.values(), default=0)

    @cached_property
    def _leaves(self) -> tuple[bool, ...]:
        read = [set(p.reads) for p in self.columns]
        return tuple(
            not isinstance(p.step, Impute) and not any(set(p.writes) & later for later in read[at + 1 :])
            for at, p in enumerate(self.columns)
        )

    def is_leaf(self, at: int) -> bool:
        """Return whether no later column step reads what a column step writes."""
        return self._leaves[at]

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that column steps write, each once."""
        return tuple(dict.fromkeys(name for p in self.columns for name in p.writes))

    @property
    def every(self) -> int | None:
        """Microseconds between rows, if they are resampled."""
        return next((step.step for step in reversed(self.rows) if isinstance(step, Resample)), None)

    def step_of(self, times: Ints, zone: str | None) -> Ints:
        """Return the beginnings of the steps in which times lie; the times themselves where nothing is resampled."""
        for step in self.rows:
            if isinstance(step, Resample):
                origin = step.origin(zone)
                times = (times - origin) // step.step * step.step + origin
        return times


def make_plan(steps: Sequence[Step], scope: Scope) -> FeaturePlan:
    """Return the plan of some steps on a table.

    Args:
        steps: In the order in which they are written.
        scope: The columns that the table has.

    Raises:
        StepError: A step does not fit.
    """
    rows: list[RowStep] = []
    columns: list[Planned] = []
    scales: list[Planned] = []
    source = scope
    after_rows = scope
    index = 0
    try:
        for index, step in enumerate(steps):
            if isinstance(step, RowStep):
                _check_row_step(step, columns)
                new = step.scope(scope)
                if isinstance(step, Join) and columns:
                    after_rows = step.scope(after_rows)
                else:
                    after_rows = new
                rows.append(step)
                scope = new
            elif isinstance(step, ColumnStep):
                planned = Planned(index, step, step.reads(scope), step.writes(scope))
                _check_column_step(planned, scope, columns, scales)
                (scales if isinstance(step, Scale) else columns).append(planned)
                scope = scope.adding(planned.writes, looks_back=step.looks_back)
    except ConfigError as error:
        raise StepError(error.message, error.hint, index) from error
    outputs = tuple(dict.fromkeys([*after_rows.numbers, *after_rows.texts, *(n for p in columns for n in p.writes)]))
    return FeaturePlan(
        tuple(rows), tuple(columns), tuple(scales), source, after_rows, outputs, _depth(after_rows, columns)
    )


def _check_row_step(step: RowStep, columns: list[Planned]) -> None:
    if columns and not isinstance(step, Join):
        raise ConfigError(
            f"steps that change rows must come before those that look back, but {step.kind} follows "
            f"{columns[0].step.kind}",
            f"move {step.kind} up: lags and windows count rows",
        )


def _check_column_step(planned: Planned, scope: Scope, columns: list[Planned], scales: list[Planned]) -> None:
    step = planned.step
    scaled = {name for p in scales for name in p.writes}
    twice = sorted(scaled & {*planned.reads, *planned.writes})
    if twice:
        raise ConfigError(f"scaled columns must not be changed or read again, but {step.kind} takes {twice}", "reorder")
    if isinstance(step, Impute) and step.how == "linear":
        if any(isinstance(p.step, Impute) and p.step.how == "linear" for p in columns):
            raise ConfigError(
                "there must be one linear imputation, but this is the second",
                "name all columns in one: impute: {how: linear, columns: [...]}",
            )
    if planned.writes != planned.reads:
        there = {*scope.numbers, *scope.texts, scope.names.time, scope.names.id}
        taken = sorted(set(planned.writes) & there)
        if taken:
            raise ConfigError(
                f"a new column must have a new name, but {taken} exist before {step.kind}",
                "a step occurs twice, or the table has a column of this name: drop or rename it",
            )


def _depth(scope: Scope, columns: list[Planned]) -> dict[str, int]:
    depth = dict.fromkeys((*scope.numbers, *scope.texts), 0)
    for planned in columns:
        reach = max((depth[name] for name in planned.reads), default=0) + planned.step.lookback
        depth |= dict.fromkeys(planned.writes, reach)
    return depth


def aggregated(plan: FeaturePlan) -> bool:
    """Return whether series are put together: then a request needs all series of a group."""
    return any(isinstance(step, Aggregate) for step in plan.rows)
