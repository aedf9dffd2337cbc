"""Rows that share a step become one; covariates that are missing get a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autots.panel.panel import Floats, Ints
from autots.reading.findings import FindingLog

__all__ = ["RepeatedRows", "fill_covariate", "without_infinite"]


def without_infinite(values: Floats, log: FindingLog, kind: str, message: str, action: str) -> Floats:
    """Return values with infinite ones missing, and note how many there were."""
    infinite = np.isinf(values)
    count = int(infinite.sum())
    log.add(kind, count, f"{count} {message}", action)
    return np.where(infinite, np.nan, values) if count else values


@dataclass(frozen=True)
class RepeatedRows:
    """Rows that share a step with others."""

    rows: Ints  # their numbers
    steps: Ints  # their steps
    count: int  # rows too many

    @classmethod
    def find(cls, at: Ints, total: int) -> RepeatedRows:
        """Return the rows whose (N,) steps ``at``, of ``total`` in all, are those of other rows, too."""
        several = np.bincount(at, minlength=total) > 1
        rows = np.flatnonzero(several[at])
        return cls(rows, at[rows], len(rows) - int(several.sum()))

    def merge(self, values: Floats, out: Floats, *, category: bool) -> None:
        """Write the mean of the known values (the first of a category) to each step."""
        known = ~np.isnan(values[self.rows])
        steps, held = self.steps[known], values[self.rows][known]
        out[self.steps] = np.nan
        if not len(held):
            return
        # Sorted by value, so that the sum does not depend on the order in which the rows came.
        order = np.lexsort((held, steps))
        steps, held = steps[order], held[order]
        start = np.flatnonzero(np.concatenate([[True], np.diff(steps) != 0]))
        n = np.diff(np.append(start, len(steps)))
        same = held[start] == held[start + n - 1]
        mean = np.add.reduceat(held / np.repeat(n, n), start)
        out[steps[start]] = np.where(same | category, held[start], mean)


def fill_covariate(
    values: Floats, indptr: Ints, name: str, coded: bool, fills: Mapping[str, float], log: FindingLog
) -> tuple[Floats, float]:
    """Fill a covariate forward within each series, then with its median (the code -1 for categories)."""
    missing = np.isnan(values)
    count = int(missing.sum())
    if coded:
        rest = -1.0
    elif name in fills:
        rest = fills[name]
    else:
        rest = float(np.median(values[~missing])) if count < len(values) else 0.0
    if not count:
        return values, rest
    at = np.flatnonzero(missing)
    good = np.flatnonzero(~missing)
    begin = indptr[np.searchsorted(indptr, at, side="right") - 1]
    before = np.searchsorted(good, at) - 1
    source = good[np.maximum(before, 0)] if len(good) else np.full(len(at), -1)
    inside = (before >= 0) & (source >= begin)
    values[at] = np.where(inside, values[np.maximum(source, 0)], rest)
    how = "filled forward, then marked as missing" if coded else f"filled forward, then with {rest:g}"
    log.add("covariate_missing", count, f"{count} values of {name!r} are missing", how)
    return values, rest
