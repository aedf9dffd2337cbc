"""The one step that learns: centres and widths."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from zoo.errors import ConfigError
from zoo.features.batch import Array, Batch
from zoo.features.kernels.scaling import fit_scale
from zoo.features.steps.base import ColumnStep, Scales, Scope
from zoo.series.offsets import Floats

__all__ = ["Scale", "pool"]

_FEW = 64  # rows of a request: its columns are scaled together


class Scale(ColumnStep):
    """Subtract a centre and divide by a width that were found on the rows of the fit.

    Args:
        how: robust (median, distance of the quartiles), standard (mean, standard deviation), minmax.
        per: ``id``: each series has its own; series that were not there take the median of the others'.
            ``all``: all take that median.
        columns: The lags, windows, decayed means and differences by default.
    """

    kind: ClassVar[str] = "scale"
    short: ClassVar[str | None] = "how"
    how: Literal["robust", "standard", "minmax"] = "robust"
    per: Literal["id", "all"] = "id"
    columns: list[str] | None = None

    @property
    def lookback(self) -> int:
        """None: what it learnt is kept."""
        return 0

    def reads(self, scope: Scope) -> tuple[str, ...]:
        """Return the scaled columns."""
        if self.columns is None and not scope.looking_back:
            raise ConfigError("scale needs columns, but no step before it looks back", "name them in `columns`")
        return scope.numeric(self.columns if self.columns is not None else list(scope.looking_back), "scale")

    def writes(self, scope: Scope) -> tuple[str, ...]:
        """Return the same columns."""
        return self.reads(scope)

    def learn(self, batch: Batch, reads: tuple[str, ...]) -> dict[str, Floats]:
        """Return centre and width of each series: column -> (S, 2)."""
        return {name: fit_scale(batch.columns[name], batch.offsets, self.how) for name in reads}

    def apply(self, batch: Batch, reads: tuple[str, ...], scales: Scales | None) -> dict[str, Array]:
        """Return the scaled columns."""
        if scales is None:
            raise ConfigError("a pipeline with `scale` must be fitted first", "call fit or fit_transform")
        rows = scales.rows(batch.ids) if self.per == "id" else np.array([-1])
        if len(rows) == 1:
            stats = scales.one(int(rows[0]), reads)
            if len(batch) > _FEW:
                return {n: (batch.columns[n] - c) / s for n, (c, s) in zip(reads, stats.tolist(), strict=True)}
            values = (np.array([batch.columns[name] for name in reads]) - stats[:, :1]) / stats[:, 1:]
            return dict(zip(reads, values, strict=True))
        out: dict[str, Array] = {}
        for name in reads:
            found = scales.of(rows, name)[batch.offsets.codes]
            out[name] = (batch.columns[name] - found[:, 0]) / found[:, 1]
        return out


def pool(table: dict[str, Floats]) -> dict[str, Floats]:
    """Return the medians over the series, (0, 1) where no series has a value.

    >>> pool({"x": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])})["x"].tolist()
    [3.0, 4.0]
    """
    out = {}
    for name, stats in table.items():
        known = stats[~np.isnan(stats[:, 0])]
        out[name] = np.median(known, axis=0) if len(known) else np.array([0.0, 1.0])
    return out
