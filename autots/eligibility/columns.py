"""What a column's own values say, without the target: nothing, a name, or too little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from autots.eligibility.verdicts import ColumnVerdict

__all__ = ["judge_values"]

_MAX_ROWS = 100_000  # rows of a large table that are looked at
_MIN_VALUES = 20  # values from which uniqueness says something
_MOSTLY, _NEARLY_ALL = 0.5, 0.9  # shares of the rows that are missing
_UNIQUE_SHARE = 0.5  # share of text values that are there once
_KNOWN_ROWS = 5  # rows without a target from which their covariates say something


def judge_values(column: Any, name: str, role: str, *, target: Any, series: Any) -> ColumnVerdict:
    """Judge a column by its own values.

    Args:
        column: (N,) the user's values.
        name: What the user calls the column.
        role: ``"known"``, ``"past"`` or ``"static"``.
        target: (N,) the user's target, or None.
        series: (N,) what names the series, or None for a single one.
    """
    step = max(1, len(column) // _MAX_ROWS)
    sample = column.iloc[::step]
    missing = float(sample.isna().mean())
    if role == "known" and target is not None:
        unknown = _not_known(column, target, name)
        if unknown is not None:
            return unknown
    if missing > _NEARLY_ALL:
        return ColumnVerdict(name, role, "ineligible", "mostly_missing", f"{missing:.1%} missing", {"missing": missing})
    there = sample.dropna()
    if len(there) and _one_value(there) and (step == 1 or _one_value(column.dropna())):
        return ColumnVerdict(name, role, "ineligible", "constant", f"constant: always {there.iloc[0]!s}", {})
    found = _identifier(there, name, role, None if series is None else series.iloc[::step].loc[there.index])
    if found is not None:
        return found
    if missing > _MOSTLY:
        return ColumnVerdict(name, role, "review", "mostly_missing", f"{missing:.1%} missing", {"missing": missing})
    return ColumnVerdict(name, role)


def _not_known(column: Any, target: Any, name: str) -> ColumnVerdict | None:
    """Return a verdict if a column that is declared known is missing just where the target is still to come."""
    open_rows = target.isna().to_numpy()
    if open_rows.sum() < _KNOWN_ROWS or open_rows.all():
        return None
    gaps = column.isna().to_numpy()
    there, elsewhere = float(gaps[open_rows].mean()), float(gaps[~open_rows].mean())
    if there < _NEARLY_ALL or elsewhere > 1 - _NEARLY_ALL:
        return None
    return ColumnVerdict(
        name,
        "known",
        "ineligible",
        "not_known",
        f"declared known, but missing in {there:.0%} of the rows whose target is still missing",
        {"missing_with_target": there, "missing_elsewhere": elsewhere},
    )


def _one_value(values: Any) -> bool:
    if pd.api.types.is_numeric_dtype(values.dtype):
        return bool(values.min() == values.max())
    return bool(values.nunique() <= 1)


def _identifier(there: Any, name: str, role: str, series: Any) -> ColumnVerdict | None:
    """Return a verdict if the values name rows or series instead of describing them."""
    n = len(there)
    if n < _MIN_VALUES or pd.api.types.is_bool_dtype(there.dtype) or pd.api.types.is_datetime64_any_dtype(there.dtype):
        return None
    numeric = pd.api.types.is_numeric_dtype(there.dtype)
    if numeric and not _whole(there):
        return None
    different = int(there.nunique())
    evidence = {"values": float(n), "different": float(different)}
    if series is not None:
        names = int(series.nunique())
        if names >= _MIN_VALUES and different == names and int(there.groupby(series.to_numpy()).nunique().max()) == 1:
            return ColumnVerdict(
                name, role, "ineligible", "identifier", f"names the series: one value for each of the {names}", evidence
            )
    if not numeric and different > _UNIQUE_SHARE * n:
        reason = f"names rows: {different:,} different texts in {n:,} rows"
        return ColumnVerdict(name, role, "ineligible", "identifier", reason, evidence)
    if numeric and different == n and _counts_or_hashes(there.to_numpy(dtype=float)):
        reason = f"names rows: a whole number for each of the {n:,}, none twice"
        return ColumnVerdict(name, role, "ineligible", "identifier", reason, evidence)
    return None


def _whole(values: Any) -> bool:
    if pd.api.types.is_integer_dtype(values.dtype):
        return True
    numbers = values.to_numpy(dtype=float)
    # Beyond 2^53 every float is whole, which says nothing.
    return bool(np.all(numbers == np.floor(numbers)) and np.abs(numbers).max() < 2.0**53)


def _counts_or_hashes(values: Any) -> bool:
    """Whether whole numbers without a double count rows, or are drawn at random: a measurement does neither."""
    steps = np.diff(values)
    if np.all(steps == steps[0]) or np.ptp(values) < 2 * len(values):
        return True
    largest = float(np.abs(values).max())
    centred = values / largest - (values / largest).mean()  # scaled, or squares of huge values overflow
    again = float(np.dot(centred[1:], centred[:-1]) / np.dot(centred, centred))
    return abs(again) < 3 / np.sqrt(len(values)) and largest > 100 * len(values)
