"""Steps that repair values: missing ones and unusual ones."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from zoo.errors import ConfigError
from zoo.features.batch import Array, Batch
from zoo.features.kernels.gaps import closed, find_gaps, forward
from zoo.features.kernels.marks import fences
from zoo.features.steps.base import ColumnStep, Scales, Scope

__all__ = ["Impute", "Outliers"]


class Impute(ColumnStep):
    """Fill missing values with what was known then.

    Args:
        how: ``linear``: a straight line through gaps of at most ``limit`` rows, for the rows after the gap; the rows
            inside it see the last known value, since the line needs a value that came later. ``previous``: the last
            known value, ``limit`` times. ``value``: a number.
        limit: Rows of a gap.
        value: The number that ``how: value`` fills in; 0 by default.
        columns: The target by default.
    """

    kind: ClassVar[str] = "impute"
    short: ClassVar[str | None] = "how"
    how: Literal["linear", "previous", "value"] = "linear"
    limit: int = Field(default=6, ge=1)
    value: float = 0.0
    columns: list[str] | None = None

    @property
    def lookback(self) -> int:
        """A value, and a gap that is just too long."""
        return {"linear": self.limit + 1, "previous": self.limit, "value": 0}[self.how]

    def reads(self, scope: Scope) -> tuple[str, ...]:
        """Return the columns with holes."""
        return scope.numeric(self.columns, "impute")

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return the same columns."""
        return self.reads(scope)

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the columns as rows after all gaps see them."""
        out: dict[str, Array] = {}
        for name in reads:
            values = batch.columns[name]
            if self.how == "value":
                out[name] = np.where(np.isnan(values), self.value, values)
            else:
                gaps = find_gaps(values, batch.offsets)
                out[name] = (closed if self.how == "linear" else forward)(values, gaps, self.limit)
        return out


class Outliers(ColumnStep):
    """Find values that are far from those before them.

    Args:
        how: ``iqr``: beyond the quartiles by ``factor`` (1.5) times their distance; ``sigma``: beyond ``factor`` (3)
            standard deviations.
        action: ``mark``: a column NAME_outlier of zeros and ones; ``clip``: to the border; ``missing``: left out.
        window: Rows before the row that judge it.
        factor: How far usual values reach, in the unit that ``how`` names.
        columns: The target by default.
    """

    kind: ClassVar[str] = "outliers"
    short: ClassVar[str | None] = "how"
    how: Literal["iqr", "sigma"] = "iqr"
    action: Literal["mark", "clip", "missing"] = "mark"
    window: int = Field(default=168, ge=8)
    factor: float | None = Field(default=None, gt=0)
    columns: list[str] | None = None

    @property
    def lookback(self) -> int:
        """The window before the row."""
        return self.window

    def reads(self, scope: Scope) -> tuple[str, ...]:
        """Return the judged columns."""
        return scope.numeric(self.columns, "outliers")

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return the marks, or the changed columns."""
        columns = self.reads(scope)
        return tuple(f"{name}_outlier" for name in columns) if self.action == "mark" else columns

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return marks or changed columns."""
        return self._judged(batch, reads, newest=False)

    def newest(self, batch: Batch, reads: tuple[str, ...]) -> dict[str, Array]:
        """Return the mark or the value of the last row."""
        return self._judged(batch, reads, newest=True)

    def _judged(self, batch: Batch, reads: tuple[str, ...], *, newest: bool) -> dict[str, Array]:
        out: dict[str, Array] = {}
        factor = self.factor if self.factor is not None else (1.5 if self.how == "iqr" else 3.0)
        for name in reads:
            values = batch.columns[name]
            low, high = fences(values, batch.offsets, self.how, window=self.window, factor=factor, newest=newest)
            with np.errstate(invalid="ignore"):
                wild = (values < low) | (values > high)
            if self.action == "mark":
                out[f"{name}_outlier"] = wild.astype(float)
            elif self.action == "clip":
                out[name] = np.where(wild, np.where(values < low, low, high), values)
            else:
                out[name] = np.where(wild, np.nan, values)
        return out

    @model_validator(mode="after")
    def _sensible(self) -> Outliers:
        if self.columns is not None and not self.columns:
            raise ConfigError("outliers needs at least one column, but got none", "leave `columns` out for the target")
        return self
