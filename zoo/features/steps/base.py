"""What a step is: a validated description, a lookback, and functions over batches.

Two kinds. A **row step** changes which rows there are (filter, deduplicate, resample, aggregate) or adds columns of
another table (join): ``apply`` maps a batch to a batch, and each engine may say it in its own language. A **column
step** computes columns from the rows before, with the kernels: the same code in every engine.

What an implementer must guarantee, and ``zoo.testing.features`` checks:

- a row depends on no later row;
- a row depends on no more than ``lookback`` rows before it, and with exactly these it has the same bits;
- the order of rows and the names of columns carry nothing; series do not see each other (but for ``aggregate``);
- a step has no state of its own: what is fitted (``scale``) is kept in a ``FittedSteps`` and passed in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from zoo.errors import ConfigError
from zoo.features.batch import Array, Batch, FeatureRoles
from zoo.series.offsets import Floats

__all__ = ["ColumnStep", "FittedSteps", "RowStep", "Scales", "Scope", "Step", "microseconds"]


@dataclass(frozen=True)
class Scope:
    """The columns that a step finds.

    Args:
        names: Which columns hold id, time and target.
        numbers: Names of the columns of numbers.
        texts: Names of the columns of text.
        looking_back: Columns made of earlier rows (lags, windows, ...): what ``scale`` takes by default.
    """

    names: FeatureRoles
    numbers: tuple[str, ...]
    texts: tuple[str, ...] = ()
    looking_back: tuple[str, ...] = ()

    def adding(self, columns: tuple[str, ...], *, looks_back: bool = False) -> Scope:
        """Return the scope after a step has written some columns."""
        new = tuple(c for c in columns if c not in self.numbers)
        return replace(
            self, numbers=self.numbers + new, looking_back=self.looking_back + new if looks_back else self.looking_back
        )

    def numeric(self, wanted: list[str] | None, step: str) -> tuple[str, ...]:
        """Return the columns that a step works on: the given ones, or the target.

        Raises:
            ConfigError: One of them is no column of numbers.
        """
        chosen = (self.names.target,) if wanted is None else tuple(wanted)
        for name in chosen:
            if name not in self.numbers:
                kind = "is text" if name in self.texts else f"is not among {list(self.numbers)[:12]}"
                raise ConfigError(f"{step} needs columns of numbers, but {name!r} {kind}", "check `columns`")
        return chosen


@dataclass(frozen=True)
class Scales:
    """Centres and widths that ``scale`` has found.

    Args:
        index: Id -> row of the tables.
        table: Column -> (S, 2).
        pooled: Column -> (2,) for series that were not there when it was fitted.
    """

    index: Mapping[Any, int]
    table: Mapping[str, Floats]
    pooled: Mapping[str, Floats]

    def rows(self, ids: Array) -> Array:
        """Return where some series are in the tables, -1 for unknown ones."""
        return np.array([self.index.get(i, -1) for i in ids.tolist()], dtype=np.int64)

    def of(self, rows: Array, column: str) -> Floats:
        """Return centre and width of some series, (S, 2); ``rows`` says where they are."""
        found = self.table[column][rows] if len(self.table[column]) else np.full((len(rows), 2), np.nan)
        unknown = (rows < 0) | np.isnan(found[:, 0])
        if unknown.any():
            found[unknown] = self.pooled[column]
        return found

    def one(self, row: int, columns: tuple[str, ...]) -> Floats:
        """Return centre and width of one series for some columns, (F, 2)."""
        pooled = [self.pooled[name] for name in columns]
        if row < 0:
            return np.array(pooled)
        found = np.array([self.table[name][row] for name in columns])
        unknown = np.isnan(found[:, 0])
        if unknown.any():
            found[unknown] = np.array(pooled)[unknown]
        return found


@dataclass(frozen=True)
class FittedSteps:
    """What the steps of a pipeline have learnt: position of the step -> its scales."""

    scales: Mapping[int, Scales]


class Step(BaseModel, ABC):
    """One step of a pipeline; its fields are its options."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    #: What the file calls it.
    kind: ClassVar[str]
    #: The field that takes a value given without a name: ``lags: [1, 24]``.
    short: ClassVar[str | None] = None

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given."""
        return self.model_dump(exclude_unset=True)


class RowStep(Step):
    """A step that changes the rows, or brings columns of another table."""

    @abstractmethod
    def scope(self, scope: Scope) -> Scope:
        """Return the columns after the step.

        Raises:
            ConfigError: A column that it needs is not there.
        """

    @abstractmethod
    def apply(self, batch: Batch) -> Batch:
        """Return the changed series."""


class ColumnStep(Step):
    """A step that computes columns, row by row from the rows before."""

    #: Whether what it writes is made of earlier rows.
    looks_back: ClassVar[bool] = False
    #: Whether what it writes follows from the clock alone, so that it is known over any horizon.
    clock_only: ClassVar[bool] = False

    @property
    @abstractmethod
    def lookback(self) -> int:
        """Rows before a row that its value depends on."""

    @abstractmethod
    def reads(self, scope: Scope) -> tuple[str, ...]:
        """Return the columns that it looks at.

        Raises:
            ConfigError: One is not there.
        """

    @abstractmethod
    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return the columns that it adds or replaces, in order."""

    @abstractmethod
    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the written columns.

        Args:
            batch: The series after all earlier steps.
            reads: What ``reads`` returned for the table's columns.
            scales: What the step has learnt, if it learns.
        """

    def newest(self, batch: Batch, reads: tuple[str, ...]) -> dict[str, Array]:
        """Return the last entry of each written column, for a single series with more than ``lookback`` rows.

        Only the last entry of what is returned counts: a step that finds it without the others overrides this.
        """
        return self.apply(batch, reads, None)


@lru_cache(maxsize=256)
def microseconds(text: str, what: str) -> int:
    """Return a duration such as ``30min`` or ``1d`` in microseconds.

    Raises:
        ConfigError: It is none, or not positive, or not a whole number of microseconds.

    >>> microseconds("2h", "tolerance")
    7200000000
    """
    try:
        nanoseconds = pd.Timedelta(text).value
    except ValueError as error:
        raise ConfigError(f"{what} must be a duration, but got {text!r}", "for example 30min, 1h or 7d") from error
    if nanoseconds <= 0 or nanoseconds % 1000:
        raise ConfigError(f"{what} must be positive, but got {text!r}", "for example 30min, 1h or 7d")
    return nanoseconds // 1000
